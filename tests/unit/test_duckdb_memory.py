"""How much memory DuckDB may use during a load: little while rows come in, more for a merge."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb
import pyarrow as pa
import pytest

from ladle.destinations.duckdb import DuckDb, DuckDbConnection
from ladle.schema.table import Column, Table

_TABLE = Table("w", {"a": Column("a", "bigint")})
_BATCH = pa.record_batch({"a": pa.array([1, 2])})


@pytest.fixture
def connection(tmp_path) -> Iterator[DuckDbConnection]:
    made = DuckDb(str(tmp_path / "x.duckdb")).connect("ds")
    made.execute("CREATE SCHEMA ds")
    made.execute("CREATE TABLE ds.w (a BIGINT)")
    made.execute("CREATE TEMP TABLE w (a BIGINT)")
    yield made
    made.close()


def _limit(connection: DuckDbConnection) -> str:
    return connection.query("SELECT current_setting('memory_limit')")[0][0]


def _ingest(connection: DuckDbConnection, dataset: str) -> None:
    assert connection.ingest(dataset, _TABLE, {"a": "BIGINT"}, _BATCH.schema, [_BATCH]) == 2


def test_an_append_keeps_to_the_budget_of_its_batches(connection):
    connection.expect(1 << 20, 1)
    _ingest(connection, "ds")
    assert _limit(connection) == "65.0 MiB"


@pytest.mark.parametrize(
    ("batch_bytes", "columns", "threads", "limit"),
    [
        (4 << 20, 20, 2, "84.0 MiB"),  # rows
        (9 << 20, 20, 1, "164.0 MiB"),
        (9 << 20, 20, 2, "340.0 MiB"),
        (9 << 20, 20, 8, "340.0 MiB"),
        (9 << 20, 4, 8, "476.0 MiB"),
        (9 << 20, 40, 2, "184.0 MiB"),
        (64 << 20, 20, 2, "1.0 GiB"),
    ],
)
def test_frames_get_what_another_thread_asks_for(connection, batch_bytes, columns, threads, limit):
    connection.execute(f"SET threads = {threads}")
    connection.expect(batch_bytes, columns)
    assert _limit(connection) == limit


def test_no_other_thread_where_the_database_may_not_have_the_memory(connection):
    connection.execute("SET memory_limit = '300MiB'")
    connection.execute("SET threads = 2")
    connection.expect(9 << 20, 20)
    assert _limit(connection) == "164.0 MiB"


def test_a_merge_may_take_half_a_gigabyte(connection):
    connection.expect(1 << 20, 1)
    _ingest(connection, "temp")
    assert _limit(connection) == "512.0 MiB"


def test_a_merge_of_large_batches_keeps_what_these_need(connection):
    connection.expect(64 << 20, 1)
    _ingest(connection, "temp")
    assert _limit(connection) == "1.0 GiB"


def test_a_merge_keeps_to_a_lower_limit_of_the_database(connection):
    connection.execute("SET memory_limit = '300MiB'")
    connection.expect(1 << 20, 1)
    _ingest(connection, "temp")
    assert _limit(connection) == "300.0 MiB"


def test_what_was_set_before_the_load_is_back_after_it(tmp_path):
    other = duckdb.connect(str(tmp_path / "x.duckdb"))
    other.execute("SET memory_limit = '3GiB'")
    loading = DuckDb(str(tmp_path / "x.duckdb")).connect("ds")
    loading.execute("CREATE TEMP TABLE w (a BIGINT)")
    loading.expect(1 << 20, 1)
    _ingest(loading, "temp")
    loading.close()
    assert other.execute("SELECT current_setting('memory_limit')").fetchone() == ("3.0 GiB",)
    other.close()


def test_an_open_connection_of_the_user_keeps_its_limit():
    given = duckdb.connect()
    given.execute("SET memory_limit = '2GiB'")
    loading = DuckDb(connection=given).connect("ds")
    loading.execute("CREATE TEMP TABLE w (a BIGINT)")
    loading.expect(1 << 20, 1)
    _ingest(loading, "temp")
    assert _limit(loading) == "2.0 GiB"
    loading.close()
    given.close()


def _threads(connection: DuckDbConnection) -> int:
    return connection.query("SELECT current_setting('threads')")[0][0]


def _during(connection: DuckDbConnection, seen: list[int]) -> Iterator[pa.RecordBatch]:
    with connection.native.cursor() as other:
        seen.append(other.execute("SELECT current_setting('threads')").fetchall()[0][0])
    yield _BATCH


@pytest.mark.parametrize(("batch_bytes", "threads"), [(1 << 20, 1), (9 << 20, 3)])
def test_rows_are_added_by_one_thread_and_frames_by_all(connection, batch_bytes, threads):
    connection.execute("SET threads = 3")
    connection.expect(batch_bytes, 1)
    seen: list[int] = []
    connection.ingest("ds", _TABLE, {"a": "BIGINT"}, _BATCH.schema, _during(connection, seen))
    assert (seen, _threads(connection)) == ([threads], 3)


def test_threads_come_back_after_a_load_that_failed(connection, tmp_path):
    connection.execute("SET threads = 3")
    with duckdb.connect(str(tmp_path / "x.duckdb")) as other:
        connection.expect(1 << 20, 1)
        connection.begin()
        full = pa.record_batch({"a": pa.array([1 << 64], pa.decimal128(20, 0))})
        with pytest.raises(duckdb.Error):
            connection.ingest("ds", _TABLE, {"a": "BIGINT"}, full.schema, [full])
        connection.close()
        assert other.execute("SELECT current_setting('threads')").fetchall() == [(3,)]


def test_one_thread_of_another_load_is_not_what_comes_back(connection, tmp_path):
    with duckdb.connect(str(tmp_path / "x.duckdb")) as other:
        other.execute("SET threads = 1")
        connection.expect(1 << 20, 1)
        other.execute("SET threads = 3")
        _ingest(connection, "ds")
        connection.close()
        assert other.execute("SELECT current_setting('threads')").fetchall() == [(3,)]
