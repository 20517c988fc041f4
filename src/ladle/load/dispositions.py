"""Which strategy brings in the rows of which table."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from ladle.destinations.base import Session, Strategy
from ladle.load.strategies.append import append
from ladle.load.strategies.delete_insert import delete_insert
from ladle.load.strategies.insert_from_staging import insert_from_staging
from ladle.load.strategies.insert_only import insert_only
from ladle.load.strategies.scd2 import scd2
from ladle.load.strategies.staging_optimized import staging_optimized
from ladle.load.strategies.truncate_and_insert import truncate_and_insert
from ladle.load.strategies.upsert import upsert
from ladle.package.manifest import Manifest, ResourceInfo
from ladle.schema.change import Limits
from ladle.schema.schema import Schema
from ladle.schema.table import Table

STRATEGIES: Mapping[str, Strategy] = {"append": append, "replace": truncate_and_insert}
MERGES: Mapping[str, Strategy] = {
    "delete-insert": delete_insert,
    "upsert": upsert,
    "insert-only": insert_only,
    "scd2": scd2,
}
REPLACES: Mapping[str, Strategy] = {
    "truncate-and-insert": truncate_and_insert,
    "insert-from-staging": insert_from_staging,
    "staging-optimized": staging_optimized,
}


def strategy(root: Table, disposition: str, replaces: str | None = None) -> Strategy:
    """Return the strategy of a disposition; that of merge and replace is named by the root table.

    Args:
        root: the root table.
        disposition: of its rows in this load.
        replaces: the strategy of replace where the table names none.
    """
    if disposition == "merge":
        return MERGES[root.extra.get("x-merge-strategy", "delete-insert")]
    if disposition == "replace":
        return REPLACES[root.extra.get("x-replace-strategy") or replaces or "truncate-and-insert"]
    return STRATEGIES[disposition]


def by_disposition(schema: Schema, resource: ResourceInfo) -> dict[str, list[Table]]:
    """Return a resource's tables, parents first, by how their rows meet what is there.

    A child table follows its parent, unless a nested hint gave it a disposition of its own.
    """
    if resource.again:
        return {resource.write_disposition: list(schema.chain(resource.table))}
    own: dict[str, str] = {}
    found: dict[str, list[Table]] = {}
    for table in schema.chain(resource.table):
        above = own.get(table.parent or "", resource.write_disposition)
        given = table.write_disposition if table.parent is not None else None
        own[table.name] = given or above
        found.setdefault(own[table.name], []).append(table)
    return found


def waiting(manifest: Manifest, schema: Schema, limits: Limits) -> dict[str, tuple[str, Strategy]]:
    """Return root table and strategy of each table whose rows wait until all of the load are there.

    A child table that is replaced, and its root isn't, is emptied before its rows come.
    """
    if not limits.dispositions:
        return {}
    found: dict[str, tuple[str, Strategy]] = {}
    for resource in manifest.resources:
        for disposition, tables in by_disposition(schema, resource).items():
            root = schema.table_map[resource.table]
            if disposition == "replace" and not limits.replaces:
                continue
            used = strategy(root, disposition, manifest.replace_strategy)
            if used.statements is not None and root.name in {t.name for t in tables}:
                found.update((table.name, (root.name, used)) for table in tables)
    return found


def prepare(
    session: Session,
    schema: Schema,
    resource: ResourceInfo,
    due: Collection[str],
    waits: Collection[str] = (),
) -> None:
    """Let the strategies make room for rows of a resource in those of its tables that are due.

    Args:
        session: begun.
        schema: has the tables.
        resource: whose they are.
        due: names of tables that come now.
        waits: names of tables whose rows wait.
    """
    for disposition, tables in by_disposition(schema, resource).items():
        if wanted := [t for t in tables if t.name in due and t.name not in waits]:
            STRATEGIES.get(disposition, append).prepare(session, wanted)
