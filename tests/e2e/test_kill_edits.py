"""Renames and drops: a process is killed at each durable step; each is done or not done, and then goes on.

How a recovery that is killed itself is recovered is the same for all loads: `test_kill_cursor.py` has that.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from tests.e2e import victim_edits
from tests.e2e.killing import (
    GROWN,
    Undisturbed,
    survives_each,
)

STORY = victim_edits


def test_killed_around_an_edit(undisturbed: Undisturbed, tmp_path: Path) -> None:
    steps = undisturbed.steps[GROWN]
    survives_each(
        undisturbed, GROWN, [steps.number(f"{w} load.alter") for w in ("before", "after")], tmp_path
    )


@pytest.mark.slow
def test_killed_in_any_state_of_the_edits(undisturbed: Undisturbed, tmp_path: Path) -> None:
    steps = undisturbed.steps[GROWN]
    # what follows them is a load like any other
    edits = range(1, steps.number("before package.extracted"))
    survives_each(undisturbed, GROWN, [kill for kill in steps.distinct() if kill in edits], tmp_path)


@pytest.mark.slow
def test_killed_around_each_edit_on_postgres(served: Undisturbed, tmp_path: Path) -> None:
    names = served.steps[GROWN].names
    around = [n + 1 for n, name in enumerate(names) if "load.alter" in name or name == "after load.commit"]
    assert len(around) == 10
    survives_each(served, GROWN, around, tmp_path)


def test_edits_have_durable_steps(undisturbed: Undisturbed) -> None:
    assert undisturbed.steps[0].names.count("before load.alter") == 0
    assert undisturbed.steps[GROWN].names.count("after load.alter") == 3
    assert victim_edits.RUNS[GROWN] == tuple(
        edit
        for edit in victim_edits.done(replace(undisturbed.sites[GROWN + 1].job(1)))
        if edit[1] != "users__pets"
    )
