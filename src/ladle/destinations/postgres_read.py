"""Results of Postgres queries as plain Arrow: numbers of any size, JSON."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ladle.errors import DataError
from ladle.schema.types import decimal_type

NUMERIC = {b"ladle:type": b"numeric"}
"""Metadata of a field that holds numbers as text: Postgres doesn't tell their digits."""

_WEI = (156, 78)
_MAX_DIGITS = 76
_TYPMOD = b"POSTGRESQL:typmod"
_NO_COPY = ("show", "explain", "fetch", "analyze", "vacuum", "call", "execute")

Decode = Callable[[pa.Array], pa.Array]


def needs_no_copy(sql: str) -> bool:
    """Whether the driver has to read the answer row by row: COPY takes only queries."""
    words = sql.split(None, 1)
    return bool(words) and words[0].lower() in _NO_COPY


def decoded(schema: pa.Schema) -> tuple[pa.Schema, list[Decode | None]]:
    """Return the schema that results are handed out in, and a function for each column that has to change."""
    fields, steps = [], []
    for field in schema:
        arrow, step, metadata = _target(field)
        fields.append(pa.field(field.name, arrow, field.nullable, metadata))
        steps.append(step)
    return pa.schema(fields), steps


def _target(field: pa.Field) -> tuple[pa.DataType, Decode | None, Any]:
    name = getattr(field.type, "extension_name", None)
    if name == "arrow.json":
        return pa.string(), lambda array: array.storage.cast(pa.string()), None
    if name != "arrow.opaque":
        return field.type, None, None
    if (field.metadata or {}).get(b"POSTGRESQL:type") != b"numeric":
        return field.type.storage_type, lambda array: array.storage, None
    arrow = _numeric(int((field.metadata or {}).get(_TYPMOD, b"-1")))
    if arrow is None:
        return pa.string(), lambda array: array.storage, NUMERIC
    return arrow, lambda array: as_decimal(array.storage, arrow, field.name), None


def _numeric(typmod: int) -> pa.DataType | None:
    """Return the type of numeric(p,s); None where it has no bounds, or too many digits."""
    if typmod < 0:
        return None
    digits, scale = (typmod - 4) >> 16 & 0xFFFF, (typmod - 4) & 0x7FF
    if (digits, scale) == _WEI:
        return decimal_type(_MAX_DIGITS, 0)
    return decimal_type(digits, scale) if digits <= _MAX_DIGITS and scale <= digits else None


def as_decimal(texts: pa.Array, arrow: pa.DataType, column: str) -> pa.Array:
    """Return numbers written as text in a decimal type.

    Raises:
        DataError: one has more digits than fit, or is no number.
    """
    texts = pc.replace_substring_regex(texts.cast(pa.string()), r"(\.\d*?)0+$", r"\1")
    try:
        return texts.cast(arrow)
    except pa.ArrowInvalid as exc:
        raise DataError(
            f"a number of column `{column}` doesn't fit `{arrow}`",
            column=column,
            expected="numbers that fit, none of them NaN or infinite",
            hint="cast it in the query, for example to numeric(38, 9) or double precision",
        ) from exc


def decode(batch: pa.RecordBatch, schema: pa.Schema, steps: list[Decode | None]) -> pa.RecordBatch:
    """Return a batch as `decoded` says."""
    arrays = [step(a) if step else a for a, step in zip(batch.columns, steps, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)
