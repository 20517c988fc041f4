"""Datasets: which tables they have, what they count, when they connect."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import duckdb
import pytest
from tests.loading import Site

import ladle
from ladle.dataset.catalog import Catalog
from ladle.dataset.dataset import Dataset
from ladle.destinations.duckdb import DuckDb
from ladle.errors import LadleError, LineageFailedException, TableNotFound, UsageError
from ladle.schema.schema import Schema
from ladle.schema.table import Column, Table

SYSTEM = ["_dlt_version", "_dlt_loads", "_dlt_pipeline_state"]


@dataclass(frozen=True)
class Counting:
    """A destination that counts connections: `opened` and `closed`."""

    destination: Any
    counts: dict[str, int]

    def __getattr__(self, name: str) -> Any:
        return getattr(self.destination, name)

    def reader(self, dataset: str) -> Any:
        reader = self.destination.reader(dataset)
        self.counts["opened"] += 1
        close = reader.close

        def closed() -> None:
            self.counts["closed"] += 1
            close()

        reader.close = closed
        return reader


def counting(site: Site, schema: Schema) -> tuple[Dataset, dict[str, int]]:
    counts = {"opened": 0, "closed": 0}
    return Dataset(Counting(site.destination, counts), "ds", schema), counts  # type: ignore[arg-type]


def test_tables_and_how_to_get_them(ds: Dataset) -> None:
    assert ds.tables == ["users", "users__pets", "users__pets__toys", "orders", *SYSTEM, "_ladle_changes"]
    assert ds["users"].to_sql() == ds.users.to_sql() == ds.table("users").to_sql()
    assert ds.loads_table().to_sql() == ds["_dlt_loads"].to_sql()
    assert ds.table("users", anything=1).columns == ds["users"].columns
    assert ds._ipython_key_completions_() == ds.tables


def test_a_table_that_is_not_there(ds: Dataset) -> None:
    for error in (KeyError, ValueError, LadleError, TableNotFound):
        with pytest.raises(error, match="users__pets"):
            ds["zzz"]
    with pytest.raises(TableNotFound):
        ds.table("zzz")
    with pytest.raises(AttributeError, match="zzz"):
        ds.zzz  # noqa: B018
    assert not hasattr(ds, "_private")


def test_schemas_come_from_the_destination_where_none_is_given(site: Site) -> None:
    found = ladle.dataset(site.destination, "ds")
    assert [s.name for s in found.schemas] == ["p"]
    assert found.schema.name == "p"
    assert found.tables == ["users", "users__pets", "users__pets__toys", "orders", *SYSTEM, "_ladle_changes"]
    assert ladle.dataset(site.destination, "ds", "p").tables == found.tables
    assert ladle.dataset(site.destination, "ds", ["p", Schema("q")]).schemas == (*found.schemas, Schema("q"))


def test_a_dataset_or_schema_that_is_not_there_has_only_the_tables_of_the_system(site: Site) -> None:
    for found in (
        ladle.dataset(site.destination, "nothing"),
        ladle.dataset(site.destination, "ds", "nothing"),
    ):
        assert found.tables == SYSTEM
        assert found.schema.name == "nothing"
        assert found.row_counts().fetchall() == []
    assert ladle.dataset(site.destination, "nothing").load_ids() == []
    assert ladle.dataset(site.destination, "nothing").latest_load_id() is None


def test_row_counts(ds: Dataset) -> None:
    counts = ds.row_counts()
    assert counts.columns == ["table_name", "row_count"]
    assert counts.fetchall() == [("users", 4), ("users__pets", 2), ("users__pets__toys", 1), ("orders", 2)]
    assert ds.row_counts(table_names=["users"]).to_sql() == (
        'SELECT \'users\' AS "table_name", COUNT(*) AS "row_count" FROM "ds"."users" AS "users"'
    )
    assert " UNION ALL " in counts.to_sql()
    assert [n for n, _ in ds.row_counts(data_tables=False, dlt_tables=True).fetchall()] == SYSTEM
    with pytest.raises(TableNotFound):
        ds.row_counts(table_names=["zzz"])


def test_row_counts_of_a_load_are_those_of_root_tables(ds: Dataset) -> None:
    first, second = ds.load_ids()
    assert ds.row_counts(load_id=first).fetchall() == [("users", 4), ("orders", 0)]
    assert ds.row_counts(load_id=second).fetchall() == [("users", 0), ("orders", 2)]
    assert ds.row_counts(table_names=["users__pets"], load_id=first).fetchall() == []


def test_tables_that_were_only_declared_are_not_counted(site: Site, schema: Schema) -> None:
    declared = schema.with_tables([Table("later", {"a": Column("a", data_type="text")})])
    found = ladle.dataset(site.destination, "ds", declared)
    assert "later" in found.tables
    assert "later" not in [n for n, _ in found.row_counts().fetchall()]


def test_load_ids(ds: Dataset, site: Site) -> None:
    ids = ds.load_ids()
    assert ids == [load_id for (load_id,) in site.query("select load_id from ds._dlt_loads order by 1")]
    assert ds.latest_load_id() == ids[-1]
    assert ds.load_ids("p") == ids
    assert ds.load_ids("other") == []
    assert ds.latest_load_id("other") is None


def test_nothing_is_opened_before_rows_are_read(site: Site, schema: Schema) -> None:
    ds, counts = counting(site, schema)
    relation = ds["users"].select("id").where("id", "gt", 1)
    assert (relation.to_sql(), relation.columns) == (relation.to_sql(), ["id"])
    assert counts == {"opened": 0, "closed": 0}
    relation.fetchall()
    relation.fetchone()
    assert counts == {"opened": 2, "closed": 2}


def test_reads_in_a_with_block_share_a_connection(site: Site, schema: Schema) -> None:
    ds, counts = counting(site, schema)
    with ds:
        assert counts["opened"] == 0
        ds["users"].fetchall()
        with ds:
            ds["orders"].fetchall()
        ds["users"].fetchall()
        assert counts == {"opened": 1, "closed": 0}
    assert counts == {"opened": 1, "closed": 1}


def test_a_read_inside_another_has_a_connection_of_its_own(site: Site, schema: Schema) -> None:
    ds, counts = counting(site, schema)
    with ds:
        rows = ds["users"].select("id").order_by("id").iter_fetch(1)
        assert next(rows) == [(1,)]
        assert ds["orders"].select("oid").order_by("oid").fetchall() == [(10,), (11,)]
        assert list(rows) == [[(2,)], [(3,)], [(4,)]]
    assert counts == {"opened": 2, "closed": 2}


def test_an_iterator_that_is_dropped_closes_its_connection(site: Site, schema: Schema) -> None:
    ds, counts = counting(site, schema)
    rows: Iterator[Any] = ds["users"].iter_arrow(1)
    next(rows)
    rows.close()  # type: ignore[attr-defined]
    assert counts == {"opened": 1, "closed": 1}


def test_a_stream_that_was_read_closes_its_connection(site: Site, schema: Schema) -> None:
    import pyarrow as pa

    ds, counts = counting(site, schema)
    assert pa.RecordBatchReader.from_stream(ds["users"]).read_all().num_rows == 4
    assert counts == {"opened": 1, "closed": 1}


def test_a_connection_closes_after_an_error(site: Site, schema: Schema) -> None:
    ds, counts = counting(site, schema)
    with pytest.raises(LadleError, match="Conversion"):
        ds("select cast(v as int) as n from users").fetchall()
    assert counts == {"opened": 1, "closed": 1}


def test_memory_does_not_grow_with_rows(site: Site, schema: Schema) -> None:
    ds, _ = counting(site, schema)
    held: list[int] = []
    relation = ds.query("select range as a from range(3000000)", _execute_raw_query=True)
    import pyarrow as pa

    before = pa.total_allocated_bytes()
    for chunk in relation.iter_arrow(10_000):
        held.append(pa.total_allocated_bytes() - before)
        del chunk
    assert len(held) == 300
    assert max(held) < 8_000_000


def test_is_same_dataset(ds: Dataset, site: Site, schema: Schema, tmp_path: Path) -> None:
    assert ds.is_same_dataset(ladle.dataset(site.destination, "ds"))
    assert not ds.is_same_dataset(ladle.dataset(site.destination, "other"))
    assert not ds.is_same_dataset(ladle.dataset(DuckDb(str(tmp_path / "x.duckdb")), "ds", schema))
    assert not ds.is_same_dataset(ladle.dataset(DuckDb(connection=duckdb.connect()), "ds", schema))


def test_properties(ds: Dataset, site: Site) -> None:
    assert ds.destination_dialect == "duckdb"
    assert ds.destination_client == site.destination
    assert isinstance(ds.sql_client, ds.sql_client_class)
    assert set(ds.sqlglot_schema.mapping["ds"]) == set(ds.tables)
    with pytest.raises(UsageError, match="open format"):
        ds.open_table_client  # noqa: B018


def test_it_shows_itself(ds: Dataset) -> None:
    assert repr(ds) == "<ladle.Dataset ds at an open connection>"
    assert "users, users__pets" in str(ds)
    assert "<td>users</td><td>id, v, amt" in ds._repr_html_()
    assert "<td>users</td>" in ds.schema._repr_html_()


def test_the_function_needs_to_know_where(site: Site) -> None:
    with pytest.raises(UsageError, match="where the dataset is"):
        ladle.dataset("duckdb", "ds")
    with pytest.raises(LadleError, match="name"):
        ladle.dataset(site.destination, "")
    assert ladle.dataset.Dataset is Dataset
    with pytest.raises(AttributeError):
        ladle.dataset.nothing  # noqa: B018


def test_a_destination_that_only_takes_data_is_refused() -> None:
    @ladle.destination
    def takes(items: Any, table: Any) -> None: ...

    with pytest.raises(UsageError, match="can't be read"):
        ladle.dataset(takes, "ds")


# -- queries


@pytest.mark.parametrize(
    ("query", "sql"),
    [
        (
            "select id, v as vv from users",
            'SELECT "users"."id" AS "id", "users"."v" AS "vv" FROM "ds"."users" AS "users"',
        ),
        ("select ID, V as Big from Users", 'SELECT "users"."id" AS "id", "users"."v" AS "Big" FROM "ds"."users" AS "users"'),
        ("select id from ds.users", 'SELECT "users"."id" AS "id" FROM "ds"."users" AS "users"'),
        (
            "with a as (select id from users) select * from a",
            'WITH "a" AS (SELECT "users"."id" AS "id" FROM "ds"."users" AS "users") SELECT "a"."id" AS "id" FROM "a" AS "a"',
        ),
    ],
)  # fmt: skip
def test_names_of_a_query_are_qualified(ds: Dataset, query: str, sql: str) -> None:
    assert ds(query).to_sql() == sql
    ds.query(query).fetchall()


def test_another_dialect_is_transpiled(ds: Dataset) -> None:
    found = ds("select `id`, ifnull(`v`, 'x') as w from `users` limit 1", query_dialect="mysql")
    assert found.query_dialect == "mysql"
    assert '"users"."id"' in found.to_sql()
    assert "COALESCE" in found.to_sql()
    assert len(found.fetchall()) == 1


def test_a_query_can_be_built_on(ds: Dataset) -> None:
    base = ds("select id, v as vv from users")
    assert base.where("vv", "eq", "a").fetchall() == [(1, "a")]
    assert base.select("vv").order_by("vv").limit(1).fetchall() == [("a",)]
    grouped = ds("select amt > 3 as large, count(*) as n from users group by 1")
    assert grouped.where("large", "eq", True).select("n").fetchall() == [(2,)]
    both = ds("select id from users union all select oid from orders")
    assert both.where("id", "gt", 3).order_by("id").fetchall() == [(4,), (10,), (11,)]
    assert both.limit(2).arrow().num_rows == 2  # type: ignore[union-attr]
    assert both.max().fetchscalar() == 11
    assert ds("select distinct amt > 3 as large from users").where("large").fetchall() == [(True,)]


def test_a_query_runs_as_it_is_where_asked(ds: Dataset) -> None:
    raw = ds.query("select count(*) from users", _execute_raw_query=True)
    assert raw.to_sql() == "select count(*) from users"
    assert raw.fetchscalar() == 4
    assert raw.columns_schema == {}
    with pytest.raises(UsageError, match="as it is"):
        raw.limit(1)


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("select zz from users", "zz"),
        ("select id from zz", "`zz` is not in the schema"),
        ("select id from other.users", "other.users"),
        ("insert into users values (1)", "INSERT"),
        ("selec id frm", "can't be read"),
        ("select 1; select 2", "one query"),
    ],
)
def test_a_wrong_query(ds: Dataset, query: str, words: str) -> None:
    with pytest.raises(LineageFailedException, match=words):
        ds(query)


def test_something_else_than_a_query(ds: Dataset) -> None:
    with pytest.raises(UsageError, match="int"):
        ds(1)


def test_python_variables_are_no_tables(ds: Dataset) -> None:
    import pyarrow as pa

    hidden = pa.table({"a": [1]})
    assert hidden.num_rows == 1
    with pytest.raises(LadleError, match="hidden"):
        ds.query("select * from hidden", _execute_raw_query=True).fetchall()


def test_first_schema_wins_where_tables_share_a_name() -> None:
    one = Schema("one", {"t": Table("t", {"a": Column("a", data_type="text")})})
    two = Schema("two", {"t": Table("t", {"b": Column("b", data_type="text")}), "none": Table("none")})
    catalog = Catalog.of("ds", "duckdb", [one, two])
    assert list(catalog.table("t").columns) == ["a"]
    assert "none" not in catalog.tables
    assert catalog.data_tables() == ["t"]
    assert replace(catalog, dataset="x").mapping.mapping.keys() == {"x"}


def test_a_dataset_and_its_names_keep_their_case(tmp_path: Path) -> None:
    destination = ladle.destinations.duckdb(str(tmp_path / "a.duckdb"), naming_convention="direct")
    pipeline = ladle.pipeline(
        "p", pipelines_dir=tmp_path / "p", destination=destination, dataset_name="Sales"
    )
    pipeline.run([{"Id": 1, "Who": "x"}], table_name="Orders")
    orders = pipeline.dataset()["Orders"]
    assert orders.columns == ["Id", "Who", "_dlt_load_id", "_dlt_id"]
    assert orders.where("Id", "eq", 1).select("Who").order_by("Who").fetchall() == [("x",)]
    assert pipeline.dataset()("select orders.who from ORDERS").fetchall() == [("x",)]
