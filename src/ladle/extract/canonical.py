"""Values as the one text each has, whether it came in a row or in a frame: what protection works on."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ladle.package.raw import kinds_of

_AS_JSON = ("bool", "bigint", "wei", "double", "text")
_TEMPORAL = ("date", "time", "timestamp", "timestamp_ntz")


def texts(array: pa.Array) -> pa.Array:
    """Return the canonical text of each value; null stays null.

    Text stays. Numbers have no zeros after their last digit, so that 5, 5.0 and Decimal("5.00") are `5`;
    dates and times are ISO; bytes are base64; dicts and lists JSON with sorted keys, without null values.

    Args:
        array: in the raw format, nothing `deep` in it.

    Returns:
        string, of the same length.
    """
    made = [_texts(kind, values) for kind, values in kinds_of(array).items()]
    if not made:
        return pa.nulls(len(array), pa.string())
    return made[0] if len(made) == 1 else pc.coalesce(*made)


def of_distinct(array: pa.Array, make: Callable[[list[Any]], list[Any]]) -> pa.Array:
    """Return what `make` gives for the distinct values of an array, in the place of each; null stays null."""
    coded = array.dictionary_encode()
    made = pa.array(make(coded.dictionary.to_pylist()), pa.string())
    return made.take(coded.indices)


def _texts(kind: str, values: pa.Array) -> pa.Array:
    if kind == "text":
        return values
    if kind in ("dict", "list"):
        return pa.array([None if v is None else json_of(v) for v in _plain(values)], pa.string())
    if kind in _TEMPORAL:
        return of_distinct(values.cast(pa.string()), lambda found: [_short_time(v) for v in found])
    if kind == "json":
        return of_distinct(values, lambda found: [json_of(without_nulls(json.loads(v))) for v in found])
    return of_distinct(values, lambda found: [_text(v) for v in found])


def json_of(value: Any) -> str:
    """Return plain JSON values as compact text with sorted keys."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def text_of(value: Any) -> str:
    """Return the canonical text of a value as JSON has it: scalars, dicts and lists."""
    if isinstance(value, (dict, list)):
        return json_of(without_nulls(value))
    return _text(value)


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (float, Decimal)):
        return _number(value)
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return format(Decimal(value), "f") if isinstance(value, int) else str(value)


def _number(value: float | Decimal) -> str:
    if not math.isfinite(value):
        return str(float(value))
    digits = format(Decimal(repr(value)) if isinstance(value, float) else value, "f")
    if "." in digits:
        digits = digits.rstrip("0").rstrip(".")
    return "0" if digits == "-0" else digits


def _short_time(text: str) -> str:
    """Return a time without zeros at its end, as its unit may not show; `T` and `Z` as ISO has them."""
    zone = "Z" if text.endswith("Z") else ""
    text = text.removesuffix("Z")
    if "." in text:
        text = text.rstrip("0").removesuffix(".")
    return text.replace(" ", "T") + zone


def without_nulls(value: Any) -> Any:
    """Return JSON values without keys whose value is null: in columns they are as good as missing."""
    if isinstance(value, dict):
        return {k: without_nulls(v) for k, v in value.items() if v is not None}
    return [without_nulls(v) for v in value] if isinstance(value, list) else value


def _plain(array: pa.Array) -> list[Any]:
    """Return values as JSON has them; what it has no form for as its canonical text."""
    made: list[Any] = [None] * len(array)
    for kind, values in kinds_of(array).items():
        for row, value in enumerate(_plain_kind(kind, values)):
            if value is not None:
                made[row] = value
    return made


def _plain_kind(kind: str, values: pa.Array) -> list[Any]:
    if kind == "dict":
        return _dicts(values)
    if kind == "list":
        cells = iter(_plain(values.flatten()))
        lengths = values.value_lengths().to_pylist()
        return [None if n is None else [next(cells) for _ in range(n)] for n in lengths]
    found: list[Any]
    if kind == "json":
        found = [None if v is None else without_nulls(json.loads(v)) for v in values.to_pylist()]
    elif kind in _AS_JSON:
        found = [int(v) if isinstance(v, Decimal) else v for v in values.to_pylist()]
    else:
        found = _texts(kind, values).to_pylist()
    return found


def _dicts(values: pa.StructArray) -> list[Any]:
    names = [field.name for field in values.type]
    columns = [_plain(column) for column in values.flatten()]
    rows = zip(*columns, strict=True) if columns else (() for _ in range(len(values)))
    valid = values.is_valid().to_pylist()
    return [
        {n: v for n, v in zip(names, row, strict=True) if v is not None} if here else None
        for here, row in zip(valid, rows, strict=True)
    ]
