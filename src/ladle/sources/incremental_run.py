"""A cursor in a run: filters pages of rows and moves on with what it lets through."""

from __future__ import annotations

import logging
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from itertools import compress, repeat
from typing import Any

from ladle.errors import (
    IncrementalCursorInvalidCoercion,
    IncrementalCursorPathHasValueNone,
    IncrementalCursorPathMissing,
)
from ladle.sources.incremental_boundary import Boundary
from ladle.sources.incremental_path import MISSING, CursorPath, Missing
from ladle.sources.incremental_range import Range, at_fixed_offset, in_utc

_LOG = logging.getLogger("ladle")
_SIMPLE = frozenset((int, str, datetime, date, Decimal))

RowsAt = Callable[[Sequence[int]], Sequence[Any]]


@dataclass(frozen=True, slots=True)
class Cursor:
    """What is fixed in a run: the resource's name, the path, and the policy for rows without cursor."""

    resource: str
    path: CursorPath
    on_missing: str = "raise"

    def missing(self, value: Any, row: int, present: Sequence[str] = ()) -> Exception:
        """Return the error for a row without cursor."""
        place = {"resource": self.resource, "column": self.path.text, "row": row}
        if value is MISSING:
            near = (
                f"one of {', '.join(present[:10])}" if present else "the names that rows have in the source"
            )
            return IncrementalCursorPathMissing(
                f"a row has nothing at the cursor path `{self.path.text}`",
                **place,
                expected=near,
                hint='on_cursor_value_missing="include" or "exclude" keeps or drops such rows',
            )
        return IncrementalCursorPathHasValueNone(
            f"the cursor `{self.path.text}` of a row is {value}",
            **place,
            expected="a value in every row",
            hint='on_cursor_value_missing="include" or "exclude" keeps or drops such rows',
        )

    def unfit(self, value: Any, other: Any, row: int) -> IncrementalCursorInvalidCoercion:
        """Return the error for a value that can't be compared with another."""
        return IncrementalCursorInvalidCoercion(
            f"the cursor `{self.path.text}` is `{type(value).__name__}` in one row, "
            f"and `{type(other).__name__}` before it or in its bounds",
            resource=self.resource,
            column=self.path.text,
            row=row,
            value=value,
            other=other,
            expected="one type that can be compared, in all rows and in initial_value and end_value",
            hint="cast it in add_map, or give initial_value in the type of the rows",
        )


