"""Reads datasets back as plain Python values, so that what two engines hold can be compared."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import duckdb
import psycopg
import pymysql

Rows = list[dict[str, Any]]
_OWN = ("_dlt_id", "_dlt_load_id", "_dlt_parent_id")


def postgres_tables(url: str, dataset: str) -> dict[str, Rows]:
    """Return the rows of all tables but the system's, without our keys, in an order of their own."""
    with psycopg.connect(url) as connection:
        connection.execute("SET TIME ZONE 'UTC'")
        names = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = %s", [dataset])
        return {
            name: _rows(connection.execute(f'SELECT * FROM "{dataset}"."{name}"'))
            for (name,) in names.fetchall()
            if not name.startswith(("_dlt_", "_ladle_"))
        }


def mysql_arguments(url: str) -> dict[str, Any]:
    """Return how to connect without ladle."""
    parts = urlsplit(url)
    return {"host": parts.hostname, "port": parts.port, "user": parts.username, "password": parts.password}


def mysql_tables(url: str, dataset: str) -> dict[str, Rows]:
    """Return the same as `postgres_tables` for MariaDB; times are naive, what the schema calls bool is one."""
    with (
        pymysql.connect(**mysql_arguments(url), cursorclass=pymysql.cursors.DictCursor) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute(
            "SELECT table_name AS t, column_name AS c, column_type AS k FROM information_schema.columns "
            "WHERE table_schema = %s",
            [dataset],
        )
        kinds: dict[str, dict[str, str]] = {}
        for row in cursor.fetchall():
            kinds.setdefault(row["t"], {})[row["c"]] = row["k"]
        found = {}
        for table, columns in kinds.items():
            if not table.startswith(("_dlt_", "_ladle_")):
                cursor.execute(f"SELECT * FROM `{dataset}`.`{table}`")
                rows = [{n: _from_mysql(v, columns[n]) for n, v in r.items()} for r in cursor.fetchall()]
                found[table] = _plain(rows, ())
        return found


def _from_mysql(value: Any, kind: str) -> Any:
    if kind == "tinyint(1)" and value is not None:
        return bool(value)
    if isinstance(value, timedelta):
        return (datetime(2000, 1, 1) + value).time()
    return value


def duckdb_tables(path: Path, dataset: str) -> dict[str, Rows]:
    """Return the same for a DuckDB file."""
    with duckdb.connect(str(path)) as connection:
        found = connection.execute(
            "SELECT table_name FROM information_schema.tables WHERE table_schema = ?", [dataset]
        )
        names = [name for (name,) in found.fetchall() if not name.startswith(("_dlt_", "_ladle_"))]
        json_of = _json_columns(connection, dataset)
        return {
            name: _plain(
                connection.sql(f'SELECT * FROM "{dataset}"."{name}"').to_arrow_table().to_pylist(),
                json_of.get(name, ()),
            )
            for name in names
        }


def _json_columns(connection: duckdb.DuckDBPyConnection, dataset: str) -> Mapping[str, set[str]]:
    found: dict[str, set[str]] = {}
    rows = connection.execute(
        "SELECT table_name, column_name FROM information_schema.columns "
        "WHERE table_schema = ? AND data_type = 'JSON'",
        [dataset],
    )
    for table, column in rows.fetchall():
        found.setdefault(table, set()).add(column)
    return found


def _rows(cursor: psycopg.Cursor[Any]) -> Rows:
    names = [column.name for column in cursor.description or ()]
    return _plain((dict(zip(names, row, strict=True)) for row in cursor.fetchall()), ())


def _plain(rows: Iterable[Mapping[str, Any]], json_columns: Sequence[str] | set[str]) -> Rows:
    plain = [{n: _value(v, n in json_columns) for n, v in row.items() if n not in _OWN} for row in rows]
    order: Callable[[dict[str, Any]], str] = lambda row: repr(sorted(row.items()))  # noqa: E731
    return sorted(plain, key=order)


def _value(value: Any, is_json: bool) -> Any:
    if is_json and isinstance(value, str):
        return json.loads(value)
    if isinstance(value, Decimal):
        return value.normalize() if value else Decimal(0)
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value.astimezone(UTC)
    return value
