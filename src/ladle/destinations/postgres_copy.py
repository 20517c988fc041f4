"""Rows in the binary form of COPY, which Postgres' documentation describes under COPY, "Binary Format".

`_copy.c` is compiled when ladle is installed, where there is a C compiler; a wheel brings it along. Without
it the same comes of Python's own `struct`, and takes longer.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Collection, Iterable, Iterator
from decimal import Decimal
from types import ModuleType
from typing import Any

import pyarrow as pa

code: ModuleType | None
"""Its function is that of `_copy.pyi`."""
try:
    from ladle.destinations import _copy
except ImportError:
    code = None
else:
    code = _copy

_HEAD = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_END = b"\xff\xff"
_KINDS = {
    pa.bool_(): "?",
    pa.int16(): "h",
    pa.int32(): "i",
    pa.int64(): "q",
    pa.float64(): "d",
    pa.date32(): "D",
    pa.time64("us"): "q",
    pa.string(): "s",
    pa.binary(): "y",
}
_DECIMALS = "48"
"""By how many words of 32 bits they have."""
_NULL = b"\xff\xff\xff\xff"
_DAYS, _MICROSECONDS = 10_957, 946_684_800_000_000
"""From 1970 to 2000."""
_GROUP = 4
"""Decimal digits in one digit of `numeric`."""
_NEGATIVE = 0x4000


def encoded(
    schema: pa.Schema, jsonb: Collection[str], batches: Iterable[pa.RecordBatch]
) -> Iterator[tuple[int, bytes]]:
    """Yield how many rows are in the next piece, and the piece to send; head and end come without rows.

    Args:
        schema: of the batches: bool, int16, int32, int64, float64, date32, time64 and timestamp in
            microseconds, string, binary, decimals without negative scale.
        jsonb: names of columns whose text is JSON for a column of that type.
        batches: each becomes one piece. Memory: O(batch).
    """
    kinds = ["j" if field.name in jsonb else _kind(field.type) for field in schema]
    yield 0, _HEAD
    for batch in batches:
        if batch.num_rows:
            yield batch.num_rows, _piece(kinds, batch)
    yield 0, _END


def _kind(arrow: pa.DataType) -> str:
    if pa.types.is_timestamp(arrow):
        return "T"
    if pa.types.is_decimal(arrow):
        return str(arrow.bit_width // 32)
    return _KINDS[arrow]


def _piece(kinds: list[str], batch: pa.RecordBatch) -> bytes:
    if code is not None:
        columns = [_buffers(kind, column) for kind, column in zip(kinds, batch.columns, strict=True)]
        made: bytes = code.copied(columns, 0, batch.num_rows)
        return made
    head = struct.pack(">h", len(kinds))
    cells = [_cells(kind, column) for kind, column in zip(kinds, batch.columns, strict=True)]
    return b"".join(part for row in zip(*cells, strict=True) for part in (head, *row))


def _buffers(kind: str, column: pa.Array) -> Any:
    """Return what the compiled code reads of a column."""
    scale = column.type.scale if kind in _DECIMALS else 0
    valid, data, *more = column.buffers()
    return kind, scale, column.offset, valid if column.null_count else None, data, more[0] if more else None


def _cells(kind: str, column: pa.Array) -> list[bytes]:
    """Return the values of a column as they are sent, each after its length."""
    packed = {**_NUMBERS, **_TEXTS, **dict.fromkeys(_DECIMALS, _numeric)}[kind]
    if kind in _TEXTS:
        column = column.cast(pa.binary())
    elif kind in "DTq":
        column = column.view(pa.int32() if kind == "D" else pa.int64())
    return [_NULL if value is None else packed(value) for value in column.to_pylist()]


def _numeric(value: Decimal) -> bytes:
    """Digits to the base 10,000, the first first; the power of the first; sign; decimal digits shown."""
    sign, digits, exponent = value.as_tuple()
    assert isinstance(exponent, int)
    text = "".join(map(str, digits)) + "0" * (exponent % _GROUP)
    text = "0" * (-len(text) % _GROUP) + text
    groups = [int(text[at : at + _GROUP]) for at in range(0, len(text), _GROUP)]
    power = len(groups) - 1 + exponent // _GROUP
    while groups and groups[0] == 0:
        del groups[0]
        power -= 1
    while groups and groups[-1] == 0:
        del groups[-1]
    head = (len(groups), power if groups else 0, _NEGATIVE if sign and groups else 0, -exponent)
    return _sized(struct.pack(f">HhHH{len(groups)}H", *head, *groups))


def _sized(value: bytes) -> bytes:
    return struct.pack(">i", len(value)) + value


def _since(value: int, epoch: int, bits: int) -> int:
    """Count from 2000, not 1970; what is out of range becomes what the server refuses, never an infinity."""
    return max(value - epoch, 1 - (1 << (bits - 1)))


_NUMBERS: dict[str, Callable[[Any], bytes]] = {
    "?": lambda value: struct.pack(">i?", 1, value),
    "h": lambda value: struct.pack(">ih", 2, value),
    "i": lambda value: struct.pack(">ii", 4, value),
    "q": lambda value: struct.pack(">iq", 8, value),
    "d": lambda value: struct.pack(">id", 8, value),
    "D": lambda value: struct.pack(">ii", 4, _since(value, _DAYS, 32)),
    "T": lambda value: struct.pack(">iq", 8, _since(value, _MICROSECONDS, 64)),
}
_TEXTS: dict[str, Callable[[Any], bytes]] = {
    "s": _sized,
    "y": _sized,
    "j": lambda value: _sized(b"\1" + value),
}
