"""Rows in the binary form of MariaDB's COM_STMT_BULK_EXECUTE: many in one message, and no text to read.

`_bulk.c` is compiled when ladle is installed, where there is a C compiler; a wheel brings it along. Without
it, and at MySQL, which hasn't this command, rows go in as text: `mysql_load.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from types import ModuleType

import pyarrow as pa

code: ModuleType | None
"""Its function is that of `_bulk.pyi`."""
try:
    from ladle.destinations import _bulk
except ImportError:
    code = None
else:
    code = _bulk

PREPARE, _EXECUTE, CLOSE = 0x16, 0xFA, 0x19
MAX_BYTES = (1 << 24) - 1024
"""Of a message: a longer one would be sent in parts."""
_MESSAGE_BYTES = 1 << 20
_HAS_TYPES = 128
_MYSQL, _BULK = 1, 4
"""Bits of what client and server can: of the first four bytes, and of those that only MariaDB knows."""
_BEFORE, _UNUSED, _LOGIN = 14, slice(9, 32), slice(28, 32)
"""In the greeting, bytes from its text to what the server can; in the login, those that are MariaDB's."""
_LARGE = pa.large_string()
_BLOB, _TEXT = 251, 253
Message = tuple[bytes, memoryview]
"""The parameters' types, and rows."""
# The letter of `_bulk.c`, and the server's number of the type.
_KINDS: dict[pa.DataType, tuple[str, int]] = {
    pa.int64(): ("q", 8),
    pa.float64(): ("d", 5),
    pa.date32(): ("D", 10),
    pa.timestamp("us"): ("T", 12),
    pa.string(): ("s", _TEXT),
    _LARGE: ("S", _TEXT),
    pa.binary(): ("s", _BLOB),
    pa.large_binary(): ("S", _BLOB),
}


def messages(columns: Sequence[pa.Array], rows: int, most: int = MAX_BYTES) -> list[Message]:
    """Return rows as messages of about 1 MB, a longer row as one of its own. Memory: O(rows).

    Args:
        columns: what isn't int64, float64, date32, a timestamp in microseconds, text or bytes goes as text,
            which the server reads.
        rows: how many there are.
        most: bytes that the server takes in one message.
    """
    assert code is not None
    fitting = [_fitting(column) for column in columns]
    kinds = [_KINDS[column.type] for column in fitting]
    types = b"".join(bytes([number, 0]) for _, number in kinds)
    buffers = [_buffers(kind, column) for (kind, _), column in zip(kinds, fitting, strict=True)]
    made, ends = code.bulk(buffers, rows, min(most, _MESSAGE_BYTES))
    view = memoryview(made)
    return [(types, view[begin:end]) for begin, end in pairwise([0, *ends])]


def _fitting(column: pa.Array) -> pa.Array:
    if column.type in _KINDS:
        return column
    whole = pa.types.is_integer(column.type) and column.type != pa.uint64()
    return column.cast(pa.int64() if whole else _LARGE)


def _buffers(kind: str, column: pa.Array) -> tuple[str, int, pa.Buffer | None, pa.Buffer, pa.Buffer | None]:
    valid, data, *more = column.buffers()
    return kind, column.offset, valid if column.null_count else None, data, more[0] if more else None


def executed(statement: int, message: Message) -> bytes:
    """Return the command that runs a prepared statement with rows."""
    head = bytes([_EXECUTE]) + statement.to_bytes(4, "little") + _HAS_TYPES.to_bytes(2, "little")
    return b"".join((head, *message))


def takes_bulk(greeting: bytes) -> bool:
    """Whether a server says in its greeting that it has the command."""
    at = greeting.find(b"\0", 1) + _BEFORE
    able = greeting[at : at + 18]
    return len(able) == 18 and not able[0] & _MYSQL and bool(able[14] & _BULK)


def asking_for_bulk(login: bytes) -> bytes:
    """Return a client's answer to the greeting with the capability in it; other messages as they are."""
    if len(login) < _LOGIN.stop or any(login[_UNUSED]):
        return login
    asking = bytearray(login)
    asking[0] &= ~_MYSQL
    asking[_LOGIN] = _BULK.to_bytes(4, "little")
    return bytes(asking)
