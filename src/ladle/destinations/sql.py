"""SqlSession: the verbs of a session over a SQL connection and a dialect, in one transaction."""

from __future__ import annotations

from collections.abc import Collection, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Protocol

import orjson
import pyarrow as pa
from sqlglot import exp

from ladle.destinations import alter
from ladle.destinations import dialect as statements
from ladle.destinations.base import LoadOwner, LoadRecord
from ladle.destinations.changing import changed, doing, naming, still_missing
from ladle.destinations.dialect import Dialect
from ladle.destinations.record_rows import load_row, state_row, version_row
from ladle.errors import CommitFailed, CommitUnknown, DestinationError, LadleError
from ladle.schema.change import AddTable, Change, Comment, WidenColumn, comments
from ladle.schema.change_names import NameChange
from ladle.schema.lattice import needs_proof
from ladle.schema.schema import LOADS_TABLE, STATE_TABLE, VERSION_TABLE
from ladle.schema.table import Column, Table
from ladle.state.blob import decode_state

_KEPT_STATES = 100
"""Versions of a pipeline's state that stay in the dataset."""


class SqlConnection(Protocol):
    """What a driver has to do. Autocommit is off between `begin` and `commit`."""

    def execute(self, sql: str, params: Sequence[Any] = ()) -> int:
        """Run a statement; return how many rows it changed, -1 where the driver doesn't say."""

    def query(self, sql: str, params: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run a query; return all rows."""

    def ingest(
        self,
        dataset: str,
        table: Table,
        there: Mapping[str, str],
        schema: pa.Schema,
        batches: Iterable[pa.RecordBatch],
    ) -> int:
        """Append Arrow batches in bulk to a table that has the columns `there`; return the number of rows."""

    def expect(self, batch_bytes: int, columns: int) -> None:
        """Hear, before `begin`, how large in memory a batch and how wide a table can be, where it matters."""

    def begin(self) -> None:
        """Start a transaction."""

    def commit(self) -> None:
        """Commit it.

        Raises:
            CommitUnknown: where the driver knows that the server's answer got lost.
        """

    def fence(self, load_id: str) -> bool:
        """See to it that no other session can commit the load any more: its client may be gone, it may live.

        In a transaction that holds until its end. Returns whether others may have committed since the
        connection was made.
        """

    def lock(self, *names: str) -> None:
        """Keep out other sessions that lock one of the names, until the transaction ends, where needed."""

    def lock_table(self, dataset: str, table: str) -> None:
        """Keep other writers, not readers, from a table until the transaction ends, where needed."""

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
        self._made: list[Table] = []
        self._staged: dict[str, str] = {}
        self._joining: dict[str, list[str]] = {}
        self._built: dict[str, str] = {}
        self._newest: dict[tuple[str, str], tuple[str | None, int]] = {}
        self._sampling = dialect.sampling
        self.notes_first = dialect.notes_first

    def begin(self, record: LoadRecord) -> None:
        """Start the transaction and make the schema.

        Loads of one pipeline, or on one stored schema, go one after the other: each builds on the one before.

        Raises:
            CommitUnknown: another session committed the load meanwhile.
        """
        self._record = record
        self._newest.clear()
        self._sampling = self._dialect.sampling
        with self._connection.errors(f"beginning load `{record.load_id}`"):
            widest = max(len(table["columns"]) for table in record.schema["tables"].values())
            self._connection.expect(record.batch_bytes, widest)
            self._connection.begin()
            fresh = self._connection.fence(record.load_id)
            self._connection.lock(
                self._named("pipeline", record.pipeline), self._named("schema", record.schema["name"])
            )
            if fresh:
                self._there = None
            if not self._columns():
                self._make_dataset()
            self._dialect = self._dialect.beside(record.schema["tables"], self._columns())
            self.notes_first = self._dialect.notes_first
        if fresh and self._is_complete(record.load_id):
            raise CommitUnknown(
                f"another session committed load `{record.load_id}` meanwhile", load_id=record.load_id
            )

    def _named(self, kind: str, name: str) -> str:
        return f"{kind} `{name}` of dataset `{self._dataset}`"

    def _lock_tables(self) -> None:
        """Keep others from making or dropping tables; what is there is read anew."""
        self._connection.lock(f"the tables of dataset `{self._dataset}`")
        self._there = None

    def _make_dataset(self) -> None:
        # Only where it is missing: who may not make schemas may still use one that was made for them.
        self._lock_tables()
        if not self.exists():
            self._run(statements.create_dataset(self._dataset))

    def _run(self, statement: exp.Expression) -> int:
        ran = [self._connection.execute(self._dialect.sql(one)) for one in self._dialect.rewrite(statement)]
        return sum(ran) if min(ran, default=-1) >= 0 else -1

    def _columns(self) -> dict[str, dict[str, str]]:
        if self._there is None:
            rows = self._connection.query(self._dialect.columns_query, [self._dataset])
            self._there = {}
            for table, column, data_type in rows:
                self._there.setdefault(table, {})[column] = data_type
        return self._there

    def exists(self) -> bool:
        """Whether the schema is there."""
        with self._connection.errors("looking for the dataset"):
            return bool(self._connection.query(self._dialect.dataset_query, [self._dataset]))

    def tables(self) -> Mapping[str, Mapping[str, str]]:
        """Return SQL types by column by table."""
        with self._connection.errors("reading which tables exist"):
            return self._columns()

    def has_load(self, load_id: str) -> bool:
        """Whether the loads table has a complete row for the load id; False is for good."""
        with self._connection.errors(f"looking for load `{load_id}`"):
            self._connection.fence(load_id)
        return self._is_complete(load_id)

    def load_owner(self, load_id: str) -> LoadOwner:
        """Return whose complete load has the load id."""
        loads = self._select(LOADS_TABLE, ["schema_name"], {"load_id": load_id, "status": 0})
        states = self._select(STATE_TABLE, ["pipeline_name"], {"_dlt_load_id": load_id})
        return LoadOwner(tuple(name for (name,) in loads), tuple(name for (name,) in states))

    def _is_complete(self, load_id: str) -> bool:
        return bool(self._select(LOADS_TABLE, ["load_id"], {"load_id": load_id, "status": 0}))

    def _select(
        self,
        table: str,
        columns: Sequence[str],
        where: Mapping[str, Any],
        newest: Sequence[str] = (),
        loads: str = "",
    ) -> list[tuple[Any, ...]]:
        with self._connection.errors(f"reading `{table}`"):
            if table not in self._columns():
                return []
            sql = statements.select(self._dataset, table, columns, list(where), newest, loads, self._dialect)
            return self._connection.query(sql, list(where.values()))

    def stored_state(self, pipeline: str) -> Mapping[str, Any] | None:
        """Return the newest state whose load is complete."""
        by = ("version", "created_at")
        rows = self._select(STATE_TABLE, ["state"], {"pipeline_name": pipeline}, by, LOADS_TABLE)
        return decode_state(rows[0][0]) if rows else None

    def stored_schema(self, name: str) -> Mapping[str, Any] | None:
        """Return the newest stored version."""
        rows = self._select(VERSION_TABLE, ["schema"], {"schema_name": name}, ("inserted_at", "version"))
        found: Mapping[str, Any] | None = orjson.loads(rows[0][0]) if rows else None
        return found

    def newest(self, schema: str, pipeline: str) -> tuple[str | None, int]:
        """Return the newest schema hash and state version; asked once in a load, which holds their locks."""
        if (schema, pipeline) in self._newest:
            return self._newest[schema, pipeline]
        by = ("inserted_at", "version")
        hashes = self._select(VERSION_TABLE, ["version_hash"], {"schema_name": schema}, by)
        versions = self._select(STATE_TABLE, ["version"], {"pipeline_name": pipeline}, ("version",))
        found = (hashes[0][0] if hashes else None), (int(versions[0][0]) if versions else 0)
        if self._record is not None:
            self._newest[schema, pipeline] = found
        return found

    def apply(self, changes: Sequence[Change]) -> None:
        """Create tables, add and change columns, inside the transaction.

        Raises:
            DestinationError: the engine refuses one; names its table and column.
        """
        if not changes:
            return
        with self._connection.errors("changing tables"):
            self._lock_tables()
            missing = still_missing(changes, self._columns(), self._dialect)
        for change in missing:
            with naming(change), self._connection.errors(doing(change)):
                if isinstance(change, AddTable):
                    self._made.append(change.table)
                if isinstance(change, WidenColumn) and needs_proof(change.known, change.column):
                    self._check_exact(change)
                self._make(change)
                self._comment(comments(change))
        self._there = None

    def _make(self, change: Change) -> None:
        self._run(changed(self._dataset, change, self._dialect))

    def _check_exact(self, change: WidenColumn) -> None:
        """Look once more, in the transaction: others may have written since the package was made."""
        query = statements.beyond_doubles(self._dataset, change.table, change.column.name)
        if self._connection.query(self._dialect.sql(query)):
            raise DestinationError(
                f"column `{change.column.name}` of table `{change.table}` can't become double: "
                "numbers are there that a double doesn't hold exactly",
                hint="drop the package, and run with SCHEMA__ON_TYPE_CHANGE=variant, or declare it decimal",
            )

    def comment(self, changed: Sequence[Comment]) -> None:
        """Change comments of tables and columns that are there, inside the transaction."""
        with self._connection.errors("changing comments"):
            there = self._columns()
            self._comment(c for c in changed if c.table in there and c.column in (None, *there[c.table]))

    def _comment(self, found: Iterable[Comment]) -> None:
        for c in found:
            self._run(statements.comment_on(self._dataset, c.table, c.column, c.text))

    def altering(self, changes: Sequence[NameChange]) -> list[str]:
        """Return the statements that rename and drop what is there under its old name."""
        there = self.tables()
        return [self._dialect.sql(s) for s in alter.statements(self._dataset, changes, there)]

    def alter(self, changes: Sequence[NameChange]) -> None:
        """Rename and drop, inside the transaction."""
        with self._connection.errors("renaming or dropping " + ", ".join(f"`{c.table}`" for c in changes)):
            self._lock_tables()
            for statement in alter.statements(self._dataset, changes, self._columns()):
                self._run(statement)
        self._there = None

    def drop(self, tables: Sequence[str]) -> None:
        """Drop tables, those that exist."""
        with self._connection.errors("dropping tables"):
            self._lock_tables()
            for table in tables:
                self._run(statements.drop_table(self._dataset, table))
        self._there = None

    def clear(self, tables: Sequence[str]) -> None:
        """Delete all rows; others see them until the commit."""
        with self._connection.errors("emptying tables for replace"):
            for table in tables:
                if table in self._columns():
                    self._connection.lock_table(self._dataset, table)
                    self._run(statements.delete_all(self._dataset, table))

    def append(self, table: Table, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> int:
        """Write rows in bulk."""
        with self._about(table.name), self._connection.errors(f"writing table `{table.name}`"):
            there = self._columns().get(table.name, {})
            return self._connection.ingest(self._dataset, table, there, schema, batches)

    @contextmanager
    def _about(self, table: str) -> Iterator[None]:
        """Name the table in errors of the block, and not the temporary one where its rows wait."""
        try:
            yield
        except LadleError as error:
            waits = self._staged.get(table)
            if waits is not None:
                error.what = error.what.replace(waits, table)
                error.facts = {k: table if v == waits else v for k, v in error.facts.items()}
            raise error.with_facts(table=table) from error.__cause__

    def stage(self, table: Table, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> int:
        """Write rows to a temporary table whose columns are like those of the table; again, to add some."""
        with self._about(table.name), self._connection.errors(f"writing table `{table.name}`"):
            there = self._columns().get(table.name, {})
            fresh = table.name not in self._staged
            here = self.staged(table.name)
            if fresh:
                self._run(self._waiting(here, table, schema.names))
                self._joining[table.name] = statements.joining(table, schema.names)
            waiting = replace(table, name=here.name)
            return self._connection.ingest(self._dialect.staging, waiting, there, schema, batches)

    def _analyze(self, table: exp.Table, columns: Collection[str]) -> None:
        # What nobody has counted is planned for as a small table would be.
        if self._dialect.analyzes:
            if self._sampling is not None:
                self._connection.execute(self._sampling)
                self._sampling = None
            self._connection.execute(statements.analyze(table, columns, self._dialect))

    def build(self, table: Table, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> int:
        """Write rows to a new table that has the columns and indexes of the table."""
        assert self._record is not None
        name = f"_ladle_{self._record.load_id.replace('.', '_')}_{len(self._built)}"
        made = replace(table, name=self._built.setdefault(table.name, name))
        with self._connection.errors(f"writing table `{table.name}` anew"):
            self._run(statements.create_table(self._dataset, made, self._dialect))
            self._there = None
            rows = self._connection.ingest(self._dataset, made, self._columns()[made.name], schema, batches)
            self._index([made])
            self._comment(replace(c, table=name) for c in comments(AddTable(table)))
            return rows

    def built(self, name: str) -> exp.Table:
        """Return a reference to the new table."""
        return statements.table_ref(self._dataset, self._built[name])

    def moment(self, column: Column, at: datetime) -> exp.Expression:
        """Return a time as a literal of the column's type."""
        text = at.isoformat(sep=" ")
        if self._dialect.cell is not None:
            return exp.Literal.string(self._dialect.cell(column, text))
        return exp.cast(exp.Literal.string(text), self._dialect.data_type(self._dialect.column_type(column)))

    def _waiting(self, here: exp.Table, table: Table, columns: Sequence[str]) -> exp.Expression:
        return statements.create_like(here, self.place(table.name), columns)

    def staged(self, name: str) -> exp.Table:
        """Return a reference to a temporary table; numbered, as an engine may cut long names."""
        number = self._staged.setdefault(name, f"_ladle_new_{len(self._staged)}")
        return statements.table_ref(self._dialect.staging, number)

    def place(self, table: str) -> exp.Table:
        """Return a reference to a table of the dataset."""
        return statements.table_ref(self._dataset, table)

    def row_order(self) -> exp.Expression:
        """Return the column that sorts a temporary table's rows."""
        return statements.column_ref(self._dialect.row_order)

    def replaces_rows(self, table: str) -> bool:
        """Whether the engine had better delete a row and add it anew than change all its columns.

        Never where a row that goes would be missed by what others made on the table.
        """
        watched = self._dialect.watched_query
        if watched is None or not self._dialect.replaces_rows:
            return self._dialect.replaces_rows
        return not self._connection.query(watched, [self._dataset, table])

    def let_repeat(self, table: str, column: str) -> None:
        """Drop unique indexes on the column, in the transaction."""
        if self._dialect.unique_query is None:
            return
        with self._connection.errors(f"dropping a unique index of table `{table}`"):
            found = self._connection.query(self._dialect.unique_query, [self._dataset, table, column])
            for index, constraint in found:
                self._run(statements.drop_unique(self._dataset, table, index, bool(constraint)))

    def fill(self, table: Table, cells: Sequence[tuple[str, str, str]]) -> None:
        """Update one value of one row after the other."""
        with self._connection.errors(f"filling values of table `{table.name}` in"):
            self._connection.lock_table(self._dataset, table.name)
            for column, row_id, value in cells:
                hinted = table.columns[column]
                sql = statements.fill_cell(self._dataset, table.name, hinted, self._dialect)
                cell = self._dialect.cell
                self._connection.execute(sql, [value if cell is None else cell(hinted, value), row_id])

    def ask(self, query: exp.Expression) -> list[tuple[Any, ...]]:
        """Run a query."""
        with self._connection.errors("reading what is there"):
            return self._connection.query(self._dialect.sql(query))

    def merge(self, tables: Sequence[str], made: Iterable[exp.Expression]) -> None:
        """Keep other writers out of the tables, and run the statements."""
        with self._about(tables[0]), self._connection.errors(f"merging into table `{tables[0]}`"):
            for table in tables:
                if joining := self._joining.get(table):
                    self._analyze(self.staged(table), joining)
            for table in tables:
                self._connection.lock_table(self._dataset, table)
            steps = made if isinstance(made, Generator) else (statement for statement in made)
            found: Any = None
            with suppress(StopIteration):
                while True:
                    found = self._step(steps.send(found))

    def _step(self, statement: exp.Expression) -> Any:
        if isinstance(statement, exp.Query):
            (query,) = self._dialect.rewrite(statement)
            rows = self._connection.query(self._dialect.sql(query))
            return rows[0] if rows else None
        count = self._run(statement)
        if isinstance(statement, exp.Create):
            joining = {name for names in self._joining.values() for name in names}
            self._analyze(statement.this, joining.intersection(statement.expression.named_selects))
        return count

    def commit(self, record: LoadRecord | None = None) -> None:
        """Write the schema version, the state and the loads row, and commit all of it.

        Raises:
            CommitFailed: refused because of another load.
            CommitUnknown: the connection was lost meanwhile.
        """
        record = record or self._record
        assert record is not None
        self._make_indexes()
        at = datetime.fromtimestamp(record.inserted_at, UTC)
        with self._connection.errors("writing the loads row"):
            self._write_version(record, at)
            self._write_state(record, at)
            self._insert(LOADS_TABLE, load_row(record, at))
        try:
            with self._connection.errors("committing"):
                self._connection.commit()
        except CommitFailed:
            raise
        except LadleError as error:
            raise CommitUnknown(
                f"the commit of load `{record.load_id}` failed: {error.what}",
                load_id=record.load_id,
                hint="run again: it looks for the load id first, then commits or goes on",
            ) from error

    def _make_indexes(self) -> None:
        # After the data: building an index costs less than keeping it up row by row.
        self._index(table for table in self._made if table.name not in self._built)

    def _index(self, tables: Iterable[Table]) -> None:
        if not self._dialect.unique_indexes:
            return
        for table in tables:
            with self._connection.errors(f"indexing table `{table.name}`"):
                for column in table.keys("unique"):
                    self._run(statements.create_unique_index(self._dataset, table.name, column))

    def _write_version(self, record: LoadRecord, at: datetime) -> None:
        schema = record.schema
        newest, _ = self.newest(schema["name"], record.pipeline)
        if newest == schema["version_hash"]:
            return
        self._insert(VERSION_TABLE, version_row(record, at))

    def _write_state(self, record: LoadRecord, at: datetime) -> None:
        state = record.state
        if state is None:
            return
        self._insert(STATE_TABLE, state_row(record, at))
        if (oldest := state["_state_version"] - _KEPT_STATES) > 0:
            forget = statements.delete_up_to(self._dataset, STATE_TABLE, self._dialect)
            self._connection.execute(forget, [record.pipeline, oldest])

    def _insert(self, table: str, values: Mapping[str, Any]) -> None:
        sql = statements.insert_row(self._dataset, table, list(values), self._dialect)
        self._connection.execute(sql, list(values.values()))

    def close(self) -> None:
        """Roll back what isn't committed and disconnect."""
        self._connection.close()
