"""Loads that empty or drop tables first: a process is killed around that and the commit; all or nothing is there."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.e2e import victim_refresh
from tests.e2e.killing import ENGINES, GROWN, LAST, Undisturbed, survives_each

STORY = victim_refresh


@pytest.mark.slow
@pytest.mark.parametrize("undisturbed", ENGINES, indirect=True, scope="module")
@pytest.mark.parametrize(("run", "step"), [(GROWN, "load.clear"), (LAST, "load.drop")])
def test_killed_around_the_reset(undisturbed: Undisturbed, run: int, step: str, tmp_path: Path) -> None:
    steps = undisturbed.steps[run]
    around = [
        steps.number(f"{when} {name}") for name in (step, "load.commit") for when in ("before", "after")
    ]
    survives_each(undisturbed, run, around, tmp_path)
