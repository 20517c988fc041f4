"""Datasets on Postgres: the same relations, rows as Arrow from the server, its own SQL."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import ladle
from ladle.dataset.dataset import Dataset
from ladle.errors import DestinationError, LadleError

Query = Callable[..., list[tuple[Any, ...]]]

ROW: dict[str, Any] = {
    "id": 1,
    "f": 1.5,
    "b": True,
    "s": "it's ü",
    "n": Decimal("12.340000000"),
    "w": 2**200,
    "t": datetime(2024, 1, 2, 3, 4, 5, 678, tzinfo=UTC),
    "d": date(2024, 1, 2),
    "h": time(1, 2, 3),
    "x": b"\x00\xff",
}


@pytest.fixture
def destination(postgres_url: str) -> Any:
    return ladle.destinations.postgres(postgres_url)


@pytest.fixture
def ds(destination: Any, dataset: str, tmp_path: Path) -> Dataset:
    pipeline = ladle.pipeline("pg", tmp_path / "work", destination=destination, dataset_name=dataset)
    rows = [{**ROW, "j": {"a": 1}, "pets": [{"n": "x"}, {"n": "y"}]}, {"id": 2}, {"id": 3}]
    pipeline.run(rows, table_name="users", columns={"j": {"data_type": "json"}})
    return ladle.dataset(destination, dataset)


def test_values_come_back_as_they_were(ds: Dataset) -> None:
    found = ds["users"].select(*ROW, "j").where("id", "eq", 1).arrow()
    assert found is not None
    assert found.to_pylist() == [{**ROW, "j": '{"a": 1}'}]
    assert found.schema.field("n").type == pa.decimal128(38, 9)


@pytest.mark.parametrize("column", list(ROW))
def test_a_condition_on_each_type(ds: Dataset, column: str) -> None:
    users = ds["users"].select("id")
    assert users.where(column, "eq", ROW[column]).fetchall() == [(1,)]
    assert users.where(column, "in", [ROW[column]]).fetchall() == [(1,)]


def test_relations(ds: Dataset, dataset: str) -> None:
    users = ds["users"]
    ids = users.select("id")
    assert ids.to_sql() == f'SELECT "users"."id" AS "id" FROM "{dataset}"."users" AS "users"'
    assert (
        ids.where("id", "gt", 1)
        .order_by("id", "desc")
        .limit(1)
        .to_sql()
        .endswith('WHERE "users"."id" > CAST(1 AS BIGINT) ORDER BY "users"."id" DESC LIMIT 1')
    )
    assert ids.order_by("id").fetchall() == [(1,), (2,), (3,)]
    assert ids.max().fetchscalar() == 3
    assert sorted(users.join("users__pets").select("id", "users__pets__n").fetchall()) == [(1, "x"), (1, "y")]
    assert len(users.join("users__pets", kind="left").fetchall()) == 4
    assert ds.row_counts().fetchall() == [("users", 3), ("users__pets", 2)]
    [load_id] = ds.load_ids()
    assert ds["users__pets"].from_loads([load_id], True).select("n", "_dlt_load_id").fetchone() is not None
    assert list(ids.order_by("id").iter_fetch(2)) == [[(1,), (2,)], [(3,)]]


def test_nulls_are_where_the_server_has_them(ds: Dataset) -> None:
    assert [s for (s,) in ds["users"].select("s").order_by("s", "desc").fetchall()] == [None, None, "it's ü"]
    assert [s for (s,) in ds["users"].select("s").order_by("s").fetchall()] == ["it's ü", None, None]


def test_sums_have_the_type_of_what_they_sum(ds: Dataset) -> None:
    found = ds("select sum(id) as s, avg(id) as a, sum(n) as n, sum(w) as w, max(w) as m from users").arrow()
    assert found is not None
    assert found.schema.field("s").type == pa.int64()
    assert found.schema.field("a").type == pa.float64()
    assert found.schema.field("n").type == pa.decimal128(38, 9)
    assert found.to_pylist() == [{"s": 6, "a": 2.0, "n": ROW["n"], "w": ROW["w"], "m": ROW["w"]}]


def test_another_dialect(ds: Dataset) -> None:
    found = ds(
        "select list_value(1) is null as e, id::hugeint as h from users limit 1", query_dialect="duckdb"
    )
    assert "HUGEINT" not in found.to_sql()
    assert ds("select ifnull(s, 'none') as s from users where id = 2", query_dialect="duckdb").fetchall() == [
        ("none",)
    ]


def test_reads_inside_a_read(ds: Dataset, query: Query) -> None:
    def connections() -> int:
        sql = "select count(*) from pg_stat_activity where backend_type = 'client backend'"
        return int(query(sql)[0][0])

    before = connections()
    with ds:
        rows = ds["users"].select("id").order_by("id").iter_fetch(1)
        assert next(rows) == [(1,)]
        assert ds["users__pets"].arrow().num_rows == 2  # type: ignore[union-attr]
        rows.close()  # type: ignore[attr-defined]
        assert ds["users"].select("id").max().fetchscalar() == 3
    assert connections() <= before


def test_a_stream_is_bounded_and_can_be_left(ds: Dataset) -> None:
    big = ds.query(
        "select g, repeat('x', 100) as t from generate_series(1, 2000000) as g", _execute_raw_query=True
    )
    before = pa.total_allocated_bytes()
    chunks = big.iter_arrow(1000)
    held = []
    for _ in range(300):
        held.append(next(chunks).num_rows)
        assert pa.total_allocated_bytes() - before < 100_000_000
    chunks.close()  # type: ignore[attr-defined]
    assert set(held) == {1000}


def test_errors(ds: Dataset) -> None:
    with pytest.raises(DestinationError, match='column "zz" does not exist'):
        ds.query("select zz from users", _execute_raw_query=True).fetchall()
    with pytest.raises(LadleError, match="division by zero"):
        ds("select 1 / (id - 2) as d from users").fetchall()


def test_a_relation_loads_into_another_destination(ds: Dataset, tmp_path: Path) -> None:
    other = ladle.destinations.duckdb(str(tmp_path / "x.duckdb"))
    pipeline = ladle.pipeline("over", tmp_path / "over", destination=other, dataset_name="ds")
    pipeline.run(ds["users"].select("id", "n", "t", "s"), table_name="users")
    found = ladle.dataset(other, "ds")["users"].where("id", "eq", 1).select("id", "n", "t", "s").fetchall()
    assert found == [(1, ROW["n"], ROW["t"], ROW["s"])]


def test_the_sql_client(ds: Dataset, dataset: str) -> None:
    with ds.sql_client as client:
        assert client.dialect == "postgres"
        assert client.make_qualified_table_name("users") == f'"{dataset}"."users"'
        assert client.execute_sql("select id from users where id > %s order by id", 1) == [(2,), (3,)]
        assert client.execute_sql("create table mine (a int)") is None
        assert client.execute_sql("insert into mine values (1), (2)") is None
        assert client.execute_sql("insert into mine values (3) returning a") == [(3,)]
        assert client.execute_sql("show search_path") == [(dataset,)]
        with pytest.raises(ZeroDivisionError), client.begin_transaction():
            client.truncate_tables("mine")
            assert client.execute_sql("select count(*) from mine") == [(0,)]
            raise ZeroDivisionError
        assert client.execute_sql("select count(*) from mine") == [(3,)]
        with client.begin_transaction():
            client.drop_tables("mine")
        client.execute_sql("create table after_it (a int)")
        with client.with_staging_dataset() as staging:
            assert not staging.has_dataset()
            staging.create_dataset()
            staging.execute_sql("create table s (a int)")
            staging.drop_dataset()
            assert not staging.has_dataset()
        client.drop_dataset()
        assert not client.has_dataset()
    assert ladle.dataset(ds.destination_client, dataset).load_ids() == []
