"""Results of MySQL queries as Arrow: the server sends text, whole columns of which become values."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pymysql.constants import FIELD_TYPE, FLAG
from pymysql.protocol import FieldDescriptorPacket

from ladle.schema.types import decimal_type

UTC_IF_KNOWN = {b"ladle:type": b"utc"}
"""Metadata of a field with times that are UTC where the schema says they have a zone: none is kept."""

_BINARY_CHARSET = 63
_MAX_DIGITS = 76
_BOOL_WIDTH = 1
_INTS = {
    FIELD_TYPE.TINY: (pa.int16(), pa.int16()),
    FIELD_TYPE.SHORT: (pa.int16(), pa.int32()),
    FIELD_TYPE.YEAR: (pa.int16(), pa.int16()),
    FIELD_TYPE.INT24: (pa.int32(), pa.int32()),
    FIELD_TYPE.LONG: (pa.int32(), pa.int64()),
    FIELD_TYPE.LONGLONG: (pa.int64(), pa.uint64()),
}
_OTHERS = {
    FIELD_TYPE.FLOAT: pa.float64(),
    FIELD_TYPE.DOUBLE: pa.float64(),
    FIELD_TYPE.DATE: pa.date32(),
    FIELD_TYPE.NEWDATE: pa.date32(),
    FIELD_TYPE.TIME: pa.time64("us"),
    FIELD_TYPE.DATETIME: pa.timestamp("us"),
    FIELD_TYPE.TIMESTAMP: pa.timestamp("us"),
    FIELD_TYPE.BIT: pa.binary(),
    FIELD_TYPE.GEOMETRY: pa.binary(),
    FIELD_TYPE.JSON: pa.string(),
    FIELD_TYPE.ENUM: pa.string(),
    FIELD_TYPE.SET: pa.string(),
}
_DECIMALS = (FIELD_TYPE.DECIMAL, FIELD_TYPE.NEWDECIMAL)
_TIMES = (FIELD_TYPE.DATETIME, FIELD_TYPE.TIMESTAMP)


def schema_of(fields: Sequence[FieldDescriptorPacket]) -> pa.Schema:
    """Return the Arrow schema of a result."""
    return pa.schema(
        [
            pa.field(f.name, _arrow(f), metadata=UTC_IF_KNOWN if f.type_code in _TIMES else None)
            for f in fields
        ]
    )


def _arrow(field: FieldDescriptorPacket) -> pa.DataType:
    kind = field.type_code
    if kind == FIELD_TYPE.TINY and field.length == _BOOL_WIDTH:
        return pa.bool_()
    if kind in _INTS:
        signed, unsigned = _INTS[kind]
        return unsigned if field.flags & FLAG.UNSIGNED else signed
    if kind in _DECIMALS:
        sign = 0 if field.flags & FLAG.UNSIGNED else 1
        digits = field.length - sign - (1 if field.scale else 0)
        return decimal_type(max(1, min(digits, _MAX_DIGITS)), field.scale)
    if kind in _OTHERS:
        return _OTHERS[kind]
    return pa.binary() if field.charsetnr == _BINARY_CHARSET and kind != FIELD_TYPE.NULL else pa.string()


def batches(schema: pa.Schema, found: Iterable[Sequence[Sequence[Any]]]) -> Iterator[pa.RecordBatch]:
    """Yield the rows of a result as Arrow."""
    for rows in found:
        arrays = [_array(values, f.type) for values, f in zip(zip(*rows, strict=True), schema, strict=True)]
        yield pa.RecordBatch.from_arrays(arrays, schema=schema)


def _array(values: Sequence[Any], arrow: pa.DataType) -> pa.Array:
    if pa.types.is_binary(arrow) or pa.types.is_string(arrow):
        return pa.array(values, arrow)
    texts = pa.array(values, pa.string())
    if pa.types.is_boolean(arrow):
        return texts.cast(pa.int16()).cast(arrow)
    if pa.types.is_time(arrow):
        # Arrow reads no times of day
        dated = pc.binary_join_element_wise("1970-01-01", texts, " ")
        return dated.cast(pa.timestamp("us")).cast(arrow)
    return texts.cast(arrow)
