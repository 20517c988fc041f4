"""SCD2 on SQLite, and behind SQLAlchemy: random histories beside the oracle, and what is SQLite's own."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from tests.scd2 import Way, histories, kept, plain

import ladle

HISTORY = {"disposition": "merge", "strategy": "scd2"}


def day(number: int) -> datetime:
    return datetime(2024, 1, number, tzinfo=UTC)


def landed(pipeline: ladle.Pipeline) -> list[dict[str, Any]]:
    with closing(pipeline.destination.reader("main")) as reader:
        tables = reader.tables()
    data = pipeline.dataset()
    if "t" not in tables:
        return []
    below: dict[str, list[Any]] = {}
    kids = data["t__kids"].arrow().sort_by("_dlt_list_idx").to_pylist() if "t__kids" in tables else []
    for kid in kids:
        below.setdefault(kid["_dlt_parent_id"], []).append({"x": kid["x"]})
    made = []
    for row in data["t"].arrow().to_pylist():
        content = {n: row.get(n) for n in ("id", "k", "d", "v", "h", "gone")}
        ends = row["_dlt_valid_to"]
        until = None if ends is None or ends.year == 9999 else ends.day
        kids_of = below.get(row["_dlt_id"], [])
        made.append(
            {"row": {**content, "kids": kids_of}, "since": row["_dlt_valid_from"].day, "until": until}
        )
    return made


@pytest.mark.parametrize("generic", [False, True])
@given(histories())
@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_history_is_what_the_oracle_says(
    tmp_path_factory: pytest.TempPathFactory, generic: bool, history: tuple[Way, Any]
) -> None:
    way, batches = history
    root = tmp_path_factory.mktemp("history")
    made = ladle.destinations.sqlalchemy(f"sqlite:///{root / 'x.db'}", generic=generic)
    pipeline = ladle.pipeline("p", root, destination=made, dataset_name="main")
    expected: list[Any] = []
    for number, batch in enumerate(batches, 1):
        hints = way.hints
        hints["write_disposition"]["boundary_timestamp"] = day(number)
        pipeline.run(ladle.resource(batch, name="t", **hints))
        expected = kept(expected, batch, way, number)
    assert plain(landed(pipeline)) == plain(expected), (way, batches)
    pipeline.drop()


def test_versions_may_repeat_where_ids_were_unique_before(tmp_path: Path) -> None:
    made = ladle.destinations.sqlite(tmp_path / "x.db", create_unique_indexes=True)
    pipeline = ladle.pipeline("p", tmp_path / "work", destination=made, dataset_name="main")
    pipeline.run([{"id": 1, "u": 1}], table_name="t", columns={"u": {"unique": True}})
    for v in (1, 2, 1):
        pipeline.run([{"id": 1, "v": v}], table_name="t", write_disposition=HISTORY)
    with closing(sqlite3.connect(tmp_path / "x.db")) as db:
        assert db.execute("SELECT count(*) FROM t WHERE v = 1").fetchall() == [(2,)]
        indexes = {name for (name,) in db.execute("SELECT name FROM pragma_index_list('t')")}
    assert "ix_t__dlt_id" not in indexes
    assert "ix_t_u" in indexes


def test_a_large_history_is_read_once_not_once_per_row(tmp_path: Path) -> None:
    # A scan per row takes much of a minute: 10,000 x 10,000 rows.
    made = ladle.destinations.sqlite(tmp_path / "x.db")
    pipeline = ladle.pipeline("p", tmp_path / "work", destination=made, dataset_name="main")
    for v in (0, 5_000):
        rows = [{"id": n, "v": max(n, v), "kids": [n]} for n in range(10_000)]
        info = pipeline.run(rows, table_name="t", write_disposition=HISTORY)
    assert info.merged["t"] == {"inserted": 5_000, "updated": 0, "deleted": 5_000, "unchanged": 5_000}
