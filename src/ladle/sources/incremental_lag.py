"""Lag: the start of a run is moved back, so that rows that came late are read again."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

from ladle.errors import UsageError
from ladle.sources.incremental_range import LastValueFunc, in_utc

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_FRACTION = re.compile(r"[.,](\d+)")


def lagged(value: Any, lag: float, func: LastValueFunc, initial: Any = None) -> Any:
    """Return a value moved back by the lag, but not beyond the initial value; of the same type.

    Args:
        value: the last value. Text must be an ISO date or datetime, and comes back in the same spelling.
        lag: seconds for datetimes, days for dates, else units.
        func: with `min`, back is up.
        initial: the limit, if any.

    Raises:
        UsageError: a type that has no lag.
    """
    moved = _moved(value, -lag if func is max else lag)
    if initial is None:
        return moved
    try:
        return func((moved, initial))
    except TypeError:
        return initial if func((in_utc(moved), in_utc(initial))) != in_utc(moved) else moved


def _moved(value: Any, by: float) -> Any:
    if isinstance(value, str):
        return _moved_text(value, by)
    if isinstance(value, datetime):
        return value + timedelta(seconds=by)
    if isinstance(value, date):
        return value + timedelta(days=by)
    if isinstance(value, bool):
        raise _no_lag(value)
    if isinstance(value, int):
        exact = Decimal(str(value)) + Decimal(str(by))
        return int(exact) if exact == exact.to_integral_value() else float(exact)
    if isinstance(value, Decimal):
        return value + Decimal(str(by))
    try:
        return value + by
    except TypeError as exc:
        raise _no_lag(value) from exc


def _moved_text(text: str, by: float) -> str:
    if _DATE.fullmatch(text):
        return (date.fromisoformat(text) + timedelta(days=by)).isoformat()
    try:
        moved = datetime.fromisoformat(text.replace("z", "Z")) + timedelta(seconds=by)
    except ValueError as exc:
        raise _no_lag(text) from exc
    return _spelt_like(text, moved)


def _spelt_like(text: str, moved: datetime) -> str:
    """Write a datetime as another text is written: text cursors are compared as text."""
    separator = text[10] if len(text) > 10 and text[4] == "-" else "T"
    fraction = _FRACTION.search(text)
    digits = min(len(fraction[1]), 6) if fraction else 0
    spec = "microseconds" if digits > 3 or (digits == 0 and moved.microsecond) else "milliseconds"
    written = moved.isoformat(sep=separator, timespec=spec if digits or moved.microsecond else "seconds")
    if "-" not in text[:10]:
        written = written.replace("-", "", 2).replace(":", "")
    if text.endswith(("Z", "z")):
        written = re.sub(r"[+-]\d\d:?\d\d$", text[-1], written)
    return written


def _no_lag(value: Any) -> UsageError:
    return UsageError(
        f"a cursor of type `{type(value).__name__}` can't have a lag",
        value=value,
        expected="numbers, dates, datetimes, or text in ISO format such as 2024-01-05T00:00:00Z",
        hint="leave lag out, or cast the cursor in add_map",
    )
