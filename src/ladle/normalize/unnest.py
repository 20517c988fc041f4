"""Split nested Arrow into flat pieces: structs become columns, lists become child tables."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from ladle.package.raw import kinds_of, restore_deep

Path = tuple[str, ...]
VALUE = ("value",)
LIST = ("list",)


@dataclass(frozen=True, slots=True)
class Leaf:
    """One scalar path below a table's row, its values split by kind.

    Each array of `kinds` has the piece's row count; in a row at most one kind is not null.
    No kinds: only nulls were seen.
    """

    path: Path
    kinds: tuple[tuple[str, pa.Array], ...]


@dataclass(frozen=True, slots=True)
class Piece:
    """The rows of one table within one batch.

    Attributes:
        path: keys from the parent piece's row to this list; empty for the root.
        parent: index of the parent piece in the result of `unnest`; -1 for the root.
        parent_rows: int64, for each row the row number in the parent piece; None for the root.
        positions: int64, for each row its position in its list, from 0; None for the root.
        values: the rows as they came, nested.
    """

    path: Path
    leaves: tuple[Leaf, ...]
    rows: int
    parent: int = -1
    parent_rows: pa.Array | None = None
    positions: pa.Array | None = None
    values: pa.Array | None = None


def unnest(rows: pa.Array) -> list[Piece]:
    """Split a struct array in the raw format into one piece per table, parents first.

    Args:
        rows: struct array, one element per root row, original key spellings.

    Returns:
        The root piece (same rows, same order), then a piece per list path: one row per list element.
        Memory: O(batch); most columns share buffers with `rows`.
    """
    rows = restore_deep(rows)
    leaves, lists = _walk(rows, ())
    pieces = [Piece((), tuple(leaves), len(rows), values=rows)]
    queue = [(0, path, array) for path, array in lists]
    while queue:
        parent, path, array = queue.pop(0)
        values, parent_rows, positions = _explode(array)
        leaves, lists = _walk(values, ())
        pieces.append(Piece(path, tuple(leaves), len(values), parent, parent_rows, positions, values))
        queue.extend((len(pieces) - 1, below, inner) for below, inner in lists)
    return pieces


def _explode(array: pa.Array) -> tuple[pa.Array, pa.Array, pa.Array]:
    lengths = pc.fill_null(pc.list_value_length(array), 0)
    ends = pc.cumulative_sum(lengths.cast(pa.int64()))
    starts = pc.subtract(ends, lengths)
    parent_rows = pc.list_parent_indices(array)
    values = pc.list_flatten(array)
    positions = pc.subtract(pa.arange(0, len(values)), starts.take(parent_rows))
    return values, parent_rows, positions


def _walk(array: pa.Array, path: Path) -> tuple[list[Leaf], list[tuple[Path, pa.Array]]]:
    leaves: list[Leaf] = []
    lists: list[tuple[Path, pa.Array]] = []
    stack = [(path, array)]
    while stack:
        path, array = stack.pop()
        scalars: list[tuple[str, pa.Array]] = []
        below: list[tuple[Path, pa.Array]] = []
        for kind, values in kinds_of(array).items():
            if kind == "dict":
                names = [field.name for field in values.type]
                below.extend(((*path, n), a) for n, a in zip(names, values.flatten(), strict=True))
            elif kind == "list":
                lists.append((path or LIST, values))
            else:
                scalars.append((kind, values))
        if scalars or pa.types.is_null(array.type):
            leaves.append(Leaf(path or VALUE, tuple(scalars)))
        stack.extend(reversed(below))
    return leaves, lists
