"""Every strategy of databases: a process is killed at each durable step; run again, all is as if nobody had disturbed it."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.e2e import victim_strategies
from tests.e2e.killing import (
    DATABASES,
    GROWN,
    Undisturbed,
    server,
    survives_each,
    survives_most,
    undisturbed_runs,
)


@pytest.fixture(scope="module", params=DATABASES)
def undisturbed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    root = tmp_path_factory.mktemp("runs")
    return undisturbed_runs(request.param, root, server(request), story=victim_strategies.__name__)


def test_killed_around_the_merge(undisturbed: Undisturbed, tmp_path: Path) -> None:
    names = undisturbed.steps[GROWN].names
    around = [n + 1 for n, name in enumerate(names) if "load.merge" in name or "load.commit" in name]
    assert len(around) == 4
    survives_each(undisturbed, GROWN, around, tmp_path)


@pytest.mark.slow
def test_killed_at_every_second_step(undisturbed: Undisturbed, tmp_path: Path) -> None:
    survives_most(undisturbed, GROWN, 2, tmp_path)
