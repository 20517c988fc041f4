"""A story for victims: three loads, each by every strategy there is, of rows with children; the schema grows.

What each strategy gets, and what must hold of its tables at any moment, is in the modules of `PARTS`.
"""

from __future__ import annotations

from tests.e2e import victim_append, victim_listing, victim_merge, victim_replace, victim_scd2
from tests.e2e.content import Tables, load_ids, read
from tests.e2e.victim import DATASET, Hook, Job, made, pending
from tests.e2e.victim_cursor import tidied

import ladle

RUNS = (0, 1, 2)
PLAIN = (victim_append, victim_replace)
PARTS = (*PLAIN, victim_merge, victim_listing, victim_scd2)


def live(job: Job, hook: Hook) -> None:
    """Give what is neither loaded nor waiting; files can't be merged into."""
    parts = PLAIN if job.destination.startswith("filesystem:") else PARTS
    p = made(job, hook)
    if job.finish_first:
        p.run()
    begun = {*load_ids(read(job.destination, DATASET, "_dlt_loads")), *pending(p)}
    for run in RUNS[len(begun) : job.runs]:
        resources = [resource for part in parts for resource in part.resources(run)]
        p.run(ladle.source(lambda resources=resources: resources, name="feed")())
    tidied(p, job)


def check(tables: Tables, whole: bool) -> None:
    """Check the tables of each strategy."""
    for part in PARTS:
        part.check(tables, whole)
