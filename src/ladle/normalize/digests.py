"""Digests of rows, a batch at once: of what is told of each, one value after the other.

`_digest.c` is compiled when ladle is installed, where there is a C compiler; a wheel brings it along. Without
it the same comes of Arrow's joins and `hashlib`, and takes longer.
"""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from types import ModuleType
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

code: ModuleType | None
"""Its function is that of `_digest.pyi`."""
try:
    from ladle.normalize import _digest
except ImportError:
    code = None
else:
    code = _digest

_BYTES = 18  # 24 characters: without padding

Piece = tuple[bytes, pa.Array]
"""What stands before each value of a column, and its values: of any type, numbers in decimal."""


def digests(pieces: Sequence[Piece], count: int, length: int) -> pa.Array:
    """Return the first characters of the SHA-256 of each row, in Base64 for URLs.

    Args:
        pieces: of which `joined` makes what is hashed.
        count: of rows.
        length: of the digests, 24 characters at most.
    """
    if code is None:
        chars = _hashed(joined(pieces, count), length)
    else:
        columns = tuple(_buffers(before, _plain(values)) for before, values in pieces)
        chars = pa.py_buffer(code.digests(columns, count, length))
    offsets = pa.arange(0, length * count + 1, length).cast(pa.int32())
    return pa.StringArray.from_buffers(count, offsets.buffers()[1], chars)


def joined(pieces: Sequence[Piece], count: int) -> pa.Array:
    """Return rows as bytes: of each value what stands before it, its length, a colon, and the value.

    With the length 'ab' and 'c' don't read like 'a' and 'bc'. Of a null nothing is left.
    """
    parts = [part for before, values in pieces for part in _parts(before, _text(_plain(values)))]
    # the first is never null: of a row whose parts all are Arrow would make none
    return pc.binary_join_element_wise(pa.repeat(pa.scalar(b""), count), *parts, b"", null_handling="skip")


def _parts(before: bytes, values: pa.Array) -> list[Any]:
    parts = [before, _text(pc.binary_length(values)), b":", values]
    return parts if values.null_count == 0 else [pc.binary_join_element_wise(*parts, b"")]


def _plain(values: pa.Array) -> pa.Array:
    """Return values as compiled code takes them: numbers of 64 bits, text or bytes."""
    kind, types = values.type, pa.types
    if types.is_integer(kind) and not types.is_uint64(kind):
        return values.cast(pa.int64())
    return values if types.is_string(kind) or types.is_binary(kind) else values.cast(pa.string())


def _text(values: pa.Array) -> pa.Array:
    return (values.cast(pa.string()) if pa.types.is_integer(values.type) else values).cast(pa.binary())


def _buffers(before: bytes, values: pa.Array) -> tuple[Any, ...]:
    kind = "q" if pa.types.is_int64(values.type) else "s"
    valid, data, *more = values.buffers()
    return before, kind, values.offset, valid if values.null_count else None, data, more[0] if more else None


def _hashed(texts: pa.Array, length: int) -> pa.Buffer:
    sha = hashlib.sha256
    found = urlsafe_b64encode(b"".join([sha(text).digest()[:_BYTES] for text in texts.to_pylist()]))
    fixed = pa.binary(_BYTES // 3 * 4)
    chars = pa.FixedSizeBinaryArray.from_buffers(fixed, len(texts), [None, pa.py_buffer(found)])
    return pc.binary_slice(chars, 0, length).buffers()[1]
