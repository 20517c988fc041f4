"""Statements in SQLite's words: it has no comments, and can't change a column where it stands.

All is done tree by tree. `EXISTS` becomes a join: SQLite makes an index for what is joined, and reads a whole
table for each row of an `EXISTS`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any

from sqlglot import exp

_FROM = "from_" if "from_" in exp.Select.arg_types else "from"
_SPARE = "_ladle_changed"
_ROWS = ("_rowid_", "rowid", "oid")
"""What SQLite calls the number of a row, as long as no column is called so."""

_WAIT = "temp"


def free_row(columns: Collection[str]) -> str | None:
    """Return a name of a row's number that no column has; None where there is none."""
    return next((name for name in _ROWS if name not in columns), None)


def rewriter(row: str | None) -> Callable[[exp.Expression], Sequence[exp.Expression]]:
    """Return the function that gives the statements that do what one does.

    Args:
        row: name of a row's number in each table; None where columns have all of them.
    """

    def rewrite(statement: exp.Expression) -> Sequence[exp.Expression]:
        return _rewritten(statement, row)

    return rewrite


def _rewritten(statement: exp.Expression, row: str | None) -> Sequence[exp.Expression]:
    if isinstance(statement, exp.Comment):
        return ()
    if isinstance(statement, exp.Alter) and isinstance(statement.args["actions"][0], exp.AlterColumn):
        return _changed_column(statement)
    if isinstance(statement, exp.Create) and statement.args.get("kind") == "INDEX":
        return (_named_index(statement),)
    made = statement.copy()
    for found in list(made.find_all(exp.NullSafeNEQ)):
        # IS DISTINCT FROM came with SQLite 3.39
        found.replace(exp.not_(exp.Is(this=found.this, expression=found.expression)))
    for same in list(made.find_all(exp.NullSafeEQ)):
        same.replace(exp.Is(this=same.this, expression=same.expression))
    for asked in list(made.find_all(exp.Exists)):
        _join(asked, row)
    return (_joined(made) if isinstance(made, exp.Update) else made,)


def _join(asked: exp.Exists, number: str | None) -> None:
    """EXISTS (SELECT 1 FROM x WHERE ..) as y._rowid_ IN (SELECT y._rowid_ FROM y CROSS JOIN x WHERE ..)."""
    inner = asked.this.args[_FROM].this
    names = {column.table for column in asked.find_all(exp.Column)} - {inner.alias_or_name, ""}
    if len(names) != 1:
        return
    (name,) = names
    outer = _source(asked, name)
    if (outer is None or _is_rest(asked, inner)) and _look_up(asked, inner):
        return
    if outer is None or number is None:
        return
    row = exp.column(exp.to_identifier(number, quoted=True), table=name, quoted=True)
    both = exp.select(row).from_(outer.copy()).join(inner.copy(), join_type="inner")
    both.set("where", asked.this.args["where"].copy())
    asked.replace(exp.In(this=row.copy(), query=both.subquery()))


def _is_rest(asked: exp.Exists, inner: exp.Expression) -> bool:
    """Whether rows are wanted that have no equal among those that wait: each is looked for by itself."""
    waits = inner.find(exp.Table)
    return isinstance(asked.parent, exp.Not) and waits is not None and waits.db == _WAIT


def _look_up(asked: exp.Exists, inner: exp.Expression) -> bool:
    """EXISTS (SELECT 1 FROM x WHERE x.a = y.b AND x..) as y.b IN (SELECT x.a FROM x WHERE x..), if it can."""
    name = inner.alias_or_name
    wanted, equal = list[Any](), list[Any]()
    where = asked.this.args["where"].this.unnest()
    for condition in where.flatten() if isinstance(where, exp.And) else (where,):
        here = {column.table for column in condition.find_all(exp.Column)} <= {name}
        (wanted if here else equal).append(condition.unnest())
    if len(equal) != 1 or not isinstance(equal[0], exp.EQ):
        return False
    sides = sorted((equal[0].this, equal[0].expression), key=lambda side: side.table != name)
    query = exp.select(sides[0].copy()).from_(inner.copy()).where(*(w.copy() for w in wanted))
    found = exp.In(this=sides[1].copy(), query=query.subquery())
    asked.replace(exp.Coalesce(this=exp.paren(found), expressions=[exp.false()]))
    return True


def _source(asked: exp.Exists, name: str) -> exp.Table | None:
    """Return the table that a name stands for around a condition."""
    above: Any = asked.parent
    while above is not None:
        found = [above.this] if isinstance(above, (exp.Update, exp.Delete)) else []
        if above.args.get(_FROM) is not None:
            found.append(above.args[_FROM].this)
        for table in found:
            if isinstance(table, exp.Table) and table.alias_or_name == name:
                return table
        above = above.parent
    return None


def _joined(update: exp.Update) -> exp.Update:
    """SET a = (SELECT x.b FROM x WHERE ..) as SET a = x.b FROM x WHERE ..: then SQLite makes an index."""
    if len(update.expressions) != 1 or not isinstance(update.expressions[0].expression, exp.Subquery):
        return update
    there = update.expressions[0]
    query = there.expression.this
    if query.args.get("where") is None or update.args.get("where") is None:
        return update  # one value for all rows, such as the end of a version
    joined = exp.EQ(this=there.this.copy(), expression=query.expressions[0].copy())
    where = exp.and_(query.args["where"].this.copy(), update.args["where"].this.copy())
    source = {_FROM: query.args[_FROM].copy()}
    return exp.Update(this=update.this.copy(), expressions=[joined], where=exp.Where(this=where), **source)


def _changed_column(statement: exp.Alter) -> list[exp.Expression]:
    """Make a column of the new type, fill it, and let it take the place of the old one, at the end."""
    action = statement.args["actions"][0]
    table, old, new = statement.this, action.this, exp.to_identifier(_SPARE, quoted=True)
    kind = action.args.get("dtype") or action.meta["data_type"]
    value = action.args.get("using") or exp.Column(this=old.copy())
    filled = exp.EQ(this=exp.Column(this=new.copy()), expression=value.copy())
    column = exp.Column(this=old.copy())
    gone = {"tables": [column]} if "tables" in exp.Drop.arg_types else {"this": column}
    actions = [
        exp.ColumnDef(this=new.copy(), kind=kind.copy(), constraints=[]),
        exp.Drop(**gone, kind="COLUMN"),
        exp.RenameColumn(this=new.copy(), to=old.copy()),
    ]
    added, dropped, renamed = (exp.Alter(this=table.copy(), kind="TABLE", actions=[a]) for a in actions)
    return [added, exp.Update(this=table.copy(), expressions=[filled]), dropped, renamed]


def _named_index(create: exp.Create) -> exp.Create:
    """An index has a name, which tells its schema; the table's has none."""
    made = create.copy()
    index = made.this
    table, columns = index.args["table"], index.args["params"].args["columns"]
    words = [c.this.name if isinstance(c, exp.Ordered) else c.name for c in columns]
    name = exp.to_identifier("_".join(["ix", table.name, *words]), quoted=True)
    index.set("this", exp.Table(this=name, db=table.args["db"].copy()))
    index.set("table", exp.Table(this=table.this.copy()))
    return made
