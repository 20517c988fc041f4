"""Opens a DuckDB file: waits for other processes, and sees to it that what DuckDB read of it is the newest.

DuckDB reads where the tables are before it locks the file. Who is held up in between, while another process
writes and closes it, would go on from what was there before, and write over the other's load.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import duckdb

from ladle.destinations.duckdb_errors import holder
from ladle.errors import DestinationError

if sys.platform != "win32":
    import fcntl

_HEADER_BYTES = 3 * 4096
_REALTIME_COARSE = 5  # of Linux: the clock that files are stamped with, of which Python has no name
_TICK_S = time.clock_getres(_REALTIME_COARSE) if sys.platform == "linux" else 0.0
_CONNECTIONS = "SELECT * FROM duckdb_connection_count()"

_TIMES = 5
"""A file that is written whenever it is opened is written by opening it."""

_Stamp = tuple[int, int, int]


def opened(path: str, wait_s: float) -> duckdb.DuckDBPyConnection:
    """Connect to a file; waits while another process holds it. Two that make one file go one by one.

    Raises:
        DestinationError: the file can't be opened, or stays locked.
    """
    deadline = time.monotonic() + wait_s
    pause_s, written = 0.02, 0
    while True:
        try:
            with _made_by_one(path):
                before = _settled(path)
                connection = duckdb.connect(path)
            if before is None or before == _stamp(path) or _is_shared(connection) or written == _TIMES:
                return connection
            _forget(connection)
            written += 1
        except duckdb.Error as exc:
            locked = "lock" in str(exc).lower()
            if not locked or time.monotonic() > deadline:
                raise _refused(path, wait_s, locked, exc) from exc
        time.sleep(pause_s)
        pause_s = min(pause_s * 1.5, 0.5)


@contextmanager
def _made_by_one(path: str) -> Iterator[None]:
    """Keep other loads from making the file too, and from one that is half made: by a lock on its folder."""
    folder = None
    if sys.platform != "win32" and _size(path) < _HEADER_BYTES:
        with suppress(OSError):  # that there is no such folder, DuckDB says
            folder = os.open(os.path.dirname(os.path.abspath(path)), os.O_RDONLY)
            fcntl.flock(folder, fcntl.LOCK_EX)
    try:
        yield
    finally:
        if folder is not None:
            os.close(folder)


def _size(path: str) -> int:
    try:
        return os.path.getsize(path)
    except OSError:
        return 0


def _settled(path: str) -> _Stamp | None:
    """Return when the file was written last, so long ago that writing it now would show; None for no file.

    Looked at, never opened: to close it again would take away the lock of a connection that this process has.
    """
    stamp = _stamp(path)
    if stamp is not None and 0 <= time.time() - stamp[1] / 1e9 <= _TICK_S:
        time.sleep(_TICK_S)
        stamp = _stamp(path)
    return stamp


def _stamp(path: str) -> _Stamp | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


def _is_shared(connection: duckdb.DuckDBPyConnection) -> bool:
    """Whether this process had the file open before: then it is read by one instance, and locked."""
    try:
        found = connection.execute(_CONNECTIONS).fetchone()
    except duckdb.Error:  # DuckDB 1.2, which locks before it reads
        return True
    return found is None or found[0] > 1


def _forget(connection: duckdb.DuckDBPyConnection) -> None:
    """Close a connection that may have read what is no more, so that it writes nothing."""
    connection.execute("PRAGMA disable_checkpoint_on_shutdown")
    connection.close()


def _refused(path: str, wait_s: float, locked: bool, exc: Exception) -> DestinationError:
    if locked:
        error = DestinationError(
            f"the DuckDB file `{path}` is locked by another process{holder(exc)}",
            expected=f"it to be free within {wait_s:g} s",
            hint="close the notebook, shell or program that has it open, or raise lock_wait_s",
        )
        error.retryable = True
        return error
    return DestinationError(
        f"cannot open the DuckDB file `{path}`: {str(exc).splitlines()[0]}",
        hint="check that its folder exists and can be written, and that the file is a DuckDB database",
    )
