"""DuckDB: the embedded default. One file, one transaction per load, rows in as Arrow."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any

import duckdb
import pyarrow as pa

from ladle.config import context
from ladle.config.settings import searched
from ladle.destinations import dialect as statements
from ladle.destinations.base import Session
from ladle.destinations.capabilities import Capabilities, capabilities, overridden
from ladle.destinations.dialect import Dialect
from ladle.destinations.duckdb_errors import explained, first_line
from ladle.destinations.duckdb_ingest import ROW_GROUP, cut, kept, row_groups
from ladle.destinations.duckdb_opening import opened
from ladle.destinations.duckdb_rewrite import rewrite
from ladle.destinations.duckdb_types import check_type, column_type, compression
from ladle.destinations.duckdb_waiting import FEW_BYTES, few, wait_in_arrow, wait_in_table
from ladle.destinations.reading import Reader, SqlReader
from ladle.destinations.sql import SqlSession
from ladle.errors import DestinationError, UsageError
from ladle.schema.change import MERGES, REPLACES, Limits
from ladle.schema.lattice import EVERYWHERE
from ladle.schema.table import Table

_URL = re.compile(r"\w\w+:")  # a database that isn't a file of this machine, as MotherDuck's
_UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB", "PiB")
_SOURCE = "_ladle_batches"
_COUNTED = ("INSERT", "UPDATE", "DELETE", "MERGE", "CREATE TEMPORARY TABLE")
_MEMORY_BYTES = 64 << 20
_BATCHES_IN_MEMORY = 16
_MERGE_BYTES = 512 << 20  # measured, 100,000 rows into a million: half takes twice the CPU time
_WORN = 0.2  # of a table's rows that are gone, from which on a merge moves the others together
_ROWS_KEPT = (
    "SELECT estimated_size FROM duckdb_tables() "
    "WHERE database_name = current_database() AND schema_name = $1 AND table_name = $2"
)
_SETTINGS = "SELECT current_setting('memory_limit'), current_setting('threads')"
_HELPERS_BYTES = 512 << 20
_HELPER_BYTES = (
    17 << 20
)  # for each column: DuckDB wants 4 MB of a quarter of the limit, or a thread stays idle
_COLUMN_BYTES = 1 << 20  # a block and a half for each column that is being written, on each thread
_LIMITS = Limits(
    max_table_name=None,
    max_column_name=None,
    wei_digits=38,
    merges=MERGES,
    replaces=REPLACES,
    renames=True,
    in_place=EVERYWHERE,
    decimal_digits=38,
    folds_case=True,
)


DIALECT = Dialect(
    "duckdb",
    column_type,
    column_suffix=compression,
    replaces_rows=True,  # a checkpoint writes each column anew of which a value was changed, for all rows
    rewrite=rewrite,
    # Half the time of the information schema's, which is a view of this.
    columns_query="SELECT table_name, column_name, data_type FROM duckdb_columns() "
    "WHERE database_name = current_database() AND schema_name = $1 ORDER BY column_index",
)


@dataclass(frozen=True)
class DuckDb:
    """A DuckDB database file, or an open connection.

    Args:
        path: of the file; None for `<pipeline name>.duckdb` in the current folder.
        connection: an open connection to use instead; it is not closed.
        name: of the destination.
        lock_wait_s: seconds to wait while another process holds the file.
        configured: the path is that of the configuration.

    Guarantee: G4. All tables, the state and the loads row of a load become visible in one transaction.
    """

    path: str | None = None
    connection: duckdb.DuckDBPyConnection | None = field(default=None, compare=False)
    name: str = "duckdb"
    lock_wait_s: float = 30.0
    type_name: str = "duckdb"
    guarantee: str = "G4"
    dataset_named: bool = True
    streams: bool = True
    sql_dialect: str = "duckdb"
    limits: Limits = _LIMITS
    configured: bool = field(default=False, compare=False)

    @property
    def destination_name(self) -> str:
        """The same as `name`."""
        return self.name

    def capabilities(self) -> Capabilities:
        """Return what it can hold and how names are made for it."""
        return capabilities(self.limits)

    def bound(self, pipeline: str) -> DuckDb:
        """Return the destination with its file name: that configured for the pipeline, if there is one."""
        if self.configured:
            with context.of_pipeline(pipeline):
                return replace(self, path=_file(_configured(self.name)), configured=False).bound(pipeline)
        if self.path is not None or self.connection is not None:
            return self
        stem = pipeline if self.name == self.type_name else self.name
        return replace(self, path=f"{stem}.duckdb")

    def displayable(self) -> str:
        """Return the path of the file."""
        return os.path.abspath(self.path) if self.path else "an open connection"

    def open(self, dataset: str) -> Session:
        """Connect; waits while another process holds the file.

        Raises:
            DestinationError: the file can't be opened, or stays locked.
        """
        return SqlSession(self.connect(dataset), DIALECT, dataset)

    def reader(self, dataset: str) -> Reader:
        """Connect to read; waits while another process holds the file.

        Raises:
            DestinationError: the file can't be opened, or stays locked.
        """
        return SqlReader(self.connect(dataset), DIALECT, dataset)

    def connect(self, dataset: str) -> DuckDbConnection:
        """Open a connection of its own (a cursor, where an open connection was given)."""
        if self.connection is not None:
            return DuckDbConnection(self.connection.cursor(), owned=False)
        return DuckDbConnection(opened(self._path(dataset), self.lock_wait_s), owned=True)

    def missing(self, dataset: str) -> bool:
        """Whether there is no file yet, and its folder is one where it can be made.

        Making it takes longer than all else in a small load: that is left to the load itself.
        """
        if self.connection is not None or _URL.match(self.path or ""):
            return False
        path = os.path.abspath(self._path(dataset))
        return not os.path.exists(path) and os.access(os.path.dirname(path), os.W_OK | os.X_OK)

    def _path(self, dataset: str) -> str:
        path = self.path or ""
        if os.path.splitext(os.path.basename(path))[0] == dataset:
            raise DestinationError(
                f"the dataset `{dataset}` has the same name as the database file `{path}`",
                hint="DuckDB can't tell them apart in a query; choose another dataset_name or file name",
            )
        return path


class DuckDbConnection:
    """The driver's side of a SQL session."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, owned: bool) -> None:
        self._connection = connection
        self._owned = owned
        self._open_transaction = False
        self._memory_limit: str | None = None
        self._limit_bytes = 0
        self._worn: bool | None = None
        self._in_arrow: dict[str, bool] = {}  # of each table of waiting rows, whether they are
        self._room_bytes = FEW_BYTES
        self._most_waiting = 0  # rows, of one table
        self._all_threads = 0  # to go back to; 0 where frames come, which take them all

    def execute(self, sql: str, params: Sequence[Any] = ()) -> int:
        """Run a statement; return how many rows it changed."""
        with self._one_thread() if self._is_small_insert(sql) else nullcontext():
            found = self._connection.execute(sql, list(params) or None)
            row = found.fetchone() if sql.startswith(_COUNTED) else None
        return -1 if row is None else int(row[0])

    def query(self, sql: str, params: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run a query; return all rows."""
        return self._connection.execute(sql, list(params) or None).fetchall()

    def ingest(
        self,
        dataset: str,
        table: Table,
        there: Mapping[str, str],
        schema: pa.Schema,
        batches: Iterable[pa.RecordBatch],
    ) -> int:
        """Insert from an Arrow stream; rows keep their order.

        Memory: O(batch), and 64 MB for rows that are to be merged.

        Raises:
            DestinationError: a column is there with a type that would lose or refuse values.
        """
        for name in schema.names:
            check_type(table, table.columns[name], there[name])
        pa.default_memory_pool().release_unused()
        known = pa.schema([f.with_type(kept(f.type)) for f in schema])
        if known != schema:
            schema, batches = known, (cut(batch, known) for batch in batches)
        if dataset == DIALECT.staging:
            self._expect_merge()
            waiting, batches = self._waiting(table.name, {n: there[n] for n in schema.names}, batches)
            if waiting:
                return waiting
        if not self._all_threads:
            batches = row_groups(schema, batches)
        with self._source(pa.RecordBatchReader.from_batches(schema, batches)):
            insert = statements.insert_select(dataset, table.name, schema.names, _SOURCE)
            rows = self._connection.execute(DIALECT.sql(insert)).fetchone()
        count = int(rows[0]) if rows else 0
        if dataset == DIALECT.staging:
            self._most_waiting = max(self._most_waiting, count)
        return count

    def _waiting(
        self, name: str, types: Mapping[str, str], batches: Iterable[pa.RecordBatch]
    ) -> tuple[int, Iterator[pa.RecordBatch]]:
        """Let a few rows wait in Arrow; return how many, or the batches to be written to their table."""
        rows, more = few(batches, self._room_bytes)
        stay = bool(rows) and name not in self._in_arrow
        if self._in_arrow.get(name):
            wait_in_table(self._connection, name, types, DIALECT)
        self._in_arrow[name] = stay
        if not stay:
            return 0, chain(rows, more)
        wait_in_arrow(self._connection, name, types, pa.Table.from_batches(rows), DIALECT)
        self._room_bytes -= sum(batch.nbytes for batch in rows)
        count = sum(batch.num_rows for batch in rows)
        self._most_waiting = max(self._most_waiting, count)
        return count, more

    def _is_small_insert(self, sql: str) -> bool:
        """Whether a statement adds waiting rows that are less than a row group, and looks at no others.

        There is nothing in it to share: several threads take longer.
        """
        few_wait = 0 < self._most_waiting < ROW_GROUP
        return few_wait and sql.startswith("INSERT") and "SELECT" in sql and "EXISTS" not in sql

    @contextmanager
    def _source(self, reader: pa.RecordBatchReader) -> Iterator[None]:
        """Have batches as a table for one statement.

        Batches of rows come slower than one thread takes them. Alone, it adds each as it comes and
        compresses each row group once it is full; two would first gather them, to keep their order.
        """
        self._connection.register(_SOURCE, reader)
        try:
            with self._one_thread():
                yield
        finally:
            with suppress(duckdb.Error):  # the insert's own error has ended the transaction
                self._connection.unregister(_SOURCE)

    @contextmanager
    def _one_thread(self) -> Iterator[None]:
        """Have one thread work, where rows come and no frames."""
        if self._all_threads > 1:
            self._connection.execute("SET threads = 1")
        try:
            yield
        finally:
            if self._all_threads > 1:
                with suppress(duckdb.Error):  # `close` does it then
                    self._connection.execute(f"SET threads = {self._all_threads}")

    def expect(self, batch_bytes: int, columns: int) -> None:
        """Bound DuckDB's memory for the load: its default, 80% of the machine, is too much for a guest."""
        if not self._owned:
            return
        found = self._connection.execute(_SETTINGS).fetchone()
        self._memory_limit, threads = found or (None, 1)
        self._all_threads = 0
        batches = max(_MEMORY_BYTES, _BATCHES_IN_MEMORY * batch_bytes)
        self._limit_bytes = batches + columns * _COLUMN_BYTES
        if batches > _MEMORY_BYTES and self._memory_limit is not None:
            # Frames come faster than one thread takes them; batches of rows, which are small, don't.
            most = min(_HELPERS_BYTES, _bytes(self._memory_limit))
            helper = columns * _HELPER_BYTES
            self._limit_bytes = max(self._limit_bytes, min(threads - 1, most // helper) * helper)
        else:
            self._all_threads = threads  # 1 may be another load's doing, which then sets it back itself
        self._connection.execute(f"SET memory_limit = '{self._limit_bytes}B'")

    def _expect_merge(self) -> None:
        """Let DuckDB have more: joins, and a checkpoint of row groups all over the table, are to come."""
        if self._memory_limit is None or self._limit_bytes >= _MERGE_BYTES:
            return
        self._limit_bytes = min(_bytes(self._memory_limit), _MERGE_BYTES)
        self._connection.execute(f"SET memory_limit = '{self._limit_bytes}B'")

    def begin(self) -> None:
        """Start a transaction."""
        self._connection.begin()
        self._open_transaction = True

    def commit(self) -> None:
        """Commit it."""
        self._connection.commit()
        self._open_transaction = False

    def fence(self, load_id: str) -> bool:
        """Nothing to do: a process that is gone doesn't hold the file, and what it left is rolled back."""
        return False

    def lock(self, *names: str) -> None:
        """Nothing to do: writers of one file are serialised by the file's lock and by conflict detection."""

    def lock_table(self, dataset: str, table: str) -> None:
        """Nothing to lock; but rows will go, and to move the others together can wait until many have gone.

        DuckDB would do so at each checkpoint, wherever a row went: that takes longer than the merge itself.
        Row groups of which nothing is left go all the same.
        """
        if not self._owned or self._worn:
            return
        found = self.query(_ROWS_KEPT, [dataset, table])
        kept_rows = found[0][0] if found else 0
        ref = DIALECT.sql(statements.table_ref(dataset, table))
        live = self.query(f"SELECT count(*) FROM {ref}")[0][0] if kept_rows > ROW_GROUP else kept_rows
        self._worn = kept_rows - live > kept_rows * _WORN
        self._connection.execute("RESET max_vacuum_tasks" if self._worn else "SET max_vacuum_tasks = 0")

    def end(self, *, commit: bool) -> None:
        """End a transaction."""
        if commit:
            self.commit()
        elif self._open_transaction:
            self._open_transaction = False
            try:
                self._connection.rollback()
            except duckdb.Error:
                pass  # the transaction ended with the error that brought us here

    @property
    def native(self) -> duckdb.DuckDBPyConnection:
        """DuckDB's own connection."""
        return self._connection

    def use(self, dataset: str) -> None:
        """Look up names without a schema in the dataset, and not in Python; timestamps come in UTC."""
        self._connection.execute("SET TimeZone = 'UTC'")
        self._connection.execute("SET python_enable_replacements = false")
        self._connection.execute(f"SET schema = '{_name(dataset)}'")

    @contextmanager
    def stream(self, sql: str, params: Sequence[Any], batch_rows: int) -> Iterator[pa.RecordBatchReader]:
        """Run a query; its rows come as they are read. Memory: O(batch)."""
        # Not `execute`: its results are copied as a whole.
        found: Any = self._connection.sql(sql, params=list(params) or None)
        if found is None:  # DuckDB 1.x, where a statement has no rows
            yield pa.RecordBatchReader.from_batches(pa.schema([]), [])
            return
        # DuckDB 1.x calls it fetch_arrow_reader
        read = found.to_arrow_reader if hasattr(found, "to_arrow_reader") else found.fetch_arrow_reader
        reader = read(batch_rows)
        try:
            yield reader
        finally:
            del reader, found

    def close(self) -> None:
        """Roll back what isn't committed; close the connection if it is ours."""
        self.end(commit=False)
        if self._worn is False:
            # Closing would make a checkpoint with the setting of all others.
            with suppress(duckdb.Error):
                self._connection.execute("CHECKPOINT")
            self._connection.execute("RESET max_vacuum_tasks")
            self._worn = None
        if self._memory_limit is not None:
            # The limits are the database's, not the connection's: others of this process may have it open.
            with suppress(duckdb.Error):
                self._connection.execute(f"SET memory_limit = '{self._memory_limit}'")
                if self._all_threads > 1:
                    self._connection.execute(f"SET threads = {self._all_threads}")
            self._memory_limit = None
        self._connection.close()

    @contextmanager
    def errors(self, doing: str) -> Iterator[None]:
        """Turn DuckDB's errors into ours."""
        try:
            yield
        except duckdb.Error as exc:
            raise explained(exc, doing) from exc

    @contextmanager
    def read_errors(self, doing: str) -> Iterator[None]:
        """Turn DuckDB's errors into ours, outside a load."""
        try:
            yield
        except duckdb.Error as exc:
            raise DestinationError(f"DuckDB failed while {doing}: {first_line(exc)}") from exc


def _bytes(size: str) -> int:
    """Return what DuckDB spells `18.6 GiB`."""
    number, unit = size.split()
    return int(float(number) * 1024 ** _UNITS.index(unit))


def _name(dataset: str) -> str:
    """Quote a name inside a literal, as `SET schema` wants it."""
    quoted = '"' + dataset.replace('"', '""') + '"'
    return quoted.replace("'", "''")


def duckdb_destination(
    credentials: str | os.PathLike[str] | duckdb.DuckDBPyConnection | None = None,
    *,
    destination_name: str | None = None,
    lock_wait_s: float = 30.0,
    **capability: Any,
) -> DuckDb:
    """Load into a DuckDB database.

    Args:
        credentials: path of the file, `duckdb:///path`, or an open connection. None: that of the
            configuration, `DESTINATION__DUCKDB__CREDENTIALS` or `[destination.duckdb] credentials`, else
            `<pipeline name>.duckdb` in the current folder.
        destination_name: a name of its own; then the default file is `<destination_name>.duckdb`.
        lock_wait_s: seconds to wait while another process holds the file.
        capability: `naming_convention`, `max_table_nesting` and others of `Capabilities`.

    Raises:
        UsageError: `:memory:` without a connection: its data would be gone when the load ends; a capability
            that it hasn't.
    """
    name = destination_name or "duckdb"
    limits = overridden(_LIMITS, capability, "duckdb", ("credentials", "destination_name", "lock_wait_s"))
    if isinstance(credentials, duckdb.DuckDBPyConnection):
        return DuckDb(connection=credentials, name=name, limits=limits)
    made = DuckDb(name=name, lock_wait_s=lock_wait_s, limits=limits)
    if credentials is None:
        return replace(made, path=_file(_configured(name)), configured=True)
    return replace(made, path=_file(str(credentials)))


def _configured(name: str) -> str | None:
    """Return the file of the configuration: `credentials`, or `database` of the table of that name."""
    at = ("destination", name)
    return searched("credentials", at) or searched("database", at, ("credentials",))


def _file(path: str | None) -> str | None:
    """Return the path of a file, None for the one that has the pipeline's name.

    Raises:
        UsageError: a database in memory.
    """
    if path is None or path == ":pipeline:":
        return None
    path = path.removeprefix("duckdb:///")
    if path == ":memory:":
        raise UsageError(
            "a DuckDB database in memory is gone when the load ends",
            hint="open it yourself and pass it: ladle.destinations.duckdb(duckdb.connect())",
        )
    return path
