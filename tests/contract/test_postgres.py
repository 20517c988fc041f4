"""The Postgres destination against a real server: types, dispositions, evolution, state, names."""

from __future__ import annotations

import json
import math
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from tests.contract.reading import duckdb_tables, postgres_tables

import ladle
from ladle.destinations.base import LoadRecord
from ladle.errors import DataError, DestinationError, LadleError, UsageError
from ladle.schema.change import AddTable
from ladle.schema.schema import SYSTEM_TABLE_MAP, Schema
from ladle.schema.table import Column, Table

Query = Callable[..., list[tuple[Any, ...]]]


@pytest.fixture
def pipeline(postgres_url: str, dataset: str, tmp_path: Path) -> Any:
    return ladle.pipeline(
        "pg", tmp_path / "work", destination=ladle.destinations.postgres(postgres_url), dataset_name=dataset
    )


@dataclass(frozen=True)
class Case:
    """A column's hints, its type in Postgres, values to load, and what to read where that differs."""

    hints: dict[str, Any]
    sql: str
    values: list[Any]
    read: list[Any] = field(default_factory=list)


_ALL_BYTES = bytes(range(256))
_CASES = {
    "text": Case(
        {"data_type": "text"},
        "character varying",
        ["", " ", "a'b\"c", "\\N", "\\x41", "tab\tline\nend", "Zürich 東京 🦆", "x" * 100_000, "nul\0nul"],
        [
            "",
            " ",
            "a'b\"c",
            "\\N",
            "\\x41",
            "tab\tline\nend",
            "Zürich 東京 🦆",
            "x" * 100_000,
            "nul\u2400nul",
        ],
    ),
    "text(5)": Case({"data_type": "text", "precision": 5}, "character varying(5)", ["", "12345", "äöüßé"]),
    "bigint": Case({"data_type": "bigint"}, "bigint", [0, -1, 2**63 - 1, -(2**63)]),
    "bigint 32": Case({"data_type": "bigint", "precision": 32}, "integer", [2**31 - 1, -(2**31)]),
    "bigint 16": Case({"data_type": "bigint", "precision": 16}, "smallint", [2**15 - 1, -(2**15)]),
    "bigint 8": Case({"data_type": "bigint", "precision": 8}, "smallint", [127, -128]),
    "double": Case(
        {"data_type": "double"},
        "double precision",
        [0.1, -0.0, 5e-324, 1.7976931348623157e308, math.inf, -math.inf, math.nan],
    ),
    "bool": Case({"data_type": "bool"}, "boolean", [True, False]),
    "timestamp": Case(
        {"data_type": "timestamp"},
        "timestamp with time zone",
        [
            datetime(1, 1, 1, tzinfo=UTC),
            datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
            datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
        ],
    ),
    "naive timestamp": Case(
        {"data_type": "timestamp", "timezone": False},
        "timestamp without time zone",
        [datetime(1, 1, 1), datetime(9999, 12, 31, 23, 59, 59, 999_999)],
    ),
    "timestamp of seconds": Case(
        {"data_type": "timestamp", "precision": 0},
        "timestamp(0) with time zone",
        [datetime(2024, 1, 2, 3, 4, 5, 999_999, tzinfo=UTC)],
        [datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)],
    ),
    "timestamp of milliseconds": Case(
        {"data_type": "timestamp", "precision": 3, "timezone": False},
        "timestamp(3) without time zone",
        [datetime(1969, 12, 31, 23, 59, 59, 999_999)],
        [datetime(1969, 12, 31, 23, 59, 59, 999_000)],
    ),
    "date": Case({"data_type": "date"}, "date", [date(1, 1, 1), date(9999, 12, 31)]),
    "time": Case({"data_type": "time"}, "time without time zone", [time(0), time(23, 59, 59, 999_999)]),
    "decimal": Case(
        {"data_type": "decimal"},
        "numeric(38,9)",
        [Decimal(0), Decimal("-0.000000001"), Decimal("9" * 29 + ".999999999")],
    ),
    "decimal(10,2)": Case(
        {"data_type": "decimal", "precision": 10, "scale": 2},
        "numeric(10,2)",
        [Decimal("99999999.99"), Decimal("-0.01")],
    ),
    "decimal(60,20)": Case(
        {"data_type": "decimal", "precision": 60, "scale": 20},
        "numeric(60,20)",
        [Decimal("9" * 40 + "." + "9" * 20)],
    ),
    "wei": Case({"data_type": "wei"}, "numeric(156,78)", [0, 2**252, -(2**252), 10**76 - 1, -(10**76) + 1]),
    "binary": Case({"data_type": "binary"}, "bytea", [b"", b"\0", _ALL_BYTES]),
    "json": Case(
        {"data_type": "json"},
        "jsonb",
        [{"a": [1, 2.5, None, True, "x\\u0000y", "é🦆"]}, [], {}, [[1], {"b": {}}], {"big": 2**70}],
    ),
    "json with NUL": Case({"data_type": "json"}, "jsonb", [{"a": "x\0y"}], [{"a": "x\u2400y"}]),
}


