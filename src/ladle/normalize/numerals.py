"""Numbers written as text, to integers, decimals and doubles; what would lose digits becomes null.

Taken, as in the reference: space around, a sign, `1.`, `.5`, `1e3`, `1_000`, `0x1f`. Not taken: digits
other than 0 to 9, `1,000`. Arrays of usual spellings go through Arrow's casts; the rows of an array that a
cast refused are told apart by regex, and what no regex settles is parsed once per distinct value.
"""

from __future__ import annotations

import decimal
import math
import re
from decimal import Decimal

import pyarrow as pa
import pyarrow.compute as pc

from ladle.normalize.arrays import between, by_distinct, keep, matching, missing
from ladle.normalize.decimals import WIDE_DIGITS, rescale

_WHOLE = r"^[+-]?[0-9]+$"
_PLAIN = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)$"
# the exponents with which 17 digits always fit a decimal of 38 digits on both sides of the point
_SCIENTIFIC = r"^[+-]?[0-9](\.[0-9]{1,16})?[eE]([+]?([0-2]?[0-9]|3[0-6])|-([01]?[0-9]|2[01]))$"
_MAYBE = r"^[+-]?[.0-9][0-9a-fA-FxX_.+-]*$"
_MAYBE_DOUBLE = r"(?i)^[+-]?([.0-9][0-9a-fx_.+-]*|nan|inf(inity)?)$"
_HALF_WIDE = pa.decimal256(WIDE_DIGITS, 38)
_NUMERAL = re.compile(r"[+-]?(\d+(_\d+)*\.?(\d+(_\d+)*)?|\.\d+(_\d+)*)([eE][+-]?\d{1,4})?", re.ASCII)
_HEX = re.compile(r"0x[0-9a-fA-F]+")
_INTEGER = re.compile(r"[+-]?\d+(_\d+)*", re.ASCII)
_SAFE_CHARS = 15  # so short a number without exponent survives the way to double and back
_EXACT = decimal.Context(prec=WIDE_DIGITS, traps=[decimal.Inexact, decimal.InvalidOperation])
_ROUNDING = decimal.Context(
    prec=WIDE_DIGITS, rounding=decimal.ROUND_HALF_UP, traps=[decimal.InvalidOperation]
)


def to_int(text: pa.Array) -> pa.Array:
    """Return int64; null where the text is not a whole number without point, or is out of range."""
    if not pc.any(pc.match_substring(text, "x", ignore_case=True)).as_py():
        # Arrow would read 0xffffffffffffffff as -1
        try:
            return text.cast(pa.int64())
        except pa.ArrowInvalid:
            pass
    text = pc.utf8_trim_whitespace(text)
    plain = to_decimal(matching(text, _WHOLE), pa.decimal128(20, 0))
    ints = keep(plain, between(plain, -(2**63), 2**63 - 1)).cast(pa.int64())
    odd = matching(keep(text, pc.invert(pc.match_substring_regex(text, _WHOLE))), _MAYBE)
    return pc.coalesce(ints, by_distinct(odd, parse_int, pa.int64()))


def parse_int(text: str) -> int | None:
    """Return the whole number of 64 bits that `text` spells (`1_000`, `0x1f`), or None."""
    if _HEX.fullmatch(text):
        value = int(text, 16)
    elif _INTEGER.fullmatch(text) and len(text) < 4000:
        value = int(text)
    else:
        return None
    return value if -(2**63) <= value < 2**63 else None


