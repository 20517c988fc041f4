"""What engines are asked from outside: to be empty before a measurement, and for the rows after it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

import duckdb


def _empty_postgres(url: str) -> None:
    import psycopg

    datasets = "ds, ds_staging, warm, warm_staging"
    with psycopg.connect(url, autocommit=True) as connection:
        # A side that was stopped, as it took too long, leaves its statement to the server.
        connection.execute(
            "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid() AND usename IS NOT NULL"
        )
        connection.execute(f"DROP SCHEMA IF EXISTS {datasets} CASCADE")
        connection.execute("CHECKPOINT")


def _empty_mysql(url: str) -> None:
    import pymysql

    place = urlsplit(url)
    with pymysql.connect(
        host=place.hostname, port=place.port or 3306, user=place.username, password=place.password or ""
    ) as connection:
        cursor = connection.cursor()
        cursor.execute(
            "SELECT id FROM information_schema.processlist WHERE command = 'Query' AND id <> connection_id()"
        )
        for (left,) in cursor.fetchall():
            cursor.execute(f"KILL {int(left)}")
        for dataset in ("ds", "ds_staging", "warm", "warm_staging"):
            cursor.execute(f"DROP DATABASE IF EXISTS {dataset}")


EMPTIED: Mapping[str, Callable[[str], None]] = {"postgres": _empty_postgres, "mysql": _empty_mysql}


def count(engine: str, target: str, table: str) -> int:
    """Return how many rows a table of DuckDB or Postgres has."""
    sql = f"SELECT count(*) FROM ds.{table}"
    if engine == "postgres":
        import psycopg

        with psycopg.connect(target) as connection:
            found = connection.execute(sql).fetchone()
    else:
        with duckdb.connect(target, read_only=True) as database:
            found = database.execute(sql).fetchone()
    assert found is not None
    return int(found[0])
