"""Postgres when things go wrong: lines that break at any message, zombies, races, what a server may say."""

from __future__ import annotations

import contextlib
import threading
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pyarrow as pa
import pytest
from tests.contract.reading import postgres_tables
from tests.contract.tcp_proxy import CUT, CUT_ANSWER, FORWARD, HOLD, Decide, Proxy

import ladle
from ladle.destinations.base import LoadRecord
from ladle.errors import (
    CommitFailed,
    CommitUnknown,
    DataError,
    DestinationError,
    PipelineStepFailed,
)
from ladle.schema.change import AddTable
from ladle.schema.schema import SYSTEM_TABLE_MAP, Schema
from ladle.schema.table import Column, Table

Query = Callable[..., list[tuple[Any, ...]]]
_ROWS = [{"id": n, "text": "x" * 50, "list": [n, n + 1]} for n in range(300)]


@pytest.fixture(scope="module")
def expected(postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Return what an undisturbed run loads."""
    name = f"ds_{uuid.uuid4().hex[:8]}"
    destination = ladle.destinations.postgres(postgres_url)
    pipeline = ladle.pipeline(
        "even", tmp_path_factory.mktemp("even"), destination=destination, dataset_name=name
    )
    pipeline.run(_ROWS, table_name="t")
    return postgres_tables(postgres_url, name)


@contextlib.contextmanager
def line(url: str, decide: Decide) -> Iterator[tuple[Proxy, str]]:
    """Run a proxy; gives it and the URL that leads through it."""
    port = urlsplit(url).port
    assert port is not None
    with Proxy(port, decide) as proxy:
        yield proxy, url.replace(f":{port}/", f":{proxy.port}/") + "?sslmode=disable&gssencmode=disable"


def once(matches: Callable[[bytes, bytes], bool], what: str) -> Decide:
    """Do `what` at the first message that matches, and forward all others."""
    left = [what]

    def decide(kind: bytes, payload: bytes) -> str:
        return left.pop() if left and matches(kind, payload) else FORWARD

    return decide


# A line that breaks

_POINTS: dict[str, Callable[[bytes, bytes], bool]] = {
    "before the schema is made": lambda kind, payload: payload.startswith(b"CREATE SCHEMA"),
    "before a table is made": lambda kind, payload: payload.startswith(b"CREATE TABLE"),
    "before COPY": lambda kind, payload: payload.startswith(b"COPY"),
    "in mid-COPY": lambda kind, payload: kind == b"d",
    "at the end of COPY": lambda kind, payload: kind == b"c",
    "before an index is made": lambda kind, payload: payload.startswith(b"CREATE UNIQUE INDEX"),
    "before the loads row": lambda kind, payload: b"INSERT INTO" in payload and b"_dlt_loads" in payload,
    "before COMMIT": lambda kind, payload: payload.startswith(b"COMMIT"),
}


def _pipeline(url: str, dataset: str, folder: Path, **options: Any) -> Any:
    destination = replace(ladle.destinations.postgres(url), **options)
    return ladle.pipeline("broken", folder, destination=destination, dataset_name=dataset)


def _run_to_the_end(pipeline: Any) -> list[Exception]:
    """Run, and after a failure run again: with the rows only where they aren't in a package yet."""
    failures: list[Exception] = []
    for _ in range(3):
        try:
            pipeline.run([] if failures and pipeline.has_pending_data else _ROWS, table_name="t")
        except PipelineStepFailed as error:
            failures.append(error)
        else:
            return failures
    raise failures[-1]


_ANSWERED = ("before a table is made", "in mid-COPY", "at the end of COPY", "before COMMIT")
_HELD = ("in mid-COPY", "before COMMIT")


@pytest.mark.parametrize(
    ("point", "what"),
    [*((p, CUT) for p in _POINTS), *((p, CUT_ANSWER) for p in _ANSWERED), *((p, HOLD) for p in _HELD)],
)
def test_a_broken_line_loses_and_repeats_nothing(
    point: str, what: str, expected: Any, postgres_url: str, dataset: str, tmp_path: Path, query: Query
) -> None:
    with line(postgres_url, once(_POINTS[point], what)) as (proxy, url):
        pipeline = _pipeline(url, dataset, tmp_path / "work", fence_wait_s=0.1)
        failures = _run_to_the_end(pipeline)
        assert proxy.cuts == 1
    assert postgres_tables(postgres_url, dataset) == expected
    assert query(f"SELECT count(*) FROM {dataset}._dlt_loads") == [(1,)]
    # what breaks before the commit is tried again at once; a commit that got its answer lost is found
    assert len(failures) == (point == "before COMMIT" and what != CUT_ANSWER)


def test_a_server_that_is_gone_is_an_error_and_the_next_run_loads(
    expected: Any, postgres_url: str, dataset: str, tmp_path: Path
) -> None:
    with line(postgres_url, once(_POINTS["in mid-COPY"], CUT)) as (proxy, url):
        decide = proxy.decide

        def gone(kind: bytes, payload: bytes) -> str:
            decision = decide(kind, payload)
            proxy.reachable = decision == FORWARD
            return decision

        proxy.decide = gone
        pipeline = _pipeline(url, dataset, tmp_path / "work")
        with pytest.raises(DestinationError, match="cannot connect to postgresql://ladle") as caught:
            pipeline.run(_ROWS, table_name="t")
        assert caught.value.hint
        proxy.reachable = True
        pipeline.run([], table_name="t")
    assert postgres_tables(postgres_url, dataset) == expected


def test_a_commit_that_nobody_can_look_for_stays_unknown_until_the_next_run(
    expected: Any, postgres_url: str, dataset: str, tmp_path: Path
) -> None:
    with line(postgres_url, lambda kind, payload: FORWARD) as (proxy, url):

        def gone(kind: bytes, payload: bytes) -> str:
            if payload.startswith(b"COMMIT"):
                proxy.reachable = False
                return CUT_ANSWER
            return FORWARD

        proxy.decide = gone
        pipeline = _pipeline(url, dataset, tmp_path / "work")
        with pytest.raises(CommitUnknown):
            pipeline.run(_ROWS, table_name="t")
        proxy.reachable = True
        pipeline.run([], table_name="t")
    assert postgres_tables(postgres_url, dataset) == expected


@pytest.mark.slow
@pytest.mark.parametrize("what", [CUT, CUT_ANSWER])
def test_a_line_may_break_at_any_message(
    what: str, expected: Any, postgres_url: str, dataset: str, tmp_path: Path
) -> None:
    seen: list[bytes] = []
    with line(postgres_url, lambda kind, payload: seen.append(kind) or FORWARD) as (_, url):
        _pipeline(url, dataset, tmp_path / "count").run(_ROWS, table_name="t")
    for number in range(2 * (what == CUT), len(seen), 5):
        left = [number]

        def counted(kind: bytes, payload: bytes, left: list[int] = left) -> bool:
            left[0] -= 1
            return left[0] < 0

        name, folder = f"{dataset}_{number}", tmp_path / str(number)
        with line(postgres_url, once(counted, what)) as (_, url):
            _run_to_the_end(_pipeline(url, name, folder, fence_wait_s=0.1))
        assert postgres_tables(postgres_url, name) == expected, (
            f"broken at message {number}, {seen[number]!r}"
        )


def test_the_server_hears_nothing_of_values_that_cannot_be_sent(
    postgres_url: str, dataset: str, tmp_path: Path, query: Query
) -> None:
    query(f"CREATE SCHEMA {dataset}")
    query(f"CREATE TABLE {dataset}.t (id smallint, _dlt_load_id varchar, _dlt_id varchar)")
    sent: list[bytes] = []
    with (
        line(postgres_url, lambda kind, payload: sent.append(kind + payload) or FORWARD) as (_, url),
        pytest.raises(DataError, match="70707"),
    ):
        _pipeline(url, dataset, tmp_path / "work").run([{"id": 70707}], table_name="t")
    given_up = [message for message in sent if message.startswith(b"f")]
    assert len(given_up) == 1  # CopyFail, whose text goes into the server's log
    assert b"70707" not in b"".join(sent)


# Zombies

_TABLE = Table("t", columns={"a": Column("a", data_type="bigint")})
_BATCH = pa.record_batch({"a": pa.array([1, 2, 3])})


def _session(url: str, dataset: str, load_id: str) -> Any:
    """Return a session that only has to commit."""
    session = replace(ladle.destinations.postgres(url), fence_wait_s=0.1).open(dataset)
    assert not session.has_load(load_id)
    schema = Schema("s").to_dict()
    session.begin(LoadRecord(load_id=load_id, schema=schema, pipeline="p", state=None, inserted_at=1.5))
    session.apply([AddTable(t) for t in (*SYSTEM_TABLE_MAP.values(), _TABLE)])
    session.append(_TABLE, _BATCH.schema, [_BATCH])
    return session


def test_who_takes_over_a_load_keeps_its_former_holder_from_committing(
    postgres_url: str, dataset: str, query: Query
) -> None:
    zombie = _session(postgres_url, dataset, "1")
    heir = _session(postgres_url, dataset, "1")
    with pytest.raises((CommitFailed, CommitUnknown)):
        zombie.commit()
    heir.commit()
    for session in (zombie, heir):
        session.close()
    assert query(f"SELECT count(*) FROM {dataset}.t") == [(3,)]


def test_a_load_that_was_committed_meanwhile_is_not_begun_again(postgres_url: str, dataset: str) -> None:
    late = ladle.destinations.postgres(postgres_url).open(dataset)
    assert not late.has_load("1")
    other = _session(postgres_url, dataset, "1")
    other.commit()
    other.close()
    record = LoadRecord(load_id="1", schema=Schema("s").to_dict(), pipeline="p", state=None, inserted_at=1.5)
    with pytest.raises(CommitUnknown, match="meanwhile"):
        late.begin(record)
    late.close()


def test_who_waits_too_long_for_another_load_hears_which_process_has_it(
    postgres_url: str, dataset: str
) -> None:
    holder = _session(postgres_url, dataset, "1")
    waiting = replace(ladle.destinations.postgres(postgres_url), lock_wait_s=0.05).open(dataset)
    record = LoadRecord(load_id="2", schema=Schema("s").to_dict(), pipeline="p", state=None, inserted_at=1.5)
    with pytest.raises(DestinationError, match=r"process \[\d+\]\) still holds pipeline `p`") as caught:
        waiting.begin(record)
    assert caught.value.retryable
    waiting.close()
    holder.commit()
    holder.close()


# Races


def _together(*actions: Callable[[], Any]) -> None:
    """Run the actions in threads that start at once; raise the first error."""
    start, errors = threading.Barrier(len(actions)), []

    def run(action: Callable[[], Any]) -> None:
        start.wait()
        try:
            action()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(action,)) for action in actions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def _loader(url: str, dataset: str, folder: Path, name: str, data: Any, **options: Any) -> Callable[[], Any]:
    destination = ladle.destinations.postgres(url)
    pipeline = ladle.pipeline(name, folder / name, destination=destination, dataset_name=dataset)
    return lambda: pipeline.run(data, table_name="t", **options)


