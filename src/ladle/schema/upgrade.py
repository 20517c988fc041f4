"""Stored schemas of earlier engine versions to the present one, as the reference is seen to do it."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from typing import Any

from ladle.errors import UsageError
from ladle.schema.system import ENGINE_VERSION

RELATIONAL = "dlt.common.normalizers.json.relational"
_SEPARATOR = "__"


def upgraded(stored: Mapping[str, Any]) -> dict[str, Any]:
    """Return a stored schema in the form of the present engine version; the content is a copy.

    Raises:
        UsageError: it was stored by a later version than this one.
    """
    version = int(stored.get("engine_version") or ENGINE_VERSION)
    if version > ENGINE_VERSION:
        raise UsageError(
            f"schema `{stored.get('name')}` has engine version {version}, which this ladle doesn't know",
            expected=f"at most {ENGINE_VERSION}",
            hint="upgrade ladle",
        )
    made = copy.deepcopy(dict(stored))
    for until, step in _STEPS:
        if version < until:
            step(made)
    made["engine_version"] = ENGINE_VERSION
    return made


def _to_3(schema: dict[str, Any]) -> None:
    """Tables were their columns, rules were regular expressions, filters were the schema's."""
    tables: dict[str, Any] = {}
    for name, columns in (schema.get("tables") or {}).items():
        table: dict[str, Any] = {"columns": dict(columns)}
        parent = _parent_of(name, schema["tables"])
        table.update({"parent": parent} if parent else {"write_disposition": "append"})
        tables[name] = table
    for kind in ("excludes", "includes"):
        for rule in schema.pop(kind, None) or ():
            root, _, rest = rule.removeprefix("^").partition(_SEPARATOR)
            table = tables.setdefault(root, {"columns": {}, "write_disposition": "append"})
            table.setdefault("filters", {}).setdefault(kind, []).append(f"re:^{rest}")
    rules = {hint: [f"re:{r}" for r in found] for hint, found in (schema.pop("hints", None) or {}).items()}
    types = {f"re:{rule}": t for rule, t in (schema.pop("preferred_types", None) or {}).items()}
    schema["tables"] = tables
    schema["settings"] = {"default_hints": rules, "preferred_types": types}
    config = {"propagation": {"root": {"_dlt_id": "_dlt_root_id"}}}
    schema["normalizers"] = {"names": "snake_case", "json": {"module": RELATIONAL, "config": config}}


def _parent_of(name: str, tables: Iterable[str]) -> str | None:
    above = [t for t in tables if name.startswith(t + _SEPARATOR)]
    return max(above, key=len, default=None)


def _to_5(schema: dict[str, Any]) -> None:
    """Root tables didn't say which resource they belong to; names of columns could be out of date."""
    for table in _tables(schema):
        for name, column in table["columns"].items():
            column["name"] = name


def _to_7(schema: dict[str, Any]) -> None:
    """What may change was a seal."""
    (schema.get("settings") or {}).pop("schema_sealed", None)
    for table in _tables(schema):
        table.pop("table_sealed", None)


def _to_9(schema: dict[str, Any]) -> None:
    """Nothing said that a table was loaded."""
    for table in _tables(schema):
        if "_dlt_id" in table["columns"]:
            table.setdefault("x-normalizer", {})["seen-data"] = True


def _to_10(schema: dict[str, Any]) -> None:
    """Keys between rows had another name, as had JSON; a table's resource is its own where none is said."""
    settings = schema.setdefault("settings", {}) or {}
    rules = settings.get("default_hints")
    if rules is not None:
        rules.pop("foreign_key", None)
        rules.update(row_key=["_dlt_id"], parent_key=["_dlt_parent_id"])
    types = settings.get("preferred_types") or {}
    types.update({rule: "json" for rule, data_type in types.items() if data_type == "complex"})
    config = ((schema.get("normalizers") or {}).get("json") or {}).get("config") or {}
    config.pop("generate_dlt_id", None)
    for name, table in (schema.get("tables") or {}).items():
        if not table.get("parent"):
            table.setdefault("resource", name)
            table.setdefault("write_disposition", "append")
        for column_name, column in table["columns"].items():
            if column.get("data_type") == "complex":
                column["data_type"] = "json"
            if column.pop("foreign_key", False) and column_name == "_dlt_parent_id":
                column["parent_key"] = True
            if column_name == "_dlt_id" and column.get("unique"):
                column["row_key"] = True


def _to_11(schema: dict[str, Any]) -> None:
    """A key was one name, whatever was in it."""
    schema.setdefault("normalizers", {})["use_break_path_on_normalize"] = False


def _tables(schema: Mapping[str, Any]) -> Iterable[dict[str, Any]]:
    return (schema.get("tables") or {}).values()


_STEPS = ((3, _to_3), (5, _to_5), (7, _to_7), (9, _to_9), (10, _to_10), (11, _to_11))
