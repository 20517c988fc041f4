"""Rows of raw batches as plain values again, in the shape they had at the source."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import orjson
import pyarrow as pa

from ladle.package.raw import PREFIX, restore_deep

_JSON = PREFIX + "json"


def records(batch: pa.RecordBatch) -> list[dict[str, Any]]:
    """Return the rows of a raw batch as dicts; keys that hold nothing are left out.

    Memory and time: O(rows), for the few rows that somebody has to look at.
    """
    whole = restore_deep(batch.to_struct_array())
    found: list[dict[str, Any]] = [_plain(row) or {} for row in whole.to_pylist()]
    return found


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        if value and next(iter(value)).startswith(PREFIX):
            return _of_kind(value)
        made = {k: _plain(v) for k, v in value.items() if v is not None}
        return {k: v for k, v in made.items() if v is not None}
    if isinstance(value, list):
        return [_plain(v) for v in value]
    return value


def _of_kind(variant: Mapping[str, Any]) -> Any:
    kind, value = next(((k, v) for k, v in variant.items() if v is not None), ("", None))
    return orjson.loads(value) if kind == _JSON and value is not None else _plain(value)


def json_text(value: Any) -> str:
    """Return a value as JSON from which a column of its type can be filled again: bytes as base64."""
    return orjson.dumps(_ready(value), default=_default, option=orjson.OPT_NON_STR_KEYS).decode()


def _ready(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)  # JSON has no such numbers
    if isinstance(value, int) and not -(1 << 63) <= value < 1 << 64:
        return str(value)
    if isinstance(value, dict):
        return {str(k): _ready(v) for k, v in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_ready(v) for v in value]
    return value


def _default(value: Any) -> str:
    if isinstance(value, (bytes, bytearray, memoryview)):
        return base64.b64encode(value).decode()
    if isinstance(value, timedelta):
        return str(value.total_seconds())
    return str(value)
