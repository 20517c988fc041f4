from __future__ import annotations

import base64
import hashlib

import pyarrow as pa
import pytest

from ladle.normalize.digests import digests


def expected(value: bytes | None, length: int) -> str | None:
    if value is None:
        return None
    return base64.urlsafe_b64encode(hashlib.sha256(value).digest()).decode()[:length]


@pytest.mark.parametrize("length", [16, 22, 24])
@pytest.mark.parametrize(
    "values", [[], [None], [b""], [b"a", None, b"", b"\xff" * 5000], [b"%d" % n for n in range(300)]]
)
def test_digests_are_the_beginning_of_the_hash_in_base64(values: list[bytes | None], length: int) -> None:
    made = digests(pa.array(values, pa.binary()), length)
    assert made.type == pa.string()
    assert made.to_pylist() == [expected(v, length) for v in values]


def test_digests_of_text_and_of_a_slice() -> None:
    texts = pa.array(["x", "é", None, "z", "y"])
    assert digests(texts[1:4], 22).to_pylist() == [expected("é".encode(), 22), None, expected(b"z", 22)]
