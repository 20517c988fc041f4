"""Columns of several kinds: values grouped by kind, each kind alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from ladle.extract.plain import plain_all
from ladle.extract.scalars import settle

_SIMPLE = frozenset({bool, int, float, str, bytes, dict, list})


def by_type(values: Sequence[Any], types: Iterable[type]) -> dict[type, list[Any]] | None:
    """Return values grouped by exact type, None elsewhere; None where types don't tell kinds.

    The quick way for what JSON holds: no look at any value beyond its type.
    """
    if not _SIMPLE.issuperset(types):
        return None
    return {t: [v if type(v) is t else None for v in values] for t in types}


def by_kind(values: Sequence[Any]) -> dict[str, list[Any]]:
    """Return values, as `store` takes them, grouped by kind; each group as long as `values`, None elsewhere.

    Raises:
        Refused: a value can't be stored; its `row` is the index in `values`.
    """
    groups: dict[str, list[Any]] = {}
    for row, value in enumerate(plain_all(values)):
        if value is None:
            continue
        kind, settled = settle(value)
        if kind not in groups:
            groups[kind] = [None] * len(values)
        groups[kind][row] = settled
    return groups
