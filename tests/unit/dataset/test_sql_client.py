"""SqlClient: names, statements, transactions, datasets."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import ladle
from ladle.dataset.sql_client import SqlClient, with_placeholders
from ladle.destinations.duckdb import DIALECT, DuckDb
from ladle.errors import DestinationError, UsageError


@pytest.fixture
def client(tmp_path: Path) -> Iterator[SqlClient]:
    with SqlClient(DuckDb(str(tmp_path / "c.duckdb")), "ds") as found:
        found.create_dataset()
        found.execute_sql("create table users (id int, v text)")
        found.execute_sql("insert into users values (1, 'a'), (2, 'b')")
        yield found


def test_names(client: SqlClient) -> None:
    assert client.make_qualified_table_name("users") == '"ds"."users"'
    assert client.make_qualified_table_name("users", quote=False) == "ds.users"
    assert client.make_qualified_table_name_path(None) == ['"ds"']
    assert client.fully_qualified_dataset_name() == '"ds"'
    assert client.fully_qualified_dataset_name(staging=True) == '"ds_staging"'
    assert client.fully_qualified_dataset_name(quote=False) == "ds"
    assert client.escape_column_name('a"b') == '"a""b"'
    assert client.get_qualified_table_names("users") == ('"ds"."users"', '"ds_staging"."users"')
    assert (client.dataset_name, client.staging_dataset_name, client.dialect) == (
        "ds",
        "ds_staging",
        "duckdb",
    )


def test_statements_and_queries(client: SqlClient) -> None:
    assert client.execute_sql("select id from users where id > %s and v = ?", 1, "b") == [(2,)]
    assert not client.execute_sql("create table t (a int)")
    assert client.execute_many(["select 1", "select 2"]) == [[(1,)], [(2,)]]
    with client.execute_query("select id, v from users order by id") as cursor:
        assert [d[0] for d in cursor.description] == ["id", "v"]
        assert cursor.fetchone() == (1, "a")
        assert cursor.fetchmany(5) == [(2, "b")]
        assert cursor.fetchall() == []
        assert cursor.fetchone() is None
    with client.execute_query("select id from users") as cursor:
        assert cursor.arrow().num_rows == 2  # type: ignore[union-attr]
        assert cursor.arrow() is None
    with client.execute_query("select id from users") as cursor:
        assert [len(df) for df in cursor.iter_df(1)] == [1, 1]
    with pytest.raises(DestinationError, match="nope"):
        client.execute_sql("select * from nope")
    assert client.native_connection.sql("select 1").fetchall() == [(1,)]


def test_transactions(client: SqlClient) -> None:
    def count() -> int:
        rows = client.execute_sql("select count(*) from users")
        assert rows is not None
        return int(rows[0][0])

    with client.begin_transaction():
        client.execute_sql("delete from users where id = 1")
        assert count() == 1
    assert count() == 1
    with pytest.raises(ZeroDivisionError), client.begin_transaction():
        client.execute_sql("delete from users")
        assert count() == 0
        raise ZeroDivisionError
    assert count() == 1
    with client.begin_transaction() as transaction:
        client.execute_sql("delete from users")
        transaction.rollback_transaction()
    assert count() == 1
    with client.begin_transaction() as transaction:
        client.execute_sql("delete from users")
        transaction.commit_transaction()
    assert count() == 0


def test_tables(client: SqlClient) -> None:
    client.truncate_tables("users")
    assert client.execute_sql("select * from users") == []
    client.drop_tables("users", "never_there")
    with pytest.raises(DestinationError):
        client.execute_sql("select * from users")


def test_datasets(client: SqlClient) -> None:
    assert client.has_dataset()
    with client.with_alternative_dataset_name("alt") as other:
        assert other.dataset_name == "alt"
        assert not other.has_dataset()
        other.create_dataset()
        other.execute_sql("create table t as select 7 as a")
        assert other.has_dataset()
    assert client.dataset_name == "ds"
    assert client.execute_sql("select a from alt.t") == [(7,)]
    with client.with_staging_dataset() as staging:
        assert staging.is_staging_dataset_active
        assert staging.dataset_name == "ds_staging"
    assert client.execute_sql("select v from users where id = 1") == [("a",)]
    client.drop_dataset()
    assert not client.has_dataset()


def test_it_connects_when_used_and_again_after_it_closed(tmp_path: Path) -> None:
    path = tmp_path / "d.duckdb"
    client = SqlClient(DuckDb(str(path)), "ds")
    assert not path.exists()
    assert "ds" in repr(client)
    assert client.execute_sql("select 1") == [(1,)]
    client.close_connection()
    client.close_connection()
    assert client.open_connection() is client.native_connection
    client.close_connection()


def test_placeholders() -> None:
    assert with_placeholders("a = %s and b = ? and c like '%s?' and \"?\" = 1 and 5 %% 2", 2, DIALECT) == (
        "a = $1 and b = $2 and c like '%s?' and \"?\" = 1 and 5 % 2"
    )
    assert with_placeholders("a = $1", 1, DIALECT) == "a = $1"
    with pytest.raises(UsageError, match="2 placeholders, but 1"):
        with_placeholders("? ?", 1, DIALECT)


def test_files_are_not_changed(tmp_path: Path) -> None:
    destination = ladle.destinations.filesystem(str(tmp_path / "lake"))
    ladle.pipeline("f", tmp_path / "p", destination=destination, dataset_name="ds").run(
        [{"a": 1}], table_name="t"
    )
    with ladle.dataset(destination, "ds").sql_client as client:
        assert client.has_dataset()
        assert client.execute_sql("select a from t") == [(1,)]
        assert client.make_qualified_table_name("t") == '"ds"."t"'
        for change in (client.drop_dataset, client.create_dataset, lambda: client.drop_tables("t")):
            with pytest.raises(UsageError, match="can't be changed"):
                change()
