"""Types on Postgres: what a new column becomes, and how Arrow values are put into one that is there."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from ladle.errors import DataError, DestinationError
from ladle.schema.table import Column, Table

_INTS = {8: "smallint", 16: "smallint", 32: "integer"}
_TYPES = {
    "double": "double precision",
    "bool": "boolean",
    "date": "date",
    "time": "time without time zone",
    "binary": "bytea",
    "json": "jsonb",
    # 2**256 has 78 digits
    "wei": "numeric(156,78)",
}
_MAX_FRACTION_DIGITS = 6
_BATCH_ROWS = 10_000
"""Rows per message round: encoding here and storing there overlap; measured, 50,000 is slower by half."""

_TEXTS = ("character varying", "text", "character")
_INTEGERS = {"smallint": pa.int16(), "integer": pa.int32(), "bigint": pa.int64()}
_AWARE, _NAIVE = "timestamp with time zone", "timestamp without time zone"
# Types that a column may have, by what we put into it: everything that holds all such values.
_TAKEN: Mapping[str, tuple[str, ...]] = {
    "text": _TEXTS,
    "json": ("jsonb", "json", *_TEXTS),
    "bigint": (*_INTEGERS, "numeric", "double precision"),
    "double": ("double precision",),
    "decimal": ("numeric",),
    "wei": ("numeric",),
    "bool": ("boolean",),
    "date": ("date",),
    "time": ("time without time zone",),
    "binary": ("bytea",),
}
_ARROW: Mapping[str, pa.DataType] = {
    **_INTEGERS,
    "double precision": pa.float64(),
    "boolean": pa.bool_(),
    "date": pa.date32(),
    "time without time zone": pa.time64("us"),
    "bytea": pa.binary(),
    "json": pa.string(),
    **dict.fromkeys(_TEXTS, pa.string()),
}
_NUL = "\\u0000"
_NUL_ESCAPE = r"((?:^|[^\\])(?:\\\\)*)\\u0000"
_FORMATTED = re.compile(
    r"(?P<base>[^(]+?)(?:\((?P<digits>\d+)(?:,(?P<scale>-?\d+))?\))?(?P<zone> with(?:out)? time zone)?"
)

Put = Callable[[pa.Array], pa.Array]


def column_type(column: Column) -> str:
    """Return the SQL type of a new column."""
    kind = column.data_type or "text"
    if kind == "text":
        return f"varchar({column.precision})" if column.precision else "varchar"
    if kind == "bigint":
        return _INTS.get(column.precision or 64, "bigint")
    if kind == "timestamp":
        digits = column.precision
        size = f"({digits})" if digits is not None and digits < _MAX_FRACTION_DIGITS else ""
        return f"timestamp{size} {'without' if column.timezone is False else 'with'} time zone"
    if kind == "decimal":
        scale = column.scale if column.scale is not None else (9 if column.precision is None else 0)
        return f"numeric({column.precision or 38},{scale})"
    return _TYPES[kind]


@dataclass(frozen=True, slots=True)
class _Target:
    """A column's Arrow type for COPY, and how values get there; `put` is None where they have it."""

    arrow: pa.DataType
    put: Put | None = None


