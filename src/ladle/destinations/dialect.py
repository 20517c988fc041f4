"""SQL dialects as data, and the statements every SQL destination needs, as pure functions over trees."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlglot import exp

from ladle.schema.scd2 import ROW_VERSION
from ladle.schema.table import Column, Table

_EXACT_DOUBLE = 2**53
_JOINING = ("primary_key", "merge_key", "unique", "root_key")


@dataclass(frozen=True, slots=True)
class Dialect:
    """How an engine spells things.

    Attributes:
        name: sqlglot's name for it.
        column_type: SQL type of a column.
        placeholder: of parameters, by position from 1.
        column_suffix: clause after a column's type in CREATE TABLE, or None.
        columns_query: gives table, column and type of all columns in a dataset, its one parameter.
        dataset_query: gives a row where the dataset, its one parameter, exists.
        staging: schema of temporary tables.
        row_order: column of a temporary table that sorts rows as they were written.
        replaces_rows: whether a row had better be deleted and added anew than have all its columns changed.
        notes_first: whether an INSERT that reads the table which it writes to keeps all its rows elsewhere
            meanwhile: then a note of rows, made before, does better.
        watched_query: gives a row, of its parameters dataset and table, where deleting a row and adding it
            anew isn't the same as changing it: a trigger or a foreign key hears of it, or it isn't allowed;
            None where it always is.
        analyzes: whether a new table is counted by ANALYZE before it is joined with another.
        sampling: how much ANALYZE reads until the transaction ends, as a statement; None as it is.
        unique_indexes: whether a new table gets an index for each column that is declared unique.
        drop_schema: drops a dataset with all that is in it; its name comes quoted.
        unique_query: gives, of its parameters dataset, table and column, each unique index on that column
            alone, and whether it is a constraint's; None where there never are any.
        rewrite: a statement as those that the engine understands: one without MERGE gets UPDATE and INSERT.
        avoiding: the dialect for tables with columns of these names, in lower case: those by which it tells
            rows apart are others. None where it can't choose.
        own_types: whether types go into statements as `column_type` spells them, which sqlglot doesn't know.
        primary_keys: whether a new table gets its primary key as a constraint.
        cell: what a value that is spelled as text is as a parameter; None where the engine casts it.
        converted: what a value becomes when its column's type widens, see `ladle.destinations.widening`;
            None for what suits most engines.
    """

    name: str
    column_type: Callable[[Column], str]
    placeholder: Callable[[int], str] = "${}".format
    column_suffix: Callable[[Column], str | None] = lambda column: None
    columns_query: str = (
        "SELECT table_name, column_name, data_type FROM information_schema.columns "
        "WHERE table_schema = $1 ORDER BY ordinal_position"
    )
    dataset_query: str = "SELECT 1 FROM information_schema.schemata WHERE schema_name = $1"
    staging: str = "temp"
    row_order: str = "rowid"
    replaces_rows: bool = False
    notes_first: bool = False
    watched_query: str | None = None
    analyzes: bool = False
    sampling: str | None = None
    unique_indexes: bool = False
    drop_schema: str = "DROP SCHEMA IF EXISTS {} CASCADE"
    unique_query: str | None = None
    rewrite: Callable[[exp.Expression], Sequence[exp.Expression]] = lambda statement: (statement,)
    avoiding: Callable[[Dialect, Collection[str]], Dialect] | None = None
    own_types: bool = False
    primary_keys: bool = False
    cell: Callable[[Column, str], Any] | None = None
    converted: Callable[[Column, Column], exp.Expression | None] | None = None

    def beside(self, coming: Mapping[str, Any], there: Mapping[str, Collection[str]]) -> Dialect:
        """Return the dialect as it is for tables of a stored schema and those that are there."""
        if self.avoiding is None:
            return self
        columns = {name.lower() for names in there.values() for name in names}
        columns.update(name.lower() for table in coming.values() for name in table["columns"])
        return self.avoiding(self, columns)

    def sql(self, statement: exp.Expression) -> str:
        """Render a statement; all identifiers quoted."""
        return statement.sql(dialect=self.name, identify=True)

    def data_type(self, text: str) -> exp.DataType:
        """Return the type that is spelled so."""
        if self.own_types:
            return exp.DataType(this=exp.DataType.Type.USERDEFINED, kind=text)
        return exp.DataType.build(text, dialect=self.name, udt=True)


def table_ref(dataset: str, table: str) -> exp.Table:
    """Return a reference to a table of a dataset."""
    return exp.Table(this=exp.to_identifier(table, quoted=True), db=exp.to_identifier(dataset, quoted=True))


def column_ref(name: str) -> exp.Column:
    """Return a reference to a column."""
    return exp.Column(this=exp.to_identifier(name, quoted=True))


def create_dataset(dataset: str) -> exp.Expression:
    """CREATE SCHEMA IF NOT EXISTS."""
    this = exp.Table(db=exp.to_identifier(dataset, quoted=True))
    return exp.Create(this=this, kind="SCHEMA", exists=True)


def _definition(column: Column, dialect: Dialect, added: bool) -> exp.ColumnDef:
    # A column added to a table with rows has no value for them, whatever was declared.
    constraints = []
    if not column.nullable and not added:
        constraints.append(exp.ColumnConstraint(kind=exp.NotNullColumnConstraint()))
    if suffix := dialect.column_suffix(column):
        constraints.append(exp.ColumnConstraint(kind=exp.Var(this=suffix)))
    return exp.ColumnDef(
        this=exp.to_identifier(column.name, quoted=True),
        kind=dialect.data_type(dialect.column_type(column)),
        constraints=constraints,
    )


def create_table(dataset: str, table: Table, dialect: Dialect) -> exp.Expression:
    """CREATE TABLE with all typed columns."""
    columns: list[exp.Expression] = [_definition(c, dialect, added=False) for c in table.typed_columns()]
    if dialect.primary_keys and (keys := table.keys("primary_key")):
        columns.append(exp.PrimaryKey(expressions=[exp.to_identifier(k, quoted=True) for k in keys]))
    schema = exp.Schema(this=table_ref(dataset, table.name), expressions=columns)
    return exp.Create(this=schema, kind="TABLE", exists=True)


def create_like(here: exp.Table, there: exp.Table, columns: Iterable[str]) -> exp.Expression:
    """CREATE TEMPORARY TABLE with some columns of another table, of the same types; empty."""
    query = exp.select(*(column_ref(c) for c in columns)).from_(there).where(exp.false())
    kept = exp.Properties(expressions=[exp.TemporaryProperty()])
    return exp.Create(this=here, kind="TABLE", properties=kept, expression=query)


def analyze(table: exp.Table, columns: Iterable[str], dialect: Dialect) -> str:
    """ANALYZE of some columns; of all where none are named."""
    names = ", ".join(dialect.sql(column_ref(c)) for c in columns)
    return f"ANALYZE {dialect.sql(table)}" + (f" ({names})" if names else "")


def joining(table: Table, columns: Iterable[str]) -> list[str]:
    """Return those of some columns by which waiting rows find old ones, and each other."""
    found = (table.columns[c] for c in columns)
    return [c.name for c in found if c.extra.get(ROW_VERSION) or any(getattr(c, hint) for hint in _JOINING)]


def add_column(dataset: str, table: str, column: Column, dialect: Dialect) -> exp.Expression:
    """ALTER TABLE ADD COLUMN; the column is nullable."""
    return exp.Alter(
        this=table_ref(dataset, table), kind="TABLE", actions=[_definition(column, dialect, added=True)]
    )


def widen_column(
    dataset: str, table: str, column: Column, using: exp.Expression | None, dialect: Dialect
) -> exp.Expression:
    """ALTER TABLE ALTER COLUMN TYPE; `using` tells what a value becomes, None for a cast."""
    wanted = dialect.data_type(dialect.column_type(column))
    action = exp.AlterColumn(this=exp.to_identifier(column.name, quoted=True), dtype=wanted, using=using)
    return exp.Alter(this=table_ref(dataset, table), kind="TABLE", actions=[action])


def relax_column(dataset: str, table: str, column: Column, dialect: Dialect) -> exp.Expression:
    """ALTER TABLE ALTER COLUMN DROP NOT NULL. Engines that have to spell the type find it in `meta`."""
    action = exp.AlterColumn(this=exp.to_identifier(column.name, quoted=True), drop=True, allow_null=True)
    action.meta["data_type"] = dialect.data_type(dialect.column_type(column))
    return exp.Alter(this=table_ref(dataset, table), kind="TABLE", actions=[action])


def beyond_doubles(dataset: str, table: str, column: str) -> exp.Expression:
    """SELECT of a row, if there is one, whose number lies where doubles no longer tell neighbours apart."""
    value, limit = column_ref(column), exp.Literal.number(_EXACT_DOUBLE)
    outside = exp.or_(
        exp.GT(this=value, expression=limit), exp.LT(this=value.copy(), expression=exp.Neg(this=limit.copy()))
    )
    return exp.select("1").from_(table_ref(dataset, table)).where(outside).limit(1)


def comment_on(dataset: str, table: str, column: str | None, text: str | None) -> exp.Expression:
    """COMMENT ON a table, or on one of its columns; None takes the comment away."""
    names = {"this": exp.to_identifier(table, quoted=True), "db": exp.to_identifier(dataset, quoted=True)}
    what: exp.Expression = exp.Table(**names)
    if column is not None:
        what = exp.Column(this=exp.to_identifier(column, quoted=True), table=names["this"], db=names["db"])
    return exp.Comment(
        this=what,
        kind="TABLE" if column is None else "COLUMN",
        expression=exp.null() if text is None else exp.Literal.string(text),
    )


def drop_table(dataset: str, table: str) -> exp.Expression:
    """DROP TABLE IF EXISTS."""
    ref = table_ref(dataset, table)
    # sqlglot 30 has a list where earlier versions have one table; what it doesn't know it leaves out.
    what = {"tables": [ref]} if "tables" in exp.Drop.arg_types else {"this": ref}
    return exp.Drop(**what, kind="TABLE", exists=True)


def delete_all(dataset: str, table: str) -> exp.Expression:
    """DELETE without condition: unlike TRUNCATE, other sessions see the old rows until the commit."""
    return exp.Delete(this=table_ref(dataset, table))


def select(
    dataset: str,
    table: str,
    columns: Sequence[str],
    where: Sequence[str],
    newest: Sequence[str],
    loads: str,
    dialect: Dialect,
) -> str:
    """SELECT of the rows that have the parameters in the columns `where`.

    Where `newest` names columns, of the row alone that is last by them; where `loads` names the table of
    loads, of rows whose load is complete.
    """
    asked = tuple(columns), tuple(where), tuple(newest)
    return _select(dialect.name, dialect.placeholder, (dataset, table, loads), *asked)


@lru_cache(256)
def _select(
    dialect: str,
    placeholder: Callable[[int], str],
    tables: tuple[str, str, str],
    columns: Sequence[str],
    where: Sequence[str],
    newest: Sequence[str],
) -> str:
    dataset, table, loads = tables

    def of(column: str, place: str = "t") -> str:
        return f"{place}.{column_ref(column).sql(dialect=dialect, identify=True)}"

    def ref(name: str) -> str:
        return table_ref(dataset, name).sql(dialect=dialect, identify=True)

    sql = f"SELECT {', '.join(map(of, columns))} FROM {ref(table)} AS t"
    if loads:
        sql += f" JOIN {ref(loads)} AS l ON {of('load_id', 'l')} = "
        sql += f"{of('_dlt_load_id')} AND {of('status', 'l')} = 0"
    marks = [f"{of(column)} = {placeholder(i)}" for i, column in enumerate(where, 1)]
    sql += f" WHERE {' AND '.join(marks)}"
    return f"{sql} ORDER BY {', '.join(of(c) + ' DESC' for c in newest)} LIMIT 1" if newest else sql


def fill_cell(dataset: str, table: str, column: Column, dialect: Dialect) -> str:
    """UPDATE of one value of one row; parameters: the value as text or as `cell` has it, the row's id."""
    ref, name = dialect.sql(table_ref(dataset, table)), dialect.sql(column_ref(column.name))
    value, row = dialect.placeholder(1), dialect.placeholder(2)
    if dialect.cell is None:
        text = dialect.column_type(Column("", "text"))
        value = f"CAST(CAST({value} AS {text}) AS {dialect.column_type(column)})"
    return f"UPDATE {ref} SET {name} = {value} WHERE {dialect.sql(column_ref('_dlt_id'))} = {row}"


