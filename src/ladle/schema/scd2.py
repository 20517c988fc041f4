"""What a table says of its history: the hints by which `scd2` finds validity columns and row version."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from ladle.errors import UsageError
from ladle.schema.table import Column, Table

SCD2 = "scd2"
VALID_FROM, VALID_TO = "x-valid-from", "x-valid-to"
ROW_VERSION = "x-row-version"
ACTIVE, BOUNDARY = "x-active-record-timestamp", "x-boundary-timestamp"
VALIDITY_NAMES = ("_dlt_valid_from", "_dlt_valid_to")


@dataclass(frozen=True, slots=True)
class History:
    """How a table keeps what its rows were.

    Attributes:
        since: column with the moment from which a row holds.
        until: column with the moment at which it no longer does.
        version: column that tells one content of a row from another.
        active: what `until` is while a row holds; None for null.
        boundary: the moment that a load counts from, where one was given.
    """

    since: Column
    until: Column
    version: str
    active: datetime | None
    boundary: datetime | None

    @property
    def columns(self) -> tuple[str, str]:
        """Names of the validity columns."""
        return self.since.name, self.until.name


def has_history(table: Table) -> bool:
    """Whether the rows of a table are merged by `scd2`."""
    return table.write_disposition == "merge" and table.extra.get("x-merge-strategy") == SCD2


def hinted(table: Table, hint: str) -> Column | None:
    """Return the column that carries a hint of `scd2`."""
    return next((c for c in table.columns.values() if c.extra.get(hint)), None)


def history_of(table: Table) -> History | None:
    """Return how a table keeps its history; None where it has no columns for one."""
    since, until, version = (hinted(table, h) for h in (VALID_FROM, VALID_TO, ROW_VERSION))
    if since is None or until is None or version is None:
        return None
    active, boundary = until.extra.get(ACTIVE), table.extra.get(BOUNDARY)
    return History(
        since,
        until,
        version.name,
        None if active is None else moment(active, ACTIVE),
        None if boundary is None else moment(boundary, BOUNDARY),
    )


def moment(given: Any, what: str) -> datetime:
    """Return a moment in UTC; text and dates are read by ISO 8601, a time without a zone is one of UTC.

    Raises:
        UsageError: it is none.
    """
    found = given
    if isinstance(given, str):
        try:
            found = datetime.fromisoformat(given)
        except ValueError:
            found = None
    elif isinstance(given, date) and not isinstance(given, datetime):
        found = datetime(given.year, given.month, given.day, tzinfo=UTC)
    if not isinstance(found, datetime):
        raise UsageError(
            f"{what} can't be `{given!r}`",
            expected='a datetime, a date, or one as text such as "2024-12-31" or "2024-12-31T08:00:00+00:00"',
        )
    try:
        return found.replace(tzinfo=found.tzinfo or UTC).astimezone(UTC)
    except OverflowError:
        raise UsageError(
            f"{what} can't be `{given!r}`", expected="a year from 1 to 9999, in UTC too"
        ) from None
