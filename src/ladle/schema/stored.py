"""The stored form of a schema: what goes where, what is left out on demand, and the hash of the content."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ladle.errors import UsageError
from ladle.schema.hints_by_name import DEFAULT_HINTS
from ladle.schema.records import seen_record
from ladle.schema.system import ENGINE_VERSION, SYSTEM_TABLES
from ladle.schema.table import Table
from ladle.schema.upgrade import RELATIONAL, upgraded

NO_COERCION = f"{RELATIONAL}_no_coercion"
IMPORTED_HASH = "imported_version_hash"
DETECTIONS = (
    "iso_timestamp",
    "timestamp",
    "iso_date",
    "large_integer",
    "hexbytes_to_text",
    "wei_to_double",
)
"""Names of the detectors, which normalize has."""
_PROCESSING = ("x-normalizer", "x-loader", "x-extractor")
_KNOWN = {
    "version",
    "version_hash",
    "engine_version",
    "name",
    "tables",
    "settings",
    "normalizers",
    "previous_hashes",
}


def default_settings() -> dict[str, Any]:
    """Return the settings of a new schema."""
    return {
        "detections": ["iso_timestamp"],
        "default_hints": {hint: list(names) for hint, names in DEFAULT_HINTS.items()},
    }


@dataclass(frozen=True, slots=True)
class Propagation:
    """Which columns rows of child tables get from the rows above them, besides keys.

    Attributes:
        root: name in the child by name in the root table.
        tables: the same for what is below a table, by its name.
        root_ids: names of root tables below which each row has `_dlt_root_id`; None for all.
    """

    root: Mapping[str, str]
    tables: Mapping[str, Mapping[str, str]]
    root_ids: frozenset[str] | None = frozenset()

    @property
    def values(self) -> bool:
        """Whether there is anything but keys."""
        return bool(self.root or self.tables)

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> Propagation:
        """Read it from the normalizers of a schema."""
        config = (options.get("json") or {}).get("config") or {}
        given = config.get("propagation") or {}
        root, tables = dict(given.get("root") or {}), dict(given.get("tables") or {})
        everywhere = bool(config.get("root_key_propagation")) or root.get("_dlt_id") == "_dlt_root_id"
        some = frozenset(t for t, columns in tables.items() if columns.get("_dlt_id") == "_dlt_root_id")
        return cls(
            _without_ids(root),
            {t: c for t, columns in tables.items() if (c := _without_ids(columns))},
            None if everywhere else some,
        )


def _without_ids(columns: Mapping[str, str]) -> dict[str, str]:
    return {k: v for k, v in columns.items() if (k, v) != ("_dlt_id", "_dlt_root_id")}


def normalizers(naming: str, max_nesting: int | None, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the block `normalizers` of the stored form."""
    given = dict(options.get("json") or {})
    config = dict(given.pop("config", None) or {})
    if max_nesting is not None:
        config["max_nesting"] = max_nesting
    block = {"module": RELATIONAL, **given}
    if config:
        block["config"] = config
    return {"names": naming, **options, "json": block}


def digest(content: Mapping[str, Any]) -> str:
    """Return the hash of a schema's content; 44 characters."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), default=_plain)
    return base64.b64encode(hashlib.sha3_256(text.encode()).digest()).decode()


def _plain(value: Any) -> Any:
    return dict(value) if isinstance(value, Mapping) else str(value)


def parts_of(stored: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments that make a schema of its stored form, ours or the reference's, of any version.

    Raises:
        UsageError: an unknown data type, no name, or a later engine version.
    """
    if (stored.get("engine_version") or ENGINE_VERSION) != ENGINE_VERSION:
        stored = upgraded(stored)
    options = dict(stored.get("normalizers") or {})
    names = options.pop("names", None) or "snake_case"
    block = dict(options.pop("json", None) or {})
    config = dict(block.pop("config", None) or {})
    max_nesting = config.pop("max_nesting", None)
    if block.get("module") == RELATIONAL:
        del block["module"]
    if config:
        block["config"] = config
    if block:
        options["json"] = block
    if "name" not in stored:
        raise UsageError("a stored schema has no name", expected="what `Schema.to_dict` returns")
    return {
        "name": stored["name"],
        "table_map": _parents_first(
            {
                n: seen_record(n, t) or Table.from_dict(n, t)
                for n, t in (stored.get("tables") or {}).items()
                if n not in SYSTEM_TABLES
            }
        ),
        "settings": dict(stored.get("settings") or {}),
        "naming": names if isinstance(names, str) else str(names["module"]),
        "max_nesting": max_nesting,
        "version": stored.get("version", 1),
        "previous_hashes": tuple(stored.get("previous_hashes") or ()),
        "stored_hash": stored.get("version_hash"),
        "normalizer_options": options,
        "more": {k: stored[k] for k in sorted(stored.keys() - _KNOWN)},
        "stored_version": stored.get("version"),
        "stored_version_hash": stored.get("version_hash"),
    }


def _parents_first(tables: dict[str, Table]) -> dict[str, Table]:
    """Return the tables in their order, but none before its parent."""
    ordered: dict[str, Table] = {}
    late = False
    for table in tables.values():
        late = late or (table.parent in tables and table.parent not in ordered)
        ordered[table.name] = table
    if not late:
        return tables
    ordered = {}

    def add(table: Table, below: frozenset[str]) -> None:
        parent = tables.get(table.parent or "")
        if parent is not None and parent.name not in ordered and parent.name not in below:
            add(parent, below | {table.name})
        ordered.setdefault(table.name, table)

    for table in tables.values():
        add(table, frozenset())
    return ordered


def without_names(tables: Mapping[str, Any]) -> dict[str, Any]:
    """Return stored tables without the names that their keys tell already."""
    return {n: _nameless(t) for n, t in tables.items()}


def _nameless(table: Mapping[str, Any]) -> dict[str, Any]:
    columns = {n: {k: v for k, v in c.items() if k != "name"} for n, c in table["columns"].items()}
    return {"columns": columns, **{k: v for k, v in table.items() if k not in ("name", "columns")}}


def without_notes(table: Mapping[str, Any]) -> dict[str, Any]:
    """Return a stored table without what loading it left there."""
    return {k: v for k, v in table.items() if k not in _PROCESSING}
