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

from collections.abc import Generator, Sequence
from datetime import datetime
from typing import Any, cast

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
from ladle.schema.naming import unused
from ladle.schema.row_ids import VERSION
from ladle.schema.scd2 import History, history_of, moment
from ladle.schema.table import Table

_NUMBER, _KEY = "_ladle_number", "key"


def prepare(session: Session, tables: Sequence[Table]) -> None:
    """Let versions come again in a table whose rows had ids of their own before it kept a history."""
    history = history_of(tables[0])
    if history is not None and history.version == ROW_ID:
        cast(MergingSession, session).let_repeat(tables[0].name, ROW_ID)


def check_early(session: MergingSession, root: Table) -> None:
    """Refuse a boundary before what is there, as far as it shows before anything is read.

    Raises:
        UsageError: names the table and the latest moment there.
    """
    history = history_of(root)
    if history is None or history.boundary is None:
        return
    if not set(history.columns) <= set(session.tables().get(root.name, {})):
        return
    [row] = session.ask(_latest(session, root, history, history.boundary))
    _check(root, history, row, "")


def statements(staged: Staged) -> Steps:
    """Yield the statements, in order; child rows go before the roots, while it can be told which are new.

    Raises:
        UsageError: a boundary of the user's lies before what is there.
    """
    root, history = staged.root, history_of(staged.root)
    assert history is not None
    boundary = history.boundary or staged.at
    row = yield _latest(staged.session, root, history, boundary)
    _check(root, history, row, "pipeline.drop_pending_packages(), then run with ")
    boundary = max([boundary, *_moments(row)])
    total = (yield staged.live(counted()))[0]
    if (conditions := _ends(staged)) is not None:
        staged.tell(deleted=(yield _ended(staged, history, boundary, conditions)))
    known = (yield from _noted(staged, history)) if staged.session.notes_first else None
    is_new = _is_new(staged, history, known)
    if staged.filled and history.version == ROW_ID:
        doubled = (yield _doubled(staged)) is not None
        for table in staged.filled:
            yield _children_once(staged, table, doubled)
    elif staged.filled:
        fresh = staged.live(col(ROW_ID, NEW)).where(is_new).subquery()
        yield from staged.insert_children(exp.In(this=col(ROOT_ID, NEW), query=fresh))
    added = yield _added(staged, history, boundary, is_new)
    if known is not None:
        yield drop(known)
    staged.tell(inserted=added, unchanged=total - added if added >= 0 else -1)


# -- the boundary: the package's, or the latest moment there


def _latest(session: MergingSession, root: Table, history: History, at: datetime) -> exp.Select:
    """SELECT the last moments at which rows began and ended to hold, as text: drivers differ on times.

    Only of rows that did so at a moment or later: an index finds them, and no row is weighed but those.
    """
    since, until = (col(c, OLD) for c in history.columns)
    ended: exp.Expression = until
    began, over = (
        exp.GTE(this=col(c.name, OLD), expression=session.moment(c, at))
        for c in (history.since, history.until)
    )
    late: exp.Expression = over
    if history.active is not None:
        past = exp.LT(this=until, expression=session.moment(history.until, history.active))
        ended = exp.Case(ifs=[exp.If(this=past, true=until.copy())])
        late = all_of([over, past.copy()])
    text = exp.DataType.build("text")
    times = (exp.Cast(this=exp.Max(this=value), to=text.copy()) for value in (since, ended))
    return exp.select(*times).from_(named(session.place(root.name), OLD)).where(any_of([began, late]))


def _moments(row: Sequence[str | None]) -> list[datetime]:
    return [moment(str(text), "a validity column") for text in row if text is not None]


def _check(root: Table, history: History, row: Sequence[str | None], first: str) -> None:
    there = _moments(row)
    if history.boundary is None or not there or history.boundary >= max(there):
        return
    raise UsageError(
        f"boundary_timestamp {history.boundary.isoformat()} lies before what table `{root.name}` has",
        table=root.name,
        expected=f"{max(there).isoformat()} or later",
        hint=f"nothing was written: {first or 'run with '}a later boundary_timestamp, or none",
    )


def _holds(staged: Staged, history: History) -> exp.Expression:
    """Whether an old row holds."""
    until = col(history.until.name, OLD)
    if history.active is None:
        return is_null(until)
    return any_of([is_null(until), until.copy().eq(staged.session.moment(history.until, history.active))])


# -- what ends


def _ends(staged: Staged) -> list[exp.Expression] | None:
    """Return what has to be true of a row that may end; None where none may."""
    again = staged.refused is None
    hint = "primary_key" if again else "merge_key"
    if not staged.root.keys(hint):
        return None if again else []
    keys = staged.key(hint)
    return [staged.matching(same(keys))] if keys else None


def _ended(
    staged: Staged, history: History, boundary: datetime, conditions: Sequence[exp.Expression]
) -> exp.Update:
    wanted = [_is_version(staged, history), *([exp.not_(staged.marked)] if staged.marked is not None else [])]
    ends = all_of([_holds(staged, history), *conditions, exp.not_(staged.matching(all_of(wanted)))])
    at = exp.EQ(this=col(history.until.name), expression=staged.session.moment(history.until, boundary))
    return update(named(staged.there(staged.root), OLD), [at], ends)


