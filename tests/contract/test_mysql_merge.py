"""Merges on a real MariaDB: random histories beside the oracle, and what is MySQL's own."""

from __future__ import annotations

import importlib
import threading
from pathlib import Path
from typing import Any

import pymysql
import pytest
from hypothesis import HealthCheck, given, settings
from sqlglot import parse_one
from tests.contract.reading import mysql_arguments
from tests.merges import STRATEGIES, check_told, histories, merged, plain
from tests.unit.load.test_merge import lost

import ladle
from ladle.destinations.mysql_connection import MySqlConnection
from ladle.destinations.mysql_dialect import DIALECT, rewriter

COLUMNS = ("id", "k", "d", "v", "s", "gone")


@pytest.fixture
def pipeline(tmp_path: Path, mysql_url: str, dataset: str) -> Any:
    return ladle.pipeline(
        "p", tmp_path, destination=ladle.destinations.mysql(mysql_url), dataset_name=dataset
    )


def landed(url: str, dataset: str) -> list[dict[str, Any]]:
    with (
        pymysql.connect(**mysql_arguments(url), cursorclass=pymysql.cursors.DictCursor) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute(
            "SELECT table_name AS n FROM information_schema.tables WHERE table_schema = %s", [dataset]
        )
        tables = {row["n"] for row in cursor.fetchall()}
        cursor.execute(f"SELECT * FROM `{dataset}`.t")
        roots = list(cursor.fetchall())
        kids: list[dict[str, Any]] = []
        if "t__kids" in tables:
            cursor.execute(f"SELECT * FROM `{dataset}`.t__kids ORDER BY _dlt_list_idx")
            kids = list(cursor.fetchall())
    below: dict[str, list[Any]] = {}
    for kid in kids:
        assert kid["_dlt_root_id"] == kid["_dlt_parent_id"]
        below.setdefault(kid["_dlt_parent_id"], []).append({"x": kid["x"]})
    assert set(below) <= {row["_dlt_id"] for row in roots}
    for row in roots:
        row["gone"] = None if row.get("gone") is None else bool(row["gone"])
    return [{**{n: r.get(n) for n in COLUMNS}, **lost(r), "kids": below.get(r["_dlt_id"], [])} for r in roots]


@pytest.fixture(params=["MariaDB", "MySQL"])
def reopening(request: pytest.FixtureRequest) -> Any:
    """Have statements as MySQL 8 wants them: a temporary table can't be read twice in one."""
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "MySQL":
            mysql = importlib.import_module("ladle.destinations.mysql")
            made = mysql.dialect_for
            patch.setattr(mysql, "dialect_for", lambda *a, reopens=False: made(*a, False))
        yield


@given(histories())
@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_history_ends_as_the_oracle_says(
    tmp_path_factory: pytest.TempPathFactory, mysql_url: str, reopening: None, history: Any
) -> None:
    way, batches = history
    root = tmp_path_factory.mktemp("history")
    dataset = root.name.replace("-", "_")
    pipeline = ladle.pipeline(
        "p", root, destination=ladle.destinations.mysql(mysql_url), dataset_name=dataset
    )
    expected: list[Any] = []
    for batch in batches:
        info = pipeline.run(ladle.resource(batch, name="t", **way.hints))
        check_told(info.merged["t"], expected, batch, way)
        expected = merged(expected, batch, way)
    assert plain(landed(mysql_url, dataset)) == plain(expected), (way, batches)
    pipeline.drop()


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_merges_of_two_pipelines_at_once_leave_each_key_once(
    tmp_path: Path, mysql_url: str, dataset: str, ask: Any, strategy: str
) -> None:
    failures: list[Exception] = []

    def run(name: str) -> None:
        pipeline = ladle.pipeline(
            name, tmp_path, destination=ladle.destinations.mysql(mysql_url), dataset_name=dataset
        )
        for n in range(3):
            rows = [{"id": i, "v": f"{name}{n}"} for i in range(50)]
            try:
                pipeline.run(
                    ladle.resource(
                        rows, name="t", primary_key="id",
                        write_disposition={"disposition": "merge", "strategy": strategy},
                    )
                )  # fmt: skip
            except Exception as error:
                failures.append(error)

    threads = [threading.Thread(target=run, args=(name,)) for name in ("one", "two")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert ask(f"SELECT count(*), count(DISTINCT id) FROM {dataset}.t") == [(50, 50)]


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_keys_are_compared_byte_by_byte(pipeline: Any, ask: Any, dataset: str, strategy: str) -> None:
    keys = [
        ("ab", "c"),
        ("a", "bc"),
        ("A", "bc"),
        ("a ", "bc"),
        ("ä", "bc"),
        ("", "bc"),
        ("a" * 400, "1"),
        ("a" * 400, "2"),
    ]
    for v in (1, 2):
        rows = [{"k": a, "l": b, "v": v} for a, b in keys]
        pipeline.run(
            ladle.resource(
                rows, name="t", primary_key=["k", "l"],
                write_disposition={"disposition": "merge", "strategy": strategy},
            )
        )  # fmt: skip
    left = 1 if strategy == "insert-only" else 2
    assert sorted(ask(f"SELECT k, l, v FROM {dataset}.t")) == sorted((a, b, left) for a, b in keys)


def test_a_table_that_was_appended_to_is_merged_into(pipeline: Any, ask: Any, dataset: str) -> None:
    pipeline.run([{"id": n, "l": [n]} for n in range(3)], table_name="t")
    for strategy in STRATEGIES:
        pipeline.run(
            ladle.resource(
                [{"id": 2, "l": [20]}, {"id": 3, "l": [30]}], name="t", primary_key="id",
                write_disposition={"disposition": "merge", "strategy": strategy},
            )
        )  # fmt: skip
    assert ask(f"SELECT id FROM {dataset}.t ORDER BY id") == [(0,), (1,), (2,), (3,)]
    assert ask(f"SELECT value FROM {dataset}.t__l ORDER BY value") == [(0,), (1,), (20,), (30,)]


@pytest.mark.parametrize("strategy", ["truncate-and-insert", "insert-from-staging", "staging-optimized"])
def test_replaced_tables_are_whole_at_any_moment(
    pipeline: Any, ask: Any, dataset: str, strategy: str
) -> None:
    way = {"disposition": "replace", "strategy": strategy}
    pipeline.run(ladle.resource([{"id": 1, "l": [1]}], name="t"))
    for rows in ([{"id": 2, "l": [2]}, {"id": 3}], [{"id": 4}]):
        pipeline.run(ladle.resource(rows, name="t", write_disposition=way))
        assert ask(f"SELECT id FROM {dataset}.t ORDER BY id") == [(row["id"],) for row in rows]
    assert ask(f"SELECT count(*) FROM {dataset}.t__l") == [(0,)]
    left = ask("SELECT table_name FROM information_schema.tables WHERE table_schema = %s", dataset)
    assert not [name for (name,) in left if name.startswith("_ladle_1")]
    # a failure in the middle leaves what was there
    ask(f"ALTER TABLE {dataset}.t ADD CONSTRAINT few CHECK (id < 10)")
    with pytest.raises(ladle.errors.DataError):
        pipeline.run(ladle.resource([{"id": 9}, {"id": 10}], name="t", write_disposition=way))
    assert ask(f"SELECT id FROM {dataset}.t") == [(4,)]


@pytest.mark.slow
def test_child_rows_of_an_appended_table_get_their_root_in_one_go(
    pipeline: Any, ask: Any, dataset: str
) -> None:
    rows = [{"id": n, "l": [n, n + 1]} for n in range(20_000)]
    pipeline.run(rows, table_name="t")
    read = "SELECT variable_value FROM information_schema.global_status WHERE variable_name = 'HANDLER_READ_RND_NEXT'"
    ((before,),) = ask(read)
    pipeline.run(rows[:10], table_name="t", primary_key="id", write_disposition="merge")
    ((after,),) = ask(read)
    assert ask(f"SELECT count(*) FROM {dataset}.t__l WHERE _dlt_root_id IS NULL") == [(0,)]
    # a search of the parents for each child would read 800 million
    assert int(after) - int(before) < 3_000_000


@pytest.mark.slow
@pytest.mark.parametrize("indexes", [True, False])
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_merge_by_text_keys_reads_the_table_once(
    strategy: str, indexes: bool, mysql_url: str, dataset: str, tmp_path: Path, ask: Any
) -> None:
    destination = ladle.destinations.mysql(mysql_url, create_indexes=indexes)
    pipeline = ladle.pipeline("p", tmp_path, destination=destination, dataset_name=dataset)

    def rows(start: int, count: int) -> Any:
        made = [{"k": f"a rather long key {n}", "v": n, "l": [n]} for n in range(start, start + count)]
        way = {"disposition": "merge", "strategy": strategy}
        return ladle.resource(made, name="t", primary_key="k", write_disposition=way)

    pipeline.run(rows(0, 50_000))
    ((before,),) = ask(
        "SELECT variable_value FROM information_schema.global_status WHERE variable_name = 'HANDLER_READ_RND_NEXT'"
    )
    pipeline.run(rows(47_500, 5_000))
    ((after,),) = ask(
        "SELECT variable_value FROM information_schema.global_status WHERE variable_name = 'HANDLER_READ_RND_NEXT'"
    )
    assert ask(f"SELECT count(*), count(DISTINCT k) FROM {dataset}.t") == [(52_500, 52_500)]
    # a search of the whole table for each new row would read 250 million
    assert int(after) - int(before) < 3_000_000


@pytest.mark.parametrize("way", ["delete-insert", "upsert", "scd2"])
def test_a_merge_reads_what_it_touches_not_what_lies_between(
    way: str, pipeline: Any, dataset: str, ask: Any
) -> None:
    read = (
        "SELECT sum(variable_value) FROM information_schema.global_status "
        "WHERE variable_name IN ('HANDLER_READ_RND_NEXT', 'HANDLER_READ_NEXT', 'HANDLER_READ_KEY')"
    )

    def merge(rows: list[dict[str, Any]]) -> None:
        how = {"disposition": "merge", "strategy": way}
        key = {"merge_key": "id"} if way == "scd2" else {"primary_key": "id"}
        pipeline.run(ladle.resource(rows, name="t", write_disposition=how, **key))

    rows = [{"id": n, "v": n} for n in range(20_000)]
    merge(rows)
    ask(f"ANALYZE TABLE {dataset}.t")
    ((before,),) = ask(read)
    merge([row | {"v": -1} for row in rows[::200]])
    ((after,),) = ask(read)
    assert ask(f"SELECT count(*) FROM {dataset}.t WHERE v = -1") == [(100,)]
    # SCD2 reads all once for the latest moment; to search what waits for each row would read 2 million
    assert after - before < (30_000 if way == "scd2" else 5_000)


def test_a_delete_by_keys_says_nothing_of_what_lies_between() -> None:
    # MariaDB would read a million rows to delete 50,000
    text = "DELETE FROM a.t AS o WHERE EXISTS (SELECT 1 FROM a._ladle_new_0 AS n WHERE o.k = n.k AND o.k BETWEEN 1 AND 9)"
    (made,) = rewriter("utf8mb4_nopad_bin")(parse_one(text))
    assert DIALECT.sql(made) == (
        "DELETE `o` FROM `a`.`t` AS `o` WHERE EXISTS(SELECT 1 FROM `a`.`_ladle_new_0` AS `n` WHERE `o`.`k` = `n`.`k`)"
    )


def test_a_history_by_partitions_ends_each_row_once(pipeline: Any, ask: Any, dataset: str) -> None:
    how = {"disposition": "merge", "strategy": "scd2"}
    for start in (0, 1):
        rows = [{"part": n % 3, "v": n} for n in range(start, 30)]
        info = pipeline.run(ladle.resource(rows, name="t", write_disposition=how, merge_key="part"))
    assert info.merged["t"] == {"inserted": 0, "updated": 0, "deleted": 1, "unchanged": 29}
    assert ask(f"SELECT v FROM {dataset}.t WHERE _dlt_valid_to IS NOT NULL") == [(0,)]


def test_long_names_are_merged(pipeline: Any, dataset: str, ask: Any) -> None:
    name = "t" * 64
    for x in (1, 2):
        pipeline.run(
            [{"id": 1, "l" * 64: x, "list": [x]}],
            table_name=name,
            write_disposition="merge",
            primary_key="id",
        )
    assert ask(f"SELECT {'l' * 64} FROM {dataset}.{name}") == [(2,)]


@pytest.mark.parametrize("collation", ["utf8mb4_general_ci", "utf8mb4_bin", "latin1_swedish_ci"])
def test_tables_of_any_collation_are_merged_into(
    collation: str, pipeline: Any, ask: Any, dataset: str
) -> None:
    pipeline.run([{"k": "ä", "v": 1, "l": [1]}], table_name="t")
    for table in ("t", "t__l"):
        ask(
            f"ALTER TABLE {dataset}.{table} CONVERT TO CHARACTER SET {collation.split('_')[0]} COLLATE {collation}"
        )
    for strategy in STRATEGIES:
        pipeline.run(
            ladle.resource(
                [{"k": "ä", "v": 2, "l": [2]}, {"k": strategy, "v": 2}], name="t", primary_key="k",
                write_disposition={"disposition": "merge", "strategy": strategy},
            )
        )  # fmt: skip
    assert ask(f"SELECT count(*), max(v) FROM {dataset}.t WHERE k = 'ä'") == [(1, 2)]
    assert ask(f"SELECT count(*) FROM {dataset}.t") == [(4,)]
    assert ask(f"SELECT value FROM {dataset}.t__l") == [(2,)]


UPSERT: dict[str, Any] = {
    "name": "t",
    "primary_key": "id",
    "write_disposition": {"disposition": "merge", "strategy": "upsert"},
}
MADE_BY_OTHERS = {
    "key": [
        "ALTER TABLE {0}.t ADD UNIQUE (id)",
        "CREATE TABLE {0}.mine (t_id bigint, FOREIGN KEY (t_id) REFERENCES {0}.t (id) ON DELETE CASCADE)",
        "INSERT INTO {0}.mine VALUES (1)",
    ],
    "trigger": [
        "CREATE TABLE {0}.mine (text text)",
        "CREATE TRIGGER {0}.gone AFTER DELETE ON {0}.t FOR EACH ROW INSERT INTO {0}.mine VALUES ('DELETE')",
        "CREATE TRIGGER {0}.changed AFTER UPDATE ON {0}.t FOR EACH ROW INSERT INTO {0}.mine VALUES ('UPDATE')",
    ],
}
LEFT = {"key": [(1,)], "trigger": [("UPDATE",)]}


@pytest.mark.parametrize("what", MADE_BY_OTHERS)
def test_an_upsert_deletes_nothing_where_others_would_miss_it(
    pipeline: Any, ask: Any, dataset: str, what: str
) -> None:
    pipeline.run(ladle.resource([{"id": 1, "v": "old"}], **UPSERT))
    for statement in MADE_BY_OTHERS[what]:
        ask(statement.format(dataset))
    info = pipeline.run(ladle.resource([{"id": 1, "v": "new"}, {"id": 2, "v": "new"}], **UPSERT))
    assert info.merged["t"] == {"inserted": 1, "updated": 1, "deleted": 0, "unchanged": 0}
    assert ask(f"SELECT id, v FROM {dataset}.t ORDER BY id") == [(1, "new"), (2, "new")]
    assert ask(f"SELECT * FROM {dataset}.mine") == LEFT[what]


@pytest.mark.parametrize(
    ("rights", "deletes"),
    [
        ("ALL", True),
        ("SELECT, INSERT, UPDATE, DELETE, TRIGGER, CREATE TEMPORARY TABLES", True),
        ("SELECT, INSERT, UPDATE, TRIGGER, CREATE TEMPORARY TABLES", False),
        ("SELECT, INSERT, UPDATE, DELETE, CREATE TEMPORARY TABLES", False),
    ],
)
def test_an_upsert_needs_no_leave_to_delete_and_deletes_where_it_sees_all_triggers(
    pipeline: Any,
    mysql_url: str,
    ask: Any,
    dataset: str,
    tmp_path: Path,
    rights: str,
    deletes: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pipeline.run(ladle.resource([{"id": 1, "v": "old"}], **UPSERT))
    ask(f"CREATE USER {dataset}@'%%' IDENTIFIED BY 'pw'")
    ask(f"GRANT {rights} ON {dataset}.* TO {dataset}@'%%'")
    ran: list[str] = []
    run = MySqlConnection.execute

    def seen(self: MySqlConnection, sql: str, *more: Any) -> int:
        ran.append(sql)
        return run(self, sql, *more)

    monkeypatch.setattr(MySqlConnection, "execute", seen)
    url = mysql_url.replace("ladle:ladle@", f"{dataset}:pw@")
    theirs = ladle.pipeline(
        "p", tmp_path / "theirs", destination=ladle.destinations.mysql(url), dataset_name=dataset
    )
    theirs.run(ladle.resource([{"id": 1, "v": "new"}, {"id": 2, "v": "new"}], **UPSERT))
    assert ask(f"SELECT id, v FROM {dataset}.t ORDER BY id") == [(1, "new"), (2, "new")]
    assert any(sql.startswith("DELETE `old`") for sql in ran) == deletes
    assert any(sql.startswith("UPDATE") for sql in ran) != deletes


def test_rows_that_share_a_key_become_one_where_a_trigger_watches(
    pipeline: Any, dataset: str, reopening: None, ask: Any
) -> None:
    rows = [{"id": n, "v": v, "kids": [{"x": v}]} for n, v in ((1, "a"), (1, "b"), (2, "c"))]
    pipeline.run(rows, table_name="t")
    ask(f"CREATE TRIGGER {dataset}.watch AFTER DELETE ON {dataset}.t FOR EACH ROW SET @x = 1")
    merge = {"disposition": "merge", "strategy": "upsert"}
    pipeline.run([{**rows[1], "v": "B"}], table_name="t", write_disposition=merge, primary_key="id")
    assert ask(f"SELECT id, v FROM {dataset}.t ORDER BY id") == [(1, "B"), (2, "c")]
    assert ask(f"SELECT x FROM {dataset}.t__kids ORDER BY x") == [("b",), ("c",)]
