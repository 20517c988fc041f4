"""Small moves on Arrow arrays that all coercions share: keep some rows, merge, go over distinct values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

_PIECE_BYTES = 1 << 16


def keep(values: pa.Array, mask: pa.Array) -> pa.Array:
    """Return `values` with null wherever `mask` is not true."""
    # not a null scalar: beside one, `if_else` of Arrow before 24 garbles strings of a sliced array
    return pc.if_else(mask, values, pa.nulls(len(values), values.type))


def between(values: pa.Array, low: Any, high: Any) -> pa.Array:
    """Return a boolean mask of `low <= value <= high`; both limits must fit the type of `values`."""
    above = pc.greater_equal(values, pa.scalar(low, values.type))
    return pc.and_(above, pc.less_equal(values, pa.scalar(high, values.type)))


def matching(text: pa.Array, pattern: str) -> pa.Array:
    """Return `text` with null in the rows that the RE2 `pattern` does not find."""
    return keep(text, pc.match_substring_regex(text, pattern))


def missing(text: pa.Array, done: pa.Array) -> pa.Array:
    """Return `text` with null in the rows where `done` has a value already."""
    return keep(text, pc.is_null(done))


def has_byte(text: pa.Array, byte: bytes) -> bool:
    """Return whether a value of a string or large_string array has the byte, which has to be one of ASCII.

    A twentieth of the time that `match_substring` takes, which looks at each byte by itself.
    """
    _, places, data = text.buffers()
    if data is not None and len(text):
        offsets = memoryview(places).cast("q" if pa.types.is_large_string(text.type) else "i")
        first, end = offsets[text.offset], offsets[text.offset + len(text)]
        starts = range(first, end, _PIECE_BYTES)
        if not any(byte in data.slice(n, min(_PIECE_BYTES, end - n)).to_pybytes() for n in starts):
            return False
    # It may be one that a null hides.
    return bool(pc.any(pc.match_substring(text, byte.decode())).as_py())


def by_distinct(values: pa.Array, parse: Callable[[Any], Any], target: pa.DataType) -> pa.Array:
    """Parse every distinct value once in Python: the slow path, for spellings that Arrow can't read.

    Args:
        values: any scalar array; null rows stay null.
        parse: takes a value, returns what `target` can hold, or None where it can't be parsed.
        target: type of the result.
    """
    if values.null_count == len(values):
        return pa.nulls(len(values), target)
    encoded = pc.dictionary_encode(values)
    parsed = pa.array([parse(v) for v in encoded.dictionary.to_pylist()], target)
    return parsed.take(encoded.indices)
