"""Give rows of child tables values of the rows above them, where the schema asks for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pyarrow as pa
import pyarrow.compute as pc

from ladle.normalize.arrays import keep
from ladle.normalize.keys import LOAD_ID, ROW_ID
from ladle.normalize.names import Kinds, Named, has_value, merge_kinds
from ladle.normalize.rows import Part
from ladle.normalize.unnest import Path
from ladle.schema.row_ids import WAITING
from ladle.schema.stored import Propagation


def with_propagated(part: Part, wanted: Propagation, table_of: Callable[[Path], str], load_id: str) -> Part:
    """Return a part of a child table with columns of the rows above it.

    A value that the row has itself stays; of several rows above it, the nearest decides.

    Args:
        part: named and keyed, with a part above it.
        wanted: by table above, which column becomes which.
        table_of: tells the table of a path below the root.
        load_id: of the package, for `_dlt_load_id`.
    """
    named = list(part.named)
    for found in _from_above(part, wanted, table_of, load_id):
        index = next((i for i, (name, _, _) in enumerate(named) if name == found[0]), None)
        if index is None:
            named.append(found)
        else:
            name, path, kinds = named[index]
            named[index] = (name, path, _filled(kinds, found[2]))
    return replace(part, named=named)


def _filled(own: Kinds, given: Kinds) -> Kinds:
    if not own or not given:
        return own or given
    free = pc.invert(has_value(own))
    return merge_kinds([*own, *((kind, keep(values, free)) for kind, values in given)])


def _from_above(
    part: Part, wanted: Propagation, table_of: Callable[[Path], str], load_id: str
) -> Iterator[Named]:
    rows, above = part.piece.parent_rows, part.above
    while above is not None:
        columns = dict(wanted.tables.get(table_of(above.path), {}))
        if above.above is None:
            columns = {**wanted.root, **columns}
        for source, target in columns.items():
            found = _column(above, source, load_id)
            if found is not None:
                path, kinds = found
                yield target, path, tuple((kind, values.take(rows)) for kind, values in kinds)
        rows = above.piece.parent_rows.take(rows) if above.piece.parent_rows is not None else None
        above = above.above


def _column(part: Part, name: str, load_id: str) -> tuple[Path, Kinds] | None:
    if name == ROW_ID:
        return (name,), (("text", pc.replace_substring_regex(part.keys.ids, WAITING, r"\1")),)
    if name == LOAD_ID:
        return (name,), (("text", pa.repeat(pa.scalar(load_id), part.piece.rows)),)
    return next(((path, kinds) for column, path, kinds in part.named if column == name), None)
