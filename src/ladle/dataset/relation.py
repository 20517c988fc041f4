"""Relation: a query on a dataset, built step by step; nothing is read before rows are asked for."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, cast

import pyarrow as pa
from sqlglot import exp

from ladle.dataset import joins, queries
from ladle.dataset.catalog import Catalog
from ladle.dataset.cursor import Cursor
from ladle.dataset.home import Home
from ladle.dataset.lineage import Resolved, resolve
from ladle.dataset.windows import Tracked, cursor_window, is_bound, then_advance
from ladle.destinations.reading import Reader, Rows
from ladle.errors import LineageFailedException, UsageError
from ladle.schema.html import table_html
from ladle.schema.table import Column

_KEYS = ("_dlt_load_id", "_dlt_id", "_dlt_parent_id", "_dlt_root_id", "_dlt_list_idx")
_BATCH_ROWS = 1 << 16


@dataclass(frozen=True)
class SqlModel:
    """A relation as SQL: the query with all names qualified, and its dialect."""

    query: str
    query_dialect: str

    def to_sql(self) -> str:
        """Return the query."""
        return self.query


@dataclass(frozen=True, repr=False, eq=False)
class Relation:
    """Rows of a dataset, as a query says. A value: each method returns a new relation.

    Made by `dataset.table(name)` and `dataset.query(sql)`. Conditions, sorting and joins mean the rows that
    the relation has so far: `relation.limit(5).where(...)` looks at five rows.

    Attributes:
        expression: the query.
        origin: the table that the relation began with; None where that was a query.
        in_place: whether it reads only that table, so that its other columns can still be used.
        is_whole: whether it has all rows of that table.
        raw: the query's text where it is run as it is.
        is_incremental: whether a cursor limits its rows.
        tracked: that cursor, where reading the rows may have to move it on.
    """

    dataset: Home
    expression: exp.Expression | None
    dialect: str
    origin: str | None = None
    in_place: bool = False
    is_whole: bool = False
    raw: str | None = None
    is_incremental: bool = False
    tracked: Tracked | None = None

    # -- what it is

    @cached_property
    def resolved(self) -> Resolved:
        """The query with its names resolved, and the columns it returns."""
        if self.expression is None:
            raise UsageError(
                "a query that is run as it is can't be built on", hint="leave out _execute_raw_query"
            )
        return resolve(self.expression, self._catalog)

    @property
    def _catalog(self) -> Catalog:
        return self.dataset.catalog

    @property
    def _query(self) -> exp.Expression:
        return self.resolved.expression

    def _with(self, expression: exp.Expression, **changes: Any) -> Relation:
        made = replace(self, expression=expression, dialect=self._catalog.dialect, **changes)
        made.resolved  # noqa: B018 - a name that isn't there is an error of the call that brought it
        return made.checked()

    def _moves_cursor(self) -> bool:
        """Whether its rows lack the column of the cursor, so that the resource can't move it on by them."""
        tracked = self.tracked
        return tracked is not None and (tracked.name in _KEYS or tracked.name not in self.columns)

    def checked(self) -> Relation:
        """Return it; where its rows lack the column of a cursor, see to it that the cursor can move on."""
        tracked = self.tracked
        if tracked is None or not self._moves_cursor():
            return self
        if not queries.takes_conditions(self._query) or tracked.reference.table not in joins.names(
            self._query
        ):
            raise UsageError(
                f"the rows lack the column `{tracked.reference.name}` of the cursor that moves on by them",
                hint="keep the column, or take the step before incremental(...)",
            )
        tracked.incremental.advance(None)  # rows pass through the resource: the query has the range
        return self

    @property
    def columns_schema(self) -> dict[str, dict[str, Any]]:
        """Hints by column, in order: what columns of the tables hand on, else the type that SQL makes."""
        if self.raw is not None:
            return {}
        return {name: dict(hints) for name, hints in self.resolved.columns.items()}

    @property
    def columns(self) -> list[str]:
        """Names of the columns."""
        return list(self.columns_schema)

    @property
    def schema(self) -> dict[str, Any]:
        """The columns, in the stored form of a table."""
        return {"columns": self.columns_schema}

    @property
    def destination_dialect(self) -> str:
        """The dialect that the query is run in."""
        return self._catalog.dialect

    @property
    def query_dialect(self) -> str:
        """The dialect that the query was written in."""
        return self.dialect

    @property
    def sqlglot_expression(self) -> exp.Expression:
        """The query as a tree; a copy."""
        return (self.expression if self.expression is not None else self._query).copy()

    @property
    def sql_client(self) -> Any:
        """A client for SQL in the dataset."""
        return self.dataset.sql_client

    @property
    def sql_client_class(self) -> type[Any]:
        """Its class."""
        return self.dataset.sql_client_class

    def to_sql(self, pretty: bool = False, *, _raw_query: bool = False) -> str:
        """Return the query in the destination's dialect, all names qualified."""
        if self.raw is not None:
            return self.raw
        expression = self.sqlglot_expression if _raw_query else self._query
        return expression.sql(dialect=self._catalog.dialect, pretty=pretty)

    def to_model(self) -> SqlModel:
        """Return the query with its dialect."""
        return SqlModel(self.to_sql(), self._catalog.dialect)

    def to_ibis(self) -> Any:
        """Return the relation as a table of ibis.

        Raises:
            MissingDependency: ibis isn't installed.
        """
        return self.dataset.ibis(read_only=True).sql(self.to_sql())

    # -- columns, rows, order

    def select(self, *columns: str) -> Relation:
        """Return only the named columns.

        Raises:
            LineageFailedException: there is no such column.
        """
        origin = self.origin if self.in_place else None
        return self._with(queries.select(self._query, columns, origin))

    def __getitem__(self, columns: str | Sequence[str]) -> Relation:
        names = [columns] if isinstance(columns, str) else columns
        if not isinstance(names, (list, tuple)) or not all(isinstance(n, str) for n in names):
            raise UsageError(
                f"a relation is asked for columns, not for {columns!r}",
                expected='relation["a"] or relation[["a", "b"]]',
                hint="rows come from fetchall(), arrow() or df()",
            )
        return self.select(*names)

    def where(
        self, column_or_expr: str | exp.Expression, operator: str | None = None, value: Any = None
    ) -> Relation:
        """Keep rows: `where("id", "gt", 1)`, `where("id > 1 AND v = 'a'")`, or a sqlglot expression.

        Args:
            column_or_expr: a column, where an operator is given, else a condition.
            operator: `eq`, `ne`, `gt`, `lt`, `gte`, `lte`, `in` or `not_in`.
            value: compared with; cast to the column's type.
        """
        if operator is not None:
            name = column_or_expr if isinstance(column_or_expr, str) else column_or_expr.name
            made = queries.condition(self._column(name), queries.column(name), operator, value, self._catalog)
        elif value is not None:
            raise UsageError("where has a value, but no operator", expected='where("id", "eq", 1)')
        elif isinstance(column_or_expr, str):
            made = queries.parsed(column_or_expr, self._catalog.dialect)
        else:
            made = column_or_expr
        return self._with(queries.where(self._query, made), is_whole=False)

    filter = where

    def _column(self, name: str) -> Column:
        """Return a column that the relation returns or, of its tables, could return."""
        hints = self.resolved.columns.get(name)
        if hints is not None:
            return Column.from_dict(name, {k: v for k, v in hints.items() if k != "name"})
        read = joins.names(self._query).values() if queries.takes_conditions(self._query) else ()
        for table in filter(None, read):
            found = self._catalog.tables[table].columns.get(name)
            if found is not None:
                return found
        raise LineageFailedException(
            f"there is no column `{name}`", expected="one of " + ", ".join(self.resolved.columns)
        )

    def order_by(self, column_name: str, direction: str = "asc") -> Relation:
        """Sort by a column, `asc` or `desc`, after what the relation is sorted by already."""
        return self._with(queries.order_by(self._query, column_name, direction, self._catalog))

    def limit(self, limit: int) -> Relation:
        """Return at most so many rows."""
        return self._with(queries.limit(self._query, limit), is_whole=False)

    def head(self, limit: int = 5) -> Relation:
        """Return at most five rows."""
        return self.limit(limit)

    def min(self) -> Relation:
        """Return the minimum of the only column."""
        return self._with(queries.aggregate(self._query, exp.Min), in_place=False, is_whole=False)

    def max(self) -> Relation:
        """Return the maximum of the only column."""
        return self._with(queries.aggregate(self._query, exp.Max), in_place=False, is_whole=False)

    # -- other tables

    def join(
        self,
        other: str | Relation,
        on: str | exp.Expression | None = None,
        *,
        kind: str = "inner",
        alias: str | None = None,
    ) -> Relation:
        """Join another table or relation of the dataset.

        Args:
            other: its columns come after those of this one, as `<alias>__<column>`.
            on: the condition; None: by the references of the schema, from child to parent or as declared.
            kind: `inner`, `left`, `right` or `full`.
            alias: of the other; default: its table's name.

        Raises:
            UsageError: no references lead from the one to the other.
        """
        right = self.dataset.table(other) if isinstance(other, str) else other
        if not self.dataset.is_same_dataset(right.dataset):
            raise UsageError(
                f"datasets `{self.dataset.dataset_name}` and `{right.dataset.dataset_name}` can't be joined",
                hint="load one beside the other, or use dataset.sql_client",
            )
        prefix = alias or right.origin
        if prefix is None:
            raise UsageError("a query is joined under a name", hint='give one: .join(..., alias="other")')
        condition = queries.parsed(on, self._catalog.dialect) if isinstance(on, str) else on
        whole = right.is_whole and right.in_place
        joined = joins.Joined(right.resolved.expression, right.origin, tuple(right.columns), prefix, whole)
        made = joins.join(self._query, self.origin, joined, condition, kind, self._catalog)
        return self._with(made, in_place=False, is_whole=False)

    def from_loads(self, load_ids: Collection[str], add_load_id_column: bool = False) -> Relation:
        """Keep rows of some loads; rows of child tables by the root row they belong to.

        Args:
            load_ids: of the loads.
            add_load_id_column: whether child tables get the column `_dlt_load_id`.
        """
        ids = [load_ids] if isinstance(load_ids, str) else list(load_ids)
        made, owner = self._to_root("from_loads", add_load_id_column)
        key = self._catalog.tables[owner].columns[joins.LOAD_ID]
        reference = queries.column(joins.LOAD_ID, owner)
        made = made.where(queries.condition(key, reference, "in", ids, self._catalog))
        return self._with(made, in_place=self.origin == owner, is_whole=False)

    def with_load_id_col(self) -> Relation:
        """Return the relation with the column `_dlt_load_id`, that of the root row for child tables."""
        made, owner = self._to_root("with_load_id_col", True)
        is_own = self.origin == owner
        return self._with(made, in_place=is_own, is_whole=self.is_whole and is_own)

    def _to_root(self, doing: str, add_column: bool) -> tuple[exp.Select, str]:
        """Return the query joined up to the root table, and that table's name."""
        if self.origin is None or not self.in_place or not queries.takes_conditions(self._query):
            raise UsageError(
                f"{doing} needs a relation that reads one table, without limit",
                expected=f'dataset.table("name").{doing}(...), then the rest',
            )
        owner = self._catalog.table(self.origin)
        while owner.parent in self._catalog.tables:
            owner = self._catalog.table(cast(str, owner.parent))
        if joins.LOAD_ID not in owner.columns:
            raise UsageError(f"table `{owner.name}` has no column `{joins.LOAD_ID}`", table=owner.name)
        made = queries.open_to_conditions(self._query)
        if owner.name != self.origin:
            way = joins.path(self.origin, owner.name, self._catalog)
            joins.follow(made, self.origin, way, joins.table(owner.name), "inner")
        if add_column and joins.LOAD_ID not in self.resolved.columns:
            key = queries.column(joins.LOAD_ID, owner.name)
            made.append("expressions", exp.alias_(key, joins.LOAD_ID, quoted=True))
        return made, owner.name

    def incremental(self, incremental: Any, *, advance: bool = True) -> Relation:
        """Keep the rows that a cursor has not seen.

        Args:
            incremental: `sources.incremental(...)`: a column, or `table.column` of a referenced table.
            advance: whether a cursor of the resource that runs now moves on also where its column is not
                among the rows: when they were read to the end, to the furthest value there was.

        Raises:
            UsageError: the cursor's column isn't there, or its function is neither `min` nor `max`.
        """
        window = cursor_window(incremental)
        query, target = self._query, None
        reference = queries.column(window.column)
        if window.table is not None and window.table != self.origin:
            query, reference, target = self._to_cursor(window.table, window.column)
        elif window.column in self.resolved.columns:
            target = self._column(window.column)
        if target is None:
            raise UsageError(
                f"the cursor's column `{window.column}` is not in the relation",
                expected="one of " + ", ".join(self.columns),
            )
        made = queries.where(query, window.condition(target, reference, self._catalog))
        tracked = self.tracked
        if advance and is_bound(incremental):
            is_own = window.table in (None, self.origin)
            named = queries.output(made, window.column) if is_own else reference
            if isinstance(named, exp.Column):
                name = "" if named is reference else window.column
                tracked = Tracked(incremental, named, target, name)
        return self._with(made, is_whole=False, is_incremental=True, tracked=tracked)

    def _to_cursor(self, table: str, name: str) -> tuple[exp.Expression, exp.Column, Column | None]:
        if self.origin is None or not queries.takes_conditions(self._query):
            raise UsageError("a cursor of another table needs a relation that begins with a table")
        found = self._catalog.table(table).columns.get(name)
        made = queries.open_to_conditions(self._query)
        way = joins.path(self.origin, table, self._catalog)
        joins.follow(made, self.origin, way, joins.table(table), "inner")
        return made, queries.column(name, table), found

    # -- rows

    @contextmanager
    def _cursor(self, batch_rows: int = _BATCH_ROWS) -> Iterator[Cursor]:
        with self.dataset.lease() as reader:
            sql, last = self.to_sql(), None
            if self.tracked is not None and self._moves_cursor():
                sql, last = self._up_to_now(self.tracked, reader)
            with reader.stream(sql, (), batch_rows) as rows:
                if self.tracked is not None and last is not None:
                    rows = Rows(rows.schema, then_advance(rows.batches, self.tracked, last))
                yield Cursor(rows, self.columns_schema)

    def _up_to_now(self, tracked: Tracked, reader: Reader) -> tuple[str, Any]:
        """Return the query of the rows up to the cursor's furthest value, and that value."""
        dialect = self._catalog.dialect
        with reader.stream(tracked.furthest(self._query).sql(dialect=dialect)) as rows:
            last = Cursor(rows).fetchscalar()
        if last is None:
            return self.to_sql(), None
        return tracked.up_to(self._query, last, self._catalog).sql(dialect=dialect), last

    def arrow(self, chunk_size: int | None = None) -> pa.Table | None:
        """Return all rows as an Arrow table, or the first `chunk_size`; None where these are none."""
        with self._cursor() as cursor:
            return cursor.arrow(chunk_size)

    def df(self, chunk_size: int | None = None) -> Any:
        """Return all rows as a pandas frame, or the first `chunk_size`; None where these are none."""
        with self._cursor() as cursor:
            return cursor.df(chunk_size)

    def fetchall(self) -> list[tuple[Any, ...]]:
        """Return all rows as tuples."""
        with self._cursor() as cursor:
            return cursor.fetchall()

    def fetchmany(self, chunk_size: int = 1) -> list[tuple[Any, ...]]:
        """Return the first `chunk_size` rows as tuples."""
        with self._cursor() as cursor:
            return cursor.fetchmany(chunk_size)

    def fetchone(self) -> tuple[Any, ...] | None:
        """Return the first row; None where there is none."""
        with self._cursor() as cursor:
            return cursor.fetchone()

    def fetchscalar(self) -> Any:
        """Return the one value of the one row; None where there is no row."""
        with self._cursor() as cursor:
            return cursor.fetchscalar()

    def iter_arrow(self, chunk_size: int | None = None) -> Iterator[pa.Table]:
        """Yield Arrow tables of `chunk_size` rows. Memory: O(chunk); the connection closes at the end."""
        with self._cursor() as cursor:
            yield from cursor.iter_arrow(chunk_size)

    def iter_df(self, chunk_size: int | None = None) -> Iterator[Any]:
        """Yield pandas frames of `chunk_size` rows. Memory: O(chunk)."""
        with self._cursor() as cursor:
            yield from cursor.iter_df(chunk_size)

    def iter_fetch(self, chunk_size: int | None = None) -> Iterator[list[tuple[Any, ...]]]:
        """Yield lists of `chunk_size` rows. Memory: O(chunk)."""
        with self._cursor() as cursor:
            yield from cursor.iter_fetch(chunk_size)

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """Hand the rows on as a stream, as to `pipeline.run(relation, table_name=...)`.

        Without the keys that a load made (`_dlt_id`, `_dlt_load_id`, ...): where the rows go, they get their
        own. To take a key along, select it under another name, or use `iter_arrow`.
        """
        kept = [name for name in self.columns if name not in _KEYS]
        source = self.select(*kept) if kept and len(kept) < len(self.columns) else self
        return source.reader().__arrow_c_stream__(requested_schema)

    def __ladle_inputs__(self) -> list[tuple[str, str]]:
        """Return where the tables are that the query reads; a run notes them as its inputs."""
        if self.expression is None:
            return []
        names = {t.name: None for t in self._query.find_all(exp.Table) if t.name in self._catalog.tables}
        return [self.dataset.place(name) for name in names]

    def reader(self) -> pa.RecordBatchReader:
        """Return an Arrow reader of the rows; the connection closes when they were read, or it is dropped."""
        opened = self._cursor()
        cursor = opened.__enter__()

        def batches() -> Iterator[pa.RecordBatch]:
            try:
                for table in cursor.iter_arrow():
                    yield from table.to_batches()
            finally:
                opened.__exit__(None, None, None)

        return pa.RecordBatchReader.from_batches(cursor.schema, batches())

    # -- shown

    def __repr__(self) -> str:
        return f"<ladle.Relation of dataset {self.dataset.dataset_name}: {self.to_sql()}>"

    def __str__(self) -> str:
        lines = self.to_sql(pretty=True).replace("\n", "\n  ")
        return f"Relation query:\n  {lines}\nColumns:\n  {', '.join(self.columns)}"

    def _repr_html_(self) -> str:
        rows = [(n, h.get("data_type", ""), h.get("nullable", "")) for n, h in self.columns_schema.items()]
        return table_html(self.to_sql(), ("column", "data type", "nullable"), rows)

    def _ipython_key_completions_(self) -> list[str]:
        return self.columns
