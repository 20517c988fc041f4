"""The parts of one batch: its lists, named and keyed; and what is left of them without some rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import pyarrow as pa
import pyarrow.compute as pc

from ladle.normalize.arrays import keep
from ladle.normalize.given import Given
from ladle.normalize.keys import ROW_ID, RowKeys, child_keys, random_ids, root_keys
from ladle.normalize.names import Kinds, Named, Names, name_leaves, spelling_tag
from ladle.normalize.rows import Part
from ladle.normalize.unnest import Path, Piece


def parts_of(
    root: str,
    pieces: Sequence[Piece],
    names: Names,
    given: Given,
    finish: Callable[[Part], Part],
    ids: Callable[[Sequence[Named]], pa.Array | None] = lambda named: None,
    fresh: Callable[[int], pa.Array] = random_ids,
) -> list[Part]:
    """Name and key the pieces of a batch, parents first.

    Left out are lists without any item, and what a user dropped.

    Args:
        root: source name of the root table.
        pieces: as `unnest` made them.
        names: makes the names of tables and columns.
        given: knows and counts what was dropped.
        finish: adds to a part what it takes over from those above it.
        ids: makes ids of root rows of their columns; null, or None for all, where they are `fresh`.
        fresh: makes so many other ids.
    """
    found: list[Part | None] = []
    paths: list[Path] = []
    shared: dict[str, list[Part]] = {}
    for index, piece in enumerate(pieces):
        paths.append((*paths[piece.parent], *piece.path) if index else ())
        table = names.table(root, paths[index])
        left_out = index and (found[piece.parent] is None or given.drops_rows(table, piece.rows))
        if left_out or (piece.rows == 0 and index):
            found.append(None)
            continue
        beside = shared.setdefault(table, [])
        salted = any(part.piece.parent == piece.parent for part in beside)
        salt = spelling_tag("\0".join(piece.path)) + "." if salted else ""
        named = name_leaves(piece.leaves, names)
        own = next((_text_of(kinds) for column, _, kinds in named if column == ROW_ID), None)
        if given:
            named = given.kept_values(table, named)
        above = found[piece.parent] if index else None
        keys = child_keys(piece, above.keys, own, salt) if above else root_keys(piece, own, ids(named), fresh)
        number = sum(part is not None for part in found)
        part = finish(Part(piece, paths[index], named, keys, above, table, number))
        found.append(part)
        beside.append(part)
    return [part for part in found if part is not None]


def _text_of(kinds: Kinds) -> pa.Array | None:
    arrays = [values.cast(pa.string()) for _, values in kinds]
    return pc.coalesce(*arrays) if arrays else None


def by_table(parts: Sequence[Part]) -> dict[str, list[Part]]:
    """Return parts by table, tables in order of first appearance."""
    tables: dict[str, list[Part]] = {}
    for part in parts:
        tables.setdefault(part.table, []).append(part)
    return tables


class Cut:
    """What is taken out of the parts of one batch: rows, single values, columns. Free where nothing is.

    Rows are named by their number in the whole part, however many are out already.
    """

    def __init__(self, parts: Sequence[Part]) -> None:
        self.parts = parts
        self._rows: list[set[int]] = [set() for _ in parts]
        self._values: dict[tuple[int, str], set[int]] = {}
        self._columns: set[tuple[int, str]] = set()
        self._out: list[pa.Array | None] | None = None

    def row(self, part: int, row: int) -> None:
        """Take out a row, with all rows below it."""
        self._rows[part].add(row)
        self._out = None

    def rows(self, part: int) -> None:
        """Take out all rows of a part."""
        self._rows[part].update(range(self.parts[part].piece.rows))
        self._out = None

    def value(self, part: int, column: str, row: int) -> None:
        """Take out one value."""
        self._values.setdefault((part, column), set()).add(row)

    def column(self, part: int, column: str) -> None:
        """Take out a column."""
        self._columns.add((part, column))

    def out(self, part: int) -> pa.Array | None:
        """Return a boolean array, true for each row of a part that is out; None where none is."""
        if self._out is None:
            self._out = []
            for whole, own in zip(self.parts, self._rows, strict=True):
                self._out.append(self._out_of(whole, own))
        return self._out[part]

    def _out_of(self, whole: Part, own: set[int]) -> pa.Array | None:
        above = self._out[whole.above.index] if whole.above is not None and self._out is not None else None
        mask = _mask(own, whole.piece.rows) if own else None
        if above is None:
            return mask
        inherited = above.take(whole.piece.parent_rows)
        both = inherited if mask is None else pc.or_(mask, inherited)
        return both if pc.any(both).as_py() else None

    def is_out(self, part: int, row: int) -> bool:
        """Whether a row is out."""
        mask = self.out(part)
        return mask is not None and bool(mask[row].as_py())

    def counts(self) -> dict[str, int]:
        """Return how many rows of each table are out."""
        counts: dict[str, int] = {}
        for part in self.parts:
            if (mask := self.out(part.index)) is not None:
                counts[part.table] = counts.get(part.table, 0) + mask.true_count
        return counts

    def kept(self) -> list[Part]:
        """Return what is left of the parts; those without any row left are left out."""
        kept: dict[int, Part] = {}
        for whole in self.parts:
            above = kept.get(whole.above.index) if whole.above is not None else None
            part = self._kept(whole, above)
            if part is not None:
                kept[whole.index] = part
        return list(kept.values())

    def _kept(self, whole: Part, above: Part | None) -> Part | None:
        named = [self._without(whole.index, entry) for entry in whole.named if self._has(whole, entry)]
        mask = self.out(whole.index)
        numbers = None if mask is None else _indices(pc.invert(mask))
        if numbers is not None and len(numbers) == 0:
            return None
        parent_rows = whole.piece.parent_rows
        if above is not None and above.numbers is not None and whole.above is not None:
            parent_rows = _renumbered(above.numbers, whole.above.piece.rows).take(parent_rows)
        if numbers is None:
            return replace(
                whole, piece=replace(whole.piece, parent_rows=parent_rows), named=named, above=above
            )
        positions, values = whole.piece.positions, whole.piece.values
        piece = replace(
            whole.piece,
            rows=len(numbers),
            leaves=(),
            parent_rows=None if parent_rows is None else parent_rows.take(numbers),
            positions=None if positions is None else positions.take(numbers),
            values=None if values is None else values.take(numbers),
        )
        keys = RowKeys(whole.keys.ids.take(numbers), whole.keys.roots.take(numbers))
        named = [(c, path, tuple((k, a.take(numbers)) for k, a in kinds)) for c, path, kinds in named]
        return replace(whole, piece=piece, named=named, keys=keys, above=above, numbers=numbers)

    def _has(self, whole: Part, entry: Named) -> bool:
        return (whole.index, entry[0]) not in self._columns

    def _without(self, part: int, entry: Named) -> Named:
        column, path, kinds = entry
        gone = self._values.get((part, column))
        if not gone:
            return entry
        left = pc.invert(_mask(gone, self.parts[part].piece.rows))
        return column, path, tuple((kind, keep(values, left)) for kind, values in kinds)


def _mask(numbers: set[int], count: int) -> pa.Array:
    return pc.is_in(pa.arange(0, count), pa.array(sorted(numbers), pa.int64()))


def _indices(mask: pa.Array) -> pa.Array:
    return pc.indices_nonzero(mask).cast(pa.int64())


def _renumbered(numbers: pa.Array, count: int) -> pa.Array:
    """Return, for each of `count` rows, its number among those left; null where it is out."""
    return pc.index_in(pa.arange(0, count), numbers).cast(pa.int64())
