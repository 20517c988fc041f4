"""Whether a row is the same as before, with all below it; compared by the engine, column by column."""

from __future__ import annotations

from sqlglot import exp

from ladle.load.strategies.noted import CHANGED, NEW_ID, OLD_ID, Noted
from ladle.load.strategies.staged import Staged, Steps
from ladle.load.strategies.trees import NEW, OLD, ROOT_ID, ROW_ID, col, differs, exists, named, update
from ladle.schema.table import Table

_OWN = "_dlt_"
_NOTE = "found"


def root_differs(staged: Staged) -> exp.Expression:
    """Whether old and new root row of one key differ in more than the load that brought them."""
    return _differs(staged, staged.root, staged.root.keys("primary_key"))


def _differs(staged: Staged, table: Table, but: list[str]) -> exp.Expression:
    given = staged.columns.get(table.name, ())
    absent = [c.name for c in table.typed_columns() if c.name not in given]
    return differs(
        [c for c in given if c not in but and not c.startswith(_OWN)],
        [c for c in absent if not c.startswith(_OWN)],
    )


def changed_below(staged: Staged, known: Noted) -> Steps:
    """Note which of the known root rows have other child rows than before: in number, place or content."""
    for table in staged.children:
        if table in staged.filled:
            yield _note(known, NEW_ID, staged.here(table), NEW, exp.not_(_has_same(staged, table, NEW)))
        lost = [exp.not_(_has_same(staged, table, OLD))] if table in staged.filled else []
        yield _note(known, OLD_ID, staged.there(table), OLD, *lost)


def _note(known: Noted, by: str, rows: exp.Table, name: str, *conditions: exp.Expression) -> exp.Update:
    below = exists(named(rows, name), col(ROOT_ID, name).eq(col(by, _NOTE)), *conditions)
    return update(named(known.ref, _NOTE), [exp.EQ(this=col(CHANGED), expression=exp.true())], below)


def _has_same(staged: Staged, table: Table, name: str) -> exp.Expression:
    """Whether a child row has its like on the other side: the same id, so the same place, and content."""
    other, rows = (OLD, staged.there(table)) if name == NEW else (NEW, staged.here(table))
    alike = exp.not_(_differs(staged, table, []))
    return exists(named(rows, other), col(ROW_ID, OLD).eq(staged.final(ROW_ID)), alike)
