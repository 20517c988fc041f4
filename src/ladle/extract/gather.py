"""Rows of dicts turned into columns of cells."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from operator import itemgetter
from typing import Any

from ladle.extract.keys import Row, are_names, named

_BLOCK_ROWS = 256
"""Dicts gone over at a time: so many stay in the processor's cache from column to column."""

_SPARSE = 4
"""Cells per value from which on it is faster to place each value than to ask each row for each key."""


def gather(rows: Sequence[Row]) -> tuple[list[str], Iterable[list[Any]]]:
    """Return the names of the columns of rows, in first-seen order, and the cells of each.

    Args:
        rows: at least one dict. Keys that are no names become names; a cell is None where a key is missing.
    """
    names = list(rows[0])
    if are_names(names) and set(map(len, rows)) == {len(names)}:
        try:
            return names, _dense(rows, names)
        except KeyError:
            pass  # as many keys, but not the same
    found: set[Any] = set().union(*rows)
    if not are_names(found):
        rows = [named(row) for row in rows]
    names = list(dict.fromkeys(chain.from_iterable(rows)))
    sparse = sum(map(len, rows)) * _SPARSE < len(rows) * len(names)
    return names, _sparse(rows, names) if sparse else _ragged(rows, names)


def _dense(rows: Sequence[Row], names: list[str]) -> list[list[Any]]:
    if len(names) < 2:
        return [list(map(itemgetter(name), rows)) for name in names]
    columns: list[list[Any]] = [[] for _ in names]
    read = itemgetter(*names)
    for start in range(0, len(rows), _BLOCK_ROWS):
        _extend(columns, map(read, rows[start : start + _BLOCK_ROWS]))
    return columns


def _ragged(rows: Sequence[Row], names: list[str]) -> list[list[Any]]:
    columns: list[list[Any]] = [[] for _ in names]
    # all keys in one order, so that there is nothing to look up
    blank: Row = dict.fromkeys(names)
    for start in range(0, len(rows), _BLOCK_ROWS):
        _extend(columns, [(blank | row).values() for row in rows[start : start + _BLOCK_ROWS]])
    return columns


def _extend(columns: list[list[Any]], rows: Iterable[Iterable[Any]]) -> None:
    for column, cells in zip(columns, zip(*rows, strict=True), strict=True):
        column.extend(cells)


def _sparse(rows: Sequence[Row], names: list[str]) -> Iterator[list[Any]]:
    """Yield columns one at a time: all at once, thousands of them would not fit into memory."""
    found: dict[str, tuple[list[int], list[Any]]] = {name: ([], []) for name in names}
    for index, row in enumerate(rows):
        for name, value in row.items():
            at, values = found[name]
            at.append(index)
            values.append(value)
    for name in names:
        column: list[Any] = [None] * len(rows)
        for index, value in zip(*found.pop(name), strict=True):
            column[index] = value
        yield column
