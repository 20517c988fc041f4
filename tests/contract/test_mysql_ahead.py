"""Loads into MySQL that begin while extract goes on: tables come first, as making one commits what is written."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import ladle
from ladle.destinations.base import LoadRecord
from ladle.errors import DestinationError, PipelineStepFailed
from ladle.events import Durable, Event
from ladle.schema.change import AddTable, Comment
from ladle.schema.schema import SYSTEM_TABLE_MAP, Schema
from ladle.schema.table import Column, Table

Ask = Callable[..., list[tuple[Any, ...]]]
PAGE = 2_000


class Watch:
    """Hears of durable steps; `written` is set once rows of `t` are."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.written = threading.Event()

    def __call__(self, event: Event) -> None:
        if isinstance(event, Durable) and event.done:
            self.names.append(event.name)
            if event.name == "load.ahead.t":
                self.written.set()


@pytest.fixture(autouse=True)
def _from_the_first_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOAD__AHEAD_BYTES", "0")
    monkeypatch.setattr("ladle.load.ahead._CHUNK_BYTES", 1)


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture
def pipeline(mysql_url: str, dataset: str, tmp_path: Path, watch: Watch) -> Any:
    destination = ladle.destinations.mysql(mysql_url)
    return ladle.pipeline(
        "my", tmp_path / "work", destination=destination, dataset_name=dataset, progress=watch
    )


def page(number: int, **more: Any) -> list[dict[str, Any]]:
    return [{"id": n, "v": f"v{n}", **more} for n in range(number * PAGE, (number + 1) * PAGE)]


def pages(watch: Watch, *then: Any) -> Iterator[Any]:
    """Yield a page, wait until it is written ahead, then give the others."""
    yield page(0)
    assert watch.written.wait(20)
    for one in then:
        yield one() if callable(one) else one


def test_all_tables_of_a_first_load_are_made_before_its_rows(
    pipeline: Any, watch: Watch, ask: Ask, dataset: str
) -> None:
    pipeline.run(pages(watch, page(1), page(2)), table_name="t")
    assert "load.ahead.t" in watch.names
    assert not [name for name in watch.names if name.startswith("load.write")]
    assert ask(f"SELECT count(*), count(DISTINCT id) FROM {dataset}.t") == [(3 * PAGE, 3 * PAGE)]
    assert ask(f"SELECT count(*) FROM {dataset}._ladle_changes")[0][0] > 0
    assert ask(f"SELECT count(*) FROM {dataset}._dlt_loads WHERE status = 0") == [(1,)]


def test_a_table_that_comes_late_has_the_load_done_from_its_files(
    pipeline: Any, watch: Watch, ask: Ask, dataset: str
) -> None:
    pipeline.run(pages(watch, page(1, late=[1])), table_name="t")
    assert "load.write.t" in watch.names
    assert ask(f"SELECT count(*), count(DISTINCT id) FROM {dataset}.t") == [(2 * PAGE, 2 * PAGE)]
    assert ask(f"SELECT count(*) FROM {dataset}.t__late") == [(PAGE,)]
    assert ask(f"SELECT count(*) FROM {dataset}._dlt_loads WHERE status = 0") == [(1,)]


def test_others_see_the_old_rows_until_the_end(pipeline: Any, watch: Watch, ask: Ask, dataset: str) -> None:
    pipeline.run(page(9), table_name="t")
    watch.written.clear()
    seen: list[Any] = []

    def looked() -> list[dict[str, Any]]:
        seen.extend(ask(f"SELECT min(id), count(*) FROM {dataset}.t"))
        return page(1)

    pipeline.run(pages(watch, looked), table_name="t", write_disposition="replace")
    assert watch.names.count("load.ahead.t") > 0
    assert seen == [(9 * PAGE, PAGE)]
    assert ask(f"SELECT min(id), count(*) FROM {dataset}.t") == [(0, 2 * PAGE)]


def test_a_table_that_comes_late_never_shows_an_emptied_one(
    pipeline: Any, watch: Watch, ask: Ask, dataset: str
) -> None:
    pipeline.run(page(9), table_name="t")
    watch.written.clear()
    seen: list[Any] = []

    def looked() -> list[dict[str, Any]]:
        seen.extend(ask(f"SELECT min(id), count(*) FROM {dataset}.t"))
        return page(2)

    later = (page(1, late=[1]), looked)
    pipeline.run(pages(watch, *later), table_name="t", write_disposition="replace")
    assert seen == [(9 * PAGE, PAGE)]
    assert ask(f"SELECT min(id), count(*) FROM {dataset}.t") == [(0, 3 * PAGE)]


def test_a_source_that_fails_leaves_no_rows(pipeline: Any, watch: Watch, ask: Ask, dataset: str) -> None:
    def failing() -> Any:
        raise OSError("the source is gone")

    with pytest.raises(PipelineStepFailed):
        pipeline.run(pages(watch, failing), table_name="t")
    assert ask(f"SELECT count(*) FROM {dataset}.t") == [(0,)]
    assert ask(f"SELECT count(*) FROM {dataset}._dlt_loads") == [(0,)]


def test_what_would_commit_an_emptied_table_is_refused(mysql_url: str, dataset: str, ask: Ask) -> None:
    schema = Schema("s").with_tables([Table("t", {"a": Column("a", "bigint")})])
    record = LoadRecord("1.0", schema.to_dict(), "p", None, 0.0)
    session = ladle.destinations.mysql(mysql_url).open(dataset)
    try:
        session.begin(record)
        session.apply([AddTable(t) for t in (*SYSTEM_TABLE_MAP.values(), schema.table_map["t"])])
        ask(f"INSERT INTO {dataset}.t (a) VALUES (1)")
        session.clear(["t"])
        with pytest.raises(DestinationError, match="would commit the rows"):
            session.apply([AddTable(Table("u", {"a": Column("a", "bigint")}))])
        with pytest.raises(DestinationError, match="would commit the rows"):
            session.comment([Comment("t", "a", "what it is")])
        session.apply([AddTable(schema.table_map["t"])])  # nothing to do
        session.comment([])
        assert ask(f"SELECT a FROM {dataset}.t") == [(1,)]
    finally:
        session.close()
    assert ask(f"SELECT a FROM {dataset}.t") == [(1,)]


def test_others_write_to_a_table_while_rows_wait_and_the_merge_sees_it(
    pipeline: Any, watch: Watch, ask: Ask, dataset: str
) -> None:
    way: dict[str, Any] = {"name": "t", "write_disposition": "merge", "primary_key": "id"}
    pipeline.run(ladle.resource([{"id": 5 * PAGE, "v": "old"}], **way))
    watch.written.clear()

    def others() -> list[dict[str, Any]]:
        for key, v in ((5, "other"), (6 * PAGE, "other")):
            ask(f"INSERT INTO {dataset}.t (id, v, _dlt_load_id, _dlt_id) VALUES ({key}, '{v}', '', '{key}')")
        return page(1)

    info = pipeline.run(ladle.resource(pages(watch, others), **way))
    assert not [name for name in watch.names if name == "load.write.t"][1:]  # but of the first run
    count = "count(*), count(DISTINCT id)"
    found = ask(
        f"SELECT v IN ('old', 'other'), {count} FROM {dataset}.t GROUP BY v IN ('old', 'other') ORDER BY 1"
    )
    assert found == [(0, 2 * PAGE, 2 * PAGE), (1, 2, 2)]
    assert info.merged["t"] == {"inserted": 2 * PAGE - 1, "updated": 1, "deleted": 0, "unchanged": 0}
