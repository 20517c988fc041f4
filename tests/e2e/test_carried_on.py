"""What the destination remembers of a schema is what a new machine goes on with."""

from __future__ import annotations

import shutil
from pathlib import Path

import duckdb
import pytest

import ladle


@pytest.fixture
def make(tmp_path: Path):
    def made(name: str = "p") -> ladle.Pipeline:
        target = ladle.destinations.duckdb(str(tmp_path / "x.duckdb"))
        return ladle.pipeline(name, tmp_path / "work", destination=target, dataset_name="ds")

    return made


def test_a_schema_that_returns_to_an_earlier_content_is_the_newest(make, tmp_path: Path) -> None:
    pipeline = make()
    pipeline.run([{"x": 1}], table_name="t")
    pipeline.run([{"y": 1}], table_name="u")
    pipeline.run([{"x": 2}], table_name="t", refresh="drop_sources")
    assert pipeline.default_schema.version == 3

    shutil.rmtree(tmp_path / "work")
    fresh = make()
    fresh.run([{"x": 3}], table_name="t")

    assert fresh.default_schema.data_table_names() == ["t"]
    with duckdb.connect(str(tmp_path / "x.duckdb")) as connection:
        tables = connection.execute("SELECT name FROM (SHOW ALL TABLES) WHERE name = 'u'").fetchall()
        hashes = connection.execute("SELECT version_hash FROM ds._dlt_version ORDER BY version").fetchall()
    assert tables == []
    assert hashes[0] == hashes[2] != hashes[1]


@pytest.mark.parametrize(
    ("rows", "found", "wanted"),
    [([{"x": 1.5}], "BIGINT", "DOUBLE"), ([{"x": "abc"}], "BIGINT", "VARCHAR")],
)
def test_a_column_of_another_type_at_the_destination_is_an_error_not_a_cast(
    make, tmp_path: Path, rows: list[dict[str, object]], found: str, wanted: str
) -> None:
    make("one").run([{"x": 1}], table_name="t")

    with pytest.raises(ladle.errors.DestinationError) as caught:
        make("two").run(rows, table_name="t")

    assert f"column `x` of table `t` is {found} at the destination, the data is {wanted}" in str(caught.value)
    with duckdb.connect(str(tmp_path / "x.duckdb")) as connection:
        assert connection.execute("SELECT x FROM ds.t").fetchall() == [(1,)]


def test_infos_and_traces_load_as_data(make) -> None:
    pipeline = make()
    info = pipeline.run([{"x": 1, "l": [1]}], table_name="t")

    loaded = pipeline.run([info], table_name="_load_info").row_counts
    traced = pipeline.run([pipeline.last_trace], table_name="_trace").row_counts

    assert loaded["_load_info"] == loaded["_load_info__load_packages"] == 1
    assert traced["_trace"] == 1
    assert traced["_trace__steps"] == 3
