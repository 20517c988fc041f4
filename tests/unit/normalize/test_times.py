"""Timestamps, dates and times of day on Arrow arrays."""

from __future__ import annotations

from datetime import UTC, date, datetime, time

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ladle.normalize import times

UTC_US = pa.timestamp("us", "UTC")
NAIVE_US = pa.timestamp("us")
UNITS = ("s", "ms", "us", "ns")
PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}


def counts(array: pa.Array) -> list[int | None]:
    found: list[int | None] = array.view(pa.int64()).to_pylist()
    return found


@given(
    st.lists(st.integers(-(2**63), 2**63 - 1)), st.sampled_from(UNITS), st.sampled_from(UNITS), st.booleans()
)
def test_units(values: list[int], source: str, target: str, cut: bool) -> None:
    array = pa.array(values, pa.int64()).view(pa.timestamp(source, "UTC"))
    found = times.to_timestamp(array, pa.timestamp(target), cut)
    assert found.type == pa.timestamp(target)
    have, want = PER_SECOND[source], PER_SECOND[target]
    limit = (2**63 - 1) // max(want // have, 1)
    for value, count in zip(values, counts(found), strict=True):
        lossless = value * want % have == 0 if want <= have else -limit <= value <= limit
        assert count == (value * want // have if lossless or (cut and want <= have) else None)


def test_dates_and_midnights_are_each_other() -> None:
    days = pa.array([date(1, 1, 1), date(1969, 12, 31), date(9999, 12, 31), None])
    for arrow in (UTC_US, NAIVE_US, pa.timestamp("s")):
        instants = times.date_to_timestamp(days, arrow)
        assert instants.type == arrow
        assert times.timestamp_to_date(instants).equals(days)


@pytest.mark.parametrize("count", [-1, 1, 86_399_999_999])
def test_other_instants_are_no_dates(count: int) -> None:
    assert times.timestamp_to_date(pa.array([count]).view(UTC_US)).to_pylist() == [None]


def test_a_day_beyond_nanoseconds_is_no_timestamp_in_nanoseconds() -> None:
    found = times.date_to_timestamp(pa.array([date(9999, 1, 1)]), pa.timestamp("ns"))
    assert found.to_pylist() == [None]


def test_times_of_day_in_other_units() -> None:
    assert times.time_to_time(pa.array([1], pa.time32("s"))).to_pylist() == [time(0, 0, 1)]
    assert times.time_to_time(pa.array([1000, 1001], pa.time64("ns"))).to_pylist() == [time(0, 0, 0, 1), None]


@pytest.mark.parametrize(
    ("seconds", "year"),
    [(0, 1970), (-62135596800, 1), (-62135596801, None), (253402300799, 9999), (253402300800, None),
     (2**63 - 1, None)],
)  # fmt: skip
def test_epoch_seconds_within_years_1_to_9999(seconds: int, year: int | None) -> None:
    found = times.int_to_timestamp(pa.array([seconds]), UTC_US)[0].as_py()
    assert (found and found.year) == year


def test_epoch_seconds_beyond_nanoseconds() -> None:
    found = times.int_to_timestamp(pa.array([9_223_372_036, 9_223_372_037]), pa.timestamp("ns"))
    assert counts(found) == [9_223_372_036 * 10**9, None]


@pytest.mark.parametrize(
    ("seconds", "microseconds"),
    [(1.5, 1_500_000), (0.1, 100_000), (1700000000.123456, 1700000000123456), (1.0000006, 1_000_001),
     (-1.5, -1_500_000), (1763878999.7654321, 1763878999765432), (1e18, None), (float("nan"), None)],
)  # fmt: skip
def test_doubles_are_epoch_seconds(seconds: float, microseconds: int | None) -> None:
    array = pa.array([seconds, 0.0])
    assert counts(times.double_to_timestamp(array, UTC_US)) == [microseconds, 0]


# as many ways through the code as there are lists: alone, and beside text that Arrow's cast refuses
BESIDE = [[], ["2024-01-02T03:04:05Z"], ["2024-01-02T03:04:05"], ["n/a"], ["12"], [None]]


@pytest.mark.parametrize("beside", BESIDE)
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-01-02T03:04:05.5+02:00", datetime(2024, 1, 2, 1, 4, 5, 500000, UTC)),
        ("2024-01-02 03:04:05", datetime(2024, 1, 2, 3, 4, 5, 0, UTC)),
        ("2024-01-02", datetime(2024, 1, 2, tzinfo=UTC)),
        ("2024-02-29T00:00:00Z", datetime(2024, 2, 29, tzinfo=UTC)),
        ("9999-12-31T23:59:59Z", datetime(9999, 12, 31, 23, 59, 59, 0, UTC)),
        ("2024-01-02T03:04:05.123456789-0030", datetime(2024, 1, 2, 3, 34, 5, 123456, UTC)),
        ("20240102", datetime(2024, 1, 2, tzinfo=UTC)),
        ("2024", datetime(2024, 1, 1, tzinfo=UTC)),
        ("20241301", datetime(1970, 8, 23, 6, 35, 1, 0, UTC)),
        (" 12 ", datetime(1970, 1, 1, 0, 0, 12, 0, UTC)),
        ("1700000000.25", datetime(2023, 11, 14, 22, 13, 20, 250000, UTC)),
        ("1e3", datetime(1970, 1, 1, 0, 16, 40, 0, UTC)),
        ("1_0", datetime(1970, 1, 1, 0, 0, 10, 0, UTC)),
        ("0000-01-01T00:00:00Z", None),
        ("9999-12-31T23:59:59-02:00", None),
        ("2023-02-29T00:00:00Z", None),
        ("253402300800", None),
        ("0x10", None),
        ("03:04:05", None),
        ("abc", None),
    ],
)
def test_text(text: str, expected: datetime | None, beside: list[str | None]) -> None:
    found = times.text_to_timestamp(pa.array([*beside, text], pa.string()), UTC_US)
    assert found[-1].as_py() == expected


