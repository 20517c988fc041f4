"""Hints as tables in stored form."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ladle.schema.naming import Naming
from ladle.schema.rule_forms import declared
from ladle.sources.hints import Hints

_NOTED = ("schema_contract", "table_format", "file_format", "references")


def key_columns(hints: Hints) -> dict[str, dict[str, Any]]:
    """Return column hints by source name, those that keys bring included."""
    columns = {name: dict(column) for name, column in hints.columns.items()}
    for hint, keys in (("primary_key", hints.primary_key), ("merge_key", hints.merge_key)):
        for key in keys or ():
            column = columns.setdefault(key, {})
            column[hint] = True
            column.setdefault("nullable", False)
    return columns


def noted_hints(hints: Hints) -> dict[str, Any]:
    """Return what the stored table says besides columns, disposition and names."""
    noted = {name: getattr(hints, name) for name in _NOTED if getattr(hints, name) is not None}
    if hints.max_table_nesting is not None:
        noted["x-normalizer"] = {"max_nesting": hints.max_table_nesting}
    if hints.rules is not None:
        noted["x-rules"] = declared((), hints.rules)
    return {**noted, **hints.additional, **hints.tags}


def table_schema(hints: Hints, resource: str | None, name: str | None = None) -> dict[str, Any]:
    """Return hints without functions as a table in stored form; names as they are in the source."""
    made: dict[str, Any] = {
        "name": name or hints.table_name or resource,
        "columns": {n: {**column, "name": n} for n, column in key_columns(hints).items()},
        "write_disposition": hints.write_disposition or "append",
        **{k: v for k, v in noted_hints(hints).items() if v is not None},
    }
    if resource is not None:
        made["resource"] = resource
    if hints.parent_table_name is not None:
        made["parent"] = hints.parent_table_name
    return made


def nested_tables(
    root: str, naming: Naming, nested: Mapping[tuple[str, ...], dict[str, Any]], max_length: int | None = None
) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Yield name, parent's name and hints of each child table, parents first.

    Args:
        root: source name of the root table.
        naming: makes the names.
        nested: hints by path below the root.
        max_length: of a table's name at the destination.
    """
    for path in sorted(nested, key=len):
        name = naming.table(naming.fit(root, *path, max_length=max_length))
        parent = naming.table(naming.fit(root, *path[:-1], max_length=max_length))
        yield name, parent, nested[path]
