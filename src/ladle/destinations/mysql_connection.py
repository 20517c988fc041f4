"""The driver's side of a MySQL session: statements, rows in bulk, the transaction, and locks by name."""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import pyarrow as pa
from pymysql import err

from ladle.destinations import dialect as statements
from ladle.destinations import mysql_bulk
from ladle.destinations.ahead import ahead
from ladle.destinations.mysql_dialect import DIALECT
from ladle.destinations.mysql_errors import (
    cause,
    code_of,
    counted,
    explained,
    is_lost,
    placed,
    unread,
    value_error,
    waited_too_long,
)
from ladle.destinations.mysql_line import Line
from ladle.destinations.mysql_load import Rows
from ladle.destinations.mysql_login import Login
from ladle.destinations.mysql_read import batches as read_batches
from ladle.destinations.mysql_read import schema_of
from ladle.errors import CommitUnknown, DestinationError
from ladle.schema.table import Table

_LOG = logging.getLogger("ladle")
_WRITERS = 8
"""How many appends to one table go on at once; each has a lock, who changes rows that are there takes all."""
_WAIT_S = 1.0
_UNKNOWN_THREAD = 1094
# Who has a transaction open, or works in the dataset: locks of whole tables are listed nowhere.
_HOLDERS = """
SELECT p.id, p.user, p.command, p.time, t.trx_id IS NOT NULL FROM information_schema.processlist AS p
LEFT JOIN information_schema.innodb_trx AS t ON t.trx_mysql_thread_id = p.id
WHERE p.id <> CONNECTION_ID() AND p.user NOT IN ('system user', 'event_scheduler')
AND (t.trx_id IS NOT NULL OR p.db = ?1) ORDER BY t.trx_id IS NULL, p.id LIMIT 3
"""


