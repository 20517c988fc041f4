"""A part of `victim_strategies`: three full listings, compared with what is there; rows go, or are marked."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.e2e.content import Tables

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


def resources(run: int) -> Iterator[Any]:
    def rows() -> Iterator[list[Row]]:
        ladle.current.resource_state()["done"] = run
        yield RUNS[run]

    for name, merge in MERGES.items():
        way = {"disposition": "merge", **merge}
        yield ladle.resource(rows, name=name, primary_key="id", write_disposition=way)


def check(tables: Tables, whole: bool) -> None:
    """Check that both tables are of one listing, and that each child row has its root."""
    listing = sorted(row["id"] for row in tables.get("listed", []))
    there = [row["id"] for row in tables.get("lost", []) if not row.get("_ladle_deleted_at")]
    assert sorted(there) == listing
    for name in MERGES:
        ids = {row["_dlt_id"] for row in tables.get(name, [])}
        assert all(row["_dlt_parent_id"] in ids for row in tables.get(f"{name}__n", []))
