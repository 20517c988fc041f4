"""The interval of time that a scheduler wants to have loaded: from a context, the environment, or Airflow."""

from __future__ import annotations

import os
import sys
from contextvars import ContextVar, Token
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from ladle.errors import ConfigError

Interval = tuple[datetime, datetime]

_PREFIXES = ("LADLE_INTERVAL_", "DLT_INTERVAL_")


@dataclass(frozen=True)
class TimeIntervalContext:
    """An interval for all that runs inside of `with`.

    ```
    with TimeIntervalContext(interval=(start, end), allow_external_schedulers=True):
        pipeline.run(source)
    ```

    Attributes:
        interval: start, inside, and end, outside; without zone they are UTC.
        allow_external_schedulers: whether cursors that don't ask for an interval get it too.
    """

    interval: Interval | None = None
    allow_external_schedulers: bool = False
    _tokens: list[Token[TimeIntervalContext | None]] = field(default_factory=list, compare=False, repr=False)

    def __enter__(self) -> TimeIntervalContext:
        self._tokens.append(_CONTEXT.set(self))
        return self

    def __exit__(self, *exc: object) -> None:
        _CONTEXT.reset(self._tokens.pop())


_CONTEXT: ContextVar[TimeIntervalContext | None] = ContextVar("interval", default=None)


def everyone_joins() -> bool:
    """Whether the context gives its interval to all cursors."""
    context = _CONTEXT.get()
    return context is not None and context.interval is not None and context.allow_external_schedulers


def interval() -> Interval | None:
    """Return the interval in force, or None: that of the context, the environment, or the Airflow task.

    Raises:
        ConfigError: one that can't be read.
    """
    context = _CONTEXT.get()
    if context is not None and context.interval is not None:
        return _aware(context.interval, UTC)
    return _of_environment() or _of_airflow()


def _aware(bounds: Interval, zone: tzinfo) -> Interval:
    start, end = (b if b.tzinfo else b.replace(tzinfo=zone) for b in bounds)
    if end < start:
        raise ConfigError(f"the interval ends before it starts: {start} to {end}", expected="start, then end")
    return start, end


def _of_environment() -> Interval | None:
    start, end = _variable("START"), _variable("END")
    if start is None and end is None:
        return None
    if start is None or end is None:
        raise ConfigError(
            "only one end of the interval is set", expected="LADLE_INTERVAL_START and LADLE_INTERVAL_END"
        )
    name = _variable("TIMEZONE")
    try:
        zone = ZoneInfo(name) if name else UTC
    except (ZoneInfoNotFoundError, ValueError) as exc:
        raise ConfigError(
            f"LADLE_INTERVAL_TIMEZONE: `{name}` is no time zone", expected="a name such as Europe/Berlin"
        ) from exc
    return _aware((_parsed("START", start), _parsed("END", end)), zone)


def _variable(name: str) -> str | None:
    return next((found for p in _PREFIXES if (found := os.environ.get(p + name))), None)


def _parsed(name: str, text: str) -> datetime:
    try:
        return datetime.fromisoformat(text)
    except ValueError as exc:
        raise ConfigError(
            f"LADLE_INTERVAL_{name}: `{text}` is no datetime",
            expected="ISO 8601, such as 2024-01-15T00:00:00Z",
        ) from exc


def _of_airflow() -> Interval | None:
    # Inside of a task Airflow is imported; importing it here would take seconds everywhere else.
    context = _airflow_context()
    if not context:
        return None
    start, end = context.get("data_interval_start"), context.get("data_interval_end")
    return _aware((start, end), UTC) if start is not None and end is not None else None


def _airflow_context() -> Any:
    for name in ("airflow.sdk", "airflow.operators.python"):
        module = sys.modules.get(name)
        current = getattr(module, "get_current_context", None)
        if current is None:
            continue
        try:
            return current()
        except Exception:  # noqa: BLE001 - Airflow raises its own error outside of a task
            return None
    return None
