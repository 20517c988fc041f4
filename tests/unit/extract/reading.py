"""Raw arrays read back as `(kind, value)` pairs, and what each Python value should become: the oracle."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pyarrow as pa

from ladle.extract.arrow import Where, to_array
from ladle.package.raw import is_variant, kinds_of, variant_kinds

WHERE = Where("issues", "issues", 100)


def read(values: list[Any]) -> list[Any]:
    """Convert values and read them back."""
    array = to_array(values, where=WHERE)
    array.validate(full=True)
    assert len(array) == len(values)
    return read_back(array)


def read_one(value: Any) -> Any:
    """Convert one value, alone, and read it back."""
    return read([value])[0]


def read_back(array: pa.Array) -> list[Any]:
    """Return each row of a raw array as `(kind, value)`, or None."""
    if is_variant(array.type):
        return _merged([_of_kind(kind, child) for kind, child in variant_kinds(array)])
    kinds = kinds_of(array)
    if not kinds:
        assert pa.types.is_null(array.type)
        return [None] * len(array)
    ((kind, child),) = kinds.items()
    return _of_kind(kind, child)


def _merged(columns: list[list[Any]]) -> list[Any]:
    rows = []
    for cells in zip(*columns, strict=True):
        present = [cell for cell in cells if cell is not None]
        assert len(present) <= 1
        rows.append(present[0] if present else None)
    return rows


def _of_kind(kind: str, array: pa.Array) -> list[Any]:
    valid = array.is_valid().to_pylist()
    if kind == "dict":
        names = [array.type.field(i).name for i in range(array.type.num_fields)]
        assert len(set(names)) == len(names)
        children = [read_back(array.field(i)) for i in range(len(names))]
        values = [
            {n: c[row] for n, c in zip(names, children, strict=True) if c[row] is not None}
            for row in range(len(array))
        ]
    elif kind == "list":
        items, offsets = read_back(array.values), array.offsets.to_pylist()
        values = [items[start:stop] for start, stop in zip(offsets, offsets[1:], strict=False)]
    elif kind in ("timestamp", "timestamp_ntz"):
        assert (array.type.tz == "UTC") == (kind == "timestamp")
        values = array.cast(pa.timestamp("us")).to_pylist()
    else:
        values = array.to_pylist()
    if kind == "double":
        values = [repr(v) for v in values]
    return [(kind, v) if ok else None for v, ok in zip(values, valid, strict=True)]


def expected(value: Any) -> Any:
    """Return what one value, alone, should become; written without a look at the code under test."""
    if value is None:
        return None
    if isinstance(value, dict):
        cells = {str(k): expected(v) for k, v in value.items()}
        return ("dict", {k: v for k, v in cells.items() if v is not None})
    if isinstance(value, (list, tuple)):
        return ("list", [expected(v) for v in value])
    if isinstance(value, Decimal):
        return _expected_decimal(value)
    if isinstance(value, datetime):
        return _expected_datetime(value)
    if isinstance(value, timedelta):
        return _expected_int(value // timedelta(microseconds=1))
    if isinstance(value, bool):
        return ("bool", value)
    if isinstance(value, int):
        return _expected_int(value)
    if isinstance(value, UUID):
        return ("text", str(value))
    if isinstance(value, str):
        return ("text", re.sub("[\ud800-\udfff]", lambda m: f"\\u{ord(m[0]):04x}", value))
    kinds = {float: "double", bytes: "binary", date: "date", time: "time"}
    return (kinds[type(value)], repr(value) if isinstance(value, float) else value)


def _expected_int(value: int) -> Any:
    if -(2**63) <= value < 2**63:
        return ("bigint", value)
    return ("wei", Decimal(value)) if len(str(abs(value))) <= 76 else ("text", str(value))


def _expected_decimal(value: Decimal) -> Any:
    if value.is_nan() or value.is_infinite():
        return ("double", repr(float(value)) if value.is_infinite() else "nan")
    whole, _, fraction = format(value.copy_abs(), "f").partition(".")
    digits, scale = len(whole.lstrip("0")), len(fraction.rstrip("0"))
    if digits <= 38 and scale <= 38:
        return ("decimal", value)
    return ("wei", value) if scale == 0 and digits <= 76 else ("text", str(value))


def _expected_datetime(value: datetime) -> Any:
    if value.tzinfo is None:
        return ("timestamp_ntz", value)
    try:
        return ("timestamp", value.astimezone(UTC).replace(tzinfo=None))
    except OverflowError:
        return ("text", value.isoformat())
