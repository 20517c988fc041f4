"""Where rows and columns come from, read back from DuckDB, Postgres and files."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import ladle
from ladle.errors import TableNotFound, UsageError
from ladle.schema.provenance import Code, Input

ORDERS = [{"id": 1, "user": {"name": "a"}, "items": [{"n": 1, "tags": ["x", "y"]}]}, {"id": 2}]
Run = Callable[..., Any]


@ladle.resource
def orders(rows: Any, file: str = "orders.json"):
    ladle.current.note_input(f"https://me:pw@api.x.com/{file}?token=secret", rows=len(rows), page=1)
    yield rows


@ladle.resource
def users():
    ladle.current.note_input("s3://bucket/users.csv")
    yield {"u": 1}


@pytest.fixture(params=["duckdb", "postgres", "sqlite", "filesystem"])
def pipeline(request: pytest.FixtureRequest, tmp_path: Path, dataset: str) -> ladle.Pipeline:
    if request.param == "postgres":
        to: Any = ladle.destinations.postgres(request.getfixturevalue("postgres_url"))
    elif request.param == "sqlite":
        to = ladle.destinations.sqlite(tmp_path / "x.db")
    elif request.param == "filesystem":
        to = ladle.destinations.filesystem(str(tmp_path / "lake"))
    else:
        to = ladle.destinations.duckdb(str(tmp_path / "x.duckdb"))
    return ladle.pipeline("shop", tmp_path / "work", destination=to, dataset_name=dataset)


def first_of(pipeline: ladle.Pipeline, table: str) -> str:
    found = pipeline.dataset()[table].select("_dlt_id").fetchone()
    assert found is not None
    return str(found[0])


def test_columns_lead_to_load_source_path_and_code(pipeline: ladle.Pipeline) -> None:
    (first,) = pipeline.run(orders(ORDERS)).loads_ids
    (second,) = pipeline.run(orders([{"id": 3, "user": {"mail": "m"}}])).loads_ids
    found = {(c["table_name"], c["column_name"]): c for c in pipeline.lineage().columns().to_pylist()}
    assert {table for table, _ in found} == {"orders", "orders__items", "orders__items__tags"}
    paths = {key: c["path"] for key, c in found.items() if not key[1].startswith("_dlt")}
    assert paths == {
        ("orders", "id"): "id",
        ("orders", "user__name"): "user.name",
        ("orders", "user__mail"): "user.mail",
        ("orders__items", "n"): "items.n",
        ("orders__items__tags", "value"): "items.tags.value",
    }
    assert found["orders", "user__mail"]["load_id"] == second
    assert {c["load_id"] for key, c in found.items() if key[1] != "user__mail"} == {first}
    assert {(c["source"], c["resource"], c["recorded"]) for c in found.values()} == {("shop", "orders", True)}
    assert {(c["module"], c["function"]) for c in found.values()} == {(__name__, "orders")}

    column = pipeline.lineage().column("orders", "user__mail")
    assert (column.load_id, column.schema_version, column.path) == (second, 2, "user.mail")
    assert column.code is not None
    assert column.code.version == orders_code(pipeline).version
    assert column.introduced_at is not None
    assert column.introduced_at <= datetime.now(UTC)


def orders_code(pipeline: ladle.Pipeline) -> Code:
    manifest = pipeline._packages.done()[-1]
    code = manifest.resources[0].code
    assert code is not None
    return code


def test_a_change_of_type_is_part_of_a_columns_lineage(pipeline: ladle.Pipeline) -> None:
    pipeline.run(
        [{"id": 1}], table_name="t", columns={"id": {"description": "d", "x-annotation-pii": "email"}}
    )
    (second,) = pipeline.run([{"id": "text"}], table_name="t").loads_ids
    assert pipeline.lineage().column("t", "id__v_text").load_id == second
    assert pipeline.lineage().column("t", "id__v_text").path == "id"
    assert pipeline.lineage().column("t", "id").tags == {"pii": "email"}


def test_rows_of_any_table_lead_to_their_load_and_its_inputs(pipeline: ladle.Pipeline) -> None:
    (first,) = pipeline.run([orders(ORDERS), users()]).loads_ids
    pipeline.run([orders([{"id": 3}], file="later.json")])
    lineage = pipeline.lineage()
    root_id = pipeline.dataset()["orders"].where("id", "eq", 1).select("_dlt_id").fetchscalar()
    for table in ("orders", "orders__items", "orders__items__tags"):
        row_id = root_id if table == "orders" else first_of(pipeline, table)
        found = lineage.row(table, row_id)
        assert (found.root_table, found.root_id, found.load_id) == ("orders", root_id, first)
        assert (found.schema_name, found.schema_version, found.resource) == ("shop", 1, "orders")
        assert found.loaded_at is not None
        assert found.code is not None
        assert (found.code.module, found.code.function, found.code_load_id) == (__name__, "orders", first)
        shown = "/orders.json?token=***"
        assert found.inputs == (Input("orders", "https://api.x.com", shown, 2, {"page": 1}),)
    user = lineage.row("users", first_of(pipeline, "users"))
    assert user.inputs == (Input("users", "s3://bucket", "users.csv"),)


def test_rows_with_a_root_id_need_no_climb(pipeline: ladle.Pipeline) -> None:
    @ladle.source(name="shop", root_key=True)
    def shop():
        return orders(ORDERS)

    pipeline.run(shop())
    assert "_dlt_root_id" in pipeline.dataset()["orders__items__tags"].columns
    found = pipeline.lineage().row("orders__items__tags", first_of(pipeline, "orders__items__tags"))
    root_id = pipeline.dataset()["orders"].where("id", "eq", 1).select("_dlt_id").fetchscalar()
    assert (found.root_table, found.root_id) == ("orders", root_id)


def test_loads_and_inputs_are_plain_tables(pipeline: ladle.Pipeline) -> None:
    (first,) = pipeline.run([orders(ORDERS), users()]).loads_ids
    (second,) = pipeline.run([{"u": 2}], table_name="users").loads_ids
    loads = pipeline.lineage().loads().to_pylist()
    assert [(row["load_id"], row["schema_version"], row["inputs"]) for row in loads] == [
        (first, 1, 2),
        (second, 1, 0),
    ]
    inputs = pipeline.lineage().inputs().select(["load_id", "resource", "name", "row_count", "function"])
    assert sorted(map(tuple, (row.values() for row in inputs.to_pylist()))) == [
        (first, "orders", "/orders.json?token=***", 2, "orders"),
        (first, "users", "users.csv", None, "users"),
    ]
    assert pipeline.lineage().inputs(second).num_rows == 0


def test_what_is_not_there_is_named(pipeline: ladle.Pipeline) -> None:
    pipeline.run(orders(ORDERS))
    lineage = pipeline.dataset().lineage()
    with pytest.raises(UsageError, match="unknown column of table `orders`: `nix`"):
        lineage.column("orders", "nix")
    with pytest.raises(UsageError, match="has no row with `_dlt_id` `nix`"):
        lineage.row("orders", "nix")
    for call in (lineage.columns, lambda t: lineage.column(t, "a"), lambda t: lineage.row(t, "a")):
        with pytest.raises(TableNotFound):
            call("nix")


def test_rows_of_frames_without_keys_are_refused(pipeline: ladle.Pipeline) -> None:
    import pyarrow as pa

    pipeline.run(pa.table({"a": [1]}), table_name="t")
    with pytest.raises(UsageError, match="can't be told apart: it has no `_dlt_id`") as caught:
        pipeline.lineage().row("t", "x")
    assert "NORMALIZE__PARQUET_NORMALIZER__ADD_DLT_ID=true" in str(caught.value)


def test_a_dataset_without_records_has_columns_by_its_stored_schemas(
    pipeline: ladle.Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NORMALIZE__RECORD_CHANGES", "false")
    (first,) = pipeline.run([{"a": 1}], table_name="t").loads_ids
    (second,) = pipeline.run([{"a": 1, "b": 2}], table_name="t").loads_ids
    found = pipeline.lineage().columns("t").to_pylist()
    told = {c["column_name"]: (c["load_id"], c["recorded"], c["path"]) for c in found}
    assert told["a"] == (first, False, None)
    assert told["b"] == (second, False, None)
    assert pipeline.lineage().row("t", first_of(pipeline, "t")).code is None


def test_a_table_that_was_dropped_and_made_anew_leads_to_the_load_that_made_it_anew(
    pipeline: ladle.Pipeline,
) -> None:
    pipeline.run(orders(ORDERS))
    (second,) = pipeline.run(orders(ORDERS), refresh="drop_sources").loads_ids
    assert set(pipeline.lineage().columns()["load_id"].to_pylist()) == {second}
    assert pipeline.lineage().loads()["inputs"].to_pylist() == [1, 1]


def test_a_renamed_column_keeps_where_it_came_from(tmp_path: Path, dataset: str) -> None:
    to = ladle.destinations.duckdb(str(tmp_path / "x.duckdb"))
    pipeline = ladle.pipeline("shop", tmp_path / "work", destination=to, dataset_name=dataset)
    (first,) = pipeline.run(orders(ORDERS)).loads_ids
    pipeline.rename_column("orders", "user__name", "buyer").apply()
    pipeline.rename_table("orders", "sales").apply()
    found = pipeline.lineage().column("sales", "buyer")
    assert (found.load_id, found.path, found.resource) == (first, "user.name", "orders")
    assert [c["change"] for c in found.changes] == ["rename_column", "rename_table"]
    assert pipeline.lineage().row("sales__items", first_of(pipeline, "sales__items")).load_id == first
