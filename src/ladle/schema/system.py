"""The three tables that every dataset has beside its data: schemas, loads, state of pipelines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from ladle.schema.table import Column, Table

ENGINE_VERSION = 11
VERSION_TABLE = "_dlt_version"
LOADS_TABLE = "_dlt_loads"
STATE_TABLE = "_dlt_pipeline_state"
SYSTEM_TABLES = (VERSION_TABLE, LOADS_TABLE, STATE_TABLE)
SYSTEM_PREFIX = "_dlt_"


def _table(name: str, disposition: str, description: str | None, **columns: dict[str, Any]) -> Table:
    built = {n: Column.from_dict(n, c) for n, c in columns.items()}
    table = Table(name, columns=built, resource=name, write_disposition=disposition)
    return table.with_extra(description=description)


def _column(data_type: str, description: str, nullable: bool = False) -> dict[str, Any]:
    return {"data_type": data_type, "nullable": nullable, "description": description}


SYSTEM_TABLE_MAP: Mapping[str, Table] = {
    VERSION_TABLE: _table(
        VERSION_TABLE,
        "skip",
        "Versions of schemas",
        version=_column("bigint", "Number of the version, one more with each change of the schema"),
        engine_version=_column("bigint", "Version of the stored form"),
        inserted_at=_column("timestamp", "When this version was stored"),
        schema_name=_column("text", "Name of the schema"),
        version_hash=_column("text", "Hash of the schema's content"),
        schema=_column("text", "The whole schema as JSON"),
    ),
    LOADS_TABLE: _table(
        LOADS_TABLE,
        "skip",
        "Completed loads",
        load_id=_column("text", "Identifier of the load"),
        schema_name=_column("text", "Name of the schema of the load", nullable=True),
        status=_column("bigint", "0 where the load is complete"),
        inserted_at=_column("timestamp", "When the load was completed"),
        schema_version_hash=_column("text", "Hash of the schema's version", nullable=True),
    ),
    STATE_TABLE: _table(
        STATE_TABLE,
        "append",
        "States of pipelines",
        version=_column("bigint", "Number of the state, one more with each change"),
        engine_version=_column("bigint", "Version of the stored form"),
        pipeline_name=_column("text", "Pipeline that the state belongs to"),
        state=_column("text", "The state as compressed JSON"),
        created_at=_column("timestamp", "When the state was made"),
        version_hash=_column("text", "Hash of the state's content", nullable=True),
        _dlt_load_id=_column("text", "The load that brought the state"),
        _dlt_id={"data_type": "text", "nullable": False, "unique": True, "row_key": True},
    ),
}
"""Columns and types as the reference makes them."""

_STORED = orjson.dumps({name: table.to_dict() for name, table in SYSTEM_TABLE_MAP.items()})


def stored_system_tables() -> dict[str, dict[str, Any]]:
    """Return the tables in stored form; a copy, made without walking through their columns."""
    tables: dict[str, dict[str, Any]] = orjson.loads(_STORED)
    return tables
