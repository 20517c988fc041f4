"""Arrow columns as the image of a SQLite database: SQLite copies its rows into a table by one statement.

`_image.c` is compiled when ladle is installed, where there is a C compiler; a wheel brings it along. Without
it there are no images.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from types import ModuleType
from typing import Any

import pyarrow as pa

code: ModuleType | None
"""Its function is that of `_image.pyi`."""
try:
    from ladle.destinations import _image
except ImportError:
    code = None
else:
    code = _image

_PAGE_BYTES = 1 << 16
_MOST_PARTS = 255
_KINDS = {
    pa.int8(): "b",
    pa.int16(): "h",
    pa.int32(): "i",
    pa.int64(): "q",
    pa.float64(): "d",
    pa.string(): "s",
    pa.large_string(): "S",
    pa.binary(): "y",
    pa.large_binary(): "Y",
}


Encoded = tuple[Sequence[int], list[pa.Array]]
"""For each column of a table, how many arrays make it: its value is the first that isn't null; the arrays."""


def imaged(
    pieces: Iterable[Encoded], types: Sequence[str] = ()
) -> Iterator[tuple[Sequence[int], list[pa.Array], bytes | None]]:
    """Yield pieces with their image: a database whose table `t` has the columns `c0`, `c1`, and so on.

    It is None where there can be none, as of a row that is too long for a page.

    Args:
        pieces: to make images of.
        types: that the columns declare; none for columns without. Values stay what they are.
    """
    first: bytes | None = None
    for number, (widths, columns) in enumerate(pieces):
        if number == 0:
            first = None if code is None else first_page(len(widths), types)
        yield widths, columns, None if first is None else image(first, widths, columns)


def image(first: bytes, widths: Sequence[int], columns: Sequence[pa.Array]) -> bytes | None:
    """Return a database with one row at least; None where there can be none."""
    given = [_buffers(column) for column in columns]
    if code is None or None in given or max(widths) > _MOST_PARTS or not len(columns[0]):
        return None
    made: bytes | None = code.image(first, given, bytes(widths), len(columns[0]))
    return made


def first_page(width: int, types: Sequence[str] = ()) -> bytes | None:
    """Return the page that names the table, as SQLite makes it; None if this SQLite makes other pages."""
    with closing(sqlite3.connect(":memory:")) as db:
        db.execute("PRAGMA auto_vacuum = NONE")
        db.execute(f"PRAGMA page_size = {_PAGE_BYTES}")
        try:
            columns = (f"c{n} {kind}" for n, kind in enumerate(types or [""] * width))
            db.execute(f"CREATE TABLE t ({', '.join(columns)})")
            made = db.serialize() if hasattr(db, "serialize") else b""
        except sqlite3.Error:  # more columns than it takes
            return None
    # Two pages, of which all bytes are used.
    fits = len(made) == 2 * _PAGE_BYTES and made[16:18] == b"\0\1" and made[20] == 0
    return made[:_PAGE_BYTES] if fits else None


def _buffers(column: pa.Array) -> tuple[Any, ...] | None:
    kind = _KINDS.get(column.type)
    if kind is None:
        return None
    valid, data, *more = column.buffers()
    return kind, column.offset, valid if column.null_count else None, data, more[0] if more else None
