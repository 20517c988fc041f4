"""Of several waiting rows with one key a single one takes part."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import replace
from typing import Any

from sqlglot import exp

from ladle.load.strategies.staged import Staged
from ladle.load.strategies.trees import NEW, any_of, as_, col, counted, is_null, temporary
from ladle.schema.naming import unused

_NUMBER = "_ladle_count"


def one_each(staged: Staged, keys: Sequence[str]) -> Generator[exp.Expression, Any, Staged]:
    """Put one row for each key into a table of its own, where there are several; return what to go on with.

    The first by `dedup_sort` remains, nulls last, else the first that came. A row without its whole key is
    never a duplicate.
    """
    if not keys or staged.root.extra.get("x-deduplicated"):
        return staged
    doubled = exp.select(exp.Literal.number(1)).from_(staged.here(staged.root)).group_by(*map(col, keys))
    doubled = doubled.where(exp.not_(any_of([is_null(col(k)) for k in keys])))
    several = exp.GT(this=counted(), expression=exp.Literal.number(1))
    if (yield doubled.having(several).limit(1)) is None:
        return staged
    given = staged.columns[staged.root.name]
    number = unused(_NUMBER, given)
    rows = exp.select(*map(col, given)).from_(_numbered(staged, keys, number).subquery(NEW))
    rows = rows.where(any_of([col(number).eq(1), *(is_null(col(k)) for k in keys)]))
    yield temporary(staged.session.staged(f"{staged.root.name} kept"), rows)
    return replace(staged, single=True)


def _numbered(staged: Staged, keys: Sequence[str], name: str) -> exp.Select:
    given = [col(c) for c in staged.columns[staged.root.name]]
    source, came = _as_they_came(staged)
    order = exp.Order(expressions=[*_sorted(staged), exp.Ordered(this=came)])
    number = exp.Window(this=exp.RowNumber(), partition_by=[col(k) for k in keys], order=order, over="OVER")
    return exp.select(*given, as_(number, name)).from_(source)


def _as_they_came(staged: Staged) -> tuple[exp.Expression, exp.Expression]:
    """Return the waiting root rows, and what they are sorted by to come as they came."""
    here, came = staged.here(staged.root), staged.session.row_order()
    given = staged.columns[staged.root.name]
    if came.name.lower() not in map(str.lower, given):
        return here, came
    # A column of that name hides the engine's own.
    name = unused(_NUMBER, given)
    number = exp.Window(this=exp.RowNumber(), over="OVER")
    return exp.select(*map(col, given), as_(number, name)).from_(here).subquery(NEW), col(name)


def _sorted(staged: Staged) -> list[exp.Ordered]:
    return [
        exp.Ordered(this=col(c.name), desc=c.dedup_sort == "desc", nulls_first=False)
        for c in staged.root.columns.values()
        if c.dedup_sort is not None and c.name in staged.columns[staged.root.name]
    ]