def test_first_runs_at_once_make_one_dataset(
    postgres_url: str, dataset: str, tmp_path: Path, query: Query
) -> None:
    _together(
        *(_loader(postgres_url, dataset, tmp_path, f"p{n}", [{"all": n, f"own_{n}": n}]) for n in range(6))
    )
    columns = ", ".join(f"own_{n}" for n in range(6))
    rows = query(f'SELECT "all", {columns} FROM {dataset}.t ORDER BY "all"')
    assert rows == [(n, *(n if k == n else None for k in range(6))) for n in range(6)]
    assert query(f"SELECT count(*) FROM {dataset}._dlt_loads") == [(6,)]


def test_the_same_column_may_be_added_by_many_at_once(
    postgres_url: str, dataset: str, tmp_path: Path, query: Query
) -> None:
    loads = [
        _loader(postgres_url, dataset, tmp_path, f"p{n}", [{"n": n}, {"n": n, "extra": n}]) for n in range(4)
    ]
    firsts = [_loader(postgres_url, dataset, tmp_path, f"p{n}", [{"n": -1}]) for n in range(4)]
    for first in firsts:
        first()
    _together(*loads)
    assert query(f"SELECT extra FROM {dataset}.t WHERE extra IS NOT NULL ORDER BY 1") == [
        (n,) for n in range(4)
    ]
    assert query(f"SELECT count(*) FROM {dataset}.t") == [(12,)]


