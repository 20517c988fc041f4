"""Windows of a backfill: they cover the range exactly, without overlap."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ladle.errors import UsageError
from ladle.state.windows import windows

BERLIN = ZoneInfo("Europe/Berlin")


def cuts(*args: Any) -> list[Any]:
    made = windows(*args)
    return [w.start for w in made] + [made[-1].end] if made else []


@pytest.mark.parametrize(
    ("start", "end", "step", "expected"),
    [
        (0, 10, 4, [0, 4, 8, 10]),
        (0, 8, 4, [0, 4, 8]),
        (0, 3, 10, [0, 3]),
        (5, 5, 1, []),
        (0.0, 0.3, 0.1, [0.0, 0.1, 0.2, 0.3]),
        (Decimal(0), Decimal("0.3"), "0.1", None),
        (Decimal(0), Decimal("0.3"), Decimal("0.1"), [Decimal(0), Decimal("0.1"), Decimal("0.2"), Decimal("0.3")]),
        (date(2024, 1, 1), date(2024, 1, 4), timedelta(days=2), [date(2024, 1, 1), date(2024, 1, 3), date(2024, 1, 4)]),
        (
            date(2024, 1, 31),
            date(2024, 4, 30),
            "month",
            [date(2024, 1, 31), date(2024, 2, 29), date(2024, 3, 31), date(2024, 4, 30)],
        ),
        (date(2024, 2, 29), date(2026, 3, 1), "year", [date(2024, 2, 29), date(2025, 2, 28), date(2026, 2, 28), date(2026, 3, 1)]),
        (datetime(2024, 1, 1), datetime(2024, 1, 1, 12), "6 hours", [datetime(2024, 1, 1), datetime(2024, 1, 1, 6), datetime(2024, 1, 1, 12)]),
        (date(2024, 1, 1), date(2024, 7, 1), "quarter", [date(2024, 1, 1), date(2024, 4, 1), date(2024, 7, 1)]),
    ],
)  # fmt: skip
def test_cuts(start: Any, end: Any, step: Any, expected: list[Any] | None) -> None:
    if expected is None:
        with pytest.raises(UsageError, match="can't have the step"):
            windows(start, end, step)
    else:
        assert cuts(start, end, step) == expected


def test_hours_pass_and_days_follow_the_wall_clock_when_clocks_change() -> None:
    start, end = datetime(2024, 10, 27, tzinfo=BERLIN), datetime(2024, 10, 28, tzinfo=BERLIN)
    assert len(windows(start, end, "hour")) == 25
    assert len(windows(start, end, "day")) == 1
    passed = [c.astimezone(UTC) for c in cuts(start, end, timedelta(hours=1))]
    assert {b - a for a, b in pairwise(passed)} == {timedelta(hours=1)}


@pytest.mark.parametrize(
    ("start", "end", "step", "match"),
    [
        (0, 10, 0, "above 0"),
        (0, 10, -1, "above 0"),
        (0, 10, 0.5, "whole number"),
        (0, 10, "day", "a number"),
        (0, 10**9, 1, "at most 100,000 windows"),
        (1e300, 2e300, 1.0, "make a difference"),
        (10, 0, 1, "ends before it starts"),
        (0.0, float("inf"), 1.0, "or never"),
        ("a", "b", 1, "range of `str`"),
        (0, "b", 1, "from `int` to `str`"),
        (True, 3, 1, "range of `bool`"),
        (datetime(2024, 1, 1), datetime(2024, 1, 2, tzinfo=UTC), "day", "time zone"),
        (date(2024, 1, 1), date(2024, 1, 2), "hour", "days or longer"),
        (date(2024, 1, 1), date(2024, 1, 2), timedelta(hours=1), "whole days"),
        (date(2024, 1, 1), date(2024, 1, 2), "fortnight", "such as `day`"),
        (date(2024, 1, 1), date(2024, 1, 2), 1, "a timedelta"),
    ],
)
def test_what_can_not_be_cut_says_why(start: Any, end: Any, step: Any, match: str) -> None:
    with pytest.raises(UsageError, match=match):
        windows(start, end, step)


numbers = st.integers(-(10**12), 10**12)
decimals = st.decimals(-1000, 1000, places=3)
datetimes = st.datetimes(
    datetime(1990, 1, 1), datetime(2030, 1, 1), timezones=st.sampled_from([None, UTC, BERLIN])
)


@given(
    st.one_of(
        st.tuples(numbers, st.integers(0, 10**6), st.integers(50, 10**6)),
        st.tuples(decimals, decimals.map(abs), st.decimals("0.5", 100, places=2)),
        st.tuples(datetimes, st.timedeltas(timedelta(0), timedelta(days=90)), st.timedeltas(timedelta(hours=1), timedelta(days=99))),
        st.tuples(datetimes, st.timedeltas(timedelta(0), timedelta(days=90)), st.sampled_from(["day", "5 hours", "week", "2 months"])),
    ),
)  # fmt: skip
def test_windows_cover_the_range_without_overlap(case: tuple[Any, Any, Any]) -> None:
    start, length, step = case
    end = start + length
    made = windows(start, end, step)
    if not made:
        assert start == end
        return
    assert made[0].start == start
    assert made[-1].end == end
    assert all(a.end == b.start and a.end is b.start for a, b in pairwise(made))
