"""Rows in the binary form of COPY, which Postgres sends, as Arrow; `postgres_copy.py` writes the same form.

`_read.c` is compiled when ladle is installed, where there is a C compiler; a wheel brings it along. Without
it the same comes of Python's own `struct`, and takes longer.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from types import ModuleType
from typing import Any

import pyarrow as pa

from ladle.errors import DataError

code: ModuleType | None
"""Its functions are those of `_read.pyi`."""
try:
    from ladle.destinations import _read
except ImportError:
    code = None
else:
    code = _read

HEAD = b"PGCOPY\n\xff\r\n\0" + bytes(8)
"""What is sent before the rows."""
_END = 0xFFFF
_DAYS, _MICROSECONDS = 10_957, 946_684_800_000_000
"""From 1970 to 2000."""
_DAY = 86_400_000_000
"""In microseconds."""
_MAX_US = (2**63 - 1) // 1000
"""The longest interval, which Arrow counts in nanoseconds."""
_SPECIAL = {0xC000: "nan", 0xF000: "-inf"}
"""Signs of what is no number, or infinite; that of the other infinity is D000."""
_MAX_DIMENSIONS = 6


@dataclass(frozen=True)
class Kind:
    """How values of a type are sent, and what they become.

    Args:
        code: `?` bool, `h` `i` `q` integers of 2, 4, 8 bytes, `o` one of 4 bytes without a sign, `f` `d`
            floats of 4, 8 bytes, `D` date, `T` timestamp, `t` time, `I` interval, `u` UUID, `n` numeric, that
            becomes text, `s` text or bytes, `j` jsonb; `[` and that of the elements; `(`, those of the
            fields, `)`.
        arrow: the type.
    """

    code: str
    arrow: pa.DataType


def decoded(schema: pa.Schema, kinds: Sequence[Kind], data: bytearray) -> pa.RecordBatch:
    """Take the rows that are whole away from the data, and return them. Memory: O(data).

    Raises:
        DataError: a value can't be had in Arrow.
    """
    try:
        if code is not None:
            used, found = code.decoded("".join(kind.code for kind in kinds), data)
            arrays = [_array(kind.arrow, node) for kind, node in zip(kinds, found, strict=True)]
        else:
            used, columns = _columns(kinds, bytes(data))
            arrays = [_made(kind.arrow, cells) for kind, cells in zip(kinds, columns, strict=True)]
    except ValueError as exc:
        at, what = exc.args if len(exc.args) > 1 else (0, str(exc))
        raise DataError(
            f"column `{schema.names[at]}` of the answer can't be read: {what}",
            column=schema.names[at],
            hint="cast it in the query, for example to text",
        ) from exc
    del data[:used]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _array(arrow: pa.DataType, node: Any) -> pa.Array:
    """Return an array over the buffers of a column."""
    if isinstance(arrow, pa.BaseExtensionType):
        return pa.ExtensionArray.from_storage(arrow, _array(arrow.storage_type, node))
    count, nulls, valid, data, more, parts = node
    buffers = [None if valid is None else pa.py_buffer(valid)]
    children = [_array(arrow.field(at).type, part) for at, part in enumerate(parts)]
    if not pa.types.is_struct(arrow):
        buffers.append(pa.py_buffer(data))
    if pa.types.is_string(arrow) or pa.types.is_binary(arrow):
        buffers.append(pa.py_buffer(more))
    return pa.Array.from_buffers(arrow, count, buffers, nulls, children=children or None)


def storage(arrow: pa.DataType) -> pa.DataType:
    """Return the type without extensions."""
    if isinstance(arrow, pa.BaseExtensionType):
        return storage(arrow.storage_type)
    if pa.types.is_list(arrow):
        return pa.list_(storage(arrow.value_type))
    if pa.types.is_struct(arrow):
        return pa.struct([field.with_type(storage(field.type)) for field in arrow])
    return arrow


def _made(arrow: pa.DataType, cells: list[Any]) -> pa.Array:
    """Return an array of Python's values."""
    array = pa.array(cells, storage(arrow))
    return array if array.type == arrow else array.cast(arrow)


def _columns(kinds: Sequence[Kind], data: bytes) -> tuple[int, list[list[Any]]]:
    """Return how many bytes the whole rows take, and their columns as Python's values."""
    columns: list[list[Any]] = [[] for _ in kinds]
    readers = [_reader(iter(kind.code)) for kind in kinds]
    at = 0
    while len(data) >= at + 2:
        (count,) = struct.unpack_from(">H", data, at)
        if count == _END:
            return at + 2, columns
        if count != len(kinds):
            raise ValueError("a row has more or fewer columns")
        cells, end = _cells(data, at + 2, count)
        if len(cells) < count:
            break
        at = end
        for number, cell in enumerate(cells):
            try:
                columns[number].append(None if cell is None else readers[number](cell))
            except (struct.error, ValueError) as exc:
                what = "a value has another length than its type" if isinstance(exc, struct.error) else exc
                raise ValueError(number, str(what)) from exc
    return at, columns


