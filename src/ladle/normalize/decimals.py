"""Decimals to other decimals and to plain text."""

from __future__ import annotations

from decimal import Decimal

import pyarrow as pa
import pyarrow.compute as pc

from ladle.normalize.arrays import keep

WIDE_DIGITS = 76
"""Digits of the largest Arrow decimal."""
_DIVISOR_DIGITS = 9


def rescale(array: pa.Array, target: pa.DataType, rounding: bool = False) -> pa.Array:
    """Return decimals of another precision and scale.

    Args:
        array: decimal128 or decimal256.
        target: a decimal type.
        rounding: round half away from zero to the scale of `target`; otherwise what would
            lose digits becomes null.

    Returns:
        Array of `target`; null where a value has too many digits before the point.
    """
    if array.type.equals(target):
        return array
    whole = target.precision - target.scale
    if array.type.scale > target.scale:
        array = _round(array, target.scale, whole) if rounding else _exact(array, target.scale)
    return _fitting(array, whole).cast(target)


def _round(array: pa.Array, scale: int, whole: int) -> pa.Array:
    # the digit after the last decides; widest type, as rounding up may need one digit more
    cut = _cut(array, scale + 1).cast(pa.decimal256(WIDE_DIGITS, scale + 1))
    return pc.round(_fitting(cut, min(whole, WIDE_DIGITS - 2 - scale)), scale, "half_towards_infinity")


def _exact(array: pa.Array, scale: int) -> pa.Array:
    cut = _cut(array, scale)
    return keep(cut, pc.equal(cut.cast(array.type), array))


def _cut(array: pa.Array, scale: int) -> pa.Array:
    # Arrow (seen in 26) can't divide by more than 32 bits: its unsafe cast makes 18446744067664922516 of
    # 18446744073709551615.00000000000000, its `round` too, and its safe cast refuses
    while array.type.scale > scale:
        step = max(scale, array.type.scale - _DIVISOR_DIGITS)
        array = array.cast(_like(array.type, step), safe=False)
    return array


def _like(decimal: pa.DataType, scale: int) -> pa.DataType:
    make = pa.decimal128 if pa.types.is_decimal128(decimal) else pa.decimal256
    return make(decimal.precision, scale)


def _fitting(array: pa.Array, whole: int) -> pa.Array:
    if array.type.precision - array.type.scale <= whole:
        return array
    limit = Decimal(10) ** whole
    below = pc.less(array, pa.scalar(limit, array.type))
    return keep(array, pc.and_(below, pc.greater(array, pa.scalar(-limit, array.type))))


def decimal_text(array: pa.Array) -> pa.Array:
    """Return the digits as plain text: no exponent, no zeros at the end of a fraction ("1.5", "2", "-0.01").

    The scale of the array must not show: a value reads the same whatever else was in its batch.
    """
    scale = array.type.scale
    digits = pc.abs(array).view(_like(array.type, 0)).cast(pa.string())
    if scale > 0:
        padded = pc.utf8_lpad(digits, scale + 1, "0")
        fraction = pc.ascii_rtrim(pc.utf8_slice_codeunits(padded, -scale), "0")
        whole = pc.utf8_slice_codeunits(padded, 0, -scale)
        digits = pc.ascii_rtrim(pc.binary_join_element_wise(whole, fraction, "."), ".")
    negative = pc.less(array, pa.scalar(Decimal(0), array.type))
    return pc.if_else(negative, pc.binary_join_element_wise("-", digits, ""), digits)


def count_of(array: pa.Array) -> pa.Array:
    """Return decimals as int64 counts of their last digit (1.50 at scale 2 is 150); they must fit."""
    return array.view(_like(array.type, 0)).cast(pa.int64())
