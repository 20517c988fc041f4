"""Insert-only: rows with a `primary_key` that is not there yet are added; what is there stays as it is.

Of several new rows with one key a single one is loaded. Rows that a `hard_delete` column marks are left out,
and delete nothing.
"""

from __future__ import annotations

from sqlglot import exp

from ladle.destinations.base import Strategy
from ladle.load.strategies.bounds import matched
from ladle.load.strategies.noted import Noted
from ladle.load.strategies.single import one_each
from ladle.load.strategies.staged import Staged, Steps
from ladle.load.strategies.trees import NEW, OLD, ROOT_ID, ROW_ID, col, counted, exists, named


def statements(staged: Staged) -> Steps:
    """Yield the statements, in order."""
    root, keys = staged.root, staged.key("primary_key")
    staged = yield from one_each(staged, keys)
    total = (yield staged.live(counted()))[0]
    match = (yield from matched(staged, keys)) if keys else exp.false()
    if staged.filled:
        # Noted while it can be told which roots are new.
        known = Noted(staged, "known")
        yield known.pairs(match)
        added = yield staged.insert(
            root, staged.live(*staged.given(root)).where(exp.not_(known.has(col(ROW_ID, NEW))))
        )
        yield from staged.insert_children(exp.not_(known.has(col(ROOT_ID, NEW))))
        yield known.forget()
    else:
        old = named(staged.there(root), OLD)
        added = yield staged.insert(
            root, staged.live(*staged.given(root)).where(exp.not_(exists(old, match)))
        )
    staged.tell(inserted=added, unchanged=total - added)


insert_only = Strategy(statements=statements, needs_key=True)
