"""A part of `victim_strategies`: three loads that each replace tables and their lists, in each of the ways."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.e2e.content import Tables, load_ids

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


def check(tables: Tables, whole: bool) -> None:
    """Check that all tables are of the newest load on record, and each list has its row.

    Not `whole`: rows of the load before or after it may be there too, but no table is empty or lacks rows.
    """
    newest = [*range(len(load_ids(tables)))][-1:]
    for name in WAYS:
        rows = tables.get(name, [])
        assert {(run, i) for run in newest for i in range(3)} <= {(row["run"], row["id"]) for row in rows}
        assert not whole or {row["run"] for row in rows} == {*newest}
        ids = {row["_dlt_id"] for row in rows}
        assert not whole or len(ids) == 3 * len(newest)
        assert not whole or all(row["_dlt_parent_id"] in ids for row in tables.get(f"{name}__days", []))
