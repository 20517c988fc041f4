"""Statements that rename and drop, as trees; which of them are due, given what is there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sqlglot import exp

from ladle.destinations.dialect import drop_table, table_ref
from ladle.errors import DestinationError
from ladle.schema.change_names import (
    DropTable,
    NameChange,
    RenameColumn,
    RenameTable,
    There,
    after,
    blocked,
    due,
)


def statements(dataset: str, changes: Sequence[NameChange], there: There) -> Iterator[exp.Expression]:
    """Yield what is still to be run for changes, in order.

    Args:
        dataset: the schema of the database.
        changes: those that were made before, or by hand, are passed over.
        there: types by column by table.

    Raises:
        DestinationError: a new name is taken.
    """
    for change in changes:
        if blocked(change, there):
            raise DestinationError(
                f"cannot {change}: the destination has one of that name, which the schema doesn't know",
                table=change.table,
                hint="choose another name, or rename or drop the other one there first",
            )
        if due(change, there):
            yield _statement(dataset, change)
        there = after(there, change)


def _statement(dataset: str, change: NameChange) -> exp.Expression:
    ref = table_ref(dataset, change.table)
    if isinstance(change, RenameTable):
        action: exp.Expression = exp.AlterRename(this=exp.Table(this=_quoted(change.name)))
    elif isinstance(change, RenameColumn):
        action = exp.RenameColumn(this=_quoted(change.column), to=_quoted(change.name))
    elif isinstance(change, DropTable):
        return drop_table(dataset, change.table)
    else:
        column = exp.Column(this=_quoted(change.column))
        # As in `drop_table`: sqlglot 30 has a list where earlier versions have one.
        what = {"tables": [column]} if "tables" in exp.Drop.arg_types else {"this": column}
        action = exp.Drop(**what, kind="COLUMN")
    return exp.Alter(this=ref, kind="TABLE", actions=[action])


def _quoted(name: str) -> exp.Identifier:
    return exp.to_identifier(name, quoted=True)
