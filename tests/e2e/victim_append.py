"""A part of `victim_strategies`: three loads that add rows with lists, and a table from Arrow."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa
from tests.e2e.content import Tables, load_ids

import ladle


def ids(run: int) -> list[int]:
    return [run * 10 + i for i in range(3)]


def resources(run: int) -> Iterator[Any]:
    """Return the rows of a run; the second brings columns and a list."""

    def rows() -> list[dict[str, Any]]:
        ladle.current.resource_state()["done"] = run
        more = {"note": "n"} if run == 1 else {}
        return [{"id": i, **more, "days": [{"d": i, **more}] * run} for i in ids(run)]

    yield ladle.resource(rows, name="added", write_disposition="append")
    yield ladle.resource(pa.table({"id": ids(run)}), name="columnar", write_disposition="append")


def check(tables: Tables, whole: bool) -> None:
    """Check that the rows of all loads on record are there, and no others; that each list has its row."""
    loaded = sorted(i for run in range(len(load_ids(tables))) for i in ids(run))
    for name in ("added", "columnar"):
        found = sorted(row["id"] for row in tables.get(name, []))
        assert found == loaded if whole else {*found} >= {*loaded}
    rows = {row["_dlt_id"] for row in tables.get("added", [])}
    assert not whole or all(row["_dlt_parent_id"] in rows for row in tables.get("added__days", []))
