"""Kills processes at their durable steps, lets others recover, and compares with what nobody disturbed."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.e2e import content
from tests.e2e.forks import KILLED, call, ended, error_of, start
from tests.e2e.sites import Site
from tests.e2e.victim import RUNS, main

FIRST, GROWN, LAST = range(len(RUNS))
"""Runs: everything is new; the schema grows; two sources, and child tables that end up empty."""


@dataclass(frozen=True)
class Undisturbed:
    """What runs leave behind when nobody disturbs them: the site after each, and its durable steps."""

    sites: Sequence[Site]
    tables: Sequence[content.Tables]
    steps: Sequence[Sequence[str]]

    def step(self, run: int, name: str) -> int:
        """Return the number of a step of a run."""
        return self.steps[run].index(name) + 1


def undisturbed_runs(kind: str, root: Path, server: str = "") -> Undisturbed:
    """Let a process do each run, from a copy of where the one before ended."""
    sites, tables, steps = [Site(kind, root / f"{root.name}_0", server).made()], [{}], []
    for run in range(len(RUNS)):
        site = sites[-1].copied(root / f"{root.name}_{run + 1}")
        site.finish(run + 1)
        sites.append(site)
        tables.append(site.tables())
        steps.append(json.loads((site.folder / "seen.json").read_text()))
    return Undisturbed(sites, tables, steps)


def survives(undisturbed: Undisturbed, run: int, kills: Sequence[int], root: Path) -> bool:
    """Kill a process at a step of a run, the next at a step of the recovery, and so on; then let one finish.

    Returns whether each process lived long enough to be killed.
    """
    root.mkdir(exist_ok=True)
    site = undisturbed.sites[run].copied(root / "_".join(map(str, [root.name, run, *kills])))
    reached = True
    for kill in kills:
        code = call(main, site.job(run + 1, kill, finish_first=kill % 2 == 0))
        assert code in (0, KILLED), error_of(site.folder)
        reached = reached and code == KILLED
    recovers(undisturbed, site, run, f"killed in run {run} at {kills}", finish_first=sum(kills) % 3 == 0)
    return reached


def recovers(undisturbed: Undisturbed, site: Site, run: int, what: str, finish_first: bool = False) -> None:
    """Let a process finish the run; check that all is as if nobody had disturbed it."""
    site.finish(run + 1, finish_first)
    different = content.differences(site.tables(), undisturbed.tables[run + 1])
    assert not different, f"{what}: {different}"
    assert not site.left_over(), what
    site.removed()


def survives_each(undisturbed: Undisturbed, run: int, root: Path, since: str = "before package.new") -> None:
    """Kill a process at each step of a run, `since` the first of that name."""
    for kill in range(undisturbed.step(run, since), len(undisturbed.steps[run]) + 1):
        assert survives(undisturbed, run, [kill], root), kill


def survives_recovery(undisturbed: Undisturbed, run: int, step: str, root: Path) -> None:
    """Kill a process at one step, and the recovering one at each of its own."""
    first, second = undisturbed.step(run, step), 1
    while survives(undisturbed, run, [first, second], root):
        second += 1
    assert second > 1


def survives_random(undisturbed: Undisturbed, seed: int, times: int, root: Path) -> None:
    """Kill two to four processes after each other at steps that the dice choose."""
    dice = random.Random(seed)
    for i in range(times):
        run = dice.randrange(len(RUNS))
        kills = [dice.randint(1, len(undisturbed.steps[run])) for _ in range(dice.choice([2, 2, 2, 3, 4]))]
        survives(undisturbed, run, kills, root / f"{seed}_{i}")


def survives_moments(undisturbed: Undisturbed, seed: int, times: int, root: Path) -> None:
    """Kill from outside, whatever the process is doing; but let DuckDB make its file undisturbed."""
    dice = random.Random(seed)
    for i in range(times):
        run = dice.choice([GROWN, LAST])
        site = undisturbed.sites[run].copied(root / f"moment_{i}")
        process = start(main, site.job(run + 1))
        process.join(dice.uniform(0.02, 0.5))
        process.kill()
        assert ended(process) in (0, KILLED), error_of(site.folder)
        recovers(undisturbed, site, run, f"moment {i}")
