"""Rows of which a merge leaves gaps: DuckDB moves the others together only once many have gone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb
import pytest

import ladle

ROWS = 300_000


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "x_.duckdb")


def load(path: str, rows: list[dict[str, Any]], strategy: str = "delete-insert") -> None:
    pipeline = ladle.pipeline(
        "worn", destination=ladle.destinations.duckdb(path), dataset_name="ds", pipelines_dir=path + ".d"
    )
    disposition = {"disposition": "merge", "strategy": strategy}
    resource = ladle.resource(rows, name="t", primary_key="id", write_disposition=disposition)
    pipeline.run(resource, refresh=None)


def kept(path: str) -> tuple[int, int]:
    """Return how many rows the file holds, and how many of them count."""
    with duckdb.connect(path, read_only=True) as connection:
        sql = "SELECT estimated_size, (SELECT count(*) FROM ds.t) FROM duckdb_tables() WHERE table_name = 't'"
        found = connection.execute(sql).fetchone()
    assert found is not None
    return found


def seeded(path: str) -> None:
    load(path, [{"id": 0, "n": 0}])
    with duckdb.connect(path) as connection:
        connection.execute(
            f"INSERT INTO ds.t BY NAME SELECT range AS id, 0 AS n, '1' AS _dlt_load_id, 'r' || range AS _dlt_id "
            f"FROM range(1, {ROWS})"
        )


@pytest.mark.parametrize("strategy", ["delete-insert", "upsert"])
def test_gaps_stay_until_a_fifth_is_gone(path: str, strategy: str) -> None:
    seeded(path)
    for wave in range(1, 4):
        load(path, [{"id": number, "n": wave} for number in range(wave, ROWS, 10)], strategy)
        held, live = kept(path)
        assert live == ROWS
        assert held == ROWS + wave * ROWS // 10
    # now more than a fifth of what the file holds is gone
    load(path, [{"id": number, "n": 4} for number in range(4, ROWS, 10)], strategy)
    held, live = kept(path)
    assert live == ROWS
    assert held < ROWS + 4 * ROWS // 10
    with duckdb.connect(path, read_only=True) as connection:
        found = connection.execute("SELECT n, count(*) FROM ds.t GROUP BY n ORDER BY n").fetchall()
    assert found == [(0, ROWS * 6 // 10), *((n, ROWS // 10) for n in range(1, 5))]


def test_the_setting_is_that_of_others_again(path: str) -> None:
    seeded(path)
    with duckdb.connect(path) as other:
        before = other.execute("SELECT current_setting('max_vacuum_tasks')").fetchone()
        load(path, [{"id": 7, "n": 1}])
        assert other.execute("SELECT current_setting('max_vacuum_tasks')").fetchone() == before
