"""Pipelines into functions: what the function sees, what a run tells, and what stays in the folder."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import ladle
from ladle.destinations.function import FunctionOptions
from ladle.errors import UsageError

ROWS = [{"Id": 1, "aB": {"c": [1]}, "No Value": None}, {"Id": 2, "aB": None}, {"Id": 3}]


class Taken(list[tuple[str, Any]]):
    """What a function was called with: table name and items; its last table whole."""

    table: dict[str, Any]


def taking(**options: Any) -> tuple[Any, Taken]:
    taken = Taken()

    @ladle.destination(**options)
    def sink(items: Any, table: Any) -> None:
        taken.append((table["name"], items))
        taken.table = table

    return sink, taken


def pipeline(destination: Any, folder: Path) -> ladle.Pipeline:
    return ladle.pipeline("p", folder, destination=destination)


def test_names_and_nested_values_stay_as_they_are(tmp_path: Path) -> None:
    sink, taken = taking(batch_size=2)
    p = pipeline(sink, tmp_path)
    info = p.run(ROWS, table_name="My Table", primary_key="Id", write_disposition="replace")
    assert taken == [
        ("My Table", [{"Id": 1, "aB": {"c": [1]}}, {"Id": 2}]),
        ("My Table", [{"Id": 3}]),
    ]
    assert list(taken.table["columns"]) == ["Id", "aB"]
    assert taken.table["columns"]["Id"]["primary_key"] is True
    assert taken.table["write_disposition"] == "replace"
    assert info.load_packages[0].rows["My Table"] == 3
    assert info.load_packages[0].schema_update == {}
    assert p.default_schema.naming == "direct"


def test_deeper_levels_and_other_names_where_asked(tmp_path: Path) -> None:
    sink, taken = taking(max_table_nesting=None, naming_convention="snake_case")
    pipeline(sink, tmp_path).run([{"aB": [{"x": 1}], "c": 1}], table_name="T")
    assert sorted(taken) == [("t", [{"c": 1}]), ("t__a_b", [{"x": 1}])]


def test_a_resources_own_nesting_goes_first_a_sources_does_not(tmp_path: Path) -> None:
    sink, taken = taking()

    def made(name: str, **hints: Any) -> Any:
        return ladle.resource([{"c": 1, "d": [1]}], name=name, **hints)

    source = ladle.source(
        lambda: [made("deep", max_table_nesting=1), made("flat")], name="s", max_table_nesting=1
    )
    pipeline(sink, tmp_path).run(source())
    assert sorted(taken) == [
        ("deep", [{"c": 1}]),
        ("deep▶d", [{"value": 1}]),
        ("flat", [{"c": 1, "d": [1]}]),
    ]


def test_with_the_columns_and_tables_that_ladle_adds(tmp_path: Path) -> None:
    sink, taken = taking(skip_dlt_columns_and_tables=False)
    p = pipeline(sink, tmp_path)
    info = p.run([{"a": 1}], table_name="t")
    assert [name for name, _ in taken] == ["t", "_dlt_pipeline_state"]
    assert set(taken[0][1][0]) == {"a", "_dlt_load_id", "_dlt_id"}
    assert taken[1][1][0]["pipeline_name"] == "p"
    assert taken[1][1][0]["_dlt_load_id"] == info.loads_ids[0]


def test_arrow_and_files(tmp_path: Path) -> None:
    sink, taken = taking(loader_file_format="parquet", batch_size=2)
    pipeline(sink, tmp_path / "1").run(ROWS, table_name="t")
    assert [items.to_pylist() for _, items in taken] == [
        [{"Id": 1, "aB": '{"c":[1]}'}, {"Id": 2, "aB": None}],
        [{"Id": 3, "aB": None}],
    ]
    read: list[Any] = []

    @ladle.destination(loader_file_format="parquet", batch_size=0)
    def files(items: str, table: Any) -> None:
        read.append(pq.read_table(items))

    pipeline(files, tmp_path / "2").run(ROWS, table_name="t")
    (table,) = read
    assert table.column_names == ["Id", "aB", "_dlt_load_id", "_dlt_id"]
    assert table["Id"].to_pylist() == [1, 2, 3]


def test_the_runs_format_goes_first(tmp_path: Path) -> None:
    sink, taken = taking(loader_file_format="typed-jsonl")
    pipeline(sink, tmp_path).run([{"a": 1}], table_name="t", loader_file_format="parquet")
    assert isinstance(taken[0][1], pa.RecordBatch)


def test_state_lives_in_the_folder(tmp_path: Path) -> None:
    sink, taken = taking()

    @ladle.resource
    def counted() -> Any:
        count = ladle.current.resource_state().setdefault("count", 0) + 1
        ladle.current.resource_state()["count"] = count
        yield {"count": count}

    for _ in range(2):
        pipeline(sink, tmp_path).run(counted())
    pipeline(sink, tmp_path).run([{"x": 1}], table_name="u")  # unchanged state, new table
    assert taken == [("counted", [{"count": 1}]), ("counted", [{"count": 2}]), ("u", [{"x": 1}])]
    p = pipeline(sink, tmp_path)
    p.sync_destination()
    assert not p.first_run
    p.drop()
    pipeline(sink, tmp_path).run(counted())
    assert taken[-1] == ("counted", [{"count": 1}])


def test_attach_goes_without_the_function(tmp_path: Path) -> None:
    sink, taken = taking()
    pipeline(sink, tmp_path).run([{"a": 1}], table_name="t")
    found = ladle.attach("p", tmp_path)
    assert found.destination is None
    with pytest.raises(UsageError, match="no destination"):
        found.run([{"a": 2}], table_name="t")
    ladle.attach("p", tmp_path, destination=sink).run([{"a": 2}], table_name="t")
    assert taken[-1] == ("t", [{"a": 2}])


def test_refresh_drops_nothing(tmp_path: Path) -> None:
    sink, taken = taking()
    for refresh in (None, "drop_sources", "drop_data"):
        pipeline(sink, tmp_path).run([{"a": 1}], table_name="t", refresh=refresh)
    assert len(taken) == 3


@pytest.mark.parametrize(
    ("options", "workers", "writers", "at_once"),
    [
        ({}, None, 20, 1),
        ({}, "3", 3, 1),
        ({"max_parallel_load_jobs": 2}, "3", 2, 1),
        ({"loader_parallelism_strategy": "sequential"}, None, 1, 1),
        ({"loader_parallelism_strategy": "table-sequential"}, None, 20, 1),
        ({"loader_parallelism_strategy": "parallel", "max_parallel_load_jobs": 4}, None, 4, 4),
    ],
)
def test_calls_at_once(
    options: Any, workers: str | None, writers: int, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    if workers:
        monkeypatch.setenv("LOAD__WORKERS", workers)
    bound: Any = taking(**options)[0]().bound("p")
    assert bound.limits.writers == writers
    assert bound.open("")._calls.at_once == at_once


def test_it_is_a_value() -> None:
    options = FunctionOptions()
    assert pickle.loads(pickle.dumps(options)) == options
    sink, _ = taking()
    assert sink() == sink()
    assert sink().displayable().endswith("taking.<locals>.sink")
    assert sink().capabilities().naming_convention == "direct"
    assert sink(naming_convention="snake_case").capabilities().naming_convention == "snake_case"
