"""The MySQL destination against a real MariaDB: types, dispositions, evolution, state, names."""

from __future__ import annotations

import json
import logging
import math
import re
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from tests.contract.mysql_ways import WAYS, going_by
from tests.contract.reading import duckdb_tables, mysql_tables

import ladle
from ladle.destinations.base import LoadRecord
from ladle.errors import DataError, DestinationError, LadleError, UsageError
from ladle.schema.change import AddTable
from ladle.schema.schema import SYSTEM_TABLE_MAP, Schema
from ladle.schema.table import Column, Table

Ask = Callable[..., list[tuple[Any, ...]]]


@pytest.fixture
def pipeline(mysql_url: str, dataset: str, tmp_path: Path) -> Any:
    return ladle.pipeline(
        "my", tmp_path / "work", destination=ladle.destinations.mysql(mysql_url), dataset_name=dataset
    )


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest, ask: Ask) -> Any:
    """Have rows go in each way."""
    with going_by(request.param, ask):
        yield request.param


@dataclass(frozen=True)
class Case:
    """A column's hints, its type in MariaDB, values to load, and what to read where that differs."""

    hints: dict[str, Any]
    sql: str
    values: list[Any]
    read: list[Any] = field(default_factory=list)


_DEEP: Any = 1
for _ in range(60):
    _DEEP = {"a": [_DEEP]}
_CASES = {
    "text": Case(
        {"data_type": "text"},
        "longtext",
        [
            "", " ", "a ", "a'b\"c", "\\N", "NULL", "\\", "\\t", "tab\tline\nend\r\n", "nul\0nul", "%s ?1 `x`",
            "Zürich 東京 🦆", "x" * 100_000,
        ],
    ),
    "text(5)": Case({"data_type": "text", "precision": 5}, "varchar(5)", ["", "12345", "äöüßé", "🦆🦆🦆🦆🦆"]),
    "bigint": Case({"data_type": "bigint"}, "bigint(20)", [0, -1, 2**63 - 1, -(2**63)]),
    "bigint 32": Case({"data_type": "bigint", "precision": 32}, "int(11)", [2**31 - 1, -(2**31)]),
    "bigint 16": Case({"data_type": "bigint", "precision": 16}, "smallint(6)", [2**15 - 1, -(2**15)]),
    "bigint 8": Case({"data_type": "bigint", "precision": 8}, "tinyint(4)", [127, -128]),
    "double": Case(
        {"data_type": "double"},
        "double",
        [0.1, -0.0, 5e-324, 1.7976931348623157e308, 1e22, -1.5e-300, 3.0],
        [0.1, 0.0, 5e-324, 1.7976931348623157e308, 1e22, -1.5e-300, 3.0],
    ),
    "bool": Case({"data_type": "bool"}, "tinyint(1)", [True, False]),
    "timestamp": Case(
        {"data_type": "timestamp"},
        "datetime(6)",
        [
            datetime(1, 1, 1, tzinfo=UTC),
            datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
            datetime(2024, 3, 31, 1, 30, tzinfo=UTC),
            datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
        ],
    ),
    "naive timestamp": Case(
        {"data_type": "timestamp", "timezone": False},
        "datetime(6)",
        [datetime(1, 1, 1), datetime(2024, 3, 31, 2, 30), datetime(9999, 12, 31, 23, 59, 59, 999_999)],
    ),
    "timestamp of seconds": Case(
        {"data_type": "timestamp", "precision": 0},
        "datetime",
        [datetime(2024, 1, 2, 3, 4, 5, 999_999, tzinfo=UTC), datetime(1969, 12, 31, 23, 59, 59, 1, tzinfo=UTC)],
        [datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC), datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC)],
    ),
    "timestamp of milliseconds": Case(
        {"data_type": "timestamp", "precision": 3, "timezone": False},
        "datetime(3)",
        [datetime(1969, 12, 31, 23, 59, 59, 999_999)],
        [datetime(1969, 12, 31, 23, 59, 59, 999_000)],
    ),
    "date": Case({"data_type": "date"}, "date", [date(1, 1, 1), date(1969, 12, 31), date(9999, 12, 31)]),
    "time": Case({"data_type": "time"}, "time(6)", [time(0), time(23, 59, 59, 999_999), time(1, 2, 3)]),
    "decimal": Case(
        {"data_type": "decimal"},
        "decimal(38,9)",
        [Decimal(0), Decimal("-0.000000001"), Decimal("9" * 29 + ".999999999")],
    ),
    "decimal(10,2)": Case(
        {"data_type": "decimal", "precision": 10, "scale": 2},
        "decimal(10,2)",
        [Decimal("99999999.99"), Decimal("-0.01")],
    ),
    "decimal(65,30)": Case(
        {"data_type": "decimal", "precision": 65, "scale": 30},
        "decimal(65,30)",
        [Decimal("9" * 35 + "." + "9" * 30), Decimal("-0." + "0" * 29 + "1")],
    ),
    "wei": Case({"data_type": "wei"}, "decimal(65,0)", [0, 2**200, -(2**200), 10**65 - 1, -(10**65) + 1]),
    "binary": Case({"data_type": "binary"}, "longblob", [b"", b"\0", bytes(range(256)), b"\\N", b"x" * 70_000]),
    "binary(3)": Case({"data_type": "binary", "precision": 3}, "varbinary(3)", [b"", b"\xff\xfe\0"]),
    "json": Case(
        {"data_type": "json"},
        "longtext",
        [{"a": [1, 2.5, None, True, "x\\u0000y", "é🦆", "\t'\""]}, [], {}, [[1], {"b": {}}], {"big": 2**70}, _DEEP],
    ),
    "json with NUL": Case({"data_type": "json"}, "longtext", [{"a": "x\0y"}]),
}  # fmt: skip


