"""Columns whose type grows by what comes: with the policy `widen` by values, and by the digits of frames."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import pyarrow as pa
import pyarrow.compute as pc

from ladle.normalize.decimals import decimal_text
from ladle.schema.change import Limits
from ladle.schema.lattice import Exact, digits, in_place, join, needs_proof, wider_of
from ladle.schema.table import DECLARED, Column, Table
from ladle.schema.types import with_type

Grown = Mapping[str, Mapping[str, Column]]
"""By table and column: columns with the type that they grew to."""


@dataclass(frozen=True, slots=True)
class Growth:
    """What decides whether a column of one table may grow.

    Attributes:
        table: its name.
        by_value: the policy `widen`: a value that doesn't fit changes the type, where the lattice has one.
        limits: of the destination.
        loaded: columns that the destination has, as they are there.
        fixed: names of columns whose type is declared: it holds.
        grown: columns that grew earlier in this package, as they are since.
        exact: tells whether doubles hold every number that is stored in a column; None where nothing is.
    """

    table: str
    by_value: bool = False
    limits: Limits = field(default_factory=Limits)
    loaded: Mapping[str, Column] = field(default_factory=dict)
    fixed: frozenset[str] = frozenset()
    grown: Mapping[str, Column] = field(default_factory=dict)
    exact: Exact | None = None

    def again(self, column: Column) -> Column:
        """Return a column with the type it has grown to earlier in this package."""
        grown = self.grown.get(column.name)
        return column if grown is None else with_type(column, grown)

    def with_digits(self, column: Column, found: Column) -> Column:
        """Return a loaded column with a frame's digits, where those are more and it can have them."""
        if column.name not in self.loaded or column.name in self.fixed:
            return column
        return wider_of(column, found, self.limits)

    def wider(self, column: Column, found: Column) -> Column | None:
        """Return the column as it has to be to hold a value; None where it stays, with a variant beside."""
        if not self.by_value or column.name in self.fixed or column.variant:
            return None
        wider = join(column, found)
        if wider is None or (
            wider.data_type == "decimal" and sum(digits(wider)) > self.limits.decimal_digits
        ):
            return None
        known = self.loaded.get(column.name)
        if known is None:
            return wider
        if not in_place(known, wider, self.limits):
            return None
        if needs_proof(known, wider) and self.exact is not None and not self.exact(self.table, column.name):
            return None
        return wider


def needed(kind: str, data_type: str, values: pa.Array, failed: pa.Array) -> list[tuple[int, Column]]:
    """Return rows of values that don't fit, and what the column of each would have to be.

    One row for each choice that is different: the first for most kinds; of decimals the first for each number
    of digits.
    """
    if kind != "decimal":
        return [(int(pc.index(failed, True).as_py()), Column("", data_type))]
    rows = pc.indices_nonzero(failed)
    text = decimal_text(pc.abs(values.take(rows)))
    point, length = pc.find_substring(text, "."), pc.utf8_length(text)
    bare = pc.less(point, 0)
    whole = pc.if_else(bare, length, point)
    scale = pc.if_else(bare, 0, pc.subtract(pc.subtract(length, point), 1))
    table = pa.table({"whole": whole, "scale": scale, "row": rows})
    firsts = table.group_by(["whole", "scale"], use_threads=False).aggregate([("row", "min")])
    return [
        (
            found["row_min"],
            Column("", "decimal", precision=found["whole"] + found["scale"], scale=found["scale"]),
        )
        for found in firsts.to_pylist()
    ]


class Growing:
    """What one package makes of the columns that can grow, over all tables.

    Args:
        by_value: the policy `widen`.
        limits: of the destination.
        exact: as for `Growth`.
        grown: types that were found by an earlier pass over the same package, by table and column.
    """

    def __init__(
        self,
        by_value: bool,
        limits: Limits,
        exact: Exact | None,
        grown: Grown | None = None,
    ) -> None:
        self._by_value = by_value
        self._limits = limits
        self._exact = exact
        self._loaded: dict[str, dict[str, Column]] = {}
        self._fixed: dict[str, frozenset[str]] = {}
        self.grown: dict[str, dict[str, Column]] = {t: dict(c) for t, c in (grown or {}).items()}
        self.anew = False

    def take(self, tables: Iterable[Table]) -> list[Table]:
        """Note what tables are declared to be; return them without the marks of what is declared."""
        return [self._taken(table) for table in tables]

    def _taken(self, table: Table) -> Table:
        marked = [c for c in table.columns.values() if DECLARED in c.extra]
        if marked:
            self._fixed[table.name] = self._fixed.get(table.name, frozenset()) | {c.name for c in marked}
        if table.loaded and table.name not in self._loaded:
            self._loaded[table.name] = {c.name: c for c in table.typed_columns()}
        return table.with_columns(map(undeclared, marked)) if marked else table

    def of(self, table: str) -> Growth | None:
        """Return what decides for a table; None where nothing can grow."""
        loaded = self._loaded.get(table, {})
        grown = self.grown.get(table, {})
        if not (self._by_value or loaded or grown):
            return None
        return Growth(
            table,
            self._by_value,
            self._limits,
            loaded,
            self._fixed.get(table, frozenset()),
            grown,
            self._exact,
        )

    def note(self, table: str, grown: Mapping[str, Column], rows_before: int) -> None:
        """Note columns that grew; rows of the package that were written before have to be written anew."""
        if grown:
            self.grown.setdefault(table, {}).update(grown)
            self.anew = self.anew or rows_before > 0


def undeclared(column: Column) -> Column:
    """Return a column without the mark that its type is declared."""
    return replace(column, extra={k: v for k, v in column.extra.items() if k != DECLARED})