@pytest.mark.parametrize("case", _CASES.values(), ids=_CASES)
def test_every_type_comes_back_as_it_went_in(case: Case, pipeline: Any, dataset: str, query: Query) -> None:
    rows = [{"n": n, "v": v} for n, v in enumerate([*case.values, None])]
    pipeline.run(rows, table_name="t", columns={"v": case.hints})
    found = query(
        "SELECT format_type(atttypid, atttypmod) FROM pg_attribute "
        "WHERE attrelid = %s::regclass AND attname = 'v'",
        f"{dataset}.t",
    )
    assert found == [(case.sql,)]
    read = [v for (v,) in query(f"SELECT v FROM {dataset}.t ORDER BY n")]
    expected = [*(case.read or case.values), None]
    assert [_comparable(v) for v in read] == [_comparable(v) for v in expected]


def _comparable(value: Any) -> Any:
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, datetime) and value.tzinfo:
        return value.astimezone(UTC)
    return value


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
    name: str, pipeline: Any, dataset: str, postgres_url: str, tmp_path: Path
) -> None:
    path = tmp_path / "x.duckdb"
    other = ladle.pipeline(
        "duck", tmp_path / "duck", destination=ladle.destinations.duckdb(str(path)), dataset_name=dataset
    )
    documents = _DOCUMENTS[name]
    for target in (pipeline, other):
        target.run(documents, table_name="t")
        target.run(documents[:1], table_name="t")
    assert postgres_tables(postgres_url, dataset) == duckdb_tables(path, dataset)


def test_long_names_are_cut_to_what_postgres_keeps(pipeline: Any, query: Query, dataset: str) -> None:
    pipeline.run([{"x" * 90: 6, "x" * 91: 7, "y" * 90: [1]}], table_name="t" * 80)
    pipeline.run([{"x" * 90: 8, "x" * 91: 9, "y" * 90: [2]}], table_name="t" * 80)
    names = query("SELECT table_name FROM information_schema.tables WHERE table_schema = %s", dataset)
    tables = [name for (name,) in names if not name.startswith(("_dlt_", "_ladle_"))]
    assert len(tables) == 2
    assert all(query(f'SELECT count(*) FROM {dataset}."{name}"') == [(2,)] for name in tables)


def test_append_adds_and_replace_takes_the_place(pipeline: Any, query: Query, dataset: str) -> None:
    pipeline.run([{"id": 1, "l": [1, 2]}], table_name="t")
    pipeline.run([{"id": 2, "l": [3]}], table_name="t")
    assert query(f"SELECT id FROM {dataset}.t ORDER BY id") == [(1,), (2,)]
    pipeline.run([{"id": 3}], table_name="t", write_disposition="replace")
    assert query(f"SELECT id FROM {dataset}.t") == [(3,)]
    assert query(f"SELECT count(*) FROM {dataset}.t__l") == [(0,)]
    assert query(f"SELECT count(*) FROM {dataset}._dlt_loads WHERE status = 0") == [(3,)]


def test_skip_loads_nothing(pipeline: Any, query: Query, dataset: str) -> None:
    pipeline.run([{"id": 1}], table_name="t")
    pipeline.run([{"id": 2}], table_name="t", write_disposition="skip")
    assert query(f"SELECT id FROM {dataset}.t") == [(1,)]


def test_new_columns_and_tables_come_while_rows_stay(pipeline: Any, query: Query, dataset: str) -> None:
    pipeline.run([{"id": 1}], table_name="t")
    pipeline.run([{"id": "x", "new": 1.5, "l": [{"k": 1}]}], table_name="t")
    assert query(f'SELECT id, id__v_text, "new" FROM {dataset}.t ORDER BY id') == [
        (1, None, None),
        (None, "x", 1.5),
    ]
    assert query(f"SELECT k FROM {dataset}.t__l") == [(1,)]


def test_two_pipelines_share_a_dataset(
    pipeline: Any, query: Query, dataset: str, postgres_url: str, tmp_path: Path
) -> None:
    other = ladle.pipeline(
        "other",
        tmp_path / "other",
        destination=ladle.destinations.postgres(postgres_url),
        dataset_name=dataset,
    )
    pipeline.run([{"id": 1}], table_name="t")
    other.run([{"id": 2, "more": 1}], table_name="t")
    pipeline.run([{"id": 3}], table_name="t")
    assert query(f"SELECT id, more FROM {dataset}.t ORDER BY id") == [(1, None), (2, 1), (3, None)]
    assert query(f"SELECT DISTINCT schema_name FROM {dataset}._dlt_version ORDER BY 1") == [
        ("other",),
        ("pg",),
    ]


