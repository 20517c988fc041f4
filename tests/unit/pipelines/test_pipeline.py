"""Pipeline: what it says about itself, and that a wrong call or a failure changes nothing."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from tests.loading import Site

import ladle
from ladle.errors import DataError, LadleError, PipelineIsRunning, SourceError, UsageError
from ladle.package.lock import FileLock
from ladle.schema.table import Column, Table


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site.in_memory(tmp_path)


def test_before_the_first_run(site: Site) -> None:
    pipeline = site.pipeline()
    assert (pipeline.first_run, pipeline.has_data, pipeline.has_pending_data) == (True, False, False)
    assert (pipeline.schema_names, pipeline.schemas, pipeline.default_schema_name) == ([], {}, None)
    assert (pipeline.last_trace, pipeline.state["_state_version"]) == (None, 0)
    with pytest.raises(LadleError, match="has no schema yet"):
        _ = pipeline.default_schema
    assert not Path(pipeline.working_dir).exists()


def test_after_a_run(site: Site) -> None:
    pipeline = site.pipeline()
    pipeline.run([{"a": 1}], table_name="t")
    assert (pipeline.first_run, pipeline.has_data, pipeline.default_schema_name) == (False, True, "p")
    assert (pipeline.state["schema_names"], pipeline.state["_state_version"]) == (["p"], 1)
    assert "p" in repr(pipeline)
    assert "duckdb" in repr(pipeline)


def test_state_is_a_copy(site: Site) -> None:
    pipeline = site.pipeline()
    pipeline.run([{"a": 1}], table_name="t")
    pipeline.state.clear()
    assert pipeline.state["_state_version"] == 1


def test_several_schemas_the_default_first(site: Site) -> None:
    @ladle.source
    def another() -> Any:
        return ladle.resource([{"a": 1}], name="r")

    pipeline = site.pipeline("zz")
    pipeline.run([{"a": 1}], table_name="t")
    info = pipeline.run(another())
    assert pipeline.schema_names == ["zz", "another"]
    assert [p.schema_name for p in info.load_packages] == ["another"]
    assert pipeline.schemas["another"].data_table_names() == ["r"]


def test_a_schema_by_value_and_by_name(site: Site) -> None:
    schema = ladle.Schema("mine", max_nesting=None)
    pipeline = site.pipeline()
    pipeline.run([{"a": 1}], table_name="t", schema=schema)
    pipeline.run([{"b": 1}], table_name="t", schema="mine")
    assert pipeline.schema_names == ["mine"]
    assert list(site.table("t").types) == ["a", "b"]


def test_a_schema_changes_its_version_only_with_its_content(site: Site) -> None:
    pipeline = site.pipeline()
    versions = []
    for rows in ([{"a": 1}], [{"a": 2}], [{"b": 1}]):
        pipeline.run(rows, table_name="t")
        versions.append(pipeline.default_schema.version)
    assert versions == [1, 1, 2]
    assert len(site.query("SELECT 1 FROM ds._dlt_version")) == 2


def failing() -> Iterator[Any]:
    yield {"new": 1}
    raise ValueError("source down")


FAILURES: dict[str, tuple[Any, dict[str, Any], type[LadleError]]] = {
    "source": (failing, {}, SourceError),
    "value": ([{"a": 1}, {"a": object()}], {}, DataError),
    "null": ([{"a": None}], {"columns": {"a": {"data_type": "bigint", "nullable": False}}}, DataError),
    "misfit": ([{"a": "x"}], {"columns": {"a": {"data_type": "bigint", "nullable": False}}}, DataError),
    "frame": (pa.table({"t": pa.array([1], pa.time64("ns"))}), {}, DataError),
    "key": ([{"a": 1}], {"primary_key": "k"}, DataError),
}


@pytest.mark.parametrize("name", FAILURES)
def test_a_failed_run_changes_nothing_and_leaves_nothing(name: str, site: Site) -> None:
    pipeline = site.pipeline()
    pipeline.run([{"a": 1}], table_name="t")
    state, schema = pipeline.state, pipeline.default_schema.to_dict()
    data, options, error = FAILURES[name]
    with pytest.raises(error):
        pipeline.run(data, table_name="t", **options)
    assert (pipeline.state, pipeline.default_schema.to_dict()) == (state, schema)
    assert not pipeline.has_pending_data
    assert list((Path(pipeline.working_dir) / "packages").iterdir()) == []
    assert site.table("t").data == [(1,)]
    pipeline.run([{"a": 2}], table_name="t")
    assert site.table("t").data == [(1,), (2,)]


def test_the_second_of_two_sources_fails_the_first_is_loaded(site: Site) -> None:
    @ladle.source
    def good() -> Any:
        return ladle.resource([{"a": 1}], name="good_rows")

    @ladle.source
    def bad() -> Any:
        return ladle.resource(failing, name="bad_rows")

    with pytest.raises(SourceError):
        site.pipeline().run([good(), bad()])
    assert set(site.tables()) == {"good_rows"}


def test_a_run_without_data_finishes_what_is_pending(site: Site) -> None:
    pipeline = site.pipeline()
    pipeline.extract([{"a": 1}], table_name="t")
    info = pipeline.run()
    assert [p.from_earlier_run for p in info.load_packages] == [True]
    assert site.table("t").data == [(1,)]
    assert pipeline.run().is_empty


def test_packages_load_in_the_order_they_were_extracted(site: Site) -> None:
    pipeline = site.pipeline()
    for number in range(3):
        pipeline.extract([{"a": number, f"c{number}": True}], table_name="t")
    pipeline.normalize()
    info = pipeline.load()
    assert info.loads_ids == sorted(info.loads_ids, key=float)
    assert [row["a"] for row in site.table("t").rows] == [0, 1, 2]


def test_an_extract_alone_opens_no_session(tmp_path: Path) -> None:
    """A thread that connects would end with the process, and take it along."""
    destination = ladle.destinations.duckdb(str(tmp_path / "x.duckdb"))
    pipeline = ladle.pipeline("p", tmp_path / "work", destination=destination, dataset_name="ds")
    pipeline.run([{"a": 1}], table_name="t")
    pipeline.extract([{"a": 2}], table_name="t")
    assert [thread.name for thread in threading.enumerate() if thread.name == "ladle-connect"] == []
    # nobody holds the file
    with duckdb.connect(tmp_path / "x.duckdb", config={"threads": 1}) as db:
        assert db.execute("SELECT count(*) FROM ds.t").fetchall() == [(1,)]


def test_a_destination_can_come_with_the_load(site: Site) -> None:
    pipeline = ladle.pipeline("p", site.root / "pipelines")
    assert pipeline.destination is None
    pipeline.extract([{"a": 1}], table_name="t")
    pipeline.normalize()
    with pytest.raises(UsageError, match="has no destination"):
        pipeline.load()
    pipeline.load(site.destination, "ds")
    assert site.table("t").data == [(1,)]


@pytest.mark.parametrize("policy", ["fail", "wait"])
def test_another_run_has_the_pipeline(policy: str, site: Site) -> None:
    pipeline = site.pipeline(on_running=policy, running_wait_s=0.05)
    pipeline.run([{"a": 1}], table_name="t")
    other = FileLock(Path(pipeline.working_dir) / "run.lock")
    assert other.acquire(0)
    with pytest.raises(PipelineIsRunning):
        pipeline.run([{"a": 2}], table_name="t")
    other.release()
    pipeline.run([{"a": 3}], table_name="t")
    assert site.table("t").data == [(1,), (3,)]


def test_failed_jobs_cannot_be_asked_to_pass(site: Site) -> None:
    with pytest.raises(UsageError):
        site.pipeline().load(raise_on_failed_jobs=False)


def test_lists_whose_table_is_anothers_leave_nothing_behind(site: Site) -> None:
    site.load([{"v": 1}], "t__l")
    with pytest.raises(DataError, match="the table of `t__l`"):
        site.load([{"l": [1]}], "t")
    site.load([{"l": [1]}], "u")
    with pytest.raises(UsageError, match="holds a list of table `u`"):
        site.load([{"v": 1}], "u__l")
    assert set(site.tables()) == {"t__l", "u", "u__l"}


def test_refresh_drops_what_was_loaded_and_keeps_what_the_source_declares(tmp_path: Path) -> None:
    connection = duckdb.connect()
    declared = ladle.Schema("shop").with_tables(
        [Table("u", columns={"a": Column("a", data_type="text")}, resource="u", write_disposition="append")]
    )

    @ladle.source(schema=declared)
    def shop(name: str) -> Any:
        return ladle.resource([{"a": 1}], name=name)

    p = ladle.pipeline("p", tmp_path, destination=ladle.destinations.duckdb(connection), dataset_name="ds")
    p.run(shop("u"))
    p.run(shop("v"))
    p.run(shop("u"), refresh="drop_sources")
    tables = {row[0] for row in connection.execute("select table_name from duckdb_tables()").fetchall()}
    assert {t for t in tables if not t.startswith("_")} == {"u"}
    assert connection.execute("select a from ds.u").fetchall() == [("1",)]
