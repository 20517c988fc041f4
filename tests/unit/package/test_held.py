"""Ready rows in memory: read like files, put into files by whoever saves, and all in files where they are many."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from ladle.events import Durable, Event
from ladle.package.held import Held
from ladle.package.store import Package, Packages


def batch(**columns: Any) -> pa.RecordBatch:
    return pa.record_batch(columns)


def made(root: Path, room_bytes: int) -> tuple[Package, list[str]]:
    """Return a package with room for so many bytes, and the durable steps to come."""
    steps: list[str] = []

    def emit(event: Event) -> None:
        if isinstance(event, Durable) and event.done:
            steps.append(event.name)

    return replace(Packages(root, emit).create("p"), held=Held(room_bytes)), steps


def filled(package: Package) -> Package:
    """Return it with rows of two tables, one of them with a column that comes late."""
    writer = package.writer("ready")
    for key, one in (
        ("t", batch(a=[1])), ("u", batch(c=["x"])), ("t", batch(a=[2, 3])), ("t", batch(a=[4], b=[5])),
    ):  # fmt: skip
        writer.append(key, one)
    return package.with_manifest(stage="held", ready=writer.seal())


def rows(package: Package, table: str) -> list[dict[str, Any]]:
    return [row for one in package.read(package.files("ready", table)) for row in one.to_pylist()]


def on_disk(package: Package) -> list[Path]:
    return sorted((package.folder / "ready").iterdir())


ROWS = {"t": [{"a": 1}, {"a": 2}, {"a": 3}, {"a": 4, "b": 5}], "u": [{"c": "x"}]}


@pytest.mark.parametrize("room_bytes", [1 << 20, 20, 1])
def test_rows_are_read_alike_wherever_they_are(tmp_path: Path, room_bytes: int) -> None:
    package = filled(made(tmp_path, room_bytes)[0])
    assert {name: rows(package, name) for name in ("t", "u")} == ROWS
    files = [(f.name, f.table, f.rows, f.batch_bytes) for f in package.files("ready")]
    assert files == [
        ("ready/000000.arrows", "t", 3, 16),
        ("ready/000001.arrows", "u", 1, 5),
        ("ready/000002.arrows", "t", 1, 16),
    ]
    assert [package.schema_of(f).names for f in package.files("ready")] == [["a"], ["c"], ["a", "b"]]
    held = room_bytes == 1 << 20
    assert (package.holds_rows, len(on_disk(package))) == (held, 0 if held else 3)


def test_no_step_is_told_where_nothing_is_written(tmp_path: Path) -> None:
    package, steps = made(tmp_path, 1 << 20)
    filled(package)
    assert steps == ["package.new"]


def test_who_saves_a_package_has_all_rows_in_files(tmp_path: Path) -> None:
    package, steps = made(tmp_path, 1 << 20)
    saved = filled(package).save(stage="normalized")
    assert steps == ["package.new", "package.seal.ready", "package.normalized"]
    assert not saved.holds_rows
    assert [f.file_bytes for f in saved.files("ready")] == [path.stat().st_size for path in on_disk(saved)]
    again = Packages(tmp_path, lambda event: None).waiting()
    assert [m.ready for m in again] == [saved.manifest.ready]
    assert {name: rows(saved, name) for name in ("t", "u")} == ROWS


def test_what_is_not_in_the_manifest_yet_stays_in_memory(tmp_path: Path) -> None:
    package, _ = made(tmp_path, 1 << 20)
    held = filled(package)
    package.save(stage="extracted")
    assert (held.holds_rows, on_disk(package)) == (True, [])
    assert rows(held, "t") == ROWS["t"]


def test_rows_after_a_seal_count_too(tmp_path: Path) -> None:
    package, _ = made(tmp_path, 40)
    writer = package.writer("ready")
    writer.append("t", batch(a=[1, 2]))
    first = writer.seal()
    writer.append("t", batch(a=[3, 4]))
    assert first == writer.seal()[:1]
    writer.append("t", batch(a=[5, 6]))
    files = writer.seal()
    assert [f.name for f in files] == [f"ready/00000{n}.arrows" for n in range(3)]
    package = package.with_manifest(ready=files)
    assert [row["a"] for row in rows(package, "t")] == [1, 2, 3, 4, 5, 6]
    assert len(on_disk(package)) == 1


def test_a_seal_tells_what_came_since_the_last(tmp_path: Path) -> None:
    writer = made(tmp_path, 20)[0].writer("ready")
    told = []
    for value in range(4):
        writer.append("t", batch(a=[value]))
        told.append([f.name for f in writer.seal_more()])
    assert told == [[f"ready/00000{n}.arrows"] for n in range(4)]


def test_a_stage_that_begins_anew_has_forgotten_what_there_was(tmp_path: Path) -> None:
    package, _ = made(tmp_path, 40)
    for _ in range(3):
        writer = package.writer("ready")
        writer.append("t", batch(a=[1, 2, 3]))
        files = writer.seal()
    assert package.with_manifest(ready=files).holds_rows
