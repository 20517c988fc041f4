"""Loads into tables that are there, begun while extract goes on: a process is killed at each durable step.

On MySQL such loads go ahead, and those that find no new tables after their first rows.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.e2e import victim_steady
from tests.e2e.killing import GROWN, LAST, Undisturbed, survives_most

pytestmark = pytest.mark.parametrize("ahead", ["mysql", "postgres"], indirect=True, scope="module")
STORY = victim_steady


def test_tables_that_are_there_are_loaded_ahead(ahead: Undisturbed) -> None:
    names = ahead.steps[GROWN].names
    assert {f"after load.ahead.{table}" for table in ("added", "now", "now__days")} <= {*names}
    assert not [name for name in names if "load.write" in name]


def test_killed_at_some_steps(ahead: Undisturbed, tmp_path: Path) -> None:
    survives_most(ahead, GROWN, 5, tmp_path)


@pytest.mark.slow
def test_killed_at_many_steps(ahead: Undisturbed, tmp_path: Path) -> None:
    survives_most(ahead, LAST, 2, tmp_path)