def _is_version(staged: Staged, history: History) -> exp.Expression:
    """Whether old and new row have one version.

    Those of a column of the user's are told apart within the key: they may come again.
    """
    both = [same([history.version])]
    for key in staged.root.keys("merge_key") if history.version != ROW_ID else ():
        if staged.root.columns[key].data_type is None:
            continue
        if key not in staged.columns[staged.root.name]:
            both.append(is_null(col(key, OLD)))
            continue
        neither = all_of([is_null(col(key, OLD)), is_null(col(key, NEW))])
        both.append(any_of([col(key, OLD).eq(col(key, NEW)), neither]))
    return all_of(both)


# -- what is added


def _noted(staged: Staged, history: History) -> Generator[exp.Expression, Any, exp.Table]:
    """Note the numbers of new rows whose version holds; return where."""
    keys = staged.key("merge_key")
    if keys and history.version == ROW_ID:
        # An id of its own says nothing of what a row holds: another key's row may have it.
        own = exp.NEQ(this=exp.Length(this=col(ROW_ID)), expression=exp.Literal.number(VERSION))
        one = exp.select(exp.Literal.number(1)).from_(staged.here(staged.root)).where(own).limit(1)
        keys = keys if (yield one) is None else []
    ref = staged.session.staged(f"{staged.root.name} known")
    yield temporary(ref, _known(staged, history, keys))
    return ref


def _known(staged: Staged, history: History, keys: Sequence[str]) -> exp.Select:
    """SELECT the numbers of new rows whose version holds; old rows are read by their keys."""
    old, new = named(staged.there(staged.root), OLD), named(staged.here(staged.root), NEW)
    number = as_(_number(staged), _NUMBER)
    same_version = all_of([_holds(staged, history), _is_version(staged, history)])
    if not keys:
        return exp.select(number).from_(new).join(old, on=same_version)
    # Each key once: it may be that of a partition.
    given = exp.select(*map(col, keys)).distinct().from_(staged.here(staged.root)).subquery(_KEY)
    found = (exp.NullSafeEQ(this=col(k, OLD), expression=col(k, _KEY)) for k in keys)
    return exp.select(number).from_(given).join(old, on=all_of(list(found))).join(new, on=same_version)


def _number(staged: Staged) -> exp.Expression:
    return col(staged.session.row_order().name, NEW)


def _is_new(staged: Staged, history: History, known: exp.Table | None) -> exp.Expression:
    """Whether no row holds that has the version of the new one; `known` has the numbers of others."""
    if known is not None:
        return exp.not_(exp.In(this=_number(staged), query=exp.select(col(_NUMBER)).from_(known).subquery()))
    old = named(staged.there(staged.root), OLD)
    return exp.not_(exists(old, _holds(staged, history), _is_version(staged, history)))


def _added(staged: Staged, history: History, boundary: datetime, is_new: exp.Expression) -> exp.Insert:
    columns = staged.columns[staged.root.name]
    times = [(history.since, boundary)]
    if history.active is not None:
        times.append((history.until, history.active))
    names = [*(column.name for column, _ in times), *columns]
    values = [*(staged.session.moment(*pair) for pair in times), *(col(c, NEW) for c in columns)]
    into = exp.Schema(
        this=staged.there(staged.root), expressions=[exp.to_identifier(n, quoted=True) for n in names]
    )
    return exp.Insert(this=into, expression=staged.live(*values).where(is_new))


def _doubled(staged: Staged) -> exp.Select:
    """SELECT of a version that several waiting rows have."""
    several = exp.GT(this=counted(), expression=exp.Literal.number(1))
    rows = exp.select(exp.Literal.number(1)).from_(staged.here(staged.root)).group_by(col(ROW_ID))
    return rows.having(several).limit(1)


def _children_once(staged: Staged, table: Table, doubled: bool) -> exp.Insert:
    """INSERT the child rows of versions that have none yet; equal root rows share them."""
    columns = staged.columns[table.name]
    rows = staged.all(table)
    if doubled:
        order = exp.Order(expressions=[exp.Ordered(this=staged.session.row_order())])
        number = exp.Window(this=exp.RowNumber(), partition_by=[col(ROW_ID)], order=order, over="OVER")
        name = unused(_NUMBER, columns)
        numbered = exp.select(*(col(c) for c in columns), as_(number, name)).from_(staged.here(table))
        rows = exp.select(*(col(c, NEW) for c in columns)).from_(numbered.subquery(NEW))
        rows = rows.where(col(name, NEW).eq(exp.Literal.number(1)))
    rows = rows.where(exp.not_(exists(named(staged.there(table), OLD), same([ROOT_ID]))))
    if staged.marked is not None:
        rows = rows.where(exp.In(this=col(ROOT_ID, NEW), query=staged.live(col(ROW_ID, NEW)).subquery()))
    return staged.insert(table, rows)


scd2 = Strategy(prepare=prepare, statements=statements)
