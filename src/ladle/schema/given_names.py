"""What tables and columns are called instead of their derived names, and which of them are left out.

A table or column *is* what the source calls it: its identity is the name that the naming convention derives.
What it is called at the destination may be another name, given by the user. Extract and normalize work with
derived names; the stored schema, ready files and the destination have the given ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ladle.schema.lattice import Exact
from ladle.schema.schema import Schema
from ladle.schema.table import Column, Table

SETTING = "x-ladle-names"
"""The key of the schema's settings; the reference keeps what begins with `x-` and doesn't look at it."""

Columns = Mapping[str, Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class GivenNames:
    """The names of one schema that aren't the derived ones. A value: changes return a new one.

    Attributes:
        tables: given by derived name.
        columns: by derived name of the table: given by derived name.
        dropped_tables: derived names of tables whose rows, and those below them, are left out.
        dropped_columns: by derived name of the table: derived names of columns whose values are left out.
    """

    tables: Mapping[str, str] = field(default_factory=dict)
    columns: Columns = field(default_factory=dict)
    dropped_tables: frozenset[str] = frozenset()
    dropped_columns: Mapping[str, frozenset[str]] = field(default_factory=dict)

    @classmethod
    def of(cls, schema: Schema) -> GivenNames:
        """Read them from a schema."""
        stored = schema.settings.get(SETTING)
        if not stored:
            return NONE
        tables = stored.get("tables") or {}
        columns = stored.get("columns") or {}
        return cls(
            tables=dict(tables.get("renamed") or {}),
            columns={t: dict(c["renamed"]) for t, c in columns.items() if c.get("renamed")},
            dropped_tables=frozenset(tables.get("dropped") or ()),
            dropped_columns={t: frozenset(c["dropped"]) for t, c in columns.items() if c.get("dropped")},
        )

    def __bool__(self) -> bool:
        return bool(self.tables or self.columns or self.dropped_tables or self.dropped_columns)

    def noted(self, schema: Schema) -> Schema:
        """Return the schema with these names in its settings; its tables stay as they are."""
        settings = {k: v for k, v in schema.settings.items() if k != SETTING}
        if stored := self._stored():
            settings[SETTING] = stored
        return replace(schema, settings=settings, stored_hash=None)

    def _stored(self) -> dict[str, Any]:
        stored: dict[str, Any] = {}
        if tables := _entry(self.tables, self.dropped_tables):
            stored["tables"] = tables
        names = sorted(self.columns.keys() | self.dropped_columns.keys())
        columns = {t: _entry(self.columns.get(t, {}), self.dropped_columns.get(t, ())) for t in names}
        if columns := {t: c for t, c in columns.items() if c}:
            stored["columns"] = columns
        return stored

    # -- from derived to given, and back

    def table(self, derived: str) -> str:
        """Return what a table is called."""
        return self.tables.get(derived, derived)

    def column(self, table: str, derived: str) -> str:
        """Return what a column of a table, by its derived name, is called."""
        return self.columns.get(table, {}).get(derived, derived)

    def source_table(self, name: str) -> str:
        """Return the derived name of the table that is called `name`."""
        return next((d for d, n in self.tables.items() if n == name and d not in self.dropped_tables), name)

    def source_column(self, table: str, name: str) -> str:
        """Return the derived name of the column that is called `name`; `table`: its derived name."""
        gone = self.dropped_columns.get(table, frozenset())
        found = (d for d, n in self.columns.get(table, {}).items() if n == name and d not in gone)
        return next(found, name)

    def taken_tables(self) -> frozenset[str]:
        """Return the given names that no other table may have, in lower case: some engines don't tell."""
        return frozenset(n.casefold() for d, n in self.tables.items() if d not in self.dropped_tables)

    def taken_columns(self, table: str) -> frozenset[str]:
        """Return the given names that no other column of a table may have, in lower case."""
        names = self.columns.get(table, {})
        return frozenset(n.casefold() for d, n in names.items() if not self.drops(table, d))

    def drops(self, table: str, column: str) -> bool:
        """Whether the values of a column are left out; both by derived name."""
        return column in self.dropped_columns.get(table, ())

    # -- changes

    def with_table(self, derived: str, name: str) -> GivenNames:
        """Return them with a table called `name`."""
        return replace(self, tables={**self.tables, derived: name})

    def with_column(self, table: str, derived: str, name: str) -> GivenNames:
        """Return them with a column called `name`; `table`: its derived name."""
        columns = {**self.columns.get(table, {}), derived: name}
        return replace(self, columns={**self.columns, table: columns})

    def with_dropped_table(self, derived: str, dropped: bool = True) -> GivenNames:
        """Return them with a table left out, or no longer."""
        gone = self.dropped_tables | {derived} if dropped else self.dropped_tables - {derived}
        return replace(self, dropped_tables=gone)

    def with_dropped_column(self, table: str, derived: str, dropped: bool = True) -> GivenNames:
        """Return them with a column left out, or no longer."""
        there = self.dropped_columns.get(table, frozenset())
        gone = there | {derived} if dropped else there - {derived}
        columns = {t: c for t, c in {**self.dropped_columns, table: gone}.items() if c}
        return replace(self, dropped_columns=columns)


