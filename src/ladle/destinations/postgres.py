"""Postgres 15 and later: one transaction per load, rows in by binary COPY from Arrow (ADBC)."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any

import adbc_driver_manager as adbc
import adbc_driver_postgresql
import pyarrow as pa

from ladle.destinations import dialect as statements
from ladle.destinations import postgres_login
from ladle.destinations.base import Session
from ladle.destinations.dialect import Dialect
from ladle.destinations.postgres_errors import cause, explained, is_lost, refused
from ladle.destinations.postgres_login import Login
from ladle.destinations.postgres_types import Encoder, column_type
from ladle.destinations.sql import SqlSession
from ladle.errors import CommitUnknown, DestinationError, UsageError
from ladle.schema.change import Limits
from ladle.schema.table import Table

# The catalog itself: information_schema takes ten times as long, and hides what the user may not touch.
_COLUMNS = (
    "SELECT c.relname::text, a.attname::text, format_type(a.atttypid, a.atttypmod) FROM pg_attribute AS a "
    "JOIN pg_class AS c ON c.oid = a.attrelid JOIN pg_namespace AS n ON n.oid = c.relnamespace "
    "WHERE n.nspname = $1 AND a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'p', 'f', 'v', 'm') "
    "ORDER BY a.attnum"
)
_DATASET = "SELECT 1 FROM pg_namespace WHERE nspname = $1"
_TRY_LOCK = "SELECT pg_try_advisory_xact_lock($1)"
_HOLDER = (
    "FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 1 AND pid <> pg_backend_pid() "
    "AND database = (SELECT oid FROM pg_database WHERE datname = current_database()) "
    "AND ((classid::bigint << 32) | objid::bigint) = $1"
)
_MAX_BYTES = 63
_LIMITS = Limits(max_table_name=_MAX_BYTES, max_column_name=_MAX_BYTES, wei_digits=76, holds_nul=False)

DIALECT = Dialect("postgres", column_type, columns_query=_COLUMNS, dataset_query=_DATASET)


@dataclass(frozen=True)
class Postgres:
    """A Postgres database.

    Args:
        login: how to connect; None where no credentials were found.
        name: of the destination.
        create_indexes: make a unique index on new tables for each unique column, as `_dlt_id` is.
        lock_wait_s: seconds to wait for other loads of the pipeline, or that change the dataset's tables.
        fence_wait_s: seconds to wait for a session that an earlier try left, before ending it.

    Guarantee: G4. All tables, the state and the loads row of a load become visible in one transaction.
    """

    login: Login | None
    name: str = "postgres"
    create_indexes: bool = True
    lock_wait_s: float = 600.0
    fence_wait_s: float = 10.0
    type_name: str = "postgres"
    guarantee: str = "G4"
    dataset_named: bool = True
    limits: Limits = _LIMITS

    def bound(self, pipeline: str) -> Postgres:
        """Return the destination itself: nothing of it depends on the pipeline."""
        return self

    def displayable(self) -> str:
        """Return the URL without password."""
        return self.login.shown if self.login else "no credentials"

    def open(self, dataset: str) -> Session:
        """Connect.

        Raises:
            ConfigError: no credentials.
            DestinationError: no connection.
            UsageError: the server would cut the dataset's name.
        """
        if len(dataset.encode()) > _MAX_BYTES:
            raise UsageError(
                f"the dataset name `{dataset}` is too long", expected=f"at most {_MAX_BYTES} bytes"
            )
        return SqlSession(self.connect(), replace(DIALECT, unique_indexes=self.create_indexes), dataset)

    def connect(self) -> PostgresConnection:
        """Open a connection of its own."""
        if self.login is None:
            raise postgres_login.missing(self.name)
        try:
            connection = adbc.AdbcConnection(self._database)
        except adbc.Error as exc:
            raise refused(exc, self.login) from cause(exc, self.login)
        return PostgresConnection(connection, self.login, self.lock_wait_s, self.fence_wait_s)

    @cached_property
    def _database(self) -> adbc.AdbcDatabase:
        # No connection: the types that the server knows. Reading them takes longer than connecting.
        assert self.login is not None
        database: adbc.AdbcDatabase = adbc_driver_postgresql.connect(self.login.url)
        return database

    def __getstate__(self) -> dict[str, Any]:
        return {f.name: getattr(self, f.name) for f in fields(self)}


class PostgresConnection:
    """The driver's side of a SQL session. Outside a transaction each statement commits by itself."""

    def __init__(
        self, connection: adbc.AdbcConnection, login: Login, lock_wait_s: float, fence_wait_s: float
    ) -> None:
        self._connection = connection
        self._login = login
        self._lock_wait_s = lock_wait_s
        self._fence_wait_s = fence_wait_s

    def execute(self, sql: str, params: Sequence[Any] = ()) -> None:
        """Run a statement."""
        with self._statement(sql, params) as statement:
            statement.execute_update()

    def query(self, sql: str, params: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run a query; return all rows."""
        with self._statement(sql, params) as statement:
            stream, _ = statement.execute_query()
            table = pa.RecordBatchReader.from_stream(stream).read_all()
        return list(zip(*(column.to_pylist() for column in table.columns), strict=True))

    @contextmanager
    def _statement(self, sql: str, params: Sequence[Any]) -> Iterator[adbc.AdbcStatement]:
        statement = adbc.AdbcStatement(self._connection)
        try:
            statement.set_sql_query(sql)
            if params:
                arrays = [pa.array([value]) for value in params]
                statement.bind(pa.RecordBatch.from_arrays(arrays, names=[str(i) for i in range(len(arrays))]))
            yield statement
        finally:
            statement.close()

    def ingest(
        self,
        dataset: str,
        table: Table,
        there: Mapping[str, str],
        schema: pa.Schema,
        batches: Iterable[pa.RecordBatch],
    ) -> int:
        """COPY in binary form; columns are matched by name. Memory: O(batch)."""
        encoder = Encoder(table, schema, there)
        rows = _Stream(encoder.encoded(batches))
        statement = adbc.AdbcStatement(self._connection)
        try:
            statement.set_options(
                **{
                    adbc.INGEST_OPTION_TARGET_TABLE: table.name,
                    "adbc.ingest.target_db_schema": dataset,
                    adbc.INGEST_OPTION_MODE: adbc.INGEST_OPTION_MODE_APPEND,
                }
            )
            statement.bind_stream(pa.RecordBatchReader.from_batches(encoder.schema, rows))
            statement.execute_update()
        except adbc.Error:
            if rows.failure is not None:
                raise rows.failure from rows.failure.__cause__
            raise
        finally:
            statement.close()
        return rows.count

    def expect(self, batch_bytes: int, columns: int) -> None:
        """Nothing to do: a batch is encoded and sent, nothing is kept."""

    def begin(self) -> None:
        """Start a transaction that sees what others commit meanwhile."""
        self._connection.set_autocommit(False)
        self.execute("SET TRANSACTION ISOLATION LEVEL READ COMMITTED")

    def commit(self) -> None:
        """Commit it.

        Raises:
            CommitUnknown: the line broke before the answer came.
        """
        try:
            self._connection.commit()
        except adbc.Error as exc:
            if not is_lost(exc):
                raise
            raise CommitUnknown(
                "the connection was lost while committing", hint="run again: it looks for the load id first"
            ) from cause(exc, self._login)

    def fence(self, load_id: str) -> bool:
        """Wait until no other session can commit the load; end the one that can, if it takes too long."""
        key = _key("load", load_id)
        if self._locked(key, self._fence_wait_s):
            return True
        # It lost its client, or was given up. It may be in the middle of its commit: that is all or nothing.
        self.query(f"SELECT pg_terminate_backend(pid) {_HOLDER}", [key])
        if not self._locked(key, self._fence_wait_s):
            raise self._held(f"load `{load_id}`", key, self._fence_wait_s)
        return True

    def lock(self, *names: str) -> None:
        """Keep out other sessions that lock one of the names, until the transaction ends."""
        for name in sorted(names):
            key = _key("name", name)
            if not self._locked(key, self._lock_wait_s):
                raise self._held(name, key, self._lock_wait_s)

    def _locked(self, key: int, wait_s: float) -> bool:
        # Not a statement that waits: Python could not be interrupted meanwhile.
        deadline = time.monotonic() + wait_s
        pause_s = 0.005
        while not self.query(_TRY_LOCK, [key])[0][0]:
            if time.monotonic() > deadline:
                return False
            time.sleep(pause_s)
            pause_s = min(pause_s * 1.5, 0.25)
        return True

    def _held(self, name: str, key: int, wait_s: float) -> DestinationError:
        pids = [pid for (pid,) in self.query(f"SELECT pid {_HOLDER}", [key])]
        error = DestinationError(
            f"another session (process {pids}) still holds {name} after {wait_s:g} s",
            hint="wait for it, or end it: SELECT pg_terminate_backend(process); the package is kept",
        )
        error.retryable = True
        return error

    def lock_table(self, dataset: str, table: str) -> None:
        """Keep other writers from a table; readers go on."""
        ref = DIALECT.sql(statements.table_ref(dataset, table))
        self.execute(f"LOCK TABLE {ref} IN SHARE ROW EXCLUSIVE MODE")

    def close(self) -> None:
        """Disconnect; the server rolls back what isn't committed."""
        with suppress(adbc.Error):
            self._connection.close()

    @contextmanager
    def errors(self, doing: str) -> Iterator[None]:
        """Turn the driver's errors into ours."""
        try:
            yield
        except adbc.Error as exc:
            raise explained(exc, doing, self._login) from cause(exc, self._login)


class _Stream:
    """Batches for the driver, which hands on only texts of errors: keeps the error, and counts rows."""

    def __init__(self, batches: Iterator[pa.RecordBatch]) -> None:
        self._batches = batches
        self.count = 0
        self.failure: BaseException | None = None

    def __iter__(self) -> _Stream:
        return self

    def __next__(self) -> pa.RecordBatch:
        try:
            batch = next(self._batches)
        except StopIteration:
            raise
        except BaseException as exc:
            self.failure = exc
            raise
        self.count += batch.num_rows
        return batch


def _key(*words: str) -> int:
    digest = hashlib.blake2b("\0".join(("ladle", *words)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)


def postgres_destination(
    credentials: str | Mapping[str, Any] | None = None,
    *,
    destination_name: str | None = None,
    create_indexes: bool = True,
    lock_wait_s: float = 600.0,
) -> Postgres:
    """Load into a Postgres database, version 15 or later.

    Args:
        credentials: `postgresql://user:password@host:5432/database?sslmode=require`, or a mapping with `host`,
            `port`, `username`, `password`, `database` and options of libpq. None: the environment's
            `DESTINATION__POSTGRES__CREDENTIALS`, or its parts, e.g. `.._CREDENTIALS__PASSWORD`.
        destination_name: a name of its own, which also is the one in `DESTINATION__<NAME>__CREDENTIALS`.
        create_indexes: make a unique index for each column that is declared unique, as `_dlt_id` is.
        lock_wait_s: seconds to wait for other loads that have to go first.

    Raises:
        UsageError: the credentials aren't a Postgres URL or a mapping.
    """
    name = destination_name or "postgres"
    return Postgres(postgres_login.login(credentials, name), name, create_indexes, lock_wait_s)
