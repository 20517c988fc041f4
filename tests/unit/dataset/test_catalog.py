"""Literals: values as SQL of a column's type, in each dialect, read back by the engine."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

import duckdb
import pytest

from ladle.dataset.catalog import Catalog, literal, sql_type
from ladle.schema.table import Column

DUCK = Catalog("ds", "duckdb", {})
PG = Catalog("ds", "postgres", {}, wei_digits=76)


@pytest.mark.parametrize(
    ("column", "value", "sql"),
    [
        (Column("c", "bigint"), -1, "CAST(-1 AS BIGINT)"),
        (Column("c", "bigint", precision=128), 2**70, f"CAST({2**70} AS INT128)"),
        (Column("c", "text"), "a'b", "CAST('a''b' AS TEXT)"),
        (Column("c", "text"), None, "CAST(NULL AS TEXT)"),
        (Column("c", "bool"), True, "CAST(TRUE AS BOOLEAN)"),
        (Column("c", "double"), 1e300, "CAST(1e+300 AS DOUBLE)"),
        (Column("c", "double"), float("inf"), "CAST('inf' AS DOUBLE)"),
        (Column("c", "decimal"), Decimal("1.5"), "CAST(1.5 AS DECIMAL(38, 9))"),
        (Column("c", "decimal", precision=5, scale=1), Decimal("1.5"), "CAST(1.5 AS DECIMAL(5, 1))"),
        (Column("c", "wei"), 10**30, f"CAST({10**30} AS DECIMAL(38, 0))"),
        (Column("c", "date"), date(2024, 1, 2), "CAST('2024-01-02' AS DATE)"),
        (Column("c", "time"), time(1, 2, 3), "CAST('01:02:03' AS TIME)"),
        (
            Column("c", "timestamp"),
            datetime(2024, 1, 2, tzinfo=UTC),
            "CAST('2024-01-02 00:00:00.000000+00:00' AS TIMESTAMPTZ)",
        ),
        (
            Column("c", "timestamp", timezone=False),
            datetime(2024, 1, 2),
            "CAST('2024-01-02 00:00:00.000000' AS TIMESTAMP)",
        ),
        (Column("c", "binary"), b"a\x00", "CAST('\\x61\\x00' AS BLOB)"),
        (Column("c", "json"), {"a": [1]}, "CAST('{\"a\":[1]}' AS JSON)"),
    ],
)
def test_literals(column: Column, value: Any, sql: str) -> None:
    made = literal(value, column, DUCK).sql(dialect="duckdb")
    assert made == sql
    found = duckdb.sql(f"SELECT {made}").fetchall()[0][0]
    if not isinstance(value, (dict, datetime)):
        assert found == value


def test_literals_of_postgres() -> None:
    def sql(column: Column, value: Any) -> str:
        return literal(value, column, PG).sql(dialect="postgres")

    assert sql(Column("c", "binary"), b"a\x00") == "CAST('\\x6100' AS BYTEA)"
    assert sql(Column("c", "json"), [1]) == "CAST('[1]' AS JSONB)"
    assert sql(Column("c", "wei"), 1) == "CAST(1 AS DECIMAL(76, 0))"
    assert sql_type(Column("c", "double"), PG).sql(dialect="postgres") == "DOUBLE PRECISION"
