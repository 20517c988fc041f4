"""Backfill: a process is killed at each durable step; called again it goes on, each window exactly once.

How a recovery that is killed itself is recovered is the same for all loads: `test_kill_cursor.py` has that.

`victim_backfill.check` also looks at what each killed process leaves: the windows on record are those whose rows
are there, and the live cursor is that of the live rows.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.e2e import victim_backfill
from tests.e2e.killing import (  # noqa: F401 - pytest finds the tests here
    GROWN,
    Quick,
    Undisturbed,
    survives_most,
    test_killed_in_any_state,
)

STORY = victim_backfill
QUICK = Quick(runs=[], slow=[GROWN])
"""The other runs are those of any cursor."""


def test_rows_are_loaded_ahead(ahead: Undisturbed) -> None:
    assert [n for n in ahead.steps[0].names if n.startswith("after load.ahead.numbers")]


def test_killed_while_rows_are_loaded_ahead(ahead: Undisturbed, tmp_path: Path) -> None:
    survives_most(ahead, GROWN, 12, tmp_path)


@pytest.mark.slow
def test_killed_at_many_steps_while_rows_are_loaded_ahead(ahead: Undisturbed, tmp_path: Path) -> None:
    survives_most(ahead, GROWN, 3, tmp_path)
