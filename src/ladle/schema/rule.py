"""A data quality rule as a value: one frozen class for each kind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, dataclass, field, fields, replace
from typing import Any, ClassVar, Literal, Self

from ladle.errors import shorten
from ladle.schema.rule_sql import columns_of_condition, condition_sql

Severity = Literal["warn", "reject", "fail"]
Inclusive = Literal["both", "low", "high", "neither"]
Plain = bool | int | float | str
"""What a limit or an accepted value is kept as; dates, times and decimals as text."""

_MAX_NAME_CHARS = 60
SPELLED = {"column_name": "column"}

Fit = Callable[[str], str]
"""Makes the name of a column, or of a table, as the schema has it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What all rules have.

    Attributes:
        severity: what becomes of a row that breaks it: `warn` counts it, `reject` leaves it out and keeps it
            in `_ladle_rejects`, `fail` ends the run before anything is loaded.
        name: as rejects, messages and results show it; where none is given, as the rule is written.
        description: for people.
    """

    severity: Severity = "reject"
    name: str | None = None
    description: str | None = None
    kind: ClassVar[str] = ""
    of_rows: ClassVar[bool] = True
    """Whether it is a row that breaks it; else the table does, as a whole."""

    @property
    def label(self) -> str:
        """The name, or the rule as it is written."""
        return self.name or shorten(self._written(), _MAX_NAME_CHARS)

    def _written(self) -> str:
        return f"{self.kind}({', '.join(self.about)})"

    @property
    def about(self) -> tuple[str, ...]:
        """Names of the columns that it looks at."""
        return self._about()

    def _about(self) -> tuple[str, ...]:
        return ()

    @property
    def column(self) -> str | None:
        """The column that it is about, where it is one."""
        return self.about[0] if len(self.about) == 1 else None

    @property
    def wanted(self) -> str:
        """What it accepts, in words."""
        return self._wanted()

    def _wanted(self) -> str:
        return ""

    def named(self, column: Fit, table: Fit) -> Self:
        """Return the rule with the names of the source turned into those of the schema."""
        return self._named(column, table)

    def _named(self, column: Fit, table: Fit) -> Self:
        return self

    def to_dict(self) -> dict[str, Any]:
        """Return the plain form, ready for JSON or YAML; what has its default is left out."""
        out: dict[str, Any] = {"rule": self.kind}
        for f in fields(self):
            value = getattr(self, f.name)
            if value != f.default or f.default is MISSING:
                out[SPELLED.get(f.name, f.name)] = list(value) if isinstance(value, tuple) else value
        return out


@dataclass(frozen=True, slots=True)
class _OfColumn(Rule):
    """A rule about one column."""

    column_name: str

    def _about(self) -> tuple[str, ...]:
        return (self.column_name,)

    def _named(self, column: Fit, table: Fit) -> Self:
        return replace(self, column_name=column(self.column_name))


@dataclass(frozen=True, slots=True)
class NotNull(_OfColumn):
    """A value in each row."""

    kind: ClassVar[str] = "not_null"

    def _wanted(self) -> str:
        return "a value"


@dataclass(frozen=True, slots=True)
class Accepted(_OfColumn):
    """One of some values."""

    values: tuple[Plain, ...]
    kind: ClassVar[str] = "accepted"

    def _wanted(self) -> str:
        return "one of " + shorten(self.values)


@dataclass(frozen=True, slots=True)
class Between(_OfColumn):
    """A value from `low` to `high`; None is no limit."""

    low: Plain | None = None
    high: Plain | None = None
    inclusive: Inclusive = "both"
    kind: ClassVar[str] = "between"

    def _written(self) -> str:
        return f"between({', '.join([self.column_name, *_limits(self.low, self.high)])})"

    def _wanted(self) -> str:
        low = f"{'at least' if self.inclusive in ('both', 'low') else 'more than'} {self.low}"
        high = f"{'at most' if self.inclusive in ('both', 'high') else 'less than'} {self.high}"
        return " and ".join(t for t, limit in ((low, self.low), (high, self.high)) if limit is not None)


@dataclass(frozen=True, slots=True)
class Matches(_OfColumn):
    """Text that a regular expression describes as a whole."""

    regex: str
    kind: ClassVar[str] = "matches"

    def _wanted(self) -> str:
        return f"text like {shorten(self.regex)}"


@dataclass(frozen=True, slots=True)
class Length(_OfColumn):
    """Text of so many characters, or so many bytes; None is no limit."""

    low: int | None = None
    high: int | None = None
    kind: ClassVar[str] = "length"

    def _written(self) -> str:
        return f"length({', '.join([self.column_name, *_limits(self.low, self.high)])})"

    def _wanted(self) -> str:
        return _span(self.low, self.high, "characters or bytes")


@dataclass(frozen=True, slots=True)
class Unique(Rule):
    """A combination of values that no earlier row of the load has."""

    columns: tuple[str, ...]
    kind: ClassVar[str] = "unique"

    def _about(self) -> tuple[str, ...]:
        return self.columns

    def _wanted(self) -> str:
        return "what no earlier row of the load has"

    def _named(self, column: Fit, table: Fit) -> Self:
        return replace(self, columns=tuple(map(column, self.columns)))


@dataclass(frozen=True, slots=True)
class Condition(Rule):
    """A condition in SQL over the row's columns."""

    sql: str
    kind: ClassVar[str] = "condition"

    def _written(self) -> str:
        return self.sql.replace('"', "")

    def _about(self) -> tuple[str, ...]:
        return columns_of_condition(self.sql)

    def _wanted(self) -> str:
        return shorten(self.sql.replace('"', ""))

    def _named(self, column: Fit, table: Fit) -> Self:
        return replace(self, sql=condition_sql(self.sql, column))


