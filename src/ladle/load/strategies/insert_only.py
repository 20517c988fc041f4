"""Insert-only: rows with a `primary_key` that is not there yet are added; what is there stays as it is.

Of several new rows with one key a single one is loaded. Rows that a `hard_delete` column marks are left out,
and delete nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sqlglot import exp

from ladle.destinations.base import Strategy
from ladle.load.strategies.staged import NEW, OLD, ROW_ID, Staged, col, same


def statements(staged: Staged) -> Iterator[exp.Expression]:
    """Yield the statements, in order; child rows go first, while it can be told which roots are new."""
    root = staged.root
    if staged.filled:
        yield from staged.insert_children(_fresh(staged, [ROW_ID]))
    yield staged.insert(root, _fresh(staged, staged.columns[root.name]))


def _fresh(staged: Staged, columns: Sequence[str]) -> exp.Select:
    root, keys = staged.root, staged.key("primary_key")
    if not keys:
        return staged.kept(columns, keys)
    there = exp.select(exp.Literal.number(1)).from_(exp.alias_(staged.there(root), OLD, table=True))
    # The key is needed to compare, whatever is asked for.
    kept = staged.kept(dict.fromkeys([*columns, *keys]), keys).subquery(NEW)
    rows = exp.select(*(col(c, NEW) for c in columns)).from_(kept)
    return rows.where(exp.not_(exp.Exists(this=there.where(same(keys)))))


insert_only = Strategy(statements=statements, needs_key=True)