def test_state_comes_back_when_the_working_folder_is_gone(pipeline: Any, dataset: str, query: Query) -> None:
    pipeline.run([{"id": 1, "l": [1]}], table_name="t")
    before = pipeline.default_schema.version_hash
    pipeline.drop()
    pipeline.run([{"id": "x"}], table_name="t")
    assert before in pipeline.default_schema.previous_hashes
    assert query(f"SELECT id, id__v_text FROM {dataset}.t ORDER BY id") == [(1, None), (None, "x")]


def test_key_columns_have_a_unique_index_unless_unwanted(
    postgres_url: str, query: Query, dataset: str, tmp_path: Path
) -> None:
    indexed = (
        "SELECT tablename FROM pg_indexes WHERE schemaname = %s AND indexdef LIKE '%%UNIQUE%%' ORDER BY 1"
    )
    for wanted, expected in ((True, ["_dlt_pipeline_state", "t", "t__l"]), (False, [])):
        target = ladle.destinations.postgres(postgres_url, create_indexes=wanted)
        name = f"{dataset}_{wanted}".lower()
        ladle.pipeline("i", tmp_path / name, destination=target, dataset_name=name).run(
            [{"l": [1]}], table_name="t"
        )
        assert [table for (table,) in query(indexed, name)] == expected


# Tables that are there already, of other types than ours

_THERE: dict[str, tuple[str, Any, dict[str, Any], Any]] = {
    "text in varchar(n)": ("varchar(9)", "abc", {}, "abc"),
    "text in text": ("text", "abc", {}, "abc"),
    "json in json": ("json", [1], {"data_type": "json"}, [1]),
    "json in text": ("text", {"a": [1]}, {"data_type": "json"}, {"a": [1]}),
    "bigint in integer": ("integer", 2**31 - 1, {}, 2**31 - 1),
    "bigint in smallint": ("smallint", -(2**15), {}, -(2**15)),
    "bigint in numeric": ("numeric", 2**63 - 1, {}, Decimal(2**63 - 1)),
    "bigint in numeric(38,9)": ("numeric(38,9)", -5, {}, Decimal(-5)),
    "bigint in double": ("double precision", 2**53, {}, 2.0**53),
    "integer in bigint": ("bigint", 7, {"data_type": "bigint", "precision": 32}, 7),
    "decimal in a wider one": ("numeric(50,20)", Decimal("1.5"), {}, Decimal("1.5")),
    "decimal in a narrower one": ("numeric(5,2)", Decimal("1.25"), {}, Decimal("1.25")),
    "wei in numeric": ("numeric", 2**200, {}, Decimal(2**200)),
}


@pytest.mark.parametrize("name", _THERE)
def test_values_go_into_a_column_that_holds_them_all(
    name: str, pipeline: Any, query: Query, dataset: str
) -> None:
    sql, value, hints, read = _THERE[name]
    query(f"CREATE SCHEMA {dataset}")
    query(
        f"CREATE TABLE {dataset}.t "
        f"(later date, v {sql}, _dlt_id varchar NOT NULL, _dlt_load_id varchar NOT NULL)"
    )
    pipeline.run([{"a": 1, "v": value}, {"v": None}], table_name="t", columns={"v": hints} if hints else None)
    found = query(f"SELECT v FROM {dataset}.t WHERE a = 1")[0][0]
    assert (json.loads(found) if isinstance(read, dict) else found) == read


_REFUSED = {
    "text in integer": ("integer", "abc", {}, DestinationError),
    "double in integer": ("integer", 1.5, {}, DestinationError),
    "double in real": ("real", 1.5, {}, DestinationError),
    "naive in aware": (
        "timestamptz",
        datetime(2020, 1, 1),
        {"data_type": "timestamp", "timezone": False},
        DestinationError,
    ),
    "text in an enum": ("a_type", "abc", {}, DestinationError),
    "text in uuid": ("uuid", "abc", {}, DestinationError),
    "text in text[]": ("text[]", "abc", {}, DestinationError),
    "too large for integer": ("integer", 2**31, {}, DataError),
    "too exact for double": ("double precision", 2**53 + 1, {}, DataError),
    "too many digits": ("numeric(5,2)", Decimal("1.255"), {}, DataError),
    "too large for numeric": ("numeric(5,2)", Decimal(12345), {}, DataError),
    "too long": ("varchar(2)", "abc", {}, DataError),
}


