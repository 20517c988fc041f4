"""Rows in MariaDB's bulk form: read back here as its documentation describes them."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

pytest.importorskip("pymysql", reason="needs ladle[mysql]")

from ladle.destinations import mysql_bulk
from ladle.destinations.mysql_bulk import asking_for_bulk, executed, messages, takes_bulk
from ladle.destinations.mysql_errors import counted, value_error
from ladle.destinations.mysql_load import Rows
from ladle.schema.table import Column, Table

INT, DOUBLE, DATE, TIME, TEXT, BLOB = 8, 5, 10, 12, 253, 251
TYPES: dict[pa.DataType, tuple[int, st.SearchStrategy[Any]]] = {
    pa.int8(): (INT, st.integers(-128, 127)),
    pa.int32(): (INT, st.integers(-(2**31), 2**31 - 1)),
    pa.int64(): (INT, st.integers(-(2**63), 2**63 - 1)),
    pa.uint64(): (TEXT, st.integers(0, 2**64 - 1)),
    pa.float64(): (DOUBLE, st.floats(allow_nan=False)),
    pa.date32(): (DATE, st.dates()),
    pa.timestamp("us"): (TIME, st.datetimes()),
    pa.string(): (TEXT, st.text()),
    pa.large_string(): (TEXT, st.text()),
    pa.binary(): (BLOB, st.binary()),
    pa.large_binary(): (BLOB, st.binary()),
}


@pytest.fixture(autouse=True, scope="module")
def _compiled() -> None:
    if mysql_bulk.code is None:
        assert not os.environ.get("CI"), (
            "ladle.destinations._bulk was not compiled: install ladle anew, see what it says"
        )
        pytest.skip("ladle was installed without its compiled part (no C compiler, or LADLE_PURE)")


class _Reader:
    def __init__(self, data: memoryview) -> None:
        self.data, self.at = data, 0

    def take(self, size: int) -> bytes:
        self.at += size
        assert self.at <= len(self.data)
        return bytes(self.data[self.at - size : self.at])

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "little")

    def text(self) -> bytes:
        first = self.number(1)
        return self.take(first if first < 251 else self.number({252: 2, 253: 3, 254: 8}[first]))

    def value(self, kind: int) -> Any:
        if self.number(1):
            return None
        if kind in (INT, DOUBLE):
            return struct.unpack("<q" if kind == INT else "<d", self.take(8))[0]
        if kind in (TEXT, BLOB):
            return self.text()
        assert self.number(1) == (4 if kind == DATE else 11)
        day = self.number(2), self.number(1), self.number(1)
        if kind == DATE:
            return date(*day)
        return datetime(*day, self.number(1), self.number(1), self.number(1), self.number(4))


def read(found: Sequence[mysql_bulk.Message]) -> Iterator[tuple[Any, ...]]:
    for types, rows in found:
        kinds = [types[at] for at in range(0, len(types), 2)]
        assert not any(types[1::2])
        reader = _Reader(rows)
        while reader.at < len(rows):
            yield tuple(reader.value(kind) for kind in kinds)


def seen(kind: int, value: Any) -> Any:
    if value is None or kind not in (TEXT, BLOB):
        return value
    return value if isinstance(value, bytes) else str(value).encode()


@given(st.data())
def test_all_values_come_back(data: st.DataObject) -> None:
    kinds = data.draw(st.lists(st.sampled_from(list(TYPES)), min_size=1, max_size=5))
    count = data.draw(st.integers(0, 20))
    columns, expected = [], []
    for kind in kinds:
        number, values = TYPES[kind]
        made = data.draw(st.lists(st.none() | values, min_size=count, max_size=count))
        before = data.draw(st.lists(st.none() | values, max_size=3))
        columns.append(pa.array([*before, *made], kind)[len(before) :])
        expected.append([seen(number, value) for value in made])
    assert list(read(messages(columns, count))) == list(zip(*expected, strict=True))


@given(st.datetimes() | st.sampled_from([datetime(1, 1, 1), datetime.max, datetime(2000, 2, 29)]))
@example(datetime(1969, 12, 31, 23, 59, 59, 999_999))
@example(datetime(1900, 2, 28, 23))
@example(datetime(4, 2, 29))
def test_times_are_those_of_the_calendar(moment: datetime) -> None:
    columns = [pa.array([moment], pa.timestamp("us")), pa.array([moment.date()], pa.date32())]
    assert list(read(messages(columns, 1))) == [(moment, moment.date())]


def test_every_day_of_400_years_is_right() -> None:
    days = pa.array(range(-60_000, 146_097 - 60_000), pa.int32()).view(pa.date32())
    found = [day for (day,) in read(messages([days], len(days)))]
    assert found == [date(1970, 1, 1) + timedelta(n) for n in range(-60_000, 146_097 - 60_000)]


@pytest.mark.parametrize("size", [0, 1, 250, 251, 65_535, 65_536, 16_777_215, 16_777_216])
def test_texts_of_every_length(size: int) -> None:
    for kind in (pa.string(), pa.large_binary()):
        columns = [pa.array(["x" * size, None, "y"], kind)]
        assert list(read(messages(columns, 3))) == [(b"x" * size,), (None,), (b"y",)]


def test_messages_end_at_rows_and_have_about_a_megabyte() -> None:
    texts = pa.array([f"{n:06}" * 50 for n in range(20_000)])
    found = messages([texts], len(texts))
    assert list(read(found)) == [(text.encode(),) for text in texts.to_pylist()]
    assert len(found) == 6
    assert all(len(rows) <= 1 << 20 for _, rows in found)


def test_a_row_that_is_longer_than_a_message_is_one_of_its_own() -> None:
    found = messages([pa.array(["a", "x" * 2_000_000, "b", "c"])], 4)
    assert [len(rows) for _, rows in found] == [3, 2_000_005, 6]


@pytest.mark.parametrize(
    "column",
    [
        pa.array([-719_163], pa.int32()).view(pa.date32()),
        pa.array([2_932_897], pa.int32()).view(pa.date32()),
        pa.array([-(2**63)], pa.int64()).view(pa.timestamp("us")),
        pa.array([2**63 - 1], pa.int64()).view(pa.timestamp("us")),
    ],
)
def test_what_lies_beyond_the_calendar_is_never_sent(column: pa.Array) -> None:
    with pytest.raises(ValueError, match="outside of the years"):
        messages([column], 1)
    null = pa.Array.from_buffers(column.type, 1, [pa.py_buffer(b"\0"), column.buffers()[1]])
    assert list(read(messages([null], 1))) == [(None,)]


@pytest.mark.parametrize(
    "columns",
    [
        [("z", 0, None, b"", None)],
        [("q", -1, None, bytes(8), None)],
        [("q", 1, None, bytes(8), None)],
        [("q", 0, b"", bytes(8), None)],
        [("s", 0, None, struct.pack("<ii", 0, 9), b"short")],
        [("s", 0, None, struct.pack("<ii", 4, 1), b"short")],
        [("S", 0, None, struct.pack("<qq", -4, 1), b"short")],
        [("s", 0, None, struct.pack("<i", 0), b"")],
    ],
)
def test_buffers_that_are_too_short_are_refused(columns: list[Any]) -> None:
    assert mysql_bulk.code is not None
    with pytest.raises(ValueError, match="column|buffer"):
        mysql_bulk.code.bulk(columns, 1, 100)


def test_texts_between_which_some_lie_outside_are_refused() -> None:
    assert mysql_bulk.code is not None
    with pytest.raises(ValueError, match="buffer"):
        mysql_bulk.code.bulk([("s", 0, None, struct.pack("<iii", 0, 1 << 30, 5), b"short")], 2, 100)


def test_a_row_that_the_server_takes_in_no_message_has_none() -> None:
    table = Table("t", {"a": Column("a", "text")})
    batch = pa.record_batch({"a": ["x" * 2_000, "y"]})
    rows = Rows(table, batch.schema, {"a": "longtext"}, 2_048)
    assert [(piece.num_rows, found) for piece, found in rows.messages([batch])] == [(2, [])]
    short = [pa.record_batch({"a": ["x" * 900] * 3})]
    ((_, found),) = rows.messages(short)
    assert [len(part) for _, part in found] == [904, 904, 904]
    assert rows.insert_statement("`t`") == "INSERT INTO `t` (`a`) VALUES (?)"


def _greeting(version: bytes, low: int, more: int) -> bytes:
    return b"\n" + version + b"\0" + bytes(13) + struct.pack("<HBHHB6xI", low, 45, 2, 0x81FF, 21, more)


def test_only_mariadb_takes_rows_in_bulk() -> None:
    assert takes_bulk(_greeting(b"5.5.5-10.11.19-MariaDB", 0xF7FE, 0x1D) + b"salt")
    assert not takes_bulk(_greeting(b"5.5.5-10.1.0-MariaDB", 0xF7FE, 0x1))
    assert not takes_bulk(_greeting(b"8.4.0", 0xFFFF, 0xFFFF))
    assert not takes_bulk(b"\n5.1\0" + bytes(13))
    assert not takes_bulk(b"\xffno more connections")


def test_a_login_asks_for_it_and_else_stays_what_it_is() -> None:
    login = struct.pack("<iIB23s", 0x3BA68D, 1 << 24, 45, b"") + b"root\0rest"
    asked = asking_for_bulk(login)
    assert asked == struct.pack("<iIB19sI", 0x3BA68C, 1 << 24, 45, b"", 4) + b"root\0rest"
    scramble = bytes(range(1, 33))
    assert [asking_for_bulk(data) for data in (scramble, scramble[:20], b"")] == [
        scramble,
        scramble[:20],
        b"",
    ]


def test_a_row_is_counted_where_the_server_counts_it_not_in_values() -> None:
    text = "Data too long for column 'at row 1' at row 3"
    assert counted(text, 20_000) == "Data too long for column 'at row 1' at row 20003"
    assert (
        counted("Duplicate entry 'at row 3' for key 'k'", 20_000) == "Duplicate entry 'at row 3' for key 'k'"
    )
    error = value_error(1406, f"{text} (1406)", "writing", "t")
    assert error.facts["row"] == 3


def test_a_command_names_the_statement_and_sends_the_types() -> None:
    assert executed(258, (b"\x08\x00", memoryview(b"\1"))) == b"\xfa\x02\x01\x00\x00\x80\x00\x08\x00\x01"
