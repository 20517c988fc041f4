"""Upsert: a row with a known `primary_key` is changed in its place, another is added.

The whole row is replaced: a column that the new rows lack becomes null; one that the schema doesn't know, as
another pipeline fills it, stays as it is. Child rows are replaced as a set. Of several new rows with one key
a single one is loaded; of several old ones, as appends leave them, one stays. Rows that a `hard_delete`
column marks delete. With `skip_unchanged_rows` a row isn't touched that is the same as before, with all below
it. With `delete_missing` rows go that a full listing doesn't have.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot import exp

from ladle.destinations.base import Strategy
from ladle.load.strategies.bounds import matched
from ladle.load.strategies.equal import changed_below, root_differs
from ladle.load.strategies.missing import missing
from ladle.load.strategies.noted import CHANGED, Noted
from ladle.load.strategies.single import one_each
from ladle.load.strategies.staged import Staged, Steps
from ladle.load.strategies.trees import (
    NEW,
    OLD,
    ROOT_ID,
    ROW_ID,
    all_of,
    col,
    counted,
    exists,
    named,
    update_from,
)


def statements(staged: Staged) -> Steps:
    """Yield the statements, in order."""
    yield from missing(staged)
    if staged.root.name not in staged.columns:
        return  # an empty listing
    root, keys = staged.root, staged.key("primary_key")
    staged = yield from one_each(staged, keys)
    if not keys:
        staged.tell(inserted=(yield staged.insert(root, staged.live(*staged.given(root)))))
        yield from staged.insert_children()
    else:
        match = yield from matched(staged, keys)
        # Known rows are deleted, and added with those that are new: then nothing of them is left.
        anew = not staged.shared and staged.session.replaces_rows(root.name)
        some_stay = not anew or (staged.children and root.extra.get("x-skip-unchanged"))
        if some_stay and ROW_ID in staged.columns[root.name]:
            yield from _one_old_each(staged, keys, match)
        yield from (_with_children if staged.children else _flat)(staged, match, anew)


def _one_old_each(staged: Staged, keys: Sequence[str], match: exp.Expression) -> Steps:
    """Delete all but one of the old rows with one key, as appends leave them: they would be one row twice."""
    rows = staged.old().where(staged.matching(match))
    several = exp.GT(this=counted(), expression=exp.Literal.number(1))
    by_key = [col(k, OLD) for k in keys]
    if (yield rows.select(exp.Literal.number(1)).group_by(*by_key).having(several).limit(1)) is None:
        return
    doubled = Noted(staged, "doubled")
    yield doubled.others(rows, by_key)
    for table in staged.children:
        yield staged.delete(table, doubled.below())
    staged.tell(deleted=(yield staged.delete(staged.root, doubled.itself())))
    yield doubled.forget()


def _flat(staged: Staged, match: exp.Expression, anew: bool) -> Steps:
    root, skips = staged.root, bool(staged.root.extra.get("x-skip-unchanged"))
    total = (yield staged.live(counted()))[0]
    if staged.marked is not None:
        staged.tell(deleted=(yield staged.delete(root, staged.matching(match, staged.marked))))
    changed = [root_differs(staged)] if skips else []
    updated = yield _changed(staged, match, anew, *changed)
    rows = staged.live(*staged.given(root))
    if skips or (updated != 0 and not anew):
        # Where no key of the batch is known, nothing has to be compared again.
        rows = rows.where(exp.not_(exists(named(staged.there(root), OLD), match)))
    added = _added((yield staged.insert(root, rows)), updated if anew else 0)
    staged.tell(inserted=added, updated=updated, unchanged=max(0, total - added - updated))


def _with_children(staged: Staged, match: exp.Expression, anew: bool) -> Steps:
    root, known = staged.root, Noted(staged, "known")
    skips = bool(root.extra.get("x-skip-unchanged"))
    total = (yield staged.live(counted()))[0]
    found = yield known.pairs(match, root_differs(staged) if skips else None)
    updated, touched = 0, list[exp.Expression]()
    if found != 0:
        if skips:
            yield from changed_below(staged, known)
            touched = [col(CHANGED)]
        for table in staged.children:
            yield staged.delete(table, known.below(*touched))
        if staged.marked is not None:
            staged.tell(deleted=(yield staged.delete(root, staged.matching(match, staged.marked))))
        wanted = [known.has(col(ROW_ID, NEW), *touched)] if skips else []
        updated = yield _changed(staged, match, anew, *wanted)
    rows = staged.live(*staged.given(root))
    if found != 0 and anew:
        rows = rows.where(*(exp.not_(known.has(col(ROW_ID, NEW), exp.not_(t))) for t in touched))
    elif found != 0:
        rows = rows.where(exp.not_(known.has(col(ROW_ID, NEW))))
    added = _added((yield staged.insert(root, rows)), updated if anew else 0)
    same = [exp.not_(known.has(col(ROOT_ID, NEW), exp.not_(t))) for t in touched]
    yield from staged.insert_children(*same)
    yield known.forget()
    staged.tell(inserted=added, updated=updated, unchanged=max(0, total - added - updated))


def _added(inserted: int, again: int) -> int:
    """Return how many of the inserted rows are new ones; -1 where the engine doesn't count."""
    return max(0, inserted - again) if again > 0 else inserted


def _changed(
    staged: Staged, match: exp.Expression, anew: bool, *conditions: exp.Expression
) -> exp.Expression:
    """UPDATE the old rows by those waiting rows that ask for no deletion, or DELETE those old rows."""
    wanted = [*conditions, *([exp.not_(staged.marked)] if staged.marked is not None else [])]
    if anew:
        return staged.delete(staged.root, staged.matching(match, *wanted))
    return _update(staged, match, *wanted)


def _update(staged: Staged, match: exp.Expression, *conditions: exp.Expression) -> exp.Update:
    root, given, keys = staged.root, staged.columns[staged.root.name], staged.root.keys("primary_key")
    absent = [c.name for c in root.typed_columns() if c.name not in given]
    values = [exp.EQ(this=col(c), expression=staged.final(c)) for c in given if c not in keys]
    values += [exp.EQ(this=col(c), expression=exp.Null()) for c in absent]
    # A table of nothing but its key has nothing to change, and is asked all the same which keys it has.
    values = values or [exp.EQ(this=col(keys[0]), expression=col(keys[0], NEW))]
    old, new = (named(t, n) for t, n in ((staged.there(root), OLD), (staged.here(root), NEW)))
    return update_from(old, values, new, all_of([match, *conditions]))


upsert = Strategy(statements=statements, needs_key=True)
