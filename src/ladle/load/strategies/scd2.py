"""SCD2: nothing is changed or deleted; each content of a row is kept with the time in which it held.

A row that holds and whose version is among the new ones stays as it is. One whose version isn't among them no
longer holds from the load's boundary on; a new version holds from then on. With a `merge_key` only rows end
whose key is among the new ones: a key of its own for each row for loads that bring changes, or a partition
for loads that bring some partitions whole. Rows that a `hard_delete` column marks aren't loaded: what has
their key ends.
Child rows have no times: they belong to a version, and are there once, however often it holds.

A load never begins before what is there: one that was made earlier than another that came first counts from
where that one ended.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import cast

from sqlglot import exp

from ladle.destinations.base import MergingSession, Session, Strategy
from ladle.errors import UsageError
from ladle.load.strategies.staged import Staged, Steps
from ladle.load.strategies.trees import (
    NEW,
    OLD,
    ROOT_ID,
    ROW_ID,
    all_of,
    any_of,
    as_,
    col,
    counted,
    drop,
    exists,
    is_null,
    named,
    same,
    temporary,
    update,
)
from ladle.schema.scd2 import History, history_of, moment
from ladle.schema.table import Table

_AT, _NUMBER = "_ladle_at", "_ladle_number"
_TIMES = "times"


def prepare(session: Session, tables: Sequence[Table]) -> None:
    """Let versions come again in a table whose rows had ids of their own before it kept a history."""
    history = history_of(tables[0])
    if history is not None and history.version == ROW_ID:
        cast(MergingSession, session).let_repeat(tables[0].name, ROW_ID)


def check_early(session: MergingSession, root: Table) -> None:
    """Refuse a boundary before what is there, as far as it shows by when rows began to hold.

    Raises:
        UsageError: names the table and the latest moment there.
    """
    history = history_of(root)
    there = session.tables().get(root.name, {})
    if history is None or history.boundary is None or history.since.name not in there:
        return
    query = exp.select(_text(exp.Max(this=col(history.since.name)))).from_(session.place(root.name))
    found = session.ask(query)[0][0]
    try:
        before = found is not None and history.boundary < moment(str(found), "")
    except UsageError:
        return  # an engine with a spelling of its own: the load looks again
    if before:
        raise _early(root, history.boundary, found, "")


def statements(staged: Staged) -> Steps:
    """Yield the statements, in order; child rows go before the roots, while it can be told which are new.

    Raises:
        UsageError: a boundary of the user's lies before what is there.
    """
    history = history_of(staged.root)
    assert history is not None
    if history.boundary is not None and (found := (yield _later(staged, history))[0]) is not None:
        raise _early(staged.root, history.boundary, found, "pipeline.drop_pending_packages(), then run with ")
    yield temporary(_boundary(staged), _latest(staged, history))
    total = (yield staged.live(counted()))[0]
    if (conditions := _ends(staged)) is not None:
        staged.tell(deleted=(yield _ended(staged, history, conditions)))
    if history.version == ROW_ID:
        for table in staged.filled:
            yield _children_once(staged, table)
    else:
        fresh = _fresh(staged, history, [col(ROW_ID, NEW)]).subquery()
        yield from staged.insert_children(exp.In(this=col(ROOT_ID, NEW), query=fresh))
    added = yield _added(staged, history)
    yield drop(_boundary(staged))
    staged.tell(inserted=added, unchanged=total - added if added >= 0 else -1)


def _early(root: Table, boundary: datetime, found: str, hint: str) -> UsageError:
    return UsageError(
        f"boundary_timestamp {boundary.isoformat()} lies before what table `{root.name}` has",
        table=root.name,
        expected=f"{found} or later",
        hint=f"nothing was written: {hint or 'run with '}a later boundary_timestamp, or none",
    )


# -- the boundary: the package's, or the latest moment there


def _boundary(staged: Staged) -> exp.Table:
    return staged.session.staged(f"{staged.root.name} boundary")


def _at(staged: Staged) -> exp.Expression:
    return exp.select(col(_AT)).from_(_boundary(staged)).subquery()


def _text(value: exp.Expression) -> exp.Expression:
    return exp.Cast(this=value, to=exp.DataType.build("text"))


def _only(staged: Staged, name: str) -> exp.Select:
    """SELECT what all waiting rows have in a validity column."""
    return exp.select(as_(exp.Max(this=col(name)), _AT)).from_(staged.here(staged.root))


def _times_there(staged: Staged, history: History) -> exp.Query:
    """SELECT the last moments at which rows began and ended to hold."""
    since, until = (staged.old(as_(exp.Max(this=col(c, OLD)), _AT)) for c in history.columns)
    if history.active is not None:
        until = until.where(exp.LT(this=col(history.until.name, OLD), expression=_active(staged, history)))
    return exp.union(since, until, distinct=False)


def _latest(staged: Staged, history: History) -> exp.Select:
    times = exp.union(_only(staged, history.since.name), _times_there(staged, history), distinct=False)
    return exp.select(as_(exp.Max(this=col(_AT, _TIMES)), _AT)).from_(times.subquery(_TIMES))


def _later(staged: Staged, history: History) -> exp.Select:
    """SELECT the latest moment there as text, where it lies after the boundary."""
    later = exp.GT(this=col(_AT, _TIMES), expression=_only(staged, history.since.name).subquery())
    latest = _text(exp.Max(this=col(_AT, _TIMES)))
    return exp.select(latest).from_(_times_there(staged, history).subquery(_TIMES)).where(later)


def _active(staged: Staged, history: History) -> exp.Expression:
    return _only(staged, history.until.name).subquery()


def _holds(staged: Staged, history: History) -> exp.Expression:
    """Whether an old row holds."""
    until = col(history.until.name, OLD)
    if history.active is None:
        return is_null(until)
    return any_of([is_null(until), until.copy().eq(_active(staged, history))])


# -- what ends


def _ends(staged: Staged) -> list[exp.Expression] | None:
    """Return what has to be true of a row that may end; None where none may."""
    again = staged.refused is None
    hint = "primary_key" if again else "merge_key"
    if not staged.root.keys(hint):
        return None if again else []
    keys = staged.key(hint)
    return [staged.matching(same(keys))] if keys else None


def _ended(staged: Staged, history: History, conditions: Sequence[exp.Expression]) -> exp.Update:
    stays = exists(_kept(staged, history), _is_version(staged, history))
    ends = all_of([_holds(staged, history), *conditions, exp.not_(stays)])
    old = named(staged.there(staged.root), OLD)
    return update(old, [exp.EQ(this=col(history.until.name), expression=_at(staged))], ends)


def _kept(staged: Staged, history: History) -> exp.Expression:
    """Return the waiting rows that ask for no deletion, as `new`, with what tells versions."""
    if staged.marked is None:
        return named(staged.here(staged.root), NEW)
    names = dict.fromkeys([history.version, *_told_apart(staged, history)])
    wanted = [col(n, NEW) for n in names if n in staged.columns[staged.root.name]]
    return staged.live(*wanted).subquery(NEW)


def _told_apart(staged: Staged, history: History) -> list[str]:
    """Return the key within which versions are told apart: those of a column of the user's may come again."""
    if history.version == ROW_ID:
        return []
    return [k for k in staged.root.keys("merge_key") if staged.root.columns[k].data_type is not None]


