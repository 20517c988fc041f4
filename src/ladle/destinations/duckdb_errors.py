"""What an error of DuckDB means for the caller: mend something, or run again."""

from __future__ import annotations

import re
from typing import Any

import duckdb

from ladle.errors import CommitFailed, DataError, DestinationError

_MEND = "the package is kept: mend the cause and run again"
_A_VIEW = "if a view stands in the table's place, drop or rename it, then run again: the package is kept"
_WIDER = "widen the column there (ALTER TABLE .. ALTER COLUMN .. TYPE), then run again: the package is kept"
_NULL = "let it be null (ALTER TABLE .. ALTER COLUMN .. DROP NOT NULL) or give it a DEFAULT, then run again"
_TWICE = "remove what is there twice, or drop the index or constraint, and run again: the package is kept"
_HINTS = (
    ("NOT NULL constraint failed", _NULL),
    ("UNIQUE constraint violation", _TWICE),
    ("unique constraint", _TWICE),
    ("out of range", _WIDER),
    ("is not an table", _A_VIEW),
    ("is not a table", _A_VIEW),
    ("base table", _A_VIEW),
    ("No space left", "free disk space, then run again: the package is kept"),
)
_VALUES = (duckdb.ConversionException, duckdb.ConstraintException, duckdb.OutOfRangeException)
_COLUMNS = (re.compile(r"NOT NULL constraint failed: \S+?\.(\S+)"), re.compile(r"source column (\S+)"))
_OTHERS = re.compile(r"[Cc]onflict|constraint violation")
_HOLDER = re.compile(r"held in (?P<program>.+?) \(PID (?P<pid>\d+)\)")


def explained(exc: duckdb.Error, doing: str) -> DestinationError | DataError:
    """Return our error for DuckDB's."""
    what = first_line(exc)
    hint = next((h for phrase, h in _HINTS if phrase in str(exc)), _MEND)
    if isinstance(exc, duckdb.TransactionException):
        if _OTHERS.search(what):
            again = "run again: the package is kept"
            return CommitFailed(f"another load changed the same tables while {doing}: {what}", hint=again)
        return CommitFailed(f"DuckDB failed while {doing}: {what}", hint=hint)
    if isinstance(exc, _VALUES):
        return DataError(f"DuckDB refused a row while {doing}: {what}", hint=hint, **_place(str(exc)))
    return DestinationError(f"DuckDB failed while {doing}: {what}", hint=hint)


def _place(text: str) -> dict[str, Any]:
    found = (pattern.search(text) for pattern in _COLUMNS)
    return {"column": next((match[1] for match in found if match), None)}


def holder(exc: Exception) -> str:
    """Return which process has the file, in brackets, as far as DuckDB says."""
    found = _HOLDER.search(str(exc))
    return f" ({found['pid']}, {found['program']})" if found else ""


def first_line(exc: Exception) -> str:
    """Return the first line of an error's text."""
    lines = str(exc).strip().splitlines()
    return lines[0] if lines else type(exc).__name__
