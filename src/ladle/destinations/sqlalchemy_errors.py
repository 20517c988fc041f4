"""What an error of a driver behind SQLAlchemy means for the caller: mend something, or run again."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from sqlalchemy import exc as sa_exc

from ladle.errors import CommitFailed, DataError, DestinationError, LadleError, shorten

_AGAIN = "the package is kept: run again"
_MEND = "the package is kept: mend the cause and run again"
_MAX_CHARS = 300
# Drivers have no common numbers for what went wrong, and most servers speak English.
_HINTS = (
    (("null", "constraint"), "let it be null, or give it a DEFAULT, and run again: the package is kept"),
    (("unique",), "remove what is there twice, or the unique index, and run again: the package is kept"),
    (("duplicate",), "remove what is there twice, or the unique index, and run again: the package is kept"),
    (("out of range",), "widen the column there (ALTER TABLE), then run again: the package is kept"),
    (("permission",), "have its owner or an administrator GRANT what the message names, and run again"),
    (("denied",), "have its owner or an administrator GRANT what the message names, and run again"),
    (("must be owner",), "have its owner make the change, or make the user its owner; run again"),
    (("view",), "if a view stands in the table's place, drop or rename it; run again: the package is kept"),
    (("no space",), "free disk space on the server, then run again: the package is kept"),
    (("disk", "full"), "free disk space, then run again: the package is kept"),
)
_QUOTED = re.compile(r" LINE \d+: .* \^(?= |$)| DETAIL: Failing row contains \(.*\)\.")
"""What Postgres quotes of our own statements, and a row's values, which may be nobody's to see."""
_WAITED = ("lock timeout", "lock wait timeout", "could not obtain lock")
_GONE = ("does not exist", "unknown database")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a database is: its URL without password, and the password, to mask it."""

    shown: str
    secret: str = field(default="", repr=False)

    def said(self, exc: Exception) -> str:
        """Return the driver's own words in one line, the password masked."""
        text = _QUOTED.sub("", " ".join(str(getattr(exc, "orig", None) or exc).split()))
        return shorten(text.replace(self.secret, "***") if self.secret else text, _MAX_CHARS)

    def cause(self, exc: Exception) -> Exception | None:
        """Return the error to chain: none, where it shows the password."""
        return None if self.secret and self.secret in str(exc) else exc


def is_lost(exc: Exception) -> bool:
    """Whether the line broke, so that nobody knows what the server made of the last message."""
    return isinstance(exc, sa_exc.DBAPIError) and exc.connection_invalidated


def explained(exc: sa_exc.SQLAlchemyError, doing: str, place: Place) -> LadleError:
    """Return our error for the driver's."""
    what = place.said(exc)
    if is_lost(exc):
        return CommitFailed(f"the connection was lost while {doing}: {what}", hint=_AGAIN)
    if any(phrase in what.lower() for phrase in _WAITED):
        error = DestinationError(
            f"gave up {doing}: another session holds a lock: {what}",
            hint="wait for it, or end the session; then run again: the package is kept",
        )
        error.retryable = True
        return error
    if isinstance(exc, (sa_exc.IntegrityError, sa_exc.DataError)):
        return DataError(f"{place.shown} refused a row while {doing}: {what}", hint=_hint(what))
    if "locked" in what or "deadlock" in what.lower() or "could not serialize" in what:
        return CommitFailed(f"another session got in the way while {doing}: {what}", hint=_AGAIN)
    return DestinationError(f"{place.shown} failed while {doing}: {what}", hint=_hint(what))


def _hint(what: str) -> str:
    said = what.lower()
    return next((hint for phrases, hint in _HINTS if all(phrase in said for phrase in phrases)), _MEND)


def refused(exc: Exception, place: Place) -> DestinationError:
    """Return our error for a connection that could not be made."""
    what = place.said(exc)
    hint = "check user, password, host, port and database in the credentials, and that the server runs"
    if any(phrase in what.lower() for phrase in _GONE):
        hint = "check the names of database and user in the credentials"
    error = DestinationError(f"cannot connect to {place.shown}: {what}", hint=hint)
    error.retryable = "refused" in what or "timeout" in what
    return error


def unread(exc: sa_exc.SQLAlchemyError, doing: str, place: Place) -> DestinationError:
    """Return our error for a statement that failed outside a load."""
    error = DestinationError(f"{place.shown} failed while {doing}: {place.said(exc)}")
    error.retryable = is_lost(exc)
    return error
