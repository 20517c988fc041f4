"""What queries on Postgres answer: each type as Arrow, statements that COPY doesn't take, answers left early."""

from __future__ import annotations

import datetime as dt
import signal
from collections.abc import Iterator
from decimal import Decimal
from typing import Any
from uuid import UUID

import psycopg
import pyarrow as pa
import pytest

from ladle.destinations import postgres_line, postgres_rows
from ladle.destinations.postgres import postgres_destination
from ladle.destinations.reading import Reader
from ladle.errors import DataError, DestinationError

ID = UUID("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11")
UTC = pa.timestamp("us", "UTC")
NUMERIC = pa.opaque(pa.string(), "numeric", "PostgreSQL")
SPAN = pa.month_day_nano_interval()
BIG = "9" * 76


def ints(arrow: pa.DataType) -> pa.DataType | None:
    """Return the numbers that values are compared as where Python's may not hold them."""
    return {pa.date32(): pa.int32(), pa.timestamp("us"): pa.int64(), UTC: pa.int64()}.get(arrow)


def values(*texts: str, of: str) -> str:
    rows = ", ".join(f"('{text}')" for text in texts)
    return f"SELECT v::{of} AS v FROM (VALUES {rows}, (NULL)) AS t(v)"


# Each with a NULL behind.
TYPES: list[tuple[str, pa.DataType, list[Any]]] = [
    (values("t", "f", of="bool"), pa.bool_(), [True, False]),
    (values("-32768", "32767", of="int2"), pa.int16(), [-32768, 32767]),
    (values("-2147483648", of="int4"), pa.int32(), [-2147483648]),
    (values("-9223372036854775808", of="int8"), pa.int64(), [-9223372036854775808]),
    (values("1.5", "-Infinity", of="float4"), pa.float32(), [1.5, float("-inf")]),
    (values("1.5", "Infinity", of="float8"), pa.float64(), [1.5, float("inf")]),
    (values("", "é€", of="text"), pa.string(), ["", "é€"]),
    (values("a", of="varchar(5)"), pa.string(), ["a"]),
    (values("a", of="char(5)"), pa.string(), ["a    "]),
    (values("a", of='"char"'), pa.string(), ["a"]),
    (values("a", of="name"), pa.string(), ["a"]),
    (values(r"\x00ff", "", of="bytea"), pa.binary(), [b"\0\xff", b""]),
    (values("1970-01-02", "4713-01-01 BC", of="date"), pa.date32(), [1, -2440550]),
    (values("5874897-12-31", of="date"), pa.date32(), [2145042905]),
    (values("00:00", "23:59:59.999999", of="time"), pa.time64("us"), [dt.time(), dt.time(23, 59, 59, 999999)]),
    (values("1970-01-01 00:00:00.000001", of="timestamp"), pa.timestamp("us"), [1]),
    (values("4713-01-01 BC", of="timestamp"), pa.timestamp("us"), [-210863520000000000]),
    (values("294247-01-10 04:00:54.775807", of="timestamp"), pa.timestamp("us"), [2**63 - 1]),
    (values("1970-01-01 05:00:00.000001+05", of="timestamptz"), UTC, [1]),
    (values("1 year 2 days 00:00:01.000006", of="interval"), SPAN, [pa.MonthDayNano([12, 2, 1000006000])]),
    (values("178000000 years", of="interval"), SPAN, [pa.MonthDayNano([2136000000, 0, 0])]),
    (values(str(ID), of="uuid"), pa.uuid(), [ID]),
    (values('{"a": 1}', "null", of="json"), pa.string(), ['{"a": 1}', "null"]),
    (values('{"a":1}', of="jsonb"), pa.string(), ['{"a": 1}']),
    (values("1.5", "-0.01", of="numeric(10,2)"), pa.decimal128(10, 2), [Decimal("1.50"), Decimal("-0.01")]),
    (values("-1000000000", of="numeric(10,0)"), pa.decimal128(10, 0), [Decimal(-1000000000)]),
    (values("1e-38", of="numeric(38,38)"), pa.decimal128(38, 38), [Decimal("1e-38")]),
    (values("1e39", of="numeric(50,10)"), pa.decimal256(50, 10), [Decimal(10**39)]),
    (values(BIG, of="numeric(156,78)"), pa.decimal256(76, 0), [Decimal(BIG)]),
    (values("1.5", of="numeric(100,10)"), pa.string(), ["1.5000000000"]),
    (values("12345", of="numeric(3,-2)"), pa.string(), ["12300"]),
    (values("0.00012", of="numeric(2,5)"), pa.string(), ["0.00012"]),
    (values("1.50", "NaN", "-Infinity", "0.000", "1e5", of="numeric"), pa.string(), ["1.50", "nan", "-inf", "0.000", "100000"]),
    (values("1", "4294967295", of="oid"), pa.uint32(), [1, 4294967295]),
    (values("int4", of="regtype"), pa.binary(), [b"\0\0\0\x17"]),
    (values("12.34", of="money"), pa.int64(), [1234]),
    (values("10.0.0.1/8", of="inet"), pa.binary(), [b"\x02\x08\0\x04\n\0\0\x01"]),
    (values("101", of="bit(3)"), pa.binary(), [b"\0\0\0\x03\xa0"]),
    (values("[1,5)", of="int4range"), pa.binary(), [bytes.fromhex("020000000400000001") + bytes.fromhex("0000000400000005")]),
    (values("1 2", of="int2vector"), pa.list_(pa.int16()), [[1, 2]]),
    (values("b", of="answers.mood"), pa.string(), ["b"]),
    (values("5", of="answers.whole"), pa.int32(), [5]),
    (values("5", of="answers.price"), pa.decimal128(10, 2), [Decimal("5.00")]),
    (values("(1,x,)", of="answers.pair"), pa.struct([("a", pa.int32()), ("b", pa.string()), ("c", pa.date32())]), [{"a": 1, "b": "x", "c": None}]),
    (values("{b,a}", of="answers.mood[]"), pa.list_(pa.string()), [["b", "a"]]),
    (values("{1,2,NULL}", "{}", of="int4[]"), pa.list_(pa.int32()), [[1, 2, None], []]),
    (values("{{1,2},{3,4}}", "[5:6]={1,2}", of="int4[]"), pa.list_(pa.int32()), [[1, 2, 3, 4], [1, 2]]),
    (values("{t,NULL}", of="bool[]"), pa.list_(pa.bool_()), [[True, None]]),
    (values('{a,"",NULL}', of="text[]"), pa.list_(pa.string()), [["a", "", None]]),
    (values("{1.5}", of="float8[]"), pa.list_(pa.float64()), [[1.5]]),
    (values("{2024-01-01}", of="date[]"), pa.list_(pa.date32()), [[dt.date(2024, 1, 1)]]),
    (values("{01:02}", of="time[]"), pa.list_(pa.time64("us")), [[dt.time(1, 2)]]),
    (values("{1 day}", of="interval[]"), pa.list_(SPAN), [[pa.MonthDayNano([0, 1, 0])]]),
    (values(f"{{{ID}}}", of="uuid[]"), pa.list_(pa.uuid()), [[ID]]),
    (values("{1.50,NaN}", of="numeric(10,2)[]"), pa.list_(NUMERIC), [["1.50", "nan"]]),
    (values('{"{}"}', of="jsonb[]"), pa.list_(pa.json_()), [["{}"]]),
    (values("{1.2.3.4}", of="inet[]"), pa.list_(pa.opaque(pa.binary(), "inet", "PostgreSQL")), [[b"\x02 \0\x04\1\2\3\4"]]),
]  # fmt: skip

