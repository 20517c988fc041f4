"""Delete-insert: old rows with a key of the new ones go, with all below them; then the new rows are added.

`primary_key`: of new rows with one key a single one is loaded. `merge_key`: all old rows with that key go,
all new rows are loaded. Both: what either finds goes. Neither: rows are only added. Rows that a `hard_delete`
column marks delete, and aren't loaded. With `delete_missing` rows go that a full listing doesn't have.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from functools import partial
from typing import Any

from sqlglot import exp

from ladle.destinations.base import Strategy
from ladle.load.strategies.bounds import matched
from ladle.load.strategies.missing import missing
from ladle.load.strategies.noted import Noted
from ladle.load.strategies.single import one_each
from ladle.load.strategies.staged import Staged, Steps
from ladle.load.strategies.trees import counted

_Meets = Callable[..., exp.Expression]


def statements(staged: Staged) -> Steps:
    """Yield the statements, in order."""
    yield from missing(staged)
    if staged.root.name not in staged.columns:
        return  # an empty listing
    root, primary, other = staged.root, staged.key("primary_key"), staged.key("merge_key")
    every = staged
    staged = yield from one_each(staged, primary)
    meets: list[_Meets] = []
    if primary:
        meets.append(partial(staged.matching, (yield from matched(staged, primary))))
    if other:
        # a part of the table comes as a whole, whatever becomes of rows that share a primary key
        meets.append(partial(every.matching, (yield from matched(every, other))))
    marked = yield from _marked(staged, meets)
    gone = yield from _delete(staged, [meet() for meet in meets])
    added = yield staged.insert(root, staged.live(*staged.given(root)))
    yield from staged.insert_children()
    # A part of the table that comes as a whole has no rows that are the same as before.
    updated = 0 if other else max(0, min(gone - marked, added))
    staged.tell(inserted=added - updated, updated=updated, deleted=gone - updated)


def _marked(staged: Staged, meets: Sequence[_Meets]) -> Generator[exp.Expression, Any, int]:
    """Count the old rows that a mark deletes."""
    if staged.marked is None or not meets:
        return 0
    found = yield staged.old(counted()).where(meets[0](staged.marked))
    return int(found[0])


def _delete(staged: Staged, wanted: Sequence[exp.Expression]) -> Generator[exp.Expression, Any, int]:
    """Delete old rows that meet one of the conditions, and all below them; return how many root rows went."""
    gone = 0
    if staged.children and wanted:
        noted = Noted(staged, "gone")
        found = yield noted.ids(wanted)
        for table in staged.children if found else ():
            yield staged.delete(table, noted.below())
        yield noted.forget()
        if found == 0:
            return 0
    for condition in wanted:
        gone += max(0, (yield staged.delete(staged.root, condition)))
    return gone


delete_insert = Strategy(statements=statements)
