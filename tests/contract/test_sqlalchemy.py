"""The SQLAlchemy destination: which class a URL gets, and the generic one on real engines."""

from __future__ import annotations

import dataclasses
import json
import math
import sys
import types
from contextlib import closing
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from tests.merges import STRATEGIES, check_told, histories, merged, plain
from tests.unit.load.test_merge import lost

import ladle
from ladle.destinations import dialect as statements
from ladle.destinations.base import LoadRecord
from ladle.destinations.registry import ENTRIES, Entry, resolve
from ladle.destinations.sqlalchemy_engines import known
from ladle.destinations.sqlite import Sqlite
from ladle.errors import (
    ConfigFieldMissingException,
    DataError,
    DestinationError,
    LadleError,
    MissingDependency,
    UsageError,
)
from ladle.schema.change import AddTable
from ladle.schema.schema import SYSTEM_TABLE_MAP
from ladle.schema.table import Column, Table

sa = pytest.importorskip("sqlalchemy")

ENGINES = ("sqlite", "duckdb", "postgres")


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest) -> str:
    if request.param == "duckdb":
        pytest.importorskip("duckdb_engine")
    return str(request.param)


@pytest.fixture
def url(engine: str, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if engine == "postgres":
        found: str = request.getfixturevalue("postgres_url")
        return found.replace("postgresql://", "postgresql+psycopg://", 1)
    return f"{engine}:///{tmp_path / 'x.db'}"


@pytest.fixture
def pipeline(url: str, engine: str, dataset: str, tmp_path: Path) -> Any:
    made = ladle.destinations.sqlalchemy(url, generic=True)
    return ladle.pipeline(
        "p", tmp_path / "work", destination=made, dataset_name="main" if engine == "sqlite" else dataset
    )


# -- which class


def test_sqlite_has_its_own_class(tmp_path: Path) -> None:
    made = ladle.destinations.sqlalchemy(f"sqlite:///{tmp_path / 'x.db'}", create_primary_keys=True)
    assert isinstance(made, Sqlite)
    assert (made.path, made.name, made.primary_keys) == (str(tmp_path / "x.db"), "sqlalchemy", True)
    assert made.guarantee == "G4"


@pytest.mark.parametrize("dialect", ["mysql", "mysql+pymysql", "mariadb+mariadbconnector"])
def test_mysql_has_its_own_class(dialect: str, monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[str, Any] = {}
    module = types.ModuleType("a_mysql")
    module.mysql_destination = lambda credentials, **options: given.update(options, url=credentials)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "a_mysql", module)
    monkeypatch.setitem(ENTRIES, "mysql", Entry("a_mysql", "mysql_destination"))  # type: ignore[arg-type]
    ladle.destinations.sqlalchemy(f"{dialect}://u:p@h/db", create_unique_indexes=True)
    assert given == {
        "url": f"{dialect}://u:p@h/db", "destination_name": "sqlalchemy", "create_indexes": True,
    }  # fmt: skip


def test_an_engine_gets_the_class_of_its_url(tmp_path: Path) -> None:
    made = ladle.destinations.sqlalchemy(sa.create_engine(f"sqlite:///{tmp_path / 'x.db'}"))
    assert made.path == str(tmp_path / "x.db")


def test_an_engine_in_memory_is_used_itself(tmp_path: Path) -> None:
    engine = sa.create_engine("sqlite://", poolclass=sa.pool.StaticPool)
    made = ladle.destinations.sqlalchemy(engine)
    ladle.pipeline("p", tmp_path, destination=made, dataset_name="main").run([{"id": 1}], table_name="t")
    with engine.connect() as connection:
        assert connection.execute(sa.text("SELECT id FROM t")).fetchall() == [(1,)]


def test_a_mapping_and_the_configuration_name_a_database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = str(tmp_path / "x.db")
    assert ladle.destinations.sqlalchemy({"drivername": "sqlite", "database": path}).path == path
    monkeypatch.setenv("DESTINATION__SQLALCHEMY__CREDENTIALS", f"sqlite:///{path}")
    assert resolve("sqlalchemy").path == path
    monkeypatch.delenv("DESTINATION__SQLALCHEMY__CREDENTIALS")
    monkeypatch.setenv("DESTINATION__APP__CREDENTIALS__DRIVERNAME", "sqlite")
    monkeypatch.setenv("DESTINATION__APP__CREDENTIALS__DATABASE", path)
    named = ladle.destinations.sqlalchemy(destination_name="app")
    assert (named.path, named.name) == (path, "app")


def test_without_credentials_it_is_said_where_they_go() -> None:
    with pytest.raises(ConfigFieldMissingException, match="DESTINATION__SQLALCHEMY__CREDENTIALS"):
        ladle.destinations.sqlalchemy()


@pytest.mark.parametrize("wrong", ["no url with secret", 5, object()])
def test_other_credentials_are_refused_and_not_shown(wrong: Any) -> None:
    with pytest.raises(UsageError, match="engine of SQLAlchemy") as error:
        ladle.destinations.sqlalchemy(wrong)
    assert "secret" not in str(error.value)


@pytest.mark.parametrize(
    "wrong", ["postgresql+psycopg://u:secret@h:port/db", "postgresql+psycopg://u:secret@h:99x/d"]
)
def test_a_mistyped_url_isnt_shown(wrong: str) -> None:
    with pytest.raises(UsageError) as error:
        ladle.destinations.sqlalchemy(wrong)
    assert "secret" not in str(error.value)


def test_packages_that_are_missing_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(MissingDependency, match="`ibm_db_sa`|no dialect `nodialect`"):
        ladle.destinations.sqlalchemy("nodialect://u:p@h/db")
    with pytest.raises(MissingDependency, match="pip install pymssql"):
        ladle.destinations.sqlalchemy("mssql+pymssql://u:p@h/db")
    monkeypatch.setitem(sys.modules, "sqlalchemy", None)
    monkeypatch.delitem(sys.modules, "ladle.destinations.sqlalchemy_engine", raising=False)
    with pytest.raises(MissingDependency, match=r"ladle\[sqlalchemy\]"):
        ladle.destinations.sqlalchemy("oracle://u:p@h/db")


def test_guarantees_are_told_as_they_are(tmp_path: Path) -> None:
    lite = ladle.destinations.sqlalchemy(f"sqlite:///{tmp_path / 'x.db'}", generic=True)
    other = ladle.destinations.sqlalchemy("oracle+oracledb://u:p@h/db") if _has("oracledb") else None
    assert lite.guarantee == "G4"
    assert other is None or other.guarantee == "G1"


def _has(module: str) -> bool:
    try:
        __import__(module)
    except ImportError:
        return False
    return True


# -- types

_HINTS: dict[str, tuple[dict[str, Any], list[Any]]] = {
    "text": ({"data_type": "text"}, ["", "a'b\"c", ":x %s ? \\:y", "Zürich 東京 🦆", "007", "x" * 100_000]),
    "bigint": ({"data_type": "bigint"}, [0, -1, 2**63 - 1, -(2**63)]),
    "bigint 32": ({"data_type": "bigint", "precision": 32}, [2**31 - 1, -(2**31)]),
    "double": ({"data_type": "double"}, [0.1, 5e-324, 1.7976931348623157e308, math.inf, -math.inf]),
    "bool": ({"data_type": "bool"}, [True, False]),
    "timestamp": (
        {"data_type": "timestamp"},
        [
            datetime(1, 1, 1, 12, tzinfo=UTC),
            datetime(2024, 1, 2, 3, 4, 5, 6, tzinfo=UTC),
            datetime(9999, 12, 31, tzinfo=UTC),
        ],
    ),
    "naive": (
        {"data_type": "timestamp", "timezone": False},
        [datetime(1, 1, 1), datetime(2024, 3, 31, 2, 30), datetime(9999, 12, 31, 23, 59, 59, 999_999)],
    ),
    "date": ({"data_type": "date"}, [date(1, 1, 1), date(1969, 12, 31), date(9999, 12, 31)]),
    "time": ({"data_type": "time"}, [time(0), time(3, 4, 5), time(23, 59, 59, 999_999)]),
    "decimal": (
        {"data_type": "decimal"},
        [Decimal(0), Decimal("-0.000000001"), Decimal("1234567890.123456"), Decimal("9" * 29 + ".999999999")],
    ),
    "decimal(10,2)": ({"data_type": "decimal", "precision": 10, "scale": 2}, [Decimal("99999999.99")]),
    "wei": ({"data_type": "wei"}, [0, 2**64, -(10**38) + 1]),
    "binary": ({"data_type": "binary"}, [b"", b"\0", bytes(range(256))]),
    "json": (
        {"data_type": "json"},
        [{"a": [1, 2.5, None, True, "é🦆"]}, [], [[1], {"b": {}}], {"big": 2**70}],
    ),
}


def test_every_type_comes_back_as_it_went_in(pipeline: Any) -> None:
    longest = max(len(values) for _, values in _HINTS.values())
    names = {name: f"c{n}" for n, name in enumerate(_HINTS)}
    rows = [
        {"n": n, **{c: values[n] for name, c in names.items() if n < len(values := _HINTS[name][1])}}
        for n in range(longest + 1)
    ]
    hints = {c: _HINTS[name][0] for name, c in names.items()}
    for _ in range(2):
        pipeline.run(
            rows, table_name="t", columns=hints, primary_key="n",
            write_disposition={"disposition": "merge", "strategy": "upsert"},
        )  # fmt: skip
    found = pipeline.dataset()["t"].arrow().sort_by("n")
    for name, c in names.items():
        values = _HINTS[name][1]
        read = found[c].to_pylist()
        if name == "json":
            read = [v if v is None else json.loads(v) for v in read]
        assert read == [*values, *[None] * (longest + 1 - len(values))], name


def test_numbers_are_numbers_where_the_engine_has_them(engine: str, pipeline: Any) -> None:
    pipeline.run([{"d": Decimal("1.5")}], table_name="t")
    with closing(pipeline.destination.open(pipeline.dataset_name)) as session:
        found = session.tables()["t"]["d"].replace(" ", "")
    assert found == {"sqlite": "TEXT", "duckdb": "DECIMAL(38,9)", "postgres": "NUMERIC(38,9)"}[engine]


def test_nan_is_kept_or_refused(engine: str, pipeline: Any) -> None:
    if engine == "sqlite":
        with pytest.raises(DataError, match="of which SQLite makes null"):
            pipeline.run([{"v": math.nan}], table_name="t")
        return
    pipeline.run([{"v": math.nan}], table_name="t")
    assert math.isnan(pipeline.dataset()["t"].select("v").fetchscalar())


def test_a_column_that_was_made_otherwise_is_refused(tmp_path: Path) -> None:
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'x.db'}")
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE TABLE t (id BIGINT, v INTEGER)"))
    made = ladle.destinations.sqlalchemy(engine, generic=True)
    pipeline = ladle.pipeline("p", tmp_path / "work", destination=made, dataset_name="main")
    with pytest.raises(DestinationError, match="can't take `text`"):
        pipeline.run([{"id": 1, "v": "007"}], table_name="t")


