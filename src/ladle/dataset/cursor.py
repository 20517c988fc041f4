"""Cursor: the rows of a query as Arrow, frames or tuples, whole or in chunks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ladle.destinations.reading import Rows
from ladle.errors import DataError, MissingDependency, UsageError
from ladle.schema.table import Column
from ladle.schema.types import arrow_type

_WHOLE = pa.decimal256(76, 0)
_UNBOUNDED = pa.decimal256(76, 38)
"""Type of numbers of which neither the database nor the schema tells the digits."""

_OTHERWISE = "read it with arrow(), or cast it in the query, for example to text"


class Cursor:
    """Reads rows once, in order. Memory: O(chunk) for `iter_...`, else O(rows asked for).

    Args:
        rows: of a query; open as long as the cursor is used.
        columns: hints by column, where they are known.
    """

    def __init__(self, rows: Rows, columns: Mapping[str, Mapping[str, Any]] | None = None) -> None:
        self.columns_schema = dict(columns or {})
        self.schema = _plain_schema(rows.schema, self.columns_schema)
        self._batches = rows.batches
        self._rest: list[pa.RecordBatch] = []
        self._is_new = True

    @property
    def description(self) -> list[tuple[Any, ...]]:
        """Name and Arrow type of each column, as in the DB-API."""
        return [(f.name, f.type, None, None, None, None, None) for f in self.schema]

    # -- Arrow

    def arrow(self, chunk_size: int | None = None) -> pa.Table | None:
        """Return all rows that are left, or the next `chunk_size`; None where no more are left."""
        if chunk_size is not None and chunk_size < 1:
            raise UsageError(f"chunk_size can't be {chunk_size}", expected="1 or more")
        is_new, self._is_new = self._is_new, False
        taken = list(self._take(chunk_size))
        if not taken and (chunk_size is not None or not is_new):
            return None
        return pa.Table.from_batches(taken, self.schema)

    def iter_arrow(self, chunk_size: int | None = None) -> Iterator[pa.Table]:
        """Yield tables of `chunk_size` rows, the last may have fewer; None: as many as come at once."""
        if chunk_size is None:
            for batch in self._next_batches():
                yield pa.Table.from_batches([batch])
            return
        while (table := self.arrow(chunk_size)) is not None:
            yield table

    def _take(self, count: int | None) -> Iterator[pa.RecordBatch]:
        left = count
        while left is None or left > 0:
            batch = self._rest.pop() if self._rest else next(self._next_batches(), None)
            if batch is None:
                return
            if left is not None and batch.num_rows > left:
                self._rest.append(batch.slice(left))
                batch = batch.slice(0, left)
            left = None if left is None else left - batch.num_rows
            yield batch

    def _next_batches(self) -> Iterator[pa.RecordBatch]:
        while self._rest:
            yield self._rest.pop()
        for batch in self._batches:
            if batch.num_rows:
                yield _plain(batch, self.schema)

    # -- frames

    def df(self, chunk_size: int | None = None) -> Any:
        """Return a pandas frame of the rows that are left, or of the next; None where none are."""
        return _frame(self.arrow(chunk_size))

    def iter_df(self, chunk_size: int | None = None) -> Iterator[Any]:
        """Yield pandas frames of `chunk_size` rows."""
        for table in self.iter_arrow(chunk_size):
            yield _frame(table)

    # -- tuples

    def fetchall(self) -> list[tuple[Any, ...]]:
        """Return all rows that are left."""
        return _tuples(self.arrow())

    def fetchmany(self, size: int = 1) -> list[tuple[Any, ...]]:
        """Return the next `size` rows; [] where no more are left."""
        return _tuples(self.arrow(size))

    def fetchone(self) -> tuple[Any, ...] | None:
        """Return the next row; None where no more are left."""
        return next(iter(self.fetchmany(1)), None)

    def fetchscalar(self) -> Any:
        """Return the one value of the one row; None where there is no row.

        Raises:
            UsageError: more rows, or more columns.
        """
        if len(self.schema) != 1:
            raise UsageError(
                f"fetchscalar needs one column, the result has {len(self.schema)}", hint="select one column"
            )
        rows = self.fetchmany(2)
        if len(rows) > 1:
            raise UsageError(
                "fetchscalar needs one row, the result has more", hint="use fetchone or limit(1)"
            )
        return rows[0][0] if rows else None

    def iter_fetch(self, chunk_size: int | None = None) -> Iterator[list[tuple[Any, ...]]]:
        """Yield lists of `chunk_size` rows."""
        for table in self.iter_arrow(chunk_size):
            yield _tuples(table)


def _tuples(table: pa.Table | None) -> list[tuple[Any, ...]]:
    if table is None or not table.num_columns:
        return []
    columns = zip(table.column_names, table.columns, strict=True)
    return list(zip(*(_objects(name, column) for name, column in columns), strict=True))


def _objects(name: str, column: pa.ChunkedArray) -> list[Any]:
    try:
        values: list[Any] = column.to_pylist()
    except (OverflowError, ValueError) as exc:  # a year after 9999, fractions of a microsecond
        raise DataError(
            f"a value of column `{name}` can't be an object of Python: {exc}",
            column=name,
            hint=_OTHERWISE,
        ) from exc
    return values


def _frame(table: pa.Table | None) -> Any:
    try:
        import pandas  # noqa: F401 - Arrow needs it, and says less clearly so
    except ImportError as exc:
        raise MissingDependency("data frames need pandas", hint='pip install "ladle[pandas]"') from exc
    try:
        return None if table is None else table.to_pandas()
    except (OverflowError, ValueError) as exc:
        raise DataError(f"a value can't be in a frame of pandas: {exc}", hint=_OTHERWISE) from exc


# -- types


def _plain_schema(schema: pa.Schema, hints: Mapping[str, Mapping[str, Any]]) -> pa.Schema:
    return pa.schema([pa.field(f.name, _target(f, hints.get(f.name, {})), f.nullable) for f in schema])


def _target(field: pa.Field, hints: Mapping[str, Any]) -> pa.DataType:
    """Return the type of a result: sums of integers are integers, numbers that came as text are numbers.

    Times that a server keeps without their zone are in UTC where the schema says that they have one.
    """
    told = (field.metadata or {}).get(b"ladle:type")
    if told == b"utc":
        aware = hints.get("data_type") == "timestamp" and hints.get("timezone") is not False
        return pa.timestamp(field.type.unit, "UTC") if aware else field.type
    if told == b"loose" and "data_type" in hints:
        return arrow_type(Column.from_dict(field.name, hints), wei_digits=76)
    as_text = told == b"numeric"
    if not as_text and not (pa.types.is_decimal(field.type) and field.type.scale == 0):
        return field.type
    kind = hints.get("data_type")
    if as_text:
        known = kind in ("bigint", "double") or (kind == "decimal" and "precision" in hints) or kind == "wei"
        return arrow_type(Column.from_dict(field.name, hints), wei_digits=76) if known else _UNBOUNDED
    is_integer = kind == "bigint" and hints.get("precision", 64) <= 64
    return pa.int64() if is_integer else field.type


def _plain(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    if batch.schema.equals(schema):
        return batch
    arrays = [
        array if array.type.equals(field.type) else _cast(array, field)
        for array, field in zip(batch.columns, schema, strict=True)
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _cast(array: pa.Array, field: pa.Field) -> pa.Array:
    try:
        if pa.types.is_string(array.type) and (
            pa.types.is_time(field.type) or pa.types.is_timestamp(field.type)
        ):
            return _moments(array, field.type)
        if pa.types.is_string(array.type) and (
            pa.types.is_decimal(field.type) or pa.types.is_integer(field.type)
        ):
            # `12.000` is an integer here, but not for Arrow
            array = pc.replace_substring_regex(array, r"(\.\d*?)0+$", r"\1")
            array = array.cast(_WHOLE) if pa.types.is_integer(field.type) else array
        return array.cast(field.type)
    except pa.ArrowInvalid as exc:
        raise DataError(
            f"a value of column `{field.name}` doesn't fit `{field.type}`",
            column=field.name,
            hint="cast it in the query, for example CAST(... AS DECIMAL(38, 9)) or DOUBLE PRECISION",
        ) from exc


def _moments(text: pa.Array, arrow: pa.DataType) -> pa.Array:
    """Return times and timestamps that came as text; those with time zone are in UTC."""
    if pa.types.is_time(arrow):
        text = pc.binary_join_element_wise("1970-01-01", text, " ")
    return text.cast(pa.timestamp("us")).cast(arrow)
