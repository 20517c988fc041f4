"""A load by SQLAlchemy: as for any SQL, but schemas are made by it, and rows wait with their number."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

import pyarrow as pa
from sqlglot import exp

from ladle.destinations import dialect as statements
from ladle.destinations.base import LoadRecord
from ladle.destinations.dialect import Dialect
from ladle.destinations.sql import SqlSession
from ladle.destinations.sqlalchemy_connection import SqlAlchemyConnection
from ladle.destinations.sqlalchemy_engines import Engine
from ladle.errors import UsageError
from ladle.schema.table import Column, Table


class SqlAlchemySession(SqlSession):
    """A load into a schema.

    Args:
        connection: open.
        dialect: of the engine; `staging` is the dataset where rows don't wait in temporary tables.
        dataset: name of the schema.
        engine: what is known of it.
    """

    def __init__(
        self, connection: SqlAlchemyConnection, dialect: Dialect, dataset: str, engine: Engine
    ) -> None:
        super().__init__(connection, dialect, dataset)
        self._by_sqlalchemy = connection
        self._engine = engine

    def _make_dataset(self) -> None:
        self._lock_tables()
        if self.exists():
            return
        if self._engine.sqlglot == "sqlite":
            raise UsageError(
                f"there is no database `{self._dataset}` on the connection",
                expected='dataset_name="main", or one that your engine attaches',
                hint="ladle.destinations.sqlite makes a file for each dataset",
            )
        self._by_sqlalchemy.create_schema(self._dataset)

    def stage(self, table: Table, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> int:
        """Write rows, each with its number, to a table whose columns are like those of the table."""
        with self._about(table.name), self._connection.errors(f"writing table `{table.name}`"):
            there = self._columns().get(table.name, {})
            here, order = self.staged(table.name), self._dialect.row_order
            like = statements.create_like(here, self.place(table.name), schema.names)
            number = exp.Cast(this=exp.Literal.number(0), to=exp.DataType.build("bigint"))
            like.expression.select(exp.alias_(number, order, quoted=True), copy=False)
            self._run(like)
            waiting = replace(
                table, name=here.name, columns={**table.columns, order: Column(order, "bigint")}
            )
            counted = schema.append(pa.field(order, pa.int64()))
            rows = self._connection.ingest(
                self._dialect.staging, waiting, there, counted, _numbered(batches, counted)
            )
            if columns := statements.joining(table, schema.names):
                self._analyze(here, columns)
            return rows

    def staged(self, name: str) -> exp.Table:
        """Return a reference to a table of the load's own: an ordinary one has a name of this load's."""
        if name not in self._staged and not self._engine.temporary:
            assert self._record is not None
            load = "".join(filter(str.isdigit, self._record.load_id))[-12:]
            self._staged[name] = f"_ladle_new_{load}_{len(self._staged)}"
        return super().staged(name)

    def commit(self, record: LoadRecord | None = None) -> None:
        """Drop what rows waited in, and commit as any SQL session does."""
        # Temporary ones too: the connection may be one that lives on.
        with self._connection.errors("dropping tables of the load's own"):
            for name in self._staged.values():
                self._run(statements.drop_table(self._dialect.staging, name))
        super().commit(record)


def _numbered(batches: Iterable[pa.RecordBatch], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    first = 0
    for batch in batches:
        numbers = pa.array(range(first, first + batch.num_rows), pa.int64())
        first += batch.num_rows
        yield pa.RecordBatch.from_arrays([*batch.columns, numbers], schema=schema)