MORE: list[tuple[str, list[Any], dict[str, list[Any]]]] = [
    ("SELECT 1 AS a, NULL AS b -- the end", [], {"a": [1], "b": [None]}),
    ("SELECT 1 AS a;", [], {"a": [1]}),
    ("SELECT ';' AS a ; ;\n", [], {"a": [";"]}),
    ("SELECT 1 AS a; -- the end", [], {"a": [1]}),
    ("SELECT '; --' AS a", [], {"a": ["; --"]}),
    ("-- show\nSELECT 1 AS a", [], {"a": [1]}),
    (
        "/* the\n */ -- setting\nSHOW standard_conforming_strings;",
        [],
        {"standard_conforming_strings": ["on"]},
    ),
    ("EXPLAIN(COSTS OFF) SELECT 1", [], {"QUERY PLAN": ["Result"]}),
    ("SHOW standard_conforming_strings", [], {"standard_conforming_strings": ["on"]}),
    ("EXPLAIN (COSTS OFF) SELECT 1", [], {"QUERY PLAN": ["Result"]}),
    ("VALUES (1, 'a'), (2, 'b')", [], {"column1": [1, 2], "column2": ["a", "b"]}),
    ("INSERT INTO answers.t VALUES (7) RETURNING i", [], {"i": [7]}),
    ("WITH x AS (INSERT INTO answers.t VALUES (8) RETURNING i) SELECT * FROM x", [], {"i": [8]}),
    ("INSERT INTO answers.t VALUES (9)", [], {}),
    ("SELECT", [], {}),
    ("CALL answers.next(1)", [], {"x": [2]}),
    ("SELECT $1 AS v", [5], {"v": [5]}),
    ("SELECT pg_typeof($1)::text AS v", [5], {"v": ["bigint"]}),
    ("SELECT pg_typeof($1)::text AS v", ["x"], {"v": ["text"]}),
    ("SELECT $1 AS v", [1.5], {"v": [1.5]}),
    ("SELECT $1 AS v", [True], {"v": [True]}),
    ("SELECT $1 AS v", [b"a\0"], {"v": [b"a\0"]}),
    ("SELECT $1 AS v", [dt.date(2024, 1, 2)], {"v": [dt.date(2024, 1, 2)]}),
    ("SELECT $1 AS v", [dt.datetime(2024, 1, 2, 3)], {"v": [dt.datetime(2024, 1, 2, 3)]}),
    ("SELECT $1 AS v", [[1, 2]], {"v": [[1, 2]]}),
    ("SELECT $1 AS v", [ID], {"v": [ID]}),
    ("SELECT $1::text AS v", [None], {"v": [None]}),
    ("SELECT g FROM generate_series(1, 3) g WHERE g > $1 AND $2 <> ''", [1, "a"], {"g": [2, 3]}),
]


