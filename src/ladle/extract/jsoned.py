"""Keep chosen paths whole, as JSON text: columns declared `json`, and all below the nesting limit."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, chain
from typing import Any

import pyarrow as pa

from ladle.extract.arrow import Where, located
from ladle.extract.columns import MAX_LEVELS, column
from ladle.extract.gather import gather
from ladle.extract.json_text import json_text
from ladle.extract.plain import plain_all
from ladle.extract.refused import Refused
from ladle.package.raw import kinds_of, make_variant
from ladle.schema.naming import Naming

_LISTS = (list, tuple)
_NESTED = (dict, *_LISTS)


@dataclass(frozen=True, slots=True)
class JsonPlan:
    """Which paths stay whole.

    Attributes:
        naming: how keys become column and table names.
        columns: `(table, column)` names declared as JSON.
        max_nesting: levels that become columns and tables; None for all.
    """

    naming: Naming
    columns: frozenset[tuple[str, str]] = frozenset()
    max_nesting: int | None = None

    def is_deep(self, depth: int) -> bool:
        """Whether a value at this depth lies below the nesting limit."""
        return self.max_nesting is not None and depth >= self.max_nesting

    @property
    def is_empty(self) -> bool:
        """Whether nothing is kept whole, so that the fast path can serve."""
        return not self.columns and self.max_nesting is None


@dataclass(frozen=True, slots=True)
class _Spot:
    """A place in the document: its table, and the column prefix below the table's row.

    `row` is the depth of the table's rows: the lists above them; a list right in a list counts twice.
    `depth` adds the dicts flattened since. `level` counts dicts and lists, whatever becomes of them.
    """

    table: str
    prefix: tuple[str, ...] = ()
    row: int = 0
    depth: int = 0
    level: int = 1

    def under(self, key: str) -> _Spot:
        return replace(self, prefix=(*self.prefix, key))

    def flattened(self, by: int) -> _Spot:
        return replace(self, depth=self.depth + by, level=self.level + 1)

    def exploded(self, naming: Naming, by: int) -> _Spot:
        row = self.row + by
        return _Spot(naming.join(self.table, *(self.prefix or ("list",))), (), row, row, self.level + 1)


def to_array_keeping_json(rows: Sequence[Mapping[str, Any]], plan: JsonPlan, where: Where) -> pa.Array:
    """Convert rows to a struct array in the raw format, chosen paths as the kind `json`.

    A value that is no dict or list stays what it is. Explicit nulls inside the JSON text are kept.

    Raises:
        DataError: a value can't be stored, or is nested deeper than `MAX_LEVELS`.
    """
    with located(where):
        return _struct(list(rows), plan, _Spot(plan.naming.table(where.table)))


def _struct(rows: list[Any], plan: JsonPlan, spot: _Spot) -> pa.Array:
    if spot.level > MAX_LEVELS:
        row = next(i for i, v in enumerate(rows) if v is not None)
        raise Refused(row, dict, f"nested deeper than {MAX_LEVELS} levels", hint="cut it short")
    mask = pa.array([row is None for row in rows]) if None in rows else None
    names, cells = gather([{} if row is None else row for row in rows]) if rows else ([], ())
    if not names:
        return pa.array(rows, pa.struct([]))
    arrays = []
    for name, (values, _) in zip(names, cells, strict=True):
        try:
            arrays.append(_column(values, plan, spot.under(name)))
        except Refused as refused:
            refused.under_key(name)
            raise
    return pa.StructArray.from_arrays(arrays, names=names, mask=mask)


def _column(values: Sequence[Any], plan: JsonPlan, spot: _Spot, element: bool = False) -> pa.Array:
    values = plain_all(values)
    name = plan.naming.join(*spot.prefix) if spot.prefix else "value"
    declared = (spot.table, name) in plan.columns
    whole_dicts = whole_lists = declared or plan.is_deep(spot.depth)
    if element:
        # The dicts of a list are rows, not values. A list in a list is as if it lay under a key `list`.
        whole_dicts = declared
        whole_lists = (spot.table, "list") in plan.columns or plan.is_deep(spot.row + 1)
    dicts = [v if type(v) is dict else None for v in values]
    lists = [v if type(v) in _LISTS else None for v in values]
    kinds: dict[str, pa.Array] = {}
    if not whole_dicts and _any(dicts):
        kinds["dict"] = _struct(dicts, plan, spot.flattened(0 if element else 1))
    if not whole_lists and _any(lists):
        kinds["list"] = _list(lists, plan, spot.exploded(plan.naming, 2 if element else 1))
    if element and whole_lists and _any(lists):
        kinds["dict"] = _with_list(kinds.get("dict"), _texts(lists, spot.level))
        whole_lists = False
    whole = [
        v if (whole_dicts and type(v) is dict) or (whole_lists and type(v) in _LISTS) else None
        for v in values
    ]
    if _any(whole):
        kinds["json"] = _texts(whole, spot.level)
    scalars = [None if type(v) in _NESTED else v for v in values]
    if _any(scalars):
        kinds.update(kinds_of(column(scalars)))
    if not kinds:
        return pa.nulls(len(values))
    if len(kinds) == 1 and "json" not in kinds:
        return next(iter(kinds.values()))
    return make_variant(kinds)


def _with_list(rows: pa.Array | None, texts: pa.Array) -> pa.Array:
    """Add the column `list` to the rows of a list, for the lists among its elements that are kept whole."""
    names = [] if rows is None else [field.name for field in rows.type]
    arrays = [] if rows is None else rows.flatten()
    return pa.StructArray.from_arrays([*arrays, make_variant({"json": texts})], names=[*names, "list"])


def _any(values: Sequence[Any]) -> bool:
    return any(v is not None for v in values)


def _texts(values: Sequence[Any], level: int) -> pa.Array:
    texts: list[str | None] = []
    for row, value in enumerate(values):
        try:
            texts.append(None if value is None else json_text(value, MAX_LEVELS - level))
        except Refused as refused:
            refused.row = row
            raise
    return pa.array(texts, pa.string())


def _list(lists: list[Any], plan: JsonPlan, spot: _Spot) -> pa.Array:
    offsets = list(accumulate((len(value or ()) for value in lists), initial=0))
    flat = list(chain.from_iterable(value or () for value in lists))
    try:
        values = _column(flat, plan, spot, element=True) if flat else pa.nulls(0)
    except Refused as refused:
        row = bisect_right(offsets, refused.row) - 1
        refused.under_list(row, refused.row - offsets[row])
        raise
    mask = pa.array([v is None for v in lists])
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), values, mask=mask)
