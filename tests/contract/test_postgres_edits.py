"""Renames and drops in Postgres: in one transaction, whatever the names; refused where others depend on it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest

import ladle
from ladle.errors import DestinationError

Query = Callable[..., list[tuple[Any, ...]]]
ROWS = [{"id": 1, "email": "a", "oops": 3, "pets": [{"name": "x"}]}, {"id": 2, "email": "b", "oops": "x"}]
HOSTILE = ['E-Mail "x"', "select", "naïve ☃", "it's", "a;b--c", "ä" * 31]


@pytest.fixture
def pipeline(tmp_path: Path, postgres_url: str, dataset: str) -> ladle.Pipeline:
    made = ladle.pipeline(
        "p", tmp_path, destination=ladle.destinations.postgres(postgres_url), dataset_name=dataset
    )
    made.run(ROWS, table_name="users")
    return made


def tables(query: Query, dataset: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    sql = (
        "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = %s "
        "AND table_name NOT LIKE '\\_%%' AND column_name NOT LIKE '\\_dlt%%' ORDER BY ordinal_position"
    )
    for table, column in query(sql, dataset):
        found.setdefault(table, []).append(column)
    return found


@pytest.mark.parametrize("name", HOSTILE)
def test_any_name_will_do(pipeline: ladle.Pipeline, query: Query, dataset: str, name: str) -> None:
    pipeline.rename_column("users", "email", name).apply()
    pipeline.rename_column("users__pets", "name", name).apply()
    plan = pipeline.rename_table("users", name[:20])
    plan.apply()
    pipeline.run(ROWS, table_name="users")
    table = name[:20]
    assert tables(query, dataset) == {
        table: ["id", name, "oops", "oops__v_text"],
        f"{table}__pets": [name],
    }
    quoted = name.replace('"', '""'), table.replace('"', '""')
    assert (
        query(f'SELECT "{quoted[0]}" FROM "{dataset}"."{quoted[1]}" ORDER BY id')
        == [("a",)] * 2 + [("b",)] * 2
    )
    pipeline.drop_column(table, name).apply(confirm=True)
    pipeline.drop_table(f"{table}__pets").apply(confirm=True)
    pipeline.run(ROWS, table_name="users")
    assert tables(query, dataset) == {table: ["id", "oops", "oops__v_text"]}


def test_edits_of_two_working_folders_meet(
    pipeline: ladle.Pipeline, query: Query, dataset: str, tmp_path: Path
) -> None:
    other = ladle.pipeline("p", tmp_path / "other", destination=pipeline.destination, dataset_name=dataset)
    other.sync_destination()
    other.extract(ROWS, table_name="users")
    pipeline.rename_column("users", "email", "mail").apply()
    pipeline.rename_table("users", "people").apply()
    other.run()
    assert query(f"SELECT mail FROM {dataset}.people ORDER BY id") == [("a",)] * 2 + [("b",)] * 2
    other.drop_column("people", "oops").apply(confirm=True)
    pipeline.run(ROWS, table_name="users")
    assert tables(query, dataset)["people"] == ["id", "mail"]


def test_at_once(pipeline: ladle.Pipeline, query: Query, dataset: str, tmp_path: Path) -> None:
    """One renames while another loads; whoever is second follows."""
    other = ladle.pipeline("p", tmp_path / "other", destination=pipeline.destination, dataset_name=dataset)
    other.sync_destination()
    failures: list[BaseException] = []

    def load() -> None:
        try:
            for n in range(3):
                other.run([{"id": 10 + n, "email": f"e{n}"}], table_name="users")
        except BaseException as error:  # noqa: BLE001 - told below
            failures.append(error)

    thread = threading.Thread(target=load)
    thread.start()
    for old, new in (("email", "mail"), ("mail", "post"), ("post", "letter")):
        pipeline.rename_column("users", old, new).apply()
    thread.join()
    assert not failures
    assert query(f"SELECT letter FROM {dataset}.users ORDER BY id") == [
        ("a",),
        ("b",),
        ("e0",),
        ("e1",),
        ("e2",),
    ]
    assert tables(query, dataset)["users"] == ["id", "letter", "oops", "oops__v_text"]


def test_what_a_view_needs_is_not_dropped(pipeline: ladle.Pipeline, query: Query, dataset: str) -> None:
    query(f"CREATE VIEW {dataset}.seen AS SELECT oops FROM {dataset}.users")
    with pytest.raises(DestinationError) as caught:
        pipeline.drop_column("users", "oops").apply(confirm=True)
    assert "nothing was changed and nothing is kept" in str(caught.value)
    assert not pipeline.has_pending_data
    pipeline.run(ROWS, table_name="users")
    assert query(f"SELECT count(oops) FROM {dataset}.users") == [(2,)]
    assert query(f"SELECT count(*) FROM {dataset}._ladle_changes WHERE change LIKE 'drop%%'") == [(0,)]


def test_a_table_that_is_locked_is_waited_for_and_nothing_is_lost(
    pipeline: ladle.Pipeline, query: Query, dataset: str, postgres_url: str
) -> None:
    plan = pipeline.rename_column("users", "email", "mail")
    with psycopg.connect(postgres_url) as reader:
        reader.execute(f"SELECT * FROM {dataset}.users")
        thread = threading.Thread(target=plan.apply)
        thread.start()
        assert reader.execute(f"SELECT count(email) FROM {dataset}.users").fetchall() == [(2,)]
    thread.join()
    assert query(f"SELECT count(mail) FROM {dataset}.users") == [(2,)]


def test_what_was_changed_by_hand_is_adopted(pipeline: ladle.Pipeline, query: Query, dataset: str) -> None:
    query(f"ALTER TABLE {dataset}.users DROP COLUMN oops, DROP COLUMN oops__v_text")
    query(f"ALTER TABLE {dataset}.users ADD COLUMN at timestamp, ADD COLUMN amount numeric(10, 2)")
    plan = pipeline.adopt_schema()
    assert plan.statements == ()
    plan.apply()
    stored = pipeline.default_schema.table_map["users"].columns
    assert (stored["at"].data_type, stored["at"].timezone) == ("timestamp", False)
    assert stored["amount"].data_type == "decimal"
    pipeline.run([*ROWS, {"id": 3, "at": "2024-05-01 10:00", "amount": "1.5"}], table_name="users")
    assert query(f"SELECT at::text, amount FROM {dataset}.users WHERE id = 3")[0][0] == "2024-05-01 10:00:00"
    assert tables(query, dataset)["users"] == ["id", "email", "at", "amount"]


def test_unique_indexes_stay(pipeline: ladle.Pipeline, query: Query, dataset: str) -> None:
    pipeline.rename_table("users", "people").apply()
    sql = "SELECT count(*) FROM pg_indexes WHERE schemaname = %s AND tablename = 'people'"
    assert query(sql, dataset) == [(1,)]
