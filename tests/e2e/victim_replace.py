"""A story for victims: three loads that each replace two tables and their lists, by staging and by swapping."""

from __future__ import annotations

from typing import Any

from tests.e2e.content import Tables, load_ids, read
from tests.e2e.victim import DATASET, Hook, Job, made, pending

import ladle

RUNS = (0, 1, 2)
WAYS = {"afresh": "insert-from-staging", "swapped": "staging-optimized"}


def source(run: int) -> Any:
    """Return the rows of a run; the second brings columns, the third has no lists."""

    def rows() -> list[dict[str, Any]]:
        more = {"note": "n"} if run == 1 else {}
        return [
            {"id": i, "run": run, **more, "days": [] if run == 2 else [{"d": i, "run": run}]}
            for i in range(3)
        ]

    def resources() -> Any:
        for name, strategy in WAYS.items():
            replaced = {"disposition": "replace", "strategy": strategy}
            yield ladle.resource(rows, name=name, write_disposition=replaced)

    return ladle.source(resources, name="feed")()


def live(job: Job, hook: Hook) -> None:
    """Give what is neither loaded nor waiting."""
    p = made(job, hook)
    if job.finish_first:
        p.run()
    begun = {*load_ids(read(job.destination, DATASET, "_dlt_loads")), *pending(p)}
    for run in RUNS[len(begun) : job.runs]:
        p.run(source(run))
    p.run()
    assert not p.has_pending_data


def check(tables: Tables, whole: bool) -> None:
    """Check that all tables are of one run, and that each list has its row."""
    assert len({row["run"] for name in WAYS for row in tables.get(name, [])}) <= 1
    for name in WAYS:
        ids = {row["_dlt_id"] for row in tables.get(name, [])}
        assert len(ids) in (0, 3)
        assert all(row["_dlt_parent_id"] in ids for row in tables.get(f"{name}__days", []))
