"""Columns of several kinds: values grouped by kind, each kind alone."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, TypeAlias

import pyarrow as pa

from ladle.extract.plain import plain_all
from ladle.extract.scalars import one_type, settle, store

Group: TypeAlias = pa.Array | list[Any]
"""The values of one kind, null or None elsewhere: scalars as an array, dicts and lists as they are."""

_NESTED = {dict: "dict", list: "list"}
_SIMPLE = frozenset({bool, int, float, str, bytes, dict, list})


def split(values: Sequence[Any], types: Collection[type]) -> dict[str, Group]:
    """Return values grouped by kind, each group as long as `values`.

    Args:
        values: any Python objects.
        types: the types of those that are not None.

    Raises:
        Refused: a value can't be stored; its `row` is the index in `values`.
    """
    groups = _by_type(values, types) if len(types) > 1 and _SIMPLE.issuperset(types) else None
    if groups is not None:
        return groups
    return {
        kind: cells if kind in ("dict", "list") else store(kind, cells)
        for kind, cells in _by_kind(values).items()
    }


def _by_type(values: Sequence[Any], types: Collection[type]) -> dict[str, Group] | None:
    """Group what JSON holds without a look at any value beyond its type; None if that doesn't do."""
    groups: dict[str, Group] = {}
    for type_ in types:
        cells = [v if type(v) is type_ else None for v in values]
        if type_ in _NESTED:
            groups[_NESTED[type_]] = cells
            continue
        made = one_type(type_, cells)
        if made is None:
            return None
        kind, groups[kind] = made
    return groups


def _by_kind(values: Sequence[Any]) -> dict[str, list[Any]]:
    groups: dict[str, list[Any]] = {}
    for row, value in enumerate(plain_all(values)):
        if value is None:
            continue
        kind, settled = settle(value)
        if kind not in groups:
            groups[kind] = [None] * len(values)
        groups[kind][row] = settled
    return groups
