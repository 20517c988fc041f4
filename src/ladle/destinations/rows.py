"""Arrow columns as rows of Python values, as drivers take them: several rows in one tuple."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa

_PIECE_ROWS = 1_000
"""Values of so many rows are made at once: they stay in the cache."""


def rows(columns: Sequence[pa.Array], per: int) -> Iterator[tuple[int, Iterator[tuple[Any, ...]]]]:
    """Yield how many rows are in a tuple, and such tuples: first of `per` rows, then the rest, one by one.

    Memory: O(1,000 rows).

    Args:
        columns: at least one, all of one length.
        per: how many rows a tuple holds.
    """
    count = len(columns[0])
    whole = count - count % per
    for start, end, step in ((0, whole, per), (whole, count, 1)):
        if start < end:
            yield step, _tuples([column.slice(start, end - start) for column in columns], step)


def _tuples(columns: Sequence[pa.Array], per: int) -> Iterator[tuple[Any, ...]]:
    piece = max(per, _PIECE_ROWS // per * per)
    for start in range(0, len(columns[0]), piece):
        values = [column.slice(start, piece).to_pylist() for column in columns]
        yield from zip(*(v[n::per] for n in range(per) for v in values), strict=True)
