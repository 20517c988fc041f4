"""Edits of a schema that a user asks for: rename, drop, take back, adopt; applied by a load."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from types import MappingProxyType
from typing import Any, Literal

from ladle.errors import UsageError
from ladle.schema.change import Limits
from ladle.schema.change_names import DropColumn, DropTable, NameChange, RenameColumn, RenameTable
from ladle.schema.given_names import GivenNames, derived_form, given_form
from ladle.schema.naming import naming, shorten
from ladle.schema.records import is_record
from ladle.schema.schema import SYSTEM_TABLES, Schema
from ladle.schema.table import Column, Table

Kind = Literal["rename", "drop", "undrop", "adopt"]
_EMPTY: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Edit:
    """One wish. Names as they are now; without `column` it is the table that is meant.

    Attributes:
        kind: `rename` to `name`; `drop`: from the destination, and never load it again; `undrop`: load it
            again, by its derived name; `adopt`: take a column that the destination has into the schema.
        table: called so now.
        column: called so now.
        name: the new one.
        hints: of a column to adopt.
    """

    kind: Kind
    table: str
    column: str | None = None
    name: str | None = None
    hints: Mapping[str, Any] = field(default_factory=lambda: _EMPTY)

    def to_plain(self) -> dict[str, Any]:
        """Return it as JSON holds it."""
        return {**asdict(replace(self, hints={})), "hints": dict(self.hints)}


@dataclass(frozen=True, slots=True)
class Noted:
    """One line of `_ladle_changes` about an edit."""

    change: str
    table_name: str
    column_name: str | None = None
    data_type: str | None = None
    previous: str | None = None


@dataclass(frozen=True, slots=True)
class Edited:
    """A schema with edits made.

    Attributes:
        schema: as it will be stored, without its next version number.
        changes: what the destination has to do, in order.
        notes: what will be on record.
    """

    schema: Schema
    changes: tuple[NameChange, ...] = ()
    notes: tuple[Noted, ...] = ()

    def then(self, schema: Schema, changes: Sequence[NameChange], notes: Sequence[Noted]) -> Edited:
        """Return it with one more edit."""
        return Edited(schema, (*self.changes, *changes), (*self.notes, *notes))


def edited(schema: Schema, edits: Iterable[Edit], limits: Limits) -> Edited:
    """Return the schema with edits made, one after the other.

    Raises:
        UsageError: no such table or column, a name that can't be, or something that has to stay.
    """
    done = Edited(schema)
    for edit in edits:
        done = _HOW[edit.kind, edit.column is not None](done, edit, limits)
    return done


# -- rename


def _rename_table(done: Edited, edit: Edit, limits: Limits) -> Edited:
    schema, new = done.schema, str(edit.name)
    table = _table(schema, edit.table)
    tables = schema.chain(table.name)
    called = {t.name: _after(t.name, table.name, new, limits) for t in tables}
    called = {old: name for old, name in called.items() if old != name}
    others = [n for n in (*SYSTEM_TABLES, *schema.table_map) if n not in called]
    for old, name in called.items():
        _check_name(name, f"table `{old}`", others, limits.max_table_name)
    names = GivenNames.of(schema)
    derived = {old: names.source_table(old) for old in called}
    for old, name in called.items():
        names = names.with_table(derived[old], name)
    changes = [RenameTable(old, name) for old, name in called.items()]
    notes = [Noted("rename_table", c.name, previous=c.table) for c in changes]
    return done.then(_formed(schema, names), changes, notes)


def _after(name: str, above: str, new: str, limits: Limits) -> str:
    """Name a child table after its parent's new name, where it was named after the old one."""
    if name != above and not name.startswith(above):
        return name
    name = new + name.removeprefix(above)
    return shorten(name, name, limits.max_table_name)


def _rename_column(done: Edited, edit: Edit, limits: Limits) -> Edited:
    schema, new = done.schema, str(edit.name)
    table = _table(schema, edit.table)
    column = _column(table, edit.column)
    mark = f"{naming(schema.naming).separator}v_"
    old_names = [column.name, *_variants(table, column.name, mark)]
    called = {old: new + old.removeprefix(column.name) for old in old_names}
    called = {
        old: shorten(n, n, limits.max_column_name) if old != column.name else n for old, n in called.items()
    }
    called = {old: name for old, name in called.items() if old != name}
    others = [n for n in table.columns if n not in called]
    for old, name in called.items():
        _check_name(name, f"column `{old}` of table `{table.name}`", others, limits.max_column_name)
    names = GivenNames.of(schema)
    at = names.source_table(table.name)
    derived = {old: names.source_column(at, old) for old in called}
    for old, name in called.items():
        names = names.with_column(at, derived[old], name)
    typed = {old: table.columns[old].data_type for old in called}
    changes = [RenameColumn(table.name, old, name) for old, name in called.items()]
    notes = [Noted("rename_column", table.name, n, typed[old], old) for old, n in called.items()]
    return done.then(_formed(schema, names), changes, notes)


def _check_name(name: str, what: str, others: Iterable[str], limit: int | None) -> None:
    problem = _problem(name, limit)
    # Some engines take names for one that differ by case only.
    taken = next((n for n in others if n.casefold() == name.casefold()), None)
    if taken is not None:
        problem = "it is taken" if taken == name else f"`{taken}` is there, which only differs by case"
    if problem:
        raise UsageError(f"{what} can't be called `{name}`: {problem}", hint="choose another name")


