"""A story for victims: three merges into one database, by each strategy, of rows with children; keys come again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.e2e.content import Tables
from tests.e2e.victim import Hook, Job, made, pending
from tests.e2e.victim_cursor import tidied

import ladle

Row = dict[str, Any]
RUNS: tuple[list[Row], ...] = (
    [{"id": 1, "v": "a", "n": [{"x": 1}, {"x": 2}]}, {"id": 2, "v": "b"}],
    # a key comes again, one is deleted, and the schema grows
    [
        {"id": 2, "v": "B", "n": [{"x": 3, "y": 1}]},
        {"id": 3, "w": 1},
        {"id": 1, "gone": True},
        {"id": 3, "w": 2},
    ],
    [{"id": 3, "v": "c", "n": [{"x": 9}]}, {"id": 1, "v": "A"}],
)
WAYS = {"changed": "delete-insert", "kept": "insert-only", "renewed": "upsert"}


def resources(run: int) -> Iterator[Any]:
    def rows() -> Iterator[list[Row]]:
        state = ladle.current.resource_state()
        if state.get("done") != run:
            state["done"] = run
            yield RUNS[run]

    for name, strategy in WAYS.items():
        yield ladle.resource(
            rows,
            name=name,
            primary_key="id",
            columns={"gone": {"hard_delete": True, "data_type": "bool"}},
            write_disposition={"disposition": "merge", "strategy": strategy},
        )


def live(job: Job, hook: Hook) -> None:
    """Bring in a run, unless its state says that it is there."""
    p = made(job, hook)
    if job.finish_first:
        p.run()
    left = pending(p)
    info = p.run(ladle.source(lambda: resources(job.runs - 1), name="feed")())
    assert len(info.loads_ids) <= len(left) + 1
    tidied(p, job)


def check(tables: Tables, whole: bool) -> None:
    """Check that no key is there twice, and that each child row has its root."""
    for name in WAYS:
        rows = tables.get(name, [])
        assert len({row["id"] for row in rows}) == len(rows)
        ids = {row["_dlt_id"] for row in rows}
        assert all(row["_dlt_root_id"] in ids for row in tables.get(f"{name}__n", []))
