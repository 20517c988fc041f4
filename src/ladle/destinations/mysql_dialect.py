"""How MySQL and MariaDB spell things: the dialect, and merges in statements that both understand.

There is no MERGE, a DELETE with an alias names it twice, and MySQL can't read a temporary table twice in one
statement. A table without an index on its key must not be searched once for each new row: so the rows of a
load wait in a table that has one, and what is there is read once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from sqlglot import exp

from ladle.destinations.dialect import Dialect, column_ref
from ladle.destinations.mysql_types import column_type, key_part

ROW = "_ladle_row"
"""Column of a temporary table that numbers its rows as they came."""

STAGED = "_ladle_new_"
_ID_TYPE = "varchar(255)"
_IDS = ("_dlt_id", "_dlt_root_id", "_dlt_parent_id")
_OLD, _NEW, _KEPT, _FOUND = "old", "new", "kept", "found"
# Names of schemas may differ by case only, where the server tells them apart.
_OF_DATASET = "table_schema = ?1 AND (@@lower_case_table_names > 0 OR BINARY table_schema = ?1)"
_COLUMNS = (
    "SELECT table_name, column_name, column_type FROM information_schema.columns "
    f"WHERE {_OF_DATASET} ORDER BY table_name, ordinal_position"
)
_DATASET = "SELECT 1 FROM information_schema.schemata WHERE " + _OF_DATASET.replace(
    "table_schema", "schema_name"
)

DIALECT = Dialect(
    "mysql",
    column_type,
    placeholder="?{}".format,
    columns_query=_COLUMNS,
    dataset_query=_DATASET,
    row_order=ROW,
    drop_schema="DROP SCHEMA IF EXISTS {}",
)

Rewrite = Callable[[exp.Expression], Sequence[exp.Expression]]


def rewriter(collation: str) -> Rewrite:
    """Return the function that says a statement in the engine's words.

    Args:
        collation: of new tables; compares text as it is, byte by byte.
    """

    def rewrite(statement: exp.Expression) -> Sequence[exp.Expression]:
        if isinstance(statement, exp.Create) and statement.args.get("kind") == "TABLE":
            return list(_created(statement, collation))
        if isinstance(statement, exp.Drop) and (table := statement.find(exp.Table)):
            return [_temporary_drop(statement) if table.name.startswith(STAGED) else statement]
        if isinstance(statement, exp.Delete):
            return [_deleted(statement)]
        if isinstance(statement, exp.Merge):
            return list(_merged(statement))
        if isinstance(statement, exp.Insert):
            return list(_inserted(statement))
        if isinstance(statement, exp.Alter):
            return [_renamed(statement)]
        return [statement]

    return rewrite


# -- tables


def options(collation: str) -> list[exp.Expression]:
    """Return the options of a new table."""
    return [
        exp.EngineProperty(this=exp.Var(this="InnoDB")),
        exp.CharacterSetProperty(this=exp.Var(this="utf8mb4"), default=True),
        exp.CollateProperty(this=exp.Var(this=collation)),
    ]


def waiting(
    here: exp.Table, types: Mapping[str, str], keys: Iterable[Sequence[str]], collation: str
) -> exp.Create:
    """CREATE TEMPORARY TABLE for rows of a load, which it numbers, with indexes.

    Args:
        here: its name.
        types: SQL types by column.
        keys: columns of each index.
        collation: of its texts.
    """
    parts: list[exp.Expression] = [
        exp.Var(this=f"`{ROW}` bigint unsigned NOT NULL AUTO_INCREMENT PRIMARY KEY")
    ]
    parts += [exp.Var(this=f"{quoted(name)} {sql_type} NULL") for name, sql_type in types.items()]
    parts += [index(key, types) for key in keys]
    kept = exp.Properties(expressions=[exp.TemporaryProperty(), *options(collation)])
    return exp.Create(this=exp.Schema(this=here, expressions=parts), kind="TABLE", properties=kept)


def index(key: Sequence[str], types: Mapping[str, str]) -> exp.Var:
    """Return an index as part of CREATE TABLE."""
    parts = ", ".join(key_part(quoted(name), types[name], len(key)) for name in key)
    return exp.Var(this=f"KEY ({parts})")


def quoted(name: str) -> str:
    """Return a name between backticks."""
    return "`" + name.replace("`", "``") + "`"


def _created(statement: exp.Create, collation: str) -> Iterator[exp.Expression]:
    query = statement.args.get("expression")
    if query is None:
        if statement.args.get("properties") is None:
            statement = statement.copy()
            statement.set("properties", exp.Properties(expressions=options(collation)))
        yield statement
        return
    # Notes of ids: two queries, as both may read one temporary table.
    queries = list(_of_union(query))
    names = queries[0].named_selects
    yield _noted(statement.this, names, queries[0], collation)
    for more in queries[1:]:
        columns = [exp.to_identifier(n, quoted=True) for n in names]
        yield exp.Insert(this=exp.Schema(this=statement.this.copy(), expressions=columns), expression=more)


def _of_union(query: exp.Expr) -> Iterator[exp.Select]:
    if isinstance(query, exp.Union):
        yield from _of_union(query.left)
        yield from _of_union(query.right)
    elif isinstance(query, exp.Select):
        yield query


def _noted(ref: exp.Expression, names: Sequence[str], query: exp.Expression, collation: str) -> exp.Create:
    """CREATE TEMPORARY TABLE AS query, with indexes on ids of rows."""
    parts: list[exp.Expression] = []
    for name in names:
        if name in _IDS:
            parts += [exp.Var(this=f"{quoted(name)} {_ID_TYPE}"), exp.Var(this=f"KEY ({quoted(name)})")]
        elif name == ROW:
            parts.append(exp.Var(this=f"{quoted(name)} bigint unsigned NOT NULL PRIMARY KEY"))
    this = exp.Schema(this=ref.copy(), expressions=parts) if parts else ref.copy()
    kept = exp.Properties(expressions=[exp.TemporaryProperty(), *options(collation)])
    return exp.Create(this=this, kind="TABLE", properties=kept, expression=query.copy())


def _temporary_drop(statement: exp.Drop) -> exp.Drop:
    statement = statement.copy()
    statement.set("temporary", True)  # without it, the transaction would be committed
    return statement


def _renamed(statement: exp.Alter) -> exp.Alter:
    """A table renamed without its schema would move to that of the connection."""
    statement = statement.copy()
    for action in statement.find_all(exp.AlterRename):
        action.this.set("db", statement.this.args["db"].copy())
    return statement


# -- rows


def _deleted(statement: exp.Delete) -> exp.Delete:
    statement = statement.copy()
    if alias := statement.this.alias:
        statement.set("tables", [exp.Table(this=exp.to_identifier(alias, quoted=True))])
    return statement


def _merged(statement: exp.Merge) -> Iterator[exp.Expression]:
    """Note which waiting rows are kept, and which are there; change these, add the others."""
    into, on = statement.this, statement.args["on"]
    query = statement.args["using"].this
    staged = _staged(query)
    kept, found = _note(staged, _KEPT), _note(staged, _FOUND)
    yield _rows_noted(kept, _exposed(query).subquery(_NEW))
    yield _found(found, into, staged, on)
    new = exp.alias_(staged.copy(), _NEW, table=True)
    is_kept = _same_row(_NEW, _KEPT)
    for when in statement.args["whens"].expressions:
        then = when.args["then"]
        if when.args.get("matched"):
            joined = into.copy()
            joined.append("joins", exp.Join(this=new.copy(), on=on.copy()))
            joined.append("joins", exp.Join(this=_as(kept, _KEPT), on=is_kept.copy()))
            yield exp.Update(this=joined, expressions=[_assigned(e) for e in then.expressions])
        else:
            columns = [exp.to_identifier(c.name, quoted=True) for c in then.this.expressions]
            rows = exp.select(*(c.copy() for c in then.expression.expressions)).from_(new.copy())
            rows = rows.join(_as(kept, _KEPT), on=is_kept.copy())
            rows = rows.join(_as(found, _FOUND), on=_same_row(_NEW, _FOUND), join_type="left")
            missing = exp.Is(this=_of(_FOUND, ROW), expression=exp.Null())
            place = exp.Table(this=into.this.copy(), db=into.args["db"].copy())
            yield exp.Insert(this=exp.Schema(this=place, expressions=columns), expression=rows.where(missing))
    yield from (_forgotten(kept), _forgotten(found))


def _assigned(one: exp.Expression) -> exp.EQ:
    # Both tables have a column of that name.
    return exp.EQ(this=_of(_OLD, one.this.name), expression=one.expression.copy())


def _inserted(statement: exp.Insert) -> Iterator[exp.Expression]:
    """Note which waiting rows are there, where only others are to be added."""
    statement = statement.copy()
    notes: list[exp.Table] = []
    for exists in list(statement.find_all(exp.Exists)):
        rows = exists.find_ancestor(exp.Select)
        source = _source(rows) if rows else None
        if not isinstance(exists.parent, exp.Not) or not isinstance(source, exp.Subquery):
            continue
        there = _source(exists.this)
        if there.name.startswith(STAGED) or source.alias != _NEW:
            continue
        staged = _staged(source.this)
        found = _note(staged, f"{_FOUND}_{len(notes)}")
        notes.append(found)
        yield _found(found, there, staged, exists.this.args["where"].this)
        source.set("this", _exposed(source.this))
        known = exp.select(column_ref(ROW)).from_(found.copy())
        exists.replace(exp.In(this=_of(_NEW, ROW), query=known.subquery()))
    yield statement
    yield from (_forgotten(found) for found in notes)


def _source(query: exp.Select) -> Any:
    found = query.find(exp.From)
    assert found is not None
    return found.this


def _staged(query: exp.Expression) -> exp.Table:
    """Return the temporary table that a query reads."""
    found = next(t for t in query.find_all(exp.Table) if t.name.startswith(STAGED))
    return exp.Table(this=found.this.copy(), db=found.args["db"].copy())


def _exposed(query: exp.Select) -> exp.Select:
    """Return the query with the number of each row beside its columns."""
    query = query.copy()
    source = _source(query)
    if isinstance(source, exp.Subquery):
        source.set("this", _exposed(source.this))
    return query.select(column_ref(ROW))


def _note(staged: exp.Table, name: str) -> exp.Table:
    """Return the name of a temporary table of row numbers."""
    return exp.Table(this=exp.to_identifier(f"{STAGED}{name}", quoted=True), db=staged.args["db"].copy())


def _rows_noted(ref: exp.Table, source: exp.Expression) -> exp.Create:
    query = exp.select(_of(_NEW, ROW)).from_(source)
    return _noted(ref, [ROW], query, "utf8mb4_bin")


def _found(ref: exp.Table, there: exp.Expression, staged: exp.Table, on: exp.Expression) -> exp.Create:
    """Note the numbers of waiting rows whose key is there: one look into the index for each row there."""
    query = exp.select(_of(_NEW, ROW)).distinct().from_(there.copy())
    query = query.join(exp.alias_(staged.copy(), _NEW, table=True), on=on.copy())
    return _noted(ref, [ROW], query, "utf8mb4_bin")


def _forgotten(ref: exp.Table) -> exp.Drop:
    what = {"tables": [ref.copy()]} if "tables" in exp.Drop.arg_types else {"this": ref.copy()}
    return exp.Drop(**what, kind="TABLE", temporary=True)


def _same_row(one: str, other: str) -> exp.Expression:
    return exp.EQ(this=_of(one, ROW), expression=_of(other, ROW))


def _of(table: str, name: str) -> exp.Column:
    return exp.column(exp.to_identifier(name, quoted=True), table=table, quoted=True)


def _as(ref: exp.Table, alias: str) -> Any:
    return exp.alias_(ref.copy(), alias, table=True)