@pytest.mark.parametrize("beside", BESIDE)
def test_text_keeps_nanoseconds_where_the_column_has_them(beside: list[str | None]) -> None:
    text = ["2024-01-02T03:04:05.1234567891Z", "1.123456789", "2300-01-01T00:00:00Z", "0001-01-01"]
    found = times.text_to_timestamp(pa.array([*text, *beside], pa.string()), pa.timestamp("ns", "UTC"))
    assert counts(found)[:4] == [1704164645123456789, 1123456789, None, None]


def test_text_is_cut_to_a_coarser_column() -> None:
    found = times.text_to_timestamp(pa.array(["1969-12-31T23:59:59.9Z"]), pa.timestamp("s"))
    assert counts(found) == [-1]


@pytest.mark.parametrize(
    ("text", "day"),
    [("2024-01-02", date(2024, 1, 2)), ("2024-01-02T00:00:00Z", date(2024, 1, 2)),
     ("2024-W01", date(2024, 1, 1)),
     ("2024-01-02T02:00:00+02:00", date(2024, 1, 2)), ("2024-01-02T00:00:00+02:00", None),
     ("86400", date(1970, 1, 2)),
     ("86401", None), ("2024-01-02T00:00:00.000000000Z", date(2024, 1, 2)),
     ("2024-01-02T00:00:00.0000001Z", None),
     ("0000-01-01", None), ("x", None)],
)  # fmt: skip
@pytest.mark.parametrize("beside", ["2024-01-02", "n/a"])
def test_text_is_a_date_only_at_midnight_in_utc(text: str, day: date | None, beside: str) -> None:
    assert times.text_to_date(pa.array([text, beside]))[0].as_py() == day


def test_text_as_time_of_day() -> None:
    text = pa.array(["03:04", "03:04:05.5", "3:4", "03:04:05+02:00", "T0304", "24:00", "x", None, ""])
    expected = [
        time(3, 4),
        time(3, 4, 5, 500000),
        time(3, 4),
        time(1, 4, 5),
        time(3, 4),
        None,
        None,
        None,
        None,
    ]
    assert times.text_to_time(text).to_pylist() == expected
