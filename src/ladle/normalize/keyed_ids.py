"""Ids of root rows made of their primary key: the same row has the same id in every load that upserts it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from ladle.normalize.arrays import keep
from ladle.normalize.columns import Typing, type_columns
from ladle.normalize.digests import Piece, digests
from ladle.normalize.keys import random_ids
from ladle.normalize.names import Named
from ladle.schema.row_ids import DIGEST, MARK, RANDOM, is_keyed
from ladle.schema.table import Table

_EACH_ROW_ITS_OWN = (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_nested)


class KeyedIds:
    """Makes ids of the rows of a package.

    Args:
        merges: whether they go to where rows are merged.
    """

    def __init__(self, merges: bool) -> None:
        self._merges = merges

    def makes(self, table: Table) -> bool:
        """Whether the ids of a root table's rows are made of their key."""
        return self._merges and is_keyed(table)

    def of(self, table: Table, named: Sequence[Named], typing: Typing) -> pa.Array | None:
        """Return the ids of a batch of root rows, as `keyed_ids` does.

        Args:
            table: whose rows these are.
            named: their columns.
            typing: how the table's columns are typed.
        """
        keys = table.keys("primary_key")
        typed = type_columns([entry for entry in named if entry[0] in keys], table, typing)
        return keyed_ids(typed.arrays, keys)


def keyed_ids(arrays: Mapping[str, pa.Array], keys: Sequence[str]) -> pa.Array | None:
    """Return the ids of waiting rows, null where a part of the key is; None where the key makes none.

    Of each value its length is told too: `ab` and `c` are another key than `a` and `bc`.

    Args:
        arrays: typed, by column.
        keys: columns of the primary key.
    """
    pieces: list[Piece] = []
    for name in keys:
        values = _plain(arrays[name]) if name in arrays else None
        if values is None:
            return None
        pieces.append((b":" if pieces else b"", values))
    count = len(pieces[0][1])
    random = pc.utf8_slice_codeunits(random_ids(count), 0, RANDOM)
    ids = pc.binary_join_element_wise(digests(pieces, count, DIGEST), random, MARK)
    for _, values in pieces:
        if values.null_count:
            ids = keep(ids, values.is_valid())
    return ids


def _plain(values: pa.Array) -> pa.Array | None:
    if any(is_kind(values.type) for is_kind in _EACH_ROW_ITS_OWN):
        return None
    if pa.types.is_temporal(values.type):
        return values.cast(pa.int32() if values.type.bit_width == 32 else pa.int64())
    return values
