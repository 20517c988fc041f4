"""The driver's side of a Postgres session: statements, COPY, the transaction, and locks by name."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import psycopg
import pyarrow as pa

from ladle.destinations import dialect as statements
from ladle.destinations.dialect import Dialect
from ladle.destinations.postgres_copy import encoded
from ladle.destinations.postgres_errors import cause, explained, is_lost, refused, waited_too_long
from ladle.destinations.postgres_login import Login
from ladle.destinations.postgres_types import Encoder, column_type
from ladle.errors import CommitUnknown, DestinationError
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

_UNIQUE = (
    "SELECT i.relname, c.oid IS NOT NULL FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid "
    "JOIN pg_class t ON t.oid = x.indrelid JOIN pg_namespace n ON n.oid = t.relnamespace "
    "JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = x.indkey[0] "
    "LEFT JOIN pg_constraint c ON c.conindid = i.oid AND c.conrelid = t.oid "
    "WHERE x.indisunique AND x.indnkeyatts = 1 AND n.nspname = $1 AND t.relname = $2 AND a.attname = $3"
)
# Foreign keys are triggers, on both sides. Parts of a table may have some of their own.
_WATCHED = (
    "SELECT 1 FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace "
    "WHERE n.nspname = $1 AND c.relname = $2 AND (c.relkind <> 'r' OR c.relhassubclass OR c.relhastriggers "
    "OR c.relhasrules OR c.relrowsecurity OR NOT has_table_privilege(c.oid, 'DELETE') "
    "OR EXISTS (SELECT 1 FROM pg_publication_tables AS p WHERE p.schemaname = $1 AND p.tablename = $2))"
)
_HOLDERS = (
    "SELECT DISTINCT a.pid, a.usename::text, a.application_name, a.state, left(a.query, 80) "
    "FROM pg_locks AS l JOIN pg_stat_activity AS a ON a.pid = l.pid JOIN pg_class AS c ON c.oid = l.relation "
    "JOIN pg_namespace AS n ON n.oid = c.relnamespace "
    "WHERE l.granted AND l.pid <> pg_backend_pid() AND a.datname = current_database() "
    "AND n.nspname NOT IN ('pg_catalog', 'pg_toast', 'information_schema') LIMIT 3"
)

DIALECT = Dialect(
    "postgres",
    column_type,
    columns_query=_COLUMNS,
    dataset_query=_DATASET,
    staging="pg_temp",
    row_order="ctid",
    unique_query=_UNIQUE,
    # An UPDATE moves rows too, and joins the old ones with whole new ones instead of their keys; then the
    # table is read again to find which are new. Measured, 100,000 into a million: half of the server's time.
    replaces_rows=True,
    watched_query=_WATCHED,
    analyzes=True,
    # 3,000 rows tell as well as 30,000 how many have one key, in a third of the time.
    sampling="SET LOCAL default_statistics_target = 10",
)


class PostgresConnection:
    """The driver's side of a SQL session. Outside a transaction each statement commits by itself.

    Raises:
        DestinationError: no connection.
    """

    def __init__(self, login: Login, lock_wait_s: float, fence_wait_s: float) -> None:
        self._login = login
        self._lock_wait_s = lock_wait_s
        self._fence_wait_s = fence_wait_s
        self._bounded = False
        self._connection = connected(login)
        self._connection.isolation_level = psycopg.IsolationLevel.READ_COMMITTED

    def execute(self, sql: str, params: Sequence[Any] = ()) -> int:
        """Run a statement; return how many rows it changed."""
        with self._connection.cursor() as cursor:
            return cursor.execute(sql.encode(), params or None).rowcount

    def query(self, sql: str, params: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run a query; return all rows."""
        with self._connection.cursor() as cursor:
            return cursor.execute(sql.encode(), params or None).fetchall()

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
        pieces = _Pieces(encoded(encoder.schema, encoder.jsonb, encoder.encoded(batches)))
        sql = _copy(dataset, table.name, encoder.schema.names)
        with suppress(_GivenUp), self._connection.cursor() as cursor, cursor.copy(sql) as copy:
            for data in pieces:
                copy.write(data)
        if pieces.failure is not None:
            raise pieces.failure
        return pieces.rows

    def expect(self, batch_bytes: int, columns: int) -> None:
        """Nothing to do: a batch is encoded and sent, nothing is kept."""

    def begin(self) -> None:
        """Start a transaction that sees what others commit meanwhile."""
        self._bound_waits()
        self._connection.autocommit = False

    def commit(self) -> None:
        """Commit it.

        Raises:
            CommitUnknown: the line broke before the answer came.
        """
        try:
            self._connection.commit()
        except psycopg.Error as exc:
            if not is_lost(exc):
                raise
            raise CommitUnknown(
                "the connection was lost while committing", hint="run again: it looks for the load id first"
            ) from cause(exc, self._login)

    def _bound_waits(self) -> None:
        """Let statements wait for locks of others, who may be no loads, as long as for other loads."""
        if not self._bounded:
            self.execute(f"SET lock_timeout = {max(1, round(self._lock_wait_s * 1000))}")
            self._bounded = True

    def fence(self, load_id: str) -> bool:
        """Wait until no other session can commit the load; end the one that can, if it takes too long."""
        self._bound_waits()
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
        with suppress(psycopg.Error):
            self._connection.close()

    @contextmanager
    def errors(self, doing: str) -> Iterator[None]:
        """Turn the driver's errors into ours."""
        try:
            yield
        except psycopg.Error as exc:
            error = explained(exc, doing, self._login)
            if waited_too_long(exc):
                error = self._blocked(doing)
            raise error from cause(exc, self._login)

    def _blocked(self, doing: str) -> DestinationError:
        """Return the error for a wait that took too long; names who holds locks, as far as one may see."""
        found: list[tuple[Any, ...]] = []
        with suppress(psycopg.Error):
            self._connection.rollback()  # an error where no transaction is open
        with suppress(psycopg.Error):
            found = self.query(_HOLDERS)
        held = "; ".join(_holder(*row) for row in found) or "nobody that this user may see"
        pid = found[0][0] if found else "process"
        error = DestinationError(
            f"gave up {doing} after {self._lock_wait_s:g} s: another session holds a lock",
            expected=f"the lock to be free; those that hold some: {self._login.masked(held)}",
            hint=f"wait for it, or end it: SELECT pg_terminate_backend({pid}); the package is kept",
        )
        error.retryable = True
        return error


