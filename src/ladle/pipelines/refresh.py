"""Refresh: what a run forgets first, listed before anything is touched."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from ladle.extract.declare import table_name
from ladle.schema.change import Limits
from ladle.schema.given_names import GivenNames
from ladle.schema.records import is_record
from ladle.schema.schema import Schema
from ladle.schema.table import MARKED
from ladle.sources.hints import Hints
from ladle.sources.resource import Resource
from ladle.state.scopes import without_resources

Refresh = Literal["drop_sources", "drop_resources", "drop_data"]
REFRESH = ("drop_sources", "drop_resources", "drop_data")


@dataclass(frozen=True, slots=True)
class Reset:
    """What one source's refresh takes away, just before its load.

    Attributes:
        mode: as asked for.
        tables: their names, parents first; dropped, or emptied where the mode is `drop_data`.
        state: the source's state as the extract finds it.
        forgotten: whose state goes: names of resources, or the source's.
    """

    mode: Refresh
    tables: tuple[str, ...]
    state: dict[str, Any]
    forgotten: tuple[str, ...]

    @property
    def drops(self) -> bool:
        """Whether tables are dropped, not emptied."""
        return self.mode != "drop_data"

    def __str__(self) -> str:
        parts = []
        if self.tables:
            what = "drops the tables" if self.drops else "empties the tables"
            parts.append(f"{what} {', '.join(f'`{t}`' for t in self.tables)}")
        if self.forgotten:
            parts.append(f"forgets the state of {', '.join(f'`{n}`' for n in self.forgotten)}")
        return f'refresh="{self.mode}" ' + (" and ".join(parts) or "has nothing to drop")


def roots_of(resources: Sequence[Resource], hints: Hints, stored: Schema, limits: Limits) -> list[str]:
    """Return the root tables of resources, those too that items named so far.

    Args:
        resources: selected.
        hints: given to the run.
        stored: the source's schema as last committed.
        limits: of the destination, for the lengths of names.
    """
    names = {r.hints.table_name or r.name for r in resources} | {hints.table_name}
    given = GivenNames.of(stored)
    found = {given.table(table_name(stored, n, limits)) for n in names if n and isinstance(n, str)}
    by_items = {r.name for r in resources if callable(hints.over(r.hints).table_name)}
    marked = {r.name for r in resources}
    for table in stored.table_map.values():
        if table.resource in by_items or (table.extra.get(MARKED) and table.resource in marked):
            found.add(table.name)
    return sorted(found)


def plan(
    mode: Refresh,
    stored: Schema,
    roots: Collection[str],
    state: Mapping[str, Any],
    resources: Collection[str],
) -> Reset:
    """Return what a refresh of one source takes away; nothing is touched.

    Args:
        mode: `drop_sources`: all tables and all state of the source, what ladle recorded aside;
            `drop_resources`: those of the selected resources; `drop_data`: the rows and the state of those.
        stored: the source's schema as last committed.
        roots: names of the selected resources' root tables.
        state: the source's.
        resources: names of the selected resources.
    """
    if mode == "drop_sources":
        tables = [n for n in stored.table_map if not is_record(n)]
        forgotten = [stored.name] if state else []
        return Reset(mode, tuple(tables), {}, tuple(forgotten))
    # In the schema's order, parents first; a name may be among the roots twice.
    tables = list(dict.fromkeys(t.name for root in roots for t in stored.chain(root)))
    kept = without_resources(state, resources)
    forgotten = [n for n in state.get("resources", {}) if n not in kept["resources"]]
    return Reset(mode, tuple(tables), kept, tuple(forgotten))
