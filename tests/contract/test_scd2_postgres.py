"""SCD2 on a real Postgres: random histories beside the oracle, and what is Postgres's own."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from tests.scd2 import Way, histories, kept, plain

import ladle

HISTORY = {"disposition": "merge", "strategy": "scd2"}


@pytest.fixture
def pipeline(tmp_path: Path, postgres_url: str, dataset: str) -> Any:
    return ladle.pipeline(
        "p", tmp_path, destination=ladle.destinations.postgres(postgres_url), dataset_name=dataset
    )


def day(number: int) -> datetime:
    return datetime(2024, 1, number, tzinfo=UTC)


def landed(url: str, dataset: str) -> list[dict[str, Any]]:
    with psycopg.connect(url, row_factory=psycopg.rows.dict_row) as connection:
        found = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = %s", [dataset])
        tables = {row["tablename"] for row in found}
        if "t" not in tables:
            return []
        roots = connection.execute(
            "SELECT *, _dlt_valid_from AT TIME ZONE 'UTC' AS since,"
            f" _dlt_valid_to AT TIME ZONE 'UTC' AS until FROM \"{dataset}\".t"
        ).fetchall()
        kids: list[dict[str, Any]] = []
        if "t__kids" in tables:
            kids = connection.execute(f'SELECT * FROM "{dataset}".t__kids ORDER BY _dlt_list_idx').fetchall()
    below: dict[str, list[Any]] = {}
    for kid in kids:
        below.setdefault(kid["_dlt_parent_id"], []).append({"x": kid["x"]})
    made = []
    for row in roots:
        content = {n: row.get(n) for n in ("id", "k", "d", "v", "h", "gone")}
        until = None if row["until"] is None or row["until"].year == 9999 else row["until"].day
        kids_of = below.get(row["_dlt_id"], [])
        made.append({"row": {**content, "kids": kids_of}, "since": row["since"].day, "until": until})
    return made


@given(histories())
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_history_is_what_the_oracle_says(
    tmp_path_factory: pytest.TempPathFactory, postgres_url: str, history: tuple[Way, Any]
) -> None:
    way, batches = history
    root = tmp_path_factory.mktemp("history")
    dataset = root.name.replace("-", "_")
    pipeline = ladle.pipeline(
        "p", root, destination=ladle.destinations.postgres(postgres_url), dataset_name=dataset
    )
    expected: list[Any] = []
    for number, batch in enumerate(batches, 1):
        hints = way.hints
        hints["write_disposition"]["boundary_timestamp"] = day(number)
        pipeline.run(ladle.resource(batch, name="t", **hints))
        expected = kept(expected, batch, way, number)
    assert plain(landed(postgres_url, dataset)) == plain(expected), (way, batches)
    pipeline.drop()


def test_rows_appended_before_come_again_and_again(pipeline: Any, dataset: str, query: Any) -> None:
    first, other = [{"id": 1, "n": [1]}], [{"id": 1, "n": [2]}]
    pipeline.run(ladle.resource(first, name="t"))
    for batch in (first, other, first):
        pipeline.run(ladle.resource(batch, name="t", write_disposition=HISTORY))
    found = query(f'SELECT count(*), count(DISTINCT _dlt_id), count(_dlt_valid_to) FROM "{dataset}".t')
    assert found == [(4, 3, 3)]
    assert query(f'SELECT value FROM "{dataset}".t__n ORDER BY 1') == [(1,), (1,), (2,)]


def test_two_pipelines_at_once_leave_one_row_for_each_key_and_moment(
    tmp_path: Path, postgres_url: str, dataset: str, query: Any
) -> None:
    def run(name: str) -> None:
        pipeline = ladle.pipeline(
            name, tmp_path, destination=ladle.destinations.postgres(postgres_url), dataset_name=dataset
        )
        for n in range(3):
            rows = [{"id": i, "v": f"{name}{n}"} for i in range(20)]
            pipeline.run(ladle.resource(rows, name="t", merge_key="id", write_disposition=HISTORY))

    threads = [threading.Thread(target=run, args=(name,)) for name in ("one", "two")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert query(f'SELECT count(*), count(DISTINCT id) FROM "{dataset}".t WHERE _dlt_valid_to IS NULL') == [
        (20, 20)
    ]
    overlapping = query(
        f'SELECT count(*) FROM "{dataset}".t a JOIN "{dataset}".t b ON a.id = b.id AND a.v <> b.v'
        " AND a._dlt_valid_from < b._dlt_valid_to AND b._dlt_valid_from < a._dlt_valid_to"
    )
    assert overlapping == [(0,)]
    assert query(f'SELECT count(*) FROM "{dataset}".t WHERE _dlt_valid_to < _dlt_valid_from') == [(0,)]
    assert query(f'SELECT count(*) FROM "{dataset}".t') == [(120,)]


def test_names_are_data(pipeline: Any, dataset: str, query: Any) -> None:
    names = ['a"; DROP TABLE t; --', "t" * 63]
    strategy = {**HISTORY, "validity_column_names": names}
    for x in (1, 2):
        pipeline.run([{"x": x}], table_name="t" * 63, write_disposition=strategy)
    assert query(f'SELECT x FROM "{dataset}"."{"t" * 63}" ORDER BY x') == [(1,), (2,)]
