"""Bounds of a cursor from outside: converted from text of a setting, or from a scheduler's interval."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from ladle.errors import ExternalSchedulerNotAvailable, JoinSchedulerError, UsageError
from ladle.sources.incremental_range import in_utc
from ladle.sources.interval import interval


def converted(name: str, value: Any, kind: Any) -> Any:
    """Return a bound as written in a setting in the declared type of the cursor.

    Raises:
        UsageError: it isn't one.
    """
    read = _FROM_TEXT.get(kind)
    if read is None or value is None or (type(value) is kind):
        return value
    try:
        return read(value)
    except (ValueError, TypeError, InvalidOperation) as exc:
        raise UsageError(
            f"{name} of an incremental can't be `{value!r}`", expected=f"a value of type {kind.__name__}"
        ) from exc


def _datetime(value: Any) -> datetime:
    if isinstance(value, date) and not isinstance(value, datetime):
        return datetime(value.year, value.month, value.day)  # noqa: DTZ001 - without zone, as a date has none
    return value if isinstance(value, datetime) else datetime.fromisoformat(value)


_FROM_TEXT: dict[Any, Callable[[Any], Any]] = {
    int: int,
    float: float,
    Decimal: lambda value: Decimal(str(value)),
    datetime: _datetime,
    date: lambda value: value.date() if isinstance(value, datetime) else date.fromisoformat(str(value)),
    str: str,
}


def joined(kind: Any, initial: Any, end: Any, resource: str) -> tuple[Any, Any]:
    """Return the bounds that the scheduler's interval and the cursor's own bounds have in common.

    Args:
        kind: type of the cursor; `Any` counts as datetime.
        initial: the cursor's own start, or None.
        end: the cursor's own end, or None.
        resource: for messages.

    Raises:
        ExternalSchedulerNotAvailable: no interval is set.
        JoinSchedulerError: a type that no time converts to.
    """
    found = interval()
    if found is None:
        raise ExternalSchedulerNotAvailable(
            "the cursor takes its range from a scheduler, and no interval was found",
            resource=resource,
            expected="LADLE_INTERVAL_START and LADLE_INTERVAL_END, a TimeIntervalContext, or an Airflow task",
            hint="leave allow_external_schedulers out to carry on from the stored state",
        )
    start, stop = (_as_cursor(bound, kind, initial, resource) for bound in found)
    if initial is not None and in_utc(initial) > in_utc(start):
        start = initial
    if end is not None and in_utc(end) < in_utc(stop):
        stop = end
    return start, stop if in_utc(stop) > in_utc(start) else start


def _as_cursor(bound: datetime, kind: Any, initial: Any, resource: str) -> Any:
    convert = _FROM_INTERVAL.get(datetime if kind is Any else kind)
    if convert is None:
        raise JoinSchedulerError(
            f"an interval of time can't be turned into a cursor of type `{getattr(kind, '__name__', kind)}`",
            resource=resource,
            expected="a cursor of type datetime, date, int, float or Decimal (these in seconds since 1970)",
            hint="declare the type: incremental[int](...), and cast the cursor in add_map",
        )
    if isinstance(initial, datetime) and initial.tzinfo is None:
        return bound.astimezone(UTC).replace(tzinfo=None)
    return convert(bound)


_FROM_INTERVAL: dict[Any, Callable[[datetime], Any]] = {
    datetime: lambda bound: bound,
    date: lambda bound: bound.date(),
    int: lambda bound: int(bound.timestamp()),
    float: lambda bound: bound.timestamp(),
    Decimal: lambda bound: Decimal(str(bound.timestamp())),
}
