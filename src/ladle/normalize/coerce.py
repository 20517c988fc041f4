"""Turns a raw array of one kind into the type of its column: the coercion matrix.

The rule: a value is coerced only where nothing of it is lost; otherwise it stays as it is and goes to a
variant column. An explicit `precision` or `scale` hint is the wish to lose the digits beyond it: timestamps
are cut (towards the past), Decimals and decimal text are rounded half away from zero. Doubles are not
rounded. Without a hint, only digits of a second beyond microseconds are dropped, from text and from epoch
seconds, where the reference drops them too.

`tests/golden/coercion.csv` has every cell, beside what the reference does and why we differ.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from ladle.normalize import decimals, numerals, numeric, text, times
from ladle.schema.table import Column
from ladle.schema.types import arrow_type

_DATA_TYPES: Mapping[str, str] = {"timestamp_ntz": "timestamp"}
_RAW_TYPES: Mapping[str, pa.DataType] = {
    "text": pa.string(),
    "json": pa.string(),
    "binary": pa.binary(),
    "double": pa.float64(),
}
# Arrow's parsing casts take a column whole or refuse it whole; one odd value must not slow down the others
_PARSED_KINDS = ("text", "double")
_PIECE_ROWS = 16_384


@dataclass(frozen=True, slots=True)
class Target:
    """What a column wants: its Arrow type, and whether its precision or scale was asked for."""

    arrow: pa.DataType
    hinted: bool


Converter = Callable[[pa.Array, Target], pa.Array]


def kind_data_type(kind: str) -> str:
    """Return the data type that a column made by values of `kind` has."""
    return _DATA_TYPES.get(kind, kind)


def coerce(
    array: pa.Array, kind: str, column: Column, wei_digits: int = 38
) -> tuple[pa.Array, pa.Array | None]:
    """Coerce the values of one kind to the type of a column.

    Rows don't influence each other: the outcome is the same however the rows are cut into arrays.

    Args:
        array: raw scalar array; its type must be one that `kind` has in the raw stage.
        kind: bool, bigint, wei, double, text, binary, date, time, timestamp, timestamp_ntz, decimal or json.
        column: must have a `data_type`.
        wei_digits: digits the destination keeps of a `wei` value.

    Returns:
        The values in `arrow_type(column, wei_digits)`, as many as in `array`, null where there was no value
        or it could not be coerced; and a boolean mask of those that could not, or None if all could.
    """
    target = Target(arrow_type(column, wei_digits), column.precision is not None or column.scale is not None)
    raw = _RAW_TYPES.get(kind, array.type)
    if not array.type.equals(raw):
        array = array.cast(raw)
    if kind_data_type(kind) == column.data_type and array.type.equals(target.arrow):
        return array, None
    convert = _MATRIX[column.data_type or "text"].get(kind)
    values = _in_pieces(array, kind, convert, target) if convert else pa.nulls(len(array), target.arrow)
    if values.null_count == array.null_count:
        return values, None
    return values, pc.and_(pc.is_valid(array), pc.is_null(values))


def _in_pieces(array: pa.Array, kind: str, convert: Converter, target: Target) -> pa.Array:
    if kind not in _PARSED_KINDS or len(array) <= _PIECE_ROWS:
        return convert(array, target)
    starts = range(0, len(array), _PIECE_ROWS)
    return pa.concat_arrays([convert(array.slice(start, _PIECE_ROWS), target) for start in starts])


def _plain(convert: Callable[[pa.Array], pa.Array]) -> Converter:
    return lambda array, target: convert(array)


def _typed(convert: Callable[[pa.Array, pa.DataType], pa.Array]) -> Converter:
    return lambda array, target: convert(array, target.arrow)


def _text_to_int(array: pa.Array, target: Target) -> pa.Array:
    return numeric.int_to_int(numerals.to_int(array), target.arrow)


def _text_to_decimal(array: pa.Array, target: Target) -> pa.Array:
    return numerals.to_decimal(array, target.arrow, rounding=target.hinted)


def _decimal_to_decimal(array: pa.Array, target: Target) -> pa.Array:
    return decimals.rescale(array, target.arrow, rounding=target.hinted)


def _timestamp_to_timestamp(array: pa.Array, target: Target) -> pa.Array:
    return times.to_timestamp(array, target.arrow, cut=target.hinted)


def _double_to_bool(array: pa.Array) -> pa.Array:
    return numeric.int_to_bool(numeric.double_to_int(array, pa.int64()))


def _decimal_to_bool(array: pa.Array) -> pa.Array:
    return numeric.int_to_bool(numeric.decimal_to_int(array, pa.int64()))


def _int_to_date(array: pa.Array) -> pa.Array:
    return times.timestamp_to_date(times.int_to_timestamp(array, pa.timestamp("s")))


def _double_to_date(array: pa.Array) -> pa.Array:
    return _int_to_date(numeric.double_to_int(array, pa.int64()))


def _as_is(array: pa.Array, target: Target) -> pa.Array:
    return array.cast(target.arrow)


_MATRIX: Mapping[str, Mapping[str, Converter]] = {
    "text": {
        "text": _as_is,
        "json": _as_is,
        "bool": _plain(text.bool_to_text),
        "bigint": _as_is,
        "double": _plain(text.double_to_text),
        "decimal": _plain(decimals.decimal_text),
        "wei": _plain(decimals.decimal_text),
        "timestamp": _plain(text.timestamp_to_text),
        "timestamp_ntz": _plain(text.timestamp_to_text),
        "date": _as_is,
        "time": _plain(text.time_to_text),
        "binary": _plain(text.binary_to_text),
    },
    "bigint": {
        "bigint": _typed(numeric.int_to_int),
        "double": _typed(numeric.double_to_int),
        "decimal": _typed(numeric.decimal_to_int),
        "text": _text_to_int,
    },
    "double": {
        "double": _as_is,
        "bigint": _plain(numeric.int_to_double),
        "decimal": _plain(numeric.decimal_to_double),
        "wei": _plain(numeric.decimal_to_double),
        "text": _plain(numerals.to_double),
    },
    "bool": {
        "bool": _as_is,
        "bigint": _plain(numeric.int_to_bool),
        "double": _plain(_double_to_bool),
        "decimal": _plain(_decimal_to_bool),
        "wei": _plain(_decimal_to_bool),
        "text": _plain(text.text_to_bool),
    },
    "timestamp": {
        "timestamp": _timestamp_to_timestamp,
        "timestamp_ntz": _timestamp_to_timestamp,
        "date": _typed(times.date_to_timestamp),
        "bigint": _typed(times.int_to_timestamp),
        "double": _typed(times.double_to_timestamp),
        "text": _typed(times.text_to_timestamp),
    },
    "date": {
        "date": _as_is,
        "timestamp": _plain(times.timestamp_to_date),
        "timestamp_ntz": _plain(times.timestamp_to_date),
        "bigint": _plain(_int_to_date),
        "double": _plain(_double_to_date),
        "text": _plain(times.text_to_date),
    },
    "time": {"time": _plain(times.time_to_time), "text": _plain(times.text_to_time)},
    "decimal": {
        "decimal": _decimal_to_decimal,
        "wei": _decimal_to_decimal,
        "bigint": _typed(numeric.int_to_decimal),
        "double": _typed(numeric.double_to_decimal),
        "text": _text_to_decimal,
    },
    "wei": {
        "wei": _typed(decimals.rescale),
        "decimal": _typed(decimals.rescale),
        "bigint": _typed(numeric.int_to_decimal),
        "double": _typed(numeric.double_to_decimal),
        "text": _typed(numerals.to_decimal),
    },
    # text is not decoded, as `true` is valid base64 too: decode in `add_map` what is known to be base64
    "binary": {"binary": _as_is, "bigint": _plain(numeric.int_to_binary)},
    "json": {"json": _as_is, "text": _plain(text.text_to_json)},
}