def _is_version(staged: Staged, history: History) -> exp.Expression:
    """Whether old and new row have one version."""
    both = [same([history.version])]
    for key in _told_apart(staged, history):
        if key not in staged.columns[staged.root.name]:
            both.append(is_null(col(key, OLD)))
            continue
        neither = all_of([is_null(col(key, OLD)), is_null(col(key, NEW))])
        both.append(any_of([col(key, OLD).eq(col(key, NEW)), neither]))
    return all_of(both)


# -- what is added


def _fresh(staged: Staged, history: History, columns: Sequence[exp.Expression]) -> exp.Select:
    """SELECT the waiting rows whose version doesn't hold."""
    old = named(staged.there(staged.root), OLD)
    holding = exists(old, _holds(staged, history), _is_version(staged, history))
    return staged.live(*columns).where(exp.not_(holding))


def _added(staged: Staged, history: History) -> exp.Insert:
    columns = staged.columns[staged.root.name]
    values = [_at(staged) if c == history.since.name else col(c, NEW) for c in columns]
    return staged.insert(staged.root, _fresh(staged, history, values))


def _children_once(staged: Staged, table: Table) -> exp.Insert:
    """INSERT the child rows of versions that have none yet; equal root rows share them."""
    columns = staged.columns[table.name]
    order = exp.Order(expressions=[exp.Ordered(this=staged.session.row_order())])
    number = exp.Window(this=exp.RowNumber(), partition_by=[col(ROW_ID)], order=order, over="OVER")
    waiting = exp.select(*(col(c) for c in columns), as_(number, _NUMBER)).from_(staged.here(table))
    rows = exp.select(*(col(c, NEW) for c in columns)).from_(waiting.subquery(NEW))
    there = exists(named(staged.there(table), OLD), same([ROOT_ID]))
    rows = rows.where(col(_NUMBER, NEW).eq(exp.Literal.number(1)), exp.not_(there))
    if staged.marked is not None:
        kept = staged.live(col(ROW_ID, NEW)).subquery()
        rows = rows.where(exp.In(this=col(ROOT_ID, NEW), query=kept))
    return staged.insert(table, rows)


scd2 = Strategy(prepare=prepare, statements=statements)
