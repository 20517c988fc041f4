"""A story for victims: tables that keep their columns, one that grows and one that is replaced with its lists."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.e2e.content import Tables, load_ids, read
from tests.e2e.victim import DATASET, Hook, Job, made, pending

import ladle

RUNS = (0, 1, 2)
_PAGES, _ROWS = 3, 20


def source(run: int) -> Any:
    """Return what a run brings, page by page."""

    def pages(**more: Any) -> Iterator[list[dict[str, Any]]]:
        for page in range(_PAGES):
            yield [{"id": _PAGES * page + n, "run": run, **more} for n in range(_ROWS)]

    added = ladle.resource(pages, name="added", write_disposition="append")
    replaced = ladle.resource(lambda: pages(days=[{"d": 1}]), name="now", write_disposition="replace")
    return ladle.source(lambda: [added, replaced], name="steady")()


def live(job: Job, hook: Hook) -> None:
    """Give what is owed, run by run."""
    p = made(job, hook)
    if job.finish_first:
        p.run()
    given = {*load_ids(read(job.destination, DATASET, "_dlt_loads")), *pending(p)}
    for run in RUNS[len(given) : job.runs]:
        p.run(source(run))
    p.run()
    assert not p.has_pending_data


def check(tables: Tables, whole: bool) -> None:
    """Check that one table has the rows of all loads on record, the other those of the newest, with their lists."""
    loaded = [*range(len(load_ids(tables)))]
    page = _PAGES * _ROWS
    for name, runs in (("added", loaded), ("now", loaded[-1:])):
        found = [row["run"] for row in tables.get(name, [])]
        assert sorted(found) == [run for run in runs for _ in range(page)] if whole else {*found} >= {*runs}
    rows = {row["_dlt_id"] for row in tables.get("now", [])}
    assert not whole or {row["_dlt_parent_id"] for row in tables.get("now__days", [])} == rows
