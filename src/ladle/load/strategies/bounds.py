"""Between which values the keys of a batch lie, as literals, so that engines read only what may match."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any

from sqlglot import exp

from ladle.load.strategies.staged import Staged
from ladle.load.strategies.trees import NEW, OLD, all_of, col, literal, named, same

_ORDERED = ("bigint", "date", "timestamp")


def matched(staged: Staged, keys: Sequence[str]) -> Generator[exp.Expression, Any, exp.Expression]:
    """Return whether old and new row have one key, with bounds of the waiting keys on the old row.

    Only whole numbers, dates and times are bounded. A time's literal is the engine's own text for it, and has
    no type: each engine reads it as the type of the column beside it.
    """
    ranged = [k for k in keys if staged.root.columns[k].data_type in _ORDERED]
    if not ranged:
        return same(keys)
    ends = [exp.cast(of(this=col(k, NEW)), "text") for k in ranged for of in (exp.Min, exp.Max)]
    found = yield exp.select(*ends).from_(named(staged.here(staged.root), NEW))
    if found is None or None in found:
        return same(keys)
    limits = []
    for number, key in enumerate(ranged):
        low, high = (_literal(text, staged.root.columns[key].data_type) for text in found[number * 2 :][:2])
        limits.append(exp.Between(this=col(key, OLD), low=low, high=high))
    return all_of([same(keys), *limits])


def _literal(text: str, data_type: str | None) -> exp.Expression:
    return literal(int(text) if data_type == "bigint" else text)
