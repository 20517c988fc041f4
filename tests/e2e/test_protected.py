"""A protected value never shows: not in packages, logs, errors, traces, state, nor at the destination."""

from __future__ import annotations

import base64
import json
import logging
import re
import signal
import traceback
import uuid
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import psycopg
import pyarrow as pa
import pyarrow.parquet
import pytest
import yaml
from tests.e2e.forks import call
from tests.e2e.protected_story import (
    CANARY,
    KEY,
    MAIL,
    NUMBER,
    Job,
    leaks,
    live,
    people,
    pipeline,
    scan,
)

import ladle
from ladle.errors import ConfigError, LadleError, UsageError
from ladle.events import Durable, Event
from ladle.schema.schema import Schema
from ladle.schema.secrecy import Sealer

pytest.importorskip("psycopg")
pytest.importorskip("cryptography")

ACTIONS = ["mask", "hash", "tokenise", "encrypt", "drop"]
DESTINATIONS = ["duckdb", "postgres", "jsonl", "parquet"]


@pytest.fixture(autouse=True)
def all_logs(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)


@pytest.fixture
def job(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    """Return what makes a job of destination and action."""
    databases: list[tuple[str, str]] = []

    def made(kind: str, action: str, kill_at: int | None = None) -> Job:
        folder = tmp_path / f"{kind}_{len(list(tmp_path.iterdir()))}"
        folder.mkdir()
        if kind == "duckdb":
            where = f"duckdb:{folder}/people.duckdb"
        elif kind == "postgres":
            url = request.getfixturevalue("postgres_url")
            name = f"p{uuid.uuid4().hex[:10]}"
            with psycopg.connect(url, autocommit=True) as connection:
                connection.execute(f"CREATE DATABASE {name}")
            databases.append((url, name))
            where = "postgres:" + re.sub("/postgres$", f"/{name}", url)
        else:
            where = f"filesystem:{folder}/lake"
        return Job(folder, where, action, kill_at)

    yield made
    for url, name in databases:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def stored(job: Job) -> Iterator[str]:
    """Yield all that the destination has, table by table, the system's own views of them included."""
    kind, _, where = job.destination.partition(":")
    if kind == "duckdb":
        with duckdb.connect(where) as connection:
            for schema, name in connection.execute(
                "SELECT schema_name, table_name FROM duckdb_tables()"
            ).fetchall():
                yield repr(connection.execute(f'SELECT * FROM "{schema}"."{name}"').fetchall())
            yield repr(connection.execute("SELECT * FROM duckdb_columns()").fetchall())
    elif kind == "postgres":
        with psycopg.connect(where) as connection:
            names = connection.execute(
                "SELECT schemaname, tablename FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
            ).fetchall()
            for schema, name in names:
                yield repr(connection.execute(f'SELECT * FROM "{schema}"."{name}"').fetchall())
            yield repr(connection.execute("SELECT * FROM pg_stats").fetchall())
    else:
        for path in Path(where).rglob("*"):
            data = path.read_bytes() if path.is_file() else b""
            yield str(path)
            yield (zlib.decompress(data, 31) if path.suffix == ".gz" else data).decode("latin-1")
            if path.suffix == ".parquet":
                yield repr(pyarrow.parquet.read_table(path).to_pylist())


def states(found: str) -> Iterator[str]:
    """Yield what packed texts in what was stored have in them: the state is one."""
    for text in re.findall(r"[A-Za-z0-9+/]{40,}={0,2}", found):
        try:
            yield zlib.decompress(base64.b64decode(text)).decode("latin-1")
        except (ValueError, zlib.error):
            continue


def texts(value: Any) -> Iterator[str]:
    yield from (str(value), repr(value))
    if hasattr(value, "asdict"):
        yield json.dumps(value.asdict(), default=repr)
    if isinstance(value, BaseException):
        yield "".join(traceback.format_exception(value))
        seen: BaseException | None = value
        while seen is not None:
            yield from (str(seen), repr(seen), repr(vars(seen)))
            seen = seen.__cause__ or seen.__context__


def clean(*found: str) -> None:
    for text in found:
        assert not leaks(text.encode("utf-8", "replace")), (leaks(text.encode()), text[:3000])


def check(p: ladle.Pipeline, job: Job, caplog: pytest.LogCaptureFixture, *values: Any) -> None:
    for value in (p, p.state, p.last_trace, *values):
        clean(*texts(value))
    for schema in p.schemas.values():
        clean(json.dumps(schema.to_dict(), default=repr))
    clean(caplog.text)
    assert scan(job.folder / "work")
    for found in stored(job):
        clean(found, *states(found))


@pytest.mark.parametrize("kind", DESTINATIONS)
@pytest.mark.parametrize("action", ACTIONS)
def test_the_canary_is_nowhere(action: str, kind: str, job: Any, caplog: pytest.LogCaptureFixture) -> None:
    made = job(kind, action)
    looked, seen = [], set()

    def look(event: Event) -> None:
        if isinstance(event, Durable):
            looked.append(scan(made.folder / "work", seen))

    p = pipeline(made, look)
    options = {"loader_file_format": kind} if kind in ("jsonl", "parquet") else {}
    info = p.run(people(action, made.folder), **options)
    again = p.run(people(action, made.folder), **options)
    assert sum(looked) > 20
    check(p, made, caplog, info, again, *info.load_packages)
    columns = p.schemas["people"].get_table_columns("customers", include_incomplete=True)
    assert ("data_type" in columns["mail"]) == (action != "drop")
    counts = dict(p.dataset().row_counts().fetchall())
    rows = {
        "customers": 160,
        "frames": 300,
        "passing": 100,
        "kept_whole": 60,
        "kind_0": 10,
        "kind_1": 10,
        "late": 2,
    }
    assert {name: counts[name] for name in rows} == rows
    if action == "drop":
        return
    made_of = {tuple(r) for r in p.dataset()("SELECT mail, age FROM customers").fetchall()}
    assert all(mail and age for mail, age in made_of)
    assert len(made_of) == {"encrypt": 160, "mask": 2}.get(action, 2)
    if action == "hash":
        mails = Sealer(KEY).hashes([MAIL, CANARY + " spelt otherwise"])
        assert made_of == {(mail, Sealer(KEY).hashes([str(NUMBER)])[0]) for mail in mails}
        same = "SELECT count(*) FROM customers c JOIN frames f USING (mail) WHERE f.age = c.age"
        assert p.dataset()(same).fetchall()[0][0] == 156 * 300
    if action == "encrypt":
        assert {ladle.unprotect(mail) for mail, _ in made_of} == {MAIL, CANARY + " spelt otherwise"}


@pytest.mark.parametrize("kind", ["duckdb", "postgres"])
def test_a_process_that_is_killed_leaves_nothing_either(
    kind: str, job: Any, caplog: pytest.LogCaptureFixture
) -> None:
    steps: list[Event] = []
    made = job(kind, "tokenise")
    pipeline(made, lambda event: steps.append(event) if isinstance(event, Durable) else None).run(
        people("tokenise", made.folder)
    )
    found = 0
    for kill_at in range(1, len(steps), max(1, len(steps) // 5)):
        made = job(kind, "tokenise", kill_at)
        assert call(live, made) == -signal.SIGKILL
        found = max(found, scan(made.folder / "work"))
    assert found > 10
    p = pipeline(made)
    info = p.run()
    check(p, made, caplog, info)


class Odd:
    """A value that can't be stored, and tells why with what it holds."""

    def __init__(self, text: str) -> None:
        self.text = text

    def model_dump(self, **_: Any) -> Any:
        raise ValueError(f"can't dump {self.text}")

    def __repr__(self) -> str:
        return f"Odd({self.text})"


def refused() -> dict[str, Any]:
    torn = "id,mail\n1,x\n2," + MAIL + ",too,many\n"
    return {
        "an object": [{"id": 1, "mail": MAIL}, {"id": 2, "mail": Odd(MAIL)}],
        "below": [{"id": 1, "mail": {"a": [{CANARY: object()}]}}],
        "row": [Odd(MAIL)],
        "element": [{"id": 1, "mails": [MAIL, object()]}],
        "frame": pa.table({"mail": pa.array([NUMBER], pa.duration("ns"))}),
        "null": [{"id": 1, "mail": MAIL}, {"id": None, "mail": MAIL}],
        "file": torn,
    }


@pytest.mark.parametrize("case", refused())
@pytest.mark.parametrize("action", ["mask", "hash", "drop"])
def test_errors_show_nothing(case: str, action: str, job: Any, caplog: pytest.LogCaptureFixture) -> None:
    made = job("duckdb", action)
    data = refused()[case]
    if isinstance(data, str):
        path = made.folder / "torn.csv"
        path.write_text(data)
        data = [ladle.mark.with_file_import(path, "csv")]
    columns = {"mail": {"protect": action}, "id": {"nullable": False}}
    nested = {"mails": {"columns": {"value": {"protect": action}}}}
    resource = ladle.resource(data, name="customers", columns=columns, nested_hints=nested)
    p = pipeline(made)
    with pytest.raises(LadleError) as caught:
        p.run(resource)
    assert "torn.csv" in str(caught.value) if case == "file" else caught.value.resource == "customers"
    for value in (caught.value, p, p.state, p.last_trace):
        clean(*texts(value))
    clean(caplog.text)
    scan(made.folder / "work")


def test_a_row_without_the_key_of_its_cursor_isnt_shown(job: Any) -> None:
    cursor = ladle.sources.incremental("at", primary_key="key")
    resource = ladle.resource(
        [{"at": 1, "mail": MAIL}], name="t", incremental=cursor, columns={"mail": {"protect": "hash"}}
    )
    with pytest.raises(LadleError, match="primary key `key`") as caught:
        pipeline(job("duckdb", "hash")).run(resource)
    clean(*texts(caught.value))


@pytest.mark.parametrize("path", ["mail", "Mail", "user.mail", "$.user.mail", "$", "user", "$.user['mail']"])
def test_a_cursor_cant_be_protected(path: str, job: Any) -> None:
    columns = {"mail": {"protect": "hash"}, "user__mail": {"protect": "hash"}}
    resource = ladle.resource(
        [{"mail": MAIL, "user": {"mail": MAIL}}], name="t", columns=columns,
        incremental=ladle.sources.incremental(path),
    )  # fmt: skip
    with pytest.raises(UsageError, match="can't be a protected column"):
        pipeline(job("duckdb", "hash")).run(resource)


@pytest.mark.parametrize("policy", [False, True])
def test_without_a_key_nothing_is_read(policy: bool, job: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    read = []

    def rows() -> Iterator[Any]:
        read.append(1)
        yield {"mail": MAIL}

    columns = {"mail": {"tags": {"pii": "email"}} if policy else {"protect": "tokenise"}}
    if policy:
        monkeypatch.setenv("GOVERNANCE__PII_POLICY", '{"email": "hash"}')
    p = pipeline(job("duckdb", "hash"))
    monkeypatch.delenv("GOVERNANCE__PII_KEY")
    with pytest.raises(ConfigError, match="governance.pii_key"):
        p.run(ladle.resource(rows, name="t", columns=columns))
    with pytest.raises(ConfigError, match="governance.pii_key"):
        p.run(ladle.resource(rows, name="t", table_name=lambda row: "u", columns=columns))
    assert not read
    assert not p.has_pending_data
    monkeypatch.setenv("PII_KEY", KEY)
    p.run(ladle.resource(rows, name="t", columns=columns))
    assert p.dataset()("SELECT mail FROM t").fetchall()[0][0] != MAIL


def test_a_policy_acts_on_classes_and_a_tag_alone_only_travels(
    job: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    columns = {
        "a": {"tags": {"pii": "email"}},
        "b": {"tags": {"pii": "phone"}, "data_type": "bigint"},
        "c": {"tags": {"pii": "email"}, "protect": "none"},
    }

    def load(dataset: str) -> Any:
        place = ladle.destinations.duckdb(str(made.folder / "x.duckdb"))
        p = ladle.pipeline("p", made.folder / dataset, destination=place, dataset_name=dataset)
        p.run(ladle.resource([{"a": MAIL, "b": 5, "c": "c"}], name="t", columns=columns))
        return p.dataset()("SELECT a, b, c FROM t").fetchall()

    made = job("duckdb", "hash")
    pipeline(made)
    assert load("plain") == [(MAIL, 5, "c")]
    monkeypatch.setenv("GOVERNANCE__PII_POLICY", '{"email": "mask", "*": "hash"}')
    assert load("policy") == [("c***@***", Sealer(KEY).hashes(["5"])[0], "c")]


def test_a_hint_that_comes_late_holds_for_rows_that_wait(job: Any) -> None:
    def rows() -> Iterator[Any]:
        yield {"id": 1, "mail": MAIL}
        hints = ladle.mark.make_hints(columns={"mail": {"protect": "mask"}})
        yield ladle.mark.with_hints({"id": 2, "mail": MAIL}, hints)

    p = pipeline(job("duckdb", "mask"))
    p.run(ladle.resource(rows, name="t"))
    assert p.dataset()("SELECT mail FROM t").fetchall() == [("***",), ("***",)]


def test_protection_stays_when_code_forgets_it_and_goes_when_told(job: Any) -> None:
    p = pipeline(job("duckdb", "mask"))
    for columns in ({"mail": {"protect": "mask"}}, {}, {"mail": {"protect": "none"}}):
        p.run(ladle.resource([{"mail": MAIL}], name="t", columns=columns))
    found = p.dataset()("SELECT mail FROM t").fetchall()
    assert sorted(found) == [("***",), ("***",), (MAIL,)]


@pytest.mark.parametrize("action", ["hash", "tokenise"])
@pytest.mark.parametrize("strategy", ["delete-insert", "upsert"])
@pytest.mark.parametrize("kind", ["duckdb", "postgres"])
def test_rows_merge_by_a_protected_key(kind: str, strategy: str, action: str, job: Any) -> None:
    made = job(kind, action)
    p = pipeline(made)
    for n in (1, 2):
        rows = [{"mail": f"{MAIL}{i}", "n": n, "pets": [{"name": CANARY}]} for i in range(3)]
        p.run(
            ladle.resource(
                rows, name="t", primary_key="mail", columns={"mail": {"protect": action}},
                write_disposition={"disposition": "merge", "strategy": strategy},
                nested_hints={"pets": {"columns": {"name": {"protect": action}}}},
            )
        )  # fmt: skip
    assert p.dataset()("SELECT count(*), min(n) FROM t").fetchall() == [(3, 2)]
    for found in stored(made):
        clean(found)


SCHEMA = """
name: people
tables:
  t:
    resource: t
    x-annotation-owner: crm
    columns:
      mail: {x-annotation-pii: email, x-annotation-protect: mask}
  t__pets:
    parent: t
    columns:
      name: {data_type: text, x-annotation-protect: hash}
"""


def test_a_schema_in_yaml_protects(job: Any) -> None:
    made = job("duckdb", "mask")
    schema = Schema.from_dict(yaml.safe_load(SCHEMA))
    rows = [{"mail": MAIL, "pets": [{"name": CANARY}, {"name": NUMBER}]}]
    p = pipeline(made)
    p.run(ladle.source(lambda: ladle.resource(rows, name="t"), name="people", schema=schema)())
    assert p.dataset()("SELECT mail FROM t").fetchall() == [("c***@***",)]
    for found in stored(made):
        clean(found)
    scan(made.folder / "work")


def test_a_wrong_action_in_a_schema_is_told(job: Any) -> None:
    schema = Schema.from_dict(yaml.safe_load(SCHEMA.replace("protect: mask", "protect: maks")))
    source = ladle.source(lambda: ladle.resource([{"mail": MAIL}], name="t"), name="people", schema=schema)()
    with pytest.raises(UsageError, match="did you mean `mask`"):
        pipeline(job("duckdb", "mask")).run(source)


def test_a_renamed_column_stays_protected_and_keeps_its_comment(job: Any) -> None:
    made = job("duckdb", "mask")
    p = pipeline(made)
    columns = {"mail": {"protect": "mask", "description": "Where to write"}}
    nested = {"pets": {"columns": {"name": {"protect": "hash"}}}}

    def load(**hints: Any) -> None:
        rows = [{"mail": MAIL, "pets": [{"name": CANARY}]}]
        p.run(ladle.resource(rows, name="users", **hints))

    load(columns=columns, nested_hints=nested)
    p.rename_column("users", "mail", "address").apply()
    p.rename_table("users", "people").apply()
    load(columns=columns, nested_hints=nested)
    load()
    assert p.dataset()("SELECT address FROM people").fetchall() == [("***",)] * 3
    load(columns={"mail": {"description": "Changed"}})
    for found in stored(made):
        clean(found)
    scan(made.folder / "work")
    with duckdb.connect(made.destination.partition(":")[2]) as connection:
        comments = connection.execute(
            "SELECT column_name, comment FROM duckdb_columns() WHERE comment IS NOT NULL AND table_name = 'people'"
        ).fetchall()
    assert comments == [("address", "Changed [protect: mask]")]
