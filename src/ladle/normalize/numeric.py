"""Between whole numbers, doubles and decimals, without loss: what can't be kept exactly becomes null."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from ladle.normalize import numerals
from ladle.normalize.arrays import between, keep
from ladle.normalize.decimals import decimal_text, rescale

_EXACT_DOUBLE = 2**53
_INT64 = (-(2**63), 2**63 - 1)
_SAFE_DIGITS = 15  # every decimal of so many digits survives the way to double and back


def int_to_int(array: pa.Array, target: pa.DataType) -> pa.Array:
    """Return signed integers in the width of `target`; null where out of range."""
    if array.type.bit_width > target.bit_width:
        limit = 1 << (target.bit_width - 1)
        array = keep(array, between(array, -limit, limit - 1))
    return array.cast(target)


def int_to_double(array: pa.Array) -> pa.Array:
    """Return doubles; null beyond 2**53, where doubles no longer tell neighbours apart."""
    wide = array.cast(pa.int64())
    return keep(wide, between(wide, -_EXACT_DOUBLE, _EXACT_DOUBLE)).cast(pa.float64())


def int_to_decimal(array: pa.Array, target: pa.DataType) -> pa.Array:
    """Return decimals; null where there are more digits than `target` has."""
    return rescale(array.cast(pa.int64()).cast(pa.decimal128(19, 0)), target)


def int_to_bool(array: pa.Array) -> pa.Array:
    """Return false for 0, true for 1, null for any other number."""
    return keep(array, between(array, 0, 1)).cast(pa.bool_())


def int_to_binary(array: pa.Array) -> pa.Array:
    """Return the number's bytes, little end first, as few as hold it (none for 0); null if negative."""
    wide = keep(array.cast(pa.int64()), pc.greater_equal(array, pa.scalar(0, array.type)))
    packed = wide.view(pa.binary(8)).cast(pa.binary())
    out = pa.nulls(len(array), pa.binary())
    for size in range(9):
        highest = min((1 << (8 * size)) - 1, _INT64[1])
        fits = pc.and_(pc.is_null(out), pc.less_equal(wide, pa.scalar(highest, pa.int64())))
        out = pc.if_else(fits, pc.binary_slice(packed, 0, size), out)
    return out


def double_to_int(array: pa.Array, target: pa.DataType) -> pa.Array:
    """Return integers; null where there is a fraction, NaN, or too large a number."""
    whole = pc.equal(pc.trunc(array), array)
    in_range = pc.and_(pc.greater_equal(array, -(2.0**63)), pc.less(array, 2.0**63))
    return int_to_int(keep(array, pc.and_(whole, in_range)).cast(pa.int64()), target)


def double_to_decimal(array: pa.Array, target: pa.DataType) -> pa.Array:
    """Return the decimal that the double is written as (0.1 is 0.1); null where that doesn't fit."""
    return numerals.to_decimal(array.cast(pa.string()), target)


def decimal_to_int(array: pa.Array, target: pa.DataType) -> pa.Array:
    """Return integers; null where there is a fraction or too large a number."""
    whole = rescale(array, pa.decimal128(20, 0))
    return int_to_int(keep(whole, between(whole, *_INT64)).cast(pa.int64()), target)


def decimal_to_double(array: pa.Array) -> pa.Array:
    """Return doubles; null where the double would be written with other digits than the decimal.

    Goes by way of text: Arrow's own cast from decimal to double makes 0.30000000000000004 of 0.3.
    """
    doubles = decimal_text(array).cast(pa.float64())
    if array.type.precision <= _SAFE_DIGITS:
        return doubles
    wide = pa.decimal256(76, array.type.scale)
    back = double_to_decimal(doubles, wide)
    return keep(doubles, pc.equal(back, array.cast(wide)))
