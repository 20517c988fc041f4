"""Places for files that tests load to, one that dies at a chosen step, and loads into them."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa

from ladle.destinations.base import LoadRecord
from ladle.destinations.file_session import FileOptions, FileSession
from ladle.destinations.files import Files, LocalFiles
from ladle.destinations.layout import Layout
from ladle.schema.change import AddTable
from ladle.schema.schema import Schema
from ladle.schema.table import Column, Table
from ladle.schema.types import column_of

OPTIONS = FileOptions(Layout())
X_ROWS = [{"x": 1}]
Rows = list[dict[str, Any]]


class Killed(BaseException):
    """The process is dead: nothing after it happens."""


class Dying:
    """Files that die at change number `kill_at`, from 1: before and after each file appears or goes."""

    def __init__(self, files: Files, kill_at: int = 0) -> None:
        self._files = files
        self._kill_at = kill_at
        self.changes = 0

    def _change(self) -> None:
        self.changes += 1
        if self._kill_at and self.changes >= self._kill_at:
            raise Killed

    def list(self, prefix: str) -> list[str]:
        self._alive()
        return self._files.list(prefix)

    def read(self, path: str) -> bytes:
        self._alive()
        return self._files.read(path)

    def _alive(self) -> None:
        if self._kill_at and self.changes >= self._kill_at:
            raise Killed

    @contextmanager
    def write(self, path: str, last: bool = False) -> Iterator[BinaryIO]:
        with self._files.write(path, last) as stream:
            yield stream
            self._change()
        self._change()

    def move(self, source: str, target: str) -> None:
        self._change()
        self._files.move(source, target)
        self._change()

    def delete(self, paths: Iterable[str]) -> None:
        for path in paths:
            self._change()
            self._files.delete([path])


def table(name: str, rows: Rows, **hints: Any) -> tuple[Table, pa.Table]:
    """Return a table as normalize leaves it, with rows in Arrow."""
    arrow = pa.Table.from_pylist(rows)
    columns = {f.name: column_of(f.name, f.type) for f in arrow.schema}
    return Table(name, columns, **hints).with_extra(**{"x-normalizer": {"seen-data": True}}), arrow


def record(
    load_id: str, *tables: Table, name: str = "shop", state: Mapping[str, Any] | None = None, **options: Any
) -> LoadRecord:
    schema = Schema(name, {t.name: t for t in tables}).to_dict()
    return LoadRecord(load_id, schema, options.pop("pipeline", "p"), state, float(load_id), **options)


def state(version: int, **content: Any) -> dict[str, Any]:
    return {"_state_version": version, "_state_engine_version": 4, **content}


def load(
    files: Files,
    load_id: str,
    tables: Mapping[str, Rows],
    *,
    clear: Iterable[str] = (),
    drop: Iterable[str] = (),
    session_options: FileOptions = OPTIONS,
    **options: Any,
) -> None:
    """Make one load as `ladle.load.run` does."""
    made = {name: table(name, rows) for name, rows in tables.items()}
    extra = [
        Table(n, {"x": Column("x", "bigint")}).with_extra(**{"x-normalizer": {"seen-data": True}})
        for n in clear
        if n not in made
    ]
    with closing(FileSession(files, "here", session_options)) as session:
        if session.has_load(load_id):
            return
        entry = record(load_id, *(t for t, _ in made.values()), *extra, **options)
        session.begin(entry)
        session.newest("shop", "p")
        session.drop(list(drop))
        session.apply([AddTable(t) for t, _ in made.values()])
        session.clear(list(clear))
        for entry_table, arrow in made.values():
            assert session.append(entry_table, arrow.schema, arrow.to_batches()) == arrow.num_rows
        session.commit()


def rows_of(content: bytes) -> list[Any]:
    """Return the rows of a gzipped JSONL file."""
    return [json.loads(line) for line in gzip.decompress(content).splitlines()]


def counted(files: Files, tables: Iterable[str]) -> dict[str, list[Any]]:
    """Return what somebody sees who counts only committed loads."""
    with closing(FileSession(files, "here", OPTIONS)) as session:
        paths = {name: session.data_files("shop", name) for name in tables}
    return {
        n: sorted((r for p in found for r in rows_of(files.read(p))), key=str) for n, found in paths.items()
    }


def globbed(root: Path, tables: Iterable[str]) -> dict[str, list[Any]]:
    """Return what somebody sees who globs the tables' folders."""
    found = {name: sorted((root / name).glob("**/*.gz")) for name in tables}
    return {
        n: sorted((r for p in paths for r in rows_of(p.read_bytes())), key=str) for n, paths in found.items()
    }


def private(root: Path) -> list[str]:
    return LocalFiles(root).list("_ladle/")
