"""SCD2 on SQLite, and behind SQLAlchemy: random histories beside the oracle, and what is SQLite's own."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial, partialmethod
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from sqlglot import parse_one
from tests.scd2 import Way, histories, kept, plain

import ladle
from ladle.destinations.dialect import widen_column
from ladle.destinations.sqlite_connection import DIALECT, SqliteConnection
from ladle.destinations.sqlite_session import SqliteSession
from ladle.errors import UsageError

HISTORY = {"disposition": "merge", "strategy": "scd2"}


def day(number: int) -> datetime:
    return datetime(2024, 1, number, tzinfo=UTC)


def landed(pipeline: ladle.Pipeline) -> list[dict[str, Any]]:
    with closing(pipeline.destination.reader("main")) as reader:
        tables = reader.tables()
    data = pipeline.dataset()
    if "t" not in tables:
        return []
    below: dict[str, list[Any]] = {}
    kids = data["t__kids"].arrow().sort_by("_dlt_list_idx").to_pylist() if "t__kids" in tables else []
    for kid in kids:
        below.setdefault(kid["_dlt_parent_id"], []).append({"x": kid["x"]})
    made = []
    for row in data["t"].arrow().to_pylist():
        content = {n: row.get(n) for n in ("id", "k", "d", "v", "h", "gone")}
        ends = row["_dlt_valid_to"]
        until = None if ends is None or ends.year == 9999 else ends.day
        kids_of = below.get(row["_dlt_id"], [])
        made.append(
            {"row": {**content, "kids": kids_of}, "since": row["_dlt_valid_from"].day, "until": until}
        )
    return made


@pytest.mark.parametrize("generic", [False, True])
@given(histories())
@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_history_is_what_the_oracle_says(
    tmp_path_factory: pytest.TempPathFactory, generic: bool, history: tuple[Way, Any]
) -> None:
    way, batches = history
    root = tmp_path_factory.mktemp("history")
    made = ladle.destinations.sqlalchemy(f"sqlite:///{root / 'x.db'}", generic=generic)
    pipeline = ladle.pipeline("p", root, destination=made, dataset_name="main")
    expected: list[Any] = []
    for number, batch in enumerate(batches, 1):
        hints = way.hints
        hints["write_disposition"]["boundary_timestamp"] = day(number)
        pipeline.run(ladle.resource(batch, name="t", **hints))
        expected = kept(expected, batch, way, number)
    assert plain(landed(pipeline)) == plain(expected), (way, batches)
    pipeline.drop()


def test_versions_may_repeat_where_ids_were_unique_before(tmp_path: Path) -> None:
    made = ladle.destinations.sqlite(tmp_path / "x.db", create_unique_indexes=True)
    pipeline = ladle.pipeline("p", tmp_path / "work", destination=made, dataset_name="main")
    pipeline.run([{"id": 1, "u": 1}], table_name="t", columns={"u": {"unique": True}})
    for v in (1, 2, 1):
        pipeline.run([{"id": 1, "v": v}], table_name="t", write_disposition=HISTORY)
    with closing(sqlite3.connect(tmp_path / "x.db")) as db:
        assert db.execute("SELECT count(*) FROM t WHERE v = 1").fetchall() == [(2,)]
        indexes = {name for (name,) in db.execute("SELECT name FROM pragma_index_list('t')")}
    assert "ix_t__dlt_id" not in indexes
    assert "ix_t_u" in indexes


def test_a_large_history_is_read_once_not_once_per_row(tmp_path: Path) -> None:
    # A scan per row takes much of a minute: 10,000 x 10,000 rows.
    made = ladle.destinations.sqlite(tmp_path / "x.db")
    pipeline = ladle.pipeline("p", tmp_path / "work", destination=made, dataset_name="main")
    for v in (0, 5_000):
        rows = [{"id": n, "v": max(n, v), "kids": [n]} for n in range(10_000)]
        info = pipeline.run(rows, table_name="t", write_disposition=HISTORY)
    assert info.merged["t"] == {"inserted": 5_000, "updated": 0, "deleted": 5_000, "unchanged": 5_000}


BY_ID = {"write_disposition": HISTORY, "merge_key": "id", "columns": {"id": {"nullable": True}}}


def of(destination: Any, folder: Path) -> ladle.Pipeline:
    return ladle.pipeline("p", folder / "work", destination=destination, dataset_name="main")


def indexes(file: Path) -> set[str]:
    with closing(sqlite3.connect(file)) as db:
        return {name for (name,) in db.execute("SELECT name FROM pragma_index_list('t')")}


def test_a_history_by_a_key_searches_by_indexes_and_writes_where_it_does_not_read(tmp_path: Path) -> None:
    pipeline = of(ladle.destinations.sqlite(tmp_path / "x.db"), tmp_path)
    pipeline.run(ladle.resource([{"id": n, "v": n} for n in range(2_000)], name="t", **BY_ID))
    # none of versions: a load would write all over it
    assert indexes(tmp_path / "x.db") == {"ix_t_id", "ix_t__dlt_valid_from", "ix_t__dlt_valid_to"}
    plans: dict[str, list[str]] = {}
    execute, query = SqliteConnection.execute, SqliteConnection.query

    def explained(run: Any, self: Any, sql: str, params: Any = ()) -> Any:
        if '"t" AS "old"' in sql or sql.startswith('INSERT INTO "main"."t"'):
            plans[sql] = [step for *_, step in query(self, f"EXPLAIN QUERY PLAN {sql}")]
        return run(self, sql, params)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SqliteConnection, "execute", partialmethod(partial(explained, execute)))
        patch.setattr(SqliteConnection, "query", partialmethod(partial(explained, query)))
        rows = [{"id": n, "v": n if n < 7 else -1} for n in (5, 6, 7, 1_999, 2_000)]
        info = pipeline.run(ladle.resource(rows, name="t", **BY_ID))
    assert info.merged["t"] == {"inserted": 3, "updated": 0, "deleted": 2, "unchanged": 2}
    steps = [step for plan in plans.values() for step in plan]
    assert {"ix_t_id", "ix_t__dlt_valid_from", "ix_t__dlt_valid_to"} <= {
        word for step in steps for word in step.split()
    }
    assert not [step for step in steps if "AUTOMATIC" in step or step.startswith("SCAN old")]
    inserts = [plan for sql, plan in plans.items() if sql.startswith("INSERT")]
    assert inserts
    assert not [step for plan in inserts for step in plan if "old" in step]


@pytest.mark.parametrize("made", [True, False])
def test_rows_without_their_key_are_known_again(made: bool, tmp_path: Path) -> None:
    pipeline = of(ladle.destinations.sqlite(tmp_path / "x.db", create_indexes=made), tmp_path)
    keys: dict[str, Any] = {**BY_ID, "merge_key": ["id", "k"]}
    keys["columns"] = {name: {"nullable": True, "data_type": "bigint"} for name in ("id", "k")}
    rows = [{"id": None, "k": 1, "v": 1}, {"id": 1, "k": None, "v": 2}, {"id": 1, "k": 1, "v": 3}]
    for known, more in ((0, []), (3, [{"id": None, "k": 2, "v": 4}]), (4, [])):
        rows += more
        info = pipeline.run(ladle.resource(rows, name="t", **keys))
        assert info.merged["t"]["unchanged"] == known
    with closing(sqlite3.connect(tmp_path / "x.db")) as db:
        assert db.execute("SELECT v, _dlt_valid_to FROM t ORDER BY v").fetchall() == [
            (v, None) for v in (1, 2, 3, 4)
        ]


def test_an_id_of_its_own_is_a_version_whatever_key_the_row_has(tmp_path: Path) -> None:
    pipeline = of(ladle.destinations.sqlite(tmp_path / "x.db"), tmp_path)
    told = []
    for row in ({"id": 1, "_dlt_id": "a"}, {"id": 2, "_dlt_id": "a"}, {"id": 1, "_dlt_id": "b"}):
        info = pipeline.run(ladle.resource([row, {"id": 9, "_dlt_id": "z"}], name="t", **BY_ID))
        told.append([info.merged["t"][name] for name in ("inserted", "deleted", "unchanged")])
    assert told == [[2, 0, 0], [0, 0, 2], [1, 1, 1]]


@pytest.mark.parametrize("column", ["_dlt_valid_from", "_dlt_valid_to"])
@pytest.mark.parametrize("active", [None, "9999-12-31"])
@pytest.mark.parametrize("made", [True, False])
def test_a_load_counts_from_the_latest_moment_there(
    made: bool, active: str | None, column: str, tmp_path: Path
) -> None:
    pipeline = of(ladle.destinations.sqlite(tmp_path / "x.db", create_indexes=made), tmp_path)

    def load(v: int, at: datetime | None) -> None:
        way = {**HISTORY, "active_record_timestamp": active, "boundary_timestamp": at}
        pipeline.run(ladle.resource([{"id": 1, "v": v}], name="t", write_disposition=way, merge_key="id"))

    load(1, day(1))
    load(2, day(2))
    latest = "2999-01-01 00:00:00.000000"
    with closing(sqlite3.connect(tmp_path / "x.db")) as db:
        db.execute(f"UPDATE t SET {column} = '{latest}' WHERE v = 1")
        db.commit()
    with pytest.raises(UsageError, match="lies before") as caught:
        load(3, day(3))
    assert "2999-01-01T00:00:00+00:00 or later" in str(caught.value)
    pipeline.drop_pending_packages()
    load(3, None)
    with closing(sqlite3.connect(tmp_path / "x.db")) as db:
        assert db.execute("SELECT _dlt_valid_to FROM t WHERE v = 2").fetchall() == [(latest,)]
        assert db.execute("SELECT _dlt_valid_from FROM t WHERE v = 3").fetchall() == [(latest,)]


def test_the_index_of_what_ended_goes_with_its_column_and_comes_again(tmp_path: Path) -> None:
    file = tmp_path / "x.db"
    made = ladle.destinations.sqlite(file)
    pipeline = of(made, tmp_path)
    pipeline.run(ladle.resource([{"id": 1, "v": 1}], name="t", **BY_ID))
    table = pipeline.default_schema.table_map["t"]
    until = table.columns["_dlt_valid_to"]
    session = made.open("main")
    assert isinstance(session, SqliteSession)

    def run(statement: Any) -> Any:
        session._connection.begin()
        session._run(statement)
        session._connection.commit()
        with closing(sqlite3.connect(file)) as db:
            return db.execute("SELECT sql FROM sqlite_master WHERE name = 'ix_t__dlt_valid_to'").fetchall()

    ends = 'CREATE INDEX "ix_t__dlt_valid_to" ON "t"("_dlt_valid_to") WHERE "_dlt_valid_to" IS NOT NULL'
    assert run(widen_column("main", "t", replace(until, data_type="text"), None, DIALECT)) == [(ends,)]
    dropped = parse_one('ALTER TABLE "main"."t" DROP COLUMN "_dlt_valid_to"', dialect="sqlite")
    assert run(dropped) == []
    session.close()
