"""The range of cursor values that a run takes: where it starts and ends, and which values are inside."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timezone
from typing import Any

LastValueFunc = Callable[[Any], Any]
Test = Callable[[Any, Any], Any]


@dataclass(frozen=True, slots=True)
class Verdict:
    """Which values of a page are in range. `keep`: True for all, False for none, else a flag for each."""

    keep: Any
    before_start: bool = False
    beyond_end: bool = False


@dataclass(frozen=True, slots=True)
class Range:
    """A range of cursor values.

    Attributes:
        start: None: everything up to `end`.
        end: None: no end.
        func: which of two values is further: `max`, `min`, or the user's, called with `(value,)` or
            `(value, last)`.
        open_start: whether `start` itself is outside.
        closed_end: whether `end` itself is inside.
    """

    start: Any = None
    end: Any = None
    func: LastValueFunc = max
    open_start: bool = False
    closed_end: bool = False

    @property
    def is_ordered(self) -> bool:
        """Whether values only need to be compared: true of `max` and `min`."""
        return self.func is max or self.func is min

    @property
    def is_whole(self) -> bool:
        """Whether it has no bounds."""
        return self.start is None and self.end is None

    def extremes(self, values: Sequence[Any]) -> tuple[Any, Any]:
        """Return the value that comes first in the cursor's direction, and the one that comes last."""
        low, high = min(values), max(values)
        return (high, low) if self.func is min else (low, high)

    def judge(self, first: Any, last: Any, flags: Callable[[Test, Any], Any], both: Test) -> Verdict:
        """Return which values of a page are in range, whatever holds them.

        Args:
            first: of the page, see `extremes`.
            last: of the page.
            flags: called with an operator and a bound where some values are out: a flag for each value.
            both: joins two flags.

        Raises:
            TypeError: values that can't be compared.
        """
        before = self.start is not None and not self._starts(first)
        beyond = self.end is not None and not self._ends(last)
        if (before and not self._starts(last)) or (beyond and not self._ends(first)):
            return Verdict(False, before, beyond)
        if before and beyond:
            inside = both(flags(self._start_test, self.start), flags(self._end_test, self.end))
            return Verdict(inside, before, beyond)
        if before:
            return Verdict(flags(self._start_test, self.start), before, beyond)
        return Verdict(flags(self._end_test, self.end) if beyond else True, before, beyond)

    def judge_each(self, values: Sequence[Any]) -> Verdict:
        """Return which values are in range by a function of the user's, value by value."""
        starts = [self._moves(v) for v in values]
        ends = [self.end is None or self._is_within(v) for v in values]
        keep = list(map(operator.and_, starts, ends))
        return Verdict(True if all(keep) else keep, not all(starts), not all(ends))

    def is_further(self, value: Any, last: Any) -> bool:
        """Whether a value is beyond the last one, with `max` or `min`."""
        if last is None:
            return True
        return bool(value < last) if self.func is min else bool(value > last)

    def _starts(self, value: Any) -> bool:
        return bool(self._start_test(value, self.start))

    def _ends(self, value: Any) -> bool:
        return bool(self._end_test(value, self.end))

    @property
    def _start_test(self) -> Test:
        if self.func is min:
            return operator.lt if self.open_start else operator.le
        return operator.gt if self.open_start else operator.ge

    @property
    def _end_test(self) -> Test:
        if self.func is min:
            return operator.ge if self.closed_end else operator.gt
        return operator.le if self.closed_end else operator.lt

    def _moves(self, value: Any) -> bool:
        if self.start is None or self.func((value, self.start)) != self.start:
            return True
        return bool(value == self.start) and not self.open_start

    def _is_within(self, value: Any) -> bool:
        return bool(self.func((value, self.end)) == self.end) and (self.closed_end or bool(value != self.end))

    def further(self, value: Any, last: Any) -> Any:
        """Return the further of a value and the last one, which is None at first."""
        return self.func((value,)) if last is None else self.func((value, last))


def in_utc(value: Any) -> Any:
    """Return a datetime with UTC where it has no zone; anything else as it is."""
    if isinstance(value, datetime) and value.tzinfo is None:
        return value.replace(tzinfo=UTC)
    return value


def at_fixed_offset(value: Any) -> Any:
    """Return a datetime of a zone with summer time in UTC; anything else as it is.

    Python compares datetimes of one zone by the clock, and those of an hour that comes twice, or never, equal
    none of another zone.
    """
    if not isinstance(value, datetime) or value.tzinfo is None or type(value.tzinfo) is timezone:
        return value
    try:
        return value.astimezone(UTC)
    except OverflowError:  # in UTC it is before the year 1, or after 9999
        return value
