"""A story for victims: a live cursor, then a backfill of what lies before it, then the live cursor again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.e2e.content import Tables
from tests.e2e.victim import Hook, Job, made
from tests.e2e.victim_cursor import check_cursor, state_of, tidied

import ladle

NOW, LATER = range(6, 9), range(6, 12)
RUNS = ("live", "backfill", "live again")
KEY = "0..6 by 3"


def numbers(those: range) -> Any:
    @ladle.resource(name="numbers", primary_key="n")
    def rows(n: Any = ladle.sources.incremental("n", initial_value=6)) -> Iterator[Any]:
        seen = [{"n": i, "parts": [{"k": i}, {"k": -i}]} for i in those]
        # The second window brings columns and a child table that are new to the table.
        yield [{**row, "note": "n", "gifts": [1]} if 3 <= row["n"] < 6 else row for row in seen]

    return rows


def live(job: Job, hook: Hook, workers: int = 1) -> None:
    p = made(job, hook)
    if job.finish_first:
        p.run()
    if RUNS[job.runs - 1] == "backfill":
        # What is committed is not read again, and what is not is.
        p.backfill(numbers(range(12)), start=0, end=6, window=3, workers=workers)
        assert p.backfill(numbers(range(12)), start=0, end=6, window=3) == ()
    else:
        p.run(numbers(LATER if job.runs == len(RUNS) else NOW))
    tidied(p, job)


def check(tables: Tables, whole: bool) -> None:
    """Check that the windows on record are those whose rows are there, and the cursor that of the live rows."""
    if not whole:
        return
    own = state_of(tables).get("victim", {}).get("resources", {}).get("numbers", {})
    found = sorted(row["n"] for row in tables.get("numbers", []))
    recorded = own.get("backfill", {}).get("n", {}).get(KEY, {}).get("done", {})
    expected = [n for window in sorted(map(int, recorded)) for n in range(3 * window, 3 * window + 3)]
    assert [n for n in found if n < NOW.start] == expected
    check_cursor(own.get("incremental", {}), "n", [n for n in found if n >= NOW.start])
    for n in found:
        parents = [row["_dlt_id"] for row in tables["numbers"] if row["n"] == n]
        parts = [row["k"] for row in tables["numbers__parts"] if row["_dlt_parent_id"] in parents]
        assert sorted(parts) == sorted([n, -n])