def _problem(name: str, limit: int | None) -> str | None:
    if not name or not name.isprintable() or name != name.strip():
        return "a name is visible characters, without white space around them"
    if name.startswith("_dlt_") or is_record(name):
        return "names that begin like this are for ladle's own tables and columns"
    if limit is not None and len(name.encode()) > limit:
        return f"the destination holds names of at most {limit} bytes"
    return None


# -- drop, and take back


def _drop_table(done: Edited, edit: Edit, limits: Limits) -> Edited:
    schema = done.schema
    table = _table(schema, edit.table)
    names = GivenNames.of(schema)
    names = names.with_dropped_table(names.source_table(table.name))
    gone = [t.name for t in schema.chain(table.name)]
    changes = [DropTable(name) for name in reversed(gone)]  # children first
    notes = [Noted("drop_table", name) for name in gone]
    return done.then(names.noted(schema.without_tables(gone)), changes, notes)


def _drop_column(done: Edited, edit: Edit, limits: Limits) -> Edited:
    schema = done.schema
    table = _table(schema, edit.table)
    column = _column(table, edit.column)
    if column.primary_key or column.merge_key or column.hard_delete or column.dedup_sort:
        raise UsageError(
            f"column `{column.name}` of table `{table.name}` is a key: rows are told apart or merged by it",
            hint="load once without that hint, then drop the column",
        )
    names = GivenNames.of(schema)
    at = names.source_table(table.name)
    mark = f"{naming(schema.naming).separator}v_"
    gone = [column.name, *_variants(table, column.name, mark)]
    for name in gone:
        names = names.with_dropped_column(at, names.source_column(at, name))
    kept = table.without_columns(gone)
    typed = [n for n in gone if table.columns[n].data_type is not None]
    changes = [DropColumn(table.name, name) for name in typed]
    notes = [Noted("drop_column", table.name, n, table.columns[n].data_type) for n in gone]
    return done.then(names.noted(schema.with_tables([kept])), changes, notes)


def _undrop_table(done: Edited, edit: Edit, limits: Limits) -> Edited:
    names = GivenNames.of(done.schema)
    derived = _dropped(edit.table, names.dropped_tables, names.tables, "table")
    names = names.with_dropped_table(derived, dropped=False)
    if derived in names.tables and names.tables[derived].casefold() in _folded(done.schema.table_map):
        names = replace(names, tables={d: n for d, n in names.tables.items() if d != derived})
    return done.then(names.noted(done.schema), [], [Noted("undrop_table", names.table(derived))])


def _undrop_column(done: Edited, edit: Edit, limits: Limits) -> Edited:
    table = _table(done.schema, edit.table)
    names = GivenNames.of(done.schema)
    at = names.source_table(table.name)
    given = names.columns.get(at, {})
    gone = names.dropped_columns.get(at, frozenset())
    derived = _dropped(str(edit.column), gone, given, f"column of table `{table.name}`")
    mark = f"{derived}{naming(done.schema.naming).separator}v_"
    back = [derived, *(n for n in sorted(gone) if n.startswith(mark))]
    for name in back:
        names = names.with_dropped_column(at, name, dropped=False)
    if derived in given and given[derived].casefold() in _folded(table.columns):
        columns = {d: n for d, n in given.items() if d != derived}
        names = replace(names, columns={**names.columns, at: columns})
    notes = [Noted("undrop_column", table.name, names.column(at, name)) for name in back]
    return done.then(names.noted(done.schema), [], notes)


def _dropped(name: str, gone: Iterable[str], given: Mapping[str, str], what: str) -> str:
    """Return the derived name of what was dropped, by its derived name or the one it had."""
    found = {given.get(d, d): d for d in gone} | {d: d for d in gone}
    if name not in found:
        raise UsageError.unknown_choice(f"dropped {what}", name, list(found))
    return found[name]


def _folded(names: Iterable[str]) -> set[str]:
    return {n.casefold() for n in names}


def _adopt_column(done: Edited, edit: Edit, limits: Limits) -> Edited:
    table = _table(done.schema, edit.table)
    column = Column.from_dict(str(edit.column), edit.hints)
    schema = done.schema.with_tables([table.with_columns([column])])
    return done.then(schema, [], [Noted("adopt_column", table.name, column.name, column.data_type)])


# -- what is meant


def _formed(schema: Schema, names: GivenNames) -> Schema:
    """Return the schema with other given names."""
    return given_form(derived_form(schema), names)


def _variants(table: Table, column: str, mark: str) -> list[str]:
    return [c.name for c in table.columns.values() if c.variant and c.name.startswith(column + mark)]


def _table(schema: Schema, name: str) -> Table:
    found = schema.table_map.get(name)
    if found is None or is_record(name):
        known = [n for n in schema.table_map if not is_record(n)]
        raise UsageError.unknown_choice(f"table of schema `{schema.name}`:", name, known)
    return found


def _column(table: Table, name: str | None) -> Column:
    own = [n for n in table.columns if not n.startswith("_dlt_")]
    if name not in own:
        if name in table.columns:
            raise UsageError(f"column `{name}` of table `{table.name}` ties rows together: it has to stay")
        raise UsageError.unknown_choice(f"column of table `{table.name}`:", name, own)
    return table.columns[str(name)]


_HOW = {
    ("rename", False): _rename_table,
    ("rename", True): _rename_column,
    ("drop", False): _drop_table,
    ("drop", True): _drop_column,
    ("undrop", False): _undrop_table,
    ("undrop", True): _undrop_column,
    ("adopt", True): _adopt_column,
}
