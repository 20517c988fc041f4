"""A range cut into windows, one for each load of a backfill; and which of them are still to do."""

from __future__ import annotations

import calendar
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

from ladle.errors import UsageError

MAX_WINDOWS = 100_000

_CALENDAR = re.compile(r"(?:(\d+)\s*)?(hour|day|week|month|quarter|year)s?")
_MONTHS = {"month": 1, "quarter": 3, "year": 12}
_FIXED = {"hour": timedelta(hours=1), "day": timedelta(days=1), "week": timedelta(weeks=1)}


@dataclass(frozen=True, slots=True)
class Window:
    """A half-open range: `start` is inside, `end` is not."""

    start: Any
    end: Any


def windows(start: Any, end: Any, step: Any) -> tuple[Window, ...]:
    """Cut `[start, end)` into windows that don't overlap and cover it exactly; the last may be shorter.

    Args:
        start: int, float, Decimal, date or datetime.
        end: of the same type; not before `start`. With `end == start` there are no windows.
        step: a number for numbers, a timedelta for dates and datetimes, or text such as `day`, `6 hours`,
            `3 months`, `quarter`. Months keep the day where they have it: from the 31st to the 30th and back.
            With a time zone, hours are hours that pass; days and longer go by the clock on the wall.

    Raises:
        UsageError: types that don't go together, a step that isn't positive, or more than 100,000 windows.
    """
    _check(start, end)
    move = _mover(start, step)
    cuts = [start]
    if _at(end) == _at(start):
        return ()
    while True:
        following = move(len(cuts))
        if not _at(following) > _at(cuts[-1]):
            raise _no_step(step, "a step above 0, large enough to make a difference")
        if _at(following) >= _at(end):
            break
        cuts.append(following)
        if len(cuts) > MAX_WINDOWS:
            raise _no_step(step, f"at most {MAX_WINDOWS:,} windows from `{start}` to `{end}`")
    cuts.append(end)
    return tuple(Window(a, b) for a, b in pairwise(cuts))


def _at(value: Any) -> Any:
    """Return what compares as an instant: datetimes of one zone compare by the clock on the wall."""
    return value.astimezone(UTC) if isinstance(value, datetime) and value.tzinfo else value


def _check(start: Any, end: Any) -> None:
    if not isinstance(start, (int, float, Decimal, date)) or isinstance(start, bool):
        raise UsageError(
            f"a range of `{type(start).__name__}` can't be cut into windows",
            expected="int, float, Decimal, date or datetime",
        )
    try:
        backwards = _at(end) < _at(start)
    except TypeError as exc:
        raise UsageError(
            f"a range from `{type(start).__name__}` to `{type(end).__name__}` can't be cut into windows",
            expected="both of one type, and both with or both without time zone",
        ) from exc
    if backwards or (isinstance(start, float) and not (math.isfinite(start) and math.isfinite(end))):
        raise UsageError(f"the range from `{start}` to `{end}` ends before it starts, or never")


def _mover(start: Any, step: Any) -> Callable[[int], Any]:
    """Return what gives the n-th cut: from the start each time, so that nothing adds up."""
    if not isinstance(start, date):
        return _number_mover(start, step)
    if isinstance(step, timedelta):
        if not isinstance(start, datetime) and step % timedelta(days=1):
            raise _no_step(step, "whole days, as the range is of dates")
        return _fixed_mover(start, step)
    count, unit = _calendar(step)
    if unit in _MONTHS:
        return lambda n: _plus_months(start, n * count * _MONTHS[unit])
    if unit == "hour":
        if not isinstance(start, datetime):
            raise _no_step(step, "days or longer, as the range is of dates")
        return _fixed_mover(start, count * _FIXED[unit])
    return lambda n: start + n * count * _FIXED[unit]


def _number_mover(start: Any, step: Any) -> Callable[[int], Any]:
    if isinstance(step, bool) or not isinstance(step, (int, float, Decimal)):
        raise _no_step(step, "a number, as the range is of numbers")
    if isinstance(start, int) and not isinstance(step, int):
        raise _no_step(step, "a whole number, as the range is of whole numbers")
    if isinstance(start, Decimal):
        exact = Decimal(str(step))
        return lambda n: start + n * exact
    if isinstance(start, float):
        return lambda n: start + n * float(step)
    return lambda n: start + n * step


def _fixed_mover(start: Any, step: timedelta) -> Callable[[int], Any]:
    if isinstance(start, datetime) and start.tzinfo is not None:
        passed, zone = start.astimezone(UTC), start.tzinfo
        return lambda n: (passed + n * step).astimezone(zone)
    return lambda n: start + n * step


def _calendar(step: Any) -> tuple[int, str]:
    found = _CALENDAR.fullmatch(step.strip().lower()) if isinstance(step, str) else None
    if found is None:
        raise _no_step(step, "a timedelta, or text such as `day`, `6 hours`, `3 months`, `quarter`")
    return int(found[1] or 1), found[2]


def _plus_months(start: Any, months: int) -> Any:
    year, month = divmod(start.year * 12 + start.month - 1 + months, 12)
    return start.replace(
        year=year, month=month + 1, day=min(start.day, calendar.monthrange(year, month + 1)[1])
    )


def _no_step(step: Any, expected: str) -> UsageError:
    return UsageError(f"windows can't have the step `{step}`", expected=expected)
