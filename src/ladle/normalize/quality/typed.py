"""Values of rules in the type of a column: limits on the grid of the type, and values to equal."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, time
from decimal import Decimal
from fractions import Fraction
from typing import Any, Literal

import pyarrow as pa

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_PER_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
_DAY_S = 86_400

Side = Literal["low", "high"]


class Misfit(Exception):
    """A value of a rule has nothing to do with the type of the column."""


def on_grid(value: Any, arrow: pa.DataType, side: Side, strict: bool) -> tuple[pa.Scalar | None, bool, bool]:
    """Return a limit in the type of a column, so that comparing with it is exact.

    Args:
        value: plain, as a rule keeps it.
        arrow: type of the column.
        side: `low` rounds up, `high` down.
        strict: whether the limit itself is left out.

    Returns:
        the limit, None where every value of the type keeps it or none does; whether it is still to be left
        out; whether no value keeps it.

    Raises:
        Misfit: the value can't be compared with the column.
    """
    if pa.types.is_floating(arrow):
        return pa.scalar(float(_number(value)), arrow), strict, False
    if not _has_grid(arrow):
        return pa.scalar(_text(value, arrow), arrow), strict, False
    exact = _steps(value, arrow)
    step = math.ceil(exact) if side == "low" else math.floor(exact)
    lowest, highest = _range(arrow)
    beyond = step > highest if side == "low" else step < lowest
    needless = step < lowest if side == "low" else step > highest
    if beyond or needless:
        return None, False, beyond
    return _of_step(step, arrow), strict and step == exact, False


def equal_to(values: Iterable[Any], arrow: pa.DataType) -> pa.Array:
    """Return those values that a column of this type can have.

    Raises:
        Misfit: a value can't be compared with the column.
    """
    if pa.types.is_boolean(arrow):
        if not all(isinstance(v, bool) for v in values):
            raise Misfit
        return pa.array(values, arrow)
    if pa.types.is_floating(arrow):
        return pa.array([float(_number(v)) for v in values], arrow)
    if not _has_grid(arrow):
        return pa.array([_text(v, arrow) for v in values], arrow)
    lowest, highest = _range(arrow)
    steps = [_steps(v, arrow) for v in values]
    found = [_of_step(int(s), arrow) for s in steps if s.denominator == 1 and lowest <= s <= highest]
    return pa.array([scalar.as_py() for scalar in found], arrow) if found else pa.array([], arrow)


def _has_grid(arrow: pa.DataType) -> bool:
    t = pa.types
    return bool(t.is_integer(arrow) or t.is_decimal(arrow) or t.is_temporal(arrow))


def _text(value: Any, arrow: pa.DataType) -> str:
    if not isinstance(value, str) or not (pa.types.is_string(arrow) or pa.types.is_large_string(arrow)):
        raise Misfit
    return value


def _number(value: Any) -> Fraction:
    if isinstance(value, bool):
        raise Misfit
    try:
        # by way of its text: 0.1 means 0.1
        return Fraction(Decimal(str(value)))
    except (ArithmeticError, ValueError, OverflowError):
        raise Misfit from None


def _steps(value: Any, arrow: pa.DataType) -> Fraction:
    """Return a value as a number of the smallest steps that the type knows."""
    t = pa.types
    if t.is_integer(arrow):
        return _number(value)
    if t.is_decimal(arrow):
        return _number(value) * Fraction(10**arrow.scale)
    per_second = Fraction(1, _DAY_S) if t.is_date(arrow) else Fraction(_PER_SECOND[arrow.unit])
    return Fraction(_microseconds(value, arrow), 1_000_000) * per_second


def _microseconds(value: Any, arrow: pa.DataType) -> int:
    if not isinstance(value, str):
        raise Misfit
    try:
        if pa.types.is_time(arrow):
            at = time.fromisoformat(value)
            return ((at.hour * 60 + at.minute) * 60 + at.second) * 1_000_000 + at.microsecond
        moment = datetime.fromisoformat(value)
    except ValueError:
        raise Misfit from None
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
    span = moment - _EPOCH
    return (span.days * _DAY_S + span.seconds) * 1_000_000 + span.microseconds


def _range(arrow: pa.DataType) -> tuple[int, int]:
    if pa.types.is_decimal(arrow):
        most = 10**arrow.precision - 1
        return -most, most
    if pa.types.is_date(arrow):
        return (date.min - _EPOCH.date()).days, (date.max - _EPOCH.date()).days
    if pa.types.is_unsigned_integer(arrow):
        return 0, (1 << arrow.bit_width) - 1
    half = 1 << (arrow.bit_width - 1)
    return -half, half - 1


def _of_step(step: int, arrow: pa.DataType) -> pa.Scalar:
    if pa.types.is_decimal(arrow):
        digits = tuple(map(int, str(abs(step))))
        # built of digits: arithmetic would round to the context's 28
        return pa.scalar(Decimal((int(step < 0), digits, -arrow.scale)), arrow)
    if pa.types.is_integer(arrow):
        return pa.scalar(step, arrow)
    width: Callable[[], pa.DataType] = pa.int32 if arrow.bit_width == 32 else pa.int64
    return pa.scalar(step, width()).cast(arrow)
