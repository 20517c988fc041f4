"""A story for victims: a model refuses rows; they are fed back, some of them twice as they are refused again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pydantic
from tests.e2e.content import Tables
from tests.e2e.victim import Hook, Job, made, pending
from tests.e2e.victim_cursor import tidied

import ladle


class Order(pydantic.BaseModel):
    id: int
    at: int
    lines: Any = None


RUNS = ("refuse", "replay", "replay again")
ROWS: list[dict[str, Any]] = [
    {"id": 1, "at": 1, "lines": [{"x": 1}]},
    {"id": "two", "at": 2, "lines": [{"x": 2}, {"x": 3}]},
    {"id": "three", "at": 3, "note": "n", "lines": [{"x": 4, "y": "new"}]},
    {"id": 4, "at": 4},
]
IDS = {"two": 2, "three": 3, "3?": 3}
CONTRACT = {"columns": "evolve", "data_type": "discard_row"}


@ladle.resource(columns=Order, schema_contract=CONTRACT)
def orders(at: Any = ladle.sources.incremental("at")) -> Iterator[list[dict[str, Any]]]:
    yield ROWS


def mended(row: dict[str, Any]) -> dict[str, Any]:
    """Mend the first row, and the second only halfway: it is refused once more."""
    return {**row, "id": {"three": "3?"}.get(row["id"], IDS.get(row["id"]))}


def live(job: Job, hook: Hook) -> None:
    p = made(job, hook)
    if job.finish_first:
        p.run()
    if RUNS[job.runs - 1] == "refuse":
        p.run(orders)
    elif RUNS[job.runs - 1] == "replay":
        # What a killed process had replayed is not open any more: this replays what is left, once.
        p.replay(
            rule="model Order", resource=orders, fix=lambda row: mended(row) if row["id"] != "3?" else None
        )
    else:
        p.replay(resource=orders, fix=mended)
    assert not pending(p)
    tidied(p, job)


def check(tables: Tables, whole: bool) -> None:
    """Check that each row is there once, refused or loaded, and marked as replayed with its load."""
    if not whole:
        return
    loaded = sorted(row["id"] for row in tables.get("orders", []))
    marks = [row["reject_id"] for row in tables.get("_ladle_replays", [])]
    refused = {row["_dlt_id"]: row for row in tables.get("_ladle_rejects", [])}
    assert len(set(marks)) == len(marks)
    assert set(marks) <= set(refused)
    opened = sorted(row["position"] for i, row in refused.items() if i not in marks)
    if not loaded:
        assert (refused, marks) == ({}, [])
    elif not marks:
        assert (loaded, opened) == ([1, 4], [1, 2])
    elif opened:
        assert (loaded, opened, len(refused)) == ([1, 2, 4], [1], 3)
    else:
        assert (loaded, len(refused)) == ([1, 2, 3, 4], 3)
    lines = {x for row in tables.get("orders__lines", []) for x in [row["x"]]}
    assert lines == {x for i, xs in {1: [1], 2: [2, 3], 3: [4]}.items() if i in loaded for x in xs}
