"""Python values to canonical nested Arrow, one column at a time.

Each column is gathered, the set of its Python types taken, and converted with that knowledge: Arrow infers
nothing, so none of its silent conversions can happen. Only columns of several kinds are looked at value by
value. Columns of one plain type are gathered by compiled code, where there is some, to the same result.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import accumulate, chain
from typing import Any

import pyarrow as pa

from ladle.extract import compiled
from ladle.extract.gather import gather, types_of
from ladle.extract.keys import are_names
from ladle.extract.plain import plain
from ladle.extract.refused import Refused
from ladle.extract.scalars import NoneType, one_type, packed
from ladle.extract.split import split
from ladle.package.raw import make_variant

Fields = tuple[list[str], Iterable[Callable[[], pa.Array]]]
"""Names of a struct's fields, and what makes the array of each: one by one, they may be thousands."""

MAX_LEVELS = 250
"""Dicts and lists inside one another that a value may have."""

_CYCLE_LEVEL = 5
_LEAVES = frozenset({NoneType, bool, int, float, str, bytes})
_SEQUENCES = frozenset({list, tuple})


def column(values: Sequence[Any], level: int = 0) -> pa.Array:
    """Return the array of any Python values, of the length of `values`.

    Args:
        values: any objects; read at most a few times, never changed.
        level: dicts and lists that the values are in.

    Raises:
        Refused: a value can't be stored, located relative to `values`.
    """
    if compiled.code is None:
        return _typed(values, types_of(values), level)
    cells = values if type(values) is list else list(values)
    return _gathered(compiled.code.cells(cells), lambda: cells, len(cells), level)


def _gathered(cells: compiled.Column, values: Callable[[], list[Any]], count: int, level: int) -> pa.Array:
    """Return the array of a column that compiled code gathered; `values` gives what it gathered it from."""
    kind, nulls, _, data, elements = cells
    if kind == "other":
        return _typed(data, types_of(data), level)
    if kind == "dict":
        return _dicts(data, level + 1, some_null=nulls > 0)
    if kind != "list":
        return compiled.array(cells, count)
    if level + 1 == _CYCLE_LEVEL or level == MAX_LEVELS:
        _check_level(values(), level + 1)
    with _under_lists(memoryview(data).cast("i")):
        items = column(elements, level + 1)
    return compiled.lists(cells, count, items)


def _typed(values: Sequence[Any], types: set[type], level: int) -> pa.Array:
    some_null = NoneType in types
    types.discard(NoneType)
    if not types:
        return pa.nulls(len(values))
    if types == {dict}:
        return _dicts(values, level + 1, some_null)
    if types <= _SEQUENCES:
        return _lists(values, level + 1, some_null)
    made = one_type(next(iter(types)), values) if len(types) == 1 else None
    return _mixed(values, types, level) if made is None else made[1]


def _mixed(values: Sequence[Any], types: set[type], level: int) -> pa.Array:
    made: dict[str, pa.Array] = {}
    for kind, group in split(values, types).items():
        if isinstance(group, list):
            made[kind] = (_dicts if kind == "dict" else _lists)(group, level + 1, some_null=True)
        else:
            made[kind] = group
    if not made:
        return pa.nulls(len(values))
    return make_variant(made) if len(made) > 1 else next(iter(made.values()))


def _dicts(values: Sequence[Any], level: int, some_null: bool) -> pa.StructArray:
    _check_level(values, level)
    nulls = pa.array([v is None for v in values], pa.bool_()) if some_null else None
    names, columns = _compiled_fields(values, level) or _fields(values, level, some_null)
    if not names:
        return pa.array(values, pa.struct([]))
    arrays = []
    for name, make in zip(names, columns, strict=True):
        try:
            arrays.append(make())
        except Refused as refused:
            refused.under_key(name)
            raise
    return pa.StructArray.from_arrays(arrays, names=names, mask=nulls)


def _compiled_fields(values: Sequence[Any], level: int) -> Fields | None:
    """Return names and columns of dicts as compiled code gathers them; None if it can't, or there is none."""
    found = compiled.code.gather(values) if compiled.code and type(values) is list else None
    names = [name for name, _ in found or ()]
    if found is None or not are_names(names):
        return None
    count = len(values)
    return names, (
        partial(_gathered, cells, partial(_of_key, values, name), count, level) for name, cells in found
    )


def _of_key(rows: Sequence[Any], name: str) -> list[Any]:
    return [None if row is None else row.get(name) for row in rows]


def _fields(values: Sequence[Any], level: int, some_null: bool) -> Fields:
    rows = values
    if some_null:
        # with the keys of a neighbour, so that rows of one shape stay so
        blank = dict.fromkeys(next(v for v in values if v is not None))
        rows = [blank if v is None else v for v in values]
    names, columns = gather(rows)
    return names, (partial(_typed, cells, types, level) for cells, types in columns)


def _lists(values: Sequence[Any], level: int, some_null: bool) -> pa.ListArray:
    _check_level(values, level)
    nulls = pa.array([v is None for v in values], pa.bool_()) if some_null else None
    lists = values if nulls is None else [() if v is None else v for v in values]
    offsets = list(accumulate(map(len, lists), initial=0))
    with _under_lists(offsets):
        items = column(list(chain.from_iterable(lists)), level)
    return pa.ListArray.from_arrays(packed("i", pa.int32(), offsets), items, mask=nulls)


@contextmanager
def _under_lists(offsets: Sequence[int]) -> Iterator[None]:
    """Say of an element that is refused in which list it is."""
    try:
        yield
    except Refused as refused:
        row = bisect_right(offsets, refused.row) - 1
        refused.under_list(row, refused.row - offsets[row])
        raise


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
    return Refused(row, type(value), reason, hint="cut it short, or store it as text, as json.dumps makes it")


def _has_cycle(root: Any, done: dict[int, Any]) -> bool:
    """Walk everything below `root`; `done` collects what was walked, kept alive so that ids stay its own."""
    path: dict[int, tuple[Any, Iterator[Any]]] = {id(root): (root, _nested(root))}
    while path:
        here = next(reversed(path))
        child = next(path[here][1], None)
        if child is None or len(path) > MAX_LEVELS:  # what is too deep is found on the way down
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
