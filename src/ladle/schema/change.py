"""Changes a destination needs before data can be written, and what a destination can hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ladle.schema.table import Column, Table


@dataclass(frozen=True, slots=True)
class Limits:
    """What a destination can hold. Identifier lengths in characters, None for no limit.

    `timestamp_digits`: fraction digits of a second that timestamps with time zone keep.
    `naming`: convention of new schemas. `max_nesting`: levels of nesting that become tables and columns,
    None for all; deeper values stay JSON. `writers`: tables that may be written at once. `dispositions`:
    whether write dispositions mean anything there; otherwise rows are handed over, whatever they
    are. `records`: whether ladle's own tables of rejects and changes are kept there.
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


@dataclass(frozen=True, slots=True)
class AddTable:
    """Create `table` with all its typed columns."""

    table: Table


@dataclass(frozen=True, slots=True)
class AddColumn:
    """Add `column` to the existing table named `table`; always nullable there."""

    table: str
    column: Column


Change = AddTable | AddColumn


def diff(there: Mapping[str, Mapping[str, str]], wanted: Mapping[str, Table]) -> list[Change]:
    """Return what is missing: tables, then columns, in the order of `wanted`.

    Args:
        there: columns with their types by table, as the destination reports them.
        wanted: tables by name; columns without a type are left out.

    Never drops or narrows. `diff` of what is there with itself is empty.
    """
    changes: list[Change] = []
    for name, table in wanted.items():
        existing = there.get(name)
        if existing is None:
            if table.typed_columns():
                changes.append(AddTable(table))
            continue
        changes.extend(AddColumn(name, c) for c in table.typed_columns() if c.name not in existing)
    return changes
