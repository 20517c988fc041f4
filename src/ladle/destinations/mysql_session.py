"""A load into MySQL: what it has to say about tables in another way than other engines."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
from sqlglot import exp

from ladle.destinations import dialect as statements
from ladle.destinations.base import LoadRecord
from ladle.destinations.changing import still_missing
from ladle.destinations.dialect import Dialect
from ladle.destinations.looked_up import looked_up
from ladle.destinations.mysql_connection import MySqlConnection
from ladle.destinations.mysql_dialect import ASIDE, DIALECT, ROW, STAGED, index, quoted, rewriter, waiting
from ladle.destinations.mysql_types import column_type
from ladle.destinations.sql import SqlSession
from ladle.errors import DestinationError
from ladle.schema.change import AddTable, Change, Comment, RelaxColumn, WidenColumn
from ladle.schema.change_names import NameChange
from ladle.schema.naming import unused
from ladle.schema.schema import STATE_TABLE, VERSION_TABLE
from ladle.schema.table import Column, Table

# As the server shows them with ANSI_QUOTES: one line for each column.
_DEFINED = re.compile(r'^  "((?:[^"]|"")+)" (.*?),?$', re.MULTILINE)
_COMMENT = re.compile(r" COMMENT '(?:[^'\\]|\\.|'')*'", re.DOTALL)
_CHECK = " CHECK ("
_NOT_NULL = " NOT NULL"
_KEPT = " kept"
# Columns for which the reference has room for 64 kB, which a schema of many tables doesn't fit.
_GROWN = {VERSION_TABLE: "schema", STATE_TABLE: "state"}


class MySqlSession(SqlSession):
    """A load into a database of a server: G4 for rows, one InnoDB transaction.

    Statements that make or change tables commit by themselves there. They all come first: a load that fails
    may leave tables and columns without rows, nothing else. The locks of a load outlive them.

    Args:
        connection: open.
        dialect: of the engine, for the dataset.
        dataset: name of the database.
        collation: of new tables.
        create_indexes: whether new tables get an index on each key that merges go by.
    """

    def __init__(
        self,
        connection: MySqlConnection,
        dialect: Dialect,
        dataset: str,
        collation: str,
        create_indexes: bool,
    ) -> None:
        super().__init__(connection, dialect, dataset)
        self._line = connection
        self._collation = collation
        self._create_indexes = create_indexes
        self._waits: dict[str, tuple[dict[str, str], list[list[str]]]] = {}

    def begin(self, record: LoadRecord) -> None:
        """Start the transaction and make the database."""
        super().begin(record)
        with self._connection.errors("choosing the database"):
            # MySQL wants one to delete from a table by its alias.
            self._connection.execute(f"USE {quoted(self._dataset)}")

    def apply(self, changes: Sequence[Change]) -> None:
        """Create tables, add and change columns, outside the transaction."""
        if self._line.has_rows and not still_missing(changes, self.tables(), self._dialect):
            return  # of a load that began ahead: all was made before its rows
        self._check_first("changing tables")
        super().apply(changes)
        for table, column in _GROWN.items():
            if self._columns().get(table, {}).get(column) == "text":
                with self._connection.errors(f"making room in `{table}`"):
                    self._modify(table, {column: lambda was: widened(was, "longtext")})

    def drop(self, tables: Sequence[str]) -> None:
        """Drop tables, outside the transaction."""
        self._check_first("dropping tables")
        super().drop(tables)

    def clear(self, tables: Sequence[str]) -> None:
        """Delete all rows; others see them until the commit."""
        super().clear(tables)
        self._line.has_rows = True  # what is gone, others must not miss before the rows come

    def comment(self, changed: Sequence[Comment]) -> None:
        """Change comments of tables and columns that are there, outside the transaction."""
        if changed:
            self._check_first("changing comments")
        super().comment(changed)

    def alter(self, changes: Sequence[NameChange]) -> None:
        """Rename and drop, outside the transaction."""
        self._check_first("renaming")
        super().alter(changes)

    def _check_first(self, doing: str) -> None:
        """Refuse what would commit rows before their load is complete."""
        if self._line.has_rows:
            raise DestinationError(
                f"{doing} would commit the rows that were written before",
                hint="nothing was committed; please report this as a fault of ladle",
            )

    def _make(self, change: Change) -> None:
        if isinstance(change, AddTable):
            made = statements.create_table(self._dataset, change.table, self._dialect)
            if self._create_indexes:
                made.this.set("expressions", [*made.this.expressions, *_indexes(change.table)])
            self._run(made)
        elif isinstance(change, RelaxColumn):
            self._modify(change.table, {change.column.name: relaxed})
        elif isinstance(change, WidenColumn):
            wanted = column_type(change.column)
            self._modify(change.table, {change.column.name: lambda was: widened(was, wanted)})
        else:
            super()._make(change)

    def _waiting(self, here: exp.Table, table: Table, columns: Sequence[str]) -> exp.Expression:
        there = self._columns()[table.name]
        spelled = self._collations(table.name)
        types = {name: there[name] + spelled.get(name, "") for name in columns}
        self._waits[table.name] = types, [k for k in looked_up(table) if set(k) <= set(types)]
        return waiting(here, *self._waits[table.name], self._collation, row=self._dialect.row_order)

    def _collations(self, table: str) -> dict[str, str]:
        """Return how texts of a table are compared: those of two collations can't be."""
        sql = (
            "SELECT column_name, character_set_name, collation_name FROM information_schema.columns "
            "WHERE table_schema = ?1 AND table_name = ?2 AND collation_name IS NOT NULL"
        )
        found = self._connection.query(sql, [self._dataset, table])
        return {name: f" CHARACTER SET {charset} COLLATE {order}" for name, charset, order in found}

    def build(self, table: Table, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> int:
        """Let rows wait in a temporary table: to swap tables would commit what is written."""
        return self.stage(table, schema, batches)

    def built(self, name: str) -> exp.Table:
        """Return a reference to it."""
        return self.staged(name)

    def moment(self, column: Column, at: datetime) -> exp.Expression:
        """Return a time as a literal, in UTC."""
        naive = at.astimezone(UTC).replace(tzinfo=None)
        return exp.Literal.string(naive.isoformat(sep=" "))

    def fill(self, table: Table, cells: Sequence[tuple[str, str, str]]) -> None:
        """Update one value of one row after the other."""
        with self._connection.errors(f"filling values of table `{table.name}` in"):
            self._connection.lock_table(self._dataset, table.name)
            ref = self._dialect.sql(self.place(table.name))
            for column, row_id, value in cells:
                sql = f"UPDATE {ref} SET {quoted(column)} = ?1 WHERE `_dlt_id` = ?2"
                self._connection.execute(sql, [cell(table.columns[column], value), row_id])

    def _run(self, statement: exp.Expression) -> int:
        total = 0
        for one in self._dialect.rewrite(self._adapted(statement)):
            count = self._connection.execute(self._dialect.sql(one))
            total += 0 if one.meta.get(ASIDE) else count
        return total

    def _adapted(self, statement: exp.Expression) -> exp.Expression:
        """Number and index rows that are chosen of those that wait; copy tables instead of renaming them."""
        names = {number: name for name, number in self._staged.items()}
        made = isinstance(statement, exp.Create) and statement.kind == "TABLE"
        if made and (name := names.get(statement.this.name, "")).endswith(_KEPT):
            types, keys = self._waits[name.removesuffix(_KEPT)]
            query = statement.expression
            return waiting(statement.this, types, keys, self._collation, query, self._dialect.row_order)
        if isinstance(statement, exp.Drop) and not statement.args.get("exists"):
            table = next(iter(statement.find_all(exp.Table)))
            if not table.name.startswith(STAGED):
                return exp.Delete(this=table.copy())
        if isinstance(statement, exp.Alter) and statement.this.name in names:
            table_name = names[statement.this.name]
            columns = self._waits[table_name][0]
            into = [exp.to_identifier(c, quoted=True) for c in columns]
            rows = exp.select(*(statements.column_ref(c) for c in columns)).from_(statement.this.copy())
            return exp.Insert(this=exp.Schema(this=self.place(table_name), expressions=into), expression=rows)
        return statement

    def _comment(self, found: Iterable[Comment]) -> None:
        by_table: dict[str, list[Comment]] = {}
        for c in found:
            by_table.setdefault(c.table, []).append(c)
        for table, group in by_table.items():
            texts = {c.column: c.text for c in group}
            own = f"COMMENT = {_literal(texts[None] or '')}" if None in texts else ""
            changes = {
                name: lambda was, text=text: commented(was, text)
                for name, text in texts.items()
                if name is not None
            }
            self._modify(table, changes, own)

    def _modify(self, table: str, changes: Mapping[str, Any], more: str = "") -> None:
        """ALTER TABLE of columns, each by a function of how it is defined now."""
        ref = self._dialect.sql(self.place(table))
        parts = [more] if more else []
        if changes:
            (_, made), *_ = self._connection.query(f"SHOW CREATE TABLE {ref}")
            defined = definitions(made)
            parts += [f"MODIFY COLUMN {quoted(n)} {change(defined[n])}" for n, change in changes.items()]
        self._connection.execute(f"ALTER TABLE {ref} {', '.join(parts)}")


def dialect_for(dataset: str, collation: str, reopens: bool = True) -> Dialect:
    """Return the dialect for a dataset: temporary tables live in it."""

    def avoiding(dialect: Dialect, columns: Collection[str]) -> Dialect:
        row = unused(ROW, columns)
        return replace(dialect, row_order=row, rewrite=rewriter(collation, reopens, row))

    return replace(DIALECT, staging=dataset, rewrite=rewriter(collation, reopens), avoiding=avoiding)


def _indexes(table: Table) -> list[exp.Expression]:
    types = {c.name: column_type(c) for c in table.typed_columns()}
    return [index(key, types) for key in looked_up(table) if set(key) <= set(types)]


def definitions(created: str) -> dict[str, str]:
    """Return how each column is defined, from what SHOW CREATE TABLE says."""
    return {name.replace('""', '"'): text for name, text in _DEFINED.findall(created)}


def relaxed(definition: str) -> str:
    """Return a column's definition without NOT NULL."""
    return definition.replace(_NOT_NULL, " NULL", 1)


def commented(definition: str, text: str | None) -> str:
    """Return a column's definition with another comment, or none."""
    bare = _COMMENT.sub("", definition, count=1)
    head, check, rest = bare.partition(_CHECK)
    return f"{head} COMMENT {_literal(text or '')}{check}{rest}"


def widened(definition: str, sql_type: str) -> str:
    """Return a column's definition with another type."""
    comment = _COMMENT.search(definition)
    kept = _NOT_NULL if _NOT_NULL in definition else " NULL"
    return f"{sql_type}{kept}{comment[0] if comment else ''}"


def cell(column: Column, text: str) -> str:
    """Return a value that is spelled as text as MySQL reads it."""
    if column.data_type == "bool":
        return "1" if text.lower() == "true" else "0"
    if column.data_type == "timestamp":
        at = datetime.fromisoformat(text)
        return (at.astimezone(UTC).replace(tzinfo=None) if at.tzinfo else at).isoformat(sep=" ")
    return text


def _literal(text: str) -> str:
    return exp.Literal.string(text).sql(dialect="mysql")
