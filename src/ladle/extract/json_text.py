"""Any value a row may hold, as JSON text."""

from __future__ import annotations

import base64
from datetime import datetime, time, timedelta
from decimal import Decimal
from typing import Any

import orjson

from ladle.extract.keys import are_names, named
from ladle.extract.plain import plain
from ladle.extract.refused import Refused
from ladle.extract.scalars import settle

_INTS = range(-(2**63), 2**64)
_OPTION = orjson.OPT_UTC_Z


def json_text(value: Any, max_levels: int) -> str:
    """Return `value` as compact JSON.

    What JSON has no form for becomes text: dates and times ISO, bytes base64, Decimals their digits, UUIDs.
    Durations become whole microseconds, NaN and infinities null, sets sorted lists; integers of any size keep
    all digits; keys become names as those of rows do.

    Args:
        value: any value.
        max_levels: dicts and lists inside one another that it may have.

    Raises:
        Refused: something in it can't be stored; its path leads there, its row is 0.
    """
    try:
        # orjson gives up on all that would come out differently below, where that was tried
        return orjson.dumps(value, default=_text, option=_OPTION).decode()
    except TypeError:
        return orjson.dumps(_tree(value, max_levels), option=_OPTION).decode()


def _text(value: Any) -> Any:
    mapped = plain(value)
    kind = type(mapped)
    if kind is bytes:
        return base64.b64encode(mapped).decode()
    if kind is Decimal:
        return str(mapped)
    if kind is timedelta:
        return mapped // timedelta(microseconds=1)
    if kind is time:
        return settle(mapped)[1]
    if mapped is value:
        raise TypeError(f"left to `_tree`: {kind.__name__}")
    return mapped


def _tree(value: Any, levels: int) -> Any:
    """Return what orjson can write without a question, in the same form."""
    value = plain(value)
    kind = type(value)
    if kind is str:
        return settle(value)[1]
    if kind is int:
        return value if value in _INTS else orjson.Fragment(format(Decimal(value), "f"))
    if kind is datetime:
        return _moment(value)
    if kind in (bytes, Decimal, timedelta, time):
        return _text(value)
    if kind not in (dict, list, tuple):
        return value
    if levels <= 0:
        raise Refused(0, kind, "nested too deep", hint="cut it short, or store it as text")
    if kind is dict:
        row = value if are_names(value) else named(value)
        return {key: _below(child, key, levels) for key, child in row.items()}
    return [_below(child, position, levels) for position, child in enumerate(value)]


def _below(child: Any, place: str | int, levels: int) -> Any:
    try:
        return _tree(child, levels - 1)
    except Refused as refused:
        refused.path.insert(0, place)
        raise


def _moment(value: datetime) -> Any:
    try:
        return orjson.Fragment(orjson.dumps(value, option=_OPTION))
    except TypeError:  # a zone orjson doesn't know
        return value.isoformat().replace("+00:00", "Z")
