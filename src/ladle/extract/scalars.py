"""Kinds of plain Python scalars, and columns of one kind to Arrow.

Plain means of exactly one of the types in `PLAIN`; `ladle.extract.plain` makes everything else plain. The
kind of a value depends on the value alone, never on its neighbours, so that cutting a batch changes nothing.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal
from typing import Any
from uuid import UUID

import pyarrow as pa
import pyarrow.compute as pc

from ladle.extract.refused import Refused
from ladle.schema.types import WEI_RAW

NoneType = type(None)
_SCALARS = {NoneType, bool, int, float, str, bytes, date, time, datetime, timedelta, Decimal, UUID}
PLAIN = frozenset({*_SCALARS, dict, list, tuple})
"""Types whose values need no conversion before they have a kind."""

Made = tuple[str, pa.Array]
"""A kind and the array of a column that has only this kind."""

DECIMAL_DIGITS = 38
"""Digits a decimal may have before the point, and after it: any two such share a type of 76 digits."""

_NAIVE = pa.timestamp("us")
_AWARE = pa.timestamp("us", "UTC")
_MICROS = timedelta(microseconds=1)
_SOME_DAY = date(2000, 1, 1)
_FIRST = datetime.min.replace(tzinfo=UTC)
_LAST = datetime.max.replace(tzinfo=UTC)
_INT64 = range(-(2**63), 2**63)
_WEI_DIGITS = 76
_WEI_LIMIT = 10**_WEI_DIGITS
_PAIR = re.compile("[\ud800-\udbff][\udc00-\udfff]")


def one_type(type_: type, values: Sequence[Any]) -> Made | None:
    """Return kind and array of values that are all exactly of `type_` or None.

    Returns:
        None if the type has no such column or some value doesn't fit it (an int beyond 64 bits, NaN among
        decimals, naive and aware datetimes, ...): then `settle` has to look at each value.
    """
    make = _ONE_TYPE.get(type_)
    return make(values) if make else None


def settle(value: Any) -> tuple[str, Any]:
    """Return the kind of a plain value that is not None, and what `store` takes for it."""
    return _SETTLE[type(value)](value)


def store(kind: str, values: Sequence[Any]) -> pa.Array:
    """Return the array of values as `settle` gave them; all of one scalar kind, or None."""
    type_ = _STORE[kind]
    # decimals have no type of their own: as many digits as the batch needs
    return _whole(values, type_) if type_ else pa.array(values)


def _whole(values: Sequence[Any], type_: pa.DataType) -> pa.Array:
    """Return an array in one piece; Arrow gives several where one can't hold all text or bytes."""
    try:
        array = pa.array(values, type_)
    except pa.ArrowCapacityError:
        array = None
    if isinstance(array, pa.Array):
        return array
    raise Refused(0, str, "more than 2 GiB in one column of one batch", hint="yield smaller pages")


def _typed(kind: str, type_: pa.DataType) -> Callable[[Sequence[Any]], Made]:
    return lambda values: (kind, _whole(values, type_))


def packed(code: str, type_: pa.DataType, values: Sequence[Any]) -> pa.Array:
    """Return what `pa.array` does of numbers, in half the time or less where none is None.

    Args:
        code: of the module `struct`, for the bytes that `type_` has.
        type_: of the array.
        values: all exactly of the Python type that goes with it, or None.
    """
    try:
        data = struct.pack(f"{len(values)}{code}", *values)
    except struct.error:
        return pa.array(values, type_)
    return pa.Array.from_buffers(type_, len(values), [None, pa.py_buffer(data)])


def _floats(values: Sequence[Any]) -> Made:
    return "double", packed("d", pa.float64(), values)


def _ints(values: Sequence[Any]) -> Made | None:
    try:
        return "bigint", packed("q", pa.int64(), values)
    except (OverflowError, pa.ArrowInvalid):
        return None


def _texts(values: Sequence[Any]) -> Made | None:
    try:
        return "text", _whole(values, pa.string())
    except UnicodeEncodeError:
        return None


def _times(values: Sequence[Any]) -> Made | None:
    if any(v is not None and v.tzinfo is not None for v in values):
        return None
    return "time", pa.array(values, pa.time64("us"))


def _datetimes(values: Sequence[Any]) -> Made | None:
    zone_types = {type(v.tzinfo) for v in values if v is not None}
    if zone_types == {NoneType}:
        return "timestamp_ntz", pa.array(values, _NAIVE)
    # these always have an offset of whole seconds; Arrow drops the rest. By name, as importing
    # zoneinfo only to compare would cost every program a millisecond
    if not all(t is timezone or t.__module__ == "zoneinfo" for t in zone_types):
        return None
    if timezone in zone_types and any(map(_has_micros, {v.tzinfo for v in values if v is not None})):
        return None
    made = pa.array(values, _AWARE)
    bounds = pc.min_max(made)
    # beyond what datetime can hold: Arrow could, but nobody could read it back
    if bounds["min"].value < _micros(_FIRST) or bounds["max"].value > _micros(_LAST):
        return None
    return "timestamp", made


