"""What an error of MySQL or MariaDB means for the caller: mend something, or run again."""

from __future__ import annotations

import re
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pymysql import err

from ladle.destinations.mysql_login import Login
from ladle.errors import CommitFailed, DataError, DestinationError, shorten

_AGAIN = "the package is kept: run again"
_MEND = "the package is kept: mend the cause and run again"
_MAX_CHARS = 300
_ROW = re.compile(r"at row (\d+)(?= \(\d+\)$|$)")
_COLUMN = re.compile(r"(?:[Cc]olumn|[Ff]ield) (?:`[^`]*`\.`[^`]*`\.)?['`]([^'`]+)['`]")
_IS_NULL = 1048

_LOST = {
    0: "the connection was lost",
    1053: "the server is going down",
    1077: "the server is going down",
    1152: "the connection was lost",
    1158: "the connection was lost",
    1159: "the connection was lost",
    1160: "the connection was lost",
    1161: "the connection was lost",
    1927: "the connection was ended by somebody",
    2006: "the connection was lost",
    2013: "the connection was lost",
    2014: "the connection was lost",
    2055: "the connection was lost",
    4031: "the server ended the connection, as nothing came for too long",
}
_CONFLICTS = {
    1206: "there are more locks than the server has room for",
    1213: "another load got in the way",
    1613: "another load got in the way",
    3058: "another load got in the way",
    1020: "another load got in the way",
    # somebody without our lock made or dropped what we had just looked at
    1146: "a table went away meanwhile",
    1054: "a column went away meanwhile",
    1050: "a table was made meanwhile",
    1060: "a column was made meanwhile",
    1412: "a table was changed meanwhile",
}
_VALUES = {
    1048: "a column that may not be null has no value",
    1062: "a value that has to be unique is there twice",
    1169: "a value that has to be unique is there twice",
    1216: "a row refers to one that isn't there",
    1263: "a column that may not be null has no value",
    1264: "a number is too large for its column",
    1265: "a value doesn't fit its column",
    1292: "a date, time or number is out of range",
    1301: "a value is longer than max_allowed_packet",
    1364: "a column that may not be null has no value",
    1366: "a text has a character that the column's encoding doesn't know, or isn't a number",
    1406: "a text is longer than its column",
    1452: "a row refers to one that isn't there",
    1690: "a number is too large for its column",
    3140: "a text isn't valid JSON",
    3819: "a row breaks a constraint of its table",
    4025: "a row breaks a constraint of its table",
}
_NULL = "let it be null (ALTER TABLE .. MODIFY .. NULL), or give it a DEFAULT; run again: the package is kept"
_WIDER = "widen the column there (ALTER TABLE .. MODIFY), then run again: the package is kept"
_A_VIEW = "if a view stands in the table's place, drop or rename it, then run again: the package is kept"
_WAITED = (1205, 3572)
_HINTS = {
    1048: _NULL,
    1263: _NULL,
    1364: _NULL,
    1264: _WIDER,
    1406: _WIDER,
    1690: _WIDER,
    1288: _A_VIEW,
    1347: _A_VIEW,
    1471: _A_VIEW,
    1044: "have an administrator GRANT ALL ON the dataset's database (CREATE, ALTER, DROP, INSERT, UPDATE, "
    "DELETE, SELECT, CREATE TEMPORARY TABLES), or make the database for you",
    1045: "check username and password in the credentials, and from where the user may connect",
    1049: "create the database first, or check its name in the credentials",
    1142: "have an administrator GRANT ALL ON the dataset's database",
    1143: "have an administrator GRANT ALL ON the dataset's database",
    1227: "have an administrator GRANT what the message names",
    1095: "have an administrator end the connection, or GRANT CONNECTION ADMIN",
    1021: "free disk space on the server, then run again: the package is kept",
    1114: "free disk space on the server, or raise its limits (innodb_data_file_path, max_heap_table_size), "
    "then run again: the package is kept",
    1026: "free disk space on the server, or raise the user's quota, then run again: the package is kept",
    3: "free disk space on the server, or raise its quota, then run again: the package is kept",
    1040: "the server has no connection left: close some, or raise max_connections; the package is kept",
    1203: "the user has no connection left: close some, or raise max_user_connections; the package is kept",
    1226: "the user has used up a limit of the server: wait, or raise it; the package is kept",
    1041: "the server is out of memory: look into its log, then run again: the package is kept",
    1290: "the server only reads (read_only: a replica?): connect to the primary",
    1461: "the server has no room for another prepared statement: raise max_prepared_stmt_count, or "
    "wait; the package is kept",
    1836: "the server only reads (read_only: a replica?): connect to the primary",
    1792: "the session only reads (transaction_read_only): let it write",
    1117: "a table holds 1017 columns: load part of it as json, or less of it",
    1118: "the columns need more than a row holds: load part of it as json, or declare less precision",
    1153: "raise max_allowed_packet at the server, then run again: the package is kept",
    1317: "somebody cancelled the statement, or it took longer than the server allows; the package is kept",
    1969: "a statement took longer than max_statement_time; the package is kept",
    3024: "a statement took longer than max_execution_time; the package is kept",
    1665: "set binlog_format=MIXED or ROW at the server: loads read what is committed meanwhile",
    3750: "set sql_require_primary_key=OFF for the user: loaded tables have none",
    1062: "remove what is there twice, or the unique index, and run again: the package is kept",
}
_RETRYABLE = (1040, 1203)
_LOGIN = {
    1045: _HINTS[1045],
    1044: "check the name of the database in the credentials, and what the user may use",
    1049: _HINTS[1049],
    1040: _HINTS[1040],
    1203: _HINTS[1203],
    1698: _HINTS[1045],
    1130: "have an administrator let the user connect from this machine",
    2003: "check host and port, and that the server runs and listens on that address",
    2026: "check the ssl options in the credentials, and what the server offers",
}
_FOR_NOW = (1040, 1203, 2003, 2013)


