"""The driver's side of a SQLite session: the dataset's file, statements, the transaction."""

from __future__ import annotations

import os
import re
import sqlite3
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from ladle.destinations import dialect as statements
from ladle.destinations.ahead import ahead
from ladle.destinations.dialect import Dialect
from ladle.destinations.rows import rows
from ladle.destinations.sqlite_errors import explained, is_busy, is_read_only, locked, unread
from ladle.destinations.sqlite_image import imaged
from ladle.destinations.sqlite_read import declared_types, read_batches
from ladle.destinations.sqlite_rewrite import free_row, rewriter
from ladle.destinations.sqlite_types import Encoder, bound, column_type, stored_value
from ladle.destinations.sqlite_widening import converted
from ladle.schema.table import Table

MAIN = "main"
_COLUMNS = "columns of a dataset"
_DATASET = "whether a dataset is there"
"""Not SQL: questions that only the connection can answer, which knows the files."""

_UNIQUE = (
    "SELECT l.name, l.origin <> 'c' FROM pragma_index_list(?2, ?1) AS l, pragma_index_info(l.name, ?1) AS i "
    'WHERE l."unique" GROUP BY l.name, l.origin HAVING count(*) = 1 AND max(i.name) = ?3'
)
_WATCHED = "SELECT 1 FROM sqlite_master WHERE type = 'trigger' AND tbl_name = ?2"
_PARAMETERS = 200
"""Of one INSERT, at most, if a row hasn't more."""

_CACHE_KB = 64 << 10
"""Of a file's pages in memory during a load: those of indexes are changed again and again."""

_SCHEMA = re.compile(r'(CREATE|DROP) SCHEMA IF (?:NOT )?EXISTS "((?:[^"]|"")*)"(?: CASCADE)?')
_BESIDE = ("", "-wal", "-shm", "-journal")


def _avoiding(dialect: Dialect, columns: Collection[str]) -> Dialect:
    row = free_row(columns)
    if row is None:  # then no statement asks for the number of a row
        return replace(dialect, notes_first=False, rewrite=rewriter(None))
    return replace(dialect, row_order=row, rewrite=rewriter(row))


DIALECT = Dialect(
    "sqlite",
    column_type,
    placeholder="?{}".format,
    columns_query=_COLUMNS,
    dataset_query=_DATASET,
    row_order="_rowid_",
    unique_query=_UNIQUE,
    # An UPDATE joins rows whole, and the table is read once more for those that are new: twice the time.
    # Foreign keys aren't enforced on our connections.
    replaces_rows=True,
    notes_first=True,
    watched_query=_WATCHED,
    rewrite=rewriter("_rowid_"),
    avoiding=_avoiding,
    analyzes=True,
    own_types=True,
    cell=stored_value,
    converted=converted,
)