def _cells(data: bytes, at: int, count: int, skipped: int = 0) -> tuple[list[bytes | None], int]:
    """Return values that are there as a whole, each behind its length, and where they end."""
    found: list[bytes | None] = []
    while len(found) < count and len(data) >= at + skipped + 4:
        (size,) = struct.unpack_from(">i", data, at + skipped)
        at += skipped + 4
        if size > len(data) - at:
            break
        found.append(data[at : at + size] if size >= 0 else None)
        at += max(size, 0)
    return found, at


def _reader(kinds: Iterator[str]) -> Callable[[bytes], Any]:
    """Return the function that reads values of the next kind."""
    kind = next(kinds)
    if kind == "[":
        return partial(_list, _reader(kinds))
    if kind == "(":
        fields = []
        while (part := next(kinds)) != ")":
            fields.append(_reader(chain(part, kinds)))
        return partial(_record, fields)
    return _READERS[kind]


def _list(reader: Callable[[bytes], Any], value: bytes) -> list[Any]:
    """Dimensions, a flag, the elements' type; of each dimension length and first index; the elements."""
    dimensions, _, _ = struct.unpack_from(">III", value)
    if dimensions > _MAX_DIMENSIONS:
        raise ValueError("an array is cut off")
    lengths = struct.unpack_from(f">{2 * dimensions}i", value, 12)[::2]
    count = math.prod(lengths) if dimensions else 0
    found, _ = _cells(value, 12 + 8 * dimensions, count)
    if len(found) != count:
        raise ValueError("an array is cut off")
    return [None if cell is None else reader(cell) for cell in found]


def _record(readers: list[Callable[[bytes], Any]], value: bytes) -> tuple[Any, ...]:
    """The number of fields; of each its type and what it has."""
    if value[:4] != struct.pack(">I", len(readers)):
        raise ValueError("a record has other fields than its type")
    found, _ = _cells(value, 4, len(readers), skipped=4)
    if len(found) != len(readers):
        raise ValueError("a record is cut off")
    return tuple(None if cell is None else read(cell) for read, cell in zip(readers, found, strict=True))


def _numeric(value: bytes) -> str:
    """How many digits to the base 10,000, the power of the first, sign, decimal digits shown; the digits."""
    count, power, sign, scale = struct.unpack_from(">HhHH", value)
    if sign & 0x8000:
        return _SPECIAL.get(sign, "inf")
    digits = "".join(f"{group:04}" for group in struct.unpack(f">{count}H", value[8:]))
    digits = digits if power >= 0 else "0" * (-4 * (power + 1)) + digits
    whole = max(4 * (power + 1), 0)
    digits = digits.ljust(whole + scale, "0")
    text = ("-" if sign else "") + (digits[:whole].lstrip("0") or "0")
    return f"{text}.{digits[whole : whole + scale]}" if scale else text


def _interval(value: bytes) -> pa.MonthDayNano:
    us, days, months = struct.unpack(">qii", value)
    if abs(us) > _MAX_US:
        raise ValueError("an interval has more hours than fit: at most 2562047")
    return pa.MonthDayNano([months, days, us * 1000])


def _jsonb(value: bytes) -> bytes:
    if value[:1] != b"\1":
        raise ValueError("jsonb of a version that isn't known")
    return value[1:]


def _moment(form: str, epoch: int, wrong: str) -> Callable[[bytes], int]:
    """Return the function that reads what is counted from 2000; the ends of the type are infinite."""
    highest: int = (1 << (8 * struct.calcsize(form) - 1)) - 1

    def read(value: bytes) -> int:
        (number,) = struct.unpack(form, value)
        if number < -highest or number > highest - epoch:
            raise ValueError(wrong)
        return int(number + epoch)

    return read


def _time(value: bytes) -> int:
    (number,) = struct.unpack(">q", value)
    if not 0 <= number < _DAY:
        raise ValueError("24:00 is no time elsewhere")
    return int(number)


def _uuid(value: bytes) -> bytes:
    return bytes(struct.unpack("16s", value)[0])


_READERS: dict[str, Callable[[bytes], Any]] = {
    "?": lambda value: struct.unpack(">?", value)[0],
    "h": lambda value: struct.unpack(">h", value)[0],
    "i": lambda value: struct.unpack(">i", value)[0],
    "o": lambda value: struct.unpack(">I", value)[0],
    "q": lambda value: struct.unpack(">q", value)[0],
    "f": lambda value: struct.unpack(">f", value)[0],
    "d": lambda value: struct.unpack(">d", value)[0],
    "D": _moment(">i", _DAYS, "a date is infinite"),
    "T": _moment(">q", _MICROSECONDS, "a timestamp is infinite, or after the year 294246"),
    "t": _time,
    "I": _interval,
    "u": _uuid,
    "n": _numeric,
    "s": bytes,
    "j": _jsonb,
}
