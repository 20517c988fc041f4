"""Make the keys that tie rows together: row ids, load id, parent and root ids, list positions."""

from __future__ import annotations

import base64
import os
from collections.abc import Callable
from dataclasses import replace
from functools import cached_property, partial

import pyarrow as pa
import pyarrow.compute as pc

from ladle.normalize.unnest import Piece
from ladle.schema.table import Column, Table

ROW_ID = "_dlt_id"
LOAD_ID = "_dlt_load_id"
PARENT_ID = "_dlt_parent_id"
ROOT_ID = "_dlt_root_id"
POSITION = "_dlt_list_idx"
_ID_BYTES = 12  # 96 random bits: no collision to expect below 10^12 rows; 16 characters as text
_LENGTH = 16
_DIGITS = "0123456789abcdefghijklmnopqrstuv"  # in the order of bytes, and of words in any language
_PLACES = 6
_PAIRS = tuple((high + low).encode() for high in _DIGITS for low in _DIGITS)

_TEXT = Column("", data_type="text", nullable=False)
KEY_COLUMNS = {
    LOAD_ID: replace(_TEXT, name=LOAD_ID),
    ROOT_ID: replace(_TEXT, name=ROOT_ID, root_key=True),
    PARENT_ID: replace(_TEXT, name=PARENT_ID, parent_key=True),
    POSITION: Column(POSITION, data_type="bigint", nullable=False),
    ROW_ID: replace(_TEXT, name=ROW_ID, unique=True, row_key=True),
}


class RowKeys:
    """Row ids and root ids of one piece, string arrays of its row count.

    Args:
        ids: or what makes them when they are first asked for: most frames need none.
        roots: None for root rows, whose ids they are.
    """

    def __init__(self, ids: pa.Array | Callable[[], pa.Array], roots: pa.Array | None = None) -> None:
        self._ids = ids
        self._roots = roots

    @cached_property
    def ids(self) -> pa.Array:
        """Row ids."""
        return self._ids() if callable(self._ids) else self._ids

    @property
    def roots(self) -> pa.Array:
        """Ids of the root rows that the rows are in."""
        return self.ids if self._roots is None else self._roots


def random_ids(count: int) -> pa.Array:
    """Return `count` row ids of 16 characters each, from one block of random bytes."""
    text = pa.py_buffer(base64.urlsafe_b64encode(os.urandom(_ID_BYTES * count)))
    fixed = pa.FixedSizeBinaryArray.from_buffers(pa.binary(16), count, [None, text])
    return fixed.cast(pa.binary()).cast(pa.string())


class RowIds:
    """Makes row ids that sort as they were made: 10 random characters, the same for all, and a number.

    An index on them is built and extended at one place. Measured on Postgres, 400,000 rows: a fifth of the
    time that random ids take. Two makers have the same beginning once in 2^60. For one thread.
    """

    def __init__(self) -> None:
        self._beginning = b""
        self._next = 0

    def make(self, count: int) -> pa.Array:
        """Return the next `count` ids of 16 characters each. Memory: O(count)."""
        pages = []
        end = self._next + count
        while self._next < end:
            if self._next % len(_DIGITS) ** _PLACES == 0:
                self._beginning = os.urandom(_ID_BYTES)
            page, first = divmod(self._next, len(_PAIRS))
            pairs = _PAIRS[first : first + end - self._next]
            pages.append(self._head(page).join((b"", *pairs)))
            self._next += len(pairs)
        fixed = pa.FixedSizeBinaryArray.from_buffers(
            pa.binary(_LENGTH), count, [None, pa.py_buffer(b"".join(pages))]
        )
        return fixed.cast(pa.binary()).cast(pa.string())

    def _head(self, page: int) -> bytes:
        """Return what the ids of a page share: all but the last two digits."""
        digits = [_DIGITS[page >> 5 * place & 31] for place in reversed(range(_PLACES - 2))]
        beginning = base64.urlsafe_b64encode(self._beginning)[: _LENGTH - _PLACES]
        return beginning + "".join(digits).encode()


def root_keys(
    piece: Piece,
    own: pa.Array | None,
    keyed: pa.Array | None = None,
    fresh: Callable[[int], pa.Array] = random_ids,
) -> RowKeys:
    """Return the keys of root rows: `own` ids where the data brings them, else `keyed` ones, else `fresh`."""
    if own is None and keyed is None:
        return RowKeys(partial(fresh, piece.rows))
    given = [ids.cast(pa.string()) for ids in (own, keyed) if ids is not None]
    return RowKeys(pc.coalesce(*given, fresh(piece.rows)))


def child_keys(piece: Piece, parent: RowKeys, own: pa.Array | None, salt: str) -> RowKeys:
    """Return the keys of child rows: `<parent id>.<position>`, so that an id leads to its parent by sight.

    Unique within the table because parent ids are, and deterministic: the same row in the same place of the
    same parent has the same id. `salt` keeps lists apart that share a table.
    """
    assert piece.positions is not None
    parents = parent.ids.take(piece.parent_rows)
    ids = pc.binary_join_element_wise(parents, piece.positions.cast(pa.string()), "." + salt)
    if own is not None:
        ids = pc.coalesce(own.cast(pa.string()), ids)
    return RowKeys(ids, parent.roots.take(piece.parent_rows))


def key_arrays(
    piece: Piece, keys: RowKeys, parent: RowKeys | None, load_id: str, root_key: bool
) -> dict[str, pa.Array]:
    """Return the key columns of a piece by name, in the order a table has them."""
    if parent is None:
        return {LOAD_ID: pa.repeat(pa.scalar(load_id), piece.rows), ROW_ID: keys.ids}
    arrays = {ROOT_ID: keys.roots} if root_key else {}
    return {
        **arrays,
        PARENT_ID: parent.ids.take(piece.parent_rows),
        POSITION: piece.positions,
        ROW_ID: keys.ids,
    }


def with_key_columns(table: Table, names: list[str]) -> Table:
    """Return the table with the named key columns added at the end where it lacks them."""
    missing = [KEY_COLUMNS[n] for n in names if n not in table.columns]
    return table.with_columns(missing) if missing else table


def in_order(table: Table, known: Table | None) -> Table:
    """Return a new table with data columns first, then the keys, wherever a batch was cut.

    Args:
        table: as it came about.
        known: as the schema had it before; the order of one that is there stays.
    """
    if known is not None and known.loaded:
        return table
    columns = table.columns
    names = [*(n for n in columns if n not in KEY_COLUMNS), *(n for n in KEY_COLUMNS if n in columns)]
    return replace(table, columns={n: columns[n] for n in names})
