"""A story for victims: a source that grows between runs, read by cursors; each run asks for what is new.

The process doesn't look what was loaded: cursor and counters are all that it goes by, so that rows are lost
or twice as soon as one of them is ahead of or behind the rows.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Iterator
from typing import Any

from tests.e2e.content import Tables, read
from tests.e2e.victim import DATASET, Hook, Job, made, pending

import ladle

Row = dict[str, Any]
RUNS: tuple[list[Row], ...] = (
    [{"id": 1, "at": 1}, {"id": 2, "at": 2, "lines": [{"x": 1}, {"x": 2}]}, {"id": 3, "at": 3}],
    # one more at the boundary, and a schema that grows
    [
        {"id": 4, "at": 3, "lines": [{"x": 3, "y": "new"}]},
        {"id": 5, "at": 5, "note": "n", "gifts": [{"g": 1}]},
    ],
    [{"id": 6, "at": 5}, {"id": 7, "at": 8}],
)
"""What each run finds in addition."""


def there(run: int) -> list[Row]:
    """Return all rows that a run finds."""
    return [row for rows in RUNS[: run + 1] for row in rows]


def count(state: dict[str, Any], new: int) -> None:
    if new:
        state["rows"] = state.get("rows", 0) + new


def source(run: int) -> Any:
    """Return what the program reads: events, and the details of each event, by a transformer."""

    @ladle.resource(primary_key="id")
    def events(at: Any = ladle.sources.incremental("at")) -> Iterator[list[Row]]:
        state = ladle.current.resource_state()
        for row in there(run):
            if row["id"] not in state.get("ids", ()):
                count(state, 1)
                count(ladle.current.source_state(), 1)
                state["ids"] = [*state.get("ids", ()), row["id"]]
            yield [row]

    @ladle.transformer(data_from=events, primary_key="id")
    def details(page: list[Row], at: Any = ladle.sources.incremental("seen.at")) -> Iterator[list[Row]]:
        count(ladle.current.resource_state(), len(page))
        yield [{"id": row["id"], "seen": {"at": row["at"] * 10}, "parts": [row["id"]]} for row in page]

    return ladle.source(lambda: [events, details], name="feed")()


def live(job: Job, hook: Hook) -> None:
    """Run once; then tidy up what a killed process left."""
    p = made(job, hook)
    if job.finish_first:
        p.run()
    left = sorted(pending(p), key=float)
    info = p.run(source(job.runs - 1))
    assert info.loads_ids[: len(left)] == left
    assert len(info.loads_ids) <= len(left) + 1
    tidied(p, job)


def tidied(p: ladle.Pipeline, job: Job) -> None:
    """Remove what a killed process left of packages already loaded; the folder then knows what is loaded."""
    p.run()
    assert not p.has_pending_data
    assert p.state["sources"] == state_of(read(job.destination, DATASET, "_dlt_pipeline_state"))


def state_of(tables: Tables) -> Any:
    """Return the sources' part of the newest state at the destination."""
    rows = tables.get("_dlt_pipeline_state", [])
    if not rows:
        return {}
    newest = max(rows, key=lambda row: row["version"])
    return json.loads(zlib.decompress(base64.b64decode(newest["state"]))).get("sources", {})


def check(tables: Tables, whole: bool) -> None:
    """Check that each cursor and counter is that of the rows which are there."""
    if not whole:
        return
    source = state_of(tables).get("feed", {})
    events, details = tables.get("events", []), tables.get("details", [])
    own = source.get("resources", {})
    assert source.get("rows", 0) == len(events) == own.get("events", {}).get("rows", 0)
    assert own.get("details", {}).get("rows", 0) == len(details)
    check_cursor(own.get("events", {}).get("incremental", {}), "at", [row["at"] for row in events])
    check_cursor(
        own.get("details", {}).get("incremental", {}), "seen.at", [row["seen__at"] for row in details]
    )


def check_cursor(stored: dict[str, Any], path: str, values: list[int]) -> None:
    if not values:
        assert not stored
        return
    assert stored[path]["last_value"] == max(values)
    assert len(stored[path]["unique_hashes"]) == values.count(max(values))