# -- names, merges, evolution


def test_hostile_names_are_names(url: str, engine: str, tmp_path: Path) -> None:
    hostile = ["order", "a b", "a;--", "ä🦆", "a.b", "%s", "%(x)s", ":x", "?1", "old", "new", "c0", "{x}"]
    made = ladle.destinations.sqlalchemy(url, generic=True, naming_convention="direct")
    dataset = "main" if engine == "sqlite" else f"hostile % :x {tmp_path.name}"[:50]
    pipeline = ladle.pipeline("p", tmp_path / "work", destination=made, dataset_name=dataset)
    row = {name: n for n, name in enumerate(hostile)}
    for _ in range(2):
        pipeline.run([row], table_name="a %s :t;", write_disposition="merge", primary_key=hostile)
    found = pipeline.dataset()["a %s :t;"].fetchall()
    assert [sorted(v for v in r if isinstance(v, int)) for r in found] == [[*range(len(hostile))]]


COLUMNS = ("id", "k", "d", "v", "s", "gone")


def landed(pipeline: Any) -> list[dict[str, Any]]:
    data = pipeline.dataset()
    roots = data["t"].arrow().to_pylist()
    below: dict[str, list[Any]] = {}
    if "t__kids" in pipeline.default_schema.data_table_names():
        for kid in sorted(data["t__kids"].arrow().to_pylist(), key=lambda k: k["_dlt_list_idx"]):
            assert kid["_dlt_root_id"] == kid["_dlt_parent_id"]
            below.setdefault(kid["_dlt_parent_id"], []).append({"x": kid["x"]})
    assert set(below) <= {row["_dlt_id"] for row in roots}
    return [{**{n: r.get(n) for n in COLUMNS}, **lost(r), "kids": below.get(r["_dlt_id"], [])} for r in roots]


