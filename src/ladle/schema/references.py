"""References between tables: those that nesting and loads make, and those that users declare."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ladle.schema.system import LOADS_TABLE, SYSTEM_PREFIX, VERSION_TABLE
from ladle.schema.table import Table

PARENT, ROOT, LOAD = "_dlt_parent", "_dlt_root", "_dlt_load"
_SYSTEM = ("_dlt_schema_version", "_dlt_schema_name")


def references(tables: Mapping[str, Table]) -> list[dict[str, Any]]:
    """Return all references of a schema in stored form, each with its `table`.

    Args:
        tables: by name, system tables included; parents before children.
    """
    found = [r for t in tables.values() if not t.name.startswith(SYSTEM_PREFIX) for r in _of(t, tables)]
    if VERSION_TABLE in tables:
        found.append(
            _link(
                _SYSTEM[0], "one_to_many", VERSION_TABLE, "version_hash", LOADS_TABLE, "schema_version_hash"
            )
        )
        found.append(
            _link(_SYSTEM[1], "many_to_many", VERSION_TABLE, "schema_name", LOADS_TABLE, "schema_name")
        )
    return found


def _of(table: Table, tables: Mapping[str, Table]) -> Iterator[dict[str, Any]]:
    if "_dlt_load_id" in table.columns:
        yield _link(LOAD, "many_to_one", table.name, "_dlt_load_id", LOADS_TABLE, "load_id")
    for given in table.extra.get("references") or ():
        yield {**given, "table": table.name}
    parent = tables.get(table.parent or "")
    if parent is None:
        return
    for column in table.keys("parent_key"):
        yield _link(PARENT, "many_to_one", table.name, column, parent.name, _row_key(parent))
    root = root_of(table, tables)
    for column in table.keys("root_key"):
        yield _link(ROOT, "many_to_one", table.name, column, root.name, _row_key(root))


def root_of(table: Table, tables: Mapping[str, Table]) -> Table:
    """Return the root table above a table; the table itself where it is one."""
    seen = {table.name}
    while (above := tables.get(table.parent or "")) is not None and above.name not in seen:
        seen.add(above.name)
        table = above
    return table


def _row_key(table: Table) -> str:
    return next(iter(table.keys("row_key")), "_dlt_id")


def _link(label: str, cardinality: str, table: str, column: str, to: str, to_column: str) -> dict[str, Any]:
    return {
        "label": label,
        "cardinality": cardinality,
        "table": table,
        "columns": [column],
        "referenced_table": to,
        "referenced_columns": [to_column],
    }


def shown(
    found: Iterable[Mapping[str, Any]],
    tables: Mapping[str, Table],
    *,
    internal: bool = True,
    parents: bool = True,
    roots: bool = True,
) -> list[dict[str, Any]]:
    """Return the references that a picture of `tables` can show, users' own first.

    Args:
        found: all references.
        tables: those in the picture.
        internal: whether those to and between system tables are wanted.
        parents: whether those from child to parent are.
        roots: whether those from child to root are.
    """
    wanted = {PARENT: parents, ROOT: roots, LOAD: internal, **dict.fromkeys(_SYSTEM, internal)}
    kept = [dict(r) for r in found if wanted.get(r.get("label") or "", True) and _has_ends(r, tables)]
    return sorted(kept, key=lambda r: r.get("label") in wanted)


def _has_ends(reference: Mapping[str, Any], tables: Mapping[str, Table]) -> bool:
    ends = (
        (reference["table"], reference["columns"]),
        (reference["referenced_table"], reference["referenced_columns"]),
    )
    return all(name in tables and all(c in tables[name].columns for c in columns) for name, columns in ends)
