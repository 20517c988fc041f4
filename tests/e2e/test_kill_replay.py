"""Replay: a process is killed at each durable step; called again it goes on, and each reject is replayed once.

How a recovery that is killed itself is recovered is the same for all loads: `test_kill_cursor.py` has that.

`victim_replay.check` also looks at what each killed process leaves: a row is refused and open, or loaded and marked.
"""

from __future__ import annotations

from pathlib import Path

from tests.e2e import victim_replay
from tests.e2e.killing import (  # noqa: F401 - pytest finds the tests here
    GROWN,
    LAST,
    Quick,
    Undisturbed,
    survives_each,
    test_killed_in_any_state,
    test_killed_in_any_state_on_postgres,
)

STORY = victim_replay
AROUND = ("package.extracted", "load.commit")
QUICK = Quick(runs=[], slow=[GROWN, LAST])
"""The first run is a plain load with rejects."""


def test_killed_around_the_commit(undisturbed: Undisturbed, tmp_path: Path) -> None:
    steps = undisturbed.steps[GROWN]
    around = [steps.number(f"{when} {step}") for when in ("before", "after") for step in AROUND]
    survives_each(undisturbed, GROWN, around, tmp_path)
