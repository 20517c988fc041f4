"""The columns that a table needs for its history: validity, and the version of a row."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from ladle.errors import UsageError
from ladle.schema.scd2 import ACTIVE, ROW_VERSION, VALID_FROM, VALID_TO, has_history, hinted
from ladle.schema.table import Column, Table
from ladle.sources.history import ASKED

_ROW_ID = "_dlt_id"
_OWN = (_ROW_ID, "_dlt_load_id")


def with_history(table: Table, fit: Callable[[str], str], resource: str) -> Table:
    """Return the table with what the options of `scd2` ask for as columns; as it is where they don't.

    Args:
        table: as declared so far, with the options among its hints.
        fit: makes a column's name of what people write.
        resource: for errors.

    Raises:
        UsageError: a name is taken, or the table keeps its history in another way already.
    """
    asked: Mapping[str, Any] | None = table.extra.get(ASKED)
    table = table.with_extra(**{ASKED: None})
    if asked is None or not has_history(table):
        return table
    since, until = (fit(name) for name in asked["names"])
    version = _ROW_ID if asked["version"] is None else fit(asked["version"])
    _check_names(table, (since, until, version), resource)
    _check_kept(table, (since, until), asked["active"], resource)
    begins = {VALID_FROM: True}
    ends = {VALID_TO: True, ACTIVE: asked["active"]}
    validity = {
        name: _validity(table.columns.get(name) or Column(name), hints)
        for name, hints in ((since, begins), (until, ends))
    }
    table = replace(table, columns={**validity, **_without_version(table, version), **validity})
    return table.with_columns([_version(table.columns.get(version) or Column(version))])


def _validity(column: Column, hints: Mapping[str, Any]) -> Column:
    return replace(column, data_type="timestamp", nullable=True, extra={**column.extra, **hints})


def _version(column: Column) -> Column:
    data_type = "text" if column.name == _ROW_ID else column.data_type
    hints = {**column.extra, ROW_VERSION: True}
    return replace(column, data_type=data_type, nullable=False, unique=False, row_key=False, extra=hints)


def _without_version(table: Table, version: str) -> dict[str, Column]:
    """Return the columns, none of which is the version of a row any more, but for the one named."""
    columns = dict(table.columns)
    known = hinted(table, ROW_VERSION)
    if known is not None and known.name != version:
        rest = {k: v for k, v in known.extra.items() if k != ROW_VERSION}
        columns[known.name] = replace(known, extra=rest)
        if known.name == _ROW_ID:
            columns[_ROW_ID] = replace(columns[_ROW_ID], row_key=True)
    return columns


def _check_names(table: Table, names: tuple[str, str, str], resource: str) -> None:
    for number, name in enumerate(names):
        if name in names[:number] or (name in _OWN and number < 2):
            raise UsageError(
                f"the column name `{name}` of table `{table.name}` is taken: scd2 needs one of its own",
                resource=resource,
                expected="names for validity_column_names and row_version_column_name that differ",
            )
    for name, hint in zip(names[:2], (VALID_FROM, VALID_TO), strict=True):
        known = table.columns.get(name)
        if known is None or (known.extra.get(hint) and known.data_type in (None, "timestamp")):
            continue
        typed = known.data_type not in (None, "timestamp")
        if typed or known.primary_key or known.merge_key or known.hard_delete or table.loaded:
            raise UsageError(
                f"column `{name}` of table `{table.name}` holds data, it can't be a validity column",
                resource=resource,
                expected="a name that no other column has",
                hint='name the validity columns: validity_column_names=["valid_from", "valid_to"]',
            )


def _check_kept(table: Table, names: tuple[str, str], active: str | None, resource: str) -> None:
    """Refuse to keep history in other columns, or with another end of what holds, than before."""
    found = [hinted(table, hint) for hint in (VALID_FROM, VALID_TO)]
    known = tuple(c.name for c in found if c is not None)
    if not table.loaded or found[1] is None:
        return
    if known != names:
        raise UsageError(
            f"table `{table.name}` keeps its history in `{known[0]}` and `{known[-1]}` already",
            resource=resource,
            expected=f"validity_column_names={list(known)!r}",
            hint='load into another table_name, or begin anew: refresh="drop_resources"',
        )
    before = found[1].extra.get(ACTIVE)
    if before not in (None, active):
        raise UsageError(
            f"rows of table `{table.name}` that hold end at `{before}` already",
            resource=resource,
            expected=f'active_record_timestamp="{before}"',
            hint='load into another table_name, or begin anew: refresh="drop_resources"',
        )
