"""The spec's acceptance rows of issue 2, by id; documents and values have their own tables in tests/golden."""

from __future__ import annotations

import json
import logging
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas
import polars
import pyarrow as pa
import pytest
from tests.loading import Site

import ladle
from ladle.errors import (
    CannotRestorePipelineException,
    DataError,
    PipelineStepFailed,
    ResourceNameMissing,
    SourceError,
)
from ladle.state.blob import decode_state

A = [{"id": 1, "v": "a", "n": [{"x": 1}, {"x": 2}]}, {"id": 2, "v": "b"}]
B = [{"id": 2, "v": "B"}, {"id": 3, "v": "c", "n": [{"x": 9}]}, {"id": 1, "v": "A", "n": [{"x": 7}]}]
TYPES = {
    "text": ("VARCHAR", "a", "a"),
    "bigint": ("BIGINT", 1, 1),
    "double": ("DOUBLE", 1.5, 1.5),
    "bool": ("BOOLEAN", True, True),
    "timestamp": (
        "TIMESTAMP WITH TIME ZONE",
        "2024-01-02T12:00:00+02:00",
        datetime(2024, 1, 2, 10, tzinfo=UTC),
    ),
    "date": ("DATE", "2024-01-02", date(2024, 1, 2)),
    "time": ("TIME", "03:04:05", time(3, 4, 5)),
    "decimal": ("DECIMAL(38,9)", "1.5", Decimal("1.5")),
    "wei": ("DECIMAL(38,0)", 2**70, Decimal(2**70)),
    "binary": ("BLOB", b"a", b"a"),
    "json": ("JSON", {"a": [1, None]}, '{"a":[1,null]}'),
}
PRECISIONS = [
    ({"data_type": "bigint", "precision": 8}, "TINYINT", 1, 1),
    ({"data_type": "bigint", "precision": 16}, "SMALLINT", 1, 1),
    ({"data_type": "bigint", "precision": 32}, "INTEGER", 1, 1),
    ({"data_type": "decimal", "precision": 10, "scale": 2}, "DECIMAL(10,2)", Decimal("1.239"), Decimal("1.24")),
    ({"data_type": "timestamp", "timezone": False}, "TIMESTAMP", datetime(2024, 1, 2, 12), datetime(2024, 1, 2, 12)),
    (
        {"data_type": "timestamp", "timezone": False, "precision": 3},
        "TIMESTAMP_MS",
        "2024-01-02T12:00:00.123456+02:00",
        datetime(2024, 1, 2, 10, 0, 0, 123000),
    ),
    ({"data_type": "timestamp", "timezone": False, "precision": 0}, "TIMESTAMP_S", "2024-01-02T12:00:00", datetime(2024, 1, 2, 12)),
]  # fmt: skip


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site.in_memory(tmp_path)


# -- A: pipelines and sources


def test_A01_dataset_is_named_after_the_pipeline(site: Site) -> None:
    pipeline = site.pipeline("nods", dataset_name=None)
    pipeline.run([{"a": 1}], table_name="t")
    assert pipeline.dataset_name == "nods_dataset"
    assert site.tables("nods_dataset")["t"].data == [(1,)]


