"""Runs of a resource whose items name their tables: what becomes of the tables that none names any more."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.loading import Site

import ladle
from ladle.errors import TooManyMissing

NAMED = ("function", "marks")
BOTH = [{"type": "a", "id": 1, "l": [1]}, {"type": "b", "id": 1, "l": [1]}]
ONE = [{"type": "a", "id": 2}]
REPLACES = ("truncate-and-insert", "insert-from-staging", "staging-optimized")


def events(rows: Any, named: str = "function", **hints: Any) -> Any:
    if named == "marks":
        rows = [ladle.mark.with_table_name(row, row["type"]) for row in rows]
        return ladle.resource(lambda: iter(rows), name="events", **hints)
    return ladle.resource(rows, name="events", table_name=lambda row: row["type"], **hints)


def ids(site: Site, table: str) -> list[Any]:
    return [i for (i,) in site.query(f"SELECT id FROM ds.{table} ORDER BY ALL")]


@pytest.mark.parametrize("strategy", REPLACES)
@pytest.mark.parametrize("named", NAMED)
def test_a_replace_empties_tables_that_no_item_names_any_more(
    named: str, strategy: str, tmp_path: Path
) -> None:
    site, replace = Site.in_memory(tmp_path), {"disposition": "replace", "strategy": strategy}
    site.pipeline().run(events(BOTH, named, write_disposition=replace))
    site.pipeline().run(events(ONE, named, write_disposition=replace))
    assert (ids(site, "a"), ids(site, "b")) == ([2], [])
    assert site.query("SELECT count(*) FROM ds.b__l") == [(0,)]
    site.pipeline().run(events([], named, write_disposition=replace))
    assert ids(site, "a") == []


def test_a_replace_of_files_does_too(tmp_path: Path) -> None:
    lake = ladle.destinations.filesystem(str(tmp_path / "lake"))
    pipeline = ladle.pipeline("p", tmp_path / "work", destination=lake, dataset_name="ds")
    for rows in (BOTH, ONE):
        pipeline.run(events(rows, write_disposition="replace"))
    assert pipeline.dataset()["a"].arrow()["id"].to_pylist() == [2]
    assert pipeline.dataset()["b"].arrow().num_rows == 0


@pytest.mark.parametrize("named", NAMED)
def test_only_a_replace_and_only_of_its_own_tables(named: str, tmp_path: Path) -> None:
    site = Site.in_memory(tmp_path)
    others = ladle.resource([{"id": 7}], name="others", write_disposition="replace")
    site.pipeline().run([events(BOTH, named, write_disposition="replace"), others])
    site.pipeline().run(events(ONE, named, write_disposition="append"))
    assert (ids(site, "a"), ids(site, "b"), ids(site, "others")) == ([1, 2], [1], [7])
    site.pipeline().run(events(ONE, named), write_disposition="replace")
    assert (ids(site, "a"), ids(site, "b"), ids(site, "others")) == ([2], [], [7])


def test_a_disposition_by_item_says_nothing_of_tables_without_items(tmp_path: Path) -> None:
    site, by_item = Site.in_memory(tmp_path), lambda row: "replace" if row["type"] == "b" else "append"
    for rows in (BOTH, ONE):
        site.pipeline().run(events(rows, write_disposition=by_item))
    assert (ids(site, "a"), ids(site, "b")) == ([1, 2], [1])


@pytest.mark.parametrize("named", NAMED)
@pytest.mark.parametrize("refresh", ["drop_sources", "drop_resources", "drop_data"])
def test_a_refresh_forgets_all_tables_that_items_named(named: str, refresh: Any, tmp_path: Path) -> None:
    site = Site.in_memory(tmp_path)
    source = ladle.source(
        lambda rows: [events(rows, named), ladle.resource([{"id": 7}], name="others")], name="s"
    )
    site.pipeline().run(source(BOTH))
    site.pipeline().run(source(ONE).with_resources("events"), refresh=refresh)
    there = {name for (name,) in site.query("SELECT table_name FROM duckdb_tables() WHERE schema_name='ds'")}
    assert ids(site, "a") == [2]
    if refresh == "drop_data":
        assert ids(site, "b") == []
    assert ("b" in there, "others" in there) == (refresh == "drop_data", refresh != "drop_sources")


LIST = {"disposition": "merge", "strategy": "upsert", "delete_missing": "hard", "max_missing": 1.0}


@pytest.mark.parametrize("named", NAMED)
@pytest.mark.parametrize("how", ["hard", "soft"])
def test_a_listing_that_names_a_table_no_more_has_none_of_its_rows(
    how: str, named: str, tmp_path: Path
) -> None:
    site, listed = Site.in_memory(tmp_path), {**LIST, "delete_missing": how}
    hints = {"primary_key": "id", "named": named}
    site.pipeline().run(events(BOTH, write_disposition={"disposition": "merge"}, **hints))
    info = site.pipeline().run(events(ONE, write_disposition=listed, **hints))
    assert info.merged["b"]["deleted"] == 1
    if how == "hard":
        assert (ids(site, "a"), ids(site, "b"), site.query("SELECT count(*) FROM ds.b__l")) == (
            [2],
            [],
            [(0,)],
        )
    else:
        gone = site.query("SELECT count(*) FROM ds.b WHERE _ladle_deleted_at IS NOT NULL")
        assert (ids(site, "b"), gone) == ([1], [(1,)])
    site.pipeline().run(events([], write_disposition=listed, **hints))
    assert site.query("SELECT count(*) FROM ds.a") == [(0,)] or how == "soft"


def test_a_listing_lacks_no_more_of_a_table_it_does_not_name_than_is_allowed(tmp_path: Path) -> None:
    site = Site.in_memory(tmp_path)
    site.pipeline().run(events(BOTH, write_disposition=LIST, primary_key="id"))
    less = {**LIST, "max_missing": 0.5}
    with pytest.raises(TooManyMissing, match="table `b` lacks 1 of the 1"):
        site.pipeline().run(events(BOTH[:1], write_disposition=less, primary_key="id"))


def test_what_a_resource_without_marks_once_loaded_elsewhere_stays(tmp_path: Path) -> None:
    site = Site.in_memory(tmp_path)
    for table in ("a", "b"):
        made = ladle.resource([{"id": table}], name="r", table_name=table, write_disposition="replace")
        site.pipeline().run(made)
    assert (ids(site, "a"), ids(site, "b")) == (["a"], ["b"])
