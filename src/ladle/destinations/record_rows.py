"""The rows by which a load is complete: of the schema's version, of the state, and of the load itself."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import orjson

from ladle.destinations.base import LoadRecord
from ladle.schema.schema import ENGINE_VERSION
from ladle.state.blob import encode_state, state_hash


def version_row(record: LoadRecord, at: datetime) -> dict[str, Any]:
    """Return the row of a version of the schema."""
    schema = record.schema
    return {
        "version": schema["version"],
        "engine_version": ENGINE_VERSION,
        "inserted_at": at,
        "schema_name": schema["name"],
        "version_hash": schema["version_hash"],
        "schema": orjson.dumps(schema).decode(),
    }


def state_row(record: LoadRecord, at: datetime) -> dict[str, Any]:
    """Return the row of a state; the record has one."""
    state = record.state
    assert state is not None
    return {
        "version": state["_state_version"],
        "engine_version": state["_state_engine_version"],
        "pipeline_name": record.pipeline,
        "state": encode_state(state),
        "created_at": at,
        "version_hash": state_hash(state),
        "_dlt_load_id": record.load_id,
        "_dlt_id": f"{record.load_id}.{state['_state_version']}",
    }


def load_row(record: LoadRecord, at: datetime) -> dict[str, Any]:
    """Return the row of a load that is complete."""
    return {
        "load_id": record.load_id,
        "schema_name": record.schema["name"],
        "status": 0,
        "inserted_at": at,
        "schema_version_hash": record.schema["version_hash"],
    }
