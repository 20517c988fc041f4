"""Upsert: a row with a known `primary_key` is changed in its place, another is added.

The whole row is replaced: a column that the new rows lack becomes null. Child rows are replaced as a set. Of
several new rows with one key a single one is loaded. Rows that a `hard_delete` column marks delete.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlglot import exp

from ladle.destinations.base import Strategy
from ladle.load.strategies.staged import NEW, OLD, ROOT_ID, ROW_ID, Staged, col, same


def statements(staged: Staged) -> Iterator[exp.Expression]:
    """Yield the statements, in order."""
    keys = staged.key("primary_key")
    if staged.children and keys:
        yield staged.note_gone([staged.matching(keys)])
        for table in staged.children:
            yield staged.delete(table, staged.of_gone(ROOT_ID))
        yield staged.forget_gone()
    if keys:
        yield from _deletes(staged, keys)
        yield _merged(staged, keys)
    else:
        yield staged.insert(staged.root, staged.kept(staged.columns[staged.root.name], keys))
    if staged.filled:
        yield from staged.insert_children(staged.kept([ROW_ID], keys))


def _deletes(staged: Staged, keys: list[str]) -> Iterator[exp.Expression]:
    for name in staged.root.keys("hard_delete"):
        marked = exp.select(*(col(k) for k in keys)).from_(staged.here(staged.root))
        marked = marked.where(staged.deletes(name))
        there = exp.select(exp.Literal.number(1)).from_(marked.subquery(NEW)).where(same(keys))
        yield staged.delete(staged.root, exp.Exists(this=there))


def _merged(staged: Staged, keys: list[str]) -> exp.Expression:
    root, given = staged.root, staged.columns[staged.root.name]
    absent = [c.name for c in root.typed_columns() if c.name not in given]
    changed = [exp.EQ(this=col(c), expression=col(c, NEW)) for c in given if c not in keys]
    changed += [exp.EQ(this=col(c), expression=exp.Null()) for c in absent]
    added = exp.Insert(
        this=exp.Tuple(expressions=[col(c) for c in given]),
        expression=exp.Tuple(expressions=[col(c, NEW) for c in given]),
    )
    when = [exp.When(matched=False, then=added)]
    if changed:
        when.insert(0, exp.When(matched=True, then=exp.Update(expressions=changed)))
    return exp.merge(
        *when,
        into=exp.alias_(staged.there(root), OLD, table=True),
        using=staged.kept(given, keys).subquery(NEW),
        on=same(keys),
    )


upsert = Strategy(statements=statements, needs_key=True)
