"""What kill tests get, by the constants of their module, see `killing.py`."""

from __future__ import annotations

from typing import Any

import pytest
from tests.e2e import victim
from tests.e2e.killing import Quick, Undisturbed, server, undisturbed_runs


@pytest.fixture(scope="module")
def undisturbed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    """Return the runs of a story into one kind of destination: the parameter's, if it is given one."""
    kind = getattr(request, "param", getattr(request.module, "KIND", "duckdb"))
    return _runs(request, tmp_path_factory, kind)


@pytest.fixture(scope="module")
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    """Return the same runs into Postgres."""
    return _runs(request, tmp_path_factory, "postgres")


@pytest.fixture(scope="module", params=["duckdb", pytest.param("postgres", marks=pytest.mark.slow)])
def ahead(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    """Return the same runs, loaded while extract goes on."""
    return _runs(request, tmp_path_factory, request.param, ahead=True)


@pytest.fixture(scope="module")
def in_files(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    """Return the same runs, ready rows in files, as those of large packages."""
    return _runs(request, tmp_path_factory, "duckdb", in_files=True)


def _runs(
    request: pytest.FixtureRequest, factory: pytest.TempPathFactory, kind: str, **options: Any
) -> Undisturbed:
    story = getattr(request.module, "STORY", victim)
    root = factory.mktemp("runs")
    return undisturbed_runs(kind, root, server(request, kind), story=story.__name__, **options)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    quick: Quick | None = getattr(metafunc.module, "QUICK", None)
    if quick is None:
        return
    names = metafunc.fixturenames
    if "quick_run" in names:
        slow_runs = [pytest.param(run, marks=pytest.mark.slow) for run in quick.slow if run not in quick.runs]
        metafunc.parametrize("quick_run", [*quick.runs, *slow_runs])
    if "quick_recovery" in names:
        metafunc.parametrize("quick_recovery", quick.recoveries)
    if "slow_recovery" in names:
        metafunc.parametrize("slow_recovery", quick.slow_recoveries)
    if "seed" in names:
        slow = pytest.param(2, 8, marks=pytest.mark.slow)
        metafunc.parametrize(("seed", "times"), [(1, quick.times), slow])
    if "every" in names:
        metafunc.parametrize("every", [quick.ahead, pytest.param(3, marks=pytest.mark.slow)])
