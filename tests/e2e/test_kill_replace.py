"""Replaces by staging and by swapping: a process is killed at each durable step, and nothing shows afterwards."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.e2e import victim_replace
from tests.e2e.killing import GROWN, Undisturbed, survives, survives_most, undisturbed_runs
from tests.e2e.sites import SERVED


def server(request: pytest.FixtureRequest) -> str:
    return request.getfixturevalue("postgres_url") if request.param in SERVED else ""


@pytest.fixture(
    scope="module",
    params=["duckdb", *(pytest.param(kind, marks=pytest.mark.slow) for kind in ("sqlite", *SERVED))],
)
def undisturbed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    root = tmp_path_factory.mktemp("runs")
    return undisturbed_runs(request.param, root, server(request), story=victim_replace.__name__)


def test_killed_around_the_replace(undisturbed: Undisturbed, tmp_path: Path) -> None:
    names = undisturbed.steps[GROWN].names
    around = [n + 1 for n, name in enumerate(names) if "load.merge" in name or "load.commit" in name]
    assert len(around) == 4
    assert all(survives(undisturbed, GROWN, [kill], tmp_path) for kill in around)


@pytest.mark.slow
def test_killed_at_every_second_step(undisturbed: Undisturbed, tmp_path: Path) -> None:
    survives_most(undisturbed, GROWN, 2, tmp_path)
