"""Results of Postgres queries as plain Arrow: numbers of any size, JSON."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import adbc_driver_manager as adbc
import pyarrow as pa
import pyarrow.compute as pc

from ladle.destinations.postgres_errors import cause, refused, unread
from ladle.destinations.postgres_login import Login
from ladle.errors import DataError
from ladle.schema.types import decimal_type

NUMERIC = {b"ladle:type": b"numeric"}
"""Metadata of a field that holds numbers as text: Postgres doesn't tell their digits."""

_WEI = (156, 78)
_MAX_DIGITS = 76
_TYPMOD = b"POSTGRESQL:typmod"
_NO_COPY = ("show", "explain", "fetch", "analyze", "vacuum", "call", "execute")

Decode = Callable[[pa.Array], pa.Array]


class PostgresReading:
    """A connection to read with: answers are Arrow. Outside a transaction each statement commits by itself.

    Raises:
        DestinationError: no connection.
    """

    def __init__(self, database: adbc.AdbcDatabase, login: Login) -> None:
        self._login = login
        try:
            self._connection = adbc.AdbcConnection(database)
        except adbc.Error as exc:
            raise refused(exc, login) from cause(exc, login)

    @property
    def native(self) -> adbc.AdbcConnection:
        """The driver's own connection."""
        return self._connection

    def execute(self, sql: str, params: Sequence[Any] = ()) -> int:
        """Run a statement; return how many rows it changed."""
        with self._statement(sql, params) as statement:
            changed: int = statement.execute_update()
        return changed

    def query(self, sql: str, params: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run a query; return all rows."""
        with self._statement(sql, params) as statement:
            stream, _ = statement.execute_query()
            table = pa.RecordBatchReader.from_stream(stream).read_all()
        return list(zip(*(column.to_pylist() for column in table.columns), strict=True))

    @contextmanager
    def _statement(self, sql: str, params: Sequence[Any]) -> Iterator[adbc.AdbcStatement]:
        statement = adbc.AdbcStatement(self._connection)
        try:
            statement.set_sql_query(sql)
            if params:
                arrays = [pa.array([value]) for value in params]
                statement.bind(pa.RecordBatch.from_arrays(arrays, names=[str(i) for i in range(len(arrays))]))
            yield statement
        finally:
            statement.close()

    @contextmanager
    def stream(self, sql: str, params: Sequence[Any], batch_rows: int) -> Iterator[pa.RecordBatchReader]:
        """Run a query; its rows come as they are read. Memory: O(16 MB), which is the driver's batch."""
        with self._statement(sql, params) as statement:
            if needs_no_copy(sql):
                statement.set_options(**{"adbc.postgresql.use_copy": "false"})
            found, _ = statement.execute_query()
            reader = pa.RecordBatchReader.from_stream(found)
            schema, steps = decoded(reader.schema)
            try:
                yield pa.RecordBatchReader.from_batches(schema, (decode(b, schema, steps) for b in reader))
            finally:
                reader.close()

    def use(self, dataset: str) -> None:
        """Look up names without a schema in the dataset."""
        name = '"' + dataset.replace('"', '""') + '"'
        self.execute(f"SET search_path TO {name}")

    def begin(self) -> None:
        """Start a transaction that sees what others commit meanwhile."""
        self._connection.set_autocommit(False)
        self.execute("SET TRANSACTION ISOLATION LEVEL READ COMMITTED")

    def end(self, *, commit: bool) -> None:
        """Commit it or give it up; what follows commits by itself."""
        if commit:
            self._connection.commit()
        else:
            self._connection.rollback()
        self._connection.set_autocommit(True)

    def close(self) -> None:
        """Disconnect; the server rolls back what isn't committed."""
        with suppress(adbc.Error):
            self._connection.close()

    @contextmanager
    def read_errors(self, doing: str) -> Iterator[None]:
        """Turn the driver's errors into ours."""
        try:
            yield
        except adbc.Error as exc:
            raise unread(exc, doing, self._login) from cause(exc, self._login)


def needs_no_copy(sql: str) -> bool:
    """Whether the driver has to read the answer row by row: COPY takes only queries."""
    words = sql.split(None, 1)
    return bool(words) and words[0].lower() in _NO_COPY


def decoded(schema: pa.Schema) -> tuple[pa.Schema, list[Decode | None]]:
    """Return the schema that results are handed out in, and a function for each column that has to change."""
    fields, steps = [], []
    for field in schema:
        arrow, step, metadata = _target(field)
        fields.append(pa.field(field.name, arrow, field.nullable, metadata))
        steps.append(step)
    return pa.schema(fields), steps


def _target(field: pa.Field) -> tuple[pa.DataType, Decode | None, Any]:
    name = getattr(field.type, "extension_name", None)
    if name == "arrow.json":
        return pa.string(), lambda array: array.storage.cast(pa.string()), None
    if name != "arrow.opaque":
        return field.type, None, None
    if (field.metadata or {}).get(b"POSTGRESQL:type") != b"numeric":
        return field.type.storage_type, lambda array: array.storage, None
    arrow = _numeric(int((field.metadata or {}).get(_TYPMOD, b"-1")))
    if arrow is None:
        return pa.string(), lambda array: array.storage, NUMERIC
    return arrow, lambda array: as_decimal(array.storage, arrow, field.name), None


def _numeric(typmod: int) -> pa.DataType | None:
    """Return the type of numeric(p,s); None where it has no bounds, or too many digits."""
    if typmod < 0:
        return None
    digits, scale = (typmod - 4) >> 16 & 0xFFFF, (typmod - 4) & 0x7FF
    if (digits, scale) == _WEI:
        return decimal_type(_MAX_DIGITS, 0)
    return decimal_type(digits, scale) if digits <= _MAX_DIGITS and scale <= digits else None


def as_decimal(texts: pa.Array, arrow: pa.DataType, column: str) -> pa.Array:
    """Return numbers written as text in a decimal type.

    Raises:
        DataError: one has more digits than fit, or is no number.
    """
    texts = pc.replace_substring_regex(texts.cast(pa.string()), r"(\.\d*?)0+$", r"\1")
    try:
        return texts.cast(arrow)
    except pa.ArrowInvalid as exc:
        raise DataError(
            f"a number of column `{column}` doesn't fit `{arrow}`",
            column=column,
            expected="numbers that fit, none of them NaN or infinite",
            hint="cast it in the query, for example to numeric(38, 9) or double precision",
        ) from exc


def decode(batch: pa.RecordBatch, schema: pa.Schema, steps: list[Decode | None]) -> pa.RecordBatch:
    """Return a batch as `decoded` says."""
    arrays = [step(a) if step else a for a, step in zip(batch.columns, steps, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)
