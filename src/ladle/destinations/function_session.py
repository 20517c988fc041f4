"""FunctionSession: a load that calls a function with one batch after the other, and notes each."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from ladle.destinations.base import LoadRecord
from ladle.destinations.formats import file_format
from ladle.destinations.function_batches import Batch, Shape, batches_of, due, files_of
from ladle.destinations.function_journal import Journal
from ladle.destinations.record_rows import state_row
from ladle.errors import (
    ConfigError,
    DestinationError,
    DestinationTerminalException,
    DestinationTransientException,
    UsageError,
    shorten,
)
from ladle.schema.change import Change, Comment
from ladle.schema.change_names import NameChange
from ladle.schema.schema import STATE_TABLE, SYSTEM_TABLE_MAP
from ladle.schema.table import Table
from ladle.schema.types import arrow_type

_JOURNAL = "function.jsonl"
_FILES = "function"
_TERMINAL = (DestinationTerminalException, ConfigError, UsageError)
_PAUSE_S = 0.1
_MAX_PAUSE_S = 5.0
_MAX_MESSAGE = 300


@dataclass(frozen=True, slots=True)
class Calls:
    """How a function is called.

    Attributes:
        name: of the destination.
        function: takes items and table, and `batch_id` where it asks for it; all else is filled in.
        file_format: of files; `parquet` for Arrow batches; None for the default.
        batch_rows: rows of a batch; 0 for files.
        keys: whether the tables and columns that ladle adds come along.
        compressed: whether text files are gzipped.
        wants_id: whether it takes a `batch_id`.
        at_once: how many calls may run at once for one and the same table, and in all.
        tries: how often a batch that fails is tried.
    """

    name: str
    function: Callable[..., Any]
    file_format: str | None = None
    batch_rows: int = 10
    keys: bool = False
    compressed: bool = True
    wants_id: bool = False
    at_once: int = 1
    tries: int = 5


class FunctionSession:
    """A load into a function: G1. There is nothing to commit, and nothing can be taken back.

    Each batch is noted in the package's folder when the function has returned. A load that failed, or whose
    process was killed, goes on with the first batch that has no note; so a batch is given twice only where
    the process died while the function worked on it, or before the note was written.

    State and schemas stay in the pipeline's working folder: there is no place to restore them from.

    Args:
        calls: the function.
    """

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._record: LoadRecord | None = None
        self._journal: Journal | None = None
        self._stopped = threading.Event()
        self._failing = threading.Lock()
        self._failure: DestinationError | None = None
        self._pool: ThreadPoolExecutor | None = None

    # -- what is there: nothing that could be asked

    def exists(self) -> bool:
        """Whether the dataset is there: a function is."""
        return True

    def has_load(self, load_id: str) -> bool:
        """Whether the load is committed: the package's own notes know what is done."""
        return False

    def tables(self) -> Mapping[str, Mapping[str, str]]:
        """Return all tables of the load: a function takes any, nothing has to be made."""
        assert self._record is not None
        tables = {**{n: t.to_dict() for n, t in SYSTEM_TABLE_MAP.items()}, **self._record.schema["tables"]}
        return {name: dict.fromkeys(table["columns"], "any") for name, table in tables.items()}

    def stored_state(self, pipeline: str) -> Mapping[str, Any] | None:
        """Return None: a function keeps no state."""
        return None

    def stored_schema(self, name: str) -> Mapping[str, Any] | None:
        """Return None: a function keeps no schema."""
        return None

    def newest(self, schema: str, pipeline: str) -> tuple[str | None, int | None]:
        """Return None and None: neither is kept."""
        return None, None

    def apply(self, changes: Sequence[Change]) -> None:
        """Do nothing: tables have to be made by the function."""

    def comment(self, changed: Sequence[Comment]) -> None:
        """Do nothing: the function sees description and tags in its table."""

    def altering(self, changes: Sequence[NameChange]) -> list[str]:
        """Return nothing: nothing is there."""
        return []

    def alter(self, changes: Sequence[NameChange]) -> None:
        """Nothing to do: rows that were handed over are out of reach."""

    def drop(self, tables: Sequence[str]) -> None:
        """Do nothing: what the function did with rows can't be undone."""

    def clear(self, tables: Sequence[str]) -> None:
        """Do nothing; the function sees `write_disposition` in its table."""

    # -- the load

    def begin(self, record: LoadRecord) -> None:
        """Read what an earlier try has done."""
        assert record.folder is not None
        self._record = record
        self._journal = Journal(Path(record.folder) / _JOURNAL)
        if self._calls.at_once > 1:
            self._pool = ThreadPoolExecutor(self._calls.at_once, "ladle-function")

    def append(self, table: Table, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> int:
        """Give the function the rows that it hasn't had; returns how many the table has in this load.

        May be called from several threads, for different tables. Memory: O(batch), times the calls at once.

        Raises:
            DestinationTerminalException: the function says that trying again is of no use.
            DestinationTransientException: it failed again and again.
        """
        assert self._journal is not None
        done = self._journal.done(table.name)
        rows = sum(end - first for first, end in done)
        told = self._told(table)
        for batch in self._in_turn(self._batches(table, schema, batches, done), told):
            rows += batch.rows
        return rows

    def _shape(self, table: str) -> Shape:
        assert self._record is not None
        asked = self._record.file_format or self._record.formats.get(table)
        kind = file_format(asked, self._calls.file_format)
        return Shape(self._calls.batch_rows, kind, self._calls.compressed, self._calls.keys)

    def _batches(
        self,
        table: Table,
        schema: pa.Schema,
        batches: Iterable[pa.RecordBatch],
        done: Sequence[tuple[int, int]],
    ) -> Iterator[Batch]:
        shape = self._shape(table.name)
        if shape.size:
            return batches_of(table, batches, done, shape)
        assert self._record is not None
        folder = Path(str(self._record.folder)) / _FILES
        return files_of(table, schema, due(batches, done), shape, folder)

    def _told(self, table: Table) -> dict[str, Any]:
        """Return the table as the function gets it: a child table has the write disposition of its root."""
        assert self._record is not None
        root, tables = table.to_dict(), self._record.schema["tables"]
        while "parent" in root:
            root = tables[root["parent"]]
        columns = {c.name: c.to_dict() for c in self._shape(table.name).columns(table)}
        disposition = root.get("write_disposition", "append")
        return {**table.to_dict(), "columns": columns, "write_disposition": disposition}

    def _in_turn(self, batches: Iterable[Batch], told: Mapping[str, Any]) -> Iterator[Batch]:
        if self._pool is None:
            for batch in batches:
                self._deliver(batch, told)
                yield batch
            return
        running: set[Future[None]] = set()
        for batch in batches:
            running = _settled(running, self._calls.at_once - 1)
            running.add(self._pool.submit(contextvars.copy_context().run, self._deliver, batch, told))
            yield batch
        _settled(running, 0)

    def _deliver(self, batch: Batch, told: Mapping[str, Any]) -> None:
        """Call the function until it takes the batch, then note it; stop all others where it doesn't."""
        assert self._journal is not None
        tries = 0
        while True:
            if self._stopped.is_set():
                raise self._failure or DestinationError("the load was given up", table=told["name"])
            tries += 1
            failed = self._call(batch, told)
            if failed is None:
                break
            terminal = isinstance(failed, _TERMINAL)
            if terminal or tries >= self._calls.tries:
                raise self._first(self._failed(failed, batch, told, tries, terminal), failed)
            self._stopped.wait(min(_PAUSE_S * 2 ** (tries - 1), _MAX_PAUSE_S))
        self._journal.add(told["name"], batch.first, batch.rows)

    def _first(self, error: DestinationError, cause: Exception) -> DestinationError:
        """Stop all calls; return the error of the load: that of whoever failed first."""
        with self._failing:
            if self._failure is None:
                self._failure = error
                error.__cause__ = cause
            self._stopped.set()
            return self._failure

    def _call(self, batch: Batch, told: Mapping[str, Any]) -> Exception | None:
        """Call the function once; return what it raises."""
        more = {"batch_id": self._batch_id(batch, told["name"])} if self._calls.wants_id else {}
        try:
            self._calls.function(batch.items, told, **more)
        except Exception as exc:  # noqa: BLE001 - whatever it is, it may go well the next time
            return exc
        return None

    def _batch_id(self, batch: Batch, table: str) -> str:
        assert self._record is not None
        return f"{self._record.load_id}.{table}.{batch.first}-{batch.first + batch.rows - 1}"

    def _failed(
        self, exc: Exception, batch: Batch, told: Mapping[str, Any], tries: int, terminal: bool
    ) -> DestinationError:
        assert self._record is not None
        kind = DestinationTerminalException if terminal else DestinationTransientException
        at = batch.first // self._calls.batch_rows if self._calls.batch_rows else 0
        again, said = "run again: it goes on with this batch", shorten(str(exc), _MAX_MESSAGE)
        return kind(
            f"function `{self._calls.name}` failed with {type(exc).__name__}: {said}",
            table=told["name"],
            batch=at,
            rows=f"{batch.first}-{batch.first + batch.rows - 1}",
            tries=tries,
            load_id=self._record.load_id,
            hint=f"mend the cause and {again}" if terminal else f"{again}, batches before it are done",
        )

    def commit(self, record: LoadRecord | None = None) -> None:
        """Give the state too, where the function wants ladle's own tables; all else is done already."""
        record = record or self._record
        assert record is not None
        if not self._calls.keys or record.state is None:
            return
        table = SYSTEM_TABLE_MAP[STATE_TABLE]
        schema = pa.schema([(c.name, arrow_type(c)) for c in table.columns.values()])
        row = state_row(record, datetime.fromtimestamp(record.inserted_at, UTC))
        self.append(table, schema, [pa.RecordBatch.from_pylist([row], schema)])

    def close(self) -> None:
        """Stop after the calls that run; what they did is noted. Safe to repeat."""
        self._stopped.set()
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)


def _settled(running: set[Future[None]], most: int) -> set[Future[None]]:
    """Wait until at most so many calls run; raise what one of them raised."""
    while len(running) > most:
        ended, running = wait(running, return_when=FIRST_COMPLETED)
        for call in ended:
            call.result()
    return running
