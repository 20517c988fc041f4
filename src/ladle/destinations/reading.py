"""What reading a dataset needs of a destination: one connection that streams Arrow and runs SQL."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import pyarrow as pa

from ladle.destinations import dialect as statements
from ladle.destinations.dialect import Dialect
from ladle.errors import DestinationError

LOOSE = {b"ladle:type": b"loose"}
"""Metadata of a field whose type the engine doesn't tell, or not whole: what the schema says of it counts."""


class ReadConnection(Protocol):
    """What a driver has to do to read."""

    @property
    def native(self) -> Any:
        """The driver's own connection."""

    def execute(self, sql: str, params: Sequence[Any] = ()) -> object:
        """Run a statement."""

    def query(self, sql: str, params: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run a query; return all rows."""

    def stream(
        self, sql: str, params: Sequence[Any], batch_rows: int
    ) -> AbstractContextManager[pa.RecordBatchReader]:
        """Run a query, in a `with` block; batches have about `batch_rows` rows, or fewer."""

    def use(self, dataset: str) -> None:
        """Look up names without a schema in the dataset, which is there."""

    def begin(self) -> None:
        """Start a transaction."""

    def end(self, *, commit: bool) -> None:
        """Commit it or give it up; what follows commits by itself."""

    def close(self) -> None:
        """Roll back what isn't committed and disconnect. Safe to repeat."""

    def read_errors(self, doing: str) -> AbstractContextManager[None]:
        """Turn the driver's errors into ours, in a `with` block."""


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of a query: their Arrow schema, and the batches, which are read when they are asked for."""

    schema: pa.Schema
    batches: Iterator[pa.RecordBatch]


class Reader(Protocol):
    """A connection to one dataset. One query at a time."""

    @property
    def dialect(self) -> Dialect:
        """How the engine spells things."""

    @property
    def native(self) -> Any:
        """The driver's own connection."""

    @property
    def writes(self) -> bool:
        """Whether SQL can change the dataset."""

    def exists(self, dataset: str | None = None) -> bool:
        """Whether the dataset, or another of that name, is there."""

    def tables(self, dataset: str | None = None) -> list[str]:
        """Return the names of the tables that are there."""

    def use(self, dataset: str) -> None:
        """Look up names without a schema in that dataset from now on, where it is there."""

    def execute(self, sql: str, params: Sequence[Any] = ()) -> None:
        """Run a statement."""

    def stream(
        self, sql: str, params: Sequence[Any] = (), batch_rows: int = 1 << 16
    ) -> AbstractContextManager[Rows]:
        """Run a query, in a `with` block. Memory: O(batch)."""

    def begin(self) -> None:
        """Start a transaction."""

    def commit(self) -> None:
        """Commit it."""

    def rollback(self) -> None:
        """Give it up, if one is open."""

    def close(self) -> None:
        """Roll back what isn't committed and disconnect. Safe to repeat."""


class SqlReader:
    """A reader over a SQL connection.

    Args:
        connection: open; closed with the reader.
        dialect: of the engine.
        dataset: name of the schema.
    """

    writes = True

    def __init__(self, connection: ReadConnection, dialect: Dialect, dataset: str) -> None:
        self._connection = connection
        self.dialect = dialect
        self._dataset = dataset
        self.use(dataset)

    @property
    def native(self) -> Any:
        """The driver's own connection."""
        return self._connection.native

    def exists(self, dataset: str | None = None) -> bool:
        """Whether the dataset, or another of that name, is there."""
        with self._connection.read_errors("looking for the dataset"):
            return bool(self._connection.query(self.dialect.dataset_query, [dataset or self._dataset]))

    def tables(self, dataset: str | None = None) -> list[str]:
        """Return the names of the tables that are there."""
        with self._connection.read_errors("reading which tables exist"):
            rows = self._connection.query(self.dialect.columns_query, [dataset or self._dataset])
        return list(dict.fromkeys(row[0] for row in rows))

    def use(self, dataset: str) -> None:
        """Look up names without a schema in that dataset from now on, where it is there."""
        self._dataset = dataset
        if self.exists():
            with self._connection.read_errors("choosing the dataset"):
                self._connection.use(dataset)

    def execute(self, sql: str, params: Sequence[Any] = ()) -> None:
        """Run a statement."""
        with self._connection.read_errors("running a statement"):
            self._connection.execute(sql, params)

    @contextmanager
    def stream(self, sql: str, params: Sequence[Any] = (), batch_rows: int = 1 << 16) -> Iterator[Rows]:
        """Run a query. Memory: O(batch).

        Raises:
            DestinationError: the query failed, at once or while its rows are read.
        """
        with ExitStack() as opened:
            with self._errors():
                reader = opened.enter_context(self._connection.stream(sql, params, batch_rows))
            yield Rows(reader.schema, self._batches(reader))

    def _batches(self, reader: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
        while True:
            with self._errors():  # around the reading only: what the caller does with a batch is its own
                try:
                    batch = reader.read_next_batch()
                except StopIteration:
                    return
            yield batch

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Turn errors of a query into ours; while rows come, drivers hand on only a text, by Arrow."""
        with self._connection.read_errors("running a query"):
            try:
                yield
            except (pa.ArrowException, OSError) as exc:
                lines = str(exc).strip().splitlines() or [type(exc).__name__]
                raise DestinationError(f"the rows of a query could not be read: {lines[0]}") from exc

    def begin(self) -> None:
        """Start a transaction."""
        with self._connection.read_errors("beginning a transaction"):
            self._connection.begin()

    def commit(self) -> None:
        """Commit it."""
        with self._connection.read_errors("committing"):
            self._connection.end(commit=True)

    def rollback(self) -> None:
        """Give it up, if one is open."""
        with self._connection.read_errors("rolling back"):
            self._connection.end(commit=False)

    def close(self) -> None:
        """Roll back what isn't committed and disconnect."""
        self._connection.close()


def drop_dataset(dataset: str, dialect: Dialect) -> str:
    """DROP SCHEMA with all that is in it."""
    name = statements.column_ref(dataset).sql(dialect=dialect.name, identify=True)
    return dialect.drop_schema.format(name)
