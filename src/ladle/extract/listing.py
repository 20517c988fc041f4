"""The columns of a table of which a load lists all rows: its scope, and when a row was missed first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from ladle.errors import UsageError
from ladle.schema.table import DECLARED, DELETED_AT, LISTING, WITHIN, Column, Table
from ladle.sources.resource import Resource


def with_listing(table: Table, fit: Callable[[str], str]) -> Table:
    """Return the table with the columns that its listing names marked, and no others.

    Args:
        table: as declared.
        fit: makes the name of a column.
    """
    asked = table.extra.get(LISTING) or {}
    wanted = {fit(name): WITHIN for name in asked.get("within", ())}
    if asked.get("deleted_at"):
        wanted[fit(asked["deleted_at"])] = DELETED_AT
    had = [c.name for c in table.columns.values() if c.extra.get(WITHIN) or c.extra.get(DELETED_AT)]
    if not wanted and not had:
        return table
    return table.with_columns(
        _marked(table.columns.get(name, Column(name)), wanted.get(name))
        for name in {**dict.fromkeys(had), **wanted}
    )


def check_listing(table: Table, resource: Resource) -> None:
    """Refuse deletes by comparison where a cursor leaves rows out.

    Raises:
        UsageError: names the cursor.
    """
    listed = table.write_disposition == "merge" and table.extra.get(LISTING)
    if listed and (cursor := resource.cursor) is not None:
        raise UsageError(
            f"delete_missing of table `{table.name}` needs all rows in each load, and the cursor "
            f"`{cursor.cursor_path}` leaves out old ones",
            resource=resource.name,
            hint="load without the cursor, or without delete_missing",
        )


def _marked(column: Column, hint: str | None) -> Column:
    extra = {k: v for k, v in column.extra.items() if k not in (WITHIN, DELETED_AT)}
    if hint is None:
        return replace(column, extra=extra)
    if hint == DELETED_AT:
        column = replace(column, data_type=column.data_type or "timestamp")
        extra[DECLARED] = True
    return replace(column, extra={**extra, hint: True})
