"""A session's connection by SQLAlchemy: statements as text, reflection, inserts in batches, transactions."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import pyarrow as pa
import sqlalchemy as sa
from sqlalchemy.engine.reflection import ObjectKind
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.sql.elements import quoted_name

from ladle.destinations.sqlalchemy_engines import COLUMNS, DATASET, Engine
from ladle.destinations.sqlalchemy_errors import Place, explained, is_lost, refused, unread
from ladle.destinations.sqlalchemy_types import array_of, bind_type, field_of, parameter, sql_type, values
from ladle.errors import CommitUnknown
from ladle.schema.table import Column, Table

_BATCH_ROWS = 5_000
_QUERY = re.compile(r"[\s(]*(SELECT|WITH)\b", re.IGNORECASE)
_COLON = re.compile(r":(?!ladle_\d)")


class SqlAlchemyConnection:
    """The driver's side of a SQL session. Outside a transaction each statement commits by itself.

    Args:
        engine: of SQLAlchemy.
        known: what ladle knows of it.
        place: for errors.

    Raises:
        DestinationError: no connection.
    """

    def __init__(self, engine: sa.Engine, known: Engine, place: Place) -> None:
        self._known = known
        self._place = place
        self._types: dict[str | None, Any] = {}
        self._in_transaction = False
        try:
            self._connection = engine.connect()
        except SQLAlchemyError as exc:
            raise refused(exc, place) from place.cause(exc)
        if engine.dialect.name == "sqlite":
            # Python's own way to begin leaves CREATE and DROP outside.
            self._driver.isolation_level = None
        else:
            self._connection.detach()  # a pool would hand on what we set

    @property
    def _driver(self) -> Any:
        return self._connection.connection.driver_connection

    # -- statements

    def _run(self, sql: str, params: Sequence[Any] = (), **options: Any) -> sa.CursorResult[Any]:
        if self._known.fetch_first:
            sql = re.sub(r" LIMIT 1$", " OFFSET 0 ROWS FETCH FIRST 1 ROWS ONLY", sql)
        text = sa.text(_COLON.sub(r"\\:", sql))
        given = {f"ladle_{i + 1}": parameter(v, self._connection.dialect) for i, v in enumerate(params)}
        return self._connection.execute(text, given, execution_options=options)

    def _settle(self) -> None:
        """End the transaction that SQLAlchemy begins with any statement, outside ours."""
        if not self._in_transaction:
            self._connection.commit()

    def execute(self, sql: str, params: Sequence[Any] = ()) -> int:
        """Run a statement; return how many rows it changed."""
        result = self._run(sql, params)
        changed = result.rowcount
        result.close()
        self._settle()
        return changed

    def create_schema(self, name: str) -> None:
        """Make a schema."""
        self._connection.execute(sa.schema.CreateSchema(quoted_name(name, True)))
        self._settle()

    def query(self, sql: str, params: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run a query; return all rows."""
        found: list[tuple[Any, ...]]
        if sql == DATASET:
            found = [(1,)] if sa.inspect(self._connection).has_schema(params[0]) else []
        elif sql == COLUMNS:
            found = list(self._columns(params[0]))
        else:
            found = [tuple(row) for row in self._run(sql, params)]
        self._settle()
        return found

    def _columns(self, dataset: str) -> Iterator[tuple[Any, ...]]:
        if self._known.columns:
            yield from map(tuple, self._run(self._known.columns, [dataset]))
            return
        inspector = sa.inspect(self._connection)
        if not inspector.has_schema(dataset):
            return
        tables = inspector.get_multi_columns(schema=dataset, kind=ObjectKind.ANY)
        for (_, table), columns in tables.items():
            for column in columns:
                text = self._text_of(column["type"])
                self._types[text] = column["type"]
                yield table, column["name"], text

    def _text_of(self, kind: Any) -> str:
        with suppress(SQLAlchemyError):
            return str(kind.compile(dialect=self._connection.dialect))
        return repr(kind)

    def ingest(
        self,
        dataset: str,
        table: Table,
        there: Mapping[str, str],
        schema: pa.Schema,
        batches: Iterable[pa.RecordBatch],
    ) -> int:
        """Insert in batches, as the dialect does it best. Memory: O(5,000 rows).

        Raises:
            DataError: a value that the driver can't take.
            DestinationError: a column there can't take these values.
        """
        columns = [table.columns[name] for name in schema.names]
        into = self._target(dataset, table.name, columns, there)
        count = 0
        for batch in batches:
            for start in range(0, batch.num_rows, _BATCH_ROWS):
                piece = batch.slice(start, _BATCH_ROWS)
                cells = [
                    values(column, array, self._connection.dialect)
                    for column, array in zip(columns, piece.columns, strict=True)
                ]
                keys = [f"c{i}" for i in range(len(columns))]
                rows = [dict(zip(keys, row, strict=True)) for row in zip(*cells, strict=True)]
                self._connection.execute(sa.insert(into), rows)
                count += len(rows)
        return count

    def _target(
        self, dataset: str, table: str, columns: Sequence[Column], there: Mapping[str, str]
    ) -> sa.Table:
        made = []
        for i, column in enumerate(columns):
            text = there.get(column.name)
            kind = self._types.get(text) or sql_type(column, self._connection.dialect)
            bound = bind_type(table, column, kind, self._connection.dialect)
            made.append(sa.Column(quoted_name(column.name, True), bound, key=f"c{i}"))
        return sa.Table(quoted_name(table, True), sa.MetaData(), *made, schema=quoted_name(dataset, True))

    # -- the transaction

    def expect(self, batch_bytes: int, columns: int) -> None:
        """Nothing to do."""

    def begin(self) -> None:
        """Start a transaction."""
        self._connection.commit()
        if self._known.begin:
            self._connection.exec_driver_sql(self._known.begin)
        self._in_transaction = True

    def commit(self) -> None:
        """Commit it.

        Raises:
            CommitUnknown: the line broke before the answer came.
        """
        try:
            self._connection.commit()
        except DBAPIError as exc:
            if not is_lost(exc):
                raise
            raise CommitUnknown(
                "the connection was lost while committing", hint="run again: it looks for the load id first"
            ) from self._place.cause(exc)
        self._in_transaction = False

    def fence(self, load_id: str) -> bool:
        """Wait until no other session can commit the load, where the engine has locks that we know."""
        self.lock(f"load {load_id}")
        return True

    def lock(self, *names: str) -> None:
        """Keep out other sessions that lock one of the names, where the engine has locks that we know."""
        for name in sorted(names) if self._known.lock else ():
            digest = hashlib.blake2b(f"ladle {name}".encode(), digest_size=8).digest()
            self._run(self._known.lock, [int.from_bytes(digest, "big", signed=True)]).close()
        self._settle()

    def lock_table(self, dataset: str, table: str) -> None:
        """Keep other loads from a table, where the engine has locks that we know."""
        self.lock(f"table {dataset}.{table}")

    def end(self, *, commit: bool) -> None:
        """End a transaction outside a load."""
        self._in_transaction = False
        if commit:
            self._connection.commit()
        else:
            self._connection.rollback()

    def close(self) -> None:
        """Roll back what isn't committed and disconnect."""
        with suppress(SQLAlchemyError):
            self._connection.close()

    # -- reading

    @property
    def native(self) -> sa.Connection:
        """The connection of SQLAlchemy."""
        return self._connection

    def use(self, dataset: str) -> None:
        """Look up names without a schema in the dataset, where we know how to say so."""
        if self._known.use:
            name = '"' + dataset.replace('"', '""') + '"'
            self.execute(self._known.use.format(name))

    @contextmanager
    def stream(self, sql: str, params: Sequence[Any], batch_rows: int) -> Iterator[pa.RecordBatchReader]:
        """Run a query; its rows come as they are read, where the driver can. Memory: O(batch)."""
        # of what isn't a query, drivers make no cursor that streams
        streams = _QUERY.match(sql) is not None
        result = self._run(sql, params, stream_results=streams, max_row_buffer=batch_rows)
        try:
            if result.returns_rows:
                yield _read(result, batch_rows)
            else:
                yield pa.RecordBatchReader.from_batches(pa.schema([]), [])
        finally:
            result.close()
            self._settle()

    # -- errors

    @contextmanager
    def errors(self, doing: str) -> Iterator[None]:
        """Turn the driver's errors into ours."""
        try:
            yield
        except SQLAlchemyError as exc:
            raise explained(exc, doing, self._place) from self._place.cause(exc)

    @contextmanager
    def read_errors(self, doing: str) -> Iterator[None]:
        """Turn the driver's errors into ours, outside a load."""
        try:
            yield
        except SQLAlchemyError as exc:
            raise unread(exc, doing, self._place) from self._place.cause(exc)


def _read(result: sa.CursorResult[Any], batch_rows: int) -> pa.RecordBatchReader:
    names = list(result.keys())

    def columns() -> list[Sequence[Any]]:
        return list(zip(*result.fetchmany(batch_rows), strict=True)) or [()] * len(names)

    first = columns()
    schema = pa.schema([field_of(name, found) for name, found in zip(names, first, strict=True)])

    def batches() -> Iterator[pa.RecordBatch]:
        found = first
        while found and len(found[0]):
            arrays = [array_of(v, f.type) for v, f in zip(found, schema, strict=True)]
            yield pa.RecordBatch.from_arrays(arrays, schema=schema)
            found = columns()

    return pa.RecordBatchReader.from_batches(schema, batches())
