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

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import cast

from sqlglot import exp

from ladle.destinations.base import MergingSession, Session, Strategy
from ladle.errors import UsageError
from ladle.load.strategies.staged import (
    NEW,
    OLD,
    ROOT_ID,
    ROW_ID,
    Staged,
    col,
    forgotten,
    is_null,
    same,
    temporary,
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


def check(staged: Staged) -> None:
    """Refuse a boundary of the user's that lies before what is there.

    Raises:
        UsageError: names the table and the latest moment there.
    """
    history = _history(staged)
    if history.boundary is None:
        return
    later = exp.GT(this=col(_AT, _TIMES), expression=_only(staged, history.since.name).subquery())
    latest = exp.Cast(this=exp.Max(this=col(_AT, _TIMES)), to=exp.DataType.build("text"))
    query = exp.select(latest).from_(_times_there(staged, history).subquery(_TIMES)).where(later)
    found = staged.session.ask(query)[0][0]
    if found is not None:
        raise _early(staged.root, history.boundary, found, "pipeline.drop_pending_packages(), then run with ")


def check_early(session: MergingSession, root: Table) -> None:
    """Refuse the same before anything is read, as far as it shows by when rows began to hold.

    Raises:
        UsageError: as `check`.
    """
    history = history_of(root)
    there = session.tables().get(root.name, {})
    if history is None or history.boundary is None or history.since.name not in there:
        return
    latest = exp.Cast(this=exp.Max(this=col(history.since.name)), to=exp.DataType.build("text"))
    found = session.ask(exp.select(latest).from_(session.place(root.name)))[0][0]
    try:
        before = found is not None and history.boundary < moment(str(found), "")
    except UsageError:
        return  # an engine with a spelling of its own: the load looks again
    if before:
        raise _early(root, history.boundary, found, "")


def _early(root: Table, boundary: datetime, found: str, hint: str) -> UsageError:
    return UsageError(
        f"boundary_timestamp {boundary.isoformat()} lies before what table `{root.name}` has",
        table=root.name,
        expected=f"{found} or later",
        hint=f"nothing was written: {hint or 'run with '}a later boundary_timestamp, or none",
    )


def statements(staged: Staged) -> Iterator[exp.Expression]:
    """Yield the statements, in order; child rows go before the roots, while it can be told which are new."""
    history = _history(staged)
    yield temporary(_boundary(staged), _latest(staged, history))
    if (ends := _ends(staged, history)) is not None:
        yield _ended(staged, history, ends)
    if history.version == ROW_ID:
        yield from (_children_once(staged, table) for table in staged.filled)
    else:
        yield from staged.insert_children(_fresh(staged, history, [col(ROW_ID, NEW)]))
    yield _added(staged, history)
    yield forgotten(_boundary(staged))


def _history(staged: Staged) -> History:
    found = history_of(staged.root)
    assert found is not None
    return found


# -- the boundary: the package's, or the latest moment there


def _boundary(staged: Staged) -> exp.Table:
    return staged.session.staged(f"{staged.root.name} boundary")


def _at(staged: Staged) -> exp.Subquery:
    return exp.select(col(_AT)).from_(_boundary(staged)).subquery()


def _only(staged: Staged, name: str) -> exp.Select:
    """SELECT what all waiting rows have in a validity column."""
    return exp.select(exp.Max(this=col(name)).as_(_AT, quoted=True)).from_(staged.here(staged.root))


def _times_there(staged: Staged, history: History) -> exp.Query:
    """SELECT the last moments at which rows began and ended to hold."""
    since, until = (
        exp.select(exp.Max(this=col(c, OLD)).as_(_AT, quoted=True)).from_(_old(staged))
        for c in history.columns
    )
    if history.active is not None:
        until = until.where(exp.LT(this=col(history.until.name, OLD), expression=_active(staged, history)))
    return exp.union(since, until, distinct=False)


def _latest(staged: Staged, history: History) -> exp.Select:
    times = exp.union(_only(staged, history.since.name), _times_there(staged, history), distinct=False)
    latest = exp.Max(this=col(_AT, _TIMES)).as_(_AT, quoted=True)
    return exp.select(latest).from_(times.subquery(_TIMES))


def _old(staged: Staged) -> exp.Table:
    return _called(OLD, staged.there(staged.root))


def _called(name: str, ref: exp.Table) -> exp.Table:
    ref.set("alias", exp.TableAlias(this=exp.to_identifier(name)))
    return ref


def _active(staged: Staged, history: History) -> exp.Subquery:
    return _only(staged, history.until.name).subquery()


def _holds(staged: Staged, history: History) -> exp.Expression:
    """Whether an old row holds."""
    until = col(history.until.name, OLD)
    if history.active is None:
        return is_null(until)
    return exp.paren(exp.or_(is_null(until), until.copy().eq(_active(staged, history))))


# -- what ends


def _ends(staged: Staged, history: History) -> list[exp.Expression] | None:
    """Return what has to be true of a row that may end; None where none may."""
    keys = staged.root.keys("primary_key" if staged.again else "merge_key")
    if not keys:
        return None if staged.again else []
    return [staged.matching(keys)] if staged.key("primary_key" if staged.again else "merge_key") else None


def _ended(staged: Staged, history: History, conditions: Sequence[exp.Expression]) -> exp.Update:
    there = (
        exp.select(exp.Literal.number(1)).from_(_kept(staged, history)).where(_is_version(staged, history))
    )
    return exp.Update(
        this=_old(staged),
        expressions=[exp.EQ(this=col(history.until.name), expression=_at(staged))],
        where=exp.Where(
            this=exp.and_(_holds(staged, history), *conditions, exp.not_(exp.Exists(this=there)))
        ),
    )


def _kept(staged: Staged, history: History, more: Sequence[str] = ()) -> exp.Table | exp.Subquery:
    """Return the waiting rows that don't only delete, as `new`."""
    if not staged.root.keys("hard_delete"):
        return _called(NEW, staged.here(staged.root))
    keys = [k for k in _told_apart(staged, history) if k in staged.columns[staged.root.name]]
    columns = dict.fromkeys([history.version, *keys, *more])
    return staged.kept(list(columns), []).subquery(NEW)


def _told_apart(staged: Staged, history: History) -> list[str]:
    """Return the key within which versions are told apart: those of a column of the user's may come again."""
    if history.version == ROW_ID:
        return []
    return [k for k in staged.root.keys("merge_key") if staged.root.columns[k].data_type is not None]


def _is_version(staged: Staged, history: History) -> exp.Condition:
    """Whether old and new row have one version."""
    both = [same([history.version])]
    for key in _told_apart(staged, history):
        if key not in staged.columns[staged.root.name]:
            both.append(is_null(col(key, OLD)))
            continue
        neither = exp.and_(is_null(col(key, OLD)), is_null(col(key, NEW)))
        both.append(exp.paren(exp.or_(col(key, OLD).eq(col(key, NEW)), exp.paren(neither))))
    return exp.and_(*both)


# -- what is added


def _fresh(staged: Staged, history: History, columns: Sequence[exp.Expression]) -> exp.Select:
    """SELECT the waiting rows whose version doesn't hold."""
    holding = exp.select(exp.Literal.number(1)).from_(_old(staged))
    holding = holding.where(exp.and_(_holds(staged, history), _is_version(staged, history)))
    rows = exp.select(*columns).from_(_kept(staged, history, staged.columns[staged.root.name]))
    return rows.where(exp.not_(exp.Exists(this=holding)))


def _added(staged: Staged, history: History) -> exp.Insert:
    since = history.since.name
    columns = staged.columns[staged.root.name]
    values: list[exp.Expression] = [_at(staged) if c == since else col(c, NEW) for c in columns]
    return staged.insert(staged.root, _fresh(staged, history, values))


def _children_once(staged: Staged, table: Table) -> exp.Insert:
    """INSERT the child rows of versions that have none yet; equal root rows share them."""
    columns = staged.columns[table.name]
    order = exp.Order(expressions=[exp.Ordered(this=staged.session.row_order())])
    number = exp.Window(this=exp.RowNumber(), partition_by=[col(ROW_ID)], order=order, over="OVER")
    waiting = staged.all(table).select(number.as_(_NUMBER, quoted=True))
    there = exp.select(exp.Literal.number(1)).from_(_called(OLD, staged.there(table)))
    rows = exp.select(*(col(c, NEW) for c in columns)).from_(waiting.subquery(NEW))
    rows = rows.where(col(_NUMBER, NEW).eq(1), exp.not_(exp.Exists(this=there.where(same([ROOT_ID])))))
    if staged.root.keys("hard_delete"):
        kept = staged.kept([ROW_ID], [])
        rows = rows.where(exp.In(this=col(ROOT_ID, NEW), query=kept.subquery()))
    return staged.insert(table, rows)


scd2 = Strategy(prepare=prepare, statements=statements, check=check)
