"""Postgres: a process is killed at every durable step, also while it recovers; nothing is lost, nothing twice."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from tests.e2e.killing import FIRST, GROWN, LAST, Undisturbed, survives, survives_each, survives_recovery, undisturbed_runs
from tests.e2e.victim import RUNS


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, postgres_url: str) -> Undisturbed:
    return undisturbed_runs("postgres", tmp_path_factory.mktemp("runs"), postgres_url)


@pytest.mark.parametrize("run", [FIRST, GROWN, LAST])
def test_killed_at_any_step(undisturbed: Undisturbed, run: int, tmp_path: Path) -> None:
    survives_each(undisturbed, run, range(1, len(undisturbed.steps[run]) + 1), tmp_path)


@pytest.mark.parametrize("step", ["after package.extracted", "after load.commit"])
def test_killed_again_at_any_step_of_the_recovery(undisturbed: Undisturbed, step: str, tmp_path: Path) -> None:
    survives_recovery(undisturbed, GROWN, step, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("run", [FIRST, LAST])
@pytest.mark.parametrize("step", ["after package.extracted", "after package.normalized", "after load.commit"])
def test_killed_again_at_any_step_of_any_recovery(
    undisturbed: Undisturbed, run: int, step: str, tmp_path: Path
) -> None:
    survives_recovery(undisturbed, run, step, tmp_path)


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_killed_twice_or_more_at_random(undisturbed: Undisturbed, seed: int, tmp_path: Path) -> None:
    dice = random.Random(seed)
    for _ in range(8 if seed == 1 else 100):
        run = dice.randrange(len(RUNS))
        kills = [dice.randint(1, len(undisturbed.steps[run])) for _ in range(dice.choice([2, 2, 2, 3, 4]))]
        survives(undisturbed, run, kills, tmp_path)