def test_A01_arguments_are_looked_up_in_the_environment(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIPELINE_NAME", "named")
    monkeypatch.setenv("DATASET_NAME", "other")
    monkeypatch.setenv("DESTINATION_TYPE", "duckdb")
    pipeline = ladle.pipeline(pipelines_dir=site.root, dev_mode=True)
    assert pipeline.pipeline_name == "named"
    assert pipeline.dataset_name is not None
    assert pipeline.dataset_name.startswith("other_")
    assert pipeline.destination is not None
    assert pipeline.destination.type_name == "duckdb"


def test_A02_pipeline_is_named_after_the_script(tmp_path: Path) -> None:
    script = tmp_path / "t34.py"
    script.write_text("import ladle; print(ladle.pipeline().pipeline_name)")
    env = {**os.environ, "LADLE_DATA_DIR": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, script], env=env, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "dlt_t34"


def test_A03_dev_mode_has_a_fresh_dataset_and_a_clean_folder(site: Site) -> None:
    site.pipeline().extract([{"a": 1}], table_name="old")
    pipeline = site.pipeline(dev_mode=True)
    assert re.fullmatch(r"ds_\d{14}", str(pipeline.dataset_name))
    assert not pipeline.has_pending_data
    pipeline.run([{"a": 2}], table_name="t")
    assert set(site.tables(str(pipeline.dataset_name))) == {"t"}


def test_A04_pipeline_without_arguments_is_the_last_created(site: Site) -> None:
    first, last = site.pipeline("first"), site.pipeline("last")
    assert ladle.pipeline() is last
    assert (first.is_active, last.is_active) == (False, True)
    last.deactivate()
    assert ladle.pipeline(pipelines_dir=site.root) is not last


def test_A05_run_is_one_call(site: Site) -> None:
    info = site.pipeline().run([{"a": 1}], table_name="t")
    assert site.table("t").data == [(1,)]
    assert info.row_counts["t"] == 1
    assert len(info.loads_ids) == 1


def test_A05_module_level_run_uses_the_active_pipeline(site: Site) -> None:
    pipeline = site.pipeline("active")
    info = ladle.run([{"a": 1}], table_name="t")
    assert info.pipeline is pipeline
    assert site.table("t").data == [(1,)]


def test_A06_steps_one_by_one_give_the_same_table(site: Site) -> None:
    pipeline = site.pipeline()
    extracted = pipeline.extract(A, table_name="t")
    normalized = pipeline.normalize()
    loaded = pipeline.load()
    assert extracted.loads_ids == normalized.loads_ids == loaded.loads_ids
    assert (normalized.row_counts["t"], loaded.row_counts["t__n"]) == (2, 2)
    assert site.table("t").data == [(1, "a"), (2, "b")]


def test_A07_many_kinds_of_data_in_one_run(site: Site) -> None:
    def generated() -> Iterator[dict[str, int]]:
        yield {"a": 1}

    @ladle.source
    def shop() -> Any:
        return ladle.resource([{"a": 2}], name="from_source")

    frame = ladle.resource(pandas.DataFrame({"a": [4]}), name="frame")
    data = [shop(), ladle.resource([{"a": 3}], name="from_resource"), generated(), frame]
    site.pipeline().run(data)
    landed = {name: table.data for name, table in site.tables().items()}
    assert landed == {"generated": [(1,)], "from_source": [(2,)], "from_resource": [(3,)], "frame": [(4,)]}


@pytest.mark.parametrize(
    "data",
    [
        {"a": 1},
        ({"a": 1},),
        iter([{"a": 1}]),
        [[{"a": 1}]],
        pa.table({"a": [1]}),
        pa.record_batch({"a": [1]}),
        pa.table({"a": [1]}).to_reader(),
        pandas.DataFrame({"a": [1]}),
        polars.DataFrame({"a": [1]}),
        polars.LazyFrame({"a": [1]}),
        [pa.table({"a": [1]})],
        lambda: [{"a": 1}],
        ladle.resource([{"a": 1}], name="r"),
    ],
    ids=lambda data: type(data).__name__,
)
def test_A07_every_kind_of_data_lands_the_same(data: Any, site: Site) -> None:
    assert site.load(data)["t"].data == [(1,)]


def test_A08_attach_to_an_unknown_name_is_an_error(site: Site) -> None:
    with pytest.raises(CannotRestorePipelineException, match="no pipeline `unknown`"):
        ladle.attach("unknown", site.root)


def test_A08_attach_finds_the_working_folder(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.pipeline().run([{"a": 1}], table_name="t")
    found = ladle.attach("p", tmp_path / "pipelines")
    assert (found.dataset_name, found.default_schema_name) == ("ds", "p")
    found.run([{"a": 2}], table_name="t")
    assert site.table("t").data == [(1,), (2,)]


def test_A08_attach_restores_from_the_destination(site: Site) -> None:
    site.pipeline().run([{"a": 1}], table_name="t")
    found = ladle.attach("p", site.root / "elsewhere", destination=site.destination, dataset_name="ds")
    assert found.default_schema.data_table_names() == ["t"]
    assert found.state["_state_version"] == 1


def test_A09_sync_brings_state_and_schema_to_an_empty_machine(site: Site) -> None:
    first = site.pipeline()
    first.run([{"a": 1}], table_name="t")
    known = first.default_schema.version_hash
    first.drop()
    again = site.pipeline()
    assert again.first_run
    again.sync_destination()
    assert again.default_schema.version_hash == known
    assert not again.first_run


def test_A10_drop_removes_the_folder_and_nothing_else(site: Site) -> None:
    pipeline = site.pipeline()
    pipeline.run([{"a": 1}], table_name="t")
    pipeline.drop()
    assert not Path(pipeline.working_dir).exists()
    assert site.table("t").data == [(1,)]


def test_A10_drop_pending_packages_forgets_them_and_what_they_taught(site: Site) -> None:
    pipeline = site.pipeline()
    pipeline.run([{"a": 1}], table_name="t")
    pipeline.extract([{"other": 1}], table_name="t")
    pipeline.normalize()
    pipeline.extract([{"more": 1}], table_name="t")
    pipeline.drop_pending_packages()
    assert not pipeline.has_pending_data
    assert set(pipeline.default_schema.get_table_columns("t")) == {"a", "_dlt_load_id", "_dlt_id"}
    pipeline.run()
    assert site.table("t").data == [(1,)]


def test_A11_packages_can_be_listed_at_each_stage(site: Site) -> None:
    pipeline = site.pipeline()
    (load_id,) = pipeline.extract([{"a": 1}], table_name="t").loads_ids
    assert pipeline.list_extracted_load_packages() == [load_id]
    pipeline.normalize()
    assert (pipeline.list_extracted_load_packages(), pipeline.list_normalized_load_packages()) == (
        [],
        [load_id],
    )
    pipeline.load()
    assert (pipeline.list_normalized_load_packages(), pipeline.list_completed_load_packages()) == (
        [],
        [load_id],
    )


def test_A13_source_and_schema_have_the_functions_name(site: Site) -> None:
    @ladle.source
    def shop(first: int) -> Any:
        yield ladle.resource([{"a": first}], name="orders")

    assert shop(1).name == "shop"
    pipeline = site.pipeline()
    pipeline.run(shop(1))
    assert pipeline.schema_names == ["shop"]
    assert site.table("orders").data == [(1,)]


def rows_of(kind: str) -> Any:
    rows = [{"a": 1}, {"a": 2}]

    def generator() -> Iterator[Any]:
        yield from rows

    def pages() -> Iterator[Any]:
        yield rows[:1]
        yield rows[1:]

    def function() -> Any:
        return rows

    def nested() -> Iterator[Any]:
        yield generator()

    return {
        "list": rows,
        "iterator": iter(rows),
        "generator object": generator(),
        "generator function": generator,
        "function": function,
        "pages": pages,
        "generator of generators": nested,
    }[kind]


@pytest.mark.parametrize(
    "kind",
    [
        "list",
        "iterator",
        "generator object",
        "generator function",
        "function",
        "pages",
        "generator of generators",
    ],
)
def test_A18_resource_takes_rows_in_every_form(kind: str, site: Site) -> None:
    site.pipeline().run(ladle.resource(rows_of(kind), name="t"))
    assert site.table("t").data == [(1,), (2,)]


def test_A21_data_without_a_name_is_an_error(site: Site) -> None:
    with pytest.raises(ResourceNameMissing):
        ladle.resource([1])
    with pytest.raises(ResourceNameMissing):
        site.pipeline().run([{"a": 1}])


def test_A22_A23_map_and_filter_in_order_none_is_dropped(site: Site) -> None:
    numbers = ladle.resource([0, 1, 2, 3], name="t")
    kept = numbers.add_map(lambda n: n * 10 if n != 2 else None).add_filter(lambda n: n > 0)
    site.pipeline().run(kept)
    assert site.table("t").data == [(10,), (30,)]


def test_resources_not_selected_are_left_out(site: Site) -> None:
    @ladle.source
    def two() -> Any:
        return [
            ladle.resource([{"a": 1}], name="yes"),
            ladle.resource([{"a": 1}], name="no", selected=False),
        ]

    site.pipeline().run(two())
    assert set(site.tables()) == {"yes"}


# -- N: normalising, beyond the documents in tests/golden


def test_N05_custom_naming_is_stored_and_used_again(site: Site, tmp_path: Path, monkeypatch: Any) -> None:
    (tmp_path / "shouting.py").write_text("def identifier(text):\n    return text.upper()\n")
    monkeypatch.syspath_prepend(tmp_path)
    pipeline = site.pipeline()
    pipeline.run([{"aB": 1}], table_name="t", schema=ladle.Schema("s", naming="shouting"))
    pipeline.run([{"aB": 2}], table_name="t", schema="s")
    assert pipeline.schemas["s"].naming == "shouting"
    assert site.table("T").types == {"AB": "BIGINT"}
    assert site.table("T").data == [(1,), (2,)]


def test_N11_ids_of_children_lead_to_their_parents(site: Site) -> None:
    tables = site.load(A)
    parents = dict(zip(tables["t"].values("_dlt_id"), tables["t"].values("id"), strict=True))
    assert [parents[p] for p in tables["t__n"].values("_dlt_parent_id")] == [1, 1]
    assert all(
        i.startswith(f"{p}.") for i, p in zip(*map(tables["t__n"].values, ("_dlt_id", "_dlt_parent_id")))
    )


def test_N14_root_ids_reach_all_children_where_asked_for(site: Site) -> None:
    @ladle.source(root_key=True)
    def deep() -> Any:
        return ladle.resource([{"a": [{"b": [1, 2]}]}, {"a": [{"b": [3]}]}], name="t")

    site.pipeline().run(deep())
    roots = site.table("t").values("_dlt_id")
    assert site.table("t__a").values("_dlt_root_id") == roots
    assert site.table("t__a__b").values("_dlt_root_id") == [roots[0], roots[0], roots[1]]


def test_N15_nesting_of_the_resource_beats_that_of_the_source(site: Site) -> None:
    @ladle.source(max_table_nesting=0)
    def nested() -> Any:
        rows = [{"d": {"x": 1}}]
        return [ladle.resource(rows, name="flat"), ladle.resource(rows, name="deep", max_table_nesting=5)]

    site.pipeline().run(nested())
    assert site.table("flat").types == {"d": "JSON"}
    assert site.table("deep").types == {"d__x": "BIGINT"}


@pytest.mark.parametrize("data_type", TYPES)
def test_N19_types_by_hint(data_type: str, site: Site) -> None:
    sql, value, stored = TYPES[data_type]
    table = site.load([{"v": value}], columns={"v": {"data_type": data_type}})["t"]
    assert (table.types, table.data) == ({"v": sql}, [(stored,)])


@pytest.mark.parametrize(("hints", "sql", "value", "stored"), PRECISIONS)
def test_N19_precision_scale_and_zone(
    hints: dict[str, Any], sql: str, value: Any, stored: Any, site: Site
) -> None:
    table = site.load([{"v": value}], columns={"v": hints})["t"]
    assert (table.types, table.data) == ({"v": sql}, [(stored,)])


def test_N24_detectors_can_be_off(site: Site) -> None:
    schema = ladle.Schema("s", settings={"detections": []})
    assert site.load([{"v": "2024-01-02T03:04:05Z"}], schema=schema)["t"].types == {"v": "VARCHAR"}


def test_N27_variant_is_stable_over_runs(site: Site) -> None:
    site.load([{"v": 1}])
    site.load([{"v": "xx"}])
    table = site.load([{"v": "yy"}, {"v": 2}])["t"]
    assert table.types == {"v": "BIGINT", "v__v_text": "VARCHAR"}
    assert table.data == [(1, None), (None, "xx"), (None, "yy"), (2, None)]


def test_N28_float_in_a_known_int_column_goes_to_a_variant_that_says_so(site: Site) -> None:
    site.load([{"v": 1}])
    table = site.load([{"v": 2.5}, {"v": 3.0}])["t"]
    assert table.types == {"v": "BIGINT", "v__v_double": "DOUBLE"}
    assert table.data == [(1, None), (None, 2.5), (3, None)]


def test_N30_column_of_nulls_is_told(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "ladle"):
        site.load([{"a": 1, "n": None}])
    assert "column `n` of table `t` saw only nulls" in caplog.text


@pytest.mark.parametrize("row", [{"v": None, "a": 1}, {"a": 1}], ids=["null", "missing"])
def test_N31_null_where_none_is_allowed(row: dict[str, Any], site: Site) -> None:
    with pytest.raises(DataError) as caught:
        site.load([{"v": 1}, row], columns={"v": {"data_type": "bigint", "nullable": False}})
    assert (caught.value.step, caught.value.column, caught.value.row) == ("normalize", "v", 1)
    assert site.names() == set()


def test_N31_key_without_any_value(site: Site) -> None:
    with pytest.raises(DataError) as caught:
        site.load([{"w": 1}], primary_key="v")
    assert (caught.value.step, caught.value.column) == ("normalize", "v")
    assert not site.pipeline().has_pending_data


def test_N32_frames_get_no_keys_unless_asked_for(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    frame = pandas.DataFrame({"A b": [1, 2], "x": [1.5, None]})
    assert dict(site.load(frame)["t"].columns) == {"a_b": "BIGINT", "x": "DOUBLE"}
    monkeypatch.setenv("NORMALIZE__PARQUET_NORMALIZER__ADD_DLT_ID", "true")
    monkeypatch.setenv("NORMALIZE__PARQUET_NORMALIZER__ADD_DLT_LOAD_ID", "true")
    table = site.load(pandas.DataFrame({"a": [1, 2]}), "flagged")["flagged"]
    assert list(table.columns) == ["a", "_dlt_load_id", "_dlt_id"]
    assert len(set(table.values("_dlt_id"))) == 2


def test_N33_nanoseconds_are_kept_or_refused_never_cut(site: Site) -> None:
    frame = pa.table({"v": pa.array([1_700_000_000_000_000_001], pa.timestamp("ns"))})
    hints = {"v": {"data_type": "timestamp", "timezone": False, "precision": 9}}
    table = site.load(frame, columns=hints)["t"]
    assert table.types == {"v": "TIMESTAMP_NS"}
    assert site.query("SELECT epoch_ns(v) FROM ds.t") == [(1_700_000_000_000_000_001,)]


def test_N34_ints_and_floats_of_frames_join(site: Site) -> None:
    site.pipeline().run([pa.table({"v": [1, 2]}), pa.table({"v": [1.5]})], table_name="t")
    assert site.table("t").types == {"v": "DOUBLE"}
    assert site.table("t").data == [(1.0,), (2.0,), (1.5,)]


def test_N35_frames_and_rows_in_one_table(site: Site) -> None:
    def both() -> Iterator[Any]:
        yield {"a": 1, "l": [1]}
        yield pa.table({"a": [2], "b": ["x"]})
        yield {"a": 3}

    tables = site.load(both)
    assert tables["t"].data == [(1, None), (2, "x"), (3, None)]
    assert len(set(tables["t"].values("_dlt_id"))) == 3
    assert None not in tables["t"].values("_dlt_id")


# -- W: write dispositions


def test_W01_append(site: Site) -> None:
    site.load(A)
    tables = site.load(B)
    assert sorted(tables["t"].data) == [(1, "A"), (1, "a"), (2, "B"), (2, "b"), (3, "c")]
    assert sorted(tables["t__n"].data) == [(1,), (2,), (7,), (9,)]


def test_W02_replace(site: Site) -> None:
    site.load(A, write_disposition="replace")
    tables = site.load(B, write_disposition="replace")
    assert sorted(tables["t"].data) == [(1, "A"), (2, "B"), (3, "c")]
    assert sorted(tables["t__n"].data) == [(7,), (9,)]


def test_W02_replace_is_for_one_run_where_it_was_asked_for_one_run(site: Site) -> None:
    site.load([{"a": 1}], write_disposition="replace")
    assert site.load([{"a": 2}])["t"].data == [(1,), (2,)]


def test_W02_replaced_resource_that_is_not_in_the_run_keeps_its_rows(site: Site) -> None:
    site.load([{"a": 1}], "one", write_disposition="replace")
    tables = site.load([{"a": 2}], "two", write_disposition="replace")
    assert (tables["one"].data, tables["two"].data) == ([(1,)], [(2,)])


@pytest.mark.parametrize(("rows", "left"), [([], []), ([{"id": 9}], [(9, None)])])
def test_W03_replace_empties_what_gets_no_rows(rows: list[Any], left: list[Any], site: Site) -> None:
    site.load(A, write_disposition="replace")
    tables = site.load(rows, write_disposition="replace")
    assert tables["t"].data == left
    assert tables["t__n"].data == []


def test_skip_loads_nothing_and_reads_nothing(site: Site) -> None:
    def failing() -> Iterator[Any]:
        raise AssertionError("was read")
        yield

    info = site.pipeline().run(
        [
            ladle.resource(failing, name="skipped", write_disposition="skip"),
            ladle.resource([{"a": 1}], name="t"),
        ]
    )
    assert set(site.tables()) == {"t"}
    assert set(info.row_counts) == {"t", "_dlt_pipeline_state"}


@pytest.mark.parametrize("order", [1, -1])
def test_two_resources_replace_one_table_together(order: int, site: Site) -> None:
    def both(first: int, second: int) -> list[Any]:
        made = [
            ladle.resource([{"a": first}], name="r1", table_name="t", write_disposition="replace"),
            ladle.resource([{"a": second}], name="r2", table_name="t"),
        ]
        return made[::order]

    site.pipeline().run(both(1, 2))
    site.pipeline().run(both(3, 4))
    assert sorted(site.table("t").data) == [(3,), (4,)]


def refreshed(site: Site, refresh: str, *rows: dict[str, Any]) -> None:
    @ladle.source(name="s")
    def source(first: Any, second: Any) -> Any:
        yield ladle.resource(first, name="a")
        if second is not None:
            yield ladle.resource(second, name="b")

    pipeline = site.pipeline()
    pipeline.run(source([{"id": 1, "x": 1, "l": [1]}, {"id": 2}], [{"id": 1}, {"id": 2}]))
    pipeline.run(source([{"id": 5}], None), refresh=refresh)


@pytest.mark.parametrize("refresh", ["drop_sources", "drop_resources", "drop_data"])
def test_W22_refresh(refresh: str, site: Site) -> None:
    refreshed(site, refresh)
    tables = {name: table.data for name, table in site.tables().items()}
    expected = {
        "drop_sources": {"a": [(5,)]},
        "drop_resources": {"a": [(5,)], "b": [(1,), (2,)]},
        "drop_data": {"a": [(5, None)], "a__l": [], "b": [(1,), (2,)]},
    }[refresh]
    assert tables == expected
    assert site.query("SELECT count(*) FROM ds._dlt_loads") == [(2,)]


# -- L: packages and loads


def test_L01_load_ids_are_times_and_grow(site: Site) -> None:
    began = datetime.now(UTC).timestamp()
    pipeline = site.pipeline()
    ids = [pipeline.run([{"a": 1}], table_name="t").loads_ids[0] for _ in range(2)]
    assert began < float(ids[0]) < float(ids[1]) < datetime.now(UTC).timestamp()
    assert site.table("t").values("_dlt_load_id") == ids
    assert [load_id for (load_id,) in site.query("SELECT load_id FROM ds._dlt_loads ORDER BY 1")] == ids


def test_L03_system_tables(site: Site) -> None:
    pipeline = site.pipeline()
    (load_id,) = pipeline.run([{"a": 1}], table_name="t").loads_ids
    text, number, moment = "VARCHAR", "BIGINT", "TIMESTAMP WITH TIME ZONE"
    assert dict(site.table("_dlt_loads").columns) == {
        "load_id": text, "schema_name": text, "status": number, "inserted_at": moment, "schema_version_hash": text,
    }  # fmt: skip
    assert dict(site.table("_dlt_version").columns) == {
        "version": number, "engine_version": number, "inserted_at": moment, "schema_name": text,
        "version_hash": text, "schema": text,
    }  # fmt: skip
    assert dict(site.table("_dlt_pipeline_state").columns) == {
        "version": number, "engine_version": number, "pipeline_name": text, "state": text, "created_at": moment,
        "version_hash": text, "_dlt_load_id": text, "_dlt_id": text,
    }  # fmt: skip
    (load,), (version,), (state,) = (
        site.table(f"_dlt_{n}").rows for n in ("loads", "version", "pipeline_state")
    )
    assert (load["load_id"], load["schema_name"], load["status"]) == (load_id, "p", 0)
    assert load["schema_version_hash"] == version["version_hash"] == pipeline.default_schema.version_hash
    assert json.loads(version["schema"])["tables"]["t"]["columns"]["a"]["data_type"] == "bigint"
    assert (state["version"], state["engine_version"], state["_dlt_load_id"]) == (1, 4, load_id)
    assert set(decode_state(state["state"])) >= {
        "_state_version", "_state_engine_version", "dataset_name", "default_schema_name", "pipeline_name",
        "schema_names", "destination_type", "destination_name", "_version_hash",
    }  # fmt: skip


def test_L04_a_failed_load_leaves_no_trace_of_its_data(site: Site) -> None:
    site.load([{"a": 1}])
    site.query("ALTER TABLE ds.t DROP COLUMN a")
    site.query("ALTER TABLE ds.t ADD COLUMN a BOOLEAN[]")
    with pytest.raises(PipelineStepFailed) as caught:
        site.load([{"a": 7}])
    assert caught.value.step == "load"
    assert len(site.query("SELECT 1 FROM ds._dlt_loads")) == 1
    assert site.pipeline().has_pending_data


def test_L06_pending_is_finished_and_new_data_is_loaded(site: Site) -> None:
    pipeline = site.pipeline()
    pipeline.run([{"z": 1}], table_name="zero")
    pipeline.extract([{"a": 1}], table_name="one")
    info = pipeline.run([{"b": 1}], table_name="two")
    assert set(site.tables()) == {"zero", "one", "two"}
    assert [p.from_earlier_run for p in info.load_packages] == [True, False]


@pytest.mark.parametrize("normalized", [False, True])
@pytest.mark.parametrize("data", [None, [{"b": 1}]])
def test_L07_extract_then_run_on_a_fresh_pipeline_loses_nothing(
    normalized: bool, data: Any, site: Site
) -> None:
    pipeline = site.pipeline()
    pipeline.extract([{"a": 1}], table_name="one")
    if normalized:
        pipeline.normalize()
    site.pipeline().run(data, table_name="two")
    assert set(site.tables()) == ({"one", "two"} if data else {"one"})


def test_L13_empty_run_makes_no_package(site: Site) -> None:
    site.load([{"a": 1}])
    info = site.pipeline().run([], table_name="t")
    assert (info.loads_ids, info.is_empty) == ([], True)
    assert "load step did not start" in str(info)
    assert len(site.query("SELECT 1 FROM ds._dlt_loads")) == 1


def test_L13_first_empty_run_stores_the_state(site: Site) -> None:
    info = site.pipeline().run([], table_name="t")
    assert not info.is_empty
    assert site.tables() == {}
    assert len(site.query("SELECT 1 FROM ds._dlt_pipeline_state")) == 1


def test_L14_dropped_dataset_starts_again(site: Site) -> None:
    site.load([{"a": 1}])
    site.query("DROP SCHEMA ds CASCADE")
    pipeline = site.pipeline()
    pipeline.sync_destination()
    assert pipeline.first_run
    assert site.load([{"b": 2}])["t"].types == {"b": "BIGINT"}


@pytest.mark.parametrize("empty", [False, True])
def test_L14_dropped_dataset_without_a_sync(empty: bool, site: Site) -> None:
    site.load([{"a": 1}])
    site.query("DROP SCHEMA ds CASCADE")
    assert site.load([] if empty else [{"a": 2}]).get("t") == (None if empty else site.table("t"))
    assert site.load([{"a": 3}])["t"].data[-1] == (3,)


def test_L26_pipelines_in_one_dataset_keep_their_own_state(site: Site) -> None:
    for name in ("first", "second"):
        site.pipeline(name).run([{"a": 1}], table_name=name)
    assert set(site.tables()) == {"first", "second"}
    for name in ("first", "second"):
        found = ladle.attach(name, site.root / "other", destination=site.destination, dataset_name="ds")
        assert found.state["pipeline_name"] == name
        assert found.default_schema.data_table_names() == [name]


def test_L27_data_dir_by_environment(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LADLE_DATA_DIR", str(tmp_path / "data"))
    pipeline = ladle.pipeline("p", destination=site.destination)
    assert pipeline.working_dir == str(tmp_path / "data" / "pipelines" / "p")


def test_last_trace_has_all_steps_and_failed_ones(site: Site) -> None:
    pipeline = site.pipeline()
    pipeline.run([{"a": 1}], table_name="t")
    trace = pipeline.last_trace
    assert trace is not None
    assert [(s.step, s.step_exception) for s in trace.steps] == [
        ("extract", None),
        ("normalize", None),
        ("load", None),
    ]
    assert trace.last_load_info is not None
    assert trace.last_load_info.row_counts["t"] == 1

    def failing() -> Iterator[Any]:
        yield {"a": 1}
        raise ValueError("no more")

    with pytest.raises(SourceError, match="ValueError: no more"):
        pipeline.run(failing, table_name="t")
    (step,) = pipeline.last_trace.steps  # type: ignore[union-attr]
    assert (step.step, "no more" in str(step.step_exception)) == ("extract", True)
    assert site.table("t").data == [(1,)]


def test_load_info_tells_where_and_what(site: Site) -> None:
    pipeline = site.pipeline()
    info = pipeline.run(A, table_name="t")
    assert info.pipeline is pipeline
    assert (info.first_run, info.dataset_name, info.destination_name) == (True, "ds", "duckdb")
    assert info.row_counts == {"t": 2, "t__n": 2, "_dlt_pipeline_state": 1}
    (package,) = info.load_packages
    assert set(package.schema_update) >= {"t", "t__n", "_dlt_loads"}
    assert info.loads_ids[0] in str(info)
    assert not pipeline.run(A, table_name="t").first_run


def test_load_info_can_be_loaded_as_data(site: Site) -> None:
    pipeline = site.pipeline()
    info = pipeline.run(A, table_name="t")
    pipeline.run([info.asdict()], table_name="_runs")
    assert site.table("_runs__load_packages").values("load_id") == info.loads_ids