def code_of(exc: Exception) -> int:
    """Return the server's number of an error; 0 where it has none."""
    first = exc.args[0] if exc.args else 0
    return first if isinstance(first, int) else 0


def is_lost(exc: Exception) -> bool:
    """Whether the line broke, so that nobody knows what the server made of the last message."""
    return code_of(exc) in _LOST


def waited_too_long(exc: Exception) -> bool:
    """Whether the server gave up a wait for a lock, as it was told to."""
    return code_of(exc) in _WAITED


def explained(exc: Exception, doing: str, login: Login) -> DestinationError | DataError:
    """Return our error for the driver's, passwords masked."""
    code, what = code_of(exc), login.masked(message(exc))
    if why := _LOST.get(code) or _CONFLICTS.get(code):
        return CommitFailed(f"{why} while {doing}: {what}", hint=_AGAIN)
    if code in _VALUES:
        return value_error(code, what, doing)
    error = DestinationError(f"MySQL failed while {doing}: {what}", hint=_HINTS.get(code, _MEND))
    error.retryable = code in _RETRYABLE
    return error


def value_error(code: int, what: str, doing: str, table: str | None = None) -> DataError:
    """Return the error for a row that the server refused; column and row where it names them."""
    why = _VALUES.get(code, "a value doesn't fit its column")
    facts: dict[str, Any] = {} if table is None else {"table": table}
    if column := _COLUMN.search(what):
        facts["column"] = column[1]
    if row := _ROW.search(what):
        facts["row"] = int(row[1])
    return DataError(
        f"MySQL refused a row while {doing}: {why}: {what}", hint=_HINTS.get(code, _MEND), **facts
    )


def counted(text: str, before: int) -> str:
    """Return what the server said with the number of its row among all: it counts those of one statement."""
    return _ROW.sub(lambda found: f"at row {int(found[1]) + before}", text)


def placed(exc: err.MySQLError, before: int, piece: pa.RecordBatch | None = None) -> err.MySQLError:
    """Return the error for a row with its number among all.

    Args:
        exc: of a statement with rows.
        before: how many rows went before the statement.
        piece: the rows from there on, to look for a null in, as the server says only in which column one is.
    """
    code, text = code_of(exc), str(exc.args[1]) if len(exc.args) > 1 else ""
    column = _COLUMN.search(text)
    if code == _IS_NULL and piece is not None and column and column[1] in piece.schema.names:
        row = pc.index(pc.is_null(piece.column(column[1])), True).as_py() + 1
        text += f" at row {row}" if row else ""
    return type(exc)(code, counted(text, before)) if _ROW.search(text) else exc


def unread(exc: Exception, doing: str, login: Login) -> DestinationError:
    """Return our error for a statement that failed outside a load, passwords masked."""
    error = DestinationError(f"MySQL failed while {doing}: {login.masked(message(exc))}")
    error.retryable = is_lost(exc)
    return error


def refused(exc: Exception, login: Login) -> DestinationError:
    """Return our error for a connection that could not be made."""
    code = code_of(exc)
    hint = _LOGIN.get(code, "check the credentials and that the server runs")
    error = DestinationError(f"cannot connect to {login.shown}: {login.masked(message(exc))}", hint=hint)
    error.retryable = code in _FOR_NOW
    return error


def cause(exc: Exception, login: Login) -> Exception | None:
    """Return the error to chain: none, where it shows a secret."""
    return exc if login.masked(str(exc)) == str(exc) else None


def message(exc: Exception) -> str:
    """Return what the server or the driver said."""
    if isinstance(exc, err.MySQLError) and len(exc.args) > 1:
        text = f"{exc.args[1]} ({exc.args[0]})"
    else:
        text = str(exc) or type(exc).__name__
    return shorten(" ".join(text.split()), _MAX_CHARS)
