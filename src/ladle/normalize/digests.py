"""Digests of texts, a batch at once."""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64encode

import pyarrow as pa
import pyarrow.compute as pc

from ladle.normalize.arrays import keep

_CHARS = 24  # of 18 bytes in Base64: without padding


def digests(texts: pa.Array, length: int) -> pa.Array:
    """Return the first characters of the SHA-256 of each text, in Base64 for URLs; null for null.

    OpenSSL's, row by row: it takes a third of the time that DuckDB takes for a whole column, as it uses the
    processor's own instructions.

    Args:
        texts: strings or binary.
        length: of the digests, 24 characters at most.
    """
    sha = hashlib.sha256
    values = texts.cast(pa.binary()).to_pylist()
    found = b"".join([sha(b"" if value is None else value).digest()[:18] for value in values])
    chars = pa.py_buffer(urlsafe_b64encode(found))
    offsets = pa.array(range(0, _CHARS * (len(values) + 1), _CHARS), pa.int32())
    made = pa.StringArray.from_buffers(len(values), offsets.buffers()[1], chars)
    short = pc.utf8_slice_codeunits(made, 0, length)
    return keep(short, texts.is_valid()) if texts.null_count else short
