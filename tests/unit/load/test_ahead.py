"""Loading while extract goes on: the same outcome, and whatever gets in its way, the files are loaded instead."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from tests.loading import Site

import ladle
from ladle.destinations.duckdb import DuckDb
from ladle.destinations.sql import SqlSession
from ladle.errors import CommitFailed, CommitUnknown, ConfigError, DestinationError, SourceError
from ladle.events import Durable, Event, Progress
from ladle.load import ahead
from ladle.package import store

PAGE = 70  # rows; the first raw batch has 64


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOAD__AHEAD_BYTES", "0")
    monkeypatch.setattr(ahead, "_CHUNK_BYTES", 1)


class Watch:
    """Hears events; lets a resource wait until a table was written ahead."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.written = threading.Event()

    def __call__(self, event: Event) -> None:
        self.events.append(event)
        if isinstance(event, Durable) and event.done and event.name == "load.ahead.t":
            self.written.set()

    def names(self, prefix: str) -> list[str]:
        return [
            e.name for e in self.events if isinstance(e, Durable) and e.done and e.name.startswith(prefix)
        ]


def page(first: int, **extra: Any) -> list[dict[str, Any]]:
    return [{"id": n, "l": [n], **extra} for n in range(first, first + PAGE)]


def pages(watch: Watch, *then: Any) -> Iterator[Any]:
    """Yield a page, wait until it is written ahead, then the others."""
    yield page(0)
    assert watch.written.wait(20)
    yield from then


def run(site: Site, watch: Watch, data: Any, **options: Any) -> ladle.LoadInfo:
    return site.pipeline(progress=watch).run(data, table_name="t", **options)


def test_rows_and_children_land_once_and_are_not_written_from_files(tmp_path: Path) -> None:
    site, watch = Site.in_memory(tmp_path), Watch()
    info = run(site, watch, pages(watch, page(PAGE)))
    assert site.query("select count(*), count(distinct id), sum(id) from ds.t") == [(140, 140, 139 * 70)]
    joined = "select count(*) from ds.t join ds.t__l l on l._dlt_parent_id = t._dlt_id where l.value = t.id"
    assert site.query(joined) == [(140,)]
    assert (watch.names("load.write"), info.row_counts["t"], info.row_counts["t__l"]) == ([], 140, 140)
    assert sum(e.count for e in watch.events if isinstance(e, Progress) and e.step == "load") == 280
    update = info.load_packages[0].schema_update
    assert {"t", "t__l", "_dlt_loads"} <= set(update)
    assert list(update["t"]["columns"]) == ["id", "_dlt_load_id", "_dlt_id"]


def test_what_was_loaded_is_in_no_ready_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOAD__HELD_BYTES", "0")
    site, watch, columns = Site.in_memory(tmp_path), Watch(), set()

    def look(event: Event) -> None:
        watch(event)
        if event == Durable("load.commit", done=True):
            for path in tmp_path.rglob("ready/*"):
                columns.update(pa.ipc.open_stream(path.read_bytes()).schema.names)

    site.pipeline(progress=look).run(pages(watch, page(PAGE)), table_name="t")
    assert ("change" in columns, "id" in columns, "value" in columns) == (True, False, False)
    assert "package.extracted" in watch.names("package")
    assert "package.normalized" not in watch.names("package")


def test_changes_are_told_where_a_load_that_was_ready_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site, watch = Site.in_memory(tmp_path), Watch()
    run(site, watch, [{"id": 1}])
    commit, failures = SqlSession.commit, [DestinationError("disk")]

    def failing(session: Any, *args: Any) -> None:
        if failures:
            raise failures.pop()
        commit(session, *args)

    monkeypatch.setattr(SqlSession, "commit", failing)
    later = Watch()
    run(site, later, pages(later, page(PAGE)))
    assert ("load.ahead.t" in later.names("load"), "load.write.t" in later.names("load")) == (True, True)
    told = site.query("select table_name, change from ds._ladle_changes where schema_version = 2")
    assert ("t__l", "add_table") in told
    assert site.query("select count(*), count(distinct id) from ds.t") == [(2 * PAGE + 1, 2 * PAGE)]


