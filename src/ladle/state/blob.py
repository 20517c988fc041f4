"""The stored form of pipeline state: JSON, compressed, as text."""

from __future__ import annotations

import base64
import hashlib
import json
import zlib
from collections.abc import Mapping
from typing import Any

from ladle.errors import LadleError

STATE_ENGINE_VERSION = 4


def encode_state(state: Mapping[str, Any]) -> str:
    """Return base64 of the zlib-compressed JSON; the `_local` part stays out of it."""
    shared = {k: v for k, v in state.items() if k != "_local"}
    text = json.dumps(shared, sort_keys=True, separators=(",", ":"), default=str)
    return base64.b64encode(zlib.compress(text.encode())).decode()


def decode_state(blob: str) -> dict[str, Any]:
    """Return what `encode_state` stored, ours or the reference's.

    Raises:
        LadleError: unreadable; never silently a fresh start.
    """
    try:
        state: dict[str, Any] = json.loads(zlib.decompress(base64.b64decode(blob)))
    except (ValueError, zlib.error) as exc:
        raise LadleError(
            "the stored pipeline state can't be read",
            expected="base64 of zlib-compressed JSON in `_dlt_pipeline_state`.`state`",
            hint="delete that row to fall back to the state before it",
        ) from exc
    return state


def state_hash(state: Mapping[str, Any]) -> str:
    """Return a digest of the content; version, hash and local parts don't count."""
    content = {k: v for k, v in state.items() if k not in ("_state_version", "_version_hash", "_local")}
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), default=str)
    return base64.b64encode(hashlib.sha3_256(text.encode()).digest()).decode()
