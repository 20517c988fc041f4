"""The version of a row: a hash of 132 bits of what is stored of it, and below it, made for a batch at once.

Two rows have one version where the same is stored: column by column, by value, in any order; what is null
or empty isn't stored. A number is the same in every type that a column of it can have, so a column that
grows makes no new versions; a text is another value than a number only in another column.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

import pyarrow as pa
import pyarrow.compute as pc

from ladle.errors import DataError
from ladle.normalize.arrays import keep
from ladle.normalize.decimals import decimal_text
from ladle.normalize.digests import Piece, digests, joined
from ladle.normalize.fed import Fed
from ladle.normalize.keys import KEY_COLUMNS, PARENT_ID, ROOT_ID, ROW_ID
from ladle.schema.rejects import Reject
from ladle.schema.row_ids import VERSION
from ladle.schema.scd2 import History, has_history, history_of

_ID_CHARS = 16  # of the ids that rows got so far
_EXACT_DOUBLE = 2.0**53
_DAY_US = 86_400_000_000
_PER_US = {"s": 1_000_000, "ms": 1_000, "us": 1}


class Versions:
    """Gives the rows of one package their versions.

    Memory: O(batch), the values of its rows as text.
    """

    def __init__(self) -> None:
        self._ids: tuple[pa.Array, pa.Array] | None = None

    def of(self, fed: Sequence[Fed], resource: str) -> Sequence[Fed]:
        """Return the rows of a batch with their versions as ids, where no column of their own tells them.

        Args:
            fed: the rows of the root table first, then those below.
            resource: for errors.

        Returns:
            The same rows; as they are where their table keeps no history.

        Raises:
            DataError: rows bring a validity column themselves, or lack the column of their version.
        """
        self._ids = None
        table = fed[0].typed.table if fed else None
        if table is None or not has_history(table) or (history := history_of(table)) is None:
            return fed
        root, below = fed[0], fed[1:]
        if root.count:
            _check_columns(root, history, resource)
        if history.version == ROW_ID:
            root, *below = self._hashed(root, below)
        return [root, *below]

    def _hashed(self, root: Fed, below: Sequence[Fed]) -> list[Fed]:
        ids = root.typed.arrays[ROW_ID]
        given = _given_ids(root)
        homes = [pc.index_in(one.typed.arrays[ROOT_ID], value_set=ids) for one in below]
        pieces = _pieces(root.typed.arrays)
        # by name: which of its lists a batch meets first says nothing of a row
        for one, home in sorted(zip(below, homes, strict=True), key=lambda pair: pair[0].before.name):
            pieces.append(_piece(f"[{one.before.name}]", _lines(one.typed.arrays, home, root.count)))
        versions = digests(pieces, root.count, VERSION)
        new = versions if given is None else pc.coalesce(given, versions)
        self._ids = ids, new
        made = [_with(root, {ROW_ID: new})]
        for one, home in zip(below, homes, strict=True):
            old_root, new_root = ids.take(home), new.take(home)
            changed = {
                name: _renamed(one.typed.arrays[name], old_root, new_root)
                for name in (ROOT_ID, PARENT_ID, ROW_ID)
            }
            made.append(_with(one, changed))
        return made

    def renamed(self, rejects: Sequence[Reject]) -> Sequence[Reject]:
        """Return rejects of the batch, which know rows by their ids before `of`, by those they have now."""
        if not rejects or self._ids is None:
            return rejects
        old, new = self._ids
        known = [r.row_id or "" for r in rejects] + [r.parent_id or "" for r in rejects]
        places = pc.index_in(pa.array([k[:_ID_CHARS] for k in known], pa.string()), value_set=old)
        heads = new.take(places)
        now = [
            f"{head.as_py()}{k[_ID_CHARS:]}" if head.is_valid else k
            for head, k in zip(heads, known, strict=True)
        ]
        pairs = zip(rejects, now[: len(rejects)], now[len(rejects) :], strict=True)
        return [replace(r, row_id=row or None, parent_id=parent or None) for r, row, parent in pairs]


def _with(fed: Fed, arrays: Mapping[str, pa.Array]) -> Fed:
    return replace(fed, typed=replace(fed.typed, arrays={**fed.typed.arrays, **arrays}))


def _check_columns(root: Fed, history: History, resource: str) -> None:
    if history.version not in root.typed.arrays:
        raise DataError(
            f"rows of `{root.before.name}` have no column `{history.version}`, which tells their versions",
            resource=resource,
            table=root.before.name,
            column=history.version,
            expected="a value in every row",
            hint="without row_version_column_name all that a row holds makes its version",
        )
    for name, path, _ in root.named:
        if name in history.columns:
            raise DataError(
                f"rows of table `{root.before.name}` have a column `{name}`, where scd2 keeps their validity",
                resource=resource,
                table=root.before.name,
                column=".".join(path),
                expected="rows without it",
                hint='rename or remove it in add_map, or name others: validity_column_names=["from", "to"]',
            )


def _given_ids(root: Fed) -> pa.Array | None:
    """Return the ids that rows bring themselves, null where they bring none."""
    for name, _, kinds in root.named:
        if name == ROW_ID and kinds:
            found = pc.coalesce(*(values.cast(pa.string()) for _, values in kinds))
            return found if root.left is None else found.filter(root.left)
    return None


def _renamed(ids: pa.Array, old: pa.Array, new: pa.Array) -> pa.Array:
    """Return ids that begin with that of the new root row where they began with that of the old."""
    head, rest = pc.utf8_slice_codeunits(ids, 0, _ID_CHARS), pc.utf8_slice_codeunits(ids, _ID_CHARS)
    return pc.if_else(pc.equal(head, old), pc.binary_join_element_wise(new, rest, ""), ids)


def _lines(arrays: Mapping[str, pa.Array], home: pa.Array, roots: int) -> pa.Array:
    """Return the rows of a child table as one text for each root row, null where it has none."""
    ids, root_ids = arrays[ROW_ID], arrays[ROOT_ID]
    head, rest = pc.utf8_slice_codeunits(ids, 0, _ID_CHARS), pc.utf8_slice_codeunits(ids, _ID_CHARS)
    place = pc.if_else(pc.equal(head, root_ids), rest, ids)
    line = joined([_piece("", place), *_pieces(arrays)], len(ids))
    # with its length: where a row ends must not be open
    lines = pa.table({"home": home, "line": joined([_piece("", line)], len(line))})
    grouped = lines.group_by("home", use_threads=False).aggregate([("line", "list")])
    texts = pc.binary_join(grouped["line_list"].combine_chunks(), b"")
    found = pc.index_in(pa.arange(0, roots).cast(home.type), value_set=grouped["home"].combine_chunks())
    return texts.take(found)


def _pieces(arrays: Mapping[str, pa.Array], without: Collection[str] = KEY_COLUMNS) -> list[Piece]:
    """Return what is stored of rows, column by column."""
    names = sorted(name for name in arrays if name not in without)
    spelled = ((name, values) for name in names for values in _spelled(arrays[name]))
    return [_piece(name, values) for name, values in spelled if values.null_count < len(values)]


def _piece(name: str, values: pa.Array) -> Piece:
    """Return values with their name, before which its length is told, too."""
    named = name.encode()
    return b"%d:%b:" % (len(named), named), values


def _spelled(array: pa.Array) -> Sequence[pa.Array]:
    """Return values in one spelling, whatever the type of their column; of several arrays one has it."""
    kind, types = array.type, pa.types
    if types.is_decimal(kind):
        return [decimal_text(array)]
    if types.is_floating(kind):
        whole = pc.and_(pc.equal(pc.trunc(array), array), pc.less(pc.abs(array), _EXACT_DOUBLE))
        return [keep(array, whole).cast(pa.int64()), keep(array, pc.invert(whole)).cast(pa.string())]
    if types.is_date(kind):
        days = array.cast(pa.date32()).cast(pa.int32()).cast(pa.int64())
        return [pc.multiply(days, _DAY_US)]
    if types.is_timestamp(kind):
        return _microseconds(array)
    if types.is_time(kind):
        return [array.cast(pa.time64("us")).cast(pa.int64())]
    return [array]


def _microseconds(array: pa.Array) -> Sequence[pa.Array]:
    ticks = array.cast(pa.int64())
    if array.type.unit != "ns":
        return [pc.multiply(ticks, _PER_US[array.type.unit])]
    micros = pc.divide(ticks, 1000)
    rest = pc.subtract(ticks, pc.multiply(micros, 1000))
    fine = pc.binary_join_element_wise(micros.cast(pa.string()), rest.cast(pa.string()), ".")
    even = pc.equal(rest, 0)
    return [keep(micros, even), keep(fine, pc.invert(even))]
