"""Rejects are kept, found and replayed at every destination that keeps records."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pydantic
import pytest

import ladle


class Row(pydantic.BaseModel):
    id: int


ROWS = [
    {"id": 1, "raw": b"\x00\x01"},
    {"id": "two", "raw": b"\xff", "kids": [{"k": 1}], "nul": "a\x00b"},
    {"id": None},
]


@pytest.fixture(params=["postgres", "sqlite", "filesystem"])
def destination(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    if request.param == "postgres":
        return ladle.destinations.postgres(request.getfixturevalue("postgres_url"))
    if request.param == "sqlite":
        return ladle.destinations.sqlite(tmp_path / "x.db")
    return ladle.destinations.filesystem(str(tmp_path / "lake"))


def test_rejects_are_replayed_once(destination: Any, tmp_path: Path) -> None:
    pipeline = ladle.pipeline(
        "p", tmp_path, destination=destination, dataset_name=f"replay_{tmp_path.name}"[:40]
    )
    made = ladle.resource(
        ROWS, name="r", columns=Row, schema_contract={"columns": "evolve", "data_type": "discard_row"}
    )
    pipeline.run(made)
    assert [r.value for r in pipeline.rejects(rule="model Row")] == ['"two"', None]
    assert pipeline.rejects(rule="model Row: int_parsing", table_name="r", resource="r")[0].position == 1
    info = pipeline.replay(fix=lambda row: {**row, "id": 2} if row.get("id") == "two" else None)
    assert info is not None
    assert info.row_counts == {"r": 1, "r__kids": 1}
    found = pipeline.dataset().query("SELECT id, raw FROM r ORDER BY id").fetchall()
    assert [(n, bytes(raw)) for n, raw in found] == [(1, b"\x00\x01"), (2, b"\xff")]
    assert pipeline.replay(fix=lambda row: None) is None
    assert [r.value for r in pipeline.rejects()] == [None]
    # Another working folder knows as much: all of it is at the destination.
    other = ladle.pipeline(
        "p", tmp_path / "other", destination=destination, dataset_name=pipeline.dataset_name
    )
    other.sync_destination()
    assert [r.position for r in other.rejects()] == [2]
