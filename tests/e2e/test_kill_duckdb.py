"""DuckDB: a process is killed at each durable step, also while it recovers; nothing is lost or twice."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.e2e.killing import (
    FIRST,
    GROWN,
    LAST,
    Undisturbed,
    survives_each,
    survives_moments,
    survives_random,
    survives_recovery,
    undisturbed_runs,
)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    return undisturbed_runs("duckdb", tmp_path_factory.mktemp("runs"))


STEPS = {
    "package.new", "package.seal.raw", "package.extracted", "package.seal.ready", "package.normalized",
    "folder.schema", "load.begin", "load.apply", "load.write.orders", "load.write.orders__items",
    "load.write.rates", "load.write.rates__days", "load.write.readings", "load.commit",
    "folder.state", "package.loaded", "package.unsealed", "package.removed",
}  # fmt: skip


def test_every_durable_step_is_announced_before_and_after(undisturbed: Undisturbed) -> None:
    steps = undisturbed.steps[FIRST]
    assert {*steps} == {f"{when} {name}" for name in STEPS for when in ("before", "after")}
    assert len(steps) == 2 * len(STEPS)


@pytest.mark.parametrize("run", [FIRST, GROWN, pytest.param(LAST, marks=pytest.mark.slow)])
def test_killed_at_any_step(undisturbed: Undisturbed, run: int, tmp_path: Path) -> None:
    survives_each(undisturbed, run, tmp_path)


def test_killed_at_any_step_of_the_second_package_of_a_run(undisturbed: Undisturbed, tmp_path: Path) -> None:
    survives_each(undisturbed, LAST, tmp_path, since="before package.loaded")


@pytest.mark.parametrize(
    ("run", "step"),
    [
        (GROWN, "after package.extracted"),
        pytest.param(GROWN, "after package.normalized", marks=pytest.mark.slow),
        (GROWN, "after load.commit"),
        pytest.param(FIRST, "after package.extracted", marks=pytest.mark.slow),
        pytest.param(FIRST, "after package.normalized", marks=pytest.mark.slow),
        pytest.param(FIRST, "after load.commit", marks=pytest.mark.slow),
        pytest.param(LAST, "after package.extracted", marks=pytest.mark.slow),
    ],
)
def test_killed_again_at_any_step_of_the_recovery(
    undisturbed: Undisturbed, run: int, step: str, tmp_path: Path
) -> None:
    survives_recovery(undisturbed, run, step, tmp_path)


@pytest.mark.parametrize(("seed", "times"), [(1, 8), pytest.param(2, 40, marks=pytest.mark.slow)])
def test_killed_twice_or_more_at_random(
    undisturbed: Undisturbed, seed: int, times: int, tmp_path: Path
) -> None:
    survives_random(undisturbed, seed, times, tmp_path)


@pytest.mark.slow
def test_killed_at_any_moment(undisturbed: Undisturbed, tmp_path: Path) -> None:
    survives_moments(undisturbed, seed=3, times=30, root=tmp_path)
