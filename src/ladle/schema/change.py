"""Changes a destination needs before data can be written, and what a destination can hold."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from ladle.schema.records import is_record
from ladle.schema.system import SYSTEM_PREFIX
from ladle.schema.table import Column, Table
from ladle.schema.tags import comment
from ladle.schema.types import same_type

MERGES = ("delete-insert", "upsert", "insert-only", "scd2")
"""The strategies of merge; a destination names those it can do."""
REPLACES = ("truncate-and-insert", "insert-from-staging", "staging-optimized")
"""The strategies of replace, as for merge; the first is the default."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a destination can hold. Identifier lengths in characters, or as `ByteLength`; None for no limit.

    `timestamp_digits`: fraction digits of a second that timestamps with time zone keep.
    `naming`: convention of new schemas. `max_nesting`: levels of nesting that become tables and columns,
    None for all; deeper values stay JSON. `writers`: tables that may be written at once. `dispositions`:
    whether write dispositions mean anything there; otherwise rows are handed over, whatever they are.
    `records`: whether ladle's own tables of rejects and changes are kept there. `merges`: the strategies of
    merge that it can do. `replaces`: those of replace; none where it has a way of its own, whatever is asked
    for. `in_place`: data types, from and to, by which a column that is there can change;
    None for all of the lattice. `decimal_digits`: digits of the longest decimal. `renames`: whether tables
    and columns that are there can be renamed. `folds_case`: whether names are one that differ by case only.
    `tables_first`: whether changes of tables are committed before the rows; a load that fails may leave
    empty tables. `astral_names`: whether names can have characters beyond U+FFFF, such as emoji.
    `waits_ahead`: whether rows that are merged may come in while a source is still read: the merge sees what
    others commit meanwhile, and keeps them out from then on. `lanes`: tables that a load which begins ahead
    may write at once, each by one call that lasts until all its rows are there; 0 where it writes by one
    statement after another.
    """

    max_table_name: int | None = None
    max_column_name: int | None = None
    wei_digits: int = 38
    holds_nul: bool = True
    timestamp_digits: int = 6
    naming: str = "snake_case"
    max_nesting: int | None = None
    writers: int = 1
    dispositions: bool = True
    records: bool = True
    merges: tuple[str, ...] = ()
    replaces: tuple[str, ...] = ()
    renames: bool = False
    in_place: frozenset[tuple[str, str]] | None = None
    decimal_digits: int = 76
    folds_case: bool = False
    tables_first: bool = False
    astral_names: bool = True
    waits_ahead: bool = False
    lanes: int = 0


@dataclass(frozen=True, slots=True)
class AddTable:
    """Create `table` with all its typed columns."""

    table: Table


@dataclass(frozen=True, slots=True)
class AddColumn:
    """Add `column` to the existing table named `table`; always nullable there."""

    table: str
    column: Column


@dataclass(frozen=True, slots=True)
class WidenColumn:
    """Give a column of the existing table named `table` the type of `column`; `known` is how it is there."""

    table: str
    column: Column
    known: Column


@dataclass(frozen=True, slots=True)
class RelaxColumn:
    """Let `column` of the existing table named `table` be null."""

    table: str
    column: Column


Change = AddTable | AddColumn | WidenColumn | RelaxColumn


@dataclass(frozen=True, slots=True)
class Comment:
    """What the destination shows about a table, or about one of its columns; no text takes it away."""

    table: str
    column: str | None
    text: str | None


def comments(change: Change) -> Iterator[Comment]:
    """Yield the comments on what a change makes."""
    if isinstance(change, AddTable):
        yield from (c for c in _comments(change.table) if c.text is not None)
    elif _is_own(change.table) or not isinstance(change, AddColumn):
        return
    elif (text := column_comment(change.column)) is not None:
        yield Comment(change.table, change.column.name, text)


def changed_comments(
    before: Mapping[str, Table], after: Mapping[str, Table], there: Mapping[str, Mapping[str, str]]
) -> list[Comment]:
    """Return the comments that differ, on tables and columns that are there.

    Args:
        before: tables by name, as stored.
        after: tables by name, as they are now.
        there: columns by table, as the destination reports them.
    """
    changed = []
    for name, table in after.items():
        if name in there and table != before.get(name):
            known = set(_comments(before[name])) if name in before else set()
            changed += [
                c
                for c in _comments(table)
                if c not in known
                and (c.column is None or c.column in there[name])
                and (c.text is not None or any(k.column == c.column for k in known))
            ]
    return changed


def has_comments(tables: Iterable[Table]) -> bool:
    """Whether there is anything to show about any of the tables or their columns."""
    return any(c.text is not None for table in tables for c in _comments(table))


def _comments(table: Table) -> Iterator[Comment]:
    if _is_own(table.name):
        return  # some forty statements in the first load of a dataset, for tables that the docs explain
    yield Comment(table.name, None, table_comment(table))
    for column in table.typed_columns():
        yield Comment(table.name, column.name, column_comment(column))


def _is_own(table: str) -> bool:
    """Whether it is a table of the system: comments on those would cost a statement for each column."""
    return is_record(table) or table.startswith(SYSTEM_PREFIX)


def table_comment(table: Table) -> str | None:
    """Return a table's description and tags as one line."""
    description = table.extra.get("description") if table.extra else None
    return comment(description if isinstance(description, str) else None, table.extra)


def column_comment(column: Column) -> str | None:
    """Return a column's description and tags as one line."""
    if column.description is None and not column.extra:
        return None
    return comment(column.description, column.extra)


def diff(
    there: Mapping[str, Mapping[str, str]],
    wanted: Mapping[str, Table],
    stored: Mapping[str, Table] | None = None,
) -> list[Change]:
    """Return what is missing: tables, then columns, in the order of `wanted`.

    Args:
        there: columns with their types by table, as the destination reports them.
        wanted: tables by name; columns without a type are left out.
        stored: tables as the schema has them that is stored at the destination; without it, types and
            nullability of columns that are there stay as they are.

    Never drops or narrows, never forbids null. `diff` of what is there with itself is empty.
    """
    changes: list[Change] = []
    for name, table in wanted.items():
        existing = there.get(name)
        if existing is None:
            if table.typed_columns():
                changes.append(AddTable(table))
            continue
        before = (stored or {}).get(name)
        for column in table.typed_columns():
            if column.name not in existing:
                changes.append(AddColumn(name, column))
            elif before is not None and (known := before.columns.get(column.name)) is not None:
                changes.extend(_altered(name, column, known))
    return changes


def _altered(table: str, column: Column, known: Column) -> Iterator[Change]:
    if known.data_type is None or known == column:
        return
    if not same_type(known, column):
        yield WidenColumn(table, column, known)
    if column.nullable and not known.nullable:
        yield RelaxColumn(table, column)
