"""The compiled half of `ladle.extract.columns`, and whether there is one.

`_cells.c` is compiled when ladle is installed, where there is a C compiler; a wheel brings it along. Without
it everything works as well, and rows take longer.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pyarrow as pa

code: ModuleType | None
"""Its functions are those of `_cells.pyi`."""
try:
    from ladle.extract import _cells
except ImportError:
    code = None
else:
    code = _cells

Column = tuple[str, int, bytes | None, Any, Any]
"""A gathered column: its kind, how many cells are null, their validity, and what its kind has.

Kinds are those of `ladle.extract.scalars` with one or two buffers, `list` with offsets and the list of all
elements, `dict` with the list of its cells, `null`, and `other`: the cells that Python has to look at.
"""

_TYPES = {
    "bool": pa.bool_(),
    "bigint": pa.int64(),
    "double": pa.float64(),
    "text": pa.string(),
    "timestamp_ntz": pa.timestamp("us"),
    "timestamp": pa.timestamp("us", "UTC"),
    "date": pa.date32(),
}


def array(column: Column, count: int) -> pa.Array:
    """Return the array of a column of scalars, made of its buffers without a copy.

    Args:
        column: of a kind that is not `other`, `dict` or `list`.
        count: its cells.
    """
    kind, nulls, valid, data, more = column
    if kind == "null":
        return pa.nulls(count)
    buffers = [None if part is None else pa.py_buffer(part) for part in (valid, data, more)]
    return pa.Array.from_buffers(_TYPES[kind], count, buffers if kind == "text" else buffers[:2], nulls)


def lists(column: Column, count: int, items: pa.Array) -> pa.ListArray:
    """Return the array of a column of lists, whose elements are `items`."""
    _, nulls, valid, data, _ = column
    buffers = [None if part is None else pa.py_buffer(part) for part in (valid, data)]
    return pa.Array.from_buffers(pa.list_(items.type), count, buffers, nulls, children=[items])