@given(histories())
@settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_history_ends_as_the_oracle_says(
    tmp_path_factory: pytest.TempPathFactory, url: str, engine: str, history: Any
) -> None:
    way, batches = history
    root = tmp_path_factory.mktemp("history")
    place = url if engine == "postgres" else f"{engine}:///{root / 'x.db'}"
    dataset = "main" if engine == "sqlite" else root.name.replace("-", "_")
    made = ladle.destinations.sqlalchemy(place, generic=True)
    pipeline = ladle.pipeline("p", root, destination=made, dataset_name=dataset)
    expected: list[Any] = []
    for batch in batches:
        info = pipeline.run(ladle.resource(batch, name="t", **way.hints))
        if not way.other:
            check_told(info.merged["t"], expected, batch, way)
        expected = merged(expected, batch, way)
    assert plain(landed(pipeline)) == plain(expected), (way, batches)
    pipeline.drop()


def test_frames_without_ids_are_upserted(pipeline: Any) -> None:
    way: Any = {"disposition": "merge", "strategy": "upsert"}
    for v in ("a", "b"):
        frame = pa.table({"id": [1], "v": [v]})
        pipeline.run(frame, table_name="t", primary_key="id", write_disposition=way)
    assert pipeline.dataset()["t"].select("id", "v").fetchall() == [(1, "b")]