def test_replaces_at_once_leave_the_rows_of_one(
    postgres_url: str, dataset: str, tmp_path: Path, query: Query
) -> None:
    _loader(postgres_url, dataset, tmp_path, "first", [{"n": -1}])()
    _together(
        *(
            _loader(postgres_url, dataset, tmp_path, f"p{n}", [{"n": n}] * 3, write_disposition="replace")
            for n in range(4)
        )
    )
    assert query(f"SELECT count(*), count(DISTINCT n) FROM {dataset}.t") == [(3, 1)]


def test_replace_never_shows_an_empty_or_half_filled_table(
    postgres_url: str, dataset: str, tmp_path: Path, query: Query
) -> None:
    shown: set[Any] = set()
    watching = [False]

    def watch(kind: bytes, payload: bytes) -> str:
        if watching[0]:
            shown.add((kind, *query(f"SELECT count(*), min(n), max(n) FROM {dataset}.t")))
        return FORWARD

    with line(postgres_url, watch) as (_, url):
        _loader(url, dataset, tmp_path, "p", [{"n": 1}] * 500)()
        watching[0] = True
        _loader(url, dataset, tmp_path, "p", [{"n": 2}] * 700, write_disposition="replace")()
    kinds = {kind for kind, _ in shown}
    assert {b"Q", b"d", b"c"} <= kinds
    # the last message says goodbye, after the commit
    assert {seen for kind, seen in shown if kind != b"X"} == {(500, 1, 1)}
    assert query(f"SELECT count(*), min(n), max(n) FROM {dataset}.t") == [(700, 2, 2)]


