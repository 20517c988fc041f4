"""The rows of one table within one batch: of one list, or of several that share the table.

`A` and `a` are two lists and one table, as are `a__b` and a `b` within `a`. Typed one list after the other,
a value late in the batch would come before an earlier one, and a column's type would depend on the cut. So
their rows are put in the order of the document first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from ladle.normalize.keys import RowKeys, key_arrays
from ladle.normalize.names import Kinds, Named, Names
from ladle.normalize.unnest import Path, Piece


@dataclass(frozen=True, slots=True)
class Part:
    """A piece, named and keyed.

    Attributes:
        piece: the rows of one list, or the root's.
        path: keys from the root's row to the list; empty for the root.
        named: its columns by name.
        keys: of its rows.
        above: what its rows are in; None for the root.
        table: that its rows go to.
        index: of the part within its batch.
        numbers: int64, where some of its rows were left out, the numbers of those that are still in.
    """

    piece: Piece
    path: Path
    named: list[Named]
    keys: RowKeys
    above: Part | None
    table: str = ""
    index: int = 0
    numbers: pa.Array | None = None

    def number(self, row: int) -> int:
        """Return the number that a row had before any were left out."""
        return row if self.numbers is None else int(self.numbers[row].as_py())

    def root_row(self, row: int) -> int:
        """Return the number of the root row that a row is in, counted before any were left out."""
        part = self
        while part.above is not None and part.piece.parent_rows is not None:
            row = part.piece.parent_rows[row].as_py()
            part = part.above
        return part.number(row)

    def root_rows(self) -> pa.Array:
        """Return what `root_row` does, of all rows: int64."""
        part, rows = self, pa.arange(0, self.piece.rows)
        while part.above is not None and part.piece.parent_rows is not None:
            rows = part.piece.parent_rows.take(rows)
            part = part.above
        return rows if part.numbers is None else part.numbers.take(rows)


@dataclass(frozen=True, slots=True)
class Rows:
    """Parts that make rows of one table.

    Attributes:
        parts: at least one.
        order: of several parts, the numbers of their rows, counted through, in the order of the document.
    """

    parts: Sequence[Part]
    order: pa.Array | None = None

    @property
    def count(self) -> int:
        """Rows of all parts."""
        return sum(part.piece.rows for part in self.parts)

    @property
    def first(self) -> Part:
        """The part that the first row comes from."""
        return self.parts[0] if self.order is None else self.place(0)[0]

    def root_row(self, row: int) -> int:
        """Return the number of the root row that a row is in."""
        part, row = self.place(row)
        return part.root_row(row)

    def root_rows(self) -> pa.Array:
        """Return the numbers of the root rows that the rows are in, int64."""
        found = [part.root_rows() for part in self.parts]
        return found[0] if self.order is None else self._ordered(found)

    def place(self, row: int) -> tuple[Part, int]:
        """Return the part that a row is of, and its number there."""
        number = row if self.order is None else self.order[row].as_py()
        for part in self.parts[:-1]:
            if number < part.piece.rows:
                return part, number
            number -= part.piece.rows
        return self.parts[-1], number

    def keys(self, load_id: str, root_key: bool) -> dict[str, pa.Array]:
        """Return the key columns by name, as `key_arrays` does."""
        made = [
            key_arrays(p.piece, p.keys, p.above.keys if p.above else None, load_id, root_key)
            for p in self.parts
        ]
        if self.order is None:
            return made[0]
        return {name: self._ordered([keys[name] for keys in made]) for name in made[0]}

    def named(self) -> list[Named]:
        """Return the columns by name; null in rows of a part that has no such column."""
        if self.order is None:
            return self.parts[0].named
        paths: dict[str, Path] = {}
        found: dict[str, dict[tuple[str, pa.DataType], dict[int, pa.Array]]] = {}
        for number, part in enumerate(self.parts):
            for column, path, kinds in part.named:
                paths.setdefault(column, path)
                arrays = found.setdefault(column, {})
                for kind, values in kinds:
                    arrays.setdefault((kind, values.type), {})[number] = values
        return [(column, path, self._kinds(found[column])) for column, path in paths.items()]

    def _kinds(self, arrays: Mapping[tuple[str, pa.DataType], Mapping[int, pa.Array]]) -> Kinds:
        return tuple(
            (kind, self._ordered([_some(found.get(n), p, type_) for n, p in enumerate(self.parts)]))
            for (kind, type_), found in arrays.items()
        )

    def in_order(self, of_parts: Sequence[pa.Array]) -> pa.Array:
        """Return one array in the order of the rows, of one array per part."""
        return of_parts[0] if self.order is None else self._ordered(of_parts)

    def _ordered(self, arrays: Sequence[pa.Array]) -> pa.Array:
        return pa.concat_arrays(arrays).take(self.order)


def _some(array: pa.Array | None, part: Part, type_: pa.DataType) -> pa.Array:
    return pa.nulls(part.piece.rows, type_) if array is None else array


def rows_of(parts: Sequence[Part], names: Names) -> Rows:
    """Return the rows of parts that share a table, by root row, then, level by level, by list and position.

    Of the lists in one place, that with the name's own spelling comes first, then the first in spelling
    order: the order of a dict's keys decides nothing. Free where there is one part.
    """
    if len(parts) == 1:
        return Rows(parts)
    chains = [_chain(part) for part in parts]
    columns = [pa.concat_arrays([roots for roots, _ in chains])]
    for level in range(max(len(steps) for _, steps in chains)):
        here = [steps[level] if level < len(steps) else None for _, steps in chains]
        paths = sorted({step[0] for step in here if step}, key=lambda path: _spelling(path, names))
        ranks, places = [], []
        for part, step in zip(parts, here, strict=True):
            above = pa.repeat(pa.scalar(-1, pa.int64()), part.piece.rows)
            ranks.append(pa.repeat(pa.scalar(paths.index(step[0])), len(above)) if step else above)
            places.append(step[1] if step else above)
        columns += [pa.concat_arrays(ranks), pa.concat_arrays(places)]
    numbered = pa.RecordBatch.from_arrays(columns, names=[str(n) for n in range(len(columns))])
    return Rows(parts, pc.sort_indices(numbered, sort_keys=[(n, "ascending") for n in numbered.schema.names]))


def _spelling(path: Path, names: Names) -> tuple[bool, Path]:
    return names.naming.separator.join(path) != names.column(path), path


def _chain(part: Part) -> tuple[pa.Array, list[tuple[Path, pa.Array]]]:
    """Return each row's root row, and the lists it is in, from the root down, with its positions there."""
    steps: list[tuple[Path, pa.Array]] = []
    rows = pa.arange(0, part.piece.rows)
    while part.above is not None:
        piece = part.piece
        assert piece.positions is not None
        assert piece.parent_rows is not None
        steps.insert(0, (piece.path, piece.positions.take(rows)))
        rows = piece.parent_rows.take(rows)
        part = part.above
    return rows, steps
