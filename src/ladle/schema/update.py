"""Changes of tables that users ask for, as plain functions from tables to tables."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from ladle.errors import UsageError
from ladle.schema.change import Limits
from ladle.schema.lattice import in_place, widens
from ladle.schema.naming import Naming
from ladle.schema.system import SYSTEM_PREFIX
from ladle.schema.table import Column, Table
from ladle.schema.types import with_type

COMPOUND = ("primary_key", "merge_key", "cluster", "partition")
"""Hints that several columns of a table carry together."""

Tables = Mapping[str, Table]


def normalized(partial: Mapping[str, Any], names: Naming) -> dict[str, Any]:
    """Return a table in stored form with its names, those of columns, parent and references, normalised."""
    columns = {str(c.get("name") or n): c for n, c in (partial.get("columns") or {}).items()}
    made = {
        **partial,
        "columns": {names.path(n): {**c, "name": names.path(n)} for n, c in columns.items()},
    }
    for key in ("name", "parent"):
        if made.get(key):
            made[key] = names.table(made[key])
    if made.get("references"):
        made["references"] = [
            {
                **r,
                "columns": [names.path(c) for c in r["columns"]],
                "referenced_table": names.table(r["referenced_table"]),
                "referenced_columns": [names.path(c) for c in r["referenced_columns"]],
            }
            for r in made["references"]
        ]
    return made


def updated(known: Tables, partial: Mapping[str, Any], merges_keys: bool) -> Table:
    """Return the table that `partial`, in stored form, makes of the one of its name.

    Hints it doesn't mention stay, column by column.

    Args:
        known: tables of the schema.
        partial: a table with at least a `name`.
        merges_keys: whether compound hints are added to those there are, instead of taking their place.

    Raises:
        UsageError: no name, a parent that isn't there, both a parent and a resource, an unknown data type.
    """
    name = partial.get("name")
    if not name:
        raise UsageError("a table needs a name", expected='{"name": ..., "columns": {...}}')
    before = known.get(name)
    stored = before.to_dict() if before is not None else {"columns": {}}
    columns: dict[str, Any] = dict(stored["columns"])
    given = partial.get("columns") or {}
    if not merges_keys:
        columns = _without_keys(columns, given)
    for column, hints in given.items():
        columns[column] = {**columns.get(column, {}), **hints}
    made = Table.from_dict(name, {**stored, **partial, "columns": columns})
    check_place(made, known)
    return made


def check_place(table: Table, known: Tables) -> None:
    """Refuse a table whose place among the others isn't clear.

    Raises:
        UsageError: its parent isn't there, or it has both a parent and a resource.
    """
    if table.parent is None:
        return
    if table.parent not in known:
        raise UsageError.unknown_choice(f"parent of table `{table.name}`:", table.parent, list(known))
    if table.resource is not None:
        raise UsageError(
            f"table `{table.name}` has both a parent and a resource",
            table=table.name,
            expected="a parent for what is nested in another table, a resource for any other",
        )


def _without_keys(columns: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    replaced = [h for h in COMPOUND if any(c.get(h) for c in given.values())]
    return {n: {k: v for k, v in c.items() if k not in replaced} for n, c in columns.items()}


def merged(known: Tables, others: Iterable[Table]) -> dict[str, Table]:
    """Return tables with the hints of others on top."""
    made = dict(known)
    for table in others:
        made[table.name] = updated(made, {**table.to_dict(), "name": table.name}, merges_keys=True)
    return made


def unified(tables: Iterable[Table], schema: str) -> dict[str, Table]:
    """Return the union of tables; those of one name become one with the columns of all.

    Raises:
        UsageError: a column has two data types.
    """
    made: dict[str, Table] = {}
    for table in tables:
        there = made.get(table.name)
        if there is None:
            made[table.name] = table
            continue
        for column in table.typed_columns():
            other = there.columns.get(column.name)
            if other is not None and other.data_type not in (None, column.data_type):
                raise UsageError(
                    f"column `{column.name}` of table `{table.name}` has two data types",
                    schema=schema,
                    expected=f"one of `{other.data_type}` and `{column.data_type}` in all schemas",
                )
        made.update(merged({**made}, [table]))
    return made


def renamed(tables: Tables, before: Naming, after: Naming) -> dict[str, Table]:
    """Return tables as another naming convention spells them."""

    def column(name: str) -> str:
        # the columns that link rows are called alike in all conventions
        return name if name.startswith(SYSTEM_PREFIX) else _respelt(name, before, after, after.path)

    def table(name: str) -> str:
        return _respelt(name, before, after, after.table)

    made = {}
    for old in tables.values():
        columns = {column(c.name): replace(c, name=column(c.name)) for c in old.columns.values()}
        new = replace(old, name=table(old.name), columns=columns, parent=old.parent and table(old.parent))
        if found := old.extra.get("references"):
            new = new.with_extra(references=[_renamed_reference(r, table, column) for r in found])
        made[new.name] = new
    return made


def _respelt(name: str, before: Naming, after: Naming, spell: Callable[[str], str]) -> str:
    return spell(after.separator.join(name.split(before.separator)))


def _renamed_reference(
    reference: Mapping[str, Any], table: Callable[[str], str], column: Callable[[str], str]
) -> dict[str, Any]:
    return {
        **reference,
        "columns": [column(c) for c in reference["columns"]],
        "referenced_table": table(reference["referenced_table"]),
        "referenced_columns": [column(c) for c in reference["referenced_columns"]],
    }


def changed_name(tables: Tables, after: Tables) -> str | None:
    """Return the first name of a loaded table or column that another spelling would change."""
    for (name, old), (new_name, new) in zip(tables.items(), after.items(), strict=False):
        if not old.loaded:
            continue
        if name != new_name:
            return f"table `{name}` would be `{new_name}`"
        for column, new_column in zip(old.columns, new.columns, strict=False):
            if column != new_column:
                return f"column `{column}` of table `{name}` would be `{new_column}`"
    return None


def with_type_of(column: Column, known: Column | None, limits: Limits | None = None) -> Column:
    """Return a column with the type of one that is known, where that has one.

    Args:
        column: as declared.
        known: as it is.
        limits: of the destination: a wider type that it can change the known one to in place stays.
    """
    if known is None or known.data_type is None:
        return column
    if limits is not None and widens(known, column) and in_place(known, column, limits):
        return column
    return replace(with_type(column, known), variant=known.variant)


def laid_over(known: Tables, given: Iterable[Table]) -> dict[str, Table]:
    """Return known tables as a file or another schema declares them.

    What is declared of a column holds whole; where it tells no type, the known one stays, and so do columns
    and tables that aren't mentioned.
    """
    made = dict(known)
    for table in given:
        there = made.get(table.name)
        if there is None:
            made[table.name] = table
            continue
        columns = dict(there.columns)
        for column in table.columns.values():
            columns[column.name] = (
                with_type_of(column, columns.get(column.name)) if column.data_type is None else column
            )
        notes = there.extra.get("x-normalizer") or {}
        made[table.name] = replace(table, columns=columns).noting(**notes)
    return made