class SqliteConnection:
    """A connection to one dataset, which is a file; opened when it is first needed.

    Args:
        file_of: the file of a dataset.
        dataset: its name, by which statements know it.
        wait_s: seconds to wait for others that write.
    """

    def __init__(self, file_of: Callable[[str], str], dataset: str, wait_s: float) -> None:
        self._file_of = file_of
        self._dataset = dataset
        self._wait_s = wait_s
        self._db: sqlite3.Connection | None = None
        self._has_file = False
        self._takes_images = False

    @property
    def _file(self) -> str:
        return self._file_of(self._dataset)

    def _open(self, create: bool = False) -> sqlite3.Connection:
        """Return the connection; one without the file, as long as there is none and none is to be made."""
        there = create or _is_there(self._file)
        if self._db is not None and (self._has_file or not there):
            return self._db
        if self._db is not None:
            self._db.close()
        uri = f"{Path(os.path.abspath(self._file)).as_uri()}?mode={'rwc' if create else 'rw'}"
        is_main = self._dataset == MAIN
        # Threads: a session is used by one at a time, which need not be the one that opened it.
        self._db = sqlite3.connect(
            uri if there and is_main else ":memory:",
            timeout=self._wait_s, isolation_level=None, check_same_thread=False, uri=True,
        )  # fmt: skip
        if there and not is_main:
            self._db.execute(f"ATTACH ? AS {_quoted(self._dataset)}", [uri])
        self._has_file, self._takes_images = there, False
        return self._db

    # -- statements

    def execute(self, sql: str, params: Sequence[Any] = ()) -> int:
        """Run a statement; return how many rows it changed. Schemas are made and dropped too: as files."""
        if (found := _SCHEMA.fullmatch(sql)) is not None:
            self._change_dataset(found[1], found[2].replace('""', '"'))
            return -1
        return self._open().execute(sql, [bound(p) for p in params]).rowcount

    def _change_dataset(self, doing: str, dataset: str) -> None:
        mine = dataset == self._dataset
        if doing == "CREATE":
            if not mine or not self._in_transaction():
                _make(self._file_of(dataset))
            return
        if mine:
            self.close()
        for end in _BESIDE:
            Path(self._file_of(dataset) + end).unlink(missing_ok=True)

    def query(self, sql: str, params: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run a query; return all rows."""
        if sql == _DATASET:
            return [(1,)] if _is_there(self._file_of(params[0])) else []
        if sql == _COLUMNS:
            return self._columns(params[0])
        if sql == _WATCHED:
            sql = sql.replace("sqlite_master", f"{_quoted(params[0])}.sqlite_master")
        return self._open().execute(sql, [bound(p) for p in params]).fetchall()

    def _columns(self, dataset: str) -> list[tuple[Any, ...]]:
        if dataset != self._dataset:
            other = SqliteConnection(self._file_of, dataset, self._wait_s)
            try:
                return other._columns(dataset)
            finally:
                other.close()
        db = self._open()
        if not self._has_file:
            return []
        master = f"{_quoted(dataset)}.sqlite_master AS m"
        found = db.execute(
            f"SELECT m.name, c.name, c.type FROM {master} JOIN pragma_table_info(m.name, ?) AS c "
            r"WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite\_%' ESCAPE '\' ORDER BY m.name, c.cid",
            [dataset],
        ).fetchall()
        for (view,) in db.execute(f"SELECT name FROM {master} WHERE type = 'view'").fetchall():
            with suppress(sqlite3.OperationalError):  # its table is gone
                columns = db.execute("SELECT name, type FROM pragma_table_info(?, ?)", [view, dataset])
                found += [(view, *column) for column in columns]
        return found

    def ingest(
        self,
        dataset: str,
        table: Table,
        there: Mapping[str, str],
        schema: pa.Schema,
        batches: Iterable[pa.RecordBatch],
    ) -> int:
        """Insert batches, by images of databases or value by value; rows keep their order.

        Memory: O(10,000 rows).
        """
        db = self._open()
        ref = DIALECT.sql(statements.table_ref(dataset, table.name))
        into = f"INSERT INTO {ref} ({', '.join(map(_quoted, schema.names))})"
        types = _types(db, table, schema) if dataset == DIALECT.staging else []
        cells = ", ".join(f"c{n}" for n in range(len(schema.names)))
        count = 0
        for widths, columns, image in ahead(imaged(Encoder(table, schema, there).encoded(batches), types)):
            if image is not None and self._has_beside(db):
                db.deserialize(image, name=self._beside)
                beside = f"{_quoted(self._beside)}.t"
                if types:  # then SQLite copies whole rows, in their order
                    db.execute(f"INSERT INTO {ref} SELECT * FROM {beside}")
                else:
                    db.execute(f"{into} SELECT {cells} FROM {beside} ORDER BY _rowid_")
            else:
                _bind(db, into, widths, columns)
            count += len(columns[0])
        return count

    @property
    def _beside(self) -> str:
        """Name of a database whose content is one image after the other: no dataset's that is in use."""
        return f"{self._dataset} rows"

    def _has_beside(self, db: sqlite3.Connection) -> bool:
        """Have that database be there; not where texts are stored otherwise than in images, as UTF-16."""
        if not self._takes_images and db.execute("PRAGMA encoding").fetchone() == ("UTF-8",):
            db.execute(f"ATTACH ':memory:' AS {_quoted(self._beside)}")
            self._takes_images = True
        return self._takes_images

    # -- the transaction

    def expect(self, batch_bytes: int, columns: int) -> None:
        """Nothing to do: how much of a file is kept in memory doesn't depend on batches."""

    def begin(self) -> None:
        """Start a transaction that nobody else can write beside. Readers go on, and see what was before.

        Raises:
            DestinationError: another one still writes after `wait_s`.
        """
        is_new = not _is_there(self._file)
        db = self._open(create=True)
        if is_new:
            # Kept in the file. Where it can't be had, as on some network drives, readers wait at the commit.
            with suppress(sqlite3.Error):
                db.execute(f"PRAGMA {_quoted(self._dataset)}.journal_mode = WAL")
        if self._takes_images:  # of an earlier load; it must not take part in this transaction
            db.execute(f"DETACH {_quoted(self._beside)}")
            self._takes_images = False
        for name in (_quoted(self._dataset), "temp"):
            db.execute(f"PRAGMA {name}.cache_size = -{_CACHE_KB}")
        self._begin(db)

    def _begin(self, db: sqlite3.Connection) -> None:
        # Not SQLite's own waiting: Python could not be interrupted meanwhile.
        deadline = time.monotonic() + self._wait_s
        pause_s = 0.005
        db.execute("PRAGMA busy_timeout = 0")
        try:
            while True:
                try:
                    db.execute("BEGIN IMMEDIATE")
                    return
                except sqlite3.OperationalError as exc:
                    if not is_busy(exc):
                        raise
                    if time.monotonic() > deadline:
                        raise locked(self._file, self._wait_s) from exc
                time.sleep(pause_s)
                pause_s = min(pause_s * 1.5, 0.25)
        finally:
            db.execute(f"PRAGMA busy_timeout = {int(self._wait_s * 1000)}")

    def _in_transaction(self) -> bool:
        return self._db is not None and self._db.in_transaction

    def commit(self) -> None:
        """Commit it."""
        self._open().execute("COMMIT")

    def fence(self, load_id: str) -> bool:
        """Wait until nobody else writes: who begins after us can commit the load only once we are done."""
        db = self._open()
        if self._has_file and not db.in_transaction:
            try:
                self._begin(db)
            except sqlite3.OperationalError as exc:
                if not is_read_only(exc):
                    raise
                return False  # nobody can commit there
            db.execute("ROLLBACK")
        return True

    def lock(self, *names: str) -> None:
        """Nothing to do: only one at a time writes to a file."""

    def lock_table(self, dataset: str, table: str) -> None:
        """Nothing to do, as for `lock`."""

    def end(self, *, commit: bool) -> None:
        """End a transaction outside a load."""
        if self._in_transaction():
            self._open().execute("COMMIT" if commit else "ROLLBACK")

    def close(self) -> None:
        """Disconnect; what isn't committed is rolled back."""
        if self._db is not None:
            self._db.close()
        self._db, self._has_file, self._takes_images = None, False, False

    # -- reading

    @property
    def native(self) -> sqlite3.Connection:
        """The driver's own connection."""
        return self._open()

    def use(self, dataset: str) -> None:
        """Look up names in the dataset."""
        if dataset != self._dataset:
            self.close()
            self._dataset = dataset

    @contextmanager
    def stream(self, sql: str, params: Sequence[Any], batch_rows: int) -> Iterator[pa.RecordBatchReader]:
        """Run a query; its rows come as they are read. Memory: O(batch)."""
        db = self._open()
        types = declared_types(db, sql)
        cursor = db.execute(sql, [bound(p) for p in params])
        try:
            if cursor.description is None:
                yield pa.RecordBatchReader.from_batches(pa.schema([]), [])
            else:
                yield read_batches(cursor, types, batch_rows)
        finally:
            cursor.close()

    # -- errors

    @contextmanager
    def errors(self, doing: str) -> Iterator[None]:
        """Turn SQLite's errors into ours."""
        try:
            yield
        except sqlite3.Error as exc:
            raise explained(exc, doing, self._file) from exc

    @contextmanager
    def read_errors(self, doing: str) -> Iterator[None]:
        """Turn SQLite's errors into ours, outside a load."""
        try:
            yield
        except sqlite3.Error as exc:
            raise unread(exc, doing, self._file) from exc


def _types(db: sqlite3.Connection, table: Table, schema: pa.Schema) -> list[str]:
    """Return the declared types of a waiting table, if it takes rows as they are in images; else none.

    Not where SQLite would change a value on its way in: it makes a number of a JSON document that is one.
    """
    known = db.execute("SELECT name, type FROM pragma_table_info(?, 'temp')", [table.name]).fetchall()
    plain = all(table.columns[name].data_type != "json" for name in schema.names)
    return [kind for _, kind in known] if plain and [name for name, _ in known] == schema.names else []


def _bind(db: sqlite3.Connection, into: str, widths: Sequence[int], columns: Sequence[pa.Array]) -> None:
    """Insert rows by two prepared statements, value by value."""
    row = ", ".join("?" if n == 1 else f"coalesce({', '.join('?' * n)})" for n in widths)
    # To run a statement costs as much as ten of its values.
    for number, found in rows(columns, max(1, _PARAMETERS // len(columns))):
        db.executemany(f"{into} VALUES {', '.join([f'({row})'] * number)}", found)


def _is_there(file: str) -> bool:
    """Whether a file has anything in it: opening an empty one is as good as making it."""
    try:
        return os.path.getsize(file) > 0
    except OSError:
        return False


def _make(file: str) -> None:
    db = sqlite3.connect(file)
    try:
        db.execute("PRAGMA journal_mode = WAL")
    finally:
        db.close()


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
