"""Loads that begin while extract goes on: a process is killed at each durable step; nothing is lost or twice."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.e2e import content
from tests.e2e.killing import FIRST, GROWN, LAST, Undisturbed, survives_most, undisturbed_runs

pytestmark = pytest.mark.parametrize(
    "ahead", ["duckdb", "filesystem", "postgres"], indirect=True, scope="module"
)


def test_the_first_run_loads_every_table_ahead(ahead: Undisturbed) -> None:
    names = ahead.steps[FIRST].names
    tables = ("orders", "orders__items", "rates", "rates__days", "readings")
    assert {f"after load.ahead.{table}" for table in tables} <= {*names}
    assert not [name for name in names if "load.write" in name]


def test_what_lands_is_what_lands_without(
    ahead: Undisturbed, tmp_path_factory: pytest.TempPathFactory, postgres_url: str
) -> None:
    kind = ahead.sites[0].kind
    afterwards = undisturbed_runs(kind, tmp_path_factory.mktemp("afterwards"), postgres_url)
    for ours, theirs in zip(ahead.tables, afterwards.tables, strict=True):
        assert not content.differences(ours, theirs)


def test_killed_at_some_steps(ahead: Undisturbed, tmp_path: Path) -> None:
    survives_most(ahead, FIRST, 7, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("run", [GROWN, LAST])
def test_killed_at_many_steps(ahead: Undisturbed, run: int, tmp_path: Path) -> None:
    survives_most(ahead, run, 3, tmp_path)
