"""A part of `victim_strategies`: three loads that each replace tables and their lists, in each of the ways."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.e2e.content import Tables

import ladle

WAYS = {
    "emptied": "truncate-and-insert",
    "afresh": "insert-from-staging",
    "swapped": "staging-optimized",
}


def resources(run: int) -> Iterator[Any]:
    """Return the rows of a run; the second brings columns, the third has no lists."""

    def rows() -> list[dict[str, Any]]:
        more = {"note": "n"} if run == 1 else {}
        return [
            {"id": i, "run": run, **more, "days": [] if run == 2 else [{"d": i, "run": run}]}
            for i in range(3)
        ]

    for name, strategy in WAYS.items():
        yield ladle.resource(
            rows, name=name, write_disposition={"disposition": "replace", "strategy": strategy}
        )


def of_run(tables: Tables) -> set[int]:
    """Return the runs of which there are rows."""
    return {row["run"] for name in WAYS for row in tables.get(name, [])}


def check(tables: Tables, whole: bool) -> None:
    """Check that all tables are of one run, and that each list has its row."""
    assert len(of_run(tables)) <= 1
    for name in WAYS:
        ids = {row["_dlt_id"] for row in tables.get(name, [])}
        assert len(ids) in (0, 3)
        assert all(row["_dlt_parent_id"] in ids for row in tables.get(f"{name}__days", []))
