"""Show how a run goes on: bars in a terminal, lines in a log, or any collector of the user's."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable
from typing import Any

from ladle.errors import UsageError
from ladle.events import Emit, Event, Notice, Progress, StepDone, StepStarted

_LOG = logging.getLogger("ladle")
_BARS = ("rich", "tqdm", "enlighten", "alive_progress")


def collector(progress: Any) -> Emit:
    """Return a function that hears events, from what a user gives as `progress`.

    Args:
        progress: None; `"log"`; `"rich"` (also under the names `tqdm`, `enlighten`, `alive_progress`); a
            function of one event; or an object with `update(name, inc)`.

    Raises:
        UsageError: anything else.
    """
    if progress is None:
        return _notices_only
    if progress == "log":
        return LogProgress()
    if progress in _BARS:
        return RichProgress()
    if hasattr(progress, "update"):
        return _to_update(progress.update)
    if callable(progress):
        return progress  # type: ignore[no-any-return]
    raise UsageError.unknown_choice("progress", progress, ("log", *_BARS))


def _notices_only(event: Event) -> None:
    if isinstance(event, Notice):
        _LOG.warning("%s", event.text)


def _to_update(update: Callable[..., Any]) -> Emit:
    def emit(event: Event) -> None:
        _notices_only(event)
        if isinstance(event, Progress):
            update(event.name, event.count)

    return emit


class LogProgress:
    """Tells the rows of each resource and table, at most once in `period_s` seconds, and each step's end.

    To the logger `ladle` where it is set to INFO, else to standard output.
    """

    def __init__(self, period_s: float = 1.0) -> None:
        self._period_s = period_s
        self._counts: dict[tuple[str, str], int] = {}
        self._last = 0.0

    def __call__(self, event: Event) -> None:
        """Take one event."""
        _notices_only(event)
        if isinstance(event, Progress):
            key = (event.step, event.name)
            self._counts[key] = self._counts.get(key, 0) + event.count
            if time.monotonic() - self._last >= self._period_s:
                self._flush()
        elif isinstance(event, StepDone):
            self._flush()
            self._line(f"{event.step} done")
            self._counts.clear()

    def _line(self, text: str) -> None:
        if _LOG.isEnabledFor(logging.INFO):
            _LOG.info("%s", text)
        else:  # nobody listens to the log: who asks for progress wants to see it
            sys.stdout.write(f"{text}\n")

    def _flush(self) -> None:
        self._last = time.monotonic()
        for (step, name), count in self._counts.items():
            self._line(f"{step} {name}: {count:,} rows")


class RichProgress:
    """Bars in the terminal: one line per step and resource or table, with rows and rows per second."""

    def __init__(self) -> None:
        self._display: Any = None
        self._tasks: dict[tuple[str, str], Any] = {}
        self._open_steps = 0

    def __call__(self, event: Event) -> None:
        """Take one event."""
        _notices_only(event)
        if isinstance(event, StepStarted):
            self._open_steps += 1
            self._start()
        elif isinstance(event, Progress) and self._display is not None:
            self._advance(event)
        elif isinstance(event, StepDone):
            self._open_steps -= 1
            if self._open_steps <= 0:
                self._stop()

    def _start(self) -> None:
        if self._display is None:
            from rich import progress as rich

            columns = (
                rich.TextColumn("{task.description:<34}"),
                rich.TextColumn("{task.completed:>10,.0f} rows"),
            )
            self._display = rich.Progress(rich.SpinnerColumn(), *columns, rich.TimeElapsedColumn())
            self._display.start()

    def _advance(self, event: Progress) -> None:
        key = (event.step, event.name)
        if key not in self._tasks:
            self._tasks[key] = self._display.add_task(f"{event.step:<10} {event.name}", total=None)
        self._display.advance(self._tasks[key], event.count)

    def _stop(self) -> None:
        if self._display is not None:
            self._display.stop()
        self._display, self._tasks, self._open_steps = None, {}, 0