@pytest.mark.parametrize("options", [{}, {"skip_unchanged_rows": True}])
@pytest.mark.parametrize("kids", [{}, {"kids": [{"x": 1}]}])
def test_an_upsert_leaves_one_of_the_rows_that_appends_left(
    pipeline: Any, kids: dict[str, Any], options: dict[str, Any]
) -> None:
    rows = [{"id": 1, "v": "a", **kids}, {"id": 1, "v": "b", **kids}, {"id": 2, "v": "c", **kids}]
    pipeline.run(rows, table_name="t", primary_key="id")
    way: Any = {"disposition": "merge", "strategy": "upsert", **options}
    pipeline.run([{"id": 1, "v": "d", **kids}], table_name="t", primary_key="id", write_disposition=way)
    data = pipeline.dataset()
    assert sorted(data["t"].select("id", "v").fetchall()) == [(1, "d"), (2, "c")]
    if kids:
        assert len(data["t__kids"].fetchall()) == 2


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_engines_nobody_knows_merge_through_ordinary_tables(
    strategy: str, postgres_url: str, dataset: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Postgres, of which nothing is known but its dialect's name in sqlglot.
    monkeypatch.delitem(sys.modules["ladle.destinations.sqlalchemy_engines"]._KNOWN, "postgresql")
    made = ladle.destinations.sqlalchemy(postgres_url.replace("postgresql:", "postgresql+psycopg:", 1))
    assert made.guarantee == "G1"
    pipeline = ladle.pipeline("p", tmp_path, destination=made, dataset_name=dataset)
    way = {"disposition": "merge", "strategy": strategy}
    for v in (1, 2):
        rows = [{"id": n, "v": v, "kids": [v, v]} for n in (v, v + 1)]
        pipeline.run(rows, table_name="t", primary_key="id", write_disposition=way)
    kept = {1: 1, 2: 1, 3: 2} if strategy == "insert-only" else {1: 1, 2: 2, 3: 2}
    assert dict(pipeline.dataset()["t"].select("id", "v").fetchall()) == kept
    assert len(pipeline.dataset()["t__kids"].fetchall()) == 6
    with closing(made.reader(dataset)) as reader:
        assert not [name for name in reader.tables() if name.startswith("_ladle_new")]


def test_tables_grow(pipeline: Any) -> None:
    pipeline.run([{"id": 1}], table_name="t")
    pipeline.run([{"id": 2, "n": {"x": 1.5}, "l": [1]}], table_name="t")
    assert sorted(pipeline.dataset()["t"].select("id", "n__x").fetchall()) == [(1, None), (2, 1.5)]
    pipeline.run([{"id": 3}], table_name="t", write_disposition="replace")
    assert pipeline.dataset()["t"].select("id").fetchall() == [(3,)]
    assert pipeline.dataset()["t__l"].select("value").fetchall() == []


@pytest.mark.parametrize("server", ["postgres", "mysql"])
def test_long_names_are_cut_to_what_the_server_keeps(
    server: str, request: pytest.FixtureRequest, dataset: str, tmp_path: Path
) -> None:
    url = request.getfixturevalue(f"{server}_url")
    url = url.replace("mysql:", "mysql+pymysql:", 1).replace("postgresql:", "postgresql+psycopg:", 1)
    made = ladle.destinations.sqlalchemy(url, generic=True, naming_convention="direct")
    pipeline = ladle.pipeline("p", tmp_path, destination=made, dataset_name=dataset)
    long = "é" * 40 if server == "postgres" else "e" * 70
    for n in (1, 2):  # two tables, of two columns, which differ at their ends
        pipeline.run([{f"{long}1": n, f"{long}2": n + 1}], table_name=f"{long}{n}")
    tables = pipeline.default_schema.data_table_names()
    assert len(tables) == 2
    for n, table in enumerate(tables, 1):
        assert pipeline.dataset()[table].arrow().drop_columns(["_dlt_load_id", "_dlt_id"]).num_columns == 2
        assert pipeline.dataset()[table].arrow().column(0).to_pylist() == [n]


def test_mariadb_loads_again_and_goes_on_where_it_was(mysql_url: str, dataset: str, tmp_path: Path) -> None:
    # Its sessions take what is in double quotes for text.
    def load(work: str, up_to: int) -> Any:
        made = ladle.destinations.sqlalchemy(mysql_url.replace("mysql:", "mysql+pymysql:", 1), generic=True)
        pipeline = ladle.pipeline("p", tmp_path / work, destination=made, dataset_name=dataset)

        @ladle.resource
        def t(id: Any = ladle.sources.incremental("id", initial_value=0)) -> Any:  # noqa: A002, B008
            yield [{"id": n, "b": bytes([n, 255]), "l": [n]} for n in range(id.last_value, up_to)]

        pipeline.run(t)
        return pipeline.dataset()

    load("one", 2)
    load("one", 3)
    data = load("another", 5)
    found = data["t"].select("id", "b").order_by("id").fetchall()
    assert found == [(n, bytes([n, 255])) for n in range(5)]
    assert sorted(data["t__l"].select("value").fetchall()) == [(n,) for n in range(5)]


def test_statements_quote_names_as_the_engine_does() -> None:
    by = dataclasses.replace(known("mysql").dialect, column_type=lambda column: "text")
    assert "`_dlt_id` = " in statements.fill_cell("ds", "t", Column("v", "text"), by)
    assert '"' not in statements.delete_up_to("ds", "t", by)
    assert '"' not in statements.select("ds", "t", ["a"], ["b"], ["c"], "loads", by)


def test_keys_become_constraints_where_that_is_wanted(
    url: str, engine: str, dataset: str, tmp_path: Path
) -> None:
    made = ladle.destinations.sqlalchemy(
        url, generic=True, create_primary_keys=True, create_unique_indexes=engine != "duckdb"
    )
    dataset = "main" if engine == "sqlite" else dataset
    pipeline = ladle.pipeline("p", tmp_path / "work", destination=made, dataset_name=dataset)
    pipeline.run([{"id": 1}], table_name="t", primary_key="id")
    with pytest.raises((DataError, DestinationError)):
        pipeline.run([{"id": 1}], table_name="t", primary_key="id")
    assert pipeline.dataset()["t"].select("id").fetchall() == [(1,)]


# -- transactions, other sessions, faults


def test_nothing_stays_of_a_load_that_isnt_committed(url: str, engine: str, dataset: str) -> None:
    made = ladle.destinations.sqlalchemy(url, generic=True)
    dataset = "main" if engine == "sqlite" else dataset
    record = LoadRecord("1.5", {"name": "s", "tables": {"t": {"columns": {}}}}, "p", None, 0.0)
    for _ in range(2):
        session = made.open(dataset)
        assert not session.has_load("1.5")
        session.begin(record)
        table = Table("t", columns={"id": Column("id", "bigint")})
        session.apply([AddTable(table), *map(AddTable, SYSTEM_TABLE_MAP.values())])
        assert "t" in session.tables()
        session.close()
        session = made.open(dataset)
        assert session.tables() == {}
        session.close()


def test_sql_runs_in_transactions(pipeline: Any) -> None:
    pipeline.run([{"id": 1}], table_name="t")
    with pipeline.sql_client() as client:
        name = client.make_qualified_table_name("t")
        with pytest.raises(KeyError), client.begin_transaction():
            client.execute_sql(f"DELETE FROM {name}")
            raise KeyError
        assert client.execute_sql(f"SELECT id FROM {name} WHERE id = %s", 1) == [(1,)]
        assert client.execute_sql(f"SELECT ':a', '%s', count(*) FROM {name}") == [(":a", "%s", 1)]
        assert client.execute_sql("SELECT id FROM t") == [(1,)]
        assert client.has_dataset()


def test_a_wrong_password_is_told_and_not_shown(postgres_url: str, tmp_path: Path) -> None:
    place = sa.make_url(postgres_url).set(
        drivername="postgresql+psycopg", password="w0rd-secret", username="nobody_here"
    )
    made = ladle.destinations.sqlalchemy(place)
    pipeline = ladle.pipeline("p", tmp_path, destination=made, dataset_name="ds")
    with pytest.raises(DestinationError, match="names of database and user") as error:
        pipeline.run([1], table_name="t")
    assert "w0rd-secret" not in str(error.value) + repr(made) + made.displayable()


def test_a_server_that_isnt_there_is_worth_another_try() -> None:
    made = ladle.destinations.sqlalchemy("postgresql+psycopg://u:p@127.0.0.1:1/db")
    with pytest.raises(DestinationError, match="cannot connect") as error:
        made.open("ds")
    assert error.value.retryable


def test_a_connection_that_is_ended_loses_nothing(
    postgres_url: str, dataset: str, tmp_path: Path, query: Any
) -> None:
    made = ladle.destinations.sqlalchemy(postgres_url.replace("postgresql:", "postgresql+psycopg:", 1))
    pipeline = ladle.pipeline("p", tmp_path, destination=made, dataset_name=dataset)
    pipeline.run([{"id": 1}], table_name="t")
    ended: list[int] = []

    def rows() -> Any:
        yield {"id": 2}

    def end(event: Any) -> None:
        if not ended and getattr(event, "name", "") == "load.commit":
            ended.extend(
                pid for (pid, _) in query(
                    "SELECT pid, pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE pid <> pg_backend_pid() AND state = 'idle in transaction'"
                )
            )  # fmt: skip

    again = ladle.pipeline("p", tmp_path, destination=made, dataset_name=dataset, progress=end)
    try:
        again.run(rows(), table_name="t")
    except LadleError:
        again.run()
    assert ended
    assert query(f'SELECT id FROM "{dataset}".t ORDER BY id') == [(1,), (2,)]


def test_sqlite_without_the_database_is_told_what_to_do(tmp_path: Path) -> None:
    made = ladle.destinations.sqlalchemy(f"sqlite:///{tmp_path / 'x.db'}", generic=True)
    pipeline = ladle.pipeline("p", tmp_path / "work", destination=made, dataset_name="ds")
    with pytest.raises(UsageError, match="makes a file for each dataset"):
        pipeline.run([1], table_name="t")


DOUBLED = [
    {"id": 1, "v": "a", "kids": [{"x": 1}]},
    {"id": 1, "v": "b", "kids": [{"x": 2}]},
    {"id": 2, "v": "c"},
]


@pytest.mark.parametrize("skips", [False, True])
@pytest.mark.parametrize("nested", [False, True])
def test_rows_that_share_a_key_become_one(nested: bool, skips: bool, pipeline: Any) -> None:
    rows = DOUBLED if nested else [{"id": r["id"], "v": r["v"]} for r in DOUBLED]
    pipeline.run(rows, table_name="t")
    merge = {"disposition": "merge", "strategy": "upsert", "skip_unchanged_rows": skips}
    new = [{**rows[1], "v": "B"}, {"id": 3, "v": "d"}]
    info = pipeline.run(new, table_name="t", write_disposition=merge, primary_key="id")
    data = pipeline.dataset()
    assert sorted(data["t"].select("id", "v").fetchall()) == [(1, "B"), (2, "c"), (3, "d")]
    assert len(set(data["t"].select("_dlt_id").fetchall())) == 3
    assert info.merged["t"] == {"inserted": 1, "updated": 1, "deleted": 1, "unchanged": 0}
    if nested:
        assert data["t__kids"].select("x").fetchall() == [(2,)]