@pytest.fixture(scope="module", params=WAYS)
def landed(request: pytest.FixtureRequest, mysql_url: str, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Load all cases as one table, a column each; each way."""
    name = f"all_{uuid.uuid4().hex[:8]}"
    destination = ladle.destinations.mysql(mysql_url)
    admin = destination.reader(name)
    pipeline = ladle.pipeline(
        "all", tmp_path_factory.mktemp("all"), destination=destination, dataset_name=name
    )
    count = max(len(case.values) for case in _CASES.values())
    rows = [
        {"n": n, **{_plain(k): c.values[n] for k, c in _CASES.items() if n < len(c.values)}}
        for n in range(count + 1)
    ]
    with going_by(request.param, admin.execute):
        pipeline.run(rows, table_name="t", columns={_plain(k): c.hints for k, c in _CASES.items()})
    admin.close()
    return name, pipeline.dataset().t.arrow().sort_by("n")


def _plain(name: str) -> str:
    return "v_" + re.sub(r"\W", "_", name).strip("_").lower()


@pytest.mark.parametrize("name", _CASES)
def test_every_type_comes_back_as_it_went_in(name: str, landed: Any, ask: Ask) -> None:
    case, (dataset, table) = _CASES[name], landed
    found = ask(
        "SELECT column_type FROM information_schema.columns WHERE table_schema = %s AND table_name = 't' "
        "AND column_name = %s",
        dataset,
        _plain(name),
    )
    assert found == [(case.sql,)]
    expected = [_comparable(v) for v in (case.read or case.values)]
    read = table.column(_plain(name)).to_pylist()
    if case.hints["data_type"] == "json":
        read = [None if v is None else json.loads(v) for v in read]
    assert [_comparable(v) for v in read[: len(expected)]] == expected
    assert set(read[len(expected) :]) == {None}
    nulls = ask(f"SELECT count(*) FROM {dataset}.t WHERE {_plain(name)} IS NULL")
    assert nulls == [(table.num_rows - len(expected),)]


def _comparable(value: Any) -> Any:
    if isinstance(value, float):
        return repr(value)
    return int(value) if isinstance(value, Decimal) and value == int(value) else value


@pytest.mark.slow
def test_a_value_of_100_mb_is_read_back(pipeline: Any, ask: Ask, dataset: str) -> None:
    text = "0123456789\\\t\n'🦆" * 6_000_000
    pipeline.run([{"v": text}], table_name="t")
    ((stored, size),) = ask(f"SELECT md5(v), length(v) FROM {dataset}.t")
    assert size == len(text.encode()) > 100_000_000
    import hashlib

    assert stored == hashlib.md5(text.encode()).hexdigest()
    assert pipeline.dataset().t.arrow().column("v").to_pylist() == [text]


def test_bytes_that_are_longer_than_the_server_takes_are_refused(
    pipeline: Any, ask: Ask, dataset: str
) -> None:
    ask("SET GLOBAL max_allowed_packet = 16777216")
    try:
        with pytest.raises(DataError, match="17,000,000 bytes") as caught:
            pipeline.run([{"id": 1, "v": b"x"}, {"id": 2, "v": b"x" * 17_000_000}], table_name="t")
    finally:
        ask("SET GLOBAL max_allowed_packet = 1073741824")
    assert "max_allowed_packet" in str(caught.value.hint)
    assert (caught.value.facts["table"], caught.value.facts["column"]) == ("t", "v")
    assert ask(f"SELECT count(*) FROM {dataset}.t") == [(0,)]


_TOO_MUCH: dict[str, tuple[Any, dict[str, Any]]] = {
    "NaN": (math.nan, {"data_type": "double"}),
    "infinity": (-math.inf, {"data_type": "double"}),
}


@pytest.mark.parametrize("name", _TOO_MUCH)
def test_numbers_that_mysql_has_not_are_refused(name: str, pipeline: Any, ask: Ask, dataset: str) -> None:
    value, hints = _TOO_MUCH[name]
    with pytest.raises(DataError, match="NaN") as caught:
        pipeline.run([{"v": 1.0}, {"v": value}], table_name="t", columns={"v": hints})
    assert (caught.value.facts["table"], caught.value.facts["column"]) == ("t", "v")
    assert caught.value.hint
    assert ask(f"SELECT count(*) FROM {dataset}.t") == [(0,)]
    assert ask(f"SELECT count(*) FROM {dataset}._dlt_loads") == [(0,)]


@pytest.mark.parametrize(
    "array",
    [
        pa.array([1, 2_932_897], pa.int32()).cast(pa.date32()),
        pa.array([1, -719_163], pa.int32()).cast(pa.date32()),
        pa.array([1, 253_402_300_800], pa.int64()).cast(pa.timestamp("s", "UTC")),
        pa.array([1, -62_135_596_801], pa.int64()).cast(pa.timestamp("s")),
    ],
    ids=["date after 9999", "date before 1", "time after 9999", "time before 1"],
)
def test_years_that_mysql_has_not_are_refused(array: pa.Array, pipeline: Any, ask: Ask, dataset: str) -> None:
    with pytest.raises(DataError, match="years 1 to 9999") as caught:
        pipeline.run(pa.table({"v": array}), table_name="t")
    assert caught.value.facts["column"] == "v"
    assert ask(f"SELECT count(*) FROM {dataset}.t") == [(0,)]


def test_more_digits_than_there_are_is_refused(pipeline: Any) -> None:
    with pytest.raises(DestinationError, match=r"decimal\(66,2\)") as caught:
        pipeline.run(
            [{"v": Decimal("1.5")}],
            table_name="t",
            columns={"v": {"data_type": "decimal", "precision": 66, "scale": 2}},
        )
    assert caught.value.facts["column"] == "v"


_DOCUMENTS: dict[str, list[dict[str, Any]]] = {
    "nested": [
        {
            "id": 1,
            "Pets": [{"petName": "x", "Toys": [{"Toy Name": "ball"}, {}]}],
            "tags": ["a", None, "b"],
            "m": [[1, 2], [3]],
            "addr": {"geo": {"lat": 1.5, "pts": [1, 2]}},
            "at": "2024-01-02T03:04:05Z",
        },
        {},
    ],
    "mixed kinds": [
        {"v": 1, "l": [1, "x", None, {"k": 1}, [7], True]},
        {"v": "one", "l": []},
        {"v": 1.5},
        {"v": {"a": 1}},
        {"v": date(2020, 1, 2)},
        {"v": datetime(2020, 1, 2, 3)},
        {"v": b"x"},
    ],
    "numbers": [
        {"i": 2**63, "d": Decimal("1.25"), "f": 1e300, "s": 1},
        {"i": -5, "d": Decimal(7), "f": 2, "s": 2.5},
    ],
    "names": [{"select": 1, "Table": 2, "ORDER BY": 3, "a b": 4, "ä": 5, "$1": 8}],
}


@pytest.mark.parametrize("name", _DOCUMENTS)
def test_the_tables_equal_those_in_duckdb(
    name: str, pipeline: Any, dataset: str, mysql_url: str, tmp_path: Path
) -> None:
    path = tmp_path / "x.duckdb"
    other = ladle.pipeline(
        "duck", tmp_path / "duck", destination=ladle.destinations.duckdb(str(path)), dataset_name=dataset
    )
    documents = _DOCUMENTS[name]
    for target in (pipeline, other):
        target.run(documents, table_name="t")
        target.run(documents[:1], table_name="t")
    expected = duckdb_tables(path, dataset)
    for row in (row for rows in expected.values() for row in rows):
        row.update((n, v.replace(tzinfo=None)) for n, v in row.items() if isinstance(v, datetime))
    assert mysql_tables(mysql_url, dataset) == expected


def test_long_names_are_cut_to_what_mysql_keeps(pipeline: Any, ask: Ask, dataset: str) -> None:
    pipeline.run([{"x" * 90: 6, "x" * 91: 7, "y" * 90: [1]}], table_name="t" * 80)
    pipeline.run([{"x" * 90: 8, "x" * 91: 9, "y" * 90: [2]}], table_name="t" * 80)
    names = ask("SELECT table_name FROM information_schema.tables WHERE table_schema = %s", dataset)
    tables = [name for (name,) in names if not name.startswith(("_dlt_", "_ladle_"))]
    assert len(tables) == 2
    assert all(ask(f"SELECT count(*) FROM {dataset}.`{name}`") == [(2,)] for name in tables)


def test_append_adds_and_replace_takes_the_place(pipeline: Any, ask: Ask, dataset: str) -> None:
    pipeline.run([{"id": 1, "l": [1, 2]}], table_name="t")
    pipeline.run([{"id": 2, "l": [3]}], table_name="t")
    assert ask(f"SELECT id FROM {dataset}.t ORDER BY id") == [(1,), (2,)]
    pipeline.run([{"id": 3}], table_name="t", write_disposition="replace")
    assert ask(f"SELECT id FROM {dataset}.t") == [(3,)]
    assert ask(f"SELECT count(*) FROM {dataset}.t__l") == [(0,)]
    assert ask(f"SELECT count(*) FROM {dataset}._dlt_loads WHERE status = 0") == [(3,)]


def test_two_pipelines_share_a_dataset(
    pipeline: Any, ask: Ask, dataset: str, mysql_url: str, tmp_path: Path
) -> None:
    other = ladle.pipeline(
        "other", tmp_path / "other", destination=ladle.destinations.mariadb(mysql_url), dataset_name=dataset
    )
    pipeline.run([{"id": 1}], table_name="t")
    other.run([{"id": 2, "more": 1}], table_name="t")
    pipeline.run([{"id": 3}], table_name="t")
    assert ask(f"SELECT id, more FROM {dataset}.t ORDER BY id") == [(1, None), (2, 1), (3, None)]
    assert ask(f"SELECT DISTINCT schema_name FROM {dataset}._dlt_version ORDER BY 1") == [("my",), ("other",)]


def test_state_comes_back_when_the_working_folder_is_gone(pipeline: Any, dataset: str, ask: Ask) -> None:
    pipeline.run([{"id": 1, "l": [1]}], table_name="t")
    before = pipeline.default_schema.version_hash
    pipeline.drop()
    pipeline.run([{"id": "x"}], table_name="t")
    assert before in pipeline.default_schema.previous_hashes
    assert ask(f"SELECT id, id__v_text FROM {dataset}.t ORDER BY id") == [(None, "x"), (1, None)]


def test_a_server_that_takes_no_files_gets_inserts_and_is_told_of_once(
    pipeline: Any, ask: Ask, dataset: str, caplog: pytest.LogCaptureFixture
) -> None:
    with going_by("INSERT", ask), caplog.at_level(logging.WARNING, "ladle"):
        rows = [{"id": n, "l": [n], "v": "x" * 1000} for n in range(9_000)]
        pipeline.run(rows, table_name="t")
    assert ask(f"SELECT count(*), sum(length(v)), max(id) FROM {dataset}.t") == [(9_000, 9_000_000, 8_999)]
    assert len([r for r in caplog.records if "local_infile" in r.message]) == 1


def test_a_server_that_guards_its_users_gives_all_rows(pipeline: Any, ask: Ask) -> None:
    # The sessions of others begin with these.
    guards = {"sql_select_limit": 2, "sql_safe_updates": 1, "max_join_size": 1}
    before = {name: ask(f"SELECT @@GLOBAL.{name}")[0][0] for name in guards}
    for name, value in guards.items():
        ask(f"SET GLOBAL {name} = {value}")
    try:
        rows = [{"id": n, "v": "x"} for n in range(5)]
        for way in ("append", "replace", {"disposition": "merge", "strategy": "upsert"}):
            pipeline.run(rows, table_name="t", primary_key="id", write_disposition=way)
            assert pipeline.dataset()["t"].select("id").order_by("id").fetchall() == [(n,) for n in range(5)]
    finally:
        for name, value in before.items():
            ask(f"SET GLOBAL {name} = {value}")


def test_a_table_of_many_texts_is_made(pipeline: Any, ask: Ask, dataset: str) -> None:
    pipeline.run([{f"c{n}": "x" for n in range(600)}], table_name="t")
    assert ask(f"SELECT c599 FROM {dataset}.t") == [("x",)]


def test_who_may_not_make_databases_uses_one_that_is_there(
    mysql_url: str, ask: Ask, dataset: str, tmp_path: Path
) -> None:
    ask(f"CREATE DATABASE {dataset}")
    ask(f"CREATE USER {dataset}@'%%' IDENTIFIED BY 'pw'")
    ask(f"GRANT ALL ON {dataset}.* TO {dataset}@'%%'")
    url = mysql_url.replace("ladle:ladle@", f"{dataset}:pw@")
    allowed, other = (
        ladle.pipeline(n, tmp_path / n, destination=ladle.destinations.mysql(url), dataset_name=name)
        for n, name in (("in", dataset), ("out", f"{dataset}_2"))
    )
    allowed.run([{"id": 1}], table_name="t", write_disposition="merge", primary_key="id")
    assert ask(f"SELECT id FROM {dataset}.t") == [(1,)]
    with pytest.raises(DestinationError, match="Access denied") as caught:
        other.run([{"id": 1}], table_name="t")
    assert "GRANT" in str(caught.value.hint)


# Tables that are there already, of other types than ours

_THERE: dict[str, tuple[str, Any, dict[str, Any], Any]] = {
    "text in varchar(n)": ("varchar(9)", "abc", {}, "abc"),
    "text in text": ("text", "abc", {}, "abc"),
    "json in json": ("json", [1], {"data_type": "json"}, "[1]"),
    "bigint in int": ("int", 2**31 - 1, {}, 2**31 - 1),
    "bigint in unsigned": ("bigint unsigned", 2**63 - 1, {}, 2**63 - 1),
    "bigint in decimal": ("decimal(20,0)", 2**63 - 1, {}, Decimal(2**63 - 1)),
    "bigint in double": ("double", 2**53, {}, 2.0**53),
    "integer in bigint": ("bigint", 7, {"data_type": "bigint", "precision": 32}, 7),
    "bool in bigint": ("bigint", True, {}, 1),
    "decimal in a wider one": ("decimal(50,20)", Decimal("1.5"), {}, Decimal("1.5")),
    "decimal in a narrower one": ("decimal(5,2)", Decimal("1.25"), {}, Decimal("1.25")),
    "time in timestamp": (
        "timestamp(6) NULL",
        datetime(2024, 1, 2, 3, tzinfo=UTC),
        {},
        datetime(2024, 1, 2, 3),
    ),
    "time in datetime": (
        "datetime",
        datetime(2024, 1, 2, 3, 4, 5, 900_000),
        {},
        datetime(2024, 1, 2, 3, 4, 5),
    ),
}


@pytest.mark.parametrize("name", _THERE)
def test_values_go_into_a_column_that_holds_them_all(
    name: str, pipeline: Any, ask: Ask, dataset: str
) -> None:
    sql, value, hints, read = _THERE[name]
    ask(f"CREATE DATABASE {dataset}")
    ask(f"CREATE TABLE {dataset}.t (later date, v {sql}, _dlt_id text NOT NULL, _dlt_load_id text NOT NULL)")
    pipeline.run([{"a": 1, "v": value}, {"v": None}], table_name="t", columns={"v": hints} if hints else None)
    assert ask(f"SELECT v FROM {dataset}.t WHERE a = 1") == [(read,)]


_REFUSED: dict[str, tuple[str, Any, dict[str, Any], type[LadleError]]] = {
    "text in int": ("int", "abc", {}, DestinationError),
    "double in int": ("int", 1.5, {}, DestinationError),
    "double in float": ("float", 1.5, {}, DestinationError),
    "text in an enum": ("enum('abc')", "abc", {}, DestinationError),
    "text in binary": ("blob", "abc", {}, DestinationError),
    "too large for int": ("int", 2**31, {}, DataError),
    "negative in unsigned": ("int unsigned", -1, {}, DataError),
    "too exact for double": ("double", 2**53 + 1, {}, DataError),
    "too many digits": ("decimal(5,2)", Decimal("1.255"), {}, DataError),
    "too large for decimal": ("decimal(5,2)", Decimal(12345), {}, DataError),
    "bigint too large for decimal": ("decimal(3,0)", 12345, {}, DataError),
    "too long": ("varchar(2)", "abc", {}, DataError),
    "too long in bytes": ("varbinary(2)", b"abc", {}, DataError),
    "not in its encoding": ("varchar(9) CHARACTER SET latin1", "🦆", {}, DataError),
    "before the first timestamp": ("timestamp NULL", datetime(1960, 1, 1, tzinfo=UTC), {}, DataError),
    "not null": ("int NOT NULL", None, {"data_type": "bigint"}, DataError),
}


@pytest.mark.parametrize("name", _REFUSED)
def test_a_value_that_does_not_fit_is_an_error_and_nothing_is_loaded(
    name: str, pipeline: Any, ask: Ask, dataset: str
) -> None:
    sql, value, hints, kind = _REFUSED[name]
    ask(f"CREATE DATABASE {dataset}")
    ask(f"CREATE TABLE {dataset}.t (v {sql}, _dlt_id text NOT NULL, _dlt_load_id text NOT NULL)")
    with pytest.raises(kind) as caught:
        pipeline.run([{"v": value}, {"v": value}], table_name="t", columns={"v": hints} if hints else None)
    assert caught.value.facts.get("table", "t") == "t"
    assert caught.value.facts["column"] == "v"
    assert caught.value.hint
    assert ask(f"SELECT count(*) FROM {dataset}.t") == [(0,)]


@pytest.mark.parametrize(("sql", "bad"), [("varchar(3)", "long"), ("longtext NOT NULL", None)])
def test_the_row_that_the_server_refuses_is_counted_among_all(
    sql: str, bad: Any, pipeline: Any, ask: Ask, dataset: str, way: str
) -> None:
    hints = {"data_type": "text"}
    pipeline.run([{"v": "a", "x": "x"}], table_name="t", columns={"v": hints})
    ask(f"ALTER TABLE {dataset}.t MODIFY v {sql}")
    rows = [{"v": "abc" if n != 33_333 else bad, "x": "x" * 200} for n in range(40_000)]
    with pytest.raises(DataError) as caught:
        pipeline.run(rows, table_name="t", columns={"v": hints})
    facts = caught.value.facts
    # of a null, the server only says that it is there, unless rows come by LOAD DATA
    expected = None if bad is None and way == "INSERT" else 33_334
    assert (facts["table"], facts["column"], facts.get("row")) == ("t", "v", expected)
    assert ask(f"SELECT count(*) FROM {dataset}.t") == [(1,)]


@pytest.mark.parametrize("size", [900_000, 17_000_000])
def test_a_long_row_among_short_ones(size: int, pipeline: Any, ask: Ask, dataset: str) -> None:
    rows = [{"id": n, "v": "é" * (size // 2) if n == 25_000 else "x"} for n in range(30_000)]
    with going_by("bulk", ask):
        ask("SET GLOBAL local_infile = 1")
        pipeline.run(rows, table_name="t")
    assert ask(f"SELECT count(*), count(DISTINCT id), max(length(v)), sum(length(v)) FROM {dataset}.t") == [
        (30_000, 30_000, size, size + 29_999)
    ]


def test_a_server_that_takes_small_packets_gets_small_messages(
    pipeline: Any, ask: Ask, dataset: str, caplog: pytest.LogCaptureFixture
) -> None:
    ask("SET GLOBAL max_allowed_packet = 1048576")
    try:
        with going_by("bulk", ask), caplog.at_level(logging.WARNING, "ladle"):
            pipeline.run([{"id": n, "v": "x" * 200} for n in range(30_000)], table_name="t")
    finally:
        ask("SET GLOBAL max_allowed_packet = 1073741824")
    assert ask(f"SELECT count(DISTINCT id), sum(length(v)) FROM {dataset}.t") == [(30_000, 6_000_000)]
    assert not [r for r in caplog.records if "local_infile" in r.message]


def test_a_row_that_the_server_refuses_is_named(pipeline: Any, ask: Ask, dataset: str, way: str) -> None:
    pipeline.run([{"v": "a"}], table_name="t", columns={"v": {"data_type": "text", "precision": 3}})
    ask(f"ALTER TABLE {dataset}.t ADD UNIQUE INDEX once (v)")
    with pytest.raises(DataError, match="there twice"):
        pipeline.run([{"v": "b"}, {"v": "a"}], table_name="t")
    ask(f"ALTER TABLE {dataset}.t ADD CONSTRAINT short CHECK (v <> 'no')")
    with pytest.raises(DataError, match="breaks a constraint"):
        pipeline.drop_pending_packages()
        pipeline.run([{"v": "c"}, {"v": "no"}], table_name="t")
    assert ask(f"SELECT v FROM {dataset}.t") == [("a",)]


# Names that try to break out

_HOSTILE = [
    'a"b', "a'b", "a`b", "a``", "a;drop table x;--", "select", "Ünïcode", "with space", "%s ?1 $1 {} \\", "a.b",
    "tab\tname", "?1",
]  # fmt: skip


@pytest.mark.parametrize("name", _HOSTILE)
def test_names_are_only_names(name: str, mysql_url: str, ask: Ask) -> None:
    dataset = f"{name} {uuid.uuid4().hex[:6]}"
    columns = {n: Column(n, data_type="text") for n in (name, f"{name} 2")}
    table = Table(name, columns={**columns, "b": Column("b", data_type="binary")})
    schema = pa.schema([(n, pa.binary() if n == "b" else pa.string()) for n in table.columns])
    batch = pa.record_batch([pa.array([v]) for v in ("x'y", "z", b"\0")], schema=schema)
    session = ladle.destinations.mysql(mysql_url).open(dataset)
    try:
        session.begin(_record("1"))
        session.apply([AddTable(t) for t in (*SYSTEM_TABLE_MAP.values(), table)])
        session.append(table, schema, [batch])
        session.clear([name])
        session.append(table, schema, [batch])
        session.commit()
        assert session.has_load("1")
        assert session.exists()
        assert set(session.tables()[name]) == set(table.columns)
    finally:
        session.close()
    quoted = ".".join("`" + n.replace("`", "``") + "`" for n in (dataset, name))
    assert ask(f"SELECT * FROM {quoted}") == [("x'y", "z", b"\0")]


def _record(load_id: str) -> LoadRecord:
    schema = Schema("s").to_dict()
    return LoadRecord(load_id=load_id, schema=schema, pipeline="p", state=None, inserted_at=1.5)


def test_a_dataset_name_that_mysql_refuses_is_refused(mysql_url: str) -> None:
    with pytest.raises(UsageError, match="too long"):
        ladle.destinations.mysql(mysql_url).open("x" * 65)


def test_datasets_whose_names_differ_by_case_are_two(mysql_url: str, dataset: str) -> None:
    upper, lower = (ladle.destinations.mysql(mysql_url).open(n) for n in (dataset.upper(), dataset))
    try:
        upper.begin(_record("1"))
        assert not lower.exists()
        assert upper.exists()
    finally:
        upper.close()
        lower.close()


# Looking without touching


def test_a_dataset_that_is_not_there_is_looked_for_without_making_it(
    mysql_url: str, dataset: str, ask: Ask
) -> None:
    session = ladle.destinations.mysql(mysql_url).open(dataset)
    try:
        assert not session.exists()
        assert not session.has_load("1")
        assert session.stored_state("p") is None
        assert session.stored_schema("s") is None
        assert session.newest("s", "p") == (None, 0)
        assert session.tables() == {}
    finally:
        session.close()
    assert ask("SELECT 1 FROM information_schema.schemata WHERE schema_name = %s", dataset) == []


def test_a_server_gets_no_file_that_it_asks_for(mysql_url: str, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("top secret")
    reader = ladle.destinations.mysql(mysql_url).reader("information_schema")
    try:
        reader.execute("CREATE DATABASE IF NOT EXISTS thief")
        reader.execute("CREATE OR REPLACE TABLE thief.t (v text)")
        # what a hostile server answers to any query, is the answer to this one
        with pytest.raises(RuntimeError, match="local_infile"):
            reader.execute(f"LOAD DATA LOCAL INFILE '{secret}' INTO TABLE thief.t")
    finally:
        reader.close()


def test_a_login_can_come_in_parts(mysql_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = ladle.destinations.mysql(mysql_url)
    monkeypatch.setenv("DESTINATION__MYSQL__CREDENTIALS__PASSWORD", "ladle")
    parts = ladle.destinations.mysql(
        {"host": "127.0.0.1", "port": whole.login.arguments["port"], "username": "ladle"}
    )
    assert parts.login == whole.login
    assert "ladle:ladle" not in repr(parts) + parts.displayable()
    for text in ("postgresql://x", "mysql:/x", 7):
        with pytest.raises(UsageError):
            ladle.destinations.mysql(text)
    with pytest.raises(UsageError, match="ssl_ca"):
        ladle.destinations.mysql("mysql://u@h/d?ssl_cu=x")
    odd = ladle.destinations.mysql("mariadb+pymysql://us%40er:p@s/s?w@[::1]:33/db").login
    assert odd.arguments["password"] == "p@s/s?w"
    assert (odd.arguments["user"], odd.arguments["host"], odd.arguments["database"]) == ("us@er", "::1", "db")
    assert replace(whole, login=None).displayable() == "no credentials"
