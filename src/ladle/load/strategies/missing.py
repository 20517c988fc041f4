"""Deletes by comparison: a load that lists all keys tells which rows are gone where they came from.

Old rows without their like in the listing go, with all below them, or get a time in a column that says when
they were missed first. It runs before new rows are added.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any

from sqlglot import exp

from ladle.errors import TooManyMissing
from ladle.load.strategies.noted import Noted
from ladle.load.strategies.staged import Staged, Steps
from ladle.load.strategies.trees import NEW, OLD, all_of, col, counted, exists, is_null, named, same, update
from ladle.schema.table import DELETED_AT, LISTING, WITHIN


def missing(staged: Staged) -> Steps:
    """Delete or mark the old rows that the listing lacks.

    Rows that come again, or of which some were refused, are no full listing: nothing is missing then.

    Raises:
        TooManyMissing: more than is allowed.
    """
    asked = staged.root.extra.get(LISTING)
    if not asked or staged.refused is None or staged.refused > 0:
        return
    concerned = _concerned(staged)
    if concerned is None:
        return
    there = int((yield staged.old(counted()).where(*concerned))[0])
    if not there:
        return
    lacking = [*concerned, exp.not_(_listed(staged))]
    if asked["how"] == "soft":
        gone = yield _marking(staged, lacking)
    else:
        gone = yield from _deleting(staged, lacking)
    if gone < 0:  # the engine doesn't count what it changes
        gone = there - int((yield staged.old(counted()).where(*concerned))[0])
    _check(staged, gone, there)
    staged.tell(deleted=gone)


def _rows(staged: Staged) -> exp.Expression:
    return named(staged.here(staged.root), NEW)


def _listed(staged: Staged) -> exp.Expression:
    columns = staged.columns.get(staged.root.name, ())
    keys = staged.root.keys("primary_key")
    # A listing without a row, or without a key, has none of the old rows.
    return exists(_rows(staged), same(keys)) if set(keys) <= set(columns) else exp.false()


def _concerned(staged: Staged) -> list[exp.Expression] | None:
    """Return conditions on the old rows that the listing is about; None where it is about none."""
    within = [c.name for c in staged.root.columns.values() if c.extra.get(WITHIN)]
    found = [is_null(col(name, OLD)) for name in _deleted_at(staged)]
    if within and not set(within) <= set(staged.columns.get(staged.root.name, ())):
        return None
    return [*found, exists(_rows(staged), same(within))] if within else found


def _deleted_at(staged: Staged) -> list[str]:
    return [c.name for c in staged.root.columns.values() if c.extra.get(DELETED_AT)]


def _marking(staged: Staged, lacking: Sequence[exp.Expression]) -> exp.Update:
    name = _deleted_at(staged)[0]
    at = staged.session.moment(staged.root.columns[name], staged.at)
    there = named(staged.there(staged.root), OLD)
    return update(there, [exp.EQ(this=col(name), expression=at)], all_of(lacking))


def _deleting(staged: Staged, lacking: Sequence[exp.Expression]) -> Generator[exp.Expression, Any, int]:
    if staged.children:
        noted = Noted(staged, "missing")
        found = yield noted.ids([all_of(lacking)])
        for table in staged.children if found else ():
            yield staged.delete(table, noted.below())
        yield noted.forget()
        if found == 0:
            return 0
    gone: int = yield staged.delete(staged.root, all_of(lacking))
    return gone


def _check(staged: Staged, gone: int, there: int) -> None:
    """Refuse what looks like half a listing. What was deleted is rolled back."""
    most = staged.root.extra[LISTING]["max"]
    # Rounded first: 0.29 of 100 is 28.999999999999996.
    allowed = int(round(there * most, 6)) if isinstance(most, float) else most
    if gone <= allowed:
        return
    raise TooManyMissing(
        f"the listing of table `{staged.root.name}` lacks {gone:,} of the {there:,} rows that are there",
        table=staged.root.name,
        expected=f"at most {allowed:,} missing: max_missing is {most:g}",
        hint='where the listing is whole, allow it: "max_missing": 1.0 beside delete_missing, or a number '
        "of rows",
    )