def _has_micros(zone: tzinfo) -> bool:
    return type(zone) is timezone and zone.utcoffset(None).microseconds != 0


def _micros(moment: datetime) -> int:
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // _MICROS


def _durations(values: Sequence[Any]) -> Made | None:
    try:
        return "bigint", pa.array(values, pa.duration("us")).cast(pa.int64())
    except pa.ArrowInvalid:
        return None


def _decimals(values: Sequence[Any]) -> Made | None:
    try:
        made = pa.array(values)
    except (pa.ArrowInvalid, TypeError):
        return None
    type_ = made.type
    fits = type_.scale <= DECIMAL_DIGITS and type_.precision - type_.scale <= DECIMAL_DIGITS
    return ("decimal", made) if fits else None


def _uuids(values: Sequence[Any]) -> Made:
    return "text", pa.array([None if v is None else str(v) for v in values], pa.string())


def _settle_int(value: int) -> tuple[str, Any]:
    if value in _INT64:
        return "bigint", value
    if -_WEI_LIMIT < value < _WEI_LIMIT:
        return "wei", value
    # str(int) refuses beyond sys.get_int_max_str_digits(); Decimal doesn't
    return "text", format(Decimal(value), "f")


def _settle_text(value: str) -> tuple[str, str]:
    r"""Replace what UTF-8 can't hold: surrogate pairs join, a lone one becomes text such as `\ud800`."""
    if value.isascii():
        return "text", value
    joined = _PAIR.sub(lambda m: m[0].encode("utf-16", "surrogatepass").decode("utf-16"), value)
    return "text", joined.encode("utf-8", "backslashreplace").decode("utf-8")


def _settle_decimal(value: Decimal) -> tuple[str, Any]:
    if not value.is_finite():
        return "double", float("nan") if value.is_nan() else float(value)
    exact = value if _fits(value) else _without_zeros(value)
    if _fits(exact):
        return "decimal", exact
    if exact.adjusted() < _WEI_DIGITS and exact == exact.to_integral_value():
        return "wei", int(exact)
    return "text", str(value)


def _fits(value: Decimal) -> bool:
    exponent = value.as_tuple().exponent
    return isinstance(exponent, int) and exponent >= -DECIMAL_DIGITS and value.adjusted() < DECIMAL_DIGITS


def _without_zeros(value: Decimal) -> Decimal:
    """Drop zeros at the end; `normalize` would round to the digits of a context."""
    sign, digits, exponent = value.as_tuple()
    if not value:
        return Decimal(0)
    kept = len(digits)
    while digits[kept - 1] == 0:
        kept -= 1
    return Decimal((sign, digits[:kept], int(exponent) + len(digits) - kept))


def _settle_time(value: time) -> tuple[str, time]:
    offset = value.utcoffset()
    if offset is None:
        return "time", value.replace(tzinfo=None)
    moment = datetime.combine(_SOME_DAY, value.replace(tzinfo=None), UTC) - offset
    return "time", moment.time()


def _settle_datetime(value: datetime) -> tuple[str, Any]:
    offset = value.utcoffset()
    if offset is None:
        return "timestamp_ntz", value.replace(tzinfo=None)
    try:
        return "timestamp", value.replace(tzinfo=None) - offset
    except OverflowError:
        return "text", value.isoformat()


def _as_is(kind: str) -> Callable[[Any], tuple[str, Any]]:
    return lambda value: (kind, value)


_ONE_TYPE: dict[type, Callable[[Sequence[Any]], Made | None]] = {
    bool: _typed("bool", pa.bool_()),
    int: _ints,
    float: _floats,
    str: _texts,
    bytes: _typed("binary", pa.binary()),
    date: _typed("date", pa.date32()),
    time: _times,
    datetime: _datetimes,
    timedelta: _durations,
    Decimal: _decimals,
    UUID: _uuids,
}
_SETTLE: dict[type, Callable[[Any], tuple[str, Any]]] = {
    bool: _as_is("bool"),
    int: _settle_int,
    float: _as_is("double"),
    str: _settle_text,
    bytes: _as_is("binary"),
    date: _as_is("date"),
    time: _settle_time,
    datetime: _settle_datetime,
    timedelta: lambda value: _settle_int(value // _MICROS),
    Decimal: _settle_decimal,
    UUID: lambda value: ("text", str(value)),
    dict: _as_is("dict"),
    list: _as_is("list"),
    tuple: _as_is("list"),
}
_STORE: dict[str, pa.DataType | None] = {
    "bool": pa.bool_(),
    "bigint": pa.int64(),
    "wei": WEI_RAW,
    "double": pa.float64(),
    "text": pa.string(),
    "binary": pa.binary(),
    "date": pa.date32(),
    "time": pa.time64("us"),
    "timestamp": _AWARE,
    "timestamp_ntz": _NAIVE,
    "decimal": None,
}
