"""Data quality rules, public as `ladle.rules`: what rows of a table have to keep.

A null keeps every rule but `not_null`, as in SQL. Columns are named as in the source or as in the table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Literal, cast

from ladle.schema.rule import (
    Accepted,
    Between,
    Check,
    Condition,
    ExistsIn,
    Fresh,
    Inclusive,
    Length,
    Matches,
    NotNull,
    RowCount,
    Rule,
    Severity,
    Unique,
)
from ladle.schema.rule_forms import from_dict, make

__all__ = [
    "Rule",
    "Severity",
    "accepted",
    "between",
    "check",
    "condition",
    "exists_in",
    "fresh",
    "from_dict",
    "length",
    "matches",
    "not_null",
    "row_count",
    "unique",
]

Value = bool | int | float | str | Decimal | date | datetime | time
OfTable = Literal["warn", "fail"]


def not_null(
    column: str, *, severity: Severity = "reject", name: str | None = None, description: str | None = None
) -> NotNull:
    """A value in each row.

    Args:
        column: as in the source or in the table.
        severity: `warn`, `reject` or `fail`.
        name: as rejects and results show it; by default as the rule is written.
        description: for people.

    Raises:
        UsageError: an argument is wrong, as for all rules.
    """
    return cast(NotNull, make("not_null", column_name=column, **_common(severity, name, description)))


def unique(
    *columns: str, severity: Severity = "reject", name: str | None = None, description: str | None = None
) -> Unique:
    """A value, or combination of values, that no earlier row of the load has: the first row stays.

    Within one load only. Rows in which one of the columns is null are left alone, and rows that another
    rule refuses don't count. Memory: the values, text as 16 bytes, of each row of the load.
    """
    return cast(Unique, make("unique", columns=columns, **_common(severity, name, description)))


def accepted(
    column: str,
    values: Iterable[Value],
    *,
    severity: Severity = "reject",
    name: str | None = None,
    description: str | None = None,
) -> Accepted:
    """One of some values; they are compared in the type of the column."""
    given = {"column_name": column, "values": values}
    return cast(Accepted, make("accepted", **given, **_common(severity, name, description)))


def between(
    column: str,
    low: Value | None = None,
    high: Value | None = None,
    *,
    inclusive: Inclusive = "both",
    severity: Severity = "reject",
    name: str | None = None,
    description: str | None = None,
) -> Between:
    """A number, text, date or time from `low` to `high`; compared in the type of the column.

    Args:
        column: as in the source or in the table.
        low: None for no limit.
        high: None for no limit.
        inclusive: which limits are accepted themselves: `both`, `low`, `high` or `neither`.
        severity: as for `not_null`, as are the others.
        name: as for `not_null`.
        description: as for `not_null`.
    """
    given = {"column_name": column, "low": low, "high": high, "inclusive": inclusive}
    return cast(Between, make("between", **given, **_common(severity, name, description)))


def matches(
    column: str,
    regex: str,
    *,
    severity: Severity = "reject",
    name: str | None = None,
    description: str | None = None,
) -> Matches:
    """Text that a regular expression (RE2) describes from its first to its last character."""
    given = {"column_name": column, "regex": regex}
    return cast(Matches, make("matches", **given, **_common(severity, name, description)))


def length(
    column: str,
    low: int | None = None,
    high: int | None = None,
    *,
    severity: Severity = "reject",
    name: str | None = None,
    description: str | None = None,
) -> Length:
    """Text of `low` to `high` characters, or binary of as many bytes."""
    given = {"column_name": column, "low": low, "high": high}
    return cast(Length, make("length", **given, **_common(severity, name, description)))


def condition(
    sql: str, *, severity: Severity = "reject", name: str | None = None, description: str | None = None
) -> Condition:
    """A condition in DuckDB's SQL over the columns of a row; a row for which it is false breaks it.

    No subqueries, no aggregates, no functions that look elsewhere: refused when the rule is written.
    """
    return cast(Condition, make("condition", sql=sql, **_common(severity, name, description)))


def check(
    function: Callable[[Any], Any] | str,
    *,
    each: Literal["batch", "row"] = "batch",
    severity: Severity = "reject",
    name: str | None = None,
    description: str | None = None,
) -> Check:
    """What a function of your own accepts.

    Args:
        function: at the top of a module, or `module:name`, so that another process finds it. Gets a
            `pyarrow.RecordBatch` and returns a boolean array of its length, or gets a row as a dict and
            returns a bool. True and null are fine.
        each: `batch`, or `row`, which is slow.
        severity: as for `not_null`, as are the others.
        name: as for `not_null`.
        description: as for `not_null`.
    """
    return cast(Check, make("check", function=function, each=each, **_common(severity, name, description)))


def exists_in(
    columns: str | list[str] | tuple[str, ...],
    table: str,
    referenced_columns: str | list[str] | tuple[str, ...],
    *,
    severity: Severity = "reject",
    name: str | None = None,
    description: str | None = None,
) -> ExistsIn:
    """A value, or combination of values, that a row of another table has in the same load.

    The other table may be any of the source. Rows that earlier loads brought are not looked at.
    Memory: as `unique`, for the rows of both tables.
    """
    given = {"columns": columns, "table": table, "referenced_columns": referenced_columns}
    return cast(ExistsIn, make("exists_in", **given, **_common(severity, name, description)))


def fresh(
    column: str,
    within: timedelta,
    *,
    severity: OfTable = "fail",
    name: str | None = None,
    description: str | None = None,
) -> Fresh:
    """The newest timestamp or date of the load isn't older than `within`. A load without values passes."""
    given = {"column_name": column, "within_s": within}
    return cast(Fresh, make("fresh", **given, **_common(severity, name, description)))


def row_count(
    low: int | None = None,
    high: int | None = None,
    *,
    severity: OfTable = "fail",
    name: str | None = None,
    description: str | None = None,
) -> RowCount:
    """From `low` to `high` rows in one load, those that were refused left out."""
    return cast(RowCount, make("row_count", low=low, high=high, **_common(severity, name, description)))


def _common(severity: Any, name: Any, description: Any) -> dict[str, Any]:
    return {"severity": severity, "name": name, "description": description}