@dataclass(frozen=True, slots=True)
class Check(Rule):
    """What a function accepts. `function`: `module:name`; `each`: what it gets."""

    function: str
    each: Literal["batch", "row"] = "batch"
    kind: ClassVar[str] = "check"

    def _written(self) -> str:
        return f"check({self.function.rpartition(':')[2]})"

    def _wanted(self) -> str:
        return f"what {self.function} accepts"


@dataclass(frozen=True, slots=True)
class ExistsIn(Rule):
    """A combination of values that a row of another table has."""

    columns: tuple[str, ...]
    table: str
    referenced_columns: tuple[str, ...]
    kind: ClassVar[str] = "exists_in"

    def _written(self) -> str:
        return f"exists_in({', '.join(self.columns)}, {self.table})"

    def _about(self) -> tuple[str, ...]:
        return self.columns

    def _wanted(self) -> str:
        return "what is in " + ", ".join(f"{self.table}.{name}" for name in self.referenced_columns)

    def _named(self, column: Fit, table: Fit) -> Self:
        return replace(
            self,
            columns=tuple(map(column, self.columns)),
            table=table(self.table),
            referenced_columns=tuple(map(column, self.referenced_columns)),
        )


@dataclass(frozen=True, slots=True)
class Fresh(_OfColumn):
    """The newest value of the load is at most `within_s` seconds old."""

    within_s: float
    severity: Severity = field(default="fail", kw_only=True)
    kind: ClassVar[str] = "fresh"
    of_rows: ClassVar[bool] = False

    def _wanted(self) -> str:
        return f"a newest value of at most {self.within_s:,.0f} seconds ago"


@dataclass(frozen=True, slots=True)
class RowCount(Rule):
    """From `low` to `high` rows in the load; None is no limit."""

    low: int | None = None
    high: int | None = None
    severity: Severity = field(default="fail", kw_only=True)
    kind: ClassVar[str] = "row_count"
    of_rows: ClassVar[bool] = False

    def _written(self) -> str:
        return f"row_count({', '.join(_limits(self.low, self.high))})"

    def _wanted(self) -> str:
        return _span(self.low, self.high, "rows")


def _limits(low: Any, high: Any) -> list[str]:
    if low is None:
        return [f"high={high}"]
    return [str(low)] if high is None else [str(low), str(high)]


def _span(low: int | None, high: int | None, unit: str) -> str:
    limits = (("at least", low), ("at most", high))
    return " and ".join(f"{word} {n:,}" for word, n in limits if n is not None) + f" {unit}"