def connected(login: Login) -> psycopg.Connection[Any]:
    """Connect; each statement commits by itself.

    Raises:
        DestinationError: no connection.
    """
    try:
        # Statements aren't prepared: poolers in front of a server may not know them.
        return psycopg.connect(
            login.url, autocommit=True, prepare_threshold=None, cursor_factory=psycopg.RawCursor
        )
    except psycopg.Error as exc:
        error = refused(exc, login)
    raise error  # neither from nor beside the driver's, which holds what it connected with


def _holder(pid: int, user: str | None, program: str | None, state: str | None, query: str | None) -> str:
    """Say who holds a lock."""
    who = ", ".join(part for part in (f"user `{user}`", program, state) if part)
    return f"process {pid} ({who}: {' '.join((query or '').split())})"


class _GivenUp(Exception):
    """The rows to send could not be made: all that the server, and its log, hear of that."""


class _Pieces:
    """What is sent; counts rows, and keeps an error from the driver, which would send its text."""

    def __init__(self, pieces: Iterator[tuple[int, bytes]]) -> None:
        self._pieces = pieces
        self.rows = 0
        self.failure: Exception | None = None

    def __iter__(self) -> Iterator[bytes]:
        try:
            for rows, data in self._pieces:
                yield data
                self.rows += rows
        except Exception as exc:  # noqa: BLE001 - raised again once the COPY has ended
            self.failure = exc
            raise _GivenUp from None


def _copy(dataset: str, table: str, columns: Sequence[str]) -> bytes:
    place = DIALECT.sql(statements.table_ref(dataset, table))
    names = ", ".join(DIALECT.sql(statements.column_ref(name)) for name in columns)
    return f"COPY {place} ({names}) FROM STDIN (FORMAT binary)".encode()


def _key(*words: str) -> int:
    digest = hashlib.blake2b("\0".join(("ladle", *words)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)
