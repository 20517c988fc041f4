"""Python values to canonical nested Arrow, one column at a time.

Each column is gathered, the set of its Python types taken, and converted with that knowledge: nothing is
inferred by Arrow, so none of its silent conversions can happen. Only columns of several kinds are looked at value
by value.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate, chain
from operator import itemgetter
from typing import Any

import pyarrow as pa

from ladle.extract.keys import Row, field_names
from ladle.extract.plain import plain
from ladle.extract.refused import Refused
from ladle.extract.scalars import NoneType, one_type, store
from ladle.extract.split import by_kind, by_type
from ladle.package.raw import make_variant

MAX_LEVELS = 250
"""Dicts and lists inside one another that a value may have."""

_CYCLE_LEVEL = 5
_LEAVES = frozenset({NoneType, bool, int, float, str, bytes})
_SEQUENCES = frozenset({list, tuple})
_KINDS: dict[type, str] = {dict: "dict", list: "list"}


def column(values: Sequence[Any], level: int = 0) -> pa.Array:
    """Return the array of any Python values, of the length of `values`.

    Args:
        values: any objects; read at most a few times, never changed.
        level: dicts and lists that the values are in.

    Raises:
        Refused: a value can't be stored, located relative to `values`.
    """
    types = set(map(type, values))
    types.discard(NoneType)
    if not types:
        return pa.nulls(len(values))
    if types == {dict}:
        return _dicts(values, level + 1)
    if types <= _SEQUENCES:
        return _lists(values, level + 1)
    made = one_type(next(iter(types)), values) if len(types) == 1 else None
    return _mixed(values, types, level) if made is None else made[1]


def _mixed(values: Sequence[Any], types: set[type], level: int) -> pa.Array:
    made = _made_by_type(values, types, level)
    if made is None:
        made = {}
        for kind, cells in by_kind(values).items():
            nested = kind in ("dict", "list")
            made[kind] = column(cells, level) if nested else store(kind, cells)
    if not made:
        return pa.nulls(len(values))
    return make_variant(made) if len(made) > 1 else next(iter(made.values()))


def _made_by_type(values: Sequence[Any], types: set[type], level: int) -> dict[str, pa.Array] | None:
    groups = by_type(values, types) if len(types) > 1 else None
    made: dict[str, pa.Array] = {}
    for type_, cells in (groups or {}).items():
        if type_ in _KINDS:
            made[_KINDS[type_]] = column(cells, level)
        else:
            alone = one_type(type_, cells)
            if alone is None:
                return None
            made[alone[0]] = alone[1]
    return made or None


def _dicts(values: Sequence[Row | None], level: int) -> pa.StructArray:
    _check_level(values, level)
    nulls = _null_mask(values)
    empty: Row = {}
    rows, names = field_names(values if nulls is None else [empty if v is None else v for v in values])  # type: ignore[misc]
    if not names:
        return pa.array(values, pa.struct([]))
    dense = sum(map(len, rows)) == len(names) * len(rows)
    arrays = []
    for name in names:
        cells = list(map(itemgetter(name), rows)) if dense else [row.get(name) for row in rows]
        try:
            arrays.append(column(cells, level))
        except Refused as refused:
            raise refused.under_key(name) from refused.__cause__
    return pa.StructArray.from_arrays(arrays, names=names, mask=nulls)


def _lists(values: Sequence[Sequence[Any] | None], level: int) -> pa.ListArray:
    _check_level(values, level)
    nulls = _null_mask(values)
    lists: Sequence[Sequence[Any]] = [() if v is None else v for v in values] if nulls is not None else values  # type: ignore[assignment]
    offsets = list(accumulate(map(len, lists), initial=0))
    try:
        items = column(list(chain.from_iterable(lists)), level)
    except Refused as refused:
        row = bisect_right(offsets, refused.row) - 1
        raise refused.under_list(row, refused.row - offsets[row]) from refused.__cause__
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), items, mask=nulls)


def _null_mask(values: Sequence[Any]) -> pa.Array | None:
    nulls = [v is None for v in values]
    return pa.array(nulls, pa.bool_()) if True in nulls else None


def _check_level(values: Sequence[Any], level: int) -> None:
    """Refuse values that are nested too deep, or contain themselves.

    A value with several references to itself grows by each level, so waiting for the last level won't do.
    """
    if level > MAX_LEVELS:
        row = next(i for i, v in enumerate(values) if v is not None)
        raise _too_deep(row, values[row], f"nested deeper than {MAX_LEVELS} levels")
    if level == _CYCLE_LEVEL:
        done: dict[int, Any] = {}
        for row, value in enumerate(values):
            if _has_cycle(value, done):
                raise _too_deep(row, value, f"nested deeper than {MAX_LEVELS} levels: it contains itself")


def _too_deep(row: int, value: Any, reason: str) -> Refused:
    return Refused(row, type(value), reason, hint="cut it short, or store it as text, for instance by json.dumps")


def _has_cycle(root: Any, done: dict[int, Any]) -> bool:
    """Walk everything below `root`; `done` collects what was walked, kept alive so that ids stay its own."""
    path: dict[int, tuple[Any, Iterator[Any]]] = {id(root): (root, _nested(root))}
    while path:
        here = next(reversed(path))
        child = next(path[here][1], None)
        if child is None:
            done[here] = path.pop(here)[0]
        elif id(child) in path:
            return True
        elif id(child) not in done:
            path[id(child)] = (child, _nested(child))
    return False


def _nested(value: Any) -> Iterator[Any]:
    """Return what in a value may hold further values."""
    try:
        inner = plain(value)
    except Refused:
        return iter(())
    if type(inner) is dict:
        inner = inner.values()
    elif type(inner) not in _SEQUENCES:
        return iter(())
    return iter([v for v in inner if type(v) not in _LEAVES])
