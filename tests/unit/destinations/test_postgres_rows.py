"""Rows in COPY's binary form become Arrow: the same by compiled code and without it, and what was sent."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.destinations.test_postgres_copy import TYPES

from ladle.destinations import postgres_rows as both
from ladle.destinations.postgres_copy import encoded
from ladle.destinations.postgres_kinds import Kinds
from ladle.destinations.postgres_rows import HEAD, Kind, decoded
from ladle.errors import DataError

PLAIN = {
    pa.bool_(): "?",
    pa.int16(): "h",
    pa.int32(): "i",
    pa.int64(): "q",
    pa.float64(): "d",
    pa.date32(): "D",
    pa.time64("us"): "t",
    pa.timestamp("us"): "T",
    pa.timestamp("us", "UTC"): "T",
    pa.string(): "s",
    pa.binary(): "s",
}
END = b"\xff\xff"
IDS = Kind("u", pa.uuid())
SPANS = Kind("I", pa.month_day_nano_interval())
NUMBERS = Kind("n", pa.string())
JSON = Kind("j", pa.json_())
ARRAY = Kind("[i", pa.list_(pa.int32()))
RECORD = Kind("(?s[u)", pa.struct([("a", pa.bool_()), ("b", pa.string()), ("c", pa.list_(pa.uuid()))]))


@pytest.fixture(params=["compiled", "python"])
def code(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "python":
        monkeypatch.setattr(both, "code", None)
    else:
        need_compiled()


def need_compiled() -> None:
    if both.code is None:
        assert not os.environ.get("CI"), (
            "ladle.destinations._read was not compiled: install ladle anew, see what it says"
        )
        pytest.skip("ladle was installed without its compiled part (no C compiler, or LADLE_PURE)")


def sized(value: bytes | None) -> bytes:
    return b"\xff\xff\xff\xff" if value is None else struct.pack(">i", len(value)) + value


def row(*cells: bytes | None) -> bytes:
    return struct.pack(">h", len(cells)) + b"".join(map(sized, cells))


def read(kinds: list[Kind], data: bytes) -> tuple[pa.RecordBatch, bytes]:
    """Return the rows, and what is left of the data."""
    rest = bytearray(data)
    schema = pa.schema([pa.field(str(at), kind.arrow) for at, kind in enumerate(kinds)])
    return decoded(schema, kinds, rest), bytes(rest)


def both_ways(kinds: list[Kind], data: bytes) -> list[Any]:
    """Return what becomes of data by compiled code and by Python: rows and the rest, or the error's text."""
    found: list[Any] = []
    for compiled in (True, False):
        with pytest.MonkeyPatch.context() as patch:
            if not compiled:
                patch.setattr(both, "code", None)
            try:
                batch, rest = read(kinds, data)
            except DataError as exc:
                found.append(str(exc))
            else:
                batch.validate(full=True)
                found.append((batch.schema, repr(batch.to_pylist()), rest))
    return found


@st.composite
def batches(draw: st.DrawFn) -> pa.RecordBatch:
    count = draw(st.integers(0, 20))
    arrays = [
        pa.array(draw(st.lists(st.none() | TYPES[kind], min_size=count, max_size=count)), kind)
        for kind in draw(st.lists(st.sampled_from(list(PLAIN)), min_size=1, max_size=5))
    ]
    return pa.RecordBatch.from_arrays(arrays, [str(at) for at in range(len(arrays))])


def sent(batch: pa.RecordBatch) -> bytes:
    return b"".join(piece for _, piece in encoded(batch.schema, set(), [batch])).removeprefix(HEAD)


@given(batch=batches())
def test_what_was_encoded_is_read(batch: pa.RecordBatch) -> None:
    need_compiled()
    kinds = [Kind(PLAIN[field.type], field.type) for field in batch.schema]
    for compiled in (True, False):
        with pytest.MonkeyPatch.context() as patch:
            if not compiled:
                patch.setattr(both, "code", None)
            found, rest = read(kinds, sent(batch))
        assert rest == b""
        found.validate(full=True)
        for before, after in zip(batch.columns, found.columns, strict=True):
            if before.type == pa.float64():
                assert repr(after.to_pylist()) == repr(before.to_pylist())
                continue
            size = {"D": pa.int32(), "T": pa.int64()}.get(PLAIN[before.type])
            if size is None:
                assert after.equals(before)
                continue
            epoch, bits = (10_957, 32) if size == pa.int32() else (946_684_800_000_000, 64)
            least = 1 - (1 << (bits - 1)) + epoch
            wanted = [v if v is None else max(v, least) for v in before.view(size).to_pylist()]
            assert after.view(size).to_pylist() == wanted


