"""Backfill with several workers: killed at a step of any of them, it goes on; each window exactly once.

Which thread's step comes when differs from run to run, so what is compared is what is loaded, not the order of the
loads.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.e2e import victim_backfill_at_once
from tests.e2e.content import Tables
from tests.e2e.forks import KILLED, call, error_of
from tests.e2e.killing import GROWN, Undisturbed
from tests.e2e.victim import main

STORY = victim_backfill_at_once
STEPS = 120
"""More than a run has: the last processes end without being killed."""


def loaded(tables: Tables) -> dict[str, list[Any]]:
    numbers = {row["_dlt_id"]: row["n"] for row in tables["numbers"]}
    parts = [(numbers[row["_dlt_parent_id"]], row["k"]) for row in tables["numbers__parts"]]
    gifts = [numbers[row["_dlt_parent_id"]] for row in tables["numbers__gifts"]]
    return {"numbers": sorted(numbers.values()), "parts": sorted(parts), "gifts": sorted(gifts)}


def survives(undisturbed: Undisturbed, kill: int, root: Path) -> bool:
    site = undisturbed.sites[GROWN].copied(root / str(kill))
    code = call(main, site.job(GROWN + 1, kill))
    assert code in (0, KILLED), error_of(site.folder)
    site.check(finished=False)
    site.finish(GROWN + 1)
    assert loaded(site.tables()) == loaded(undisturbed.tables[GROWN + 1]), f"killed at step {kill}"
    return code == KILLED


def test_killed_at_steps_of_either_worker(undisturbed: Undisturbed, tmp_path: Path) -> None:
    killed = [survives(undisturbed, kill, tmp_path) for kill in range(4, STEPS, 20)]
    assert sum(killed) >= 3


@pytest.mark.slow
def test_killed_at_any_step_of_either_worker(undisturbed: Undisturbed, tmp_path: Path) -> None:
    killed = [survives(undisturbed, kill, tmp_path) for kill in range(1, STEPS, 2)]
    assert sum(killed) >= 22
