"""Every kind to text, and text to booleans and JSON."""

from __future__ import annotations

import base64

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from ladle.normalize.arrays import by_distinct, keep, matching

_YES = ("yes", "true", "y", "t", "1")
_NO = ("no", "false", "n", "f", "0")


def bool_to_text(array: pa.Array) -> pa.Array:
    """Return `True` and `False`."""
    return pc.if_else(array, "True", "False")


def double_to_text(array: pa.Array) -> pa.Array:
    """Return the fewest digits that read back as the same double, as Python does: `1.0`, `1e+16`, `nan`."""
    text = array.cast(pa.string())
    size = pc.abs(array)
    if _any(pc.and_(pc.greater_equal(size, 1e10), pc.less(size, 1e16))):
        text = _plain_large(text, size)
    if _any(pc.less(size, 1e-4)):
        text = _scientific_small(text)
    # Arrow writes 1e-7, Python 1e-07
    text = pc.replace_substring_regex(text, r"(e[+-])([0-9])$", r"\10\2")
    return pc.replace_substring_regex(text, r"^(-?[0-9]+)$", r"\1.0")


def _any(mask: pa.Array) -> bool:
    return bool(pc.any(mask).as_py())


def _plain_large(text: pa.Array, size: pa.Array) -> pa.Array:
    large = pc.and_(pc.greater_equal(size, 1e10), pc.less(size, 1e16))
    digits = keep(text, large).cast(pa.decimal128(38, 9)).cast(pa.string())
    return pc.coalesce(pc.replace_substring_regex(digits, r"\.?0+$", ""), text)


def _scientific_small(text: pa.Array) -> pa.Array:
    for zeros, exponent in (("0000", "05"), ("00000", "06")):
        text = pc.replace_substring_regex(text, rf"^(-?)0\.{zeros}([1-9])$", rf"\1\2e-{exponent}")
        text = pc.replace_substring_regex(text, rf"^(-?)0\.{zeros}([1-9])([0-9]+)$", rf"\1\2.\3e-{exponent}")
    return text


def timestamp_to_text(array: pa.Array) -> pa.Array:
    """Return ISO text: `2024-01-02T03:04:05.600000+00:00`, no fraction if zero, no offset if naive."""
    digits = 9 if array.type.unit == "ns" else 6
    # naive, as Arrow looks up the zone for each row that it writes
    naive = array.view(pa.timestamp(array.type.unit)).cast(pa.timestamp("ns" if digits == 9 else "us"))
    text = naive.cast(pa.string())
    text = pc.binary_replace_slice(text, -digits - 10, -digits - 9, "T")
    if digits == 9:
        text = _without_end(text, "000")
    text = _without_end(text, ".000000")
    return text if array.type.tz is None else pc.binary_join_element_wise(text, "+00:00", "")


def _without_end(text: pa.Array, end: str) -> pa.Array:
    return pc.if_else(pc.ends_with(text, end), pc.utf8_slice_codeunits(text, 0, -len(end)), text)


def time_to_text(array: pa.Array) -> pa.Array:
    """Return ISO text: `03:04:05.600000`, without fraction if zero."""
    return _without_end(array.cast(pa.time64("us")).cast(pa.string()), ".000000")


def binary_to_text(array: pa.Array) -> pa.Array:
    """Return base64 text. Arrow has no kernel for it: encoded in Python, once per distinct value."""
    return by_distinct(array, lambda value: base64.b64encode(value).decode(), pa.string())


def text_to_bool(text: pa.Array) -> pa.Array:
    """Return booleans for yes/no, true/false, y/n, t/f, 1/0 in any case; null for other text."""
    lower = pc.ascii_lower(text)
    no = pc.if_else(pc.is_in(lower, pa.array(_NO)), False, pa.scalar(None, pa.bool_()))
    return pc.if_else(pc.is_in(lower, pa.array(_YES)), True, no)


def text_to_json(text: pa.Array) -> pa.Array:
    """Return text that is a JSON object or array, unchanged; null for other text, also for bare scalars.

    Arrow has no kernel that checks JSON: checked in Python, once per distinct value, 0.5 microseconds each.
    """
    return by_distinct(matching(text, r"^[ \t\r\n]*[\[{]"), _checked_json, pa.string())


def _checked_json(text: str) -> str | None:
    try:
        orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    return text
