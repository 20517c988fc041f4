"""What a load changes at its destination: planned from the whole package before any byte is loaded."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ladle.destinations.base import Destination, Session
from ladle.errors import DestinationError
from ladle.package.store import Package
from ladle.schema.change import AddColumn, AddTable, Change, Limits, RelaxColumn, WidenColumn, diff
from ladle.schema.lattice import in_place, needs_proof, widens
from ladle.schema.records import is_record
from ladle.schema.schema import SYSTEM_TABLE_MAP, SYSTEM_TABLES, Schema
from ladle.schema.table import Column, Table
from ladle.schema.types import type_text

_LAST_BASIC = "\uffff"


def plan(
    session: Session, package: Package, schema: Schema, newest: str | None, limits: Limits
) -> list[Change]:
    """Return the changes this package needs; nothing is written.

    All tables with rows in the package or loaded before are wanted, and the three system tables.

    Args:
        session: begun.
        package: normalised.
        schema: its own.
        newest: hash of the schema as the destination has it.
        limits: of the destination.

    Raises:
        DestinationError: a column would have to change its type to one that doesn't hold all its values, or
            that the destination can't change it to.
    """
    there = session.tables()
    if package.manifest.drop_tables:
        there = {n: c for n, c in there.items() if n not in package.manifest.drop_tables}
    changes = diff(there, wanted(package, schema), stored_tables(session, package, schema, newest))
    for change in changes:
        if isinstance(change, WidenColumn):
            check_widening(change, limits, package.load_id)
    return changes


def check_held(schema: Schema, destination: Destination) -> None:
    """Refuse columns that the destination can't hold.

    Raises:
        DestinationError: a decimal with more digits than the destination's have; names that differ by case
            only, where those are one; characters that its names can't have.
    """
    most = destination.limits.decimal_digits
    _check_names(destination, "tables", schema.table_map)
    for table in schema.table_map.values():
        _check_names(destination, f"columns of table `{table.name}`", table.columns)
        for column in table.typed_columns():
            if column.data_type == "decimal" and (column.precision or 0) > most:
                raise DestinationError(
                    f"column `{column.name}` of table `{table.name}` is {type_text(column)}, and decimals of "
                    f"`{destination.name}` have {most} digits",
                    table=table.name,
                    column=column.name,
                    expected=f"a precision of at most {most}",
                    hint=f'declare it: columns={{"{column.name}": {{"data_type": "text"}}}}, '
                    "or with less precision",
                )


def _check_names(destination: Destination, what: str, names: Iterable[str]) -> None:
    if destination.limits.folds_case:
        _check_case(destination.name, what, names)
    if destination.limits.astral_names:
        return
    for name in names:
        if name and max(name) > _LAST_BASIC:
            raise DestinationError(
                f"{what} can't be called `{name}`: a name of `{destination.name}` has no such character",
                expected="characters up to U+FFFF",
                hint="rename it before it is yielded, or use the naming snake_case",
            )


def _check_case(destination: str, what: str, names: Iterable[str]) -> None:
    seen: dict[str, str] = {}
    for name in names:
        other = seen.setdefault(name.lower(), name)
        if other != name:
            raise DestinationError(
                f"{what} `{other}` and `{name}` differ by case only, and are one to `{destination}`",
                expected="names that differ in any case",
                hint="rename one before it is yielded, or use the naming snake_case",
            )


def wanted(package: Package, schema: Schema) -> dict[str, Table]:
    """Return the tables that have to be there when the package is committed."""
    counts = package.manifest.counts
    used = {n: t for n, t in schema.table_map.items() if n in counts or t.loaded}
    return {**SYSTEM_TABLE_MAP, **used}


def stored_tables(
    session: Session, package: Package, schema: Schema, newest: str | None
) -> Mapping[str, Table]:
    """Return the tables as the destination's own schema has them; none where it is this one.

    None either where the package renames or drops: it does nothing else, and names mean other things there.
    """
    if newest in (None, schema.version_hash) or package.manifest.alters:
        return {}
    stored = session.stored_schema(schema.name)
    return {} if stored is None else Schema.from_dict(stored).table_map


def check_widening(change: WidenColumn, limits: Limits, load_id: str) -> None:
    """Raise DestinationError where a column's change isn't one that the destination makes without loss."""
    known, column = change.known, change.column
    if (widens(known, column) or needs_proof(known, column)) and in_place(known, column, limits):
        return
    raise DestinationError(
        f"column `{column.name}` of table `{change.table}` can't change from {type_text(known)} to "
        f"{type_text(column)}",
        load_id=load_id,
        table=change.table,
        column=column.name,
        expected="a type that holds every value of the one it has, and that the destination can change it to",
        hint=f"declare it as {type_text(known)}, and drop the package: pipeline.drop_pending_packages()",
    )


def as_rows(changes: Sequence[Change]) -> Iterator[dict[str, Any]]:
    """Yield changes as `_ladle_changes` has them, for a load that keeps none there."""
    for change in changes:
        name = change.table.name if isinstance(change, AddTable) else change.table
        if name in SYSTEM_TABLES or is_record(name):
            continue
        if isinstance(change, AddTable):
            yield {"change": "add_table", "table_name": name}
            yield from (_as_row("add_column", name, column) for column in change.table.typed_columns())
        elif isinstance(change, WidenColumn):
            previous = {"previous": type_text(change.known)}
            yield {**_as_row("widen_column", name, change.column), **previous}
        else:
            kind = "add_column" if isinstance(change, AddColumn) else "relax_column"
            yield _as_row(kind, name, change.column)


def _as_row(change: str, table: str, column: Column) -> dict[str, Any]:
    data_type = type_text(column)
    return {"change": change, "table_name": table, "column_name": column.name, "data_type": data_type}


def schema_update(changes: Sequence[Change]) -> dict[str, dict[str, Any]]:
    """Return changes as the load info shows them: tables and columns in stored form, by table.

    A column that widened has `previous_type` beside its hints, one that may be null since `relaxed`.
    """
    update: dict[str, dict[str, Any]] = {}
    for change in changes:
        if isinstance(change, AddTable):
            made = replace(change.table, columns={c.name: c for c in change.table.typed_columns()})
            update[made.name] = made.to_dict()
            continue
        columns = update.setdefault(change.table, {"name": change.table, "columns": {}})["columns"]
        column = columns.setdefault(change.column.name, change.column.to_dict())
        if isinstance(change, WidenColumn):
            column["previous_type"] = type_text(change.known)
        elif isinstance(change, RelaxColumn):
            column["relaxed"] = True
    return update
