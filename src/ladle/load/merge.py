"""Rows that wait in tables of the load's own until all are there; then SQL brings them in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime
from typing import cast

from sqlglot import exp

from ladle.destinations.base import Destination, MergingSession, Session
from ladle.errors import UsageError
from ladle.load.dispositions import REPLACES, strategy, waiting
from ladle.load.strategies.scd2 import check_early
from ladle.load.strategies.staged import Staged
from ladle.load.strategies.trees import OLD, ROOT_ID, ROW_ID, col, is_null
from ladle.package.manifest import Manifest, ResourceInfo
from ladle.schema.change import AddColumn, Change, Limits
from ladle.schema.scd2 import BOUNDARY, has_history
from ladle.schema.schema import Schema
from ladle.schema.table import LISTING, WITHIN, Table

_ABOVE = "above"


def check_merges(schema: Schema, resources: Sequence[ResourceInfo], destination: Destination) -> None:
    """Refuse merges and replaces that the destination or the keys don't allow.

    Raises:
        UsageError: names table and strategy.
    """
    limits = destination.limits
    for resource in resources:
        root = schema.table_map.get(resource.table)
        if root is None or not limits.dispositions:
            continue  # dropped by the user: its rows are left out
        if resource.write_disposition == "replace":
            _check_replace(root, resource, destination)
        if resource.write_disposition != "merge":
            continue
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
        _check_listing(root, resource)


def _check_replace(root: Table, resource: ResourceInfo, destination: Destination) -> None:
    name, can = root.extra.get("x-replace-strategy"), destination.limits.replaces
    if name is not None and can and name not in can:
        raise UsageError(
            f"`{destination.name}` can't replace table `{root.name}` by `{name}`",
            resource=resource.name,
            expected="one of " + ", ".join(can),
        )


def _check_listing(root: Table, resource: ResourceInfo) -> None:
    """Refuse deletes by comparison where rows can't be told apart."""
    if not root.extra.get(LISTING):
        return
    what = f"delete_missing of table `{root.name}`"
    if not root.keys("primary_key"):
        raise UsageError(
            f"{what} compares primary keys, and there is none",
            resource=resource.name,
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
    manifest: Manifest,
    staged: Mapping[str, Sequence[str]],
    limits: Limits,
) -> dict[str, dict[str, int]]:
    """Bring in what waits; return what became of the rows of each root table that is merged.

    Args:
        session: has the rows.
        schema: of the package.
        manifest: of the package.
        staged: columns by table, for those that have rows.
        limits: of the destination.

    Raises:
        TooManyMissing: a listing lacks more than is allowed.
    """
    waits = waiting(manifest, schema, limits)
    there = session.tables() if waits else {}
    told: dict[str, dict[str, int]] = {}
    for name, used in dict(waits.values()).items():
        root = schema.table_map[name]
        merges = used not in REPLACES.values()
        if name not in there or (merges and name not in staged and not root.extra.get(LISTING)):
            continue  # a root table without new rows stays as it is, with all below it
        below = (n for n, (above, _) in waits.items() if above == name and n != name and n in there)
        children = [schema.table_map[n] for n in below]
        columns = {n: c for n, c in staged.items() if waits.get(n, ("",))[0] == name}
        at = datetime.fromtimestamp(float(manifest.load_id), UTC)
        shared = not set(there[name]) <= {column.name for column in root.typed_columns()}
        made = Staged(session, root, children, columns, at, refused(manifest, name), shared=shared)
        assert used.statements is not None
        used.prepare(session, [root, *children])
        session.merge([name, *(table.name for table in children)], used.statements(made))
        if merges:
            told[name] = {"inserted": 0, "updated": 0, "deleted": 0, "unchanged": 0, **made.tally}
    return told


def refused(manifest: Manifest, root: str) -> int | None:
    """Return how many rows of a root table were refused; None where earlier rows come again."""
    resources = [r for r in manifest.resources if r.table == root]
    if any(r.again for r in resources):
        return None
    by_models = sum(manifest.resource_accounts.get(r.name, {}).get("rejected", 0) for r in resources)
    return by_models + manifest.accounts.get(root, {}).get("rejected", 0)


def notices(manifest: Manifest, schema: Schema, limits: Limits) -> Iterator[str]:
    """Yield why nothing of a table that this load lists will be deleted as missing."""
    asked = {r.table for r in manifest.resources if r.write_disposition == "merge" and limits.merges}
    for table in (schema.table_map[n] for n in sorted(asked) if n in schema.table_map):
        if not table.extra.get(LISTING):
            continue
        what = f"nothing of table `{table.name}` is deleted as missing: "
        if count := refused(manifest, table.name):
            yield f"{what}{count:,} row{'s' if count > 1 else ''} of its listing had to be refused"
        for column in table.columns.values():
            if column.extra.get(WITHIN) and column.data_type is None and table.loaded:
                yield f"{what}no row has had a value in `{column.name}`, which missing_within names"


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
