"""Files that are written while extract goes on: one a table, open until all its rows are there."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

import ladle
from ladle.destinations import file_session, formats
from ladle.destinations.files import LocalFiles
from ladle.errors import PipelineStepFailed
from ladle.events import Durable, Event
from ladle.load import ahead
from ladle.package import store

PAGE = 70  # rows; the first raw batch has 64


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOAD__AHEAD_BYTES", "0")


class Lake:
    """A folder, a pipeline that loads into it, and the durable steps of its last run."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.steps: list[str] = []
        self.writes_children = threading.Event()

    def run(self, data: Any, file_format: str | None = "parquet", **options: Any) -> ladle.LoadInfo:
        self.steps = []
        pipeline = ladle.pipeline(
            "p",
            pipelines_dir=self.root / "work",
            destination=ladle.destinations.filesystem(f"file://{self.root}/lake"),
            dataset_name="ds",
            progress=self._note,
        )
        return pipeline.run(data, table_name="t", loader_file_format=file_format, **options)

    def _note(self, event: Event) -> None:
        if isinstance(event, Durable) and event.done:
            self.steps.append(event.name)
        elif isinstance(event, Durable) and event.name == "load.ahead.t__l":
            self.writes_children.set()

    def files(self, table: str) -> list[Path]:
        return sorted((self.root / "lake" / "ds" / table).rglob("*.*"))

    def rows(self, table: str) -> list[dict[str, Any]]:
        return [row for path in self.files(table) for row in pq.read_table(path).to_pylist()]

    def kinds(self, table: str) -> set[str]:
        return {"".join(path.suffixes[-2:]) for path in self.files(table)}

    @property
    def ids(self) -> list[Any]:
        return [row["id"] for row in self.rows("t")]

    @property
    def left_over(self) -> list[Path]:
        return [path for path in (self.root / "lake/ds/_ladle").rglob("*") if path.is_file()]

    def wrote(self, table: str) -> tuple[bool, bool]:
        """Whether a table was written ahead, and whether from the package's files."""
        return f"load.ahead.{table}" in self.steps, f"load.write.{table}" in self.steps


def page(first: int, **extra: Any) -> list[dict[str, Any]]:
    return [{"id": n, "l": [n], **extra} for n in range(first, first + PAGE)]


