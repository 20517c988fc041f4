"""The SQLite destination: types with their extremes, names, merges, evolution, files, faults."""

from __future__ import annotations

import json
import math
import sqlite3
import threading
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from tests.merges import STRATEGIES, check_told, histories, merged, plain
from tests.unit.load.test_merge import lost

import ladle
from ladle.destinations import sqlite_image
from ladle.destinations.registry import resolve
from ladle.destinations.sqlite_connection import SqliteConnection
from ladle.errors import ConfigError, DataError, DestinationError, UsageError
from ladle.schema.table import Column, Table


@pytest.fixture
def destination(tmp_path: Path) -> Any:
    return ladle.destinations.sqlite(tmp_path / "x.db")


@pytest.fixture
def pipeline(tmp_path: Path, destination: Any) -> Any:
    return ladle.pipeline("p", tmp_path / "work", destination=destination, dataset_name="ds")


def query(path: Path, sql: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(path)) as db:
        return db.execute(sql).fetchall()


@dataclass(frozen=True)
class Case:
    """A column's hints, its declared type, values to load, and what to read where that differs."""

    hints: dict[str, Any]
    declared: str
    values: list[Any]
    read: list[Any] = field(default_factory=list)


_EAST = timezone(timedelta(hours=5, minutes=45))
_CASES = {
    "text": Case(
        {"data_type": "text"},
        "TEXT",
        [
            "",
            " ",
            "a'b\"c",
            "\\N",
            "1.50",
            "007",
            "NaN",
            "tab\tline\nend",
            "Zürich 東京 🦆",
            "x" * 100_000,
            "nul\0nul",
        ],
    ),
    "text(5)": Case({"data_type": "text", "precision": 5}, "VARCHAR(5)", ["", "12345", "äöüßé"]),
    "bigint": Case({"data_type": "bigint"}, "BIGINT", [0, -1, 2**63 - 1, -(2**63)]),
    "bigint 32": Case({"data_type": "bigint", "precision": 32}, "INTEGER", [2**31 - 1, -(2**31)]),
    "bigint 8": Case({"data_type": "bigint", "precision": 8}, "SMALLINT", [127, -128]),
    "double": Case(
        {"data_type": "double"},
        "DOUBLE",
        [0.1, 5e-324, 1.7976931348623157e308, 1e16, 2.0**53, math.inf, -math.inf, math.nan],
    ),
    "bool": Case({"data_type": "bool"}, "BOOLEAN", [True, False]),
    "timestamp": Case(
        {"data_type": "timestamp"},
        "DATETIME",
        [
            datetime(1, 1, 1, tzinfo=UTC),
            datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
            datetime(2024, 3, 31, 2, 30, tzinfo=_EAST),
            datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
        ],
    ),
    "naive timestamp": Case(
        {"data_type": "timestamp", "timezone": False},
        "TIMESTAMP",
        [datetime(1, 1, 1), datetime(2024, 3, 31, 2, 30), datetime(9999, 12, 31, 23, 59, 59, 999_999)],
    ),
    "timestamp of milliseconds": Case(
        {"data_type": "timestamp", "precision": 3, "timezone": False},
        "TIMESTAMP(3)",
        [datetime(1969, 12, 31, 23, 59, 59, 999_999)],
        [datetime(1969, 12, 31, 23, 59, 59, 999_000)],
    ),
    "date": Case({"data_type": "date"}, "DATE", [date(1, 1, 1), date(1969, 12, 31), date(9999, 12, 31)]),
    "time": Case({"data_type": "time"}, "TIME", [time(0), time(23, 59, 59, 999_999)]),
    "decimal": Case(
        {"data_type": "decimal"},
        "NUMERIC(38,9)",
        [
            Decimal(0),
            Decimal("0.1"),
            Decimal("-0.000000001"),
            Decimal("123456789.123456"),
            Decimal("1234567890.123456"),
            Decimal(10**20),
            Decimal("9" * 29 + ".999999999"),
        ],
    ),
    "decimal(10,2)": Case(
        {"data_type": "decimal", "precision": 10, "scale": 2},
        "NUMERIC(10,2)",
        [Decimal("99999999.99"), Decimal("-0.01")],
    ),
    "decimal(76,38)": Case(
        {"data_type": "decimal", "precision": 76, "scale": 38},
        "NUMERIC(76,38)",
        [Decimal("9" * 38 + "." + "9" * 38), Decimal("-1e-38")],
    ),
    "wei": Case(
        {"data_type": "wei"},
        "NUMERIC(76,0)",
        [0, 7, 2**53 + 1, 2**63 - 1, -(2**63), 2**63, 10**18, 10**19, 10**76 - 1, -(10**76) + 1],
    ),
    "binary": Case({"data_type": "binary"}, "BLOB", [b"", b"\0", b"123", bytes(range(256))]),
    "json": Case(
        {"data_type": "json"},
        "JSON",
        [{"a": [1, 2.5, None, True, "x\0y", "é🦆"]}, [], {}, [[1], {"b": {}}], {"big": 2**70}],
    ),
}