class MySqlConnection:
    """The driver's side of a SQL session. Outside a transaction each statement commits by itself.

    Args:
        line: open, its session set up.
        login: it was made with.
        dataset: its name is part of all names of locks, as those are the whole server's.
        lock_wait_s: seconds to wait for other loads.
        fence_wait_s: seconds to wait for a session that an earlier try left, before ending it.

    `has_rows`: whether rows wait for the commit that came in bulk.
    """

    def __init__(
        self, line: Line, login: Login, dataset: str, lock_wait_s: float, fence_wait_s: float
    ) -> None:
        self._line = line
        self._login = login
        self._dataset = dataset
        self._lock_wait_s = lock_wait_s
        self._fence_wait_s = fence_wait_s
        self._in_load = False
        self._warned = False
        self.has_rows = False
        packet, local = line.run("SELECT @@max_allowed_packet, @@local_infile")[0]
        self._packet_bytes, self._loads = packet, bool(local)

    def execute(self, sql: str, params: Sequence[Any] = ()) -> int:
        """Run a statement; return how many rows it concerned."""
        return self._line.change(sql, params)

    def query(self, sql: str, params: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run a query; return all rows, values but whole numbers as text."""
        return self._line.run(sql, params)

    def ingest(
        self,
        dataset: str,
        table: Table,
        there: Mapping[str, str],
        schema: pa.Schema,
        batches: Iterable[pa.RecordBatch],
    ) -> int:
        """Add rows: in bulk at MariaDB, else by LOAD DATA LOCAL or, last, by INSERT. Memory: O(batch)."""
        if table.name in there or not table.name.startswith("_ladle_new_"):
            self._share(f"table `{dataset}`.`{table.name}`")
        self.has_rows = True
        rows = Rows(table, schema, there, self._packet_bytes)
        into = DIALECT.sql(statements.table_ref(dataset, table.name))
        if self._line.takes_bulk and mysql_bulk.code is not None:
            return self._send_messages(rows, into, batches)
        return self._send_text(rows, into, batches, 0)

    def _send_messages(self, rows: Rows, into: str, batches: Iterable[pa.RecordBatch]) -> int:
        stored = 0
        with self._line.prepared(rows.insert_statement(into)) as statement:
            for piece, found in ahead(rows.messages(batches)):
                if not found:
                    stored += self._send_text(rows, into, [piece], stored)
                before = stored
                for message in found:
                    with _placed(stored, piece.slice(stored - before)):
                        done, warned = self._line.bulk(statement, message)
                    if warned:
                        self._check_warnings(rows.table, stored)
                    stored += done
        return stored

    def _send_text(self, rows: Rows, into: str, batches: Iterable[pa.RecordBatch], before: int) -> int:
        if not self._loads:
            return self._send_inserts(rows, into, batches, before)
        with _placed(before):
            stored, warned = self._line.load(rows.load_statement(into), ahead(rows.lines(batches)))
        if warned:
            self._check_warnings(rows.table, before)
        return stored

    def _send_inserts(self, rows: Rows, into: str, batches: Iterable[pa.RecordBatch], before: int) -> int:
        if not self._warned:
            _LOG.warning(
                "the MySQL server takes no LOAD DATA LOCAL (local_infile is off): rows go in by INSERT, "
                "which is slower; SET GLOBAL local_infile=1 there changes that"
            )
        self._warned = True
        stored = 0
        for statement in rows.inserts(into, batches):
            with _placed(before + stored):
                stored += self._line.change(statement)
        return stored

    def _check_warnings(self, table: str, before: int) -> None:
        """Refuse rows that the server changed or left out: LOAD DATA only warns, whatever the sql_mode."""
        for level, code, text in self.query("SHOW WARNINGS LIMIT 100"):
            if level != "Note":
                what = f"{counted(text, before)} ({code})"
                raise value_error(int(code), what, f"writing table `{table}`", table)

    def expect(self, batch_bytes: int, columns: int) -> None:
        """Nothing to do: a batch is spelled and sent, nothing is kept."""

    def begin(self) -> None:
        """Start a transaction that sees what others commit meanwhile; one after each change of tables."""
        self.execute("SET autocommit = 0")
        self._in_load = True

    def commit(self) -> None:
        """Commit it.

        Raises:
            CommitUnknown: the line broke before the answer came.
        """
        try:
            self._line.commit()
        except err.MySQLError as exc:
            if not is_lost(exc):
                raise
            raise CommitUnknown(
                "the connection was lost while committing", hint="run again: it looks for the load id first"
            ) from cause(exc, self._login)
        with suppress(err.MySQLError):  # what is committed is committed
            self.execute("SET autocommit = 1")
            self._release()

    def fence(self, load_id: str) -> bool:
        """Wait until no other session can commit the load; end the one that can, if it takes too long."""
        name = f"load `{load_id}`"
        if not self._locked(name, self._fence_wait_s):
            # It lost its client, or was given up. It may be in mid-commit: that is all or nothing.
            self._end_holder(name)
            if not self._locked(name, self._fence_wait_s):
                raise self._held(name, self._fence_wait_s)
        if not self._in_load:
            self._release()
        return True

    def _end_holder(self, name: str) -> None:
        for holder in self._holders(name):
            try:
                self.execute(f"KILL {holder}")
            except err.MySQLError as exc:
                if code_of(exc) != _UNKNOWN_THREAD:
                    raise

    def lock(self, *names: str) -> None:
        """Keep out other sessions that lock one of the names, until the load ends."""
        for name in sorted(names):
            self._wait_for(name)

    def lock_table(self, dataset: str, table: str) -> None:
        """Keep other loads from a table; readers go on, and so do writers that aren't loads."""
        for number in range(_WRITERS):
            self._wait_for(f"table `{dataset}`.`{table}` {number}")

    def _share(self, name: str) -> None:
        """Keep out those that change a table's rows, not those that add some."""
        names = [f"{name} {number}" for number in range(_WRITERS)]
        first = self._line.thread_id() % _WRITERS
        for one in (*names[first:], *names[:first]):
            if self._locked(one, 0):
                return
        # In the server, which notices where two wait for each other.
        self._wait_for(names[first])

    def _wait_for(self, name: str) -> None:
        if not self._locked(name, self._lock_wait_s):
            raise self._held(name, self._lock_wait_s)

    def _locked(self, name: str, wait_s: float) -> bool:
        # In pieces: Python can't be interrupted while it waits for an answer, on some systems.
        deadline = time.monotonic() + wait_s
        while True:
            left = max(deadline - time.monotonic(), 0.0)
            wait = min(left, _WAIT_S)
            if self.query("SELECT GET_LOCK(?1, ?2)", [self._key(name), wait])[0][0] == 1:
                return True
            if left <= _WAIT_S:
                return False

    def _key(self, name: str) -> str:
        # At most 64 characters, of which case doesn't count.
        digest = hashlib.blake2b(f"{self._dataset}\0{name}".encode(), digest_size=24).hexdigest()
        return f"ladle:{digest}"

    def _holders(self, name: str) -> list[int]:
        found = self.query("SELECT IS_USED_LOCK(?1)", [self._key(name)])
        return [holder for (holder,) in found if holder is not None]

    def _held(self, name: str, wait_s: float) -> DestinationError:
        holders = ", ".join(map(str, self._holders(name)))
        error = DestinationError(
            f"another session (connection [{holders}]) still holds {name} after {wait_s:g} s",
            hint="wait for it, or end it: KILL connection; the package is kept",
        )
        error.retryable = True
        return error

    def _release(self) -> None:
        self.query("SELECT RELEASE_ALL_LOCKS()")

    def end(self, *, commit: bool) -> None:
        """End a transaction outside a load; what follows commits by itself again."""
        if commit:
            self._line.commit()
        else:
            self._line.rollback()
        self.execute("SET autocommit = 1")
        self._in_load = False

    @property
    def native(self) -> Line:
        """The driver's own connection."""
        return self._line

    def use(self, dataset: str) -> None:
        """Look up names without a schema in the dataset."""
        self._line.select_db(dataset)

    @contextmanager
    def stream(self, sql: str, params: Sequence[Any], batch_rows: int) -> Iterator[pa.RecordBatchReader]:
        """Run a query; its rows come as they are read. Memory: O(batch)."""
        found = self._line.stream(sql, params)
        try:
            schema = schema_of(found.fields)
            yield pa.RecordBatchReader.from_batches(schema, read_batches(schema, found.batches(batch_rows)))
        finally:
            found.close()

    def close(self) -> None:
        """Disconnect; the server rolls back what isn't committed."""
        with suppress(err.Error, OSError):
            self._line.close()

    @contextmanager
    def errors(self, doing: str) -> Iterator[None]:
        """Turn the driver's errors into ours."""
        try:
            yield
        except err.MySQLError as exc:
            error = explained(exc, doing, self._login)
            if waited_too_long(exc):
                error = self._blocked(doing)
            raise error from cause(exc, self._login)

    def _blocked(self, doing: str) -> DestinationError:
        """Return the error for a wait that took too long; names who may hold locks, as far as one may see."""
        found: list[tuple[Any, ...]] = []
        with suppress(err.MySQLError):
            self._line.rollback()
            found = self.query(_HOLDERS, [self._dataset])
        held = "; ".join(_holder(*row) for row in found) or "nobody that this user may see"
        number = found[0][0] if found else "connection"
        error = DestinationError(
            f"gave up {doing} after {max(int(self._lock_wait_s), 1)} s: another session holds a lock",
            expected=f"the lock to be free; those that may hold some: {self._login.masked(held)}",
            hint=f"wait for it, or end it: KILL {number}; the package is kept",
        )
        error.retryable = True
        return error

    @contextmanager
    def read_errors(self, doing: str) -> Iterator[None]:
        """Turn the driver's errors into ours, outside a load."""
        try:
            yield
        except err.MySQLError as exc:
            raise unread(exc, doing, self._login) from cause(exc, self._login)


@contextmanager
def _placed(before: int, piece: pa.RecordBatch | None = None) -> Iterator[None]:
    """Let errors tell their row among all that are sent."""
    try:
        yield
    except err.MySQLError as exc:
        raise placed(exc, before, piece) from None


def _holder(number: int, user: str, command: str, idle_s: Any, in_transaction: int) -> str:
    """Say who may hold a lock."""
    what = "in a transaction" if in_transaction else "in no transaction"
    return f"connection {number} (user `{user}`, {command} for {idle_s} s, {what})"
