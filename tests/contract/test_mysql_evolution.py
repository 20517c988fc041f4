"""What changes in MySQL after the first load: comments, columns that may be null, names; and dlt's datasets."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import ladle
from ladle.dataset.dataset import Dataset
from ladle.destinations.mysql_session import commented, definitions, relaxed, widened
from ladle.errors import DestinationError, LadleError
from ladle.schema.schema import Schema

Ask = Callable[..., list[tuple[Any, ...]]]
ROWS = [{"id": 1, "email": "a", "oops": 3, "pets": [{"name": "x"}]}, {"id": 2, "email": "b", "oops": "x"}]


@pytest.fixture
def pipeline(mysql_url: str, dataset: str, tmp_path: Path) -> Any:
    return ladle.pipeline(
        "my", tmp_path / "work", destination=ladle.destinations.mysql(mysql_url), dataset_name=dataset
    )


# -- comments and nulls


def test_comments_come_with_the_tables_and_change_with_the_schema(
    pipeline: Any, ask: Ask, dataset: str
) -> None:
    def load(**columns: str) -> None:
        given = {name: {"description": text} for name, text in columns.items()}
        rows = ladle.resource(
            [{"id": 1, "s": "x"}], name="t", columns=given, tags={"description": "It's \\ 'mine'"}
        )
        pipeline.run(rows)

    def shown() -> dict[str, str]:
        sql = "SELECT column_name, column_comment FROM information_schema.columns WHERE table_schema = %s AND table_name = 't'"
        return {name: text for name, text in ask(sql, dataset) if text}

    load(id='the "key" \\ of it\'s row, CHECK (1)')
    assert shown() == {"id": 'the "key" \\ of it\'s row, CHECK (1)'}
    load(id="other", s="text")
    assert shown() == {"id": "other", "s": "text"}
    ((text,),) = ask(
        "SELECT table_comment FROM information_schema.tables WHERE table_schema = %s AND table_name = 't'",
        dataset,
    )
    assert text == "It's \\ 'mine'"
    assert ask(f"SELECT count(*) FROM {dataset}.t") == [(2,)]


def test_a_column_may_be_null_from_now_on(pipeline: Any, ask: Ask, dataset: str) -> None:
    columns = {"v": {"data_type": "text", "precision": 5, "nullable": False, "description": "it's"}}
    pipeline.run([{"v": "a"}], table_name="t", columns=columns)
    nullable = (
        "SELECT is_nullable, column_type, column_comment FROM information_schema.columns "
        "WHERE table_schema = %s AND table_name = 't' AND column_name = 'v'"
    )
    assert ask(nullable, dataset) == [("NO", "varchar(5)", "it's")]
    columns["v"]["nullable"] = True
    pipeline.run([{"v": None}], table_name="t", columns=columns)
    assert ask(nullable, dataset) == [("YES", "varchar(5)", "it's")]


def test_definitions_are_read_as_the_server_shows_them() -> None:
    shown = (
        'CREATE TABLE "t" (\n'
        "  \"a\"\"b\" varchar(5) COLLATE utf8mb4_bin NOT NULL DEFAULT 'x' COMMENT 'it''s, \"x\"',\n"
        '  "j" longtext DEFAULT NULL COMMENT \'y\' CHECK (json_valid("j")),\n'
        '  KEY "k" ("j"(10))\n)'
    )
    found = definitions(shown)
    assert list(found) == ['a"b', "j"]
    assert relaxed(found['a"b']).startswith("varchar(5) COLLATE utf8mb4_bin NULL DEFAULT 'x'")
    assert commented(found["j"], "z") == "longtext DEFAULT NULL COMMENT 'z' CHECK (json_valid(\"j\"))"
    assert widened(found['a"b'], "longtext") == "longtext NOT NULL COMMENT 'it''s, \"x\"'"


# -- names

HOSTILE = ['E-Mail "x"', "select", "naïve ☃", "it's", "a`b--c", "ä" * 32]


@pytest.mark.parametrize("name", HOSTILE)
def test_any_name_will_do(name: str, pipeline: Any, ask: Ask, dataset: str) -> None:
    pipeline.run(ROWS, table_name="users")
    pipeline.rename_column("users", "email", name).apply()
    pipeline.rename_table("users", name[:20]).apply()
    pipeline.run(ROWS, table_name="users")
    column, table = (n.replace("`", "``") for n in (name, name[:20]))
    found = ask(f"SELECT `{column}` FROM `{dataset}`.`{table}` ORDER BY id")
    assert found == [("a",), ("a",), ("b",), ("b",)]
    pipeline.drop_column(name[:20], name).apply(confirm=True)
    pipeline.run(ROWS, table_name="users")
    assert ask(f"SELECT count(*) FROM `{dataset}`.`{table}`") == [(6,)]


def test_values_are_put_into_rows_that_are_there(
    pipeline: Any, ask: Ask, dataset: str, mysql_url: str
) -> None:
    session: Any = ladle.destinations.mysql(mysql_url).open(dataset)
    row = {
        "b": True, "t": datetime(2024, 1, 2, 3, tzinfo=UTC), "n": datetime(2024, 1, 2, 3, 4, 5, 6),
        "d": date(2024, 1, 2), "h": time(1, 2, 3), "x": Decimal("1.5"), "s": "it's", "f": 1e300,
    }  # fmt: skip
    pipeline.run([{"id": 1, **row}], table_name="t", columns={"n": {"timezone": False}})
    ((row_id,),) = ask(f"SELECT _dlt_id FROM {dataset}.t")
    table = Schema.from_dict(pipeline.default_schema.to_dict()).table_map["t"]
    texts = {n: v.isoformat() if hasattr(v, "isoformat") else str(v) for n, v in row.items()}
    try:
        ask(f"UPDATE {dataset}.t SET " + ", ".join(f"{n} = NULL" for n in row))
        session.fill(table, [(n, row_id, text) for n, text in texts.items()])
    finally:
        session.close()
    found = pipeline.dataset()["t"].select(*row).arrow().to_pylist()
    assert found == [row]


# -- reading

ROW: dict[str, Any] = {
    "id": 1,
    "f": 1.5,
    "b": True,
    "s": "it's ü",
    "n": Decimal("12.340000000"),
    "w": 2**200,
    "t": datetime(2024, 1, 2, 3, 4, 5, 678, tzinfo=UTC),
    "d": date(2024, 1, 2),
    "h": time(1, 2, 3),
    "x": b"\x00\xff",
}


@pytest.fixture
def ds(pipeline: Any, mysql_url: str, dataset: str) -> Dataset:
    rows = [{**ROW, "j": {"a": 1}, "pets": [{"n": "x"}, {"n": "y"}]}, {"id": 2}, {"id": 3}]
    pipeline.run(rows, table_name="users", columns={"j": {"data_type": "json"}})
    return ladle.dataset(ladle.destinations.mysql(mysql_url), dataset)


def test_conditions_on_each_type_find_the_row(ds: Dataset) -> None:
    for column, value in ROW.items():
        users = ds["users"].select("id")
        assert users.where(column, "eq", value).fetchall() == [(1,)], column
        assert users.where(column, "in", [value]).fetchall() == [(1,)], column
    found = ds["users"].select(*ROW, "j").where("id", "eq", 1).arrow()
    assert found is not None
    assert found.to_pylist() == [{**ROW, "j": '{"a":1}'}]
    assert found.schema.field("n").type == pa.decimal128(38, 9)


def test_relations(ds: Dataset) -> None:
    users = ds["users"]
    ids = users.select("id")
    assert ids.order_by("id").fetchall() == [(1,), (2,), (3,)]
    assert ids.max().fetchscalar() == 3
    assert sorted(users.join("users__pets").select("id", "users__pets__n").fetchall()) == [(1, "x"), (1, "y")]
    assert len(users.join("users__pets", kind="left").fetchall()) == 4
    assert ds.row_counts().fetchall() == [("users", 3), ("users__pets", 2)]
    found = ds("select sum(id) as s, avg(f) as a, sum(n) as n, max(w) as m from users").arrow()
    assert found is not None
    assert found.to_pylist() == [{"s": 6, "a": 1.5, "n": ROW["n"], "m": ROW["w"]}]


def test_a_stream_can_be_left(ds: Dataset) -> None:
    big = ds.query("select seq, repeat('x', 100) as t from seq_1_to_300000", _execute_raw_query=True)
    chunks = big.iter_arrow(1000)
    assert [next(chunks).num_rows for _ in range(100)] == [1000] * 100
    chunks.close()  # type: ignore[attr-defined]
    assert ds["users"].select("id").max().fetchscalar() == 3


def test_errors(ds: Dataset) -> None:
    with pytest.raises(DestinationError, match="Unknown column 'zz'"):
        ds.query("select zz from users", _execute_raw_query=True).fetchall()
    with pytest.raises(LadleError):
        ds("select zz from users").fetchall()


def test_the_sql_client(ds: Dataset, dataset: str) -> None:
    with ds.sql_client as client:
        assert client.dialect == "mysql"
        assert client.make_qualified_table_name("users") == f"`{dataset}`.`users`"
        assert client.execute_sql("select id from users where id > %s order by id", 1) == [(2,), (3,)]
        assert client.execute_sql("select '?', \"it's %\", ?", "a'b\\") == [("?", "it's %", "a'b\\")]
        assert client.execute_sql("create table mine (a int)") is None
        assert client.execute_sql("insert into mine values (1), (2)") is None
        with pytest.raises(ZeroDivisionError), client.begin_transaction():
            client.execute_sql("delete from mine")
            assert client.execute_sql("select count(*) from mine") == [(0,)]
            raise ZeroDivisionError
        assert client.execute_sql("select count(*) from mine") == [(2,)]
        client.drop_tables("mine")
        client.drop_dataset()
        assert not client.has_dataset()


# -- what dlt began

_REFERENCE = """
import datetime, decimal, json, os, sys
import dlt

