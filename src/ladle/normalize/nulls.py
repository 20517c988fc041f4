"""What the end of a package makes of null: columns that saw nothing else, and columns that may not be it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any

from ladle.events import Emit, Notice
from ladle.schema.schema import Schema
from ladle.schema.table import Column, Table

_MARK = "x-normalizer"
_SEEN_NULL = "seen-null-first"


@dataclass(frozen=True, slots=True)
class NullColumns:
    """What becomes of a column that saw only nulls: made as `data_type` with `create`, else remembered."""

    create: bool = False
    data_type: str = "text"

    def settled(self, column: Column, declared: bool) -> Column:
        """Return a column without a type as it is kept.

        Args:
            column: without type.
            declared: the schema had it before; without the mark of nulls, somebody asked for it.
        """
        if declared and not is_null_column(column):
            return column
        if self.create:
            return replace(without_mark(column), data_type=self.data_type)
        return replace(column, extra={**column.extra, _MARK: {_SEEN_NULL: True}})


def settled(table: str, column: Column, declared: bool, policy: NullColumns, emit: Emit) -> Column:
    """Return a column of a table that has no type yet as it is kept; tell of it the first time."""
    made = policy.settled(column, declared)
    if made.data_type is None and not is_null_column(column):
        emit(
            Notice(
                f"column `{column.name}` of table `{table}` saw only nulls: it has no type and isn't created"
            )
        )
    return made


def is_null_column(column: Column) -> bool:
    """Whether a column is remembered for its nulls: it has no type and isn't at the destination."""
    mark: Any = column.extra.get(_MARK)
    return column.data_type is None and isinstance(mark, Mapping) and bool(mark.get(_SEEN_NULL))


def is_kept(column: Column, declared: bool, table: Table, tables: Collection[str], separator: str) -> bool:
    """Whether a column without a type stays in the schema: not where its key holds dicts or lists after all.

    Args:
        column: without type.
        declared: the schema had it before.
        table: its table.
        tables: names of all.
        separator: between the levels of names.
    """
    if not is_null_column(column):
        return declared
    below = column.name + separator
    nested = table.name + separator + column.name in tables
    return not nested and not any(name.startswith(below) for name in table.columns)


def without_mark(column: Column) -> Column:
    """Return a column without the mark of nulls."""
    if _MARK not in column.extra:
        return column
    return replace(column, extra={k: v for k, v in column.extra.items() if k != _MARK})


def as_there(schema: Schema, stored: Schema | None, dropped: Collection[str]) -> Schema:
    """Return a schema whose columns may be null where they may be at the destination.

    What is added to a table with rows has no value in them, so it is nullable there, whatever was declared; a
    column that may be null there stays so. New rows are checked against what is declared, load by load.

    Args:
        schema: with what this package declares.
        stored: as the last load left it; None for none.
        dropped: names of tables that the load makes anew.
    """
    if stored is None:
        return schema
    before = stored.table_map
    loaded = [t for t in schema.table_map.values() if t.name in before and t.name not in dropped]
    relaxed = [_relaxed(table, before[table.name]) for table in loaded]
    changed = [new for new, old in zip(relaxed, loaded, strict=True) if new is not old]
    return schema.with_tables(changed) if changed else schema


def _relaxed(table: Table, stored: Table) -> Table:
    if not stored.loaded:
        return table
    relaxed = []
    for column in table.typed_columns():
        known = stored.columns.get(column.name)
        if not column.nullable and (known is None or known.data_type is None or known.nullable):
            relaxed.append(replace(column, nullable=True))
    return table.with_columns(relaxed) if relaxed else table
