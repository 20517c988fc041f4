"""Arrow columns as rows of Python values, as drivers take them: several rows in one tuple.

`_rows.c` is compiled when ladle is installed, where there is a C compiler; a wheel brings it along. Without
it the same comes of Python's own iterators, and takes longer.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from types import ModuleType
from typing import Any

import pyarrow as pa

code: ModuleType | None
"""Its function is that of `_rows.pyi`."""
try:
    from ladle.destinations import _rows
except ImportError:
    code = None
else:
    code = _rows

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
_PIECE_ROWS = 1_000
"""Values of so many rows are made at once, where there is no compiled code: they stay in the cache."""


def rows(columns: Sequence[pa.Array], per: int) -> Iterator[tuple[int, Iterator[tuple[Any, ...]]]]:
    """Yield how many rows are in a tuple, and such tuples: first of `per` rows, then the rest, one by one.

    A tuple is filled again for the next rows, where nobody has kept it. Memory: O(1,000 rows) then.

    Args:
        columns: at least one, all of one length.
        per: how many rows a tuple holds.
    """
    count = len(columns[0])
    whole = count - count % per
    given = None if code is None else [_buffers(column) for column in columns]
    for start, end, step in ((0, whole, per), (whole, count, 1)):
        if start == end:
            continue
        if given is not None and code is not None:
            yield step, code.rows(given, start, end, step)
        else:
            yield step, _interpreted([column.slice(start, end - start) for column in columns], step)


def _buffers(column: pa.Array) -> Any:
    """Return what the compiled code reads of a column; its values, where it doesn't know the type."""
    kind = _KINDS.get(column.type)
    if kind is None:
        return column.to_pylist()
    valid, data, *more = column.buffers()
    return kind, column.offset, valid if column.null_count else None, data, more[0] if more else None


def _interpreted(columns: Sequence[pa.Array], per: int) -> Iterator[tuple[Any, ...]]:
    count = len(columns[0])
    piece = max(per, _PIECE_ROWS // per * per)
    for start in range(0, count, piece):
        values = [column.slice(start, piece).to_pylist() for column in columns]
        yield from zip(*(v[n::per] for n in range(per) for v in values), strict=True)
