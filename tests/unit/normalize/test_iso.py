"""What ISO 8601 text means."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ladle.normalize.iso import is_iso_timestamp, parse_date, parse_datetime, parse_time

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)

# spec 2.11, and what a black box run of the reference adds to it
ACCEPTED = {
    "2024-01-02T03:04": "2024-01-02T03:04:00", "2024-01-02 03:04": "2024-01-02T03:04:00",
    "2024-01-02T03:04:05.5": "2024-01-02T03:04:05.500000", "2024-01-02T03:04:05+0200": "2024-01-02T01:04:05",
    "20240102T030405Z": "2024-01-02T03:04:05", "2024-W01-1T00:00:00": "2024-01-01T00:00:00",
    "2024-01-02T03": "2024-01-02T03:00:00", "2024-01-02T03:04:05.123456789Z": "2024-01-02T03:04:05.123456",
    "2024-01-02T03:04:05,5Z": "2024-01-02T03:04:05.500000", "2024-01-02T03:04:05+02": "2024-01-02T01:04:05",
    "2024-002T03:04:05": "2024-01-02T03:04:05", "2024W01T0304": "2024-01-01T03:04:00",
    "2024-01T03:04:05": "2024-01-01T03:04:05", "2024/01/02 03:04:05": "2024-01-02T03:04:05",
    "20240102 03:04:05": "2024-01-02T03:04:05", "2024-02-29T03:04:05": "2024-02-29T03:04:05",
    "9999-12-31T23:59:59.999999Z": "9999-12-31T23:59:59.999999", "0001-01-01T00:00:00": "0001-01-01T00:00:00",
    "2024-01-02T03:04:05-00:30": "2024-01-02T03:34:05",
}  # fmt: skip

REJECTED = [
    "2024-01-02T24:00:00Z", "2024-1-2T03:04:05Z", " 2024-01-02T03:04:05Z", "2024-01-02T03:04:05 ",
    "2024-13-01T03:04:05",
    "Tue, 02 Jan 2024 03:04:05 GMT", "2024-01-02", "20240102", "2024", "03:04:05", "12", "", "2024-01-02T",
    "2023-02-29T03:04:05", "2024-01-02T03:04:60Z", "2024-01-02T03:60", "2024-01-02t03:04",
    "2024-01-02T03:04:05z",
    "2024-01-02T03:04:05 +02:00", "2024-01-02T03:04:05+2:00", "2024-01-02T03:04:05+24:00",
    "2024-01-02T03:04:05.",
    "20240102T03:04:05", "2024-01-02T0304", "2024-W54-1T00:00:00", "2024-W01-0T00:00", "2023-366T00:00:00",
    "0000-01-01T00:00:00", "9999-12-31T23:59:59-02:00", "0001-01-01T00:00:00+02:00", "10000-01-01T00:00:00",
    "2024/01/02T03:04:05", "2024/01/02 03:04:05Z", "2024-01-02  03:04", "٢٠٢٤-01-02T03:04:05", "2024-01-02Z",
    "2024-01-02T03:04:05 Europe/Paris", "P1D", "2024-01-02/2024-01-03",
]  # fmt: skip


@pytest.mark.parametrize(("text", "instant"), ACCEPTED.items())
def test_accepted(text: str, instant: str) -> None:
    assert is_iso_timestamp(text)
    count = parse_datetime(text, 6)
    assert count is not None
    assert (EPOCH + count * MICROSECOND).replace(tzinfo=None).isoformat() == instant.removesuffix(".000000")


@pytest.mark.parametrize("text", REJECTED)
def test_rejected(text: str) -> None:
    assert not is_iso_timestamp(text)


@given(st.datetimes(timezones=st.timezones()))
def test_what_python_writes_is_read_back(value: datetime) -> None:
    try:
        expected = (value - EPOCH) // MICROSECOND
    except OverflowError:
        return
    seconds = value.utcoffset()
    in_range = -62135596800 * 10**6 <= expected < 253402300800 * 10**6
    if seconds is not None and seconds % timedelta(minutes=1):
        return  # offsets with seconds are not ISO 8601
    assert parse_datetime(value.isoformat(), 6) == (expected if in_range else None)


@pytest.mark.parametrize(("digits", "count"), [(0, 5), (3, 5123), (9, 5_123_456_789)])
def test_further_digits_are_cut(digits: int, count: int) -> None:
    assert parse_datetime("1970-01-01T00:00:05.1234567899Z", digits) == count


@pytest.mark.parametrize(
    ("text", "day"),
    [("2024-01-02", date(2024, 1, 2)), ("20240102", date(2024, 1, 2)), ("2024-01", date(2024, 1, 1)),
     ("2024-W01-1", date(2024, 1, 1)), ("2024W011", date(2024, 1, 1)), ("2020-W53", date(2020, 12, 28)),
     ("2024-366", date(2024, 12, 31)), ("2024002", date(2024, 1, 2)), ("2024/01/02", date(2024, 1, 2)),
     ("2024", date(2024, 1, 1)), ("2024-1-2", None), ("202401", None), ("2024-02-30", None), ("0000", None),
     ("2024-W53", None), ("2024-01-02T03", None), ("9999-366", None), ("2024-000", None),
     ("2024W01-1", None)],
)  # fmt: skip
def test_dates(text: str, day: date | None) -> None:
    assert parse_date(text) == day


@pytest.mark.parametrize(
    ("text", "clock"),
    [("03:04:05", time(3, 4, 5)), ("03:04", time(3, 4)), ("3:4", time(3, 4)),
     (" 3:04:05.5", time(3, 4, 5, 500000)),
     ("03:04:05.1234567", time(3, 4, 5, 123456)), ("03:04:05,5", time(3, 4, 5, 500000)),
     ("T0304", time(3, 4)),
     ("T030405.5", time(3, 4, 5, 500000)), ("T03", time(3)), ("03:04:05+02:00", time(1, 4, 5)),
     ("03:04Z", time(3, 4)),
     ("23:30:00-02:00", time(1, 30)), ("0304", None), ("03", None), ("24:00", None), ("03:60", None),
     ("3:04Z", None), ("03:04:05 ", None), ("3:04 PM", None), ("", None), ("T", None)],
)  # fmt: skip
def test_times(text: str, clock: time | None) -> None:
    expected = clock and (clock.hour * 3600 + clock.minute * 60 + clock.second) * 10**6 + clock.microsecond
    assert parse_time(text, 6) == expected
