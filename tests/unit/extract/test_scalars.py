"""Kinds of scalars, at their borders."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest
from tests.unit.extract.reading import expected, read, read_one

from ladle.extract.refused import Refused
from ladle.extract.scalars import one_type, packed, settle, store

PLUS_2 = timezone(timedelta(hours=2))
MINUS_2 = timezone(timedelta(hours=-2))


class Offsetless(tzinfo):
    def utcoffset(self, moment: datetime | None) -> timedelta | None:
        return None


class OnlyWithDate(tzinfo):
    def utcoffset(self, moment: datetime | None) -> timedelta | None:
        return None if moment is None else timedelta(hours=1)


BORDERS = {
    "largest int64": (2**63 - 1, ("bigint", 2**63 - 1)),
    "smallest int64": (-(2**63), ("bigint", -(2**63))),
    "above int64": (2**63, ("wei", Decimal(2**63))),
    "below int64": (-(2**63) - 1, ("wei", Decimal(-(2**63) - 1))),
    "76 digits": (10**76 - 1, ("wei", Decimal(10**76 - 1))),
    "-76 digits": (1 - 10**76, ("wei", Decimal(1 - 10**76))),
    "77 digits": (10**76, ("text", "1" + "0" * 76)),
    "more digits than str(int) allows": (10**5000, ("text", "1" + "0" * 5000)),
    "negative, more digits than str(int) allows": (-(10**5000), ("text", "-1" + "0" * 5000)),
    "NaN": (float("nan"), ("double", "nan")),
    "infinity": (float("-inf"), ("double", "-inf")),
    "negative zero": (-0.0, ("double", "-0.0")),
    "NUL": ("a\0b", ("text", "a\0b")),
    "lone high surrogate": ("a\ud800b", ("text", "a\\ud800b")),
    "lone low surrogate": ("é\udfff", ("text", "é\\udfff")),
    "surrogates as a pair": ("\ud83d\ude00\ud83d", ("text", "😀\\ud83d")),
    "empty text": ("", ("text", "")),
    "empty bytes": (b"", ("binary", b"")),
    "decimal, 38 and 38 digits": (
        Decimal("9" * 38 + "." + "9" * 38),
        ("decimal", Decimal("9" * 38 + "." + "9" * 38)),
    ),
    "decimal of 39 digits": (Decimal("9" * 39), ("wei", Decimal("9" * 39))),
    "decimal of 39 fraction digits": (Decimal("0." + "1" * 39), ("text", "0." + "1" * 39)),
    "decimal of 39 fraction digits, zeros": (Decimal("1.5" + "0" * 40), ("decimal", Decimal("1.5"))),
    "decimal whole with many zeros": (Decimal("9" * 40 + ".00"), ("wei", Decimal("9" * 40))),
    "decimal with exponent": (Decimal("1E+60"), ("wei", Decimal(10**60))),
    "decimal beyond all": (Decimal("1E+500"), ("text", "1E+500")),
    "decimal below all": (Decimal("1E-999999999"), ("text", "1E-999999999")),
    "decimal zero, tiny exponent": (Decimal("0E-500"), ("decimal", Decimal(0))),
    "decimal zero, large exponent": (Decimal("0E+500"), ("decimal", Decimal(0))),
    "decimal NaN": (Decimal("NaN"), ("double", "nan")),
    "decimal signalling NaN": (Decimal("sNaN"), ("double", "nan")),
    "decimal infinity": (Decimal("-Infinity"), ("double", "-inf")),
    "first date": (date.min, ("date", date.min)),
    "last date": (date.max, ("date", date.max)),
    "first datetime": (datetime.min, ("timestamp_ntz", datetime.min)),
    "last datetime": (datetime.max, ("timestamp_ntz", datetime.max)),
    "first aware": (datetime.min.replace(tzinfo=UTC), ("timestamp", datetime.min)),
    "before the first in UTC": (datetime.min.replace(tzinfo=PLUS_2), ("text", "0001-01-01T00:00:00+02:00")),
    "after the last in UTC": (
        datetime.max.replace(tzinfo=MINUS_2),
        ("text", "9999-12-31T23:59:59.999999-02:00"),
    ),
    "zone without offset": (
        datetime(2024, 1, 2, tzinfo=Offsetless()),
        ("timestamp_ntz", datetime(2024, 1, 2)),
    ),
    "zone of user code": (
        datetime(2024, 1, 2, tzinfo=OnlyWithDate()),
        ("timestamp", datetime(2024, 1, 1, 23)),
    ),
    "offset of seconds": (
        datetime(2024, 1, 2, tzinfo=timezone(timedelta(seconds=3))),
        ("timestamp", datetime(2024, 1, 1, 23, 59, 57)),
    ),
    "offset of microseconds": (
        datetime(2024, 1, 2, tzinfo=timezone(timedelta(microseconds=3))),
        ("timestamp", datetime(2024, 1, 1, 23, 59, 59, 999997)),
    ),
    "summer": (
        datetime(2024, 7, 1, 12, tzinfo=ZoneInfo("Europe/Berlin")),
        ("timestamp", datetime(2024, 7, 1, 10)),
    ),
    "second of an hour that comes twice": (
        datetime(2024, 10, 27, 2, 30, tzinfo=ZoneInfo("Europe/Berlin"), fold=1),
        ("timestamp", datetime(2024, 10, 27, 1, 30)),
    ),
    "time with zone": (time(1, 30, tzinfo=PLUS_2), ("time", time(23, 30))),
    "time with zone, past midnight": (time(23, 30, tzinfo=MINUS_2), ("time", time(1, 30))),
    "time with a zone that needs a date": (time(1, 30, tzinfo=OnlyWithDate()), ("time", time(1, 30))),
    "timedelta": (timedelta(days=-1, microseconds=1), ("bigint", -86_399_999_999)),
    "largest timedelta": (timedelta.max, ("wei", Decimal(86_399_999_999_999_999_999))),
    "UUID": (UUID(int=0), ("text", "00000000-0000-0000-0000-000000000000")),
}


@pytest.mark.parametrize("name", BORDERS)
def test_value_has_its_kind_alone_and_among_others(name: str) -> None:
    value, wanted = BORDERS[name]
    assert read_one(value) == wanted
    assert read([None, value, "x", 1]) == [None, wanted, ("text", "x"), ("bigint", 1)]
    assert read([{"l": [value]}]) == [("dict", {"l": ("list", [wanted])})]


def test_decimals_of_any_size_share_a_column() -> None:
    values = [Decimal("9" * 38), Decimal("0." + "9" * 38), Decimal("-1.50"), None]
    assert read(values) == [expected(v) for v in values]


@pytest.mark.parametrize(
    ("values", "type_"),
    [
        ([True], pa.bool_()),
        ([1], pa.int64()),
        ([2**64], pa.decimal256(76, 0)),
        ([1.0], pa.float64()),
        (["a"], pa.string()),
        ([b"a"], pa.binary()),
        ([date.min], pa.date32()),
        ([time()], pa.time64("us")),
        ([datetime.min], pa.timestamp("us")),
        ([datetime.max.replace(tzinfo=UTC)], pa.timestamp("us", "UTC")),
        ([timedelta(1)], pa.int64()),
        ([Decimal("1.25"), Decimal("10.5")], pa.decimal128(4, 2)),
        ([UUID(int=1)], pa.string()),
    ],
)
def test_types_are_those_of_the_raw_format(values: list[Any], type_: pa.DataType) -> None:
    made = one_type(type(values[0]), values)
    kind, settled = settle(values[0])
    if made is None:
        assert kind == "wei"
    else:
        assert made[0] == kind
        assert made[1].type == type_
    if kind != "decimal":
        assert store(kind, [None, settled]).type == type_


def test_a_type_without_a_column_of_its_own_is_none() -> None:
    assert one_type(complex, [1j]) is None


@pytest.mark.parametrize("kind", [str, bytes])
def test_more_text_than_one_array_holds_is_refused(kind: type, monkeypatch: pytest.MonkeyPatch) -> None:
    pieces = pa.chunked_array([["a"], ["b"]])
    monkeypatch.setattr(pa, "array", lambda values, type_: pieces)
    with pytest.raises(Refused, match="more than 2 GiB") as caught:
        one_type(kind, [kind()])
    assert caught.value.hint == "yield smaller pages"


@pytest.mark.parametrize(
    ("code", "type_", "values"),
    [
        ("q", pa.int64(), [0, -1, 2**63 - 1, -(2**63)]),
        ("q", pa.int64(), [1, None, 3]),
        ("d", pa.float64(), [0.1, -0.0, 5e-324, float("inf"), float("nan")]),
        ("d", pa.float64(), [None, 1.5]),
        ("i", pa.int32(), [0, 2**31 - 1]),
        ("i", pa.int32(), []),
    ],
)
def test_packed_numbers_are_what_arrow_makes(code: str, type_: pa.DataType, values: list[Any]) -> None:
    found, wanted = packed(code, type_, values), pa.array(values, type_)
    found.validate(full=True)
    assert str(found.to_pylist()) == str(wanted.to_pylist())
    assert (found.type, found.null_count) == (wanted.type, wanted.null_count)


def test_packed_numbers_too_large_are_refused_as_by_arrow() -> None:
    with pytest.raises(pa.ArrowInvalid):
        packed("i", pa.int32(), [2**31])
    assert one_type(int, [1, 2**63]) is None
