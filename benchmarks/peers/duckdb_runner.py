"""DuckDB by itself, the limit ladle is held against: one transaction, a durable file, connection closed."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import duckdb

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from clock import Figures, main, timed

Arguments = Mapping[str, Any]

# `raw` is materialised as children need the ids of their parents. Keys are text of 16 characters.
_NESTED_SQL = """
CREATE SCHEMA ds;
CREATE TEMP TABLE raw AS
    SELECT *, to_hex(hash(gen_random_uuid())) AS _dlt_id
    FROM read_json('{file}', format = 'newline_delimited');
CREATE TABLE ds.t AS
    SELECT id, title, body, state, locked, score, created_at::TIMESTAMPTZ AS created_at,
        closed_at::TIMESTAMPTZ AS closed_at, "user".id AS user__id, "user".login AS user__login,
        "user".address.city AS user__address__city, "user".address.zip AS user__address__zip,
        "user".address.geo.lat AS user__address__geo__lat, "user".address.geo.lng AS user__address__geo__lng,
        '1795401053.1234567' AS _dlt_load_id, _dlt_id
    FROM raw;
CREATE TABLE ds.t__items AS
    SELECT item.sku, item.qty, item.price, item.note, _dlt_id AS _dlt_parent_id, idx AS _dlt_list_idx,
        to_hex(hash(_dlt_id, idx)) AS _dlt_id
    FROM (SELECT _dlt_id, unnest(items) AS item, unnest(range(len(items))) AS idx FROM raw);
CREATE TABLE ds.t__tags AS
    SELECT value, _dlt_id AS _dlt_parent_id, idx AS _dlt_list_idx, to_hex(hash(_dlt_id, idx, 1)) AS _dlt_id
    FROM (SELECT _dlt_id, unnest(tags) AS value, unnest(range(len(tags))) AS idx FROM raw);
"""


def _in_one_transaction(arguments: Arguments, work: Callable[[duckdb.DuckDBPyConnection], object]) -> Figures:
    def run() -> None:
        connection = duckdb.connect(arguments["target"])
        connection.execute("BEGIN")
        work(connection)
        connection.execute("COMMIT")
        connection.close()

    return timed(run)


def read_json(arguments: Arguments) -> Figures:
    """Read the nested rows from a file of JSON lines and make the same three tables by SQL."""
    sql = _NESTED_SQL.format(file=Path(arguments["prepared"]) / "nested.jsonl")
    return _in_one_transaction(arguments, lambda connection: connection.execute(sql))


def _flat_sql(source: str) -> str:
    return f"CREATE SCHEMA ds; CREATE TABLE ds.t AS SELECT * FROM {source}"


def arrow(arguments: Arguments) -> Figures:
    """Read an Arrow table that is alive in memory straight into a table."""
    from tables import read_ipc

    table = read_ipc(Path(arguments["prepared"]), ("flat",))["flat"]

    def work(connection: duckdb.DuckDBPyConnection) -> None:
        connection.register("source", table)
        connection.execute(_flat_sql("source"))

    return _in_one_transaction(arguments, work)


def parquet(arguments: Arguments) -> Figures:
    """Read a Parquet file straight into a table."""
    source = f"read_parquet('{Path(arguments['prepared']) / 'flat.parquet'}')"
    return _in_one_transaction(arguments, lambda connection: connection.execute(_flat_sql(source)))


if __name__ == "__main__":
    main({"read_json": read_json, "arrow": arrow, "parquet": parquet})