class CursorRun:
    """The moving part of a cursor: the last value and the rows that have it.

    Args:
        cursor: what is fixed.
        bounds: what is let through; its start has the lag in it.
        last: where the run before ended.
        boundary: finds repeated rows; None: they aren't looked for.
        order: `asc` or `desc`, as the source is said to be sorted.
    """

    def __init__(
        self,
        cursor: Cursor,
        bounds: Range,
        last: Any,
        boundary: Boundary | None,
        order: str | None = None,
    ) -> None:
        self.cursor = cursor
        start, end = at_fixed_offset(bounds.start), at_fixed_offset(bounds.end)
        self.bounds = replace(bounds, start=start, end=end)
        self.last = at_fixed_offset(last)
        self.boundary = boundary
        self.took_any = False
        self.before_start = False
        self.beyond_end = False
        self.rows_seen = 0
        self.left_out = 0
        self.is_disordered = False
        self._order = order
        self._reached: Any = None

    def rows(self, rows: list[Any]) -> list[Any]:
        """Return the rows of a page that are let through; the page itself where all are.

        Raises:
            DataError: a row without cursor, or cursors that can't be compared; names the row.
        """
        if not rows:
            return rows
        keep = self.keep(self.cursor.path.values(rows), lambda indices: [rows[i] for i in indices])
        if keep is True:
            return rows
        kept = list(compress(rows, keep)) if keep else []
        self.left_out += len(rows) - len(kept)
        return kept

    def covers(self, row: Any) -> bool:
        """Whether a row that a model refused is in range; where that can't be told it is. Nothing moves."""
        bounds = self.bounds
        if not isinstance(row, dict) or not bounds.is_ordered or bounds.is_whole:
            return True
        (value,) = self.cursor.path.values((row,))
        if value is MISSING or value is None:
            return True
        value = at_fixed_offset(value)
        try:
            return bounds.judge(value, value, _never, _never).keep is True
        except TypeError:
            return True

    def row(self, row: Any) -> bool:
        """Whether a single row is let through; as `rows`, and faster for one."""
        bounds = self.bounds
        (value,) = self.cursor.path.values((row,))
        if type(value) not in _SIMPLE or not bounds.is_ordered:
            return bool(self.rows([row]))
        value = at_fixed_offset(value) if type(value) is datetime else value
        try:
            self.in_order(value, value)
            kept = bounds.is_whole or bounds.judge(value, value, _never, _never).keep is True
            further = self.last is None or bounds.is_further(value, self.last)
        except TypeError:
            return bool(self.rows([row]))
        if not kept or (self.looks_back and value == bounds.start):
            return bool(self.rows([row]))  # notes why
        if further:
            self.last = value
        if self.boundary is not None and (further or value == self.last):
            if further:
                self.boundary.restart()
            self.boundary.add((row,))
        self.rows_seen += 1
        self.took_any = True
        return True

    def keep(self, values: list[Any], rows_at: RowsAt) -> bool | list[bool]:
        """Return which of the values are let through, and move on. `rows_at` gives rows by their indices."""
        gaps = _gaps(values)
        try:
            flags = self._keep_with_gaps(values, gaps, rows_at) if gaps else self._keep(values, rows_at)
        finally:
            self.rows_seen += len(values)
        self.took_any = self.took_any or bool(flags if flags is True else flags and any(flags))
        return flags

    def _keep_with_gaps(self, values: list[Any], gaps: list[int], rows_at: RowsAt) -> list[bool]:
        cursor = self.cursor
        if cursor.on_missing == "raise":
            row = rows_at(gaps[:1])[0]
            names = [str(name) for name in row] if isinstance(row, dict) else []
            raise cursor.missing(values[gaps[0]], self.rows_seen + gaps[0], names)
        flags = [True] * len(values)
        for gap in gaps:
            flags[gap] = False
        present = list(compress(range(len(values)), flags))
        found: bool | list[bool] = True
        if present:
            found = self._keep([values[i] for i in present], lambda ix: rows_at([present[i] for i in ix]))
        result = [cursor.on_missing == "include"] * len(values)
        for index, flag in zip(present, repeat(found) if isinstance(found, bool) else found, strict=False):
            result[index] = flag
        return result

    def _keep(self, values: list[Any], rows_at: RowsAt) -> bool | list[bool]:
        if isinstance(values[0], datetime):
            values = list(map(at_fixed_offset, values))
        try:
            return self._take(values, rows_at)
        except TypeError:
            aligned = [in_utc(v) for v in values]
            self.in_utc()
        try:
            return self._take(aligned, rows_at)
        except TypeError as exc:
            raise self._unfit(aligned) from exc

    def in_utc(self) -> None:
        """Give UTC to bounds without zone: rows have datetimes with zone as well as without."""
        self.bounds = replace(self.bounds, start=in_utc(self.bounds.start), end=in_utc(self.bounds.end))
        self.last = in_utc(self.last)

    def _unfit(self, values: list[Any]) -> IncrementalCursorInvalidCoercion:
        known = [v for v in (self.bounds.start, self.bounds.end, self.last) if v is not None]
        for row, value in enumerate(values):
            for other in known:
                try:
                    self.bounds.further(value, other)
                except TypeError:
                    return self.cursor.unfit(value, other, self.rows_seen + row)
            known = [*known[:3], value]
        return self.cursor.unfit(values[0], known[0], self.rows_seen)

    def _take(self, values: list[Any], rows_at: RowsAt) -> bool | list[bool]:
        bounds = self.bounds
        if not bounds.is_ordered:
            return self._take_each(values, rows_at)
        first, last = bounds.extremes(values)
        self.in_order(first, last)
        keep = True
        if not bounds.is_whole:
            verdict = bounds.judge(
                first, last, lambda test, bound: list(map(test, values, repeat(bound))), _both
            )
            self.note(verdict.before_start, verdict.beyond_end)
            keep = verdict.keep
        bounds.is_further(last, self.last)  # raises before anything has changed
        if keep is not False and self.looks_back and (keep is not True or first == bounds.start):
            keep = self._without_repeated(values, keep, rows_at)
        if keep is False:
            return False
        if keep is not True:
            kept = list(compress(values, keep))
            if not kept:
                return False
            last = bounds.extremes(kept)[1]
        if not self.moves_to(last) or not self.room:
            return keep
        self.remember(_where(values, keep, last), rows_at)
        return keep

    def _without_repeated(self, values: list[Any], keep: Any, rows_at: RowsAt) -> Any:
        at_start = _where(values, keep, self.bounds.start)
        new = self.new(rows_at(at_start)) if at_start else []
        if all(new):
            return keep
        flags = [True] * len(values) if keep is True else keep
        for index, flag in zip(at_start, new, strict=True):
            flags[index] = flag
        return flags

    def _take_each(self, values: list[Any], rows_at: RowsAt) -> bool | list[bool]:
        verdict = self.bounds.judge_each(values)
        self.note(verdict.before_start, verdict.beyond_end)
        keep = verdict.keep
        if self.looks_back:
            keep = self._without_repeated(values, keep, rows_at)
        at_last: list[int] = []
        moved = False
        for index, value in enumerate(values):
            if keep is not True and not keep[index]:
                continue
            further = self.bounds.further(value, self.last)
            if self.last is None or further != self.last:
                self.last, at_last, moved = further, [index], True
            elif value == self.last:
                at_last.append(index)
        if self.boundary is not None:
            if moved:
                self.boundary.restart()
            self.remember(at_last, rows_at)
        return keep  # type: ignore[no-any-return]

    @property
    def looks_back(self) -> bool:
        """Whether rows at the start can be repetitions of what was loaded."""
        return self.boundary is not None and self.boundary.compares and self.bounds.start is not None

    @property
    def room(self) -> int:
        """How many rows at the last value are of use, see `Boundary.room`."""
        return self.boundary.room if self.boundary is not None else 0

    def new(self, rows: Sequence[Any]) -> list[bool]:
        """Return which rows at the start weren't loaded before."""
        return self.boundary.new(rows) if self.boundary is not None else [True] * len(rows)

    def in_order(self, nearest: Any, furthest: Any) -> None:
        """Note that a page goes back behind the one before it: what the order promises does not hold.

        Within a page it makes no difference: pages are filtered whole.
        """
        if self._order is None or self.is_disordered:
            return
        down = self._order == "desc"
        if down != (self.bounds.further is min):
            nearest, furthest = furthest, nearest
        reached = self._reached
        if reached is not None and (nearest > reached if down else nearest < reached):
            self.is_disordered = True
            _LOG.warning(
                "resource `%s`: the cursor `%s` goes back from %r to %r, although row_order says `%s`; "
                "reading goes on to the end. Sort the source by the cursor, or leave row_order out.",
                self.cursor.resource,
                self.cursor.path.text,
                reached,
                nearest,
                self._order,
            )
        self._reached = furthest

    def note(self, before_start: bool, beyond_end: bool) -> None:
        """Note that rows out of range were met: the source may be closed."""
        self.before_start = self.before_start or before_start
        self.beyond_end = self.beyond_end or beyond_end

    def moves_to(self, last: Any) -> bool:
        """Take the furthest value of a page; return whether it is the last value now."""
        if self.bounds.is_further(last, self.last):
            self.last = last
            if self.boundary is not None:
                self.boundary.restart()
            return True
        return bool(last == self.last)

    def remember(self, indices: Sequence[int], rows_at: RowsAt) -> None:
        """Remember rows at the last value, as long as there is room for them."""
        step = self.room
        for start in range(0, len(indices), step or 1):
            if self.boundary is None or not self.room:
                return
            self.boundary.add(rows_at(indices[start : start + step]))


def _never(*_: Any) -> Any:
    raise AssertionError("one value is either in or out")


def _both(left: list[bool], right: list[bool]) -> list[bool]:
    return list(map(operator.and_, left, right))


def _where(values: list[Any], keep: Any, wanted: Any) -> list[int]:
    if keep is True:
        if values.count(wanted) == 1:
            return [values.index(wanted)]
        return [i for i, v in enumerate(values) if v == wanted]
    return [i for i, v in enumerate(values) if keep[i] and v == wanted]


def _gaps(values: list[Any]) -> list[int]:
    kinds = set(map(type, values))
    if not kinds.isdisjoint((Missing, type(None))):
        return [i for i, v in enumerate(values) if v is None or v is MISSING or _is_nan(v)]
    floating = any(issubclass(kind, (float, Decimal)) for kind in kinds)
    if floating and any(map(operator.ne, values, values)):
        return [i for i, v in enumerate(values) if _is_nan(v)]
    return []


def _is_nan(value: Any) -> bool:
    return isinstance(value, (float, Decimal)) and value != value
