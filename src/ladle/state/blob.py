"""The stored form of pipeline state: JSON with typed values, compressed, as text."""

from __future__ import annotations

import base64
import hashlib
import json
import zlib
from collections.abc import Mapping
from typing import Any

from ladle.errors import LadleError
from ladle.state.values import dumps, from_json

STATE_ENGINE_VERSION = 4


def encode_state(state: Mapping[str, Any]) -> str:
    """Return base64 of the zlib-compressed JSON; the `_local` part stays out of it.

    Dates, times, Decimals, bytes and UUIDs are marked text, as the reference writes them.

    Raises:
        UsageError: a value of a type that would not come back.
    """
    shared = {k: v for k, v in state.items() if k != "_local"}
    return base64.b64encode(zlib.compress(dumps(shared))).decode()


def decode_state(blob: str) -> dict[str, Any]:
    """Return what `encode_state` stored, ours or the reference's.

    Raises:
        LadleError: unreadable; never silently a fresh start.
    """
    try:
        state = json.loads(zlib.decompress(base64.b64decode(blob)))
        if not isinstance(state, dict):
            raise TypeError("not an object")
    except (ValueError, TypeError, zlib.error) as exc:
        raise LadleError(
            "the stored pipeline state can't be read",
            expected="base64 of zlib-compressed JSON in `_dlt_pipeline_state`.`state`",
            hint="delete that row to fall back to the state before it",
        ) from exc
    typed: dict[str, Any] = from_json(state)
    return typed


def state_hash(state: Mapping[str, Any]) -> str:
    """Return a digest of the content; version, hash and local parts don't count."""
    content = {k: v for k, v in state.items() if k not in ("_state_version", "_version_hash", "_local")}
    return base64.b64encode(hashlib.sha3_256(dumps(content)).digest()).decode()
