"""Python values that JSON has no type for, as marked text: exact, and as the reference stores them."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from datetime import date, datetime, time
from decimal import Decimal, InvalidOperation
from math import isfinite
from typing import Any
from uuid import UUID

import orjson

from ladle.errors import UsageError

# One character of Unicode's private use area before the text of the value, by type.
_DECIMAL, _DATETIME, _DATE, _UUID, _BYTES, _TIME = "\uf026", "\uf027", "\uf028", "\uf029", "\uf02b", "\uf02d"
_FIRST, _LAST = "\uf026", "\uf02d"
_SIGNS = (_FIRST.encode()[:2], rb"\uf0", rb"\uF0")
_PLAIN = (str, int, float, bool, type(None))


def to_json(value: Any) -> Any:
    """Return the value as plain JSON types; containers are copied, text and numbers are what they are.

    Raises:
        UsageError: a type that would not come back as it was, such as a set.
    """
    if isinstance(value, float) and not isfinite(value):
        raise UsageError(
            f"state can't hold `{value}`: JSON has no such number", hint="store None, or text, in its place"
        )
    if type(value) in _PLAIN:
        return value
    if isinstance(value, Mapping):
        return {str(k): to_json(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_json(v) for v in value]
    return _marked(value)


def from_json(value: Any) -> Any:
    """Return what `to_json` was given. Text that only looks marked stays text."""
    if isinstance(value, str):
        return _unmarked(value) if _FIRST <= value[:1] <= _LAST else value
    if isinstance(value, dict):
        return {k: from_json(v) for k, v in value.items()}
    if isinstance(value, list):
        return [from_json(v) for v in value]
    return value


def loads(data: bytes) -> Any:
    """Return what `dumps` was given.

    Raises:
        ValueError: it isn't JSON.
    """
    found = orjson.loads(data)
    # Most states hold nothing that is marked: then they aren't walked through.
    marked, escaped, as_well = _SIGNS
    return from_json(found) if marked in data or escaped in data or as_well in data else found


def dumps(state: Mapping[str, Any]) -> bytes:
    """Return state as JSON with marked values, keys sorted, in UTF-8.

    Raises:
        UsageError: a value that can't be stored; names its type.
    """
    plain = to_json(state)
    try:
        return orjson.dumps(plain, option=orjson.OPT_SORT_KEYS)
    except TypeError as exc:
        raise UsageError(
            f"state can't be stored: {exc}", expected="text, numbers of 64 bits, dates, lists and dicts"
        ) from exc


def _marked(value: Any) -> Any:
    # A datetime is a date too: the order matters.
    if isinstance(value, datetime):
        return _DATETIME + value.isoformat()
    if isinstance(value, date):
        return _DATE + value.isoformat()
    if isinstance(value, time):
        return _TIME + value.isoformat()
    if isinstance(value, Decimal):
        return _DECIMAL + str(value)
    if isinstance(value, bytes):
        return _BYTES + base64.b64encode(value).decode()
    if isinstance(value, UUID):
        return _UUID + str(value)
    for plain in (bool, int, float, str):
        if isinstance(value, plain):
            return plain(value)
    if hasattr(value, "item"):  # a numpy scalar
        return to_json(value.item())
    raise UsageError(
        f"a value of type `{type(value).__name__}` can't be kept in state",
        expected="None, bool, number, text, bytes, date, time, datetime, Decimal, UUID, list or dict",
        hint="store a list instead of a set, seconds instead of a timedelta",
        value=value,
    )


def _unmarked(text: str) -> Any:
    read = _READERS.get(text[0])
    try:
        return read(text[1:]) if read else text
    except (ValueError, InvalidOperation, binascii.Error):
        return text


_READERS: dict[str, Callable[[str], Any]] = {
    _DECIMAL: Decimal,
    _DATETIME: datetime.fromisoformat,
    _DATE: date.fromisoformat,
    _TIME: time.fromisoformat,
    _BYTES: lambda text: base64.b64decode(text, validate=True),
    _UUID: UUID,
}
