"""Small packages: their rows wait in memory for a load that follows at once, and nothing else is different."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.loading import Landed, Site

import ladle
from ladle.destinations.sql import SqlSession
from ladle.errors import DestinationError, PipelineStepFailed
from ladle.events import Durable, Event


class Watch:
    """Hears durable steps; looks what is in the packages' ready stages when a load is about to be committed."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.steps: list[str] = []
        self.ready: list[str] = []

    def __call__(self, event: Event) -> None:
        if isinstance(event, Durable):
            if event.done:
                self.steps.append(event.name)
            elif event.name == "load.commit":
                self.ready += [path.name for path in self.root.rglob("ready/*")]


def grown_rows() -> Iterator[list[dict[str, Any]]]:
    """Pages that change what normalize makes of earlier ones: types that grow, columns that come, lists."""
    yield [{"id": n, "n": n, "l": [{"v": n}], "nothing": None} for n in range(100)]
    yield [{"id": n, "n": n / 4, "late": "x", "l": [{"v": "text", "w": 1}]} for n in range(100, 200)]
    yield [{"id": n, "n": "text", "day": "2024-01-02"} for n in range(200, 300)]


def landed(tables: dict[str, Landed]) -> dict[str, Any]:
    return {name: (table.types, table.data) for name, table in tables.items()}


@pytest.mark.parametrize("room_bytes", [None, "3000", "0"])
def test_the_same_lands_from_memory_and_from_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, room_bytes: str | None
) -> None:
    expected = landed(
        Site(tmp_path / "alone").load(grown_rows(), write_disposition="merge", primary_key="id")
    )
    if room_bytes is not None:
        monkeypatch.setenv("LOAD__HELD_BYTES", room_bytes)
    watch, site = Watch(tmp_path / "here"), Site(tmp_path / "here")
    pipeline = site.pipeline(progress=watch)
    pipeline.run(grown_rows(), table_name="t", write_disposition="merge", primary_key="id")
    assert landed(site.tables()) == expected
    in_files = room_bytes is not None
    assert bool(watch.ready) == in_files
    assert {"package.seal.ready", "package.normalized"}.issubset(watch.steps) == in_files
    assert ("package.extracted" in watch.steps, "folder.schema" in watch.steps) == (True, True)


@pytest.mark.parametrize("engine", ["sqlite", "filesystem"])
def test_engines_that_hold(tmp_path: Path, engine: str) -> None:
    to = {"sqlite": str(tmp_path / "x.db"), "filesystem": str(tmp_path / "lake")}[engine]
    watch = Watch(tmp_path)
    made = ladle.pipeline(
        "p", tmp_path / "work", destination=getattr(ladle.destinations, engine)(to), progress=watch
    )
    made.run([{"id": 1}], table_name="t")
    assert (watch.ready, "package.normalized" in watch.steps) == ([], False)


def test_a_destination_that_may_get_rows_twice_gets_them_from_files(tmp_path: Path) -> None:
    got: list[dict[str, Any]] = []

    @ladle.destination(batch_size=10)
    def sink(items: Any, table: Any) -> None:
        got.extend(items)

    watch = Watch(tmp_path)
    ladle.pipeline("p", tmp_path / "work", destination=sink, progress=watch).run([{"id": 1}], table_name="t")
    assert len(got) == 1
    assert "package.normalized" in watch.steps  # tried again, it must get the same rows, with the same ids


def test_where_the_load_fails_its_rows_go_to_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = Site(tmp_path)
    site.load([{"id": 1}])

    def failing(*_: Any) -> None:
        raise DestinationError("the disk is full")

    watch = Watch(tmp_path)
    pipeline = site.pipeline(progress=watch)
    with monkeypatch.context() as patched, pytest.raises(PipelineStepFailed, match="the disk is full"):
        patched.setattr(SqlSession, "commit", failing)
        pipeline.run([{"id": 2, "new": "x"}], table_name="t")
    after = watch.steps[watch.steps.index("package.extracted") + 1 :]
    assert [s for s in after if not s.startswith("load.")] == [
        "package.seal.ready", "package.normalized", "folder.schema",
    ]  # fmt: skip
    (load_id,) = pipeline.list_normalized_load_packages()
    info = pipeline.run([{"id": 3}], table_name="t")
    assert info.loads_ids[0] == load_id
    assert site.table("t").data == [(1, None), (2, "x"), (3, None)]


def test_who_interrupts_a_load_finds_the_package_extracted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = Site(tmp_path)

    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    pipeline = site.pipeline()
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(SqlSession, "commit", interrupted)
        pipeline.run([{"id": 1}], table_name="t")
    assert len(pipeline.list_extracted_load_packages()) == 1
    assert not site.names()
    pipeline.run([{"id": 2}], table_name="t")
    assert site.table("t").data == [(1,), (2,)]


def test_a_dataset_that_was_dropped_gets_the_state_too(tmp_path: Path) -> None:
    site = Site(tmp_path)

    @ladle.resource(name="t")
    def rows(at: Any = ladle.sources.incremental("id")) -> Iterator[Any]:
        yield from ({"id": n} for n in range(3))

    pipeline = site.pipeline()
    pipeline.run(rows())
    with site.open() as connection:
        connection.execute("DROP SCHEMA ds CASCADE")
    pipeline.run([{"a": 1}], table_name="other")
    assert site.query("SELECT count(*) FROM ds._dlt_pipeline_state") == [(1,)]
    assert site.table("other").data == [(1,)]


def test_a_reader_of_packages_never_sees_the_stage(tmp_path: Path) -> None:
    site, seen = Site(tmp_path), set()

    def look(event: Event) -> None:
        if isinstance(event, Durable):
            seen.update(manifest.stage for manifest in pipeline._packages.waiting())

    pipeline = site.pipeline(progress=look)
    pipeline.run([{"id": 1}], table_name="t")
    assert seen == {"extracted"}
