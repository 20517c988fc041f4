"""Types on SQLite: what a new column is declared as, and how values are stored in it and read back.

SQLite keeps numbers, text and bytes; what a column is declared as tells what they stand for:

- timestamps, dates and times are text of one length, so that they sort: `2024-01-02 03:04:05.000006`, in UTC
  where they have a time zone (`DATETIME`), as they are where they have none (`TIMESTAMP`);
- decimals that SQLite's numbers hold exactly (15 digits, or a whole number of 64 bits) are numbers, others
  are their digits as bytes, which SQLite leaves as they are;
- NaN, which SQLite makes null, is the text `NaN`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ladle.destinations.cells import decimal_text
from ladle.errors import DataError, DestinationError
from ladle.schema.table import Column, Table
from ladle.schema.types import arrow_type

WEI_DIGITS = 76
_BATCH_ROWS = 10_000
_BATCH_BYTES = 8 << 20
"""Rows that are spelled at one time: so many, and no more than have about so many bytes."""

_TYPES = {
    "text": "TEXT",
    "double": "DOUBLE",
    "bool": "BOOLEAN",
    "date": "DATE",
    "time": "TIME",
    "binary": "BLOB",
    "json": "JSON",
    "wei": f"NUMERIC({WEI_DIGITS},0)",
}
_INTS = {8: "SMALLINT", 16: "SMALLINT", 32: "INTEGER"}
_DECLARED = re.compile(r"\s*([^(]*?)\s*(?:\(\s*(\d+)\s*(?:,\s*(\d+)\s*)?\))?\s*")
_YEARS = ("0001-01-01", "9999-12-31")
_LONG_NUMBER = r"^\s*-?[0-9.]{16}"
_EXACT_DIGITS = 15

Parts = tuple[pa.Array, ...]
"""Values that make one column: its value is the first of them that isn't null."""


def column_type(column: Column) -> str:
    """Return the type that a new column is declared as: as the reference does, where values allow it."""
    kind = column.data_type or "text"
    if kind == "text" and column.precision:
        return f"VARCHAR({column.precision})"
    if kind == "bigint":
        return _INTS.get(column.precision or 64, "BIGINT")
    if kind == "decimal":
        scale = column.scale if column.scale is not None else (9 if column.precision is None else 0)
        return f"NUMERIC({column.precision or 38},{scale})"
    if kind == "timestamp":
        digits = f"({column.precision})" if column.precision not in (None, 6) else ""
        return ("TIMESTAMP" if column.timezone is False else "DATETIME") + digits
    return _TYPES[kind]


@dataclass(frozen=True, slots=True)
class Declared:
    """A declared type: its words in upper case, and the numbers behind them."""

    base: str
    digits: int | None = None
    scale: int | None = None

    @classmethod
    def of(cls, text: str) -> Declared:
        """Take a type apart, as somebody wrote it in CREATE TABLE."""
        found = _DECLARED.fullmatch(text.upper())
        if found is None:
            return cls(text.upper())
        digits, scale = (None if part is None else int(part) for part in found.group(2, 3))
        return cls(found[1], digits, scale if digits is None else scale or 0)

    @property
    def kind(self) -> str:
        """The data type that it stands for; by SQLite's own rules where the words say no more."""
        base = self.base
        if base in ("JSON", "DATE", "TIME", "NUMERIC", "DECIMAL"):
            return {"NUMERIC": "decimal", "DECIMAL": "decimal"}.get(base, base.lower())
        if base in ("BOOLEAN", "BOOL"):
            return "bool"
        if base.startswith(("DATETIME", "TIMESTAMP")):
            return "timestamp"
        if "INT" in base:
            return "bigint"
        if any(word in base for word in ("CHAR", "CLOB", "TEXT")):
            return "text"
        if "BLOB" in base:
            return "binary"
        return "double" if any(word in base for word in ("REAL", "FLOA", "DOUB")) else ""

    @property
    def column(self) -> Column:
        """The column that it stands for; without data type where nobody knows."""
        kind = self.kind
        if kind == "decimal":
            return Column("", kind if self.digits else None, precision=self.digits, scale=self.scale)
        if kind == "timestamp":
            return Column("", kind, precision=self.digits, timezone=not self.base.startswith("TIMESTAMP"))
        return Column("", kind or None)


