"""Which strategy brings in the rows of which table."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from ladle.destinations.base import Session, Strategy
from ladle.load.strategies.append import append
from ladle.load.strategies.delete_insert import delete_insert
from ladle.load.strategies.insert_only import insert_only
from ladle.load.strategies.replace import replace
from ladle.load.strategies.scd2 import scd2
from ladle.load.strategies.upsert import upsert
from ladle.package.manifest import ResourceInfo
from ladle.schema.schema import Schema
from ladle.schema.table import Table

STRATEGIES: Mapping[str, Strategy] = {"append": append, "replace": replace}
MERGES: Mapping[str, Strategy] = {
    "delete-insert": delete_insert,
    "upsert": upsert,
    "insert-only": insert_only,
    "scd2": scd2,
}


def strategy(root: Table, disposition: str) -> Strategy:
    """Return the strategy of a disposition; that of a merge is named by the root table."""
    if disposition == "merge":
        return MERGES[root.extra.get("x-merge-strategy", "delete-insert")]
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


def prepare(session: Session, schema: Schema, resource: ResourceInfo, due: Collection[str]) -> None:
    """Let the strategies make room for rows of a resource in those of its tables that are due."""
    for disposition, tables in by_disposition(schema, resource).items():
        if wanted := [t for t in tables if t.name in due]:
            strategy(schema.table_map[resource.table], disposition).prepare(session, wanted)