class Encoder:
    """Puts batches of one table into the types that COPY in binary form wants: it takes bytes as they come.

    Args:
        table: what is loaded.
        schema: of the batches.
        there: the columns' types in the database, as `format_type` spells them.

    Raises:
        DestinationError: a column there can't take these values; raised before anything is read.
    """

    def __init__(self, table: Table, schema: pa.Schema, there: Mapping[str, str]) -> None:
        self._table = table.name
        self._targets = {
            f.name: _target(table.name, table.columns[f.name], f.type, there.get(f.name, "")) for f in schema
        }
        self.schema = pa.schema([(name, target.arrow) for name, target in self._targets.items()])
        self.jsonb = frozenset(name for name, target in self._targets.items() if target.put is _jsonb)

    def encoded(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Yield the batches, cut small. Memory: O(batch).

        Raises:
            DataError: a value doesn't fit its column.
        """
        for batch in batches:
            for start in range(0, batch.num_rows, _BATCH_ROWS):
                piece = batch.slice(start, _BATCH_ROWS)
                arrays = [self._put(name, piece.column(name)) for name in self._targets]
                yield pa.RecordBatch.from_arrays(arrays, schema=self.schema)

    def _put(self, name: str, values: pa.Array) -> pa.Array:
        target = self._targets[name]
        if target.put is None:
            return values
        try:
            return target.put(values)
        except pa.ArrowInvalid as exc:
            raise DataError(
                f"a value doesn't fit the column `{name}` of `{self._table}` as it is in the database: {exc}",
                hint="widen the column there (ALTER TABLE .. ALTER COLUMN .. TYPE), then run again",
                table=self._table,
                column=name,
            ) from exc


def _target(table: str, column: Column, arrow: pa.DataType, there: str) -> _Target:
    base, digits, scale = _parsed(there)
    kind = column.data_type or "text"
    taken = ((_NAIVE if arrow.tz is None else _AWARE),) if kind == "timestamp" else _TAKEN[kind]
    if base not in taken:
        raise DestinationError(
            f"column `{column.name}` of `{table}` is `{there}` in the database and can't take `{kind}`",
            expected=" or ".join(taken),
            hint="change the column there, or give this one another name or data_type",
            table=table,
            column=column.name,
        )
    if base == "jsonb":
        return _Target(pa.string(), _jsonb)
    if base in (_AWARE, _NAIVE):
        return _timestamp(arrow, digits)
    if base == "numeric":
        return _numeric(arrow, digits, scale)
    wanted = _ARROW[base]
    return _Target(wanted) if arrow.equals(wanted) else _Target(wanted, lambda values: values.cast(wanted))


def _parsed(there: str) -> tuple[str, int | None, int]:
    found = _FORMATTED.fullmatch(there)
    if found is None:
        return there, None, 0
    digits = int(found["digits"]) if found["digits"] else None
    return found["base"] + (found["zone"] or ""), digits, int(found["scale"] or 0)


def _jsonb(values: pa.Array) -> pa.Array:
    if pc.any(pc.match_substring(values, _NUL)).as_py():
        # jsonb can't hold NUL. An even number of backslashes before it are escaped themselves.
        # Twice: a neighbour's last letter is part of the match.
        for _ in range(2):
            values = pc.replace_substring_regex(values, _NUL_ESCAPE, "\\1\u2400")
    return values.cast(pa.string())


def _timestamp(arrow: pa.TimestampType, digits: int | None) -> _Target:
    wanted = pa.timestamp("us", tz=arrow.tz)
    digits = _MAX_FRACTION_DIGITS if digits is None else digits
    if {"s": 0, "ms": 3, "us": 6, "ns": 9}[arrow.unit] <= digits:
        return _Target(wanted, None if arrow.unit == "us" else lambda values: values.cast(wanted))
    step = 10 ** (_MAX_FRACTION_DIGITS - digits)

    def put(values: pa.Array) -> pa.Array:
        # towards the past, as everywhere; the server would round
        floored = pc.floor_temporal(values, multiple=step, unit="microsecond")
        return floored.cast(wanted)

    return _Target(wanted, put)


def _numeric(arrow: pa.DataType, digits: int | None, scale: int) -> _Target:
    if pa.types.is_integer(arrow):
        arrow, put = pa.decimal128(19, 0), lambda values: values.cast(pa.decimal128(19, 0))
        return _Target(arrow, put)
    if digits is None or arrow.scale <= scale:
        return _Target(arrow)
    # the server would round without a word
    whole = max(arrow.precision - arrow.scale + scale, 1)
    wanted = pa.decimal128(whole, scale) if whole <= 38 else pa.decimal256(whole, scale)
    return _Target(wanted, lambda values: values.cast(wanted))
