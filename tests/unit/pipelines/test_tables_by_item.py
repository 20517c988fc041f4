"""Runs of a resource whose items name their tables: what becomes of the tables that none names any more."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.loading import Site

import ladle

BOTH = [{"type": "a", "id": 1, "l": [1]}, {"type": "b", "id": 1, "l": [1]}]
ONE = [{"type": "a", "id": 2}]
REPLACES = ("truncate-and-insert", "insert-from-staging", "staging-optimized")


def events(rows: Any, **hints: Any) -> Any:
    return ladle.resource(rows, name="events", table_name=lambda row: row["type"], **hints)


def ids(site: Site, table: str) -> list[Any]:
    return [i for (i,) in site.query(f"SELECT id FROM ds.{table} ORDER BY ALL")]


@pytest.mark.parametrize("strategy", REPLACES)
def test_a_replace_empties_tables_that_no_item_names_any_more(strategy: str, tmp_path: Path) -> None:
    site, replace = Site.in_memory(tmp_path), {"disposition": "replace", "strategy": strategy}
    site.pipeline().run(events(BOTH, write_disposition=replace))
    site.pipeline().run(events(ONE, write_disposition=replace))
    assert (ids(site, "a"), ids(site, "b")) == ([2], [])
    assert site.query("SELECT count(*) FROM ds.b__l") == [(0,)]
    site.pipeline().run(events([], write_disposition=replace))
    assert ids(site, "a") == []


def test_a_replace_of_files_does_too(tmp_path: Path) -> None:
    lake = ladle.destinations.filesystem(str(tmp_path / "lake"))
    pipeline = ladle.pipeline("p", tmp_path / "work", destination=lake, dataset_name="ds")
    for rows in (BOTH, ONE):
        pipeline.run(events(rows, write_disposition="replace"))
    assert pipeline.dataset()["a"].arrow()["id"].to_pylist() == [2]
    assert pipeline.dataset()["b"].arrow().num_rows == 0


def test_only_a_replace_and_only_of_its_own_tables(tmp_path: Path) -> None:
    site = Site.in_memory(tmp_path)
    others = ladle.resource([{"id": 7}], name="others", write_disposition="replace")
    site.pipeline().run([events(BOTH, write_disposition="replace"), others])
    site.pipeline().run(events(ONE, write_disposition="append"))
    assert (ids(site, "a"), ids(site, "b"), ids(site, "others")) == ([1, 2], [1], [7])
    site.pipeline().run(events(ONE), write_disposition="replace")
    assert (ids(site, "a"), ids(site, "b"), ids(site, "others")) == ([2], [], [7])


def test_a_disposition_by_item_says_nothing_of_tables_without_items(tmp_path: Path) -> None:
    site, by_item = Site.in_memory(tmp_path), lambda row: "replace" if row["type"] == "b" else "append"
    for rows in (BOTH, ONE):
        site.pipeline().run(events(rows, write_disposition=by_item))
    assert (ids(site, "a"), ids(site, "b")) == ([1, 2], [1])


@pytest.mark.parametrize("refresh", ["drop_sources", "drop_resources", "drop_data"])
def test_a_refresh_forgets_all_tables_that_items_named(refresh: Any, tmp_path: Path) -> None:
    site = Site.in_memory(tmp_path)
    source = ladle.source(lambda rows: [events(rows), ladle.resource([{"id": 7}], name="others")], name="s")
    site.pipeline().run(source(BOTH))
    site.pipeline().run(source(ONE).with_resources("events"), refresh=refresh)
    there = {name for (name,) in site.query("SELECT table_name FROM duckdb_tables() WHERE schema_name='ds'")}
    assert ids(site, "a") == [2]
    if refresh == "drop_data":
        assert ids(site, "b") == []
    assert ("b" in there, "others" in there) == (refresh == "drop_data", refresh != "drop_sources")
