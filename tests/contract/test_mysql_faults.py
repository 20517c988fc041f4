"""MySQL when things go wrong: lines that break at any message, zombies, races, what a server may say."""

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
import pymysql
import pytest
from tests.contract.mysql_ways import WAYS, going_by
from tests.contract.reading import mysql_tables
from tests.contract.tcp_proxy import CUT, CUT_ANSWER, FORWARD, HOLD, Decide, Proxy

import ladle
from ladle.destinations.base import LoadRecord
from ladle.destinations.mysql_errors import explained
from ladle.errors import CommitFailed, CommitUnknown, DataError, DestinationError, PipelineStepFailed
from ladle.schema.change import AddTable
from ladle.schema.schema import SYSTEM_TABLE_MAP, Schema
from ladle.schema.table import Column, Table

Ask = Callable[..., list[tuple[Any, ...]]]
_ROWS = [{"id": n, "text": "x" * 50, "list": [n, n + 1]} for n in range(300)]


@pytest.fixture(scope="module")
def expected(mysql_url: str, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Return what an undisturbed run loads."""
    name = f"ds_{uuid.uuid4().hex[:8]}"
    destination = ladle.destinations.mysql(mysql_url)
    pipeline = ladle.pipeline(
        "even", tmp_path_factory.mktemp("even"), destination=destination, dataset_name=name
    )
    pipeline.run(_ROWS, table_name="t")
    return mysql_tables(mysql_url, name)


@contextlib.contextmanager
def line(url: str, decide: Decide) -> Iterator[tuple[Proxy, str]]:
    """Run a proxy; gives it and the URL that leads through it."""
    port = urlsplit(url).port
    assert port is not None
    with Proxy(port, decide, "mysql") as proxy:
        yield proxy, url.replace(f":{port}/", f":{proxy.port}/")


def once(matches: Callable[[bytes, bytes], bool], what: str) -> Decide:
    """Do `what` at the first message that matches, and forward all others."""
    left = [what]

    def decide(kind: bytes, payload: bytes) -> str:
        return left.pop() if left and matches(kind, payload) else FORWARD

    return decide


# A line that breaks

_POINTS: dict[str, Callable[[bytes, bytes], bool]] = {
    "before the database is made": lambda kind, payload: payload.startswith(b"CREATE SCHEMA"),
    "before a table is made": lambda kind, payload: payload.startswith(b"CREATE TABLE"),
    "before rows are prepared": lambda kind, payload: kind == b"P",
    "in mid-bulk": lambda kind, payload: kind == b"B",
    "before LOAD DATA": lambda kind, payload: payload.startswith(b"LOAD DATA"),
    "in mid-LOAD": lambda kind, payload: kind == b"d",
    "at the end of LOAD": lambda kind, payload: kind == b"c",
    "before the loads row": lambda kind, payload: b"INSERT INTO" in payload and b"_dlt_loads" in payload,
    "before COMMIT": lambda kind, payload: payload.startswith(b"COMMIT"),
}


def _pipeline(url: str, dataset: str, folder: Path, **options: Any) -> Any:
    destination = replace(ladle.destinations.mysql(url), **options)
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


_ANSWERED = (
    "before a table is made", "before rows are prepared", "in mid-bulk", "at the end of LOAD", "before COMMIT",
)  # fmt: skip
_HELD = ("in mid-bulk", "in mid-LOAD", "before COMMIT")


@pytest.mark.parametrize(
    ("point", "what"),
    [*((p, CUT) for p in _POINTS), *((p, CUT_ANSWER) for p in _ANSWERED), *((p, HOLD) for p in _HELD)],
)
def test_a_broken_line_loses_and_repeats_nothing(
    point: str, what: str, expected: Any, mysql_url: str, dataset: str, tmp_path: Path, ask: Ask
) -> None:
    way = "LOAD DATA" if "LOAD" in point else "bulk"
    with going_by(way, ask), line(mysql_url, once(_POINTS[point], what)) as (proxy, url):
        pipeline = _pipeline(url, dataset, tmp_path / "work", fence_wait_s=0.1)
        failures = _run_to_the_end(pipeline)
        assert proxy.cuts == 1
    assert mysql_tables(mysql_url, dataset) == expected
    assert ask(f"SELECT count(*) FROM {dataset}._dlt_loads") == [(1,)]
    # what breaks before the commit is tried again at once; a commit that got its answer lost is found
    assert len(failures) == (point == "before COMMIT" and what != CUT_ANSWER)


def test_a_line_that_breaks_while_rows_are_sent_is_had_anew(
    mysql_url: str, dataset: str, tmp_path: Path, ask: Ask
) -> None:
    with line(mysql_url, once(_POINTS["in mid-LOAD"], CUT)) as (proxy, url):
        pipeline = _pipeline(url, dataset, tmp_path / "work", fence_wait_s=0.1)
        pipeline.run([{"n": 1, "text": "x" * 20_000_000}], table_name="t")
        assert proxy.cuts == 1
    assert ask(f"SELECT n, length(text) FROM {dataset}.t") == [(1, 20_000_000)]


@pytest.mark.parametrize(("way", "point"), [("bulk", "in mid-bulk"), ("LOAD DATA", "in mid-LOAD")])
def test_a_server_that_is_gone_is_an_error_and_the_next_run_loads(
    way: str, point: str, expected: Any, mysql_url: str, dataset: str, tmp_path: Path, ask: Ask
) -> None:
    with going_by(way, ask), line(mysql_url, once(_POINTS[point], CUT)) as (proxy, url):
        decide = proxy.decide

        def gone(kind: bytes, payload: bytes) -> str:
            decision = decide(kind, payload)
            proxy.reachable = decision == FORWARD
            return decision

        proxy.decide = gone
        pipeline = _pipeline(url, dataset, tmp_path / "work")
        with pytest.raises(DestinationError, match="cannot connect to mysql://ladle") as caught:
            pipeline.run(_ROWS, table_name="t")
        assert caught.value.hint
        proxy.reachable = True
        pipeline.run([], table_name="t")
    assert mysql_tables(mysql_url, dataset) == expected


def test_a_commit_that_nobody_can_look_for_stays_unknown_until_the_next_run(
    expected: Any, mysql_url: str, dataset: str, tmp_path: Path
) -> None:
    with line(mysql_url, lambda kind, payload: FORWARD) as (proxy, url):

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
    assert mysql_tables(mysql_url, dataset) == expected


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS[:2])
@pytest.mark.parametrize("what", [CUT, CUT_ANSWER])
def test_a_line_may_break_at_any_message(
    what: str, way: str, expected: Any, mysql_url: str, dataset: str, tmp_path: Path, ask: Ask
) -> None:
    with going_by(way, ask):
        _break_everywhere(what, expected, mysql_url, dataset, tmp_path)


def _break_everywhere(what: str, expected: Any, mysql_url: str, dataset: str, tmp_path: Path) -> None:
    seen: list[bytes] = []
    with line(mysql_url, lambda kind, payload: seen.append(kind) or FORWARD) as (_, url):
        _pipeline(url, dataset, tmp_path / "count").run(_ROWS, table_name="t")
    for number in range(2 * (what == CUT), len(seen), 7):
        left = [number]

        def counted(kind: bytes, payload: bytes, left: list[int] = left) -> bool:
            left[0] -= 1
            return left[0] < 0

        name, folder = f"{dataset}_{number}", tmp_path / str(number)
        with line(mysql_url, once(counted, what)) as (_, url):
            _run_to_the_end(_pipeline(url, name, folder, fence_wait_s=0.1))
        assert mysql_tables(mysql_url, name) == expected, f"broken at message {number}, {seen[number]!r}"


# Zombies

_TABLE = Table("t", columns={"a": Column("a", data_type="bigint")})
_BATCH = pa.record_batch({"a": pa.array([1, 2, 3])})


def _session(url: str, dataset: str, load_id: str) -> Any:
    """Return a session that only has to commit."""
    session = replace(ladle.destinations.mysql(url), fence_wait_s=0.1).open(dataset)
    assert not session.has_load(load_id)
    session.begin(_record(load_id))
    session.apply([AddTable(t) for t in (*SYSTEM_TABLE_MAP.values(), _TABLE)])
    session.append(_TABLE, _BATCH.schema, [_BATCH])
    return session


def _record(load_id: str) -> LoadRecord:
    schema = Schema("s").to_dict()
    return LoadRecord(load_id=load_id, schema=schema, pipeline="p", state=None, inserted_at=1.5)


def test_who_takes_over_a_load_keeps_its_former_holder_from_committing(
    mysql_url: str, dataset: str, ask: Ask
) -> None:
    zombie = _session(mysql_url, dataset, "1")
    heir = _session(mysql_url, dataset, "1")
    with pytest.raises((CommitFailed, CommitUnknown)):
        zombie.commit()
    heir.commit()
    for session in (zombie, heir):
        session.close()
    assert ask(f"SELECT count(*) FROM {dataset}.t") == [(3,)]


def test_a_load_of_another_dataset_with_that_id_is_left_alone(mysql_url: str, dataset: str, ask: Ask) -> None:
    one, other = (_session(mysql_url, name, "1") for name in (dataset, f"{dataset}_2"))
    one.commit()
    other.commit()
    one.close()
    other.close()
    assert ask(f"SELECT count(*) FROM {dataset}.t") == ask(f"SELECT count(*) FROM {dataset}_2.t") == [(3,)]


def test_a_load_that_was_committed_meanwhile_is_not_begun_again(mysql_url: str, dataset: str) -> None:
    late = ladle.destinations.mysql(mysql_url).open(dataset)
    assert not late.has_load("1")
    other = _session(mysql_url, dataset, "1")
    other.commit()
    other.close()
    with pytest.raises(CommitUnknown, match="meanwhile"):
        late.begin(_record("1"))
    late.close()


def test_who_waits_too_long_for_another_load_hears_which_connection_has_it(
    mysql_url: str, dataset: str
) -> None:
    holder = _session(mysql_url, dataset, "1")
    waiting = replace(ladle.destinations.mysql(mysql_url), lock_wait_s=0.05).open(dataset)
    with pytest.raises(DestinationError, match=r"connection \[\d+\]\) still holds pipeline `p`") as caught:
        waiting.begin(_record("2"))
    assert caught.value.retryable
    waiting.close()
    holder.commit()
    holder.close()


def test_what_a_session_that_gave_up_wrote_is_gone(mysql_url: str, dataset: str, ask: Ask) -> None:
    session = _session(mysql_url, dataset, "1")
    session.close()
    assert ask(f"SELECT count(*) FROM {dataset}.t") == [(0,)]
    assert ask(f"SELECT count(*) FROM {dataset}._dlt_loads") == [(0,)]


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
    destination = ladle.destinations.mysql(url)
    pipeline = ladle.pipeline(name, folder / name, destination=destination, dataset_name=dataset)
    return lambda: pipeline.run(data, table_name="t", **options)


def test_first_runs_at_once_make_one_dataset(mysql_url: str, dataset: str, tmp_path: Path, ask: Ask) -> None:
    _together(
        *(_loader(mysql_url, dataset, tmp_path, f"p{n}", [{"all": n, f"own_{n}": n}]) for n in range(5))
    )
    columns = ", ".join(f"own_{n}" for n in range(5))
    rows = ask(f"SELECT `all`, {columns} FROM {dataset}.t ORDER BY `all`")
    assert rows == [(n, *(n if k == n else None for k in range(5))) for n in range(5)]
    assert ask(f"SELECT count(*) FROM {dataset}._dlt_loads") == [(5,)]


def test_replaces_and_merges_at_once_are_as_if_one_by_one(
    mysql_url: str, dataset: str, tmp_path: Path, ask: Ask
) -> None:
    _loader(mysql_url, dataset, tmp_path, "first", [{"n": -1, "v": -1}])()
    replaces = [
        _loader(
            mysql_url,
            dataset,
            tmp_path,
            f"r{n}",
            [{"n": k, "v": n} for k in range(3)],
            write_disposition="replace",
        )
        for n in range(2)
    ]
    merges = [
        _loader(
            mysql_url, dataset, tmp_path, f"m{n}", [{"n": k, "v": 10 + n} for k in range(3)], primary_key="n",
            write_disposition={"disposition": "merge", "strategy": "upsert"},
        )
        for n in range(2)
    ]  # fmt: skip
    _together(*replaces, *merges)
    # whoever came last: one value for all keys
    assert ask(f"SELECT count(*), count(DISTINCT v) FROM {dataset}.t") == [(3, 1)]


@pytest.mark.parametrize(("way", "rows"), [("bulk", {b"P", b"B"}), ("LOAD DATA", {b"d", b"c"})])
def test_replace_never_shows_an_empty_or_half_filled_table(
    way: str, rows: set[bytes], mysql_url: str, dataset: str, tmp_path: Path, ask: Ask
) -> None:
    shown: set[Any] = set()
    watching = [False]

    def watch(kind: bytes, payload: bytes) -> str:
        if watching[0]:
            shown.add((kind, *ask(f"SELECT count(*), min(n), max(n) FROM {dataset}.t")))
        return FORWARD

    with going_by(way, ask), line(mysql_url, watch) as (_, url):
        _loader(url, dataset, tmp_path, "p", [{"n": 1}] * 500)()
        watching[0] = True
        _loader(url, dataset, tmp_path, "p", [{"n": 2}] * 700, write_disposition="replace")()
    before = {(500, 1, 1)}
    assert {b"Q", *rows} <= {kind for kind, _ in shown}
    assert {seen for kind, seen in shown if kind in rows} == before
    # after the commit, locks are released
    assert {seen for _, seen in shown} == {*before, (700, 2, 2)}


def test_two_that_wait_for_each_other_both_load(
    mysql_url: str, dataset: str, tmp_path: Path, ask: Ask
) -> None:
    def both(name: str, *tables: str) -> Callable[[], Any]:
        destination = ladle.destinations.mysql(mysql_url)
        pipeline = ladle.pipeline(name, tmp_path / name, destination=destination, dataset_name=dataset)
        made = [
            ladle.resource([{"id": 1}], name=t, primary_key="id", write_disposition="merge") for t in tables
        ]
        return lambda: [pipeline.run(made) for _ in range(3)]

    _together(both("p", "a", "b"), both("q", "b", "a"))
    for table in "ab":
        assert ask(f"SELECT count(*) FROM {dataset}.{table}") == [(1,)]


# What a server may say

_TRIGGER = """
CREATE TRIGGER {dataset}.refuse AFTER INSERT ON {dataset}.t FOR EACH ROW BEGIN
    IF nextval({dataset}.calls) <= {times} THEN
        SIGNAL SQLSTATE '{state}' SET MYSQL_ERRNO = {code}, MESSAGE_TEXT = 'refused';
    END IF;
END
"""


def _refuse(ask: Ask, dataset: str, code: int, times: int) -> None:
    ask(f"CREATE SEQUENCE {dataset}.calls")
    ask(_TRIGGER.format(dataset=dataset, times=times, code=code, state="45000"))


def test_a_conflict_is_tried_again(mysql_url: str, dataset: str, tmp_path: Path, ask: Ask) -> None:
    load = _loader(mysql_url, dataset, tmp_path, "p", [{"n": 1}])
    load()
    _refuse(ask, dataset, 1213, 2)
    load()
    assert ask(f"SELECT count(*) FROM {dataset}.t") == [(2,)]


_SAYS: dict[str, tuple[int, type[Exception], str, bool]] = {
    "disk full": (1021, DestinationError, "free disk space", False),
    "table full": (1114, DestinationError, "free disk space", False),
    "too many connections": (1040, DestinationError, "max_connections", True),
    "statement timeout": (1969, DestinationError, "max_statement_time", False),
    "read only": (1290, DestinationError, "primary", False),
    "permission denied": (1142, DestinationError, "GRANT", False),
    "unique": (1062, DataError, "unique index", False),
    "conflict without end": (1213, CommitFailed, "run again", True),
}


@pytest.mark.parametrize("name", _SAYS)
def test_what_the_server_says_becomes_advice(name: str, mysql_url: str) -> None:
    code, kind, hint, retryable = _SAYS[name]
    login = ladle.destinations.mysql(mysql_url).login
    error = explained(pymysql.err.OperationalError(code, "refused by ladle"), "writing table `t`", login)
    assert isinstance(error, kind)
    assert hint in str(error.hint)
    assert getattr(error, "retryable", False) is retryable
    assert "refused by ***" in str(error)


def test_an_error_in_mid_load_leaves_nothing_and_the_next_run_loads(
    mysql_url: str, dataset: str, tmp_path: Path, ask: Ask
) -> None:
    load = _loader(mysql_url, dataset, tmp_path, "p", [{"n": n} for n in range(500)])
    load()
    _refuse(ask, dataset, 1021, 1)
    with pytest.raises(DestinationError, match="refused"):
        load()
    assert ask(f"SELECT count(*) FROM {dataset}.t") == [(500,)]
    load()
    assert ask(f"SELECT count(*) FROM {dataset}.t") == [(1500,)]


def test_a_server_that_is_not_there_says_what_to_check() -> None:
    with pytest.raises(DestinationError, match="cannot connect") as caught:
        ladle.destinations.mysql("mysql://ladle:secret@127.0.0.1:1/").open("ds")
    assert "host and port" in str(caught.value.hint)
    assert "secret" not in str(caught.value)
