"""How MySQL and MariaDB spell things: the dialect, and merges in statements that both understand.

An UPDATE has no FROM, a DELETE with an alias names it twice, and MySQL can't read a temporary table twice in
one statement. A table without an index on its key must not be searched once for each new row: so the rows of
a load wait in a table that has one, and what is there is read once.
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
ASIDE = "aside"
_ID_CHARS = 64
_IDS = ("_dlt_id", "_dlt_root_id", "_dlt_parent_id", "old_id", "new_id")
_BINARY = "utf8mb4_bin"
_FROM = "from_" if "from_" in exp.Update.arg_types else "from"
# Names of schemas may differ by case only, where the server tells them apart.
_OF_DATASET = "table_schema = ?1 AND (@@lower_case_table_names > 0 OR BINARY table_schema = ?1)"
_COLUMNS = (
    "SELECT table_name, column_name, column_type FROM information_schema.columns "
    f"WHERE {_OF_DATASET} ORDER BY table_name, ordinal_position"
)
_DATASET = "SELECT 1 FROM information_schema.schemata WHERE " + _OF_DATASET.replace(
    "table_schema", "schema_name"
)
# Triggers show to those only who may make some: without that right, or with it by a role, there might be one.
_WATCHED = (
    "SELECT 1 FROM (SELECT 1) AS one WHERE EXISTS (SELECT 1 FROM information_schema.triggers "
    "WHERE event_object_schema = ?1 AND event_object_table = ?2) "
    "OR EXISTS (SELECT 1 FROM information_schema.key_column_usage "
    "WHERE referenced_table_schema = ?1 AND referenced_table_name = ?2) "
    "OR (SELECT COUNT(DISTINCT mine.may) FROM ("
    "SELECT grantee, privilege_type AS may FROM information_schema.user_privileges UNION ALL "
    "SELECT grantee, privilege_type FROM information_schema.schema_privileges WHERE ?1 LIKE table_schema "
    "UNION ALL SELECT grantee, privilege_type FROM information_schema.table_privileges "
    "WHERE table_schema = ?1 AND table_name = ?2) AS mine "
    "WHERE mine.may IN ('TRIGGER', 'DELETE') AND REPLACE(mine.grantee, '''', '') = CURRENT_USER()) < 2"
)

DIALECT = Dialect(
    "mysql",
    column_type,
    placeholder="?{}".format,
    columns_query=_COLUMNS,
    dataset_query=_DATASET,
    row_order=ROW,
    # Faster than an UPDATE of two tables, after which known rows have to be looked for once more.
    replaces_rows=True,
    watched_query=_WATCHED,
    drop_schema="DROP SCHEMA IF EXISTS {}",
)

Rewrite = Callable[[exp.Expression], Sequence[exp.Expression]]


def rewriter(collation: str, reopens: bool = True, row: str = ROW) -> Rewrite:
    """Return the function that says a statement in the engine's words.

    Statements that only prepare another have `ASIDE` in their `meta`: their rows don't count.

    Args:
        collation: of new tables; compares text as it is, byte by byte.
        reopens: whether a statement can read a temporary table twice, as MariaDB can.
        row: the column that numbers waiting rows.
    """

    def rewrite(statement: exp.Expression) -> Sequence[exp.Expression]:
        made = list(_said(statement, collation, row))
        return made if reopens else [one for m in made for one in _apart(m)]

    return rewrite


def _said(statement: exp.Expression, collation: str, row: str) -> Iterable[exp.Expression]:
    if isinstance(statement, exp.Create) and statement.args.get("kind") == "TABLE":
        return _created(statement, collation)
    if isinstance(statement, exp.Drop) and (table := statement.find(exp.Table)):
        return [_temporary_drop(statement) if table.name.startswith(STAGED) else statement]
    if isinstance(statement, exp.Delete):
        return [_deleted(statement)]
    if isinstance(statement, exp.Update):
        if statement.args.get(_FROM):
            return [_updated(statement)]
        return [_chosen(one) if isinstance(one, exp.Update) else one for one in _filled(statement)]
    if isinstance(statement, exp.Insert):
        return _inserted(statement, row)
    if isinstance(statement, exp.Alter):
        return [_renamed(statement)]
    return [statement]


# -- tables


def options(collation: str) -> list[exp.Expression]:
    """Return the options of a new table."""
    return [
        exp.EngineProperty(this=exp.Var(this="InnoDB")),
        exp.CharacterSetProperty(this=exp.Var(this="utf8mb4"), default=True),
        exp.CollateProperty(this=exp.Var(this=collation)),
    ]


def waiting(
    here: exp.Table,
    types: Mapping[str, str],
    keys: Iterable[Sequence[str]],
    collation: str,
    query: exp.Expression | None = None,
    row: str = ROW,
) -> exp.Create:
    """CREATE TEMPORARY TABLE for rows of a load, which it numbers, with indexes.

    Args:
        here: its name.
        types: SQL types by column.
        keys: columns of each index.
        collation: of its texts.
        query: what it is filled from; None: it is empty.
        row: the column that numbers them.
    """
    parts: list[exp.Expression] = [
        exp.Var(this=f"`{row}` bigint unsigned NOT NULL AUTO_INCREMENT PRIMARY KEY")
    ]
    parts += [exp.Var(this=f"{quoted(name)} {sql_type} NULL") for name, sql_type in types.items()]
    parts += [index(key, types) for key in keys]
    kept = exp.Properties(expressions=[exp.TemporaryProperty(), *options(collation)])
    this = exp.Schema(this=here, expressions=parts)
    return exp.Create(this=this, kind="TABLE", properties=kept, expression=query)


def index(key: Sequence[str], types: Mapping[str, str]) -> exp.Var:
    """Return an index as part of CREATE TABLE."""
    parts = ", ".join(key_part(quoted(name), types[name], len(key)) for name in key)
    return exp.Var(this=f"KEY ({parts})")


def quoted(name: str) -> str:
    """Return a name between backticks."""
    return "`" + name.replace("`", "``") + "`"


def _created(statement: exp.Create, collation: str) -> Iterator[exp.Expression]:
    query = statement.args.get("expression")
    if query is not None and isinstance(statement.this, exp.Schema):
        yield statement
        return
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


def _noted(
    ref: exp.Expression, names: Sequence[str], query: exp.Expression, collation: str, number: str = ""
) -> exp.Create:
    """CREATE TEMPORARY TABLE AS query, with indexes on ids of rows, and on their number."""
    parts: list[exp.Expression] = []
    for name in names:
        if name in _IDS:
            # The column is as in the query: two collations can't be compared.
            parts.append(exp.Var(this=f"KEY ({quoted(name)}({_ID_CHARS}))"))
        elif name == number:
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
    for asked in statement.find_all(exp.Exists):
        _unbound(asked)
    if alias := statement.this.alias:
        statement.set("tables", [exp.Table(this=exp.to_identifier(alias, quoted=True))])
    return statement


def _updated(statement: exp.Update) -> exp.Update:
    """UPDATE old JOIN new ON .. SET old.a = new.a: there is no FROM."""
    source = statement.args[_FROM]
    joined, where = statement.this.copy(), statement.args["where"].this.copy()
    joined.append("joins", exp.Join(this=source.this.copy(), on=where))
    alias = joined.alias
    # Both tables have a column of that name.
    values = [
        exp.EQ(this=_of(alias, one.this.name), expression=one.expression.copy())
        for one in statement.expressions
    ]
    return exp.Update(this=joined, expressions=values)


def _unbound(asked: exp.Exists) -> None:
    """Leave out between which values keys lie: a server that knows reads all rows between them.

    They are those of the waiting rows, with which the keys are compared anyway.
    """
    for bound in list(asked.find_all(exp.Between)):
        beside = bound.parent
        if isinstance(beside, exp.And):
            beside.replace(beside.right if beside.left is bound else beside.left)


def _chosen(statement: exp.Update) -> exp.Update:
    """UPDATE .. WHERE EXISTS (..) as a join with the keys that wait, which are fewer than what is there.

    Each key once: a part of a table that comes as a whole has one key in all rows.
    """
    statement = statement.copy()
    wanted = statement.args["where"].this.unnest()
    parts = list(wanted.flatten()) if isinstance(wanted, exp.And) else [wanted]
    asked = next((part for part in parts if isinstance(part, exp.Exists)), None)
    if asked is None or statement.this.name.startswith(STAGED) or asked.this.find(exp.Exists):
        return statement
    table = _source(asked.this)
    match = asked.this.args["where"].this
    names = dict.fromkeys(c.name for c in match.find_all(exp.Column) if c.table == table.alias)
    keys = exp.select(*(_of(table.alias, n) for n in names)).distinct().from_(table.copy())
    joined = statement.this.copy()
    joined.append("joins", exp.Join(this=keys.subquery(table.alias), on=match.copy()))
    values = [
        exp.EQ(this=_of(joined.alias, one.this.name), expression=one.expression.copy())
        for one in statement.expressions
    ]
    rest = [part.copy() for part in parts if part is not asked]
    where = exp.Where(this=exp.and_(*rest)) if rest else None
    return exp.Update(this=joined, expressions=values, where=where)


def _filled(statement: exp.Update) -> Iterator[exp.Expression]:
    """Give SET a = (SELECT ..) an index to look into: without one, a whole table is read for each row."""
    statement = statement.copy()
    notes: list[exp.Table] = []
    for query in [e.expression for e in statement.expressions if isinstance(e.expression, exp.Subquery)]:
        table = _source(query.this)
        alias = table.alias
        names = dict.fromkeys(c.name for c in query.find_all(exp.Column) if c.table == alias)
        note = exp.Table(
            this=exp.to_identifier(f"{STAGED}filled_{len(notes)}", quoted=True), db=table.args["db"].copy()
        )
        notes.append(note)
        columns = exp.select(*(_of(alias, n) for n in names)).from_(table.copy())
        yield _aside(_noted(note, list(names), columns, _BINARY))
        table.set("this", note.this.copy())
    yield statement
    yield from (_aside(_forgotten(note)) for note in notes)


def _inserted(statement: exp.Insert, row: str) -> Iterator[exp.Expression]:
    """Note which waiting rows are there, where only others are to be added."""
    statement = statement.copy()
    notes: list[exp.Table] = []
    for exists in list(statement.find_all(exp.Exists)):
        rows = exists.find_ancestor(exp.Select)
        waits, there = _source(rows) if rows else None, _source(exists.this)
        if not isinstance(exists.parent, exp.Not) or not isinstance(waits, exp.Table):
            continue
        if there.name.startswith(STAGED) or not waits.name.startswith(STAGED):
            continue
        found = exp.Table(
            this=exp.to_identifier(f"{STAGED}found_{len(notes)}", quoted=True), db=waits.args["db"].copy()
        )
        notes.append(found)
        yield _found(found, there, waits, exists.this.args["where"].this, row)
        known = exp.select(column_ref(ROW)).from_(found.copy())
        exists.replace(exp.In(this=_of(waits.alias, row), query=known.subquery()))
    yield statement
    yield from (_aside(_forgotten(found)) for found in notes)


def _source(query: exp.Select) -> Any:
    found = query.find(exp.From)
    assert found is not None
    return found.this


def _found(
    ref: exp.Table, there: exp.Expression, waits: exp.Table, on: exp.Expression, row: str
) -> exp.Expression:
    """Note the numbers of waiting rows whose key is there: one look into the index for each row there."""
    number = exp.alias_(_of(waits.alias, row), ROW, quoted=True)
    query = exp.select(number).distinct().from_(there.copy()).join(waits.copy(), on=on.copy())
    return _aside(_noted(ref, [ROW], query, _BINARY, ROW))


def _apart(statement: exp.Expression) -> Iterator[exp.Expression]:
    """Give a statement a copy of each temporary table for each time but the first that it reads it."""
    statement = statement.copy()
    seen: set[str] = set()
    copies: list[exp.Table] = []
    for table in list(statement.find_all(exp.Table)):
        if not table.name.startswith(STAGED) or isinstance(statement, exp.Drop):
            continue
        if table.name not in seen:
            seen.add(table.name)
            continue
        copy = exp.Table(
            this=exp.to_identifier(f"{table.name}_{len(copies)}", quoted=True), db=table.args["db"].copy()
        )
        one = exp.Table(this=table.this.copy(), db=table.args["db"].copy())
        kept = exp.Properties(expressions=[exp.TemporaryProperty(), exp.LikeProperty(this=one)])
        yield _aside(exp.Create(this=copy.copy(), kind="TABLE", properties=kept))
        yield _aside(exp.Insert(this=copy.copy(), expression=exp.select("*").from_(one.copy())))
        table.set("this", copy.this.copy())
        copies.append(copy)
    yield statement
    yield from (_aside(_forgotten(copy)) for copy in copies)


def _aside(statement: exp.Expression) -> exp.Expression:
    statement.meta[ASIDE] = True
    return statement


def _forgotten(ref: exp.Table) -> exp.Drop:
    what = {"tables": [ref.copy()]} if "tables" in exp.Drop.arg_types else {"this": ref.copy()}
    return exp.Drop(**what, kind="TABLE", temporary=True)


def _of(table: str, name: str) -> exp.Column:
    return exp.column(exp.to_identifier(name, quoted=True), table=table, quoted=True)
