"""Rows in COPY's binary form: the same by compiled code and without it, and as Postgres' documentation says."""

from __future__ import annotations

import os
import struct
from datetime import date, datetime, time
from decimal import Context, Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ladle.destinations import postgres_copy as both
from ladle.destinations.postgres_copy import encoded

HEAD = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0"


def _integers(bits: int) -> st.SearchStrategy[int]:
    return st.integers(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


def _decimals(digits: int, scale: int) -> st.SearchStrategy[Decimal]:
    context = Context(prec=digits)
    return st.integers(1 - 10**digits, 10**digits - 1).map(lambda n: Decimal(n).scaleb(-scale, context))


TYPES: dict[pa.DataType, st.SearchStrategy[Any]] = {
    pa.bool_(): st.booleans(),
    pa.int16(): _integers(16),
    pa.int32(): _integers(32),
    pa.int64(): _integers(64),
    pa.float64(): st.floats(),
    pa.date32(): _integers(32),
    pa.time64("us"): st.integers(0, 86_399_999_999),
    pa.timestamp("us"): _integers(64),
    pa.timestamp("us", "UTC"): _integers(64),
    pa.string(): st.text(),
    pa.binary(): st.binary(),
    **{
        made(digits, scale): _decimals(digits, scale)
        for made, digits, scale in (
            (pa.decimal128, 38, 9),
            (pa.decimal128, 5, 2),
            (pa.decimal128, 19, 0),
            (pa.decimal128, 3, 3),
            (pa.decimal128, 38, 38),
            (pa.decimal256, 76, 0),
            (pa.decimal256, 76, 39),
            (pa.decimal256, 76, 76),
        )
    },
}


def _need_compiled() -> None:
    if both.code is None:
        assert not os.environ.get("CI"), (
            "ladle.destinations._copy was not compiled: install ladle anew, see what it says"
        )
        pytest.skip("ladle was installed without its compiled part (no C compiler, or LADLE_PURE)")


@st.composite
def _batches(draw: st.DrawFn) -> tuple[pa.RecordBatch, set[str]]:
    count, skipped = draw(st.integers(0, 30)), draw(st.integers(0, 9))
    arrays = []
    for kind in draw(st.lists(st.sampled_from(list(TYPES)), min_size=1, max_size=6)):
        cells = draw(
            st.lists(st.one_of(st.none(), TYPES[kind]), min_size=count + skipped, max_size=count + skipped)
        )
        arrays.append(pa.array(cells, kind).slice(skipped))
    names = [str(n) for n in range(len(arrays))]
    texts = [n for n, a in zip(names, arrays, strict=True) if a.type == pa.string()]
    jsonb = draw(st.sets(st.sampled_from(texts))) if texts else set()
    return pa.RecordBatch.from_arrays(arrays, names), jsonb


def _sent(batch: pa.RecordBatch, jsonb: set[str] | None = None) -> bytes:
    return b"".join(piece for _, piece in encoded(batch.schema, jsonb or set(), [batch]))


@given(given=_batches())
def test_compiled_code_and_python_agree(given: tuple[pa.RecordBatch, set[str]]) -> None:
    _need_compiled()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(both, "code", None)
        wanted = _sent(*given)
    assert _sent(*given) == wanted


def _cell(kind: pa.DataType, value: Any, *, jsonb: bool = False) -> bytes:
    """Return what is sent for a value, its length included."""
    sent = _sent(pa.RecordBatch.from_arrays([pa.array([value], kind)], ["x"]), {"x"} if jsonb else None)
    assert sent.startswith(HEAD + b"\0\1")
    assert sent.endswith(b"\xff\xff")
    return sent[len(HEAD) + 2 : -2]


def _sized(value: bytes) -> bytes:
    return struct.pack(">i", len(value)) + value


def _numeric(power: int, sign: int, scale: int, *groups: int) -> bytes:
    return _sized(struct.pack(f">HhHH{len(groups)}H", len(groups), power, sign, scale, *groups))


CELLS: list[tuple[pa.DataType, Any, bytes]] = [
    (pa.int64(), None, b"\xff\xff\xff\xff"),
    (pa.bool_(), True, b"\0\0\0\1\1"),
    (pa.int16(), -2, b"\0\0\0\2\xff\xfe"),
    (pa.int32(), 258, b"\0\0\0\4\0\0\1\2"),
    (pa.float64(), -0.0, b"\0\0\0\x08\x80" + bytes(7)),
    (pa.date32(), date(2000, 1, 1), _sized(bytes(4))),
    (pa.date32(), date(1999, 12, 31), _sized(b"\xff" * 4)),
    (pa.time64("us"), time(0, 0, 0, 1), _sized(bytes(7) + b"\1")),
    (pa.timestamp("us"), datetime(2000, 1, 1, 0, 0, 1), _sized(struct.pack(">q", 1_000_000))),
    (pa.string(), "é", _sized("é".encode())),
    (pa.string(), "", bytes(4)),
    (pa.binary(), b"\0", _sized(b"\0")),
    (pa.decimal128(9, 2), Decimal("0.00"), _numeric(0, 0, 2)),
    (pa.decimal128(9, 2), Decimal("0.05"), _numeric(-1, 0, 2, 500)),
    (pa.decimal128(9, 2), Decimal("-12345.60"), _numeric(1, 0x4000, 2, 1, 2345, 6000)),
    (pa.decimal128(9, 0), Decimal(10000), _numeric(1, 0, 0, 1)),
    (pa.decimal256(76, 5), Decimal("1E-5"), _numeric(-2, 0, 5, 1000)),
    (pa.decimal256(76, 0), Decimal("9" * 76), _numeric(18, 0, 0, *[9999] * 19)),
]


@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize(("kind", "value", "expected"), CELLS)
def test_values_are_sent_as_the_documentation_says(
    compiled: bool, kind: pa.DataType, value: Any, expected: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    if compiled:
        _need_compiled()
    else:
        monkeypatch.setattr(both, "code", None)
    assert _cell(kind, value) == expected


def test_jsonb_is_text_after_its_version() -> None:
    assert _cell(pa.string(), "{}", jsonb=True) == b"\0\0\0\3\1{}"


@pytest.mark.parametrize(
    ("kind", "least", "sent"),
    [
        (pa.date32(), -(2**31), _sized(struct.pack(">i", 1 - 2**31))),
        (pa.date32(), 10_957 - 2**31, _sized(struct.pack(">i", 1 - 2**31))),
        (pa.timestamp("us"), -(2**63), _sized(struct.pack(">q", 1 - 2**63))),
        (pa.timestamp("us"), 946_684_800_000_000 - 2**63, _sized(struct.pack(">q", 1 - 2**63))),
    ],
)
def test_what_is_out_of_range_is_no_infinity(kind: pa.DataType, least: int, sent: bytes) -> None:
    assert _cell(kind, least) == sent  # the server takes the least number of all for -infinity


def test_rows_are_counted_and_an_empty_batch_sends_nothing() -> None:
    batch = pa.record_batch({"x": pa.array([1, 2, 3])})
    pieces = list(encoded(batch.schema, (), [batch.slice(0, 0), batch, batch.slice(1)]))
    assert [rows for rows, _ in pieces] == [0, 3, 2, 0]


@pytest.mark.parametrize(
    "columns",
    [
        [("q", 0, 0, None, b"1234567", None)],
        [("q", 0, 1, None, bytes(8), None)],
        [("q", 0, 0, b"", bytes(8), None)],
        [("q", 0, -1, None, bytes(8), None)],
        [("x", 0, 0, None, bytes(8), None)],
        [("\u4e00", 0, 0, None, bytes(8), None)],
        [("4", 77, 0, None, bytes(16), None)],
        [("s", 0, 0, None, bytes(4), b"")],
        [("s", 0, 0, None, struct.pack("ii", 0, 2), b"a")],
        [("s", 0, 0, None, struct.pack("ii", 2, 1), b"abc")],
        [("s", 0, 0, None, struct.pack("ii", -1, 1), b"abc")],
        [("s", 0, 0, None, struct.pack("ii", 0, 1), None)],
        [("q", 0, 0, None, None, None)],
    ],
)
def test_buffers_that_dont_hold_what_they_should_are_refused(columns: list[Any]) -> None:
    _need_compiled()
    assert both.code is not None
    with pytest.raises(ValueError, match=r"buffer|kind"):
        both.code.copied(columns, 0, 1)


def test_texts_whose_offsets_jump_are_refused() -> None:
    _need_compiled()
    assert both.code is not None
    offsets = struct.pack("iiii", 0, 1000, 0, 1)
    with pytest.raises(ValueError, match="outside"):
        both.code.copied([("s", 0, 0, None, offsets, bytes(1000))], 0, 3)