rows = [
    {"id": "a", "n": 1, "f": 1.5, "b": True, "d": datetime.date(2020, 1, 2), "dec": decimal.Decimal("1.25"),
     "ts": datetime.datetime(2020, 1, 2, 3, tzinfo=datetime.timezone.utc), "bin": b"x", "s": "text",
     "l": [{"x": 1}, {"x": 2}], "o": {"p": {"q": 1}}},
    {"id": "b", "n": 2},
]
pipeline = dlt.pipeline(
    "p", pipelines_dir=sys.argv[1], destination=dlt.destinations.sqlalchemy(sys.argv[2]), dataset_name=sys.argv[3]
)
pipeline.run(rows, table_name="t", write_disposition="merge", primary_key="id")
"""


@pytest.mark.needs_reference
def test_a_dataset_that_dlt_began_is_carried_on(
    mysql_url: str, dataset: str, tmp_path: Path, ask: Ask, reference_python: Path
) -> None:
    url = mysql_url.replace("mysql://", "mysql+pymysql://")
    command = [reference_python, "-c", _REFERENCE, str(tmp_path / "theirs"), url, dataset]
    env = {
        "RUNTIME__DLTHUB_TELEMETRY": "false",
        "RUNTIME__LOG_LEVEL": "CRITICAL",
        "DLT_DATA_DIR": str(tmp_path),
    }
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=env)
    if "No module named" in done.stderr:
        pytest.skip("the reference has no driver for MySQL: pip install 'dlt[sqlalchemy]' pymysql")
    assert done.returncode == 0, done.stderr[-2000:]
    pipeline = ladle.pipeline(
        "p", tmp_path / "ours", destination=ladle.destinations.mysql(mysql_url), dataset_name=dataset
    )
    sql = (
        "SELECT table_name, column_name, column_type FROM information_schema.columns WHERE table_schema = %s"
    )
    before = set(ask(sql, dataset))
    rows = [
        {"id": "a", "n": 10, "s": "new", "l": [{"x": 3}], "o": {"p": {"q": 2}}},
        {"id": "c", "n": 3, "ts": datetime(2021, 1, 2, tzinfo=UTC), "wide": {str(k): k for k in range(900)}},
    ]  # fmt: skip
    pipeline.run(rows, table_name="t", write_disposition="merge", primary_key="id")
    assert ask(f"SELECT id, n, s, o__p__q FROM {dataset}.t ORDER BY id") == [
        ("a", 10, "new", 2), ("b", 2, None, None), ("c", 3, None, None)
    ]  # fmt: skip
    assert ask(f"SELECT x FROM {dataset}.t__l") == [(3,)]
    assert ask(
        f"SELECT count(*), count(DISTINCT schema_name) FROM {dataset}._dlt_loads WHERE status = 0"
    ) == [(2, 1)]
    # nothing of theirs has another type, but for what a long schema needs
    changed = {column for _, column, _ in before - set(ask(sql, dataset))}
    assert changed <= {"schema", "state"}
    ((stored,),) = ask(f"SELECT `schema` FROM {dataset}._dlt_version ORDER BY inserted_at DESC LIMIT 1")
    assert len(stored) > 65_536
    assert json.loads(stored)["tables"]["t"]["columns"]["id"]["data_type"] == "text"
