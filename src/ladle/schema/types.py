"""Logical types and Arrow: one table each way."""

from __future__ import annotations

from dataclasses import replace

import pyarrow as pa

from ladle.schema.table import Column

DECIMAL_DEFAULT = (38, 9)
WEI_RAW = pa.decimal256(76, 0)
"""Arrow type of integers beyond 64 bits in the raw stage; nothing else has this type."""

_PLAIN = {
    "text": pa.string(),
    "double": pa.float64(),
    "bool": pa.bool_(),
    "date": pa.date32(),
    "time": pa.time64("us"),
    "binary": pa.binary(),
    "json": pa.string(),
}
_INTS = {8: pa.int8(), 16: pa.int16(), 32: pa.int32()}
_DEFAULTS = {"bigint": 64, "timestamp": 6, "time": 6}
_UNITS = {0: "s", 1: "ms", 2: "ms", 3: "ms", 7: "ns", 8: "ns", 9: "ns"}


def arrow_type(column: Column, wei_digits: int = 38) -> pa.DataType:
    """Return the Arrow type of a column in the ready stage.

    Args:
        column: must have a `data_type`.
        wei_digits: digits a destination keeps of a `wei` value (at most 76).
    """
    kind = column.data_type
    if kind == "bigint":
        return _INTS.get(column.precision or 64, pa.int64())
    if kind == "timestamp":
        unit = _UNITS.get(6 if column.precision is None else column.precision, "us")
        return pa.timestamp(unit, tz=None if column.timezone is False else "UTC")
    if kind == "decimal":
        precision, scale = column.precision or DECIMAL_DEFAULT[0], column.scale
        return decimal_type(precision, scale if scale is not None else _default_scale(column))
    if kind == "wei":
        return decimal_type(column.precision or wei_digits, column.scale or 0)
    return _PLAIN[kind or "text"]


def _default_scale(column: Column) -> int:
    return DECIMAL_DEFAULT[1] if column.precision is None else 0


def decimal_type(precision: int, scale: int) -> pa.DataType:
    """Return decimal128 where the digits fit, else decimal256."""
    return pa.decimal128(precision, scale) if precision <= 38 else pa.decimal256(precision, scale)


def kind_of(arrow: pa.DataType) -> str | None:
    """Return the data type name of a raw scalar Arrow type; None for nested and null types."""
    t = pa.types
    if t.is_boolean(arrow):
        return "bool"
    if t.is_integer(arrow):
        return "bigint"
    if t.is_floating(arrow):
        return "double"
    if t.is_string(arrow) or t.is_large_string(arrow) or t.is_string_view(arrow):
        return "text"
    if t.is_binary(arrow) or t.is_large_binary(arrow) or t.is_fixed_size_binary(arrow):
        return "binary"
    if t.is_decimal(arrow):
        return "wei" if arrow.equals(WEI_RAW) else "decimal"
    if t.is_timestamp(arrow):
        return "timestamp"
    if t.is_date(arrow):
        return "date"
    return "time" if t.is_time(arrow) else None


def column_of(name: str, arrow: pa.DataType, from_frame: bool = False) -> Column:
    """Return the column that a raw scalar type becomes.

    Args:
        name: normalised column name.
        arrow: a scalar type that `kind_of` knows.
        from_frame: also take precision hints (int32, milliseconds, decimal digits) from the type,
            as frames declare them on purpose and Python values don't.
    """
    kind = kind_of(arrow)
    if not from_frame:
        return Column(name, data_type=kind)
    t = pa.types
    if kind == "bigint":
        return Column(name, data_type=kind, precision=arrow.bit_width if arrow in _INTS.values() else None)
    if kind == "timestamp":
        precision = {"s": 0, "ms": 3, "us": None, "ns": 9}[arrow.unit]
        return Column(name, data_type=kind, precision=precision)
    if kind == "decimal" and t.is_decimal(arrow):
        return Column(name, data_type=kind, precision=arrow.precision, scale=arrow.scale)
    return Column(name, data_type=kind)


def same_type(column: Column, other: Column) -> bool:
    """Whether two columns have one type, digits and time zone included."""
    return _spelled_out(column) == _spelled_out(other)


def _spelled_out(column: Column) -> tuple[str | None, int | None, int | None, bool]:
    precision = column.precision
    if precision is None:
        precision = _DEFAULTS.get(column.data_type or "")
    return column.data_type, precision, column.scale, column.timezone is not False


def with_type(column: Column, other: Column) -> Column:
    """Return `column` with the type of `other`, digits and time zone included."""
    return replace(
        column,
        data_type=other.data_type,
        precision=other.precision,
        scale=other.scale,
        timezone=other.timezone,
    )


def type_text(column: Column) -> str:
    """Spell a column's type: `bigint`, `decimal(10,2)`, `timestamp(3) without time zone`."""
    digits = [str(n) for n in (column.precision, column.scale) if n is not None]
    naive = " without time zone" if column.timezone is False else ""
    return f"{column.data_type}{'(' + ','.join(digits) + ')' if digits else ''}{naive}"
