"""Changes of tables as SQL: one statement for each, and what to say where the engine refuses it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from sqlglot import exp

from ladle.destinations import dialect as statements
from ladle.destinations.dialect import Dialect
from ladle.destinations.widening import converted
from ladle.errors import LadleError
from ladle.schema.change import AddColumn, AddTable, Change, RelaxColumn, diff
from ladle.schema.table import Column, Table
from ladle.schema.types import type_text


def changed(dataset: str, change: Change, dialect: Dialect) -> exp.Expression:
    """Return the statement that makes a change."""
    if isinstance(change, AddTable):
        return statements.create_table(dataset, change.table, dialect)
    if isinstance(change, AddColumn):
        return statements.add_column(dataset, change.table, change.column, dialect)
    if isinstance(change, RelaxColumn):
        return statements.relax_column(dataset, change.table, change.column, dialect)
    using = converted(change.known, change.column, dialect)
    return statements.widen_column(dataset, change.table, change.column, using, dialect)


def doing(change: Change) -> str:
    """Tell in words what a change does, for errors."""
    if isinstance(change, AddTable):
        return f"creating table `{change.table.name}`"
    where = f"column `{change.column.name}` of table `{change.table}`"
    if isinstance(change, AddColumn):
        return f"adding {where}"
    if isinstance(change, RelaxColumn):
        return f"letting {where} be null"
    return f"changing {where} from {type_text(change.known)} to {type_text(change.column)}"


@contextmanager
def naming(change: Change) -> Iterator[None]:
    """Name table and column in errors of the block."""
    try:
        yield
    except LadleError as error:
        if isinstance(change, AddTable):
            raise error.with_facts(table=change.table.name) from error.__cause__
        raise error.with_facts(table=change.table, column=change.column.name) from error.__cause__


def still_missing(
    changes: Sequence[Change], there: Mapping[str, Mapping[str, str]], dialect: Dialect
) -> list[Change]:
    """Return what of the changes is left to do: others may have made some of them since they were planned."""
    wanted: dict[str, Table] = {}
    altered: list[Change] = []
    for change in changes:
        if isinstance(change, AddTable):
            wanted[change.table.name] = change.table
        elif isinstance(change, AddColumn):
            table = wanted.get(change.table) or Table(change.table)
            wanted[change.table] = table.with_columns([change.column])
        elif isinstance(change, RelaxColumn) or not _has_type(change.column, there[change.table], dialect):
            altered.append(change)
    return [*diff(there, wanted), *altered]


def _has_type(column: Column, there: Mapping[str, str], dialect: Dialect) -> bool:
    """Whether a column has its type already, as where it is that of the narrower one too."""
    found, wanted = (
        dialect.data_type(text.upper() if dialect.own_types else text)
        for text in (there[column.name], dialect.column_type(column))
    )
    return bool(found == wanted)