@pytest.fixture(scope="module")
def places(postgres_url: str) -> None:
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        for statement in (
            "DROP SCHEMA IF EXISTS answers CASCADE",
            "CREATE SCHEMA answers",
            "CREATE TYPE answers.mood AS ENUM ('a', 'b')",
            "CREATE DOMAIN answers.whole AS int",
            "CREATE DOMAIN answers.price AS numeric(10,2)",
            "CREATE TYPE answers.pair AS (a answers.whole, b text, c date)",
            "CREATE TABLE answers.t (i int)",
            "CREATE PROCEDURE answers.next(INOUT x int) LANGUAGE sql AS 'SELECT x + 1'",
        ):
            connection.execute(statement)


@pytest.fixture
def reader(postgres_url: str, places: None) -> Iterator[Reader]:
    found = postgres_destination(postgres_url).reader("answers")
    yield found
    found.close()


@pytest.fixture(params=["compiled", "driver", "python"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Read with compiled code, with messages as the driver has them, and without compiled code."""
    if request.param != "compiled":
        monkeypatch.setattr(postgres_line, "_libpq", lambda driver: None)
    if request.param == "python":
        monkeypatch.setattr(postgres_rows, "code", None)
    elif postgres_rows.code is None:
        pytest.skip("ladle was installed without its compiled part")


def answer(reader: Reader, sql: str, params: Any = ()) -> pa.Table:
    with reader.stream(sql, params) as rows:
        return pa.Table.from_batches(rows.batches, rows.schema)


@pytest.mark.usefixtures("way")
def test_types(reader: Reader) -> None:
    wrong = []
    for sql, arrow, wanted in TYPES:
        column = answer(reader, sql).column(0).combine_chunks()
        found = column.view(ints(arrow)) if ints(arrow) else column
        if column.type != arrow or found.to_pylist() != [*wanted, None]:
            wrong.append((sql, column.type, found.to_pylist()))
    assert wrong == []


def test_fields_that_a_type_gets_meanwhile_are_read(reader: Reader, postgres_url: str) -> None:
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("CREATE TYPE answers.grows AS (a int)")
        connection.execute("CREATE TABLE answers.grown (v answers.grows, l answers.grows[])")
        connection.execute("INSERT INTO answers.grown VALUES (ROW(1), ARRAY[ROW(1)]::answers.grows[])")
        sql = "SELECT v, l, g FROM answers.grown AS g"
        one, row = {"a": 1}, {"v": {"a": 1}, "l": [{"a": 1}]}
        assert answer(reader, sql).to_pylist() == [{"v": one, "l": [one], "g": row}]
        connection.execute("ALTER TYPE answers.grows ADD ATTRIBUTE b text")
        connection.execute("ALTER TABLE answers.grown ADD COLUMN n int DEFAULT 5")
        two = {"a": 1, "b": None}
        grown = {"v": two, "l": [two], "g": {"v": two, "l": [two], "n": 5}}
        assert answer(reader, sql).to_pylist() == [grown]


def test_numbers_without_bounds_are_marked(reader: Reader) -> None:
    assert answer(reader, "SELECT 1.5 AS n").schema.field("n").metadata == {b"ladle:type": b"numeric"}


@pytest.mark.parametrize(("sql", "params", "wanted"), MORE)
def test_statements(reader: Reader, sql: str, params: list[Any], wanted: dict[str, list[Any]]) -> None:
    assert answer(reader, sql, params).to_pydict() == wanted


@pytest.mark.usefixtures("way")
def test_many_rows(reader: Reader) -> None:
    sql = "SELECT g, repeat('x', g % 500) AS t, CASE WHEN g % 3 > 0 THEN g END AS n FROM generate_series(1, 30000) AS g"
    with reader.stream(sql) as rows:
        batches = list(rows.batches)
    assert len(batches) > 1
    assert max(batch.nbytes for batch in batches) < 8 << 20
    table = pa.Table.from_batches(batches)
    assert table["g"].to_pylist() == list(range(1, 30001))
    assert [len(t) for t in table["t"].to_pylist()] == [g % 500 for g in range(1, 30001)]
    assert table["n"].to_pylist() == [g if g % 3 else None for g in range(1, 30001)]


def test_a_row_longer_than_a_batch(reader: Reader) -> None:
    sql = "SELECT repeat('x', 9000000) AS t FROM generate_series(1, 3)"
    assert [len(t) for t in answer(reader, sql)["t"].to_pylist()] == [9_000_000] * 3


def test_a_statement_of_megabytes(reader: Reader) -> None:
    text = "é" * 3_000_000
    assert answer(reader, f"SELECT length('{text}') AS n").to_pydict() == {"n": [3_000_000]}


@pytest.mark.parametrize(
    ("sql", "params", "kind", "what"),
    [
        ("bogus", [], DestinationError, "syntax error"),
        ("SELECT 1; SELECT 2", [], DestinationError, "multiple commands"),
        ("SELECT 1 / 0", [], DestinationError, "division by zero"),
        (
            "SELECT 1 / (30000 - g) FROM generate_series(1, 40000) AS g",
            [],
            DestinationError,
            "division by zero",
        ),
        ("SELECT 1 / $1", [0], DestinationError, "division by zero"),
        ("SELECT $1", [2**70], DestinationError, "out of range"),
        ("SELECT 'NaN'::numeric(10,2) AS v", [], DataError, "column `v`"),
        ("SELECT interval '9000000 hours' AS v FROM generate_series(1, 500000)", [], DataError, "column `v`"),
        ("COPY (SELECT 1) TO STDOUT", [], DestinationError, "COPY"),
        ("COPY answers.t FROM STDIN", [], DestinationError, "COPY"),
    ],
)
def test_what_fails_is_told_and_the_next_query_runs(
    reader: Reader, sql: str, params: list[Any], kind: type[Exception], what: str
) -> None:
    with pytest.raises(kind, match=what):
        answer(reader, sql, params)
    assert answer(reader, "SELECT 2 AS a").to_pydict() == {"a": [2]}


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("params", [[], [1]])
@pytest.mark.parametrize(
    "value",
    [
        "date 'infinity'",
        "date '-infinity'",
        "timestamp 'infinity'",
        "timestamptz '-infinity'",
        "timestamp '294276-12-31'",
        "time '24:00'",
        "ARRAY[date 'infinity']",
    ],
)
def test_a_time_that_arrow_has_not_is_refused(reader: Reader, value: str, params: list[int]) -> None:
    where = "WHERE $1 = 1" if params else ""
    with pytest.raises(DataError, match="column `v`"):
        answer(reader, f"SELECT {value} AS v {where}", params)


LONG = "SELECT generate_series(1, 1000000000) AS g, repeat('x', 100) AS t"


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("batches", [0, 1])
def test_an_answer_that_is_left_early_is_cancelled(reader: Reader, batches: int) -> None:
    with reader.stream(LONG) as rows:
        for _ in range(batches):
            next(rows.batches)
    assert answer(reader, "SELECT 2 AS a").to_pydict() == {"a": [2]}


def test_what_was_done_before_in_a_transaction_stays_when_an_answer_is_left(reader: Reader) -> None:
    reader.execute("TRUNCATE answers.t")
    reader.begin()
    reader.execute("INSERT INTO answers.t VALUES (1)")
    with reader.stream("SELECT * FROM generate_series(1, 1000000)"):
        pass
    reader.commit()
    assert answer(reader, "SELECT count(*) AS n FROM answers.t").to_pydict() == {"n": [1]}


def test_rows_that_a_statement_returns_are_changed_though_nobody_takes_them(reader: Reader) -> None:
    reader.execute("TRUNCATE answers.t")
    with reader.stream("INSERT INTO answers.t SELECT * FROM generate_series(1, 300000) RETURNING i"):
        pass
    assert answer(reader, "SELECT count(*) AS n FROM answers.t").to_pydict() == {"n": [300_000]}


@pytest.mark.parametrize("sql", ["SELECT pg_sleep(600)", LONG])
def test_an_interrupt_ends_the_statement(reader: Reader, sql: str) -> None:
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.5)
        with pytest.raises(KeyboardInterrupt), reader.stream(sql) as rows:
            for _ in rows.batches:
                pass
    finally:
        signal.signal(signal.SIGALRM, before)
    assert answer(reader, "SELECT 2 AS a").to_pydict() == {"a": [2]}


def test_one_query_at_a_time(reader: Reader) -> None:
    with reader.stream("SELECT generate_series(1, 2000000) AS g") as rows:
        count = next(rows.batches).num_rows
        with pytest.raises(DestinationError, match="another query") as caught:
            reader.execute("SELECT 1")
        assert not caught.value.retryable
        with pytest.raises(DestinationError, match="another query"), reader.stream("SELECT 1"):
            pass
        assert count + sum(batch.num_rows for batch in rows.batches) == 2_000_000
    assert answer(reader, "SELECT 2 AS a").to_pydict() == {"a": [2]}


@pytest.mark.usefixtures("way")
def test_a_server_that_goes_away(reader: Reader, postgres_url: str) -> None:
    pid = reader.native.info.backend_pid
    with reader.stream(LONG) as rows:
        next(rows.batches)
        with psycopg.connect(postgres_url, autocommit=True) as other:
            other.execute("SELECT pg_terminate_backend(%s, 20000)", [pid])
        with pytest.raises(DestinationError) as caught:
            for _ in rows.batches:
                pass
    assert caught.value.retryable


def test_a_connection_that_was_closed(reader: Reader) -> None:
    with reader.stream(LONG) as rows:
        next(rows.batches)
        reader.close()
        with pytest.raises(DestinationError, match="connection"):
            for _ in rows.batches:
                pass


def test_the_drivers_connection(reader: Reader) -> None:
    assert reader.native.execute("SELECT 1").fetchall() == [(1,)]


def test_libpq_is_found() -> None:
    if psycopg.pq.__impl__ == "python":
        pytest.skip("the driver's variant in Python")
    assert postgres_line._libpq(psycopg.pq.PGconn.connect_start(b"host=127.0.0.1 port=1"))