def test_each_table_becomes_one_file_in_the_order_of_the_rows(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    info = lake.run(page(first) for first in range(0, 10 * PAGE, PAGE))
    assert (len(lake.files("t")), len(lake.files("t__l"))) == (1, 1)
    assert lake.ids == [row["value"] for row in lake.rows("t__l")] == list(range(10 * PAGE))
    parents = {row["_dlt_id"]: row["id"] for row in lake.rows("t")}
    assert all(parents[row["_dlt_parent_id"]] == row["value"] for row in lake.rows("t__l"))
    assert (lake.wrote("t"), lake.wrote("t__l"), lake.left_over) == ((True, False), (True, False), [])
    assert (info.row_counts["t"], info.row_counts["t__l"]) == (10 * PAGE, 10 * PAGE)


def test_large_tables_go_on_in_new_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = file_session.FileSession.__init__

    def small(session: Any, files: Any, where: str, options: Any) -> None:
        chosen(session, files, where, replace(options, max_file_bytes=1))

    monkeypatch.setattr(file_session.FileSession, "__init__", small)
    monkeypatch.setitem(formats.FORMATS, "parquet", replace(formats.FORMATS["parquet"], chunk_rows=100))
    lake = Lake(tmp_path)
    lake.run(page(first) for first in range(0, 10 * PAGE, PAGE))
    assert len(lake.files("t")) > 3
    assert (lake.ids, lake.wrote("t")) == (list(range(10 * PAGE)), (True, False))


@pytest.mark.parametrize(
    "extra", [{"late": 1}, {"l": ["text"]}, {"id": 0.5}], ids=["column", "child", "type"]
)
def test_a_table_that_changes_is_loaded_from_the_package(tmp_path: Path, extra: dict[str, Any]) -> None:
    lake = Lake(tmp_path)

    def rows() -> Iterator[Any]:
        yield from (page(0), page(PAGE))
        assert lake.writes_children.wait(20)
        yield [{**row, **extra} for row in page(2 * PAGE)]

    lake.run(rows)
    assert len(lake.rows("t")) == len(lake.rows("t__l")) == 3 * PAGE
    assert lake.wrote("t")[1]
    assert lake.left_over == []


def test_a_key_that_never_has_a_value_changes_nothing(tmp_path: Path) -> None:
    lake = Lake(tmp_path)

    def rows() -> Iterator[Any]:
        yield from (page(0), page(PAGE))
        assert lake.writes_children.wait(20)
        yield page(2 * PAGE, late=None)

    lake.run(rows)
    assert (lake.ids, lake.wrote("t")) == (list(range(3 * PAGE)), (True, False))


def test_more_tables_than_lanes_are_loaded_from_the_package(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    many = {f"l{n}": [n] for n in range(20)}
    lake.run(page(0, **many))
    assert len(lake.rows("t")) == PAGE
    assert all(len(lake.rows(f"t__l{n}")) == PAGE for n in range(20))
    assert lake.wrote("t")[1]
    assert lake.left_over == []


def test_a_source_that_stops_for_long_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lake = Lake(tmp_path)

    def rows() -> Iterator[Any]:
        yield from (page(0), page(PAGE))
        assert lake.writes_children.wait(20)
        # after it has begun: it doesn't begin beside a source that is slow from the start
        monkeypatch.setattr(ahead, "_PATIENCE_S", 0.0)
        monkeypatch.setattr(ahead, "_IDLE_RATIO", 0.0)
        time.sleep(0.3)
        yield page(2 * PAGE)

    lake.run(rows)
    assert (lake.ids, lake.wrote("t")) == (list(range(3 * PAGE)), (True, False))


def test_package_files_are_written_by_a_thread_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "_BEHIND_BYTES", 0)
    found: set[str] = set()

    def rows() -> Iterator[Any]:
        for first in range(0, 5 * PAGE, PAGE):
            found.update(thread.name for thread in threading.enumerate())
            yield page(first)

    Lake(tmp_path).run(rows)
    assert "ladle-raw_0" in found


def test_a_source_that_fails_leaves_no_file(tmp_path: Path) -> None:
    lake = Lake(tmp_path)

    def rows() -> Iterator[Any]:
        yield page(0)
        yield page(PAGE)
        raise OSError("gone")

    with pytest.raises(PipelineStepFailed, match="gone"):
        lake.run(rows)
    assert (lake.files("t"), lake.left_over) == ([], [])


def test_a_disk_that_fails_is_told_and_the_next_run_heals(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake, write = Lake(tmp_path), LocalFiles.write

    def full(files: LocalFiles, path: str, last: bool = False) -> Any:
        if "/t__l/" in path:
            raise OSError(28, "No space left on device")
        return write(files, path, last)

    monkeypatch.setattr(LocalFiles, "write", full)
    with pytest.raises(PipelineStepFailed, match="disk is full"):
        lake.run([*page(0), *page(PAGE)])
    assert (lake.files("t"), lake.left_over) == ([], [])
    monkeypatch.setattr(LocalFiles, "write", write)
    lake.run([])
    assert lake.ids == list(range(2 * PAGE))


def test_replaced_rows_stay_until_the_new_ones_are_there(tmp_path: Path) -> None:
    lake, seen = Lake(tmp_path), []
    lake.run(page(0))

    def rows() -> Iterator[Any]:
        yield page(1000)
        yield page(1000 + PAGE)
        seen.extend(lake.ids)

    lake.run(rows, write_disposition="replace")
    assert (seen, lake.ids) == ([*range(PAGE)], [*range(1000, 1000 + 2 * PAGE)])


def test_children_have_the_format_of_their_root(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    hinted = ladle.resource(lambda: iter([page(0), page(PAGE)]), name="r", file_format="csv")
    lake.run(hinted, file_format=None)
    assert lake.kinds("t") == lake.kinds("t__l") == {".csv.gz"}
    assert lake.wrote("t") == lake.wrote("t__l") == (True, False)


def test_a_format_that_is_named_late_holds(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    hints = ladle.mark.make_hints(file_format="csv")

    def rows() -> Iterator[Any]:
        yield page(0)
        yield ladle.mark.with_hints(page(PAGE), hints)

    lake.run(rows, file_format=None)
    assert lake.kinds("t") == {".csv.gz"}
