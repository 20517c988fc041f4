"""Rows that wait to be merged into DuckDB: a few stay in Arrow, many go to a temporary table."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest

from ladle.destinations.duckdb import DuckDb, DuckDbConnection
from ladle.destinations.duckdb_ingest import ROW_GROUP
from ladle.schema.table import Column, Table

_TYPES = {
    "n": "BIGINT",
    "d": "DECIMAL(38,9)",
    "j": "JSON",
    "z": "TIMESTAMP WITH TIME ZONE",
    "s": "VARCHAR",
    "b": "BLOB",
}
_KINDS = {"n": "bigint", "d": "decimal", "j": "json", "z": "timestamp", "s": "text", "b": "binary"}
_TABLE = Table("w", {name: Column(name, kind) for name, kind in _KINDS.items()})
_SCHEMA = pa.schema(
    [
        ("n", pa.int64()),
        ("d", pa.decimal128(38, 9)),
        ("j", pa.string()),
        ("z", pa.timestamp("us", "UTC")),
        ("s", pa.string()),
        ("b", pa.binary()),
    ]
)


def _batch(*numbers: int | None) -> pa.RecordBatch:
    rows = [
        {
            "n": n,
            "d": Decimal(n or 0),
            "j": json.dumps([n]),
            "z": datetime(2024, 1, 2, tzinfo=UTC),
            "s": f"s{n}",
            "b": b"\0",
        }
        for n in numbers
    ]
    return pa.RecordBatch.from_pylist(rows, schema=_SCHEMA)


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[DuckDbConnection]:
    made = DuckDb(str(tmp_path / "x.duckdb")).connect("ds")
    made.execute("CREATE SCHEMA ds")
    columns = ", ".join(f"{name} {sql_type}" for name, sql_type in _TYPES.items())
    made.execute(f"CREATE TABLE ds.w ({columns})")
    made.execute(f"CREATE TEMP TABLE w ({columns})")
    made.execute("SET threads = 3")
    made.expect(1 << 20, len(_TYPES))
    made.begin()
    yield made
    made.close()


def _stage(connection: DuckDbConnection, *batches: pa.RecordBatch) -> int:
    return connection.ingest("temp", _TABLE, _TYPES, _SCHEMA, iter(batches))


def _is_table(connection: DuckDbConnection) -> bool:
    sql = "SELECT count(*) FROM duckdb_tables() WHERE table_name = 'w' AND schema_name = 'main'"
    return connection.query(sql) == [(1,)]


def _held(connection: DuckDbConnection) -> list[int | None]:
    return [n for (n,) in connection.query('SELECT n FROM "temp"."w" ORDER BY rowid DESC')]


def test_a_few_rows_are_not_written_and_look_as_the_table_would(connection: DuckDbConnection) -> None:
    assert _stage(connection, _batch(3, 1), _batch(), _batch(None, 2)) == 4
    assert not _is_table(connection)
    assert _held(connection) == [2, None, 1, 3]
    columns = ", ".join(_TYPES)
    described = connection.query(f'DESCRIBE SELECT {columns} FROM "temp"."w"')
    assert {name: sql_type for name, sql_type, *_ in described} == _TYPES
    connection.execute(f'INSERT INTO ds.w ({columns}) SELECT {columns} FROM "temp"."w"')
    connection.commit()
    assert connection.query("SELECT n, d, j, s, b FROM ds.w WHERE n = 3") == [
        (3, Decimal("3.000000000"), "[3]", "s3", b"\0")
    ]


def test_more_rows_come_to_a_few(connection: DuckDbConnection) -> None:
    _stage(connection, _batch(1, 2))
    assert _stage(connection, _batch(3)) == 1
    assert _is_table(connection)
    assert _stage(connection, _batch(4)) == 1
    assert _held(connection) == [4, 3, 2, 1]


def test_many_rows_are_written_as_they_come(
    connection: DuckDbConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "_room_bytes", 3 * _batch(1).nbytes)
    made: list[int] = []
    held: list[int] = []

    def coming() -> Iterator[pa.RecordBatch]:
        before = pa.total_allocated_bytes()
        for n in range(200):
            made.append(n)
            yield _batch(*[n] * 1000)
            held.append(pa.total_allocated_bytes() - before)

    assert connection.ingest("temp", _TABLE, _TYPES, _SCHEMA, coming()) == 200_000
    assert _is_table(connection)
    assert held[-1] < 20 * _batch(*[1] * 1000).nbytes
    assert connection.query('SELECT count(DISTINCT n), count(*) FROM "temp"."w"') == [(200, 200_000)]


def test_the_tables_of_a_load_share_the_room(
    connection: DuckDbConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "_room_bytes", int(1.5 * _batch(1).nbytes))
    connection.execute("CREATE TEMP TABLE first AS SELECT * FROM ds.w")
    first = Table("first", _TABLE.columns)
    assert connection.ingest("temp", first, _TYPES, _SCHEMA, [_batch(1)]) == 1
    assert _stage(connection, _batch(2)) == 1
    assert _is_table(connection)
    assert _held(connection) == [2]


def test_no_rows_wait_as_an_empty_table(connection: DuckDbConnection) -> None:
    assert _stage(connection) == 0
    assert _held(connection) == []
    assert _stage(connection, _batch(1)) == 1
    assert _held(connection) == [1]


@pytest.mark.parametrize(
    ("rows", "more", "threads"),
    [
        (2, "", 1),
        (2, " WHERE NOT EXISTS (SELECT 1 FROM ds.w AS old WHERE old.n = src.n)", 3),
        (ROW_GROUP, "", 3),
    ],
)
def test_less_than_a_row_group_is_added_by_one_thread(
    connection: DuckDbConnection, rows: int, more: str, threads: int
) -> None:
    _stage(connection, _batch(*range(rows)))
    seen: list[int] = []

    def during() -> Iterator[pa.RecordBatch]:
        with connection.native.cursor() as other:
            seen.append(other.execute("SELECT current_setting('threads')").fetchall()[0][0])
        yield pa.record_batch({"n": pa.array([7])})

    reader = pa.RecordBatchReader.from_batches(pa.schema([("n", pa.int64())]), during())
    connection.native.register("src", reader)
    assert connection.execute(f"INSERT INTO ds.w (n) SELECT n FROM src{more}") == 1
    assert seen == [threads]
    assert connection.query("SELECT current_setting('threads')") == [(3,)]
