"""Changes a destination needs before data can be written, and what a destination can hold."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from ladle.schema.table import Column, Table
from ladle.schema.types import same_type

MERGES = ("delete-insert", "upsert", "insert-only")
"""The strategies of merge; a destination names those it can do."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a destination can hold. Identifier lengths in characters, None for no limit.

    `timestamp_digits`: fraction digits of a second that timestamps with time zone keep.
    `naming`: convention of new schemas. `max_nesting`: levels of nesting that become tables and columns,
    None for all; deeper values stay JSON. `writers`: tables that may be written at once. `dispositions`:
    whether write dispositions mean anything there; otherwise rows are handed over, whatever they are.
    `records`: whether ladle's own tables of rejects and changes are kept there. `merges`: the strategies of
    merge that it can do. `in_place`: data types, from and to, by which a column that is there can change;
    None for all of the lattice. `decimal_digits`: digits of the longest decimal. `renames`: whether tables
    and columns that are there can be renamed.
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
    renames: bool = False
    in_place: frozenset[tuple[str, str]] | None = None
    decimal_digits: int = 76


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
