"""A process is killed at every durable step, also while it recovers: after a restart nothing is lost or twice."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.e2e import content
from tests.e2e.forks import KILLED, call, error_of
from tests.e2e.sites import Site
from tests.e2e.victim import RUNS, main

KINDS = ("duckdb",)
FIRST, GROWN, LAST = range(len(RUNS))
"""Runs: everything is new; the schema grows; two sources, and child tables that end up empty."""


@dataclass(frozen=True)
class Undisturbed:
    """What runs leave behind when nobody disturbs them: the site after each, and the durable steps of each."""

    sites: Sequence[Site]
    tables: Sequence[content.Tables]
    steps: Sequence[Sequence[str]]


@pytest.fixture(scope="module")
def undisturbed(kind: str, server: str, tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    root = tmp_path_factory.mktemp(kind)
    sites, tables, steps = [Site(kind, root / f"{root.name}_0", server).made()], [{}], []
    for run in range(len(RUNS)):
        site = sites[-1].copied(root / f"{root.name}_{run + 1}")
        site.finish(run + 1)
        sites.append(site)
        tables.append(site.tables())
        steps.append(json.loads((site.folder / "seen.json").read_text()))
    return Undisturbed(sites, tables, steps)


@pytest.fixture(scope="module")
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def server(kind: str, request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue("postgres_url")) if kind == "postgres" else ""


def survives(undisturbed: Undisturbed, run: int, kills: Sequence[int], folder: Path) -> bool:
    """Kill a process at a step of a run, the next at a step of the recovery, and so on; then let one finish.

    Returns whether each process lived long enough to be killed.
    """
    site = undisturbed.sites[run].copied(folder)
    reached = True
    for kill in kills:
        code = call(main, site.job(run + 1, kill, finish_first=kill % 2 == 0))
        assert code in (0, KILLED), error_of(folder)
        reached = reached and code == KILLED
    site.finish(run + 1, finish_first=sum(kills) % 3 == 0)
    different = content.differences(site.tables(), undisturbed.tables[run + 1])
    assert not different, f"killed in run {run} at {kills}: {different}"
    assert not site.left_over(), f"killed in run {run} at {kills}"
    site.removed()
    return reached


@pytest.mark.parametrize("run", range(len(RUNS)))
@pytest.mark.parametrize("kind", KINDS, indirect=True)
def test_killed_at_any_step_of_a_run(undisturbed: Undisturbed, run: int, tmp_path: Path) -> None:
    for kill in range(1, len(undisturbed.steps[run]) + 1):
        assert survives(undisturbed, run, [kill], tmp_path / f"run{run}_{kill}")
