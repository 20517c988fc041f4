"""From derived names to given ones: what is written is named as the user wants, dropped data stays out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

import pyarrow as pa

from ladle.normalize.changes import Origin
from ladle.normalize.columns import Typed
from ladle.normalize.names import Named, Names, spelling_tag
from ladle.schema.given_names import GivenNames, given_form, given_table
from ladle.schema.naming import shorten
from ladle.schema.schema import Schema
from ladle.schema.table import Table

Arrays = dict[str, pa.Array]


class Given:
    """The given names of a package's tables; new tables and columns get theirs as they come.

    Free where nothing was renamed or dropped: then it is false, and nothing of it is called.

    Args:
        schema: in derived names.
        naming: how names are derived.
    """

    def __init__(self, schema: Schema, naming: Names) -> None:
        self.names = GivenNames.of(schema)
        self._naming = naming
        self._rows: Counter[str] = Counter()
        self._values: Counter[tuple[str, str]] = Counter()

    def __bool__(self) -> bool:
        return bool(self.names)

    # -- what is left out

    def kept(self, tables: Iterable[Table]) -> dict[str, Table]:
        """Return tables, as declared, by derived name, without their dropped columns."""
        gone = self.names.dropped_columns
        return {t.name: t.without_columns(gone[t.name]) if t.name in gone else t for t in tables}

    def drops_rows(self, table: str, rows: int) -> bool:
        """Whether the rows of a table are left out; counts them."""
        if table not in self.names.dropped_tables:
            return False
        self._rows[table] += rows
        return True

    def kept_values(self, table: str, named: Iterable[Named]) -> list[Named]:
        """Return the columns that aren't dropped; counts the values of the others."""
        kept = []
        for column in named:
            if self.names.drops(table, column[0]):
                self._count(table, column[0], (values for _, values in column[2]))
            else:
                kept.append(column)
        return kept

    def kept_variants(self, typed: Typed) -> Typed:
        """Return typed columns without dropped variants; counts their values."""
        table, arrays = typed.table, typed.arrays
        gone = self.names.dropped_columns.get(table.name)
        if not gone:
            return typed
        for name in gone & arrays.keys():
            self._count(table.name, name, [arrays[name]])
        return replace(
            typed,
            table=table.without_columns(gone),
            arrays={n: a for n, a in arrays.items() if n not in gone},
            fresh=typed.fresh - gone,
            joined=typed.joined - gone,
        )

    def _count(self, table: str, column: str, arrays: Iterable[pa.Array]) -> None:
        values = sum(len(a) - a.null_count for a in arrays)
        if values:
            self._values[table, column] += values

    def notices(self) -> Iterator[str]:
        """Yield what was left out, a line for each table or column."""
        for table, rows in self._rows.items():
            yield f"left out {rows:,} rows of table `{self.names.table(table)}`, which was dropped"
        for (table, column), values in self._values.items():
            where = f"table `{self.names.table(table)}`"
            yield f"left out {values:,} values of column `{column}` of {where}, which was dropped"

    # -- what things are called

    def table(self, table: Table, tables: Mapping[str, Table]) -> Table:
        """Return a table under its given names; `tables`: all, by derived name, for those above it."""
        self._name_table(table, tables)
        if table.name in self.names.columns:
            for column in table.columns.values():
                taken = self.names.taken_columns(table.name)
                self._name_column(table, column.name, column.variant, taken)
        return given_table(table, self.names)

    def arrays(self, table: str, arrays: Arrays) -> Arrays:
        """Return columns of a table, by its derived name, under given names."""
        return {self.names.column(table, n): a for n, a in arrays.items()}

    def source_schema(self, table: str, schema: pa.Schema) -> pa.Schema:
        """Return an Arrow schema of a table, by its derived name, with columns under derived names."""
        if not self:
            return schema
        return pa.schema([f.with_name(self.names.source_column(table, f.name)) for f in schema])

    def schema(self, schema: Schema) -> Schema:
        """Return a schema in derived names as it is stored."""
        if self:
            for table in schema.table_map.values():
                self.table(table, schema.table_map)
        return given_form(schema, self.names)

    def origins(self, origins: Mapping[tuple[str, str], Origin]) -> dict[tuple[str, str], Origin]:
        """Return origins by given names."""
        names = self.names
        return {(names.table(t), names.column(t, c)): origin for (t, c), origin in origins.items()}

    def _name_table(self, table: Table, tables: Mapping[str, Table]) -> None:
        """Name a table that has no given name yet after the one above it; keep it apart from all others."""
        derived = table.name
        if derived in self.names.tables:
            return
        name, parent = derived, table.parent
        if parent is not None:
            if parent in tables:
                self._name_table(tables[parent], tables)
            above = self.names.table(parent)
            if above != parent and derived.startswith(parent):
                name = above + derived.removeprefix(parent)
                name = shorten(name, name, self._naming.max_table)
        if name.casefold() in self.names.taken_tables():
            name = self._apart(name, derived, self._naming.max_table)
        if name != derived:
            self.names = self.names.with_table(derived, name)

    def _name_column(self, table: Table, derived: str, variant: bool, taken: frozenset[str]) -> None:
        """Name a new variant after its column; keep a column apart from one that has its name."""
        given = self.names.columns[table.name]
        if derived in given:
            return
        name = derived
        base, mark, kind = derived.rpartition(f"{self._naming.naming.separator}v_")
        if variant and mark and base in given:
            name = self._naming.suffixed(given[base], f"v_{kind}")
            taken |= {c.casefold() for c in table.columns if c != derived}
        if name.casefold() in taken:
            name = self._apart(name, derived, self._naming.max_column)
        if name != derived:
            self.names = self.names.with_column(table.name, derived, name)

    def _apart(self, name: str, derived: str, limit: int | None) -> str:
        name = f"{name}{self._naming.naming.separator}{spelling_tag(derived)}"
        return shorten(name, name, limit)