# What a server may say

_TRIGGER = """
CREATE SEQUENCE {dataset}.calls;
CREATE FUNCTION {dataset}.refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF nextval('{dataset}.calls') <= {times} THEN
        RAISE EXCEPTION 'refused' USING ERRCODE = '{code}';
    END IF;
    RETURN NEW;
END $$;
CREATE {kind} TRIGGER refuse AFTER INSERT ON {dataset}.t {when}
FOR EACH ROW EXECUTE FUNCTION {dataset}.refuse();
"""
_AT_COMMIT = {"kind": "CONSTRAINT", "when": "DEFERRABLE INITIALLY DEFERRED"}
_AT_ONCE = {"kind": "", "when": ""}


@pytest.mark.parametrize(
    ("code", "at"),
    [("40001", _AT_ONCE), ("40001", _AT_COMMIT), ("40P01", _AT_COMMIT), ("55P03", _AT_ONCE)],
    ids=["serialization", "serialization at commit", "deadlock at commit", "lock"],
)
def test_a_conflict_is_tried_again(
    code: str, at: dict[str, str], postgres_url: str, dataset: str, tmp_path: Path, query: Query
) -> None:
    load = _loader(postgres_url, dataset, tmp_path, "p", [{"n": 1}])
    load()
    query(_TRIGGER.format(dataset=dataset, times=2, code=code, **at))
    load()
    assert query(f"SELECT count(*) FROM {dataset}.t") == [(2,)]
    assert query(f"SELECT last_value FROM {dataset}.calls") == [(3,)]


_SAYS: dict[str, tuple[str, type[Exception], str, bool]] = {
    "disk full": ("53100", DestinationError, "free disk space", False),
    "too many connections": ("53300", DestinationError, "max_connections", True),
    "statement timeout": ("57014", DestinationError, "statement_timeout", False),
    "read only": ("25006", DestinationError, "primary", False),
    "permission denied": ("42501", DestinationError, "GRANT", False),
    "out of memory": ("53200", DestinationError, "log", False),
    "unique": ("23505", DataError, "create_indexes=False", False),
    "conflict without end": ("40001", CommitFailed, "run again", True),
}


@pytest.mark.parametrize("name", _SAYS)
def test_what_the_server_says_becomes_advice(
    name: str, postgres_url: str, dataset: str, tmp_path: Path, query: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, kind, hint, retryable = _SAYS[name]
    monkeypatch.setattr("ladle.load.run._CONFLICT_PAUSE_S", 0)
    load = _loader(postgres_url, dataset, tmp_path, "p", [{"n": 1}])
    load()
    query(_TRIGGER.format(dataset=dataset, times=100, code=code, **_AT_ONCE))
    with pytest.raises(kind, match="refused") as caught:
        load()
    assert hint in str(caught.value.hint)
    assert getattr(caught.value, "retryable", False) is retryable
    query(f"DROP TRIGGER refuse ON {dataset}.t")
    load()
    assert query(f"SELECT count(*) FROM {dataset}.t") == [(3,)]
