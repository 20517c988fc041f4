"""What a SQLite error means for the caller: mend something, or run again."""

from __future__ import annotations

import re
import sqlite3

from ladle.errors import CommitFailed, DataError, DestinationError, LadleError

_AGAIN = "the package is kept: run again"
_MEND = "the package is kept: mend the cause and run again"
_READ_ONLY = "the file, or its folder, can't be written: check its permissions; the package is kept"
_HINTS = {
    sqlite3.SQLITE_READONLY: _READ_ONLY,
    sqlite3.SQLITE_PERM: _READ_ONLY,
    sqlite3.SQLITE_CANTOPEN: "check that its folder exists and can be written; the package is kept",
    sqlite3.SQLITE_FULL: "free disk space, then run again: the package is kept",
    sqlite3.SQLITE_IOERR: "check the disk, then run again: the package is kept",
    sqlite3.SQLITE_NOTADB: "the file is no SQLite database, or is encrypted: choose another one",
    sqlite3.SQLITE_CORRUPT: "the file is damaged: restore a backup, or .recover it with the sqlite3 shell",
}
_PHRASES = {
    "too many columns": "a table holds 2000 columns: load part of it as json, or less of it",
    "reserved for internal use": "names with `sqlite_` first are SQLite's own: choose another table_name",
    "cannot drop column": "drop the view, index or trigger that needs it, run again, and make it anew",
    "error in view": "drop the view that needs the column, run again, and make it anew",
    "because it is a view": "if a view stands in the table's place, drop or rename it; run again",
    "no such table": "a table went away under the load; the package is kept: run again",
}

_VALUES = {
    "NOT NULL constraint": "drop the column there, or make the table anew with a DEFAULT for it; run again",
    "UNIQUE constraint": "remove what is there twice, or drop the unique index, and run again",
}
_COLUMN = re.compile(r"(?:NOT NULL|UNIQUE) constraint failed: [^,]*\.([^.,]+)$")


def _code(exc: sqlite3.Error) -> int:
    return int(getattr(exc, "sqlite_errorcode", 0) or 0) & 0xFF


def is_busy(exc: sqlite3.Error) -> bool:
    """Whether another connection is at work."""
    return _code(exc) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def is_read_only(exc: sqlite3.Error) -> bool:
    """Whether the file can't be written."""
    return _code(exc) == sqlite3.SQLITE_READONLY


def locked(file: str, wait_s: float) -> DestinationError:
    """Return the error for a file that another connection writes to for too long."""
    error = DestinationError(
        f"another connection writes to the SQLite file `{file}`",
        expected=f"it to be done within {wait_s:g} s",
        hint="wait for it, close the program that has a transaction open, or raise lock_wait_s",
    )
    error.retryable = True
    return error


def explained(exc: sqlite3.Error, doing: str, file: str) -> LadleError:
    """Return our error for SQLite's."""
    code = _code(exc)
    if is_busy(exc):
        return CommitFailed(f"another connection got in the way while {doing}: {exc}", hint=_AGAIN)
    if code in (sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_TOOBIG) or isinstance(exc, sqlite3.DataError):
        column = _COLUMN.search(str(exc))
        hint = next((h for phrase, h in _VALUES.items() if phrase in str(exc)), _MEND)
        return DataError(
            f"SQLite refused a row while {doing}: {exc}", hint=hint, column=column[1] if column else None
        )
    hint = _HINTS.get(code) or next((h for phrase, h in _PHRASES.items() if phrase in str(exc)), _MEND)
    return DestinationError(f"SQLite failed while {doing}, in `{file}`: {exc}", hint=hint)


def unread(exc: sqlite3.Error, doing: str, file: str) -> DestinationError:
    """Return our error for a statement that failed outside a load."""
    error = DestinationError(f"SQLite failed while {doing}, in `{file}`: {exc}", hint=_HINTS.get(_code(exc)))
    error.retryable = is_busy(exc)
    return error
