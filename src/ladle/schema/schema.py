"""Schema: all tables of one source, as a value; stored form, version and content hash."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from ladle.errors import UsageError
from ladle.schema.change import Limits
from ladle.schema.html import table_html
from ladle.schema.lattice import in_place, widens
from ladle.schema.records import is_record
from ladle.schema.table import Column, Table
from ladle.schema.types import with_type

ENGINE_VERSION = 11
VERSION_TABLE = "_dlt_version"
LOADS_TABLE = "_dlt_loads"
STATE_TABLE = "_dlt_pipeline_state"
SYSTEM_TABLES = (VERSION_TABLE, LOADS_TABLE, STATE_TABLE)
_MAX_PREVIOUS = 10


def _table(name: str, disposition: str, **columns: dict[str, Any]) -> Table:
    built = {n: Column.from_dict(n, c) for n, c in columns.items()}
    return Table(name, columns=built, write_disposition=disposition)


def _column(data_type: str, nullable: bool = False) -> dict[str, Any]:
    return {"data_type": data_type, "nullable": nullable}


SYSTEM_TABLE_MAP: Mapping[str, Table] = {
    VERSION_TABLE: _table(
        VERSION_TABLE,
        "skip",
        version=_column("bigint"),
        engine_version=_column("bigint"),
        inserted_at=_column("timestamp"),
        schema_name=_column("text"),
        version_hash=_column("text"),
        schema=_column("text"),
    ),
    LOADS_TABLE: _table(
        LOADS_TABLE,
        "skip",
        load_id=_column("text"),
        schema_name=_column("text", nullable=True),
        status=_column("bigint"),
        inserted_at=_column("timestamp"),
        schema_version_hash=_column("text", nullable=True),
    ),
    STATE_TABLE: _table(
        STATE_TABLE,
        "append",
        version=_column("bigint"),
        engine_version=_column("bigint"),
        pipeline_name=_column("text"),
        state=_column("text"),
        created_at=_column("timestamp"),
        version_hash=_column("text", nullable=True),
        _dlt_load_id=_column("text"),
        _dlt_id={**_column("text"), "unique": True, "row_key": True},
    ),
}
"""The three tables every dataset has; columns and types as the reference makes them."""


@dataclass(frozen=True, slots=True)
class Schema:
    """The tables of one source. A value: changes return a new schema.

    Args:
        name: letters, digits and `_`; the source's name.
        table_map: user tables by normalised name, parents before children.
        settings: `detections`, `default_hints`, `preferred_types`, `schema_contract`.
        naming: naming convention.
        max_nesting: levels of nesting that become tables and columns; None for all.
        version: grows by one with each stored change.
        previous_hashes: hashes of earlier versions, newest first, at most ten.
        stored_hash: the hash it was stored with, by us or the reference; None once the content changed.
    """

    name: str
    table_map: Mapping[str, Table] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=lambda: {"detections": ["iso_timestamp"]})
    naming: str = "snake_case"
    max_nesting: int | None = None
    version: int = 1
    previous_hashes: tuple[str, ...] = ()
    stored_hash: str | None = None

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", self.name or ""):
            raise UsageError(
                f"`{self.name}` can't be the name of a schema",
                expected="letters, digits and `_`, not beginning with a digit",
            )

    @property
    def tables(self) -> dict[str, dict[str, Any]]:
        """All tables in stored form, system tables included; a copy."""
        return {n: t.to_dict() for n, t in {**SYSTEM_TABLE_MAP, **self.table_map}.items()}

    @property
    def version_hash(self) -> str:
        """Digest of the content: tables, settings and normalizers; 44 characters."""
        return self.stored_hash or _digest(self._content())

    def _content(self) -> dict[str, Any]:
        config: dict[str, Any] = {} if self.max_nesting is None else {"max_nesting": self.max_nesting}
        return {
            "engine_version": ENGINE_VERSION,
            "name": self.name,
            "tables": self.tables,
            "settings": dict(self.settings),
            "normalizers": {"names": self.naming, "json": {"module": "relational", "config": config}},
        }

    def to_dict(self) -> dict[str, Any]:
        """Return the stored form, ready for JSON or YAML."""
        content = self._content()
        return {
            "version": self.version,
            "version_hash": self.stored_hash or _digest(content),
            "previous_hashes": list(self.previous_hashes),
            **content,
        }

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Schema:
        """Build from the stored form, ours or the reference's.

        Raises:
            UsageError: an unknown data type, or no name.
        """
        normalizers = stored.get("normalizers") or {}
        config = (normalizers.get("json") or {}).get("config") or {}
        names = normalizers.get("names") or "snake_case"
        tables = {
            n: Table.from_dict(n, t) for n, t in stored.get("tables", {}).items() if n not in SYSTEM_TABLES
        }
        return cls(
            name=stored["name"],
            table_map=tables,
            settings=dict(stored.get("settings") or {}),
            naming=names if isinstance(names, str) else "snake_case",
            max_nesting=config.get("max_nesting"),
            version=stored.get("version", 1),
            previous_hashes=tuple(stored.get("previous_hashes") or ()),
            stored_hash=stored.get("version_hash"),
        )

    def with_tables(self, tables: Iterable[Table]) -> Schema:
        """Return a copy in which `tables` replace those of the same name; the version stays."""
        merged = dict(self.table_map)
        merged.update((t.name, t) for t in tables)
        return replace(self, table_map=merged, stored_hash=None)

    def without_tables(self, names: Iterable[str]) -> Schema:
        """Return a copy that lacks the named tables; the version stays."""
        gone = set(names)
        kept = {n: t for n, t in self.table_map.items() if n not in gone}
        return replace(self, table_map=kept, stored_hash=None)

    def with_hints_of(self, declared: Schema, limits: Limits | None = None) -> Schema:
        """Return this schema with the hints of `declared` on top; types known here stay.

        For a package that was declared on an older schema than this one.

        Args:
            declared: of the package.
            limits: of the destination: what it can widen in place gets a wider type that is declared.
        """
        tables = []
        for table in declared.table_map.values():
            known = self.table_map.get(table.name)
            if known is None:
                tables.append(table)
                continue
            columns = [_with_type_of(c, known.columns.get(c.name), limits) for c in table.columns.values()]
            merged = replace(known.with_columns(columns), write_disposition=table.write_disposition)
            tables.append(replace(merged, extra={**known.extra, **table.extra}))
        return replace(self.with_tables(tables), settings=declared.settings, naming=declared.naming)

    def bumped(self, stored: Schema | None) -> Schema:
        """Return this content as the version after `stored`; the same version where nothing changed."""
        if stored is None:
            return self
        previous = stored.version_hash
        if self.version_hash == previous:
            return replace(self, version=stored.version, previous_hashes=stored.previous_hashes)
        hashes = (previous, *stored.previous_hashes)[:_MAX_PREVIOUS]
        return replace(self, version=stored.version + 1, previous_hashes=hashes)

    def chain(self, root: str) -> list[Table]:
        """Return the table named `root` and all tables below it, parents first."""
        found: list[Table] = []
        names = {root}
        for table in self.table_map.values():
            if table.name == root or table.parent in names:
                names.add(table.name)
                found.append(table)
        return found

    def data_tables(self) -> list[dict[str, Any]]:
        """User tables in stored form."""
        return [t.to_dict() for n, t in self.table_map.items() if not is_record(n)]

    def data_table_names(self) -> list[str]:
        """Names of the user tables."""
        return [n for n in self.table_map if not is_record(n)]

    def get_table(self, name: str) -> dict[str, Any]:
        """Return one table in stored form.

        Raises:
            UsageError: no such table; names the nearest.
        """
        tables = self.tables
        if name not in tables:
            raise UsageError.unknown_choice(f"table of schema `{self.name}`:", name, list(tables))
        return tables[name]

    def get_table_columns(self, name: str) -> dict[str, Any]:
        """Return the columns of one table in stored form."""
        columns: dict[str, Any] = self.get_table(name)["columns"]
        return columns

    def _repr_html_(self) -> str:
        rows = [
            (t.name, t.parent or "", t.write_disposition or "", len(t.columns), ", ".join(t.columns))
            for t in self.table_map.values()
        ]
        title = f"Schema {self.name}, version {self.version}"
        return table_html(title, ("table", "parent", "write disposition", "columns", ""), rows)


def _digest(content: Mapping[str, Any]) -> str:
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), default=str)
    return base64.b64encode(hashlib.sha3_256(text.encode()).digest()).decode()


def _with_type_of(column: Column, known: Column | None, limits: Limits | None) -> Column:
    if known is None or known.data_type is None:
        return column
    if limits is not None and widens(known, column) and in_place(known, column, limits):
        return column
    return replace(with_type(column, known), variant=known.variant)