@pytest.mark.parametrize("images", [True, False])
@pytest.mark.parametrize("case", _CASES.values(), ids=_CASES)
def test_every_type_comes_back_as_it_went_in(
    case: Case, images: bool, pipeline: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not images:
        monkeypatch.setattr(sqlite_image, "code", None)
    rows = [{"n": n, "v": v} for n, v in enumerate([*case.values, None])]
    pipeline.run(rows, table_name="t", columns={"v": case.hints})
    declared = query(tmp_path / "x__ds.db", "SELECT type FROM pragma_table_info('t') WHERE name = 'v'")
    assert declared == [(case.declared,)]
    read = pipeline.dataset()["t"].order_by("n").select("v").arrow()["v"].to_pylist()
    if case.declared == "JSON":
        read = [v if v is None else json.loads(v) for v in read]
    expected = [*(case.read or case.values), None]
    assert [v for v in read if v == v] == [v for v in expected if v == v]
    assert sum(v != v for v in read) == sum(v != v for v in expected)


@pytest.mark.parametrize("name", _CASES)
def test_every_value_is_found_by_itself(name: str, pipeline: Any) -> None:
    case = _CASES[name]
    if name == "json":
        pytest.skip("no query compares JSON")
    rows = [{"n": n, "v": v} for n, v in enumerate(case.values)]
    pipeline.run(rows, table_name="t", columns={"v": case.hints})
    for n, value in enumerate(case.read or case.values):
        if value == value:
            assert pipeline.dataset()["t"].where("v", "eq", value).select("n").fetchall() == [(n,)], value


@pytest.mark.parametrize("name", ["decimal", "wei", "timestamp", "time", "binary", "text", "bigint"])
def test_rows_are_merged_by_a_key_of_any_type(name: str, pipeline: Any) -> None:
    case = _CASES[name]
    hints = {"v": case.hints, "n": {"data_type": "bigint"}}
    for load in range(2):
        rows = [{"n": n + load, "v": v} for n, v in enumerate(case.values)]
        pipeline.run(rows, table_name="t", columns=hints, write_disposition="merge", primary_key="v")
    assert sorted(pipeline.dataset()["t"].select("n").fetchall()) == [
        (n + 1,) for n in range(len(case.values))
    ]


@pytest.mark.parametrize("name", _CASES)
def test_rows_that_wait_are_stored_as_others_are(name: str, pipeline: Any, tmp_path: Path) -> None:
    case = _CASES[name]
    rows = [{"n": n, "v": v} for n, v in enumerate([*case.values, None])]
    pipeline.run(rows, table_name="plain", columns={"v": case.hints})
    way = {"disposition": "merge", "strategy": "upsert", "skip_unchanged_rows": True}
    for _ in range(2):
        info = pipeline.run(
            rows, table_name="t", columns={"v": case.hints}, write_disposition=way, primary_key="n"
        )
    # what waits is compared with what is there
    assert info.merged["t"]["unchanged"] == len(rows)
    stored = [query(tmp_path / "x__ds.db", f"SELECT n, typeof(v), quote(v) FROM {t}") for t in ("plain", "t")]
    assert stored[0] == stored[1]


@pytest.mark.parametrize("images", [True, False])
def test_documents_that_are_numbers_wait_as_numbers(
    images: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # as they are stored: else they would be sorted as texts
    if not images:
        monkeypatch.setattr(sqlite_image, "code", None)
    connection = SqliteConnection(lambda name: str(tmp_path / f"{name}.db"), "ds", 1.0)
    connection.begin()
    connection.execute('CREATE TABLE "ds"."t" (v JSON)')
    connection.execute('CREATE TEMP TABLE "new" AS SELECT v FROM "ds"."t" WHERE FALSE')
    batch = pa.record_batch({"v": ["5", "12", "[7]"]})
    table = Table("new", {"v": Column("v", "json")})
    assert connection.ingest("temp", table, {"v": "JSON"}, batch.schema, [batch]) == 3
    found = connection.query('SELECT v FROM "new" ORDER BY v')
    connection.close()
    assert found == [(5,), (12,), ("[7]",)]


def test_a_decimal_is_found_whatever_scale_it_was_written_with(pipeline: Any) -> None:
    for scale, value in ((2, Decimal("12345678901234567.50")), (9, Decimal("12345678901234567.500000000"))):
        pipeline.run(
            [{"v": value, "s": scale}], table_name="t", primary_key="v", write_disposition="merge",
            columns={"v": {"data_type": "decimal", "precision": 38, "scale": 9}},
        )  # fmt: skip
    assert pipeline.dataset()["t"].select("s").fetchall() == [(9,)]


def test_nanoseconds_are_kept(pipeline: Any) -> None:
    moments = pa.array([0, 1, -1, 1_700_000_000_123_456_789], pa.timestamp("ns"))
    hints = {"v": {"data_type": "timestamp", "precision": 9, "timezone": False}}
    pipeline.run(pa.table({"v": moments}), table_name="t", columns=hints)
    assert pipeline.dataset()["t"].select("v").arrow()["v"].cast(pa.int64()).to_pylist() == [
        0, 1, -1, 1_700_000_000_123_456_789,
    ]  # fmt: skip


def test_minus_zero_is_zero(pipeline: Any) -> None:
    pipeline.run([{"v": -0.0}], table_name="t")
    assert pipeline.dataset()["t"].select("v").fetchall() == [(0.0,)]


def test_a_large_value_comes_back(pipeline: Any) -> None:
    pipeline.run([{"t": "ä" * 10_000_000, "b": b"\0" * 20_000_000}], table_name="t")
    found = pipeline.dataset()["t"].select("t", "b").fetchall()[0]
    assert [len(v) for v in found] == [10_000_000, 20_000_000]


@pytest.mark.parametrize("kind", [pa.date32(), pa.timestamp("s"), pa.timestamp("s", "UTC")])
@pytest.mark.parametrize("days", [2_932_897, -719_163])
def test_a_date_beyond_four_digits_of_a_year_is_refused_and_nothing_is_written(
    kind: pa.DataType, days: int, pipeline: Any
) -> None:
    value = days if kind == pa.date32() else days * 86_400
    with pytest.raises(DataError, match="after 9999") as error:
        pipeline.run(pa.table({"v": pa.array([value], kind)}), table_name="t")
    assert "column=`v`" in str(error.value)
    with closing(pipeline.destination.reader("ds")) as reader:
        assert reader.tables() == []


def test_sorting_by_numbers_that_sqlite_has_not_is_refused(pipeline: Any) -> None:
    columns = {"v": {"data_type": "wei", "dedup_sort": "desc"}}
    rows = [{"id": 1, "v": 10**30 + 1}, {"id": 1, "v": 9 * 10**29 + 1}]
    with pytest.raises(DataError, match="can't be sorted by column `v`"):
        pipeline.run(rows, table_name="t", columns=columns, primary_key="id", write_disposition="merge")


# -- datasets are files


def test_main_is_in_the_file_and_others_are_beside_it(tmp_path: Path, destination: Any) -> None:
    for dataset in ("main", "sales"):
        ladle.pipeline(dataset, tmp_path / "work", destination=destination, dataset_name=dataset).run(
            [{"id": 1}], table_name="t"
        )
    for file in ("x.db", "x__sales.db"):
        assert query(tmp_path / file, "SELECT id FROM t") == [(1,)]
        assert query(tmp_path / file, "PRAGMA journal_mode") == [("wal",)]
    assert sorted(p.name for p in tmp_path.glob("x*")) == ["x.db", "x__sales.db"]


@pytest.mark.parametrize("url", ["{}", "sqlite:///{}", "sqlite+pysqlite:///{}?timeout=3"])
def test_a_place_is_a_path_or_a_url(url: str, tmp_path: Path) -> None:
    assert ladle.destinations.sqlite(url.format(tmp_path / "a b.db")).path == str(tmp_path / "a b.db")


def test_by_name_the_file_has_that_of_the_pipeline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    ladle.pipeline("shop", tmp_path / "work", destination="sqlite", dataset_name="main").run(
        [1], table_name="t"
    )
    assert query(tmp_path / "shop.db", "SELECT value FROM t") == [(1,)]


def test_the_file_can_be_configured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DESTINATION__SQLITE__CREDENTIALS", f"sqlite:///{tmp_path / 'set.db'}")
    monkeypatch.setenv("DESTINATION__OTHER__CREDENTIALS", str(tmp_path / "other.db"))
    assert resolve("sqlite").bound("p").path == str(tmp_path / "set.db")
    assert ladle.destinations.sqlite(destination_name="other").bound("p").path == str(tmp_path / "other.db")


@pytest.mark.parametrize("place", [":memory:", "sqlite://", "sqlite:///:memory:", ""])
def test_a_database_in_memory_is_refused(place: str) -> None:
    with pytest.raises(UsageError, match="in memory"):
        ladle.destinations.sqlite(place)


@pytest.mark.parametrize("name", ["temp", "TEMP", "a/b", "../b", "a\\b"])
def test_a_dataset_that_can_be_no_file_is_refused(name: str, destination: Any) -> None:
    with pytest.raises(UsageError, match="can't be named"):
        destination.open(name)


def test_looking_makes_no_file(tmp_path: Path, destination: Any) -> None:
    session = destination.open("ds")
    assert not session.has_load("1")
    assert session.tables() == {}
    assert not session.exists()
    session.close()
    reader = destination.reader("ds")
    assert reader.tables() == []
    reader.close()
    assert list(tmp_path.iterdir()) == []


def test_datasets_are_made_and_dropped(tmp_path: Path, pipeline: Any) -> None:
    pipeline.run([{"id": 1}], table_name="t")
    with pipeline.sql_client() as client:
        assert client.has_dataset()
        client.drop_dataset()
        assert not client.has_dataset()
        assert list(tmp_path.glob("*.db*")) == []
        client.create_dataset()
        assert client.has_dataset()
        client.execute_sql("CREATE TABLE ds.u (a NUMERIC, b DATETIME)")
        client.execute_sql("INSERT INTO u VALUES (?, ?)", 5, datetime(2024, 1, 2, tzinfo=UTC))
        assert client.execute_sql("SELECT a, b FROM ds.u") == [(5, datetime(2024, 1, 2, tzinfo=UTC))]
        with client.with_alternative_dataset_name("other"):
            assert not client.has_dataset()


# -- names


@pytest.mark.parametrize("dataset", ["a b", 'a"b', "a;drop table t", "select", "ä🦆", "100%#?", "it's"])
def test_hostile_names_are_names(dataset: str, tmp_path: Path, destination: Any) -> None:
    hostile = [
        "order",
        "a b",
        'a"b',
        "a'b",
        "a;--",
        "a]b",
        "ä🦆",
        "a.b",
        "rowid",
        "x" * 300,
        "%s",
        "?1",
        "old",
        "new",
    ]
    made = ladle.destinations.sqlite(tmp_path / "x.db", naming_convention="direct")
    pipeline = ladle.pipeline("p", tmp_path / "work", destination=made, dataset_name=dataset)
    row = {name: n for n, name in enumerate(hostile)}
    for name in ("table", 'a"; DROP TABLE x; --', dataset):
        for _ in range(2):
            pipeline.run([row], table_name=name, write_disposition="merge", primary_key=hostile)
        (table,) = pipeline.default_schema.data_table_names()
        with pipeline.sql_client() as client:
            found = client.execute_sql(f"SELECT * FROM {client.make_qualified_table_name(table)}")
            pipeline.drop_table(table).apply(confirm=True)
        assert [sorted(v for v in r if isinstance(v, int)) for r in found] == [[*range(len(hostile))]]


def test_names_of_sqlite_are_refused_with_a_remedy(pipeline: Any) -> None:
    with pytest.raises(DestinationError, match="another table_name"):
        pipeline.run([1], table_name="sqlite_x")


# -- merges


def landed(path: Path) -> list[dict[str, Any]]:
    with closing(sqlite3.connect(path)) as db:
        db.row_factory = sqlite3.Row
        tables = {r["name"] for r in db.execute("SELECT name FROM sqlite_master")}
        roots = [dict(r) for r in db.execute("SELECT * FROM t")]
        kids = (
            [dict(r) for r in db.execute("SELECT * FROM t__kids ORDER BY _dlt_list_idx")]
            if "t__kids" in tables
            else []
        )
    below: dict[str, list[Any]] = {}
    for kid in kids:
        assert kid["_dlt_root_id"] == kid["_dlt_parent_id"]
        below.setdefault(kid["_dlt_parent_id"], []).append({"x": kid["x"]})
    assert set(below) <= {row["_dlt_id"] for row in roots}
    names = ("id", "k", "d", "v", "s", "gone")
    found = [{**{n: r.get(n) for n in names}, **lost(r), "kids": below.get(r["_dlt_id"], [])} for r in roots]
    return [{**r, "gone": None if r["gone"] is None else bool(r["gone"])} for r in found]


@given(histories())
@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_history_ends_as_the_oracle_says(tmp_path_factory: pytest.TempPathFactory, history: Any) -> None:
    way, batches = history
    root = tmp_path_factory.mktemp("history")
    made = ladle.destinations.sqlite(root / "x.db")
    pipeline = ladle.pipeline("p", root, destination=made, dataset_name="main")
    expected: list[Any] = []
    for batch in batches:
        info = pipeline.run(ladle.resource(batch, name="t", **way.hints))
        if not way.other:
            check_told(info.merged["t"], expected, batch, way)
        expected = merged(expected, batch, way)
    assert plain(landed(root / "x.db")) == plain(expected), (way, batches)
    pipeline.drop()


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_compound_keys_are_compared_column_by_column(strategy: str, pipeline: Any) -> None:
    way = {"disposition": "merge", "strategy": strategy}
    for rows in ([{"a": "ab", "b": "c"}], [{"a": "a", "b": "bc"}]):
        pipeline.run(rows, table_name="t", primary_key=["a", "b"], write_disposition=way)
    assert sorted(pipeline.dataset()["t"].select("a", "b").fetchall()) == [("a", "bc"), ("ab", "c")]


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_merge_reads_tables_once_not_once_per_row(strategy: str, pipeline: Any) -> None:
    # A scan per row takes much of a minute here: 5,000 x 10,000 rows.
    way = {"disposition": "merge", "strategy": strategy}
    for start in (0, 5_000):
        rows = [{"id": n, "v": start, "kids": [n]} for n in range(start, start + 10_000)]
        pipeline.run(rows, table_name="t", primary_key=["id"], write_disposition=way)
    with pipeline.sql_client() as client:
        assert client.execute_sql("SELECT count(*), count(DISTINCT id) FROM t") == [(15_000, 15_000)]
        assert client.execute_sql("SELECT count(*) FROM t__kids") == [(15_000,)]


@pytest.mark.parametrize(
    ("trigger", "heard"),
    [
        ("AFTER UPDATE ON t", [("old",), ("new",)]),
        ("AFTER DELETE ON t", [("old",)]),
        ("AFTER UPDATE ON other", [("old",), ("new",)]),
    ],
)
def test_an_upsert_deletes_nothing_where_a_trigger_would_hear_of_it(
    trigger: str, heard: list[Any], pipeline: Any, tmp_path: Path
) -> None:
    """A trigger hears only what is done to its own table; a row that keeps its place keeps its number."""
    hints: dict[str, Any] = {
        "table_name": "t",
        "primary_key": "id",
        "write_disposition": {"disposition": "merge", "strategy": "upsert"},
    }
    pipeline.run([{"id": 1, "v": "old"}, {"id": 2, "v": "old"}], **hints)
    file = tmp_path / "x__ds.db"
    with closing(sqlite3.connect(file)) as db:
        db.execute("CREATE TABLE heard AS SELECT v FROM t WHERE id = 1")
        db.execute("CREATE TABLE other AS SELECT * FROM t")
        table = "NEW" if "UPDATE" in trigger else "OLD"
        db.execute(f"CREATE TRIGGER tell {trigger} BEGIN INSERT INTO heard VALUES ({table}.v); END")
        db.commit()
    before = query(file, "SELECT _rowid_ FROM t WHERE id = 1")
    info = pipeline.run([{"id": 1, "v": "new"}, {"id": 3, "v": "new"}], **hints)
    assert info.merged["t"] == {"inserted": 1, "updated": 1, "deleted": 0, "unchanged": 0}
    assert query(file, "SELECT id, v FROM t ORDER BY id") == [(1, "new"), (2, "old"), (3, "new")]
    on_t = trigger.endswith(" t")
    assert query(file, "SELECT v FROM heard") == (heard if on_t else [("old",)])
    assert (query(file, "SELECT _rowid_ FROM t WHERE id = 1") == before) == on_t


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_merge_searches_by_indexes_and_makes_none_for_a_statement(strategy: str, tmp_path: Path) -> None:
    made = ladle.destinations.sqlite(tmp_path / "x.db")
    pipeline = ladle.pipeline("p", tmp_path / "work", destination=made, dataset_name="main")
    way = {"disposition": "merge", "strategy": strategy}
    pipeline.run(
        [{"id": n, "v": n} for n in range(2_000)], table_name="t", primary_key="id", write_disposition=way
    )
    plans: list[str] = []
    run = SqliteConnection.execute

    def explained(self: Any, sql: str, params: Any = ()) -> int:
        if '"t"' in sql and sql.startswith(("DELETE", "UPDATE", "INSERT")):
            plans.extend(step for *_, step in self.query(f"EXPLAIN QUERY PLAN {sql}"))
        return run(self, sql, params)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SqliteConnection, "execute", explained)
        rows = [{"id": n, "v": -1} for n in (5, 5, 1_999, 2_000)]
        pipeline.run(rows, table_name="t", primary_key="id", write_disposition=way)
    assert any("ix_t_id" in step for step in plans)
    assert not [step for step in plans if "AUTOMATIC" in step or step == "SCAN old"]


@pytest.mark.parametrize("images", [True, False])
def test_a_statement_brings_several_rows_in_their_order(
    images: bool, pipeline: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not images:
        monkeypatch.setattr(sqlite_image, "code", None)
    elif sqlite_image.code is None:
        pytest.skip("ladle was installed without its compiled part (no C compiler, or LADLE_PURE)")
    ran: list[str] = []
    opened = SqliteConnection._open

    def traced(self: Any, create: bool = False) -> Any:
        db = opened(self, create)
        db.set_trace_callback(ran.append)
        return db

    rows = [{"id": n, "v": None if n % 3 else float("nan")} for n in range(20_009)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SqliteConnection, "_open", traced)
        pipeline.run(rows, table_name="t")
    inserts = [sql for sql in ran if sql.startswith("INSERT") and '"t"' in sql]
    assert len(inserts) < (10 if images else 1_500)  # each for itself, there would be 20,009
    with pipeline.sql_client() as client:
        found = client.execute_sql("SELECT id, CAST(v AS TEXT) FROM t ORDER BY _rowid_")
    assert [tuple(row) for row in found] == [(n, None if n % 3 else "NaN") for n in range(20_009)]


def test_rows_too_long_for_an_image_come_in_their_order(pipeline: Any) -> None:
    values = ["x" * (100_000 if n == 10_500 else 10) for n in range(30_000)]
    pipeline.run([{"id": n, "v": v} for n, v in enumerate(values)], table_name="t")
    with pipeline.sql_client() as client:
        found = client.execute_sql("SELECT id, length(v) FROM t ORDER BY _rowid_")
    assert [tuple(row) for row in found] == [(n, len(v)) for n, v in enumerate(values)]


def test_a_file_whose_texts_are_utf_16(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "x.db")) as db:
        db.execute("PRAGMA encoding = 'UTF-16'")
        db.execute("CREATE TABLE other (a)")
    destination = ladle.destinations.sqlite(tmp_path / "x.db")
    pipeline = ladle.pipeline("p", tmp_path / "work", destination=destination, dataset_name="main")
    pipeline.run([{"id": 1, "v": "São"}, {"id": 2, "v": "Zürich"}], table_name="t")
    assert query(tmp_path / "x.db", "SELECT id, v FROM t") == [(1, "São"), (2, "Zürich")]


def test_a_session_loads_again_after_a_load(tmp_path: Path) -> None:
    connection = SqliteConnection(lambda name: str(tmp_path / f"{name}.db"), 'a "b" rows', 1.0)
    table = Table("t", {n: Column(n, "text") for n in "ab"})
    batch = pa.record_batch({"a": ["x", None], "b": [None, "y"]})
    there = {"a": "TEXT", "b": "TEXT"}
    for number in range(3):
        connection.begin()
        if number == 0:
            connection.execute('CREATE TABLE "a ""b"" rows"."t" (a TEXT, b TEXT)')
        assert connection.ingest('a "b" rows', table, there, batch.schema, [batch, batch]) == 4
        connection.end(commit=number != 1)
    connection.close()
    assert query(tmp_path / 'a "b" rows.db', "SELECT * FROM t") == [("x", None), (None, "y")] * 4


@pytest.mark.parametrize("indexes", [True, False])
def test_columns_with_an_index_change_and_go(indexes: bool, tmp_path: Path) -> None:
    made = ladle.destinations.sqlite(tmp_path / "x.db", create_indexes=indexes)
    pipeline = ladle.pipeline("p", tmp_path / "work", destination=made, dataset_name="main")

    def found() -> set[str]:
        names = query(tmp_path / "x.db", "SELECT name FROM pragma_index_list('t') WHERE origin = 'c'")
        return {name for (name,) in names}

    def run(rows: Any, **hints: Any) -> None:
        pipeline.run(ladle.resource(rows, name="t", write_disposition="merge", **hints))

    run([{"id": 1, "k": 1, "v": 1}], primary_key=["id", "k"])
    assert found() == ({"ix_t_id_k"} if indexes else set())
    run([{"id": 1, "k": 1, "v": 2}], primary_key=["id", "k"], columns={"id": {"data_type": "text"}})
    assert found() == ({"ix_t_id_k"} if indexes else set())
    assert query(tmp_path / "x.db", "SELECT id, k, v FROM t") == [("1", 1, 2)]
    run([{"id": "1", "k": 1, "v": 3}], primary_key="id")
    pipeline.drop_column("t", "k").apply(confirm=True)
    assert found() == set()


def test_children_that_were_appended_get_the_key_of_their_root(pipeline: Any) -> None:
    rows = [{"id": n, "kids": [{"x": n, "below": [n]}]} for n in range(3)]
    pipeline.run(rows, table_name="t")
    later = [{"id": 1, "kids": []}, {"id": 9, "kids": [{"x": 9, "below": [9]}]}]
    pipeline.run(later, table_name="t", primary_key="id", write_disposition="merge")
    with pipeline.sql_client() as client:
        assert client.execute_sql("SELECT count(*) FROM t__kids") == [(3,)]
        sql = "SELECT count(*) FROM t__kids__below AS b JOIN t ON t._dlt_id = b._dlt_root_id"
        assert client.execute_sql(sql) == [(3,)]


# -- evolution


def test_tables_grow_and_what_they_had_stays(pipeline: Any) -> None:
    pipeline.run([{"id": 1}], table_name="t")
    pipeline.run([{"id": 2, "n": {"x": 1.5}, "l": [1]}, {"id": "three"}], table_name="t")
    found = pipeline.dataset()["t"].select("id", "id__v_text", "n__x").fetchall()
    assert sorted(found, key=repr) == [(1, None, None), (2, None, 1.5), (None, "three", None)]


def test_a_column_that_may_be_null_from_now_on_is_let(pipeline: Any, tmp_path: Path) -> None:
    pipeline.run([{"id": 1, "v": 2**62}], table_name="t", columns={"v": {"nullable": False}})
    pipeline.run([{"id": 2}], table_name="t", columns={"v": {"nullable": True}})
    assert query(tmp_path / "x__ds.db", "SELECT id, v FROM t ORDER BY id") == [(1, 2**62), (2, None)]


def test_tables_and_columns_are_renamed_and_dropped(tmp_path: Path, pipeline: Any) -> None:
    pipeline.run([{"id": 1, "a": 2, "b": 3}], table_name="t")
    pipeline.run([{"id": 1}], table_name="gone")
    pipeline.rename_column("t", "a", "c").apply()
    pipeline.drop_column("t", "b").apply(confirm=True)
    pipeline.rename_table("t", "u").apply()
    pipeline.drop_table("gone").apply(confirm=True)
    pipeline.run([{"id": 2, "a": 4}], table_name="t")
    assert sorted(pipeline.dataset()["u"].select("id", "c").fetchall()) == [(1, 2), (2, 4)]
    assert query(
        tmp_path / "x__ds.db", "SELECT count(*) FROM pragma_table_info('u') WHERE name IN ('a', 'b')"
    ) == [(0,)]
    assert query(tmp_path / "x__ds.db", "SELECT name FROM sqlite_master WHERE name IN ('t', 'gone')") == []


def test_comments_are_left_out(pipeline: Any) -> None:
    columns = {"id": {"description": "the key"}}
    pipeline.run([{"id": 1}], table_name="t", columns=columns)
    pipeline.run([{"id": 2}], table_name="t", columns={"id": {"description": "the number"}})
    assert len(pipeline.dataset()["t"].fetchall()) == 2


def test_keys_and_unique_columns_become_constraints_where_that_is_wanted(tmp_path: Path) -> None:
    made = ladle.destinations.sqlite(tmp_path / "x.db", create_unique_indexes=True, create_primary_keys=True)
    pipeline = ladle.pipeline("p", tmp_path / "work", destination=made, dataset_name="main")
    pipeline.run([{"id": 1, "u": 1}], table_name="t", primary_key="id", columns={"u": {"unique": True}})
    found = query(tmp_path / "x.db", "SELECT name, pk FROM pragma_table_info('t') WHERE pk")
    assert found == [("id", 1)]
    indexes = {name for (name,) in query(tmp_path / "x.db", "SELECT name FROM pragma_index_list('t')")}
    assert {"ix_t_u", "ix_t__dlt_id"} <= indexes
    with pytest.raises(DataError, match="UNIQUE constraint failed"):
        pipeline.run([{"id": 1, "u": 2}], table_name="t")
    assert query(tmp_path / "x.db", "SELECT id, u FROM t") == [(1, 1)]


def test_a_column_that_was_made_otherwise_is_refused(tmp_path: Path, pipeline: Any) -> None:
    with closing(sqlite3.connect(tmp_path / "x__ds.db")) as db:
        db.execute("CREATE TABLE t (id BIGINT, v INTEGER)")
    with pytest.raises(
        DestinationError, match="column `v` of `t` is `INTEGER` in the database and can't take `text`"
    ):
        pipeline.run([{"id": 1, "v": "007"}], table_name="t")


LAX = {"columns": "discard_value", "data_type": "discard_value"}


def test_values_that_were_refused_are_put_into_their_rows(pipeline: Any) -> None:
    columns = {"doc": {"data_type": "json"}, "price": {"data_type": "decimal"}}
    whole = {
        "id": 1,
        "n": 5,
        "day": datetime(2026, 1, 1, tzinfo=UTC),
        "ok": True,
        "doc": {"a": 1},
        "price": Decimal(1),
    }
    pipeline.run([whole], table_name="t", columns=columns)
    wrong = {"id": 2, "n": "six", "day": "soon", "ok": 3, "price": "cheap"}
    pipeline.run([wrong], table_name="t", columns=columns, schema_contract=LAX)
    mended = {"n": 6, "day": "2026-02-02", "ok": "yes", "price": "12345678901.5"}
    assert pipeline.replay(fix_value=lambda path, value: mended[path]) is not None
    assert pipeline.dataset()["t"].where("id", "eq", 2).select("n", "day", "ok", "price").fetchall() == [
        (6, datetime(2026, 2, 2, tzinfo=UTC), True, Decimal("12345678901.5"))
    ]


def test_views_are_read_and_broken_ones_disturb_nobody(tmp_path: Path, pipeline: Any) -> None:
    pipeline.run([{"id": 1}], table_name="t")
    with closing(sqlite3.connect(tmp_path / "x__ds.db")) as db:
        db.execute("CREATE VIEW good AS SELECT id FROM t")
        db.execute("CREATE VIEW bad AS SELECT x FROM nowhere")
    pipeline.run([{"id": 2}], table_name="t")
    with pipeline.sql_client() as client:
        assert client.execute_sql("SELECT id FROM good ORDER BY id") == [(1,), (2,)]


def test_names_that_differ_by_case_alone_are_refused(tmp_path: Path) -> None:
    made = ladle.destinations.sqlite(tmp_path / "x.db", naming_convention="direct")
    pipeline = ladle.pipeline("p", tmp_path / "work", destination=made, dataset_name="main")
    pipeline.run([{"id": 1}], table_name="t")
    with pytest.raises(DestinationError, match="differ by case only"):
        pipeline.run([{"n": 1}], table_name="T")


# -- replace, other connections


def test_a_reader_sees_the_old_rows_until_the_commit(tmp_path: Path, pipeline: Any) -> None:
    pipeline.run([{"id": 1}], table_name="t")
    seen: list[Any] = []

    def watch(event: Any) -> None:
        seen.append(query(tmp_path / "x__ds.db", "SELECT id FROM t"))

    again = ladle.pipeline(
        "p", tmp_path / "work", destination=pipeline.destination, dataset_name="ds", progress=watch
    )
    again.run([{"id": n} for n in (2, 3)], table_name="t", write_disposition="replace")
    assert {tuple(rows) for rows in seen} == {((1,),), ((2,), (3,))}


def test_pipelines_at_once_go_one_after_the_other(tmp_path: Path) -> None:
    def run(name: str) -> None:
        made = ladle.destinations.sqlite(tmp_path / "x.db")
        pipeline = ladle.pipeline(name, tmp_path / "work", destination=made, dataset_name="main")
        for n in range(3):
            rows = [{"id": i, "v": f"{name}{n}", name: n} for i in range(50)]
            pipeline.run(rows, table_name="t", primary_key="id", write_disposition="merge")

    failed: list[BaseException] = []

    def tried(name: str) -> None:
        try:
            run(name)
        except BaseException as exc:
            failed.append(exc)

    threads = [threading.Thread(target=tried, args=(name,)) for name in ("one", "two", "three")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    assert query(tmp_path / "x.db", "SELECT count(*), count(DISTINCT id) FROM t") == [(50, 50)]
    assert query(tmp_path / "x.db", "SELECT count(*) FROM _dlt_loads") == [(9,)]


# -- faults


def test_a_folder_that_isnt_there(tmp_path: Path) -> None:
    made = ladle.destinations.sqlite(tmp_path / "none" / "x.db")
    pipeline = ladle.pipeline("p", tmp_path / "work", destination=made, dataset_name="ds")
    with pytest.raises(DestinationError, match="check that its folder exists"):
        pipeline.run([{"id": 1}], table_name="t")


def test_too_many_columns_are_refused_with_a_remedy(pipeline: Any) -> None:
    with pytest.raises(DestinationError, match="2000 columns"):
        pipeline.run([{f"c{n}": n for n in range(2001)}], table_name="t")


def test_an_old_sqlite_is_refused(monkeypatch: pytest.MonkeyPatch, destination: Any) -> None:
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 31, 1))
    with pytest.raises(ConfigError, match=r"3\.35 or later"):
        destination.open("ds")
