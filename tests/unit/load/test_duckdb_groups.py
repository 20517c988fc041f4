"""Batches of any size reach DuckDB."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

import ladle


@pytest.mark.parametrize("rows", [122_879, 122_880, 122_881, 245_760, 250_000, 400_000])
def test_a_batch_of_several_row_groups_is_loaded(rows: int, tmp_path: Path) -> None:
    # 250,000 rows are what a narrow frame is cut to: two row groups in one batch
    destination = ladle.destinations.duckdb(str(tmp_path / "x.duckdb"))
    p = ladle.pipeline("p", tmp_path, destination=destination, dataset_name="ds")
    p.run(pa.table({"i": range(rows), "t": ["x"] * rows}), table_name="t")
    assert p.dataset()("SELECT count(*), sum(i) FROM t").fetchall() == [(rows, rows * (rows - 1) // 2)]
