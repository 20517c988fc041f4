"""What a Postgres error means for the caller: mend something, or run again."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import psycopg

from ladle.destinations.postgres_login import Login
from ladle.errors import CommitFailed, DataError, DestinationError, shorten

_AGAIN = "the package is kept: run again"
_MEND = "the package is kept: mend the cause and run again"
_MAX_CHARS = 300

# By SQLSTATE or its class (the first two characters).
_CONFLICTS = {
    "40": "another load got in the way",
    "55P03": "another session holds a lock",
    "57P": "the server is going down or starting",
    "08": "the connection was lost",
    # somebody without our lock made or dropped what we had just looked at
    "42P01": "a table went away meanwhile",
    "42703": "a column went away meanwhile",
    "42P07": "a table was made meanwhile",
    "42701": "a column was made meanwhile",
    "42P06": "the schema was made meanwhile",
}
_VALUES = {
    "22001": "a text is longer than its column",
    "22003": "a number is too large for its column",
    "22008": "a date or time is out of range",
    "22P05": "a text has a character that the database's encoding doesn't know",
    "22021": "a text has a character that the database's encoding doesn't know",
    "22": "a value doesn't fit its column",
    "23502": "a column that may not be null has no value",
    "23505": "a value that has to be unique is there twice",
    "23": "a row breaks a constraint of its table",
}
_A_VIEW = "if a view stands in the table's place, drop or rename it, then run again: the package is kept"
_HINTS = {
    "28P01": "check username and password in the credentials",
    "28": "check the user, and what the server's pg_hba.conf lets in from this machine",
    "3D000": "create the database first, or check its name in the credentials",
    "42501": "have an owner GRANT CREATE ON DATABASE, or make the schema and GRANT USAGE, CREATE ON it",
    "42939": "schema names that begin with `pg_` are the server's own: choose another dataset_name",
    "23502": "let it be null (ALTER TABLE .. ALTER COLUMN .. DROP NOT NULL), or give it a DEFAULT; run again",
    "42809": _A_VIEW,
    "55000": _A_VIEW,
    "22003": "widen the column there (ALTER TABLE .. ALTER COLUMN .. TYPE), then run again; all is kept",
    "23505": "remove what is there twice, or pass create_indexes=False, and run again: the package is kept",
    "0A000": "drop the view or rule that needs the column, run again, and make it anew; the package is kept",
    "25006": "the server only reads (a replica, or default_transaction_read_only): connect to the primary",
    "53100": "free disk space on the server, then run again: the package is kept",
    "53300": "the server has no connection left: close some, or raise max_connections; the package is kept",
    "53": "the server is out of a resource: look into its log, then run again: the package is kept",
    "54": "a table holds 1600 columns and 8 kB of numbers a row: load part of it as json, or less of it",
    "57014": "a statement took longer than statement_timeout, or somebody cancelled it; the package is kept",
}
# More than the code tells, where the server speaks English.
_RIGHTS = (
    ("must be owner", "have its owner make the change, or ALTER TABLE .. OWNER TO the user; run again"),
    (
        "denied for table",
        "have its owner GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON ALL TABLES IN SCHEMA ..; run again",
    ),
)
_RETRYABLE = ("53300",)
# Their detail shows a row's values, which may be nobody's to see, and tells nothing of the cause.
_WHOLE_ROW = ("23502", "23514")
_HOST = "check the host in the credentials, and that this machine can resolve it"
# libpq doesn't tell the SQLSTATE of a login that failed; servers may answer in other languages.
_LOGIN = (
    ("password authentication failed", _HINTS["28P01"]),
    ("no password supplied", "the server wants a password: add one to the credentials"),
    ("pg_hba.conf", _HINTS["28"]),
    ("could not translate host name", _HOST),
    ("failed to resolve host", _HOST),
    ("Connection refused", "check host and port, and that the server runs and listens on that address"),
    ("timeout expired", "no answer: check host, port and firewalls, or raise connect_timeout"),
    ("too many clients", _HINTS["53300"]),
    ("remaining connection slots", _HINTS["53300"]),
    ("does not exist", "check the names of database and user in the credentials"),
    ("SSL", "check sslmode in the credentials, and what the server offers"),
    ("invalid URI query parameter", "take the option out of the credentials: libpq doesn't know it"),
)
_DETAILS = ("MESSAGE_PRIMARY", "MESSAGE_DETAIL", "CONTEXT", "TABLE_NAME", "COLUMN_NAME", "SOURCE_FUNCTION")
_FOR_NOW = (
    "Connection refused",
    "timeout expired",
    "too many clients",
    "remaining connection slots",
    "starting up",
)


def is_lost(exc: psycopg.Error) -> bool:
    """Whether the line broke, so that nobody knows what the server made of the last message."""
    code = exc.sqlstate or ""
    return code[:2] in ("08", "XX") or code.startswith("57P") or (not code and _is_io(exc))


def waited_too_long(exc: psycopg.Error) -> bool:
    """Whether the server gave up a wait for a lock, as it was told to."""
    gave_up = "lock timeout" in str(exc) or _details(exc).get("SOURCE_FUNCTION") == "ProcessInterrupts"
    return exc.sqlstate == "55P03" and gave_up


def _is_io(exc: psycopg.Error) -> bool:
    return isinstance(exc, psycopg.OperationalError | psycopg.InterfaceError)


def explained(exc: psycopg.Error, doing: str, login: Login) -> DestinationError | DataError:
    """Return our error for the driver's, passwords masked."""
    what = login.masked(_message(exc))
    code = exc.sqlstate or ""
    if code == "42701" and "system column" in what:
        return DestinationError(
            f"Postgres failed while {doing}: {what}",
            hint="every table has a column of that name: give it another before it is yielded, with add_map",
        )
    if why := _lookup(_CONFLICTS, code):
        return CommitFailed(f"{why} while {doing}: {what}", hint=_AGAIN)
    if is_lost(exc):
        return CommitFailed(f"the connection was lost while {doing}: {what}", hint=_AGAIN)
    if why := _lookup(_VALUES, code):
        return DataError(
            f"Postgres refused a row while {doing}: {why}: {what}",
            hint=_lookup(_HINTS, code) or _MEND,
            **_place(exc, login),
        )
    hint = next((h for phrase, h in _RIGHTS if phrase in what and code == "42501"), _lookup(_HINTS, code))
    error = DestinationError(f"Postgres failed while {doing}: {what}", hint=hint or _MEND)
    error.retryable = code in _RETRYABLE
    return error


