"""Merges: rows wait in tables of the load's own until all are there, then SQL brings them in."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import closing
from typing import cast

from sqlglot import exp

from ladle.destinations.base import Destination, MergingSession, Session
from ladle.errors import UsageError
from ladle.load.dispositions import by_disposition, strategy
from ladle.load.strategies.scd2 import check_early
from ladle.load.strategies.staged import OLD, ROOT_ID, ROW_ID, Staged, col, is_null
from ladle.package.manifest import ResourceInfo
from ladle.package.store import Package
from ladle.schema.change import AddColumn, Change
from ladle.schema.scd2 import BOUNDARY, has_history
from ladle.schema.schema import Schema
from ladle.schema.table import Table

_ABOVE = "above"


def merged_tables(package: Package, schema: Schema) -> dict[str, str]:
    """Return the root table of each table whose rows are merged."""
    found: dict[str, str] = {}
    for resource in package.manifest.resources:
        for disposition, tables in by_disposition(schema, resource).items():
            if disposition == "merge":
                found.update((table.name, resource.table) for table in tables)
    return found


def check_merges(schema: Schema, resources: Sequence[ResourceInfo], destination: Destination) -> None:
    """Refuse merges that the destination or the keys don't allow.

    Raises:
        UsageError: names table and strategy.
    """
    limits = destination.limits
    for resource in resources:
        if resource.write_disposition != "merge" or not limits.dispositions:
            continue
        root = schema.table_map.get(resource.table)
        if root is None:
            continue  # dropped by the user: its rows are left out
        name = root.extra.get("x-merge-strategy", "delete-insert")
        if name not in limits.merges:
            raise UsageError(
                f"`{destination.name}` can't merge table `{root.name}` by `{name}`",
                resource=resource.name,
                expected="one of " + ", ".join(limits.merges) if limits.merges else "append or replace",
                hint="load it into a database, or give the resource another write_disposition",
            )
        primary, other = root.keys("primary_key"), root.keys("merge_key")
        if strategy(root, "merge").needs_key and (other or not primary):
            raise UsageError(
                f"a merge by `{name}` into table `{root.name}` goes by its primary key alone",
                resource=resource.name,
                expected="a primary_key and no merge_key" if not primary else "no merge_key",
                hint='name the key: primary_key="id"',
            )


def check_boundaries(
    schema: Schema, resources: Sequence[ResourceInfo], destination: Destination, dataset: str
) -> None:
    """Refuse, before anything is read, to count from a moment before what is there.

    Raises:
        UsageError: names table and moment.
    """
    roots = [schema.table_map[r.table] for r in resources if r.table in schema.table_map]
    bounded = [t for t in roots if has_history(t) and t.loaded and t.extra.get(BOUNDARY) is not None]
    if not bounded:
        return
    with closing(destination.open(dataset)) as session:
        for root in bounded:
            check_early(cast(MergingSession, session), root)


def merge(
    session: MergingSession,
    schema: Schema,
    waiting: Mapping[str, str],
    staged: Mapping[str, Sequence[str]],
    again: Collection[str] = (),
) -> None:
    """Bring in what waits. A root table without new rows stays as it is, with all below it.

    Args:
        session: has the rows.
        schema: of the package.
        waiting: root table by table, for tables that are merged.
        staged: columns by table, for those that have rows.
        again: root tables whose rows are rejects that come again.
    """
    there = session.tables()
    for name in dict.fromkeys(waiting.values()):
        if name not in staged:
            continue
        root = schema.table_map[name]
        children = [schema.table_map[n] for n, r in waiting.items() if r == name and n != name and n in there]
        columns = {n: c for n, c in staged.items() if waiting[n] == name}
        found = strategy(root, "merge")
        assert found.statements is not None
        tables = [name, *(table.name for table in children)]
        rows = Staged(session, root, children, columns, name in again)
        found.check(rows)
        session.merge(tables, found.statements(rows))


def root_key_fills(session: Session, schema: Schema, changes: Sequence[Change]) -> None:
    """Give old child rows their root key where the column is new: they were loaded before any merge."""
    new = [
        schema.table_map[c.table]
        for c in changes
        if isinstance(c, AddColumn) and c.column.root_key and c.table in schema.table_map
    ]
    if new:
        merging = cast(MergingSession, session)
        # parents first, as the schema has them
        merging.merge([t.name for t in new], [_fill(merging, schema, table) for table in new])


def _fill(session: MergingSession, schema: Schema, table: Table) -> exp.Expression:
    parent = schema.table_map[str(table.parent)]
    key = ROOT_ID if parent.parent is not None else ROW_ID
    above = exp.select(col(key, _ABOVE)).from_(exp.alias_(session.place(parent.name), _ABOVE, table=True))
    above = above.where(col(ROW_ID, _ABOVE).eq(col("_dlt_parent_id", OLD)))
    return exp.Update(
        this=exp.alias_(session.place(table.name), OLD, table=True),
        expressions=[exp.EQ(this=col(ROOT_ID), expression=above.subquery())],
        where=exp.Where(this=is_null(col(ROOT_ID, OLD))),
    )


def fill(session: MergingSession, schema: Schema, fills: Sequence[Mapping[str, str]]) -> None:
    """Put values into rows that are there, as a package's manifest has them."""
    cells: dict[str, list[tuple[str, str, str]]] = {}
    for one in fills:
        cells.setdefault(one["table"], []).append((one["column"], one["row_id"], one["value"]))
    for table, found in cells.items():
        session.fill(schema.table_map[table], found)
