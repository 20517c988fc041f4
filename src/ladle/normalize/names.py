"""Give every piece its table name and every leaf its column name; names that collide keep all values."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from ladle.normalize.arrays import keep
from ladle.normalize.unnest import Leaf, Path
from ladle.schema.naming import Naming, shorten

Kinds = tuple[tuple[str, pa.Array], ...]
Named = tuple[str, Path, Kinds]
"""A column: its name, the path of the source, its values by kind."""


@dataclass(frozen=True, slots=True)
class Names:
    """A naming convention together with a destination's limits on length, in characters."""

    naming: Naming
    max_table: int | None = None
    max_column: int | None = None

    def table(self, root: str, path: Path) -> str:
        """Name the table of a list at `path` below the table of source name `root`."""
        return self.naming.table(self.naming.fit(root, *path, max_length=self.max_table))

    def column(self, path: Path) -> str:
        """Name the column of a leaf."""
        return self.naming.fit(*path, max_length=self.max_column)

    def suffixed(self, column: str, suffix: str) -> str:
        """Name a column made beside `column`, e.g. for values of another type."""
        name = f"{column}{self.naming.separator}{suffix}"
        return shorten(name, name, self.max_column)


def name_leaves(leaves: Iterable[Leaf], names: Names) -> list[Named]:
    """Return `(column, source path, kinds)` for each column, in order of first appearance.

    Leaves whose names come out equal share the column row by row. Where a row has values in several of
    them, the leaf spelt like the column (then the first in spelling order) has it, and each other value goes
    to a column of its own, `<column>__<tag>`, the tag made from its spelling: nothing is lost, and the
    outcome depends on the row alone.
    """
    grouped: dict[str, list[Leaf]] = {}
    for leaf in leaves:
        grouped.setdefault(names.column(leaf.path), []).append(leaf)
    named: list[Named] = []
    for column, group in grouped.items():
        if len(group) == 1 or not any(leaf.kinds for leaf in group):
            named.append((column, group[0].path, group[0].kinds))
        else:
            named.extend(_share(column, group, names))
    return named


def _share(column: str, group: list[Leaf], names: Names) -> list[Named]:
    group = sorted(group, key=lambda leaf: (names.naming.separator.join(leaf.path) != column, leaf.path))
    first = next((leaf for leaf in group if leaf.kinds), group[0])
    shared: list[tuple[str, pa.Array]] = list(first.kinds)
    taken = has_value(first.kinds)
    extra: list[Named] = []
    for leaf in group:
        if leaf is first or not leaf.kinds:
            continue
        left = tuple((kind, keep(values, taken)) for kind, values in leaf.kinds)
        if any(values.null_count < len(values) for _, values in left):
            tag = spelling_tag(names.naming.separator.join(leaf.path))
            extra.append((names.suffixed(column, tag), leaf.path, left))
        free = pc.invert(taken)
        shared.extend((kind, keep(values, free)) for kind, values in leaf.kinds)
        taken = pc.or_(taken, has_value(leaf.kinds))
    return [(column, first.path, merge_kinds(shared)), *extra]


def spelling_tag(source: str) -> str:
    """Return six characters that stand for a spelling."""
    digest = hashlib.shake_128(source.encode("utf-8", "surrogatepass")).digest(4)
    return base64.b32encode(digest)[:6].decode().lower()


def has_value(kinds: Kinds) -> pa.Array:
    """Return a mask of the rows in which a column has a value; `kinds` has at least one array."""
    masks = [values.is_valid() for _, values in kinds]
    result = masks[0]
    for mask in masks[1:]:
        result = pc.or_(result, mask)
    return result


def merge_kinds(kinds: list[tuple[str, pa.Array]]) -> Kinds:
    """Return one array for each kind and type; in a row at most one of those given has a value."""
    merged: dict[tuple[str, pa.DataType], pa.Array] = {}
    for kind, values in kinds:
        key = (kind, values.type)
        merged[key] = pc.coalesce(merged[key], values) if key in merged else values
    return tuple((kind, values) for (kind, _), values in merged.items())
