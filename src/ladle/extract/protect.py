"""Protect raw batches before they are written: the one way for rows, frames, files and refused rows."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ladle.extract.canonical import of_distinct, text_of, texts
from ladle.extract.plain import plain
from ladle.extract.refused import Refused
from ladle.package.raw import hoist_deep, is_variant, kinds_of, make_variant, restore_deep
from ladle.schema.protection import DROP, Path, Protection, Rule
from ladle.schema.secrecy import MASK, Sealer, masked

_LIST = ("list",)
_ITEM = ["value"]  # where an item goes that is no row: one that can't be read may have been meant as a row
_JSON_SEPARATORS = (",", ":")
_GONE = object()


@dataclass(frozen=True, slots=True)
class _Spot:
    """A place in the documents: keys to the row's list, and keys below the row."""

    table: Path = ()
    row: Path = ()

    def under(self, key: str) -> _Spot:
        return _Spot(self.table, (*self.row, key))

    def listed(self) -> _Spot:
        return _Spot((*self.table, *(self.row or _LIST)), ())


class Guard:
    """Protects the documents of one root table.

    Attributes:
        protection: what is protected.

    Args:
        protection: what is protected.
        sealer: has the key; None where no rule needs one.
    """

    def __init__(self, protection: Protection, sealer: Sealer | None) -> None:
        self.protection = protection
        self._sealer = sealer

    def batch(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Return a raw batch with protected values in the place of those that must not be written.

        Memory: O(batch). The batch itself where it has nothing to protect. Protected columns become
        text; nulls stay null; a column that is dropped isn't there.
        """
        if batch.num_rows == 0:
            return batch
        rows = batch.to_struct_array()
        made = self._made(restore_deep(rows), _Spot())
        if made is None or made is rows:
            return batch
        done = pa.RecordBatch.from_struct_array(hoist_deep(made))
        return done.replace_schema_metadata(batch.schema.metadata)

    def cover(self, path: Sequence[str | int]) -> list[str | int] | None:
        """Return the part of a path, as errors have it, that ends at a protected column; None outside."""
        spot = _Spot()
        for count, step in enumerate(path, 1):
            spot = spot.under(step) if isinstance(step, str) else spot.listed()
            rule, exact = self.protection.at(spot.table, spot.row)
            if rule is not None and not (exact and rule.elements and isinstance(step, str)):
                return list(path[:count])
        return None

    def hides(self, path: Sequence[str | int]) -> bool:
        """Whether what a message tells of a value at a path may hold protected ones."""
        if self.cover(path) is not None or list(path) == _ITEM:
            return True
        spot = _Spot()
        for step in path:
            spot = spot.under(step) if isinstance(step, str) else spot.listed()
        return self.protection.below(spot.table, spot.row)

    def item(self, item: Any) -> Any:
        """Return what may be written of an item that is no row: a mask, itself where its column has a rule.

        One that can't be stored is left as it is, for the error.
        """
        if self.protection.at((), tuple(_ITEM))[0] is not None:
            return item
        try:
            plain(item)
        except Refused:
            return item
        return MASK

    # -- arrays

    def _made(self, array: pa.Array, spot: _Spot) -> pa.Array | None:
        """Return an array protected, itself where there is nothing to do, None where it is dropped."""
        rule, exact = self.protection.at(spot.table, spot.row)
        kinds = kinds_of(array)
        if rule is None:
            return self._inside(array, kinds, spot)
        if not kinds and rule.action != DROP:
            return array
        entered = _entered(rule, exact, spot) & kinds.keys()
        if not entered:
            return None if rule.action == DROP else self._sealed(rule, texts(array))
        made = {kind: self._kind(kind, kinds[kind], spot) for kind in entered}
        covered = [texts(values) for kind, values in kinds.items() if kind not in entered]
        if covered and rule.action != DROP:
            made["text"] = self._sealed(rule, pc.coalesce(*covered))
        return make_variant(made) if len(made) > 1 else next(iter(made.values()))

    def _inside(self, array: pa.Array, kinds: dict[str, pa.Array], spot: _Spot) -> pa.Array:
        made = {kind: self._kind(kind, values, spot) for kind, values in kinds.items()}
        if all(made[kind] is values for kind, values in kinds.items()):
            return array
        return make_variant(made) if is_variant(array.type) else next(iter(made.values()))

    def _kind(self, kind: str, values: pa.Array, spot: _Spot) -> pa.Array:
        if kind == "dict":
            return self._struct(values, spot)
        if kind == "list":
            return self._list(values, spot)
        if kind == "json" and self.protection.below(spot.table, spot.row):
            found = [None if v is None else self._json(v, spot) for v in values.to_pylist()]
            return pa.array(found, pa.string())
        return values

    def _struct(self, values: pa.StructArray, spot: _Spot) -> pa.Array:
        # Flattened: what stands below a null is nobody's value, and must not be written either.
        children = values.flatten()
        names = [field.name for field in values.type]
        made = [self._made(c, spot.under(n)) for n, c in zip(names, children, strict=True)]
        if all(a is b for a, b in zip(made, children, strict=True)):
            return values
        kept = [(n, a) for n, a in zip(names, made, strict=True) if a is not None]
        if not kept:
            return pa.array([{} if here else None for here in values.is_valid().to_pylist()], pa.struct([]))
        mask = values.is_null() if values.null_count else None
        return pa.StructArray.from_arrays([a for _, a in kept], names=[n for n, _ in kept], mask=mask)

    def _list(self, values: pa.ListArray, spot: _Spot) -> pa.Array:
        items = values.flatten()
        made = self._made(items, spot.listed())
        if made is items:
            return values
        ends = pc.cumulative_sum(pc.fill_null(values.value_lengths(), 0))
        offsets = pa.concat_arrays([pa.array([0], pa.int32()), ends])
        mask = values.is_null() if values.null_count else None
        return pa.ListArray.from_arrays(offsets, pa.nulls(len(items)) if made is None else made, mask=mask)

    def _sealed(self, rule: Rule, found: pa.Array) -> pa.Array:
        if rule.action == "mask":
            return of_distinct(found, lambda given: [masked(text, rule.pii) for text in given])
        assert self._sealer is not None
        if rule.action == "hash":
            return of_distinct(found, self._sealer.hashes)
        if rule.action == "tokenise":
            return of_distinct(found, partial(self._sealer.tokens, pii=rule.pii))
        return pa.array(self._sealer.encrypted(found.to_pylist()), pa.string())

    # -- what was kept whole, as JSON

    def _json(self, text: str, spot: _Spot) -> str:
        made = self._value_inside(json.loads(text), spot)
        return json.dumps(made, ensure_ascii=False, separators=_JSON_SEPARATORS)

    def _value_inside(self, value: Any, spot: _Spot) -> Any:
        if isinstance(value, dict):
            made = {key: self._value(inner, spot.under(key)) for key, inner in value.items()}
            return {key: inner for key, inner in made.items() if inner is not _GONE}
        if isinstance(value, list):
            found = [self._value(inner, spot.listed()) for inner in value]
            return [None if inner is _GONE else inner for inner in found]
        return value

    def _value(self, value: Any, spot: _Spot) -> Any:
        rule, exact = self.protection.at(spot.table, spot.row)
        kind = "dict" if isinstance(value, dict) else "list" if isinstance(value, list) else "text"
        if rule is None or kind in _entered(rule, exact, spot):
            return self._value_inside(value, spot)
        if rule.action == DROP:
            return _GONE
        if value is None:
            return None
        return self._sealed(rule, pa.array([text_of(value)]))[0].as_py()


def _entered(rule: Rule, exact: bool, spot: _Spot) -> set[str]:
    """Return the kinds that are gone into, as the rule is about what is in them."""
    if not (exact and rule.elements):
        return set()
    return {kind for kind, into in (("list", bool(spot.row)), ("dict", rule.rows)) if into}
