"""Digests of rows by compiled code and without it: one result, that of `hashlib`."""

from __future__ import annotations

import base64
import gc
import hashlib
import os
import platform
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.normalize.every_type import COLUMNS

from ladle.normalize import digests as both
from ladle.normalize.digests import Piece, digests, joined


@pytest.fixture(scope="session")
def compiled_code() -> None:
    if both.code is None:
        assert not os.environ.get("CI"), (
            "ladle.normalize._digest was not compiled: install ladle anew, see what it says"
        )
        pytest.skip("ladle was installed without its compiled part (no C compiler, or LADLE_PURE)")


@pytest.fixture(params=["compiled", "interpreted"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "compiled":
        request.getfixturevalue("compiled_code")
    else:
        monkeypatch.setattr(both, "code", None)


def interpreted(pieces: list[Piece], count: int, length: int) -> pa.Array:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(both, "code", None)
        return digests(pieces, count, length)


def expected(value: bytes, length: int = 24) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(value).digest()).decode()[:length]


def spelled(before: bytes, value: Any) -> bytes:
    if value is None:
        return b""
    text = value if isinstance(value, bytes) else str(value).encode()
    return b"%b%d:%b" % (before, len(text), text)


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("length", [1, 16, 22, 24])
@pytest.mark.parametrize(
    "values", [[], [None], [b""], [b"a", None, b"", b"\xff" * 5000], [b"%d" % n for n in range(300)]]
)
def test_digests_are_the_beginning_of_the_hash_in_base64(values: list[bytes | None], length: int) -> None:
    made = digests([(b"x", pa.array(values, pa.binary()))], len(values), length)
    assert made.type == pa.string()
    made.validate(full=True)
    assert made.to_pylist() == [expected(spelled(b"x", v), length) for v in values]


@pytest.mark.usefixtures("way")
def test_numbers_and_texts_are_told_with_their_length_and_nulls_leave_nothing() -> None:
    numbers = [0, 9, 10, -1, None, 2**63 - 1, -(2**63), None]
    texts = ["x", "é", None, "\U0001f600" * 4, None, "", "z", "\0"]
    pieces = [(b"n", pa.array(numbers, pa.int64())), (b"", pa.array(texts))]
    wanted = [spelled(b"n", n) + spelled(b"", t) for n, t in zip(numbers, texts, strict=True)]
    assert joined(pieces, 8).to_pylist() == wanted
    assert digests(pieces, 8, 24).to_pylist() == [expected(w) for w in wanted]
    sliced = [(before, values[3:6]) for before, values in pieces]
    assert digests(sliced, 3, 24).to_pylist() == [expected(w) for w in wanted[3:6]]


@pytest.mark.usefixtures("way")
def test_rows_without_pieces_are_rows() -> None:
    assert digests([], 2, 16).to_pylist() == [expected(b"", 16)] * 2
    assert digests([], 0, 16).to_pylist() == []
    assert joined([(b"a", pa.nulls(2, pa.string()))], 2).to_pylist() == [b"", b""]


@st.composite
def _pieces(draw: st.DrawFn) -> tuple[list[Piece], int]:
    count, pieces = draw(st.integers(0, 20)), []
    types = {
        pa.int64(): st.integers(-(2**63), 2**63 - 1),
        pa.int16(): st.integers(-(2**15), 2**15 - 1),
        pa.uint64(): st.integers(0, 2**64 - 1),
        pa.string(): st.text(max_size=90),
        pa.large_string(): st.text(max_size=9),
        pa.binary(): st.binary(max_size=700),
        pa.bool_(): st.booleans(),
    }
    for pa_type in draw(st.lists(st.sampled_from(list(types)), max_size=6)):
        skipped, more = draw(st.integers(0, 9)), draw(st.integers(0, 3))
        size = skipped + count + more
        values = draw(st.lists(st.none() | types[pa_type], min_size=size, max_size=size))
        array = pa.array(values, pa_type).slice(skipped, count)
        pieces.append((draw(st.binary(max_size=30)), array))
    return pieces, count


@pytest.mark.usefixtures("compiled_code")
@given(_pieces(), st.integers(1, 24))
def test_both_ways_are_one(given: tuple[list[Piece], int], length: int) -> None:
    pieces, count = given
    found = digests(pieces, count, length)
    found.validate(full=True)
    assert found == interpreted(pieces, count, length)


@pytest.mark.usefixtures("compiled_code")
@pytest.mark.parametrize("name", COLUMNS)
def test_both_ways_are_one_for_every_type(name: str) -> None:
    pieces = [(b"a", COLUMNS[name])]
    assert digests(pieces, 4, 24) == interpreted(pieces, 4, 24)


@pytest.mark.usefixtures("compiled_code")
@pytest.mark.parametrize("portable", [False, True], ids=["best", "portable"])
def test_both_hashes_are_that_of_hashlib(portable: bool) -> None:
    """Of rows of any length, in one piece or in several."""
    assert both.code is not None
    data = bytes(n * n % 251 for n in range(1400))
    for size in range(1400):
        columns = ((data[:size], "s", 0, None, bytes(8), b""),)
        wanted = expected(data[:size] + b"0:").encode()
        assert both.code.digests(columns, 1, 24, portable) == wanted, size
        cut = size // 3
        parts = (data[:cut], data[cut : 2 * cut], data[2 * cut : size])
        columns = tuple((part, "s", 0, None, bytes(8), b"") for part in parts)
        wanted = expected(b"".join(part + b"0:" for part in parts)).encode()
        assert both.code.digests(columns, 1, 24, portable) == wanted, size
    for size in (1_000_000, (1 << 22) + 55, (1 << 22) + 56, 1 << 23):
        long = (data * (size // len(data) + 1))[:size]
        columns = ((long, "s", 0, None, bytes(8), b""),)
        assert both.code.digests(columns, 1, 24, portable) == expected(long + b"0:").encode()


@pytest.mark.usefixtures("compiled_code")
def test_the_instructions_of_the_processor_are_used() -> None:
    assert both.code is not None
    about = Path("/proc/cpuinfo")
    if platform.machine() != "x86_64" or not about.exists():
        pytest.skip("how others tell of their instructions is not known here")
    assert bool(both.code.has_instructions) is (" sha_ni " in about.read_text())


@pytest.mark.usefixtures("compiled_code")
@pytest.mark.parametrize(
    ("column", "rows", "length"),
    [
        ((b"", "s", 0, None, bytes(4), b""), 1, 16),
        ((b"", "s", 1, None, bytes(8), b""), 1, 16),
        ((b"", "q", 1, None, bytes(8), None), 1, 16),
        ((b"", "q", 0, b"", bytes(8), None), 1, 16),
        ((b"", "q", 0, None, None, None), 1, 16),
        ((b"", "x", 0, None, bytes(8), b""), 1, 16),
        ((b"", "q", -1, None, bytes(8), None), 1, 16),
        ((b"", "q", sys.maxsize, None, bytes(8), None), 1, 16),
        ((b"", "s", 0, None, b"\0\0\0\0\2\0\0\0", b"a"), 1, 16),
        ((b"", "s", 0, None, b"\2\0\0\0\1\0\0\0", b"abc"), 1, 16),
        ((b"", "s", 0, None, b"\xff\xff\xff\xff\1\0\0\0", b"abc"), 1, 16),
        ((b"", "q", 0, None, bytes(8), None), -1, 16),
        ((b"", "q", 0, None, bytes(8), None), 1, 0),
        ((b"", "q", 0, None, bytes(8), None), 1, 25),
        ((b"", "q", 0, None, bytes(8), None), 2**31 // 22 + 1, 22),
    ],
    ids=repr,
)
def test_what_lies_outside_of_buffers_is_an_error(column: Any, rows: int, length: int) -> None:
    assert both.code is not None
    with pytest.raises(ValueError, match=r"too short|outside|kind|characters"):
        both.code.digests((column,), rows, length)


@pytest.mark.usefixtures("compiled_code")
@pytest.mark.parametrize("columns", [[], None, (None,), ([],), ((),), (("x", "q", 0, None, b"", None),)])
def test_other_arguments_are_errors(columns: Any) -> None:
    assert both.code is not None
    with pytest.raises(TypeError):
        both.code.digests(columns, 0, 16)


@pytest.mark.usefixtures("compiled_code")
def test_nothing_is_kept() -> None:
    assert both.code is not None
    before, data = b"before" * 9, bytes(8000)
    counts = sys.getrefcount(before), sys.getrefcount(data)
    for _ in range(20):
        both.code.digests(((before, "q", 0, None, data, None),), 1000, 22)
        with pytest.raises(ValueError, match="short"):
            both.code.digests(
                ((before, "q", 0, None, data, None), (before, "q", 1, data, data, None)), 1000, 22
            )
    gc.collect()
    assert (sys.getrefcount(before), sys.getrefcount(data)) == counts


@pytest.mark.usefixtures("compiled_code")
def test_other_threads_go_on_while_rows_are_hashed() -> None:
    assert both.code is not None
    seen: list[float] = []
    done = threading.Event()

    def look() -> None:
        while not done.wait(0.001):
            seen.append(time.perf_counter())

    watcher = threading.Thread(target=look)
    watcher.start()
    column = (bytes(96 << 20), "s", 0, None, bytes(8), b"")
    began = time.perf_counter()
    both.code.digests((column,), 1, 24, True)
    ended = time.perf_counter()
    done.set()
    watcher.join()
    quarter = (ended - began) / 4
    assert [at for at in seen if began + quarter < at < ended - quarter]
