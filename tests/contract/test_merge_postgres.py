"""Merges on a real Postgres: random histories beside the oracle, and what is Postgres's own."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from tests.merges import STRATEGIES, check_told, histories, merged, plain
from tests.unit.load.test_merge import lost

import ladle
from ladle.destinations.postgres_connection import PostgresConnection
from ladle.events import Durable

COLUMNS = ("id", "k", "d", "v", "s", "gone")


@pytest.fixture
def pipeline(tmp_path: Path, postgres_url: str, dataset: str) -> Any:
    return ladle.pipeline(
        "p", tmp_path, destination=ladle.destinations.postgres(postgres_url), dataset_name=dataset
    )


def landed(url: str, dataset: str) -> list[dict[str, Any]]:
    with psycopg.connect(url, row_factory=psycopg.rows.dict_row) as connection:
        tables = {
            row["tablename"]
            for row in connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = %s", [dataset])
        }
        roots = connection.execute(f'SELECT * FROM "{dataset}".t').fetchall()
        kids: list[dict[str, Any]] = []
        if "t__kids" in tables:
            kids = connection.execute(f'SELECT * FROM "{dataset}".t__kids ORDER BY _dlt_list_idx').fetchall()
    below: dict[str, list[Any]] = {}
    for kid in kids:
        assert kid["_dlt_root_id"] == kid["_dlt_parent_id"]
        below.setdefault(kid["_dlt_parent_id"], []).append({"x": kid["x"]})
    assert set(below) <= {row["_dlt_id"] for row in roots}
    return [{**{n: r.get(n) for n in COLUMNS}, **lost(r), "kids": below.get(r["_dlt_id"], [])} for r in roots]


@given(histories())
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_history_ends_as_the_oracle_says(
    tmp_path_factory: pytest.TempPathFactory, postgres_url: str, history: Any
) -> None:
    way, batches = history
    root = tmp_path_factory.mktemp("history")
    dataset = root.name.replace("-", "_")
    pipeline = ladle.pipeline(
        "p", root, destination=ladle.destinations.postgres(postgres_url), dataset_name=dataset
    )
    expected: list[Any] = []
    for batch in batches:
        info = pipeline.run(ladle.resource(batch, name="t", **way.hints))
        check_told(info.merged["t"], expected, batch, way)
        expected = merged(expected, batch, way)
    assert plain(landed(postgres_url, dataset)) == plain(expected), (way, batches)
    pipeline.drop()


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_merges_of_two_pipelines_at_once_leave_each_key_once(
    tmp_path: Path, postgres_url: str, dataset: str, query: Any, strategy: str
) -> None:
    def run(name: str) -> None:
        pipeline = ladle.pipeline(
            name, tmp_path, destination=ladle.destinations.postgres(postgres_url), dataset_name=dataset
        )
        for n in range(3):
            rows = [{"id": i, "v": f"{name}{n}"} for i in range(50)]
            pipeline.run(
                ladle.resource(
                    rows, name="t", primary_key="id",
                    write_disposition={"disposition": "merge", "strategy": strategy},
                )
            )  # fmt: skip

    threads = [threading.Thread(target=run, args=(name,)) for name in ("one", "two")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert query(f'SELECT count(*), count(DISTINCT id) FROM "{dataset}".t') == [(50, 50)]


def test_long_names_are_merged(pipeline: Any, dataset: str, query: Any) -> None:
    name = "t" * 63
    for x in (1, 2):
        pipeline.run(
            [{"id": 1, "l" * 63: x, "list": [x]}],
            table_name=name,
            write_disposition="merge",
            primary_key="id",
        )
    assert query(f'SELECT {"l" * 63} FROM "{dataset}"."{name}"') == [(2,)]


def test_a_merge_counts_only_what_it_joins_on(pipeline: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[str] = []
    run = PostgresConnection.execute

    def seen(self: PostgresConnection, sql: str, *more: Any) -> int:
        ran.append(sql)
        return run(self, sql, *more)

    monkeypatch.setattr(PostgresConnection, "execute", seen)
    for n in range(2):
        # twice the same key: what is left of them is counted by its keys too
        rows = [{"id": 1, "v": n, "list": [n]}, {"id": 1, "v": n, "list": []}]
        pipeline.run(rows, table_name="t", write_disposition="merge", primary_key="id")
    counted = [sorted(sql.partition("(")[2].strip(")").split(", ")) for sql in ran if "ANALYZE" in sql]
    keys, below, all_of_the_noted = ['"_dlt_id"', '"id"'], ['"_dlt_id"', '"_dlt_root_id"'], [""]
    assert counted == [keys, below, keys, all_of_the_noted] * 2


def test_others_write_to_a_table_while_rows_wait_and_the_merge_sees_it(
    pipeline: Any, postgres_url: str, dataset: str, query: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOAD__AHEAD_BYTES", "0")
    monkeypatch.setattr("ladle.load.ahead._CHUNK_BYTES", 1)
    way: dict[str, Any] = {"name": "t", "write_disposition": "merge", "primary_key": "id"}
    pipeline.run(ladle.resource([{"id": 1, "v": "old"}], **way))
    waits = threading.Event()

    def hear(event: Any) -> None:
        if isinstance(event, Durable) and event.done and event.name == "load.ahead.t":
            waits.set()

    def rows() -> Iterator[Any]:
        yield [{"id": n, "v": "new"} for n in range(2, 100)]
        assert waits.wait(20)
        with psycopg.connect(postgres_url, options="-c lock_timeout=5s") as other:
            insert = (
                f"INSERT INTO \"{dataset}\".t (id, v, _dlt_load_id, _dlt_id) VALUES (%s, 'other', '', %s)"
            )
            other.cursor().executemany(insert, [(5, "five"), (100, "hundred")])
        yield [{"id": 101, "v": "new"}]

    second = ladle.pipeline(
        "p", pipeline.pipelines_dir, destination=pipeline.destination, dataset_name=dataset, progress=hear
    )
    info = second.run(ladle.resource(rows, **way))
    found = query(f'SELECT v, count(*), count(DISTINCT id) FROM "{dataset}".t GROUP BY v ORDER BY v')
    assert found == [("new", 99, 99), ("old", 1, 1), ("other", 1, 1)]
    assert info.merged["t"] == {"inserted": 98, "updated": 1, "deleted": 0, "unchanged": 0}


def test_a_merge_reads_few_rows_to_count_them(
    pipeline: Any, monkeypatch: pytest.MonkeyPatch, query: Any
) -> None:
    found: list[str] = []
    target = "current_setting('default_statistics_target')"
    run = PostgresConnection.execute

    def seen(self: PostgresConnection, sql: str, *more: Any) -> int:
        changed = run(self, sql, *more)
        if "ANALYZE" in sql:
            found.append(self.query(f"SELECT {target}")[0][0])
        return changed

    monkeypatch.setattr(PostgresConnection, "execute", seen)
    for n in range(2):
        pipeline.run([{"id": n}], table_name="t", write_disposition="merge", primary_key="id")
    assert found == ["10", "10"]
    assert query(f"SELECT {target}") == [("100",)]


UPSERT: dict[str, Any] = {
    "name": "t",
    "primary_key": "id",
    "write_disposition": {"disposition": "merge", "strategy": "upsert"},
}
_TELL = (
    'CREATE FUNCTION "{0}".tell() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN '
    'INSERT INTO "{0}".mine VALUES (TG_OP); RETURN NULL; END $$'
)
MADE_BY_OTHERS = {
    "key": [
        'ALTER TABLE "{0}".t ADD UNIQUE (id)',
        'CREATE TABLE "{0}".mine (t_id bigint REFERENCES "{0}".t (id) ON DELETE CASCADE)',
        'INSERT INTO "{0}".mine VALUES (1)',
    ],
    "trigger": [
        'CREATE TABLE "{0}".mine (text text)',
        _TELL,
        'CREATE TRIGGER told AFTER DELETE OR UPDATE ON "{0}".t FOR EACH ROW EXECUTE FUNCTION "{0}".tell()',
    ],
    "rule": [
        'CREATE TABLE "{0}".mine (text text)',
        'CREATE RULE told AS ON DELETE TO "{0}".t DO ALSO INSERT INTO "{0}".mine VALUES (\'DELETE\')',
    ],
    "heir": [
        'CREATE TABLE "{0}".mine () INHERITS ("{0}".t)',
        'INSERT INTO "{0}".mine SELECT * FROM "{0}".t',
        'DELETE FROM ONLY "{0}".t',
    ],
    "publication": [
        # without a replica identity nothing may be deleted whose deletion is published
        'CREATE PUBLICATION "{0}" FOR TABLE "{0}".t WITH (publish = \'insert, delete\')',
        'CREATE TABLE "{0}".mine ()',
    ],
}
LEFT = {"key": [(1,)], "trigger": [("UPDATE",)], "rule": [], "heir": [("new",)], "publication": []}


@pytest.mark.parametrize("what", MADE_BY_OTHERS)
def test_an_upsert_deletes_nothing_where_others_would_miss_it(
    pipeline: Any, dataset: str, query: Any, what: str
) -> None:
    pipeline.run(ladle.resource([{"id": 1, "v": "old"}], **UPSERT))
    for statement in MADE_BY_OTHERS[what]:
        query(statement.format(dataset))
    info = pipeline.run(ladle.resource([{"id": 1, "v": "new"}, {"id": 2, "v": "new"}], **UPSERT))
    assert info.merged["t"] == {"inserted": 1, "updated": 1, "deleted": 0, "unchanged": 0}
    assert query(f'SELECT id, v FROM "{dataset}".t ORDER BY id') == [(1, "new"), (2, "new")]
    assert query(f'SELECT {"v" if what == "heir" else "*"} FROM "{dataset}".mine') == LEFT[what]


@pytest.fixture
def guest(dataset: str, query: Any) -> Iterator[str]:
    role = f"guest_{dataset}"
    query(f"CREATE ROLE {role} LOGIN PASSWORD 'secret'")
    yield role
    query(f"DROP OWNED BY {role}")
    query(f"DROP ROLE {role}")


@pytest.mark.parametrize("by", ["grants", "policies"])
def test_an_upsert_needs_no_leave_to_delete(
    pipeline: Any, postgres_url: str, tmp_path: Path, dataset: str, query: Any, guest: str, by: str
) -> None:
    pipeline.run(ladle.resource([{"id": 1, "v": "old"}], **UPSERT))
    query(f'GRANT USAGE ON SCHEMA "{dataset}" TO {guest}')
    query(f'GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA "{dataset}" TO {guest}')
    if by == "policies":
        query(f'GRANT DELETE ON "{dataset}".t TO {guest}')
        query(f'ALTER TABLE "{dataset}".t ENABLE ROW LEVEL SECURITY')
        for right, rows in (("SELECT", "USING"), ("UPDATE", "USING"), ("INSERT", "WITH CHECK")):
            query(f'CREATE POLICY may_{right} ON "{dataset}".t FOR {right} TO {guest} {rows} (true)')
    url = f"postgresql://{guest}:secret@{postgres_url.rpartition('@')[2]}"
    theirs = ladle.pipeline(
        "p", tmp_path / "theirs", destination=ladle.destinations.postgres(url), dataset_name=dataset
    )
    theirs.run(ladle.resource([{"id": 1, "v": "new"}, {"id": 2, "v": "new"}], **UPSERT))
    assert query(f'SELECT id, v FROM "{dataset}".t ORDER BY id') == [(1, "new"), (2, "new")]


def test_an_upsert_leaves_one_row_of_its_key(pipeline: Any, dataset: str, query: Any) -> None:
    pipeline.run(ladle.resource([{"id": 1, "v": "a"}, {"id": 1, "v": "b"}], name="t"))
    pipeline.run(ladle.resource([{"id": 1, "v": "new"}], **UPSERT))
    assert query(f'SELECT id, v FROM "{dataset}".t') == [(1, "new")]