NONE = GivenNames()


def _entry(renamed: Mapping[str, str], dropped: Iterable[str]) -> dict[str, Any]:
    # One that has its derived name again is noted as long as others haven't: it isn't named after them.
    renamed = dict(sorted(renamed.items())) if any(d != n for d, n in renamed.items()) else {}
    entry = {"renamed": renamed, "dropped": sorted(dropped)}
    return {k: v for k, v in entry.items() if v}


# -- a schema in derived names, and in given ones


def in_given_names(exact: Exact, names: GivenNames) -> Exact:
    """Return what tells of derived names the same as `exact` does of those at the destination."""
    return lambda table, column: exact(names.table(table), names.column(table, column))


def derived_form(schema: Schema) -> Schema:
    """Return a stored schema with all tables and columns under their derived names."""
    names = GivenNames.of(schema)
    if not names:
        return schema
    tables = []
    for table in schema.table_map.values():
        derived = names.source_table(table.name)
        columns = {c.name: names.source_column(derived, c.name) for c in table.columns.values()}
        tables.append(_renamed(table, derived, columns, names.source_table(table.parent or "")))
    return replace(schema, table_map={t.name: t for t in tables}, stored_hash=None)


def given_form(schema: Schema, names: GivenNames) -> Schema:
    """Return a schema in derived names as it is stored: under given names, without what is dropped."""
    if not names:
        return schema if SETTING not in schema.settings else names.noted(schema)
    tables = [given_table(t, names) for t in schema.table_map.values() if not is_dropped(t, schema, names)]
    return names.noted(replace(schema, table_map={t.name: t for t in tables}))


def given_table(table: Table, names: GivenNames) -> Table:
    """Return a table in derived names under given ones, without dropped columns."""
    kept = [n for n in table.columns if not names.drops(table.name, n)]
    columns = {n: names.column(table.name, n) for n in kept}
    return _renamed(table, names.table(table.name), columns, names.table(table.parent or ""))


def is_dropped(table: Table, schema: Schema, names: GivenNames) -> bool:
    """Whether a table in derived names, or one above it, is left out."""
    above: Table | None = table
    while above is not None:
        if above.name in names.dropped_tables:
            return True
        above = schema.table_map.get(above.parent or "")
    return False


def _renamed(table: Table, name: str, columns: Mapping[str, str], parent: str) -> Table:
    made: dict[str, Column] = {}
    for old, new in columns.items():
        column = table.columns[old]
        made[new] = column if new == old else replace(column, name=new)
    return replace(table, name=name, parent=parent or None, columns=made)