def to_decimal(text: pa.Array, target: pa.DataType, rounding: bool = False) -> pa.Array:
    """Return decimals of `target`; null where the text is no number or does not fit.

    Args:
        text: string array.
        target: a decimal type.
        rounding: round half away from zero to the scale; otherwise more digits than that mean null.
    """
    # only what is sure to fit may be cast: Arrow wraps around in silence where its 128 or 256 bits overflow
    fitting = pc.match_substring_regex(text, _fitting(target))
    if pc.all(fitting, min_count=0).as_py():
        return text.cast(target)
    text = pc.utf8_trim_whitespace(text)
    plain = _canonical(matching(text, _PLAIN))
    done = matching(plain, _fitting(target)).cast(target)
    wide = matching(missing(text, plain), _SCIENTIFIC)
    if rounding:
        wide = pc.coalesce(wide, matching(missing(plain, done), _fitting(_HALF_WIDE)))
    done = pc.coalesce(done, rescale(wide.cast(_HALF_WIDE), target, rounding))
    # of plain numbers only those to be rounded with very many digits are still open
    odd = missing(missing(text, wide), done) if rounding else missing(missing(text, plain), wide)
    parsed = by_distinct(matching(odd, _MAYBE), lambda t: parse_decimal(t, target, rounding), target)
    return pc.coalesce(done, parsed)


def _canonical(text: pa.Array) -> pa.Array:
    text = pc.replace_substring_regex(text, r"^([+-]?)0*([0-9])", r"\1\2")
    text = pc.replace_substring_regex(text, r"^([+-]?)\.", r"\10.")
    return pc.replace_substring_regex(text, r"\.0*$|(\.[0-9]*[1-9])0+$", r"\1")


def _fitting(target: pa.DataType) -> str:
    whole, scale = target.precision - target.scale, target.scale
    digits = f"|[0-9]{{1,{whole}}}" if whole > 0 else ""
    fraction = rf"(\.[0-9]{{1,{scale}}})?" if scale > 0 else ""
    return rf"^[+-]?(0{digits}){fraction}$"


def parse_decimal(text: str, target: pa.DataType, rounding: bool) -> Decimal | None:
    """Return the number that `text` spells, in the digits of `target`, or None where it doesn't fit."""
    value = parse_number(text)
    if value is None:
        return None
    if value and value.adjusted() > target.precision - target.scale:
        return None
    try:
        context = _ROUNDING if rounding else _EXACT
        fitted = value.quantize(Decimal(1).scaleb(-target.scale), context=context)
    except (decimal.Inexact, decimal.InvalidOperation):
        return None
    return fitted if len(fitted.as_tuple().digits) <= target.precision else None


def parse_number(text: str) -> Decimal | None:
    """Return the exact number that `text` spells, or None."""
    if _HEX.fullmatch(text):
        return Decimal(int(text, 16))
    return Decimal(text.replace("_", "")) if _NUMERAL.fullmatch(text) else None


def to_double(text: pa.Array) -> pa.Array:
    """Return doubles; null where the text is no number or has digits that the double would not give back.

    `nan`, `inf` and `infinity` in any case are taken.
    """
    try:
        plain, doubles = text, text.cast(pa.float64())
    except pa.ArrowInvalid:
        text = pc.utf8_trim_whitespace(text)
        plain = matching(text, _PLAIN)
        doubles = plain.cast(pa.float64())
    short = pc.less_equal(pc.binary_length(plain), _SAFE_CHARS)
    simple = pc.and_(short, pc.invert(pc.match_substring_regex(plain, "[a-zA-Z]")))
    if pc.all(simple, min_count=0).as_py() and plain.null_count == text.null_count:
        return doubles
    same = pc.equal(plain, doubles.cast(pa.string()))
    done = keep(doubles, pc.or_(simple, same))
    odd = matching(missing(text, done), _MAYBE_DOUBLE)
    return pc.coalesce(done, by_distinct(odd, parse_double, pa.float64()))


def parse_double(text: str) -> float | None:
    """Return the double that is written with the same digits as `text`, NaN and infinities too, or None."""
    exact = parse_number(text)
    if exact is None:
        return float(text) if re.fullmatch(r"(?i)[+-]?(nan|inf(inity)?)", text) else None
    value = float(exact)
    return value if math.isfinite(value) and Decimal(repr(value)) == exact else None