class Encoder:
    """Puts batches of one table into rows for SQLite.

    Args:
        table: what is loaded.
        schema: of the batches.
        there: the columns' declared types.

    Raises:
        DestinationError: a column there can't take these values; raised before anything is read.
    """

    def __init__(self, table: Table, schema: pa.Schema, there: Mapping[str, str]) -> None:
        self._table = table
        self._names = schema.names
        for f in schema:
            _check_declared(table.name, table.columns[f.name], f.type, there.get(f.name, ""))

    def encoded(self, batches: Iterable[pa.RecordBatch]) -> Iterator[tuple[tuple[int, ...], list[pa.Array]]]:
        """Yield, for each small cut, how many values make each column, and the values.

        Memory: O(rows of a cut).

        Raises:
            DataError: a value can't be kept.
        """
        for batch in batches:
            most = min(_BATCH_ROWS, max(1, batch.num_rows * _BATCH_BYTES // max(1, batch.nbytes)))
            for start in range(0, batch.num_rows, most):
                piece = batch.slice(start, most)
                columns = [self._parts(n, a) for n, a in zip(self._names, piece.columns, strict=True)]
                yield tuple(map(len, columns)), [part for parts in columns for part in parts]

    def _parts(self, name: str, values: pa.Array) -> Parts:
        column = self._table.columns[name]
        try:
            parts = stored(column, values)
        except DataError as error:
            raise error.with_facts(table=self._table.name, column=name) from error.__cause__
        if column.dedup_sort and column.data_type in ("decimal", "wei") and len(parts) > 1:
            raise DataError(
                f"rows of `{self._table.name}` can't be sorted by column `{name}`: it has too long numbers",
                table=self._table.name,
                column=name,
                expected=f"numbers of at most {_EXACT_DIGITS} digits in a column with dedup_sort",
                hint="sort by a column of bigint, double or text, or load into another database",
            )
        return parts


def stored(column: Column, values: pa.Array) -> Parts:
    """Return what is stored for the values of a column.

    Raises:
        DataError: a date that doesn't have four digits in its year.
    """
    kind = values.type
    if pa.types.is_decimal(kind):
        return _numbers(values)
    if pa.types.is_boolean(kind):
        return (values.cast(pa.int8()),)
    if pa.types.is_floating(kind):
        nan = pc.is_nan(values)
        if not pc.any(nan).as_py():
            return (values,)
        words = pc.if_else(nan, "NaN", pa.scalar(None, pa.string()))
        return pc.if_else(nan, None, values), words
    if pa.types.is_date(kind) or pa.types.is_timestamp(kind):
        return (_moment_text(values),)
    if pa.types.is_time(kind):
        return (values.cast(pa.time64("us")).cast(pa.string()),)
    if column.data_type == "json" and pc.any(long := pc.match_substring_regex(values, _LONG_NUMBER)).as_py():
        # a number, to SQLite: it would keep 15 of its digits
        return pc.if_else(long, None, values), _bytes_where(long, values)
    return (values,)


def stored_value(column: Column, value: Any) -> Any:
    """Return what is stored for one value, which may be spelled as text: for parameters and literals.

    Raises:
        DataError: it can't be kept, or is none of the column's type.
    """
    arrow = arrow_type(column, WEI_DIGITS)
    try:
        if isinstance(value, str):
            value = _from_text(column, value)
        parts = stored(column, pa.array([value], arrow))
    except (pa.ArrowInvalid, pa.ArrowTypeError, ValueError) as exc:
        raise DataError(f"`{value}` is no {column.data_type}", column=column.name) from exc
    return next((part[0].as_py() for part in parts if part.null_count == 0), None)


def _from_text(column: Column, value: str) -> Any:
    kind = column.data_type
    if kind == "bool":
        return value.lower() in ("true", "1", "t")
    if kind == "timestamp":
        moment = datetime.fromisoformat(value)
        if column.timezone is False:
            return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment
        return moment.replace(tzinfo=moment.tzinfo or UTC)
    if kind in ("date", "time"):
        return (date if kind == "date" else time).fromisoformat(value)
    if kind in ("decimal", "wei"):
        return Decimal(value)
    if kind == "binary":
        return bytes.fromhex(value.removeprefix("\\x")) if value.startswith("\\x") else value.encode()
    return {"bigint": int, "double": float}.get(kind or "", str)(value)


def bound(value: Any) -> Any:
    """Return a parameter of a query as SQLite stores such values."""
    if isinstance(value, datetime):
        return stored_value(Column("", "timestamp", timezone=value.tzinfo is not None), value)
    if isinstance(value, (date, time)):
        return stored_value(Column("", "date" if isinstance(value, date) else "time"), value)
    if isinstance(value, Decimal):
        exponent = value.as_tuple().exponent
        scale = max(0, -exponent) if isinstance(exponent, int) else 0
        return stored_value(Column("", "decimal", precision=WEI_DIGITS, scale=scale), value)
    return value


def _moment_text(values: pa.Array) -> pa.Array:
    if pa.types.is_timestamp(values.type):
        values = values.cast(pa.timestamp(values.type.unit))
        ends = [f"{_YEARS[0]} 00:00:00", f"{_YEARS[1]} 23:59:59"]
        # 9999-12-31 23:59:59.999999 is the last: compared by whole seconds
        seconds = values.cast(pa.timestamp("s"), safe=False)
        first, last = (pa.scalar(datetime.fromisoformat(e), pa.timestamp("s")) for e in ends)
        _check_years(pc.or_(pc.less(seconds, first), pc.greater(seconds, last)))
        unit = "ns" if values.type.unit == "ns" else "us"
        return values.cast(pa.timestamp(unit)).cast(pa.string())
    days = values.cast(pa.date32())
    first, last = (pa.scalar(date.fromisoformat(year), pa.date32()) for year in _YEARS)
    _check_years(pc.or_(pc.less(days, first), pc.greater(days, last)))
    return days.cast(pa.string())


def _check_years(outside: pa.Array) -> None:
    if pc.any(outside).as_py():
        raise DataError(
            "a date is before the year 1 or after 9999: as text it would not sort among others",
            expected=f"{_YEARS[0]} to {_YEARS[1]}",
            hint="map such dates to null, or declare the column as text",
        )


def _numbers(values: pa.Array) -> Parts:
    """Return numbers of up to 15 digits as doubles, whole ones of 64 bits as such, others as digits."""
    text = decimal_text(values)
    has_point = pc.match_substring(text, ".")
    short = pc.if_else(has_point, pc.utf8_rtrim(pc.utf8_rtrim(text, "0"), "."), text)
    digits = pc.utf8_trim(pc.replace_substring(pc.utf8_ltrim(short, "-"), ".", ""), "0")
    long = pc.greater(pc.utf8_length(digits), _EXACT_DIGITS)
    if not pc.any(long).as_py():
        return (short.cast(pa.float64()),)
    numbers = pc.if_else(long, None, short).cast(pa.float64())
    whole = pc.and_(long, _is_int64(short))
    integers = pc.if_else(whole, short, pa.scalar(None, short.type)).cast(pa.int64())
    return numbers, integers, _bytes_where(pc.and_not(long, whole), short)


def _is_int64(text: pa.Array) -> pa.Array:
    size = pc.utf8_ltrim(text, "-")
    most = pc.if_else(pc.starts_with(text, "-"), "9223372036854775808", "9223372036854775807")
    nineteen = pc.and_(pc.equal(pc.utf8_length(size), 19), pc.less_equal(size, most.cast(size.type)))
    fits = pc.or_(pc.less(pc.utf8_length(size), 19), nineteen)
    return pc.and_(fits, pc.invert(pc.match_substring(text, ".")))


def _bytes_where(mask: pa.Array, text: pa.Array) -> pa.Array:
    return pc.if_else(mask, text, pa.scalar(None, text.type)).cast(pa.large_binary())


def _check_declared(table: str, column: Column, arrow: pa.DataType, there: str) -> None:
    """Raise where SQLite would turn values into others on their way in, or nobody could read them."""
    found, kind = Declared.of(there), column.data_type or "text"
    taken = {"wei": ("decimal",), "json": ("json", "text")}.get(kind, (kind,))
    fits = found.kind in taken or (kind == "bigint" and found.kind == "decimal")
    if pa.types.is_decimal(arrow) and found.digits is not None:
        whole, scale = found.digits - (found.scale or 0), found.scale or 0
        fits = fits and scale >= arrow.scale and whole >= arrow.precision - arrow.scale
    if pa.types.is_timestamp(arrow):
        aware_in_naive = column.timezone is not False and found.base.startswith("TIMESTAMP")
        fits = fits and not aware_in_naive and (arrow.unit != "ns" or found.digits == 9)
    if not there:
        raise DestinationError(
            f"table `{table}` has no column `{column.name}` in the database, or is another in other case",
            hint="SQLite doesn't tell names by their case: choose another name, or a naming_convention",
            table=table,
            column=column.name,
        )
    if not fits:
        raise DestinationError(
            f"column `{column.name}` of `{table}` is `{there}` in the database and can't take `{kind}`",
            expected=column_type(column),
            hint="change the column there, or give this one another name or data_type",
            table=table,
            column=column.name,
        )


# -- reading

Read = Callable[[Sequence[Any]], pa.Array]


def reading(declared: str, values: Sequence[Any]) -> tuple[pa.DataType, Read]:
    """Return the Arrow type of a query's column, and what makes an array of its values.

    Args:
        declared: the type of the column behind it; empty for an expression.
        values: the first ones, which decide where nothing is declared.
    """
    column = Declared.of(declared).column
    if column.data_type is None:
        arrow = _guessed(values)
        return arrow, _READS.get(str(arrow), _texts)
    arrow = arrow_type(column, WEI_DIGITS)
    if column.data_type == "bigint":
        arrow = pa.int64()
    if pa.types.is_decimal(arrow):
        return arrow, lambda found: _texts(found).cast(arrow)
    if column.data_type == "timestamp":
        naive = pa.timestamp("ns" if arrow.unit == "ns" else "us")
        return arrow, lambda found: pa.array(found, pa.string()).cast(naive).cast(arrow)
    return arrow, _READS[column.data_type]


def _guessed(values: Sequence[Any]) -> pa.DataType:
    kinds = {type(value) for value in values} - {type(None)}
    if kinds == {int}:
        return pa.int64()
    if kinds and kinds <= {int, float}:
        return pa.float64()
    return pa.binary() if kinds == {bytes} else pa.string()


def _texts(values: Sequence[Any]) -> pa.Array:
    """Return values as text: numbers and bytes too, as they may stand where others are."""
    return pa.array(
        [v if v is None or isinstance(v, str) else _spelled(v) for v in values],
        pa.string(),
    )


def _spelled(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else repr(value)


def _doubles(values: Sequence[Any]) -> pa.Array:
    try:
        return pa.array(values, pa.float64())
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        return _texts(values).cast(pa.float64())


def _times(values: Sequence[Any]) -> pa.Array:
    text = pa.array(values, pa.string())
    moments = pc.binary_join_element_wise("1970-01-01", text, " ").cast(pa.timestamp("us"))
    return moments.cast(pa.time64("us"))


_READS: dict[str, Read] = {
    "bigint": lambda values: pa.array(values, pa.int64()),
    "int64": lambda values: pa.array(values, pa.int64()),
    "double": _doubles,
    "bool": lambda values: pa.array(values, pa.int64()).cast(pa.bool_()),
    "date": lambda values: pa.array(values, pa.string()).cast(pa.date32()),
    "time": _times,
    "binary": lambda values: pa.array(values, pa.binary()),
    "text": _texts,
    "json": _texts,
}
