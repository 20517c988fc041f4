"""Batches on their way into DuckDB, cut anew to its row groups."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
from tests.loading import Site


def test_a_batch_of_several_row_groups(tmp_path: Path) -> None:
    rows = 122_880 * 2 + 5
    site = Site(tmp_path)
    site.pipeline().run(pa.table({"n": pa.array(range(rows))}), table_name="t")
    assert site.query("SELECT count(*), sum(n) FROM ds.t") == [(rows, rows * (rows - 1) // 2)]
