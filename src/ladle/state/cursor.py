"""What an incremental cursor remembers between runs, as a value, and the hashes of rows at its boundary."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import orjson

from ladle.errors import LadleError
from ladle.state.values import from_json

MAX_HASHES = 5_000
"""Most hashes a state holds for one cursor: 70 KB as stored. With more rows at the boundary none are held."""
MAX_CONTENTS = 1_000
"""Most rows at the boundary of a keyed cursor whose content is compared as well: 28 KB as stored."""

_MAX_SCALE = 1_000
"""Decimals have no more digits behind the point, but for some that no column holds."""
_DIGEST_BYTES = 9
_LEGACY_DIGEST_BYTES = 15
_LEGACY_CHARS = 20
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_FIELDS = ("initial_value", "last_value", "unique_hashes", "start_value")
_OPTIONS = orjson.OPT_SORT_KEYS | orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_DATACLASS


@dataclass(frozen=True, slots=True)
class CursorState:
    """The stored state of one cursor.

    Attributes:
        initial_value: given when the state began.
        last_value: the furthest value loaded.
        start_value: where the last run that loaded something started, without lag.
        unique_hashes: of the rows at `last_value` by key or by whole row; empty where they aren't compared.
        contents: of a keyed cursor, hash of the key to hash of the whole row; ours, not the reference's.
    """

    initial_value: Any = None
    last_value: Any = None
    start_value: Any = None
    unique_hashes: tuple[str, ...] = ()
    contents: Mapping[str, str] = dataclasses.field(default_factory=dict)

    @classmethod
    def parse(cls, stored: Any, *, resource: str, cursor_path: str) -> CursorState:
        """Read what `dump` gave, or the reference wrote.

        Raises:
            LadleError: it is something else; never a fresh start, which would load everything again.
        """
        found = from_json(stored) if isinstance(stored, Mapping) else None
        hashes = found.get("unique_hashes") if found else None
        contents = found.get("row_hashes") or {} if found else {}
        readable = (
            found is not None
            and "last_value" in found
            and isinstance(hashes or [], list)
            and isinstance(contents, dict)
            and all(isinstance(h, str) for h in hashes or [])
        )
        if found is None or not readable:
            raise LadleError(
                f"the stored state of cursor `{cursor_path}` can't be read",
                resource=resource,
                value=stored,
                expected="a dict with " + ", ".join(_FIELDS),
                hint='to load everything again, run once with refresh="drop_resources"',
            )
        return cls(
            initial_value=found.get("initial_value"),
            last_value=found["last_value"],
            start_value=found.get("start_value"),
            unique_hashes=tuple(hashes or ()),
            contents=contents,
        )

    def dump(self) -> dict[str, Any]:
        """Return the dict that goes into the resource's state, values typed."""
        stored = {
            "initial_value": self.initial_value,
            "last_value": self.last_value,
            "unique_hashes": list(self.unique_hashes),
            "start_value": self.start_value,
        }
        return {**stored, "row_hashes": dict(self.contents)} if self.contents else stored

    @property
    def is_legacy(self) -> bool:
        """Whether the hashes are those that the reference wrote before its version 1.29."""
        return any(len(h) == _LEGACY_CHARS for h in self.unique_hashes)


def json_of(value: Any) -> bytes:
    """Return the compact JSON, keys sorted, that is hashed of a row or key; the reference's form.

    Datetimes are microseconds since 1970, naive ones in UTC; dates and times ISO text; Decimals text; bytes
    base64.
    """
    return _json(value, _plain)


def value_of(value: Any) -> bytes:
    """Return the same of a row or key without the zeros at the end of its decimals, which show a scale.

    A column of Arrow has one scale for all its values, and may have another in the next run.
    """
    return _json(value, _unscaled)


def _json(value: Any, plain: Callable[[Any], Any]) -> bytes:
    try:
        return orjson.dumps(value, default=plain, option=_OPTIONS)
    except TypeError:  # integers of more than 64 bits, keys that aren't text, values of unknown classes
        made = partial(_any, plain)
        return json.dumps(value, default=made, sort_keys=True, separators=(",", ":")).encode()


def hash_of(text: bytes) -> str:
    """Return the 12 characters that stand for a row or key at the boundary."""
    return base64.b64encode(hashlib.shake_128(text).digest(_DIGEST_BYTES)).decode()


def legacy_hash_of(value: Any) -> str:
    """Return the 20 characters that the reference stored before its version 1.29."""
    text = orjson.dumps(value, default=_legacy, option=_OPTIONS)
    return base64.b64encode(hashlib.shake_128(text).digest(_LEGACY_DIGEST_BYTES)).decode()


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        aware = value if value.tzinfo else value.replace(tzinfo=UTC)
        return (aware - _EPOCH) // _MICROSECOND
    if isinstance(value, (date, time)):
        return value.isoformat()
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, (bytes, bytearray, memoryview)):
        return base64.b64encode(value).decode()
    return _foreign(value)


def _foreign(value: Any) -> Any:
    if hasattr(value, "model_dump"):
        return value.model_dump(by_alias=True)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, (set, frozenset)):
        return sorted(map(str, value))
    if hasattr(value, "item") and hasattr(value, "dtype"):  # a numpy scalar
        return value.item()
    return vars(value) if hasattr(value, "__dict__") else str(value)


def _legacy(value: Any) -> Any:
    if not isinstance(value, datetime):
        return _plain(value)
    text = value.isoformat()
    return text.removesuffix("+00:00") + "Z" if text.endswith("+00:00") else text


def _unscaled(value: Any) -> Any:
    if not isinstance(value, Decimal):
        return _plain(value)
    scale = value.as_tuple().exponent  # a letter of what is no number
    text = f"{value:f}" if isinstance(scale, int) and -_MAX_SCALE <= scale < 0 else ""
    return text.rstrip("0").rstrip(".") or _plain(value)


def _any(plain: Callable[[Any], Any], value: Any) -> Any:
    try:
        return plain(value)
    except (TypeError, ValueError):
        return repr(value)