@pytest.mark.parametrize("name", _REFUSED)
def test_a_value_that_does_not_fit_is_an_error_and_nothing_is_loaded(
    name: str, pipeline: Any, query: Query, dataset: str
) -> None:
    sql, value, hints, kind = _REFUSED[name]
    query(f"CREATE SCHEMA {dataset}")
    query(f"CREATE TYPE {dataset}.a_type AS ENUM ('abc')")
    sql = f"{dataset}.{sql}" if sql == "a_type" else sql
    query(f"CREATE TABLE {dataset}.t (v {sql}, _dlt_id varchar NOT NULL, _dlt_load_id varchar NOT NULL)")
    with pytest.raises(kind) as caught:
        pipeline.run([{"v": value}, {"v": value}], table_name="t", columns={"v": hints} if hints else None)
    assert caught.value.facts["table"] == "t"
    assert caught.value.facts["column"] == "v"
    assert caught.value.hint
    assert query(f"SELECT count(*) FROM {dataset}.t") == [(0,)]
    assert query("SELECT count(*) FROM pg_tables WHERE schemaname = %s", dataset) == [(1,)]


def test_a_row_that_the_server_refuses_is_named(pipeline: Any, query: Query, dataset: str) -> None:
    pipeline.run([{"v": "a"}], table_name="t", columns={"v": {"data_type": "text", "precision": 3}})
    query(f"ALTER TABLE {dataset}.t ADD CONSTRAINT short CHECK (v <> 'no')")
    with pytest.raises(DataError, match="breaks a constraint") as caught:
        pipeline.run([{"v": "a"}, {"v": "b"}, {"v": "no"}], table_name="t")
    assert (caught.value.facts["table"], caught.value.facts["row"]) == ("t", 3)


# Names that try to break out

_HOSTILE = [
    'a"b',
    "a'b",
    "a;drop table x;--",
    "select",
    "Ünïcode",
    "with space",
    "%s $1 {} \\",
    "a.b",
    "tab\tname",
]


@pytest.mark.parametrize("name", _HOSTILE)
def test_names_are_only_names(name: str, postgres_url: str, query: Query) -> None:
    dataset = f"{name} {uuid.uuid4().hex[:6]}"
    columns = {n: Column(n, data_type="text") for n in (name, f"{name} 2")}
    table = Table(name, columns={**columns, "j": Column("j", data_type="json")})
    schema = pa.schema([(n, pa.string()) for n in table.columns])
    batch = pa.record_batch([pa.array([v]) for v in ("x'y", "z", '{"a":1}')], schema=schema)
    session = ladle.destinations.postgres(postgres_url).open(dataset)
    try:
        session.begin(_record("1"))
        session.apply([AddTable(t) for t in (*SYSTEM_TABLE_MAP.values(), table)])
        session.append(table, schema, [batch])
        session.clear([name])
        session.append(table, schema, [batch])
        session.commit()
        assert session.has_load("1")
        assert session.exists()
        assert list(session.tables()[name]) == list(table.columns)
    finally:
        session.close()
    quoted = ".".join('"' + n.replace('"', '""') + '"' for n in (dataset, name))
    assert query(f"SELECT * FROM {quoted}") == [("x'y", "z", {"a": 1})]


def _record(load_id: str) -> LoadRecord:
    schema = Schema("s").to_dict()
    return LoadRecord(load_id=load_id, schema=schema, pipeline="p", state=None, inserted_at=1.5)


def test_a_dataset_name_that_postgres_would_cut_is_refused(postgres_url: str) -> None:
    with pytest.raises(UsageError, match="too long"):
        ladle.destinations.postgres(postgres_url).open("ä" * 32)


# Looking without touching


def test_a_dataset_that_is_not_there_is_looked_for_without_making_it(
    postgres_url: str, dataset: str, query: Query
) -> None:
    session = ladle.destinations.postgres(postgres_url).open(dataset)
    try:
        assert not session.exists()
        assert not session.has_load("1")
        assert session.stored_state("p") is None
        assert session.stored_schema("s") is None
        assert session.newest("s", "p") == (None, 0)
        assert session.tables() == {}
        states = query("SELECT state FROM pg_stat_activity WHERE application_name = 'ladle'")
        assert states == [("idle",)]
    finally:
        session.close()
    assert query("SELECT 1 FROM pg_namespace WHERE nspname = %s", dataset) == []


def test_no_connection_stays_open(pipeline: Any, query: Query) -> None:
    pipeline.run([{"id": 1}], table_name="t")
    with pytest.raises(LadleError):
        pipeline.run(
            [{"id": 1}],
            table_name="t",
            columns={
                "id": {"data_type": "text", "nullable": False},
                "x": {"data_type": "text", "nullable": False},
            },
        )
    pipeline.run([{"id": 1}], table_name="u")
    # a backend ends a moment after its client
    open_sessions = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'ladle'"
    for _ in range(200):
        if query(f"{open_sessions} AND pg_sleep(0.01) IS NOT NULL") == [(0,)]:
            return
    pytest.fail("a session is still open")