def test_what_comes_soon_goes_into_the_same_statement(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ahead, "_LINGER_S", 20.0)
    site, watch = Site.in_memory(tmp_path), Watch()
    run(site, watch, ([{"id": n} for n in range(first, first + PAGE)] for first in range(0, 5 * PAGE, PAGE)))
    assert watch.names("load") == ["load.begin", "load.apply", "load.ahead.t", "load.apply", "load.commit"]
    assert site.query("select count(*), count(distinct id) from ds.t") == [(5 * PAGE, 5 * PAGE)]


def test_a_statement_ends_where_another_table_has_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ahead, "_LINGER_S", 600.0)
    site, ended = Site.in_memory(tmp_path), threading.Event()

    def watch(event: Event) -> None:
        if isinstance(event, Durable) and event.done and event.name.startswith("load.ahead."):
            ended.set()

    def rows() -> Iterator[Any]:
        yield page(0)
        assert ended.wait(20), "a table waits for more of its rows while those of the other wait"
        yield page(PAGE)

    site.pipeline(progress=watch).run(rows, table_name="t")
    assert site.query("select count(*), (select count(*) from ds.t__l) from ds.t") == [(2 * PAGE, 2 * PAGE)]


def test_little_data_waits_for_the_end_of_extract(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LOAD__AHEAD_BYTES")
    site, watch = Site.in_memory(tmp_path), Watch()
    run(site, watch, page(0))
    assert (watch.names("load.ahead"), watch.names("load.write.t")) == (
        [],
        ["load.write.t", "load.write.t__l"],
    )


def test_it_does_not_begin_beside_a_slow_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOAD__AHEAD_BYTES", "30000")
    monkeypatch.setattr(ahead, "_PATIENCE_S", 0.05)
    site, watch = Site.in_memory(tmp_path), Watch()

    def rows() -> Iterator[Any]:
        for first in range(0, 10 * PAGE, PAGE):
            yield page(first)
            time.sleep(0.1)

    run(site, watch, rows)
    assert (watch.names("load.ahead"), watch.names("load.write.t")) == (
        [],
        ["load.write.t", "load.write.t__l"],
    )
    assert site.query("select count(*), count(distinct id) from ds.t") == [(10 * PAGE, 10 * PAGE)]


def test_beside_an_engine_no_thread_writes_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "_BEHIND_BYTES", 0)
    site, watch, found = Site.in_memory(tmp_path), Watch(), set()

    def rows() -> Iterator[Any]:
        for first in range(0, 5 * PAGE, PAGE):
            found.update(thread.name for thread in threading.enumerate())
            yield page(first)

    run(site, watch, rows)
    assert not [name for name in found if name.startswith(("ladle-raw", "ladle-ready"))]


