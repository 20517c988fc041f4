"""SqlSession: the verbs of a session over a SQL connection and a dialect, in one transaction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import Any, Protocol

import orjson
import pyarrow as pa
from sqlglot import exp

from ladle.destinations import dialect as statements
from ladle.destinations.base import LoadRecord
from ladle.destinations.dialect import Dialect
from ladle.errors import CommitUnknown, LadleError
from ladle.schema.change import AddTable, Change
from ladle.schema.schema import ENGINE_VERSION, LOADS_TABLE, STATE_TABLE, VERSION_TABLE
from ladle.schema.table import Table
from ladle.state.blob import decode_state, encode_state, state_hash


class SqlConnection(Protocol):
    """What a driver has to do. Autocommit is off between `begin` and `commit`."""

    def execute(self, sql: str, params: Sequence[Any] = ()) -> None:
        """Run a statement."""

    def query(self, sql: str, params: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run a query; return all rows."""

    def ingest(self, dataset: str, table: Table, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> int:
        """Append Arrow batches to an existing table in bulk; return the number of rows."""

    def begin(self) -> None:
        """Start a transaction."""

    def commit(self) -> None:
        """Commit it."""

    def lock_dataset(self, dataset: str) -> None:
        """Keep others from changing tables of the dataset until the transaction ends, where that's needed."""

    def close(self) -> None:
        """Roll back what isn't committed and disconnect. Safe to repeat."""

    def errors(self, doing: str) -> AbstractContextManager[None]:
        """Turn the driver's errors into ours, in a `with` block."""


class SqlSession:
    """A load into a schema of a database: G4, everything in one transaction, tables and columns included.

    Args:
        connection: open.
        dialect: of the engine.
        dataset: name of the schema.
    """

    def __init__(self, connection: SqlConnection, dialect: Dialect, dataset: str) -> None:
        self._connection = connection
        self._dialect = dialect
        self._dataset = dataset
        self._record: LoadRecord | None = None
        self._there: dict[str, dict[str, str]] | None = None

    def begin(self, record: LoadRecord) -> None:
        """Start the transaction and make the schema."""
        self._record = record
        with self._connection.errors(f"beginning load `{record.load_id}`"):
            self._connection.begin()
            if not self._columns():
                self._connection.lock_dataset(self._dataset)
                self._run(statements.create_dataset(self._dataset))

    def _run(self, statement: exp.Expression) -> None:
        self._connection.execute(self._dialect.sql(statement))

    def _columns(self) -> dict[str, dict[str, str]]:
        if self._there is None:
            rows = self._connection.query(
                "SELECT table_name, column_name, data_type FROM information_schema.columns "
                f"WHERE table_schema = {self._dialect.placeholder(1)} ORDER BY ordinal_position",
                [self._dataset],
            )
            self._there = {}
            for table, column, data_type in rows:
                self._there.setdefault(table, {})[column] = data_type
        return self._there

    def exists(self) -> bool:
        """Whether the schema is there."""
        with self._connection.errors("looking for the dataset"):
            return bool(
                self._connection.query(
                    "SELECT 1 FROM information_schema.schemata WHERE schema_name = "
                    f"{self._dialect.placeholder(1)}",
                    [self._dataset],
                )
            )

    def tables(self) -> Mapping[str, Mapping[str, str]]:
        """Return SQL types by column by table."""
        with self._connection.errors("reading which tables exist"):
            return self._columns()

    def has_load(self, load_id: str) -> bool:
        """Whether the loads table has a complete row for the load id."""
        return bool(self._select(LOADS_TABLE, ["load_id"], {"load_id": load_id, "status": 0}))

    def _select(
        self, table: str, columns: Sequence[str], where: Mapping[str, Any], order: str = "", join: str = ""
    ) -> list[tuple[Any, ...]]:
        with self._connection.errors(f"reading `{table}`"):
            if table not in self._columns():
                return []
            ref = self._dialect.sql(statements.table_ref(self._dataset, table))
            names = ", ".join(f't."{c}"' for c in columns)
            marks = (f't."{c}" = {self._dialect.placeholder(i + 1)}' for i, c in enumerate(where))
            sql = f"SELECT {names} FROM {ref} AS t {join} WHERE {' AND '.join(marks)} {order}"
            return self._connection.query(sql, list(where.values()))

    def stored_state(self, pipeline: str) -> Mapping[str, Any] | None:
        """Return the newest state whose load is complete."""
        loads = self._dialect.sql(statements.table_ref(self._dataset, LOADS_TABLE))
        join = f'JOIN {loads} AS l ON l."load_id" = t."_dlt_load_id" AND l."status" = 0'
        order = 'ORDER BY t."version" DESC, t."created_at" DESC LIMIT 1'
        rows = self._select(STATE_TABLE, ["state"], {"pipeline_name": pipeline}, order, join)
        return decode_state(rows[0][0]) if rows else None

    def stored_schema(self, name: str) -> Mapping[str, Any] | None:
        """Return the newest stored version."""
        order = 'ORDER BY t."inserted_at" DESC, t."version" DESC LIMIT 1'
        rows = self._select(VERSION_TABLE, ["schema"], {"schema_name": name}, order)
        if not rows:
            return None
        schema: Mapping[str, Any] = orjson.loads(rows[0][0])
        return schema

    def newest(self, schema: str, pipeline: str) -> tuple[str | None, int]:
        """Return the newest schema hash and state version."""
        order = 'ORDER BY t."inserted_at" DESC, t."version" DESC LIMIT 1'
        hashes = self._select(VERSION_TABLE, ["version_hash"], {"schema_name": schema}, order)
        order = 'ORDER BY t."version" DESC LIMIT 1'
        versions = self._select(STATE_TABLE, ["version"], {"pipeline_name": pipeline}, order)
        return (hashes[0][0] if hashes else None), (int(versions[0][0]) if versions else 0)

    def apply(self, changes: Sequence[Change]) -> None:
        """Create tables and add columns, inside the transaction."""
        if not changes:
            return
        with self._connection.errors("changing tables"):
            self._connection.lock_dataset(self._dataset)
            for change in changes:
                if isinstance(change, AddTable):
                    self._run(statements.create_table(self._dataset, change.table, self._dialect))
                else:
                    self._run(
                        statements.add_column(self._dataset, change.table, change.column, self._dialect)
                    )
        self._there = None

    def drop(self, tables: Sequence[str]) -> None:
        """Drop tables, those that exist."""
        with self._connection.errors("dropping tables"):
            for table in tables:
                self._run(statements.drop_table(self._dataset, table))
        self._there = None

    def clear(self, tables: Sequence[str]) -> None:
        """Delete all rows; others see them until the commit."""
        with self._connection.errors("emptying tables for replace"):
            for table in tables:
                if table in self._columns():
                    self._run(statements.delete_all(self._dataset, table))

    def append(self, table: Table, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> int:
        """Write rows in bulk."""
        with self._connection.errors(f"writing table `{table.name}`"):
            return self._connection.ingest(self._dataset, table, schema, batches)

    def commit(self) -> None:
        """Write the schema version, the state and the loads row, and commit all of it.

        Raises:
            CommitUnknown: the connection was lost meanwhile.
        """
        assert self._record is not None
        record = self._record
        at = datetime.fromtimestamp(record.inserted_at, UTC)
        with self._connection.errors("writing the loads row"):
            self._write_version(record, at)
            self._write_state(record, at)
            schema = record.schema
            self._insert(
                LOADS_TABLE,
                load_id=record.load_id,
                schema_name=schema["name"],
                status=0,
                inserted_at=at,
                schema_version_hash=schema["version_hash"],
            )
        try:
            with self._connection.errors("committing"):
                self._connection.commit()
        except LadleError as error:
            raise CommitUnknown(
                f"the commit of load `{record.load_id}` failed: {error.what}",
                load_id=record.load_id,
                hint="run again: it looks for the load id first, then commits or goes on",
            ) from error

    def _write_version(self, record: LoadRecord, at: datetime) -> None:
        schema = record.schema
        known = {"version_hash": schema["version_hash"], "schema_name": schema["name"]}
        if self._select(VERSION_TABLE, ["version"], known):
            return
        self._insert(
            VERSION_TABLE,
            version=schema["version"],
            engine_version=ENGINE_VERSION,
            inserted_at=at,
            schema_name=schema["name"],
            version_hash=schema["version_hash"],
            schema=orjson.dumps(schema).decode(),
        )

    def _write_state(self, record: LoadRecord, at: datetime) -> None:
        state = record.state
        if state is None:
            return
        self._insert(
            STATE_TABLE,
            version=state["_state_version"],
            engine_version=state["_state_engine_version"],
            pipeline_name=record.pipeline,
            state=encode_state(state),
            created_at=at,
            version_hash=state_hash(state),
            _dlt_load_id=record.load_id,
            _dlt_id=f"{record.load_id}.{state['_state_version']}",
        )

    def _insert(self, table: str, **values: Any) -> None:
        sql = statements.insert_row(self._dataset, table, list(values), self._dialect)
        self._connection.execute(sql, list(values.values()))

    def close(self) -> None:
        """Roll back what isn't committed and disconnect."""
        self._connection.close()
