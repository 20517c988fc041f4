"""A story for victims: a load, one that empties the tables first, and one that drops them first."""

from __future__ import annotations

from tests.e2e import victim_append
from tests.e2e.content import Tables, load_ids, read
from tests.e2e.victim import DATASET, Hook, Job, made, pending
from tests.e2e.victim_cursor import tidied

import ladle

RUNS = (None, "drop_data", "drop_resources")
LOOSE = ("mysql",)
"""It drops tables before the transaction of the rows: until the commit they are missing or empty."""


def live(job: Job, hook: Hook) -> None:
    """Give what is neither loaded nor waiting."""
    p = made(job, hook)
    if job.finish_first:
        p.run()
    begun = len({*load_ids(read(job.destination, DATASET, "_dlt_loads")), *pending(p)})
    for run in range(begun, job.runs):
        resources = [*victim_append.resources(run)]
        p.run(ladle.source(lambda resources=resources: resources, name="feed")(), refresh=RUNS[run])
    tidied(p, job)


def check(tables: Tables, whole: bool) -> None:
    """Check that the rows of the newest load on record are there, and no others."""
    newest = [i for run in range(len(load_ids(tables)))[-1:] for i in victim_append.ids(run)]
    for name in ("added", "columnar"):
        found = sorted(row["id"] for row in tables.get(name, []))
        assert found == newest if whole else not found or {*found} >= {*newest}
