"""Rows of dicts turned into columns of cells."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from operator import countOf, itemgetter
from typing import Any

from ladle.extract.keys import Row, are_names, named

Cells = tuple[list[Any], set[type]]
"""The cells of a column, and their types."""

_BLOCK_ROWS = 256
"""Dicts gone over at a time: so many stay in the processor's cache from column to column.

The types of their cells are taken then, too: the cells of whole columns would come from memory once more.
"""

_SPARSE = 4
"""Cells per value from which on it is faster to place each value than to ask each row for each key."""


def gather(rows: Sequence[Row]) -> tuple[list[str], Iterable[Cells]]:
    """Return the names of the columns of rows, in first-seen order, and of each the cells and their types.

    Args:
        rows: at least one dict. Keys that are no names become names; a cell is None where a key is missing.
    """
    names = list(rows[0])
    if are_names(names) and countOf(map(len, rows), len(names)) == len(rows):
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


def types_of(values: Sequence[Any]) -> set[type]:
    """Return the types of values."""
    types: set[type] = set(map(type, values[:1]))
    add_types(types, values)
    return types


def add_types(types: set[type], values: Sequence[Any]) -> None:
    """Add the types of values to a set. Mostly it has one, and to count that takes two thirds of the time."""
    if len(types) != 1 or countOf(map(type, values), *types) < len(values):
        types.update(map(type, values))


def _dense(rows: Sequence[Row], names: list[str]) -> list[Cells]:
    if len(names) < 2:
        columns = [list(map(itemgetter(name), rows)) for name in names]
        return [(column, types_of(column)) for column in columns]
    read = itemgetter(*names)
    return _joined(names, (map(read, block) for block in _blocks(rows)))


def _ragged(rows: Sequence[Row], names: list[str]) -> list[Cells]:
    # all keys in one order, so that there is nothing to look up
    blank: Row = dict.fromkeys(names)
    return _joined(names, ([(blank | row).values() for row in block] for block in _blocks(rows)))


def _blocks(rows: Sequence[Row]) -> Iterator[Sequence[Row]]:
    return (rows[start : start + _BLOCK_ROWS] for start in range(0, len(rows), _BLOCK_ROWS))


def _joined(names: list[str], blocks: Iterable[Iterable[Iterable[Any]]]) -> list[Cells]:
    columns: list[Cells] = [([], set()) for _ in names]
    for rows in blocks:
        for (column, types), cells in zip(columns, zip(*rows, strict=True), strict=True):
            column.extend(cells)
            add_types(types, cells)
    return columns


def _sparse(rows: Sequence[Row], names: list[str]) -> Iterator[Cells]:
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
        yield column, types_of(column)