def delete_up_to(dataset: str, table: str, dialect: Dialect) -> str:
    """DELETE of a pipeline's states up to a version; parameters: its name, the version."""
    ref = dialect.sql(table_ref(dataset, table))
    name, version = (dialect.sql(column_ref(column)) for column in ("pipeline_name", "version"))
    return (
        f"DELETE FROM {ref} WHERE {name} = {dialect.placeholder(1)} AND {version} <= {dialect.placeholder(2)}"
    )


def create_unique_index(dataset: str, table: str, column: str) -> exp.Expression:
    """CREATE UNIQUE INDEX on one column; the engine names it."""
    params = exp.IndexParameters(columns=[column_ref(column)])
    index = exp.Index(table=table_ref(dataset, table), params=params)
    return exp.Create(this=index, kind="INDEX", unique=True)


def drop_unique(dataset: str, table: str, index: str, constraint: bool) -> exp.Expression:
    """DROP INDEX, or ALTER TABLE DROP CONSTRAINT where it is one's."""
    name = exp.to_identifier(index, quoted=True)
    ref = (
        exp.Table(this=name)
        if constraint
        else exp.Table(this=name, db=exp.to_identifier(dataset, quoted=True))
    )
    what = {"tables": [ref]} if "tables" in exp.Drop.arg_types else {"this": ref}
    drop = exp.Drop(**what, kind="CONSTRAINT" if constraint else "INDEX")
    return exp.Alter(this=table_ref(dataset, table), kind="TABLE", actions=[drop]) if constraint else drop


def insert_row(dataset: str, table: str, columns: Sequence[str], dialect: Dialect) -> str:
    """INSERT of one row with parameters."""
    into = exp.Schema(
        this=table_ref(dataset, table), expressions=[exp.to_identifier(c, quoted=True) for c in columns]
    )
    values = ", ".join(dialect.placeholder(i + 1) for i in range(len(columns)))
    return f"INSERT INTO {into.sql(dialect=dialect.name, identify=True)} VALUES ({values})"


def insert_select(dataset: str, table: str, columns: Iterable[str], source: str) -> exp.Expression:
    """INSERT INTO table (columns) SELECT columns FROM source."""
    names = list(columns)
    into = exp.Schema(
        this=table_ref(dataset, table), expressions=[exp.to_identifier(c, quoted=True) for c in names]
    )
    select = exp.select(*(column_ref(c) for c in names)).from_(exp.to_identifier(source, quoted=True))
    return exp.Insert(this=into, expression=select)