@st.composite
def garbage(draw: st.DrawFn) -> tuple[list[Kind], bytes]:
    """Return rows whose values may be anything: of another size than their type, or cut off."""
    kinds = draw(
        st.lists(st.sampled_from([IDS, SPANS, NUMBERS, ARRAY, RECORD, JSON]), min_size=1, max_size=3)
    )
    cell = st.none() | st.binary(max_size=40) | st.sampled_from([b"\1{}", bytes(8), bytes(12), bytes(16)])
    rows = draw(st.lists(st.tuples(*[cell for _ in kinds]), max_size=4))
    data = b"".join(row(*cells) for cells in rows) + draw(st.sampled_from([b"", END]))
    return kinds, data[: draw(st.integers(0, len(data)))]


@given(given=garbage())
def test_what_is_no_value_is_refused_alike(given: tuple[list[Kind], bytes]) -> None:
    need_compiled()
    compiled, python = both_ways(*given)
    if isinstance(python, str) or isinstance(compiled, str):
        assert isinstance(python, str)
        assert isinstance(compiled, str)
    else:
        assert compiled == python


def number(power: int, sign: int, scale: int, *groups: int) -> bytes:
    return struct.pack(f">HhHH{len(groups)}H", len(groups), power, sign, scale, *groups)


def array(*cells: bytes | None, lengths: tuple[int, ...] | None = None) -> bytes:
    sizes = lengths if lengths is not None else (len(cells),)
    head = struct.pack(f">iii{2 * len(sizes)}i", len(sizes), 0, 23, *(n for size in sizes for n in (size, 1)))
    return head + b"".join(map(sized, cells))


def record(*cells: bytes | None) -> bytes:
    return struct.pack(">i", len(cells)) + b"".join(struct.pack(">I", 25) + sized(cell) for cell in cells)


ID = bytes(range(16))
CASES: list[tuple[Kind, bytes | None, Any]] = [
    (Kind("f", pa.float32()), struct.pack(">f", 1.5), 1.5),
    (Kind("D", pa.date32()), bytes(4), date(2000, 1, 1)),
    (Kind("o", pa.uint32()), b"\xff\xff\xff\xff", 2**32 - 1),
    (NUMBERS, number(0, 0, 0), "0"),
    (NUMBERS, number(0, 0, 3), "0.000"),
    (NUMBERS, number(0, 0, 2, 1, 5000), "1.50"),
    (NUMBERS, number(-1, 0x4000, 5, 0, 1000)[:8] + struct.pack(">HH", 0, 1000), "-0.00001"),
    (NUMBERS, number(-2, 0x4000, 5, 1000), "-0.00001"),
    (NUMBERS, number(-5, 0, 20, 1), "0.00000000000000000001"),
    (NUMBERS, number(1, 0, 0, 1), "10000"),
    (NUMBERS, number(2, 0, 6, 1, 2345, 6789, 1), "123456789.000100"),
    (NUMBERS, number(25, 0, 0, 1), "1" + "0" * 100),
    (NUMBERS, number(0, 0xC000, 0), "nan"),
    (NUMBERS, number(0, 0xD000, 0), "inf"),
    (NUMBERS, number(0, 0xF000, 0), "-inf"),
    (SPANS, struct.pack(">qii", 1_000_001, 2, -13), pa.MonthDayNano([-13, 2, 1_000_001_000])),
    (JSON, b'\1{"a": 1}', '{"a": 1}'),
    (Kind("[j", pa.list_(pa.json_())), array(b"\1[]", None), ["[]", None]),
    (ARRAY, array(lengths=()), []),
    (ARRAY, array(bytes(4), None), [0, None]),
    (ARRAY, array(*[bytes(3) + bytes([n]) for n in range(4)], lengths=(2, 2)), [0, 1, 2, 3]),
    (ARRAY, None, None),
    (RECORD, None, None),
    (RECORD, record(b"\1", None, None), {"a": True, "b": None, "c": None}),
]


@pytest.mark.usefixtures("code")
@pytest.mark.parametrize(("kind", "value", "wanted"), CASES)
def test_values(kind: Kind, value: bytes | None, wanted: Any) -> None:
    for cells in ([value], [None, value, None], [value, value]):
        batch, rest = read([kind], b"".join(map(row, cells)) + END)
        assert rest == b""
        batch.validate(full=True)
        assert batch.column(0).type == kind.arrow
        assert batch.column(0).to_pylist() == [None if cell is None else wanted for cell in cells]


