"""The rows that an incremental cursor has not seen, as a condition."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

import pyarrow as pa
from sqlglot import exp

from ladle.dataset.catalog import Catalog, literal
from ladle.errors import LadleError, UsageError
from ladle.schema.schema import LOADS_TABLE
from ladle.schema.table import Column


@dataclass(frozen=True, slots=True)
class Window:
    """The range of a cursor.

    Attributes:
        column: of the cursor.
        table: that has it; None for the relation's own.
        start: first value; None for no bound.
        end: last value; None for no bound.
        start_op: compares with the start.
        end_op: compares with the end.
        with_nulls: whether rows without a value are in it.
    """

    column: str
    table: str | None
    start: Any
    end: Any
    start_op: type[exp.Binary]
    end_op: type[exp.Binary]
    with_nulls: bool

    def condition(self, target: Column, reference: exp.Expression, catalog: Catalog) -> exp.Expression:
        """Return the condition on the cursor's column."""
        bounds = [
            op(this=reference.copy(), expression=literal(value, target, catalog))
            for op, value in ((self.start_op, self.start), (self.end_op, self.end))
            if value is not None
        ]
        null = exp.Is(this=reference.copy(), expression=exp.Null())
        if not self.with_nulls:
            return cast(exp.Expression, exp.and_(*bounds, exp.Not(this=null)))
        return cast(exp.Expression, exp.or_(exp.and_(*bounds), null)) if bounds else exp.true()


@dataclass(frozen=True, slots=True)
class Tracked:
    """A cursor of the run of a resource, whose column the rows may lack: the query itself moves it on.

    Attributes:
        incremental: bound to the run.
        reference: its column, as the query names it.
        target: the column.
        name: the column's, among those of the rows; "" where it is of another table.
    """

    incremental: Any
    reference: exp.Column
    target: Column
    name: str

    def furthest(self, query: exp.Expression) -> exp.Expression:
        """Return the query of the furthest value in the rows of a query."""
        select = cast(exp.Select, query.copy())
        select.set("order", None)
        function = exp.Max if self.incremental.last_value_func is max else exp.Min
        select.set("expressions", [exp.alias_(function(this=self.reference.copy()), "last", quoted=True)])
        return select

    def up_to(self, query: exp.Expression, last: Any, catalog: Catalog) -> exp.Expression:
        """Return the query without rows that came after the furthest value was asked for."""
        op = exp.LTE if self.incremental.last_value_func is max else exp.GTE
        value = literal(last, self.target, catalog)
        return cast(exp.Select, query.copy()).where(op(this=self.reference.copy(), expression=value))


def is_bound(incremental: Any) -> bool:
    """Whether the cursor is one of a resource that runs now."""
    try:
        incremental.last_value  # noqa: B018 - raises where it isn't bound
    except (AttributeError, LadleError):
        return False
    return hasattr(incremental, "advance")


def cursor_window(incremental: Any) -> Window:
    """Return the range of an incremental cursor, bound to a run or not.

    Raises:
        UsageError: its function is neither `min` nor `max`, or it isn't a path that a column can have.
    """
    path = str(incremental.cursor_path).removeprefix("$.")
    table, _, column = path.rpartition(".")
    if "." in table or not column:
        raise UsageError(f"the cursor `{path}` can't be a column", expected="`column` or `table.column`")
    function = incremental.last_value_func
    if function not in (min, max):
        raise UsageError(
            f"a cursor with the function {function!r} can't be put into SQL", expected="`min` or `max`"
        )
    start, end = _range(incremental)
    # A load is there as a whole or not at all: one that was read has no rows to come.
    of_loads = column == "_dlt_load_id" or table == LOADS_TABLE
    is_consumed = _is_consumed(incremental) or (of_loads and start != incremental.initial_value)
    is_open = getattr(incremental, "range_start", "closed") == "open" or is_consumed
    is_closed = getattr(incremental, "range_end", "open") == "closed"
    up = function is max
    start_op = (exp.GT if up else exp.LT) if is_open else (exp.GTE if up else exp.LTE)
    end_op = (exp.LTE if up else exp.GTE) if is_closed else (exp.LT if up else exp.GT)
    with_nulls = getattr(incremental, "on_cursor_value_missing", "raise") == "include"
    return Window(column, table or None, start, end, start_op, end_op, with_nulls)


def _range(incremental: Any) -> tuple[Any, Any]:
    if hasattr(incremental, "get_current_range"):
        start, end = incremental.get_current_range()
        return start, end
    return incremental.initial_value, incremental.end_value


def _is_consumed(incremental: Any) -> bool:
    """Whether the row at the start was loaded already, and no other can have its value."""
    consumed = getattr(incremental, "unique_boundary_consumed", None)
    return bool(consumed()) if consumed is not None else False


def then_advance(batches: Iterator[pa.RecordBatch], tracked: Tracked, last: Any) -> Iterator[pa.RecordBatch]:
    """Yield batches; when all were read, move the cursor on."""
    yield from batches
    tracked.incremental.advance(last)
