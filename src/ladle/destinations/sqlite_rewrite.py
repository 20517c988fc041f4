"""Statements in SQLite's words: it has no MERGE, no comments, and can't change a column where it stands.

All is done tree by tree. `EXISTS` becomes `IN`: SQLite makes an index of what an `IN` looks into, and reads a
whole table for each row of an `EXISTS`.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot import exp

_FROM = "from_" if "from_" in exp.Select.arg_types else "from"
_SPARE = "_ladle_changed"


def rewritten(statement: exp.Expression) -> Sequence[exp.Expression]:
    """Return the statements that do what one does."""
    if isinstance(statement, exp.Comment):
        return ()
    if isinstance(statement, exp.Alter) and isinstance(statement.args["actions"][0], exp.AlterColumn):
        return _changed_column(statement)
    if isinstance(statement, exp.Create) and statement.args.get("kind") == "INDEX":
        return (_named_index(statement),)
    if isinstance(statement, exp.Merge):
        return [fast for part in _update_and_insert(statement) for fast in rewritten(part)]
    statement = statement.transform(_as_in)
    return (_joined(statement) if isinstance(statement, exp.Update) else statement,)


def _update_and_insert(merge: exp.Merge) -> list[exp.Expression]:
    """UPDATE the rows that are there by the others, then INSERT those that are missing."""
    into, using, on = (merge.args[name] for name in ("this", "using", "on"))
    made: list[exp.Expression] = []
    for when in merge.args["whens"].expressions:
        then = when.args["then"]
        if isinstance(then, exp.Update):
            source = {_FROM: exp.From(this=using.copy())}
            where = exp.Where(this=on.copy())
            made.append(exp.Update(this=into.copy(), expressions=then.expressions, where=where, **source))
        else:
            there = exp.select(exp.Literal.number(1)).from_(into.copy()).where(on.copy())
            rows = (
                exp.select(*then.expression.expressions)
                .from_(using.copy())
                .where(exp.not_(exp.Exists(this=there)))
            )
            table = into.copy()
            table.set("alias", None)
            names = [exp.to_identifier(c.name, quoted=True) for c in then.this.expressions]
            made.append(exp.Insert(this=exp.Schema(this=table, expressions=names), expression=rows))
    return made


def _as_in(node: exp.Expression) -> exp.Expression:
    """EXISTS (SELECT 1 FROM x WHERE x.a = y.a AND ..) as (y.a, ..) IN (SELECT x.a, .. FROM x)."""
    if not isinstance(node, exp.Exists) or not isinstance(node.this, exp.Select):
        return node
    source = node.this.args[_FROM].this
    pairs = _pairs(node.this.args["where"].this, source.alias_or_name)
    if not pairs:
        return node
    inner, outer = zip(*pairs, strict=True)
    # A null is found nowhere; without them SQLite needn't look for one after each row that isn't found.
    known = [exp.not_(exp.Is(this=column.copy(), expression=exp.Null())) for column in inner]
    query = exp.select(*inner).from_(source).where(*known)
    key = outer[0] if len(outer) == 1 else exp.Tuple(expressions=list(outer))
    found: exp.Expression = exp.In(this=key, query=query.subquery())
    if isinstance(node.parent, exp.Not):
        found = exp.Case().when(found, exp.true()).else_(exp.false())
    return found


def _pairs(condition: exp.Expression, alias: str) -> list[tuple[exp.Expression, exp.Expression]]:
    """Return the columns that are compared: that of the inner table, and the other; [] if there is more."""
    pairs = []
    for part in (
        condition.unnest().flatten() if isinstance(condition.unnest(), exp.And) else [condition.unnest()]
    ):
        if not isinstance(part, exp.EQ):
            return []
        sides = [part.this, part.expression]
        sides.sort(key=lambda side: side.table != alias if isinstance(side, exp.Column) else True)
        if not all(isinstance(side, exp.Column) for side in sides) or sides[1].table in (alias, ""):
            return []
        pairs.append((sides[0].copy(), sides[1].copy()))
    return pairs


def _joined(update: exp.Update) -> exp.Update:
    """SET a = (SELECT x.b FROM x WHERE ..) as SET a = x.b FROM x WHERE ..: then SQLite makes an index."""
    if len(update.expressions) != 1 or not isinstance(update.expressions[0].expression, exp.Subquery):
        return update
    there = update.expressions[0]
    query = there.expression.this
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
    table = index.args["table"]
    columns = "_".join(
        c.this.name if isinstance(c, exp.Ordered) else c.name for c in index.args["params"].args["columns"]
    )
    name = exp.to_identifier(f"ix_{table.name}_{columns}", quoted=True)
    index.set("this", exp.Table(this=name, db=table.args["db"].copy()))
    index.set("table", exp.Table(this=table.this.copy()))
    return made