def test_it_can_be_switched_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOAD__AHEAD_BYTES", "-1")
    site, watch = Site.in_memory(tmp_path), Watch()
    run(site, watch, page(0))
    assert watch.names("load.ahead") == []
    monkeypatch.setenv("LOAD__AHEAD_BYTES", "soon")
    with pytest.raises(ConfigError, match="LOAD__AHEAD_BYTES"):
        run(site, watch, page(0))


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let rows wait in DuckDB too, where nobody else merges meanwhile."""
    module = sys.modules["ladle.destinations.duckdb"]  # the package has a function of that name
    monkeypatch.setattr(module, "_LIMITS", replace(DuckDb().limits, waits_ahead=True))


def merging(data: Any, strategy: str = "delete-insert") -> Any:
    way = {"disposition": "merge", "strategy": strategy}
    return ladle.resource(data, name="t", primary_key="id", write_disposition=way)


@pytest.mark.usefixtures("waits")
@pytest.mark.parametrize("strategy", ["delete-insert", "upsert", "scd2"])
def test_rows_to_merge_wait_beside_the_table(tmp_path: Path, strategy: str) -> None:
    site, watch, later = Site.in_memory(tmp_path), Watch(), Watch()
    run(site, watch, merging([page(0, extra=0), page(PAGE, extra=1)], strategy))
    # rows of the first page lack a column that those of the second have
    info = run(site, later, merging(pages(later, page(2 * PAGE, extra=2)), strategy))
    assert (watch.names("load.write"), later.names("load.write")) == ([], [])
    assert later.names("load.ahead.t").count("load.ahead.t") > 1
    assert later.names("load.merge") == ["load.merge"]
    current = "" if strategy != "scd2" else " where _dlt_valid_to is null"
    left = (2 if strategy == "scd2" else 3) * PAGE
    assert site.query(f"select count(*), count(distinct id), sum(extra) from ds.t{current}") == [(left,) * 3]
    joined = "select count(*) from ds.t join ds.t__l l on l._dlt_root_id = t._dlt_id where l.value <> t.id"
    assert site.query(joined) == [(0,)]
    assert sum(info.merged["t"].values()) == (4 if strategy == "scd2" else 2) * PAGE


def test_where_others_may_merge_meanwhile_all_rows_come_at_the_end(tmp_path: Path) -> None:
    site, watch = Site.in_memory(tmp_path), Watch()
    run(site, watch, merging([page(0)]))
    assert watch.names("load.ahead") == []


@pytest.mark.usefixtures("waits")
def test_rows_that_turn_out_to_be_merged_in_another_way_are_loaded_from_files(tmp_path: Path) -> None:
    site, watch, later = Site.in_memory(tmp_path), Watch(), Watch()
    run(site, watch, merging(page(0)))
    hints = ladle.mark.make_hints(write_disposition={"disposition": "merge", "strategy": "upsert"})
    run(site, later, merging(pages(later, ladle.mark.with_hints(page(0), hints))))
    assert "load.write.t" in later.names("load.write")
    assert site.query("select count(*), count(distinct id) from ds.t") == [(PAGE, PAGE)]


@pytest.mark.usefixtures("waits")
def test_tables_that_are_swapped_are_built_once_all_is_there(tmp_path: Path) -> None:
    site, watch = Site.in_memory(tmp_path), Watch()
    way = {"disposition": "replace", "strategy": "staging-optimized"}
    run(site, watch, ladle.resource([page(0)], name="t", write_disposition=way))
    assert watch.names("load.ahead") == []


@pytest.mark.parametrize(
    ("then", "columns"),
    [
        ([{"id": 1.5}], {"id": "DOUBLE"}),
        ([{"id": 1, "new": "x"}], {"id": "BIGINT", "new": "VARCHAR"}),
        ([{"id": "x"}], {"id": "BIGINT", "id__v_text": "VARCHAR"}),
        (pa.table({"id": [1], "more": [True]}), {"id": "BIGINT", "more": "BOOLEAN"}),
    ],
    ids=["wider type", "new column", "variant", "frame"],
)
def test_columns_that_change_are_loaded_from_files_in_their_order(
    tmp_path: Path, then: Any, columns: dict[str, str]
) -> None:
    site, watch = Site.in_memory(tmp_path), Watch()
    run(site, watch, pages(watch, then))
    found = site.tables()["t"].columns
    assert list(found.items()) == [*columns.items(), ("_dlt_load_id", "VARCHAR"), ("_dlt_id", "VARCHAR")]
    assert site.query("select count(*) from ds.t") == [(PAGE + 1,)]
    assert "load.write.t" in watch.names("load.write")


def test_an_existing_table_is_not_altered_while_extract_goes_on(tmp_path: Path) -> None:
    site, watch = Site.in_memory(tmp_path), Watch()
    run(site, watch, page(0))
    later = Watch()
    run(site, later, pages(later, page(PAGE), page(2 * PAGE, extra=1)))
    assert site.query("select count(*), count(extra) from ds.t") == [(4 * PAGE, PAGE)]
    assert "load.write.t" in later.names("load.write")


def test_replace_shows_the_old_rows_until_the_end(tmp_path: Path) -> None:
    site, watch = Site.in_memory(tmp_path), Watch()
    run(site, watch, page(0))
    later, seen = Watch(), []

    def rows() -> Iterator[Any]:
        yield from pages(later, page(1000))
        seen.extend(site.query("select count(*), max(id) from ds.t"))

    run(site, later, rows, write_disposition="replace")
    assert seen == [(PAGE, PAGE - 1)]
    assert site.query("select count(*), max(id) from ds.t") == [(2 * PAGE, 1000 + PAGE - 1)]
    assert later.names("load.write") == []


def test_a_source_that_fails_leaves_nothing(tmp_path: Path) -> None:
    site, watch = Site.in_memory(tmp_path), Watch()

    def rows() -> Iterator[Any]:
        yield from pages(watch)
        raise OSError("gone")

    with pytest.raises(SourceError, match="gone"):
        run(site, watch, rows)
    assert site.query("select count(*) from duckdb_tables() where schema_name = 'ds'") == [(0,)]
    run(site, Watch(), page(0))
    assert site.query("select count(*) from ds.t") == [(PAGE,)]


def test_a_source_that_stalls_is_not_waited_for_with_the_destination_held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ahead, "_PATIENCE_S", 0.05)
    monkeypatch.setattr(ahead, "_IDLE_RATIO", 0.0)
    site, watch, closed = Site.in_memory(tmp_path), Watch(), threading.Event()
    close = SqlSession.close
    monkeypatch.setattr(SqlSession, "close", lambda session: (close(session), closed.set()))

    def rows() -> Iterator[Any]:
        closed.clear()
        yield from pages(watch)
        assert closed.wait(20), "the session stays open while the source stalls"
        yield page(PAGE)

    run(site, watch, rows)
    assert site.query("select count(*) from ds.t") == [(2 * PAGE,)]
    assert "load.write.t" in watch.names("load.write")


@pytest.mark.parametrize(
    "error",
    [DestinationError("disk"), CommitFailed("conflict"), CommitUnknown("lost"), RuntimeError("driver")],
)
@pytest.mark.parametrize("where", ["append", "commit"])
def test_a_destination_that_fails_is_loaded_from_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, where: str
) -> None:
    if where == "commit" and isinstance(error, RuntimeError):
        error = DestinationError("driver")
    site, watch, failures = Site.in_memory(tmp_path), Watch(), [error]
    original = getattr(SqlSession, where)

    def failing(session: SqlSession, *args: Any) -> Any:
        if failures:
            watch.written.set()
            raise failures.pop()
        return original(session, *args)

    monkeypatch.setattr(SqlSession, where, failing)
    run(site, watch, pages(watch, page(PAGE)))
    assert site.query("select count(*), count(distinct id) from ds.t") == [(140, 140)]
    assert site.query("select count(*) from ds._dlt_loads") == [(1,)]


def test_a_commit_whose_answer_got_lost_is_not_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site, watch, failures = Site.in_memory(tmp_path), Watch(), [CommitUnknown("lost")]
    original = SqlSession.commit

    def answer_lost(session: SqlSession, *args: Any) -> None:
        original(session, *args)
        if failures:
            raise failures.pop()

    monkeypatch.setattr(SqlSession, "commit", answer_lost)
    info = run(site, watch, pages(watch, page(PAGE)))
    assert site.query("select count(*) from ds.t") == [(140,)]
    assert (info.row_counts["t"], watch.names("load.write")) == (140, [])


def test_much_that_waits_holds_the_source_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ahead, "_WAITING_BYTES", 1)
    site, watch = Site.in_memory(tmp_path), Watch()
    run(site, watch, (page(n * PAGE) for n in range(30)))
    assert site.query("select count(*), count(distinct id) from ds.t") == [(30 * PAGE, 30 * PAGE)]
    assert watch.names("load.write") == []


def test_it_begins_before_more_waits_than_it_can_hold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOAD__AHEAD_BYTES", str(1 << 40))
    monkeypatch.setattr(ahead, "_WAITING_BYTES", 1)
    site, watch, ended = Site.in_memory(tmp_path), Watch(), threading.Event()

    def load() -> None:
        run(site, watch, (page(n * PAGE) for n in range(30)))
        ended.set()

    threading.Thread(target=load, daemon=True).start()
    assert ended.wait(60), "nobody takes what waits"
    assert watch.names("load.write") == []


def test_many_tables_with_little_each_make_room_for_one_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ahead, "_WAITING_BYTES", 1)
    monkeypatch.setattr(ahead, "_CHUNK_BYTES", 1 << 40)
    monkeypatch.setattr(ahead, "_PATIENCE_S", 600.0)
    site, watch = Site.in_memory(tmp_path), Watch()

    def rows() -> Iterator[Any]:
        yield page(0)
        assert watch.written.wait(20), "a table that is small is never written while others wait"
        yield page(PAGE)

    run(site, watch, rows)
    assert site.query("select count(*) from ds.t") == [(2 * PAGE,)]
    assert watch.names("load.write") == []
