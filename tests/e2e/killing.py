"""Kills processes at their durable steps, lets others recover, and compares with what nobody disturbed.

The tests at the end are the same for each destination. A file of its own imports them, as xdist spreads by
file. It says what they kill in constants that `conftest.py` reads: `KIND` of destination (without: DuckDB) and
`STORY` (without: `victim`) for the fixtures, and as `QUICK` what of the tests is not left to the slow ones.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.e2e import content
from tests.e2e.forks import KILLED, call, ended, error_of, start
from tests.e2e.sites import SERVED, Site, Steps
from tests.e2e.victim import main

FIRST, GROWN, LAST = range(3)
"""Runs of a story: everything is new; the schema grows; and a third, in `victim` with two sources."""


@dataclass(frozen=True)
class Undisturbed:
    """What runs leave behind when nobody disturbs them: the site after each, and its durable steps."""

    sites: Sequence[Site]
    tables: Sequence[content.Tables]
    steps: Sequence[Steps]


@dataclass(frozen=True)
class Quick:
    """What is killed in every run of the suite: in any state of these runs, at random so many times.

    `recoveries`: steps of the run `GROWN`, whose recoveries are killed too. `slow`: runs that the slow tests
    kill in any state. `slow_recoveries`: runs and their steps, whose recoveries the slow tests kill; the dice of
    `test_killed_twice_or_more_at_random` reach others. `ahead`: each how-many-th step of the run `GROWN` is one to
    be killed at while rows are loaded ahead.
    """

    runs: Sequence[int]
    recoveries: Sequence[str] = ()
    times: int = 0
    slow: Sequence[int] = (FIRST, GROWN, LAST)
    slow_recoveries: Sequence[tuple[int, str]] = ((LAST, "after load.commit"),)
    ahead: int = 0


def undisturbed_runs(kind: str, root: Path, server: str = "", **options: Any) -> Undisturbed:
    """Let a process do each run, from a copy of where the one before ended; `options` are those of `Site`."""
    sites, tables, steps = [Site(kind, root / f"{root.name}_0", server, **options).made()], [{}], []
    for run in range(sites[0].runs):
        site = sites[-1].copied(root / f"{root.name}_{run + 1}")
        steps.append(site.watch(run + 1))
        sites.append(site)
        tables.append(site.tables())
    return Undisturbed(sites, tables, steps)


def survives(
    undisturbed: Undisturbed, run: int, kills: Sequence[int], root: Path, finish_first: bool = False
) -> bool:
    """Kill a process at a step of a run, the next at a step of the recovery, and so on; then let one finish.

    Returns whether each process lived long enough to be killed. `finish_first`: they recover in a run without data.
    """
    root.mkdir(exist_ok=True)
    site = undisturbed.sites[run].copied(root / "_".join(map(str, [root.name, run, *kills])))
    reached = True
    for kill in kills:
        code = call(main, site.job(run + 1, kill, finish_first=finish_first))
        assert code in (0, KILLED), error_of(site.folder)
        reached = reached and code == KILLED
        site.check(finished=False)
    recovers(undisturbed, site, run, f"killed in run {run} at {kills}", finish_first=sum(kills) % 3 == 0)
    return reached


def recovers(undisturbed: Undisturbed, site: Site, run: int, what: str, finish_first: bool = False) -> None:
    """Let a process finish the run; check that all is as if nobody had disturbed it."""
    site.finish(run + 1, finish_first)
    tables = site.tables()
    different = content.differences(tables, undisturbed.tables[run + 1])
    assert not different, f"{what}: {different}"
    assert not site.left_over(), what
    site.check_tables(tables, finished=True)
    site.removed()


def survives_each(undisturbed: Undisturbed, run: int, kills: Iterable[int], root: Path) -> None:
    """Kill a process at each of the steps, always from the start of the run."""
    for kill in kills:
        assert survives(undisturbed, run, [kill], root), kill


def survives_most(undisturbed: Undisturbed, run: int, every: int, root: Path) -> None:
    """Kill a process at each n-th step of a run whose threads take their steps in no fixed order.

    Some of the numbers are never reached.
    """
    kills = undisturbed.steps[run].all()[::every]
    reached = [survives(undisturbed, run, [kill], root) for kill in kills]
    assert sum(reached) > len(kills) * 0.7


def survives_recovery(undisturbed: Undisturbed, run: int, step: str, root: Path) -> None:
    """Kill a process at one step, and the recovering one at each of its own that leaves another state."""
    first = undisturbed.steps[run].number(step)
    site = undisturbed.sites[run].copied(root / f"{root.name}_first")
    assert call(main, site.job(run + 1, first)) == KILLED
    for second in site.watch(run + 1).distinct():
        assert survives(undisturbed, run, [first, second], root), (first, second)


def survives_random(undisturbed: Undisturbed, seed: int, times: int, root: Path) -> None:
    """Kill two to four processes after each other at steps that the dice choose."""
    dice = random.Random(seed)
    for i in range(times):
        run = dice.randrange(len(undisturbed.steps))
        kills = [dice.choice(undisturbed.steps[run].all()) for _ in range(dice.choice([2, 2, 2, 3, 4]))]
        survives(undisturbed, run, kills, root / f"{seed}_{i}", finish_first=i % 2 == 0)


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


DATABASES = ("duckdb", "sqlite", "mysql", *SERVED)
ENGINES = (*DATABASES, "filesystem")
"""Kinds of sites for `undisturbed`."""


def server(request: pytest.FixtureRequest, kind: str) -> str:
    """Return the URL of the server that a kind of site works with."""
    if kind == "mysql":
        return str(request.getfixturevalue("mysql_url"))
    return str(request.getfixturevalue("postgres_url")) if kind in SERVED else ""


def test_killed_in_any_state(undisturbed: Undisturbed, quick_run: int, tmp_path: Path) -> None:
    survives_each(undisturbed, quick_run, undisturbed.steps[quick_run].distinct(), tmp_path)


@pytest.mark.slow
def test_killed_in_any_state_on_postgres(served: Undisturbed, tmp_path: Path) -> None:
    survives_each(served, GROWN, served.steps[GROWN].distinct(), tmp_path)


def test_killed_again_in_any_state_of_the_recovery(
    undisturbed: Undisturbed, quick_recovery: str, tmp_path: Path
) -> None:
    survives_recovery(undisturbed, GROWN, quick_recovery, tmp_path)


@pytest.mark.slow
def test_killed_again_in_any_state_of_any_recovery(
    undisturbed: Undisturbed, slow_recovery: tuple[int, str], tmp_path: Path
) -> None:
    survives_recovery(undisturbed, *slow_recovery, tmp_path)


def test_killed_twice_or_more_at_random(
    undisturbed: Undisturbed, seed: int, times: int, tmp_path: Path
) -> None:
    survives_random(undisturbed, seed, times, tmp_path)


@pytest.mark.slow
def test_killed_at_any_moment(undisturbed: Undisturbed, tmp_path: Path) -> None:
    survives_moments(undisturbed, seed=3, times=8, root=tmp_path)


def test_rows_are_loaded_ahead(ahead: Undisturbed) -> None:
    assert [name for name in ahead.steps[FIRST].names if name.startswith("after load.ahead.")]


def test_killed_while_rows_are_loaded_ahead(ahead: Undisturbed, every: int, tmp_path: Path) -> None:
    survives_most(ahead, GROWN, every, tmp_path)
