"""A pipeline reads back what it loaded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.loading import Site

import ladle
from ladle.errors import UsageError


def test_a_pipeline_has_its_dataset_and_a_client(tmp_path: Path) -> None:
    p = Site(tmp_path).pipeline()
    p.run([{"id": 1, "l": [1, 2]}, {"id": 2}], table_name="t")
    data = p.dataset()
    assert data["t"].select("id").order_by("id").fetchall() == [(1,), (2,)]
    assert data.row_counts().fetchall() == [("t", 2), ("t__l", 2)]
    assert p.dataset("p").tables == data.tables
    with p.sql_client() as client:
        assert client.execute_sql("select count(*) from t__l") == [(2,)]
        assert client.make_qualified_table_name("t") == '"ds"."t"'


def test_a_pipeline_that_goes_nowhere_has_no_dataset(tmp_path: Path) -> None:
    p = ladle.pipeline("p", tmp_path)
    with pytest.raises(UsageError, match="no destination"):
        p.dataset()

    @ladle.destination
    def sink(items: Any, table: Any) -> None:
        pass

    with pytest.raises(UsageError):
        ladle.pipeline("q", tmp_path, destination=sink).dataset()


def test_a_resource_reads_what_earlier_runs_loaded(tmp_path: Path) -> None:
    """For lists that are too long for a state; `first_run` tells whether there is anything yet."""
    p = Site(tmp_path).pipeline()

    @ladle.resource
    def new() -> Any:
        pipeline = ladle.current.pipeline()
        known = (
            set()
            if pipeline.first_run
            else {row[0] for row in pipeline.dataset().new.select("id").fetchall()}
        )
        yield [{"id": n} for n in range(3) if n not in known]

    p.run(new)
    info = p.run(new)
    assert info.is_empty