@pytest.mark.usefixtures("code")
def test_ids() -> None:
    batch, _ = read([IDS, RECORD], row(ID, record(b"\0", b"x", array(ID))) + row(None, None))
    assert [v and v.bytes for v in batch.column(0).to_pylist()] == [ID, None]
    assert batch.column(1).to_pylist()[0]["c"][0].bytes == ID


WRONG = [
    (Kind("i", pa.int32()), bytes(8), "length"),
    (Kind("?", pa.bool_()), b"", "length"),
    (IDS, bytes(15), "length"),
    (Kind("D", pa.date32()), struct.pack(">i", 2**31 - 1), "infinite"),
    (Kind("D", pa.date32()), struct.pack(">i", -(2**31)), "infinite"),
    (Kind("T", pa.timestamp("us")), struct.pack(">q", 2**63 - 1), "infinite"),
    (Kind("T", pa.timestamp("us")), struct.pack(">q", -(2**63)), "infinite"),
    (Kind("T", pa.timestamp("us")), struct.pack(">q", 2**63 - 946_684_800_000_000), "294246"),
    (Kind("t", pa.time64("us")), struct.pack(">q", 86_400_000_000), "24:00"),
    (SPANS, struct.pack(">qii", 2**53 * 1000, 0, 0), "2562047"),
    (JSON, b"\2{}", "jsonb"),
    (ARRAY, array(bytes(4), lengths=(2,)), "cut off"),
    (ARRAY, array(lengths=(2**30, 2**30)), "cut off"),
    (RECORD, record(b"\1", None), "fields"),
]


@pytest.mark.usefixtures("code")
@pytest.mark.parametrize(("kind", "value", "what"), WRONG)
def test_what_does_not_fit_is_named(kind: Kind, value: bytes, what: str) -> None:
    with pytest.raises(DataError, match=f"column `1`.*{what}"):
        read([ARRAY, kind], row(None, value))


@pytest.mark.usefixtures("code")
def test_a_row_that_has_not_come_whole_is_left() -> None:
    kinds = [Kind("i", pa.int32()), Kind("s", pa.string())]
    whole, next_row = row(bytes(4), b"one"), row(bytes(4), b"two")
    for cut in range(len(next_row)):
        batch, rest = read(kinds, whole + next_row[:cut])
        assert batch.column(1).to_pylist() == ["one"]
        assert rest == next_row[:cut]


@pytest.mark.usefixtures("code")
def test_rows_of_another_width_are_refused() -> None:
    with pytest.raises(DataError, match="more or fewer columns"):
        read([Kind("i", pa.int32())], row(bytes(4), bytes(4)))


def asked(answers: dict[int, list[Any]]) -> Callable[[str, Any], list[Any]]:
    return lambda sql, params: answers.pop(params[0])


def test_types_that_are_not_built_in_are_asked_for_once() -> None:
    answers: dict[int, list[Any]] = {
        900_001: [("mood", "e", 0, 0, 0)],
        900_002: [("_mood", "b", 0, 0, 900_001)],
        900_003: [("whole", "d", 23, 0, 0)],
        900_004: [("pair", "c", 0, 900_005, 0)],
        900_005: [("a", 900_003), ("b", 900_002)],
        900_006: [("hstore", "b", 0, 0, 0)],
        900_007: [],
    }
    kinds = Kinds(asked(answers))
    pair = pa.struct([("a", pa.int32()), ("b", pa.list_(pa.string()))])
    fields = {oid: answers[oid] for oid in (900_004, 900_005)}
    for _ in range(2):  # what fields a type has is asked for each time: it may get others
        answers |= fields
        assert kinds.of(900_004) == Kind("(i[s)", pair)
        assert kinds.of(900_006) == Kind("s", pa.opaque(pa.binary(), "hstore", "PostgreSQL"))
        assert kinds.of(900_007).code == "s"
    assert answers == {}


def test_numbers_go_both_ways() -> None:
    values = [Decimal("-12345.6789"), Decimal("0.0001"), None, Decimal(10**20)]
    batch = pa.RecordBatch.from_arrays([pa.array(values, pa.decimal128(38, 4))], ["n"])
    found, _ = read([NUMBERS], sent(batch))
    assert found.column(0).cast(pa.decimal128(38, 4)).to_pylist() == values
