"""A story for victims: three full listings into one database, compared with what is there or taking its place."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.e2e.content import Tables
from tests.e2e.victim import Hook, Job, made, pending
from tests.e2e.victim_cursor import tidied

import ladle

Row = dict[str, Any]
RUNS: tuple[list[Row], ...] = (
    [{"id": 1, "v": "a", "n": [{"x": 1}, {"x": 2}]}, {"id": 2, "v": "b"}, {"id": 4, "v": "d"}],
    # one is gone, one is new, one is the same, and the schema grows
    [{"id": 2, "v": "B", "n": [{"x": 3, "y": 1}]}, {"id": 3, "w": 1}, {"id": 4, "v": "d"}],
    [{"id": 3, "w": 1}, {"id": 1, "v": "A"}, {"id": 2, "v": "B"}],
)
MERGES: dict[str, Row] = {
    "listed": {"strategy": "upsert", "delete_missing": "hard", "skip_unchanged_rows": True},
    "lost": {"strategy": "delete-insert", "delete_missing": "soft"},
}
REPLACES = {
    "emptied": "truncate-and-insert",
    "copied": "insert-from-staging",
    "swapped": "staging-optimized",
}


def source(run: int) -> Any:
    def rows() -> Iterator[list[Row]]:
        state = ladle.current.resource_state()
        state["done"] = run
        yield RUNS[run]

    def resources() -> Any:
        for name, merge in MERGES.items():
            way = {"disposition": "merge", **merge}
            yield ladle.resource(rows, name=name, primary_key="id", write_disposition=way)
        for name, strategy in REPLACES.items():
            yield ladle.resource(
                rows, name=name, write_disposition={"disposition": "replace", "strategy": strategy}
            )

    return ladle.source(resources, name="feed")()


def live(job: Job, hook: Hook) -> None:
    """Bring in a run, unless its state says that it is there."""
    p = made(job, hook)
    if job.finish_first:
        p.run()
    left = pending(p)
    done = p.state.get("sources", {}).get("feed", {}).get("resources", {}).get("listed", {}).get("done", -1)
    info = p.run(source(job.runs - 1) if done < job.runs - 1 and not left else None)
    assert len(info.loads_ids) <= len(left) + 1
    tidied(p, job)


def check(tables: Tables, whole: bool) -> None:
    """Check that all tables are of one listing, and that each child row has its root."""
    listings = [sorted(row["id"] for row in tables.get(name, [])) for name in ("listed", *REPLACES)]
    assert all(listing == listings[0] for listing in listings)
    there = [row["id"] for row in tables.get("lost", []) if not row.get("_ladle_deleted_at")]
    assert sorted(there) == listings[0]
    for name in (*MERGES, *REPLACES):
        ids = {row["_dlt_id"] for row in tables.get(name, [])}
        assert all(row["_dlt_parent_id"] in ids for row in tables.get(f"{name}__n", []))
