"""Lineage: the hints that columns of a query inherit."""

from __future__ import annotations

from typing import Any

import pytest
import sqlglot

from ladle.dataset.catalog import Catalog
from ladle.dataset.lineage import resolve
from ladle.schema.schema import Schema
from ladle.schema.table import Column, Table

COLUMNS = [
    Column("id", "bigint", nullable=False, primary_key=True, unique=True),
    Column("v", "text", precision=20, extra={"x-annotation-pii": True, "x-other": 1}, description="d"),
    Column("d", "decimal", precision=10, scale=2),
    Column("t", "timestamp", timezone=False, precision=3),
    Column("f", "double"),
]
TABLE = Table("users", {c.name: c for c in COLUMNS})
CATALOG = Catalog.of(
    "ds", "duckdb", [Schema("s", {"users": TABLE, "Odd": Table("Odd", {"N": Column("N", "bigint")})})]
)
V = {"x-annotation-pii": True, "data_type": "text", "nullable": True, "precision": 20}


def columns(query: str) -> dict[str, Any]:
    return dict(resolve(sqlglot.parse_one(query, dialect="duckdb"), CATALOG).columns)


def test_columns_keep_type_nullability_and_annotations() -> None:
    assert columns("select id, v from users") == {
        "id": {"name": "id", "data_type": "bigint", "nullable": False},
        "v": {"name": "v", **V},
    }
    assert columns("select d, t from users") == {
        "d": {"name": "d", "data_type": "decimal", "nullable": True, "precision": 10, "scale": 2},
        "t": {"name": "t", "data_type": "timestamp", "nullable": True, "precision": 3, "timezone": False},
    }


@pytest.mark.parametrize(
    "query",
    [
        "select v as vv from users",
        "select x.vv from (select v as vv from users) as x",
        "with a as (select v as y from users), b as (select y as z from a) select z as vv from b",
        "select v as vv from users union all select v from users",
        "select coalesce(v, 'x') as vv from users",
        "select case when id = 1 then v else 'x' end as vv from users",
        "select max(v) as vv from users",
        "select (v) as vv from users group by 1 having count(*) > 1",
    ],
)
def test_a_renamed_column_keeps_its_hints_and_its_name(query: str) -> None:
    assert columns(query) == {"vv": {"name": "vv", **V, "x-original-name": "v"}}


def test_a_column_that_gets_its_name_back_has_no_other() -> None:
    assert columns("select y as v from (select v as y from users)") == {"v": {"name": "v", **V}}


@pytest.mark.parametrize(
    ("sql", "hints"),
    [
        ("count(*)", {"data_type": "bigint"}), ("sum(id)", {"data_type": "bigint"}),
        ("sum(d)", {"data_type": "decimal", "precision": 38, "scale": 2}),
        ("avg(id)", {"data_type": "double"}), ("upper(v)", {"data_type": "text"}),
        ("f * 2", {"data_type": "double"}), ("d * d", {"data_type": "decimal"}),
        ("cast(id as decimal(5, 1))", {"data_type": "decimal", "precision": 5, "scale": 1}),
        ("cast(v as timestamp)", {"data_type": "timestamp", "timezone": False}),
        ("cast(v as timestamptz)", {"data_type": "timestamp"}), ("id > 1", {"data_type": "bool"}),
        ("cast(v as date)", {"data_type": "date"}), ("cast(v as json)", {"data_type": "json"}),
        ("cast(v as blob)", {"data_type": "binary"}), ("null", {}), ("unknown_function(v)", {}),
        ("max(id)", {"data_type": "bigint", "nullable": True, "x-original-name": "id"}),
    ],
)  # fmt: skip
def test_a_new_value_has_the_type_that_sql_gives_it(sql: str, hints: dict[str, Any]) -> None:
    assert columns(f"select {sql} as n from users") == {"n": {"name": "n", **hints}}


def test_names_are_found_in_other_case_but_not_in_quotes() -> None:
    assert list(columns("select n, N as Alias from odd")) == ["N", "Alias"]
    assert list(columns('select "N" from "Odd"')) == ["N"]


def test_stars_and_sources_are_told_apart() -> None:
    found = columns("select u.*, w.id as other from users as u, users as w where u.id = w.id")
    assert list(found) == [*TABLE.columns, "other"]
    assert found["other"]["x-original-name"] == "id"


@pytest.mark.parametrize("dialect", ["duckdb", "sqlite", "postgres", "mysql"])
def test_names_keep_their_case(dialect: str) -> None:
    odd = Table("Odd", {"N": Column("N", "bigint")})
    catalog = Catalog.of("Sales", dialect, [Schema("s", {"Odd": odd})])
    mark = "`" if dialect == "mysql" else '"'
    queries = ("select * from Odd", "select odd.n from ODD", "select 'N' from 'Sales'.'Odd'")
    wanted = "SELECT 'Odd'.'N' AS 'N' FROM 'Sales'.'Odd' AS 'Odd'".replace("'", mark)
    for query in (q.replace("'", mark) for q in queries):
        found = resolve(sqlglot.parse_one(query, dialect=dialect), catalog)
        assert found.expression.sql(dialect) == wanted
        assert dict(found.columns) == {"N": {"name": "N", "data_type": "bigint", "nullable": True}}
        again = resolve(found.expression, catalog)
        assert again.expression.sql(dialect) == wanted