def unread(exc: psycopg.Error, doing: str, login: Login) -> DestinationError:
    """Return our error for a statement that failed outside a load, passwords masked."""
    error = DestinationError(f"Postgres failed while {doing}: {login.masked(_message(exc))}")
    error.retryable = is_lost(exc)
    return error


def refused(exc: psycopg.Error, login: Login) -> DestinationError:
    """Return our error for a connection that could not be made."""
    what = login.masked(_message(exc))
    hint = next(
        (h for phrase, h in _LOGIN if phrase in what), "check the credentials and that the server runs"
    )
    error = DestinationError(f"cannot connect to {login.shown}: {what}", hint=hint)
    error.retryable = any(phrase in what for phrase in _FOR_NOW)
    return error


def cause(exc: psycopg.Error, login: Login) -> psycopg.Error | None:
    """Return the error to chain: none, where it shows a secret."""
    return exc if login.masked(str(exc)) == str(exc) else None


def _lookup(table: Mapping[str, str], code: str) -> str | None:
    return next((table[code[:n]] for n in (5, 3, 2) if code[:n] in table), None)


def _details(exc: psycopg.Error) -> dict[str, str]:
    told = {name: getattr(exc.diag, name.lower()) for name in _DETAILS}
    return {name: text for name, text in told.items() if text is not None}


def _message(exc: psycopg.Error) -> str:
    details = _details(exc)
    primary = details.get("MESSAGE_PRIMARY")
    if primary is None:
        text = str(exc).split(". SQLSTATE", 1)[0]
        primary = re.sub(r"^(connection failed: |[A-Z_]+: (\[libpq\] )?(Failed to connect: )?)", "", text)
    elif "MESSAGE_DETAIL" in details and (exc.sqlstate or "") not in _WHOLE_ROW:
        primary = f"{primary} ({details['MESSAGE_DETAIL']})"
    return shorten(" ".join(primary.split()), _MAX_CHARS)


def _place(exc: psycopg.Error, login: Login) -> dict[str, Any]:
    """Return table, column and row (from 1, in the order written) where the server names them."""
    details = _details(exc)
    found = re.match(r"COPY (.+), line (\d+)(?:, column (.+?)(?::|$))?", details.get("CONTEXT", ""))
    place: dict[str, Any] = {"table": details.get("TABLE_NAME"), "column": details.get("COLUMN_NAME")}
    if found:
        place["table"] = place["table"] or found[1]
        place["column"] = place["column"] or found[3]
        place["row"] = int(found[2])
    return {key: login.masked(value) if isinstance(value, str) else value for key, value in place.items()}
