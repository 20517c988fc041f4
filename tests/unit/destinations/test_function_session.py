"""Loads into functions: order, concurrency, retries, what an error tells, and where the next run goes on."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

import ladle
from ladle.destinations import function_session
from ladle.errors import DestinationError, DestinationTerminalException, DestinationTransientException

WAIT_S = 10.0
Many = dict[str, int]


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(function_session, "_PAUSE_S", 0.0)


def source(rows: Many) -> Any:
    """Return a source with a resource per table, rows counted from 0."""
    made = [ladle.resource([{"n": i} for i in range(count)], name=name) for name, count in rows.items()]
    return ladle.source(lambda: made, name="s")()


def pipeline(sink: Any, folder: Path) -> ladle.Pipeline:
    return ladle.pipeline("p", folder, destination=sink)


class Failing:
    """Notes the first row of each batch by table; fails at one of them as long as `error` is set."""

    def __init__(self, table: str, row: int, error: Exception | None) -> None:
        self.at = (table, row)
        self.error = error
        self.calls: list[tuple[str, int]] = []
        self.ids: list[str] = []

    def __call__(self, items: Any, table: Any, batch_id: str) -> None:
        call = (table["name"], items[0]["n"])
        self.calls.append(call)
        self.ids.append(batch_id)
        if call == self.at and self.error is not None:
            raise self.error


def sink_of(failing: Failing, **options: Any) -> Any:
    return ladle.destination(failing, name="crm", batch_size=2, **options)


def test_the_next_run_goes_on_with_the_batch_that_failed(tmp_path: Path) -> None:
    failing = Failing("a", 2, DestinationTerminalException("no"))
    sink = sink_of(failing, loader_parallelism_strategy="sequential")
    p = pipeline(sink, tmp_path)
    with pytest.raises(DestinationTerminalException) as caught:
        p.run(source({"a": 6, "b": 2}))
    assert failing.calls == [("a", 0), ("a", 2)]
    facts = caught.value.facts
    assert (facts["table"], facts["batch"], facts["rows"], facts["tries"]) == ("a", 1, "2-3", 1)
    assert caught.value.step == "load"
    lines = str(caught.value).splitlines()
    assert len(lines) <= 4
    assert lines[0] == "function `crm` failed with DestinationTerminalException: no"
    assert p.has_pending_data

    failing.error = None
    failing.calls.clear()
    info = p.run()
    assert failing.calls == [("a", 2), ("a", 4), ("b", 0)]
    assert info.load_packages[0].rows["a"] == 6
    assert not p.has_pending_data
    assert failing.ids[1] == failing.ids[2] == f"{info.loads_ids[0]}.a.2-3"
    assert len(set(failing.ids)) == 4


def test_any_other_exception_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    failing = Failing("a", 0, ValueError("two\nlines"))
    with pytest.raises(DestinationTransientException) as caught:
        pipeline(sink_of(failing), tmp_path).run(source({"a": 3}))
    assert failing.calls == [("a", 0)] * 5
    assert caught.value.retryable
    assert caught.value.exception is failing.error
    assert "ValueError: two\\nlines" in str(caught.value)
    monkeypatch.setenv("LOAD__RAISE_ON_MAX_RETRIES", "2")
    failing.calls.clear()
    with pytest.raises(DestinationTransientException):
        pipeline(sink_of(failing), tmp_path).run()
    assert failing.calls == [("a", 0)] * 2


def test_a_try_that_goes_well_is_enough(tmp_path: Path) -> None:
    calls = []

    @ladle.destination
    def sink(items: Any, table: Any) -> None:
        calls.append(len(items))
        if len(calls) < 3:
            raise ConnectionError

    pipeline(sink, tmp_path).run(source({"a": 3}))
    assert calls == [3, 3, 3]


def test_a_wrong_call_is_not_tried_again(tmp_path: Path) -> None:
    failing = Failing("a", 0, ladle.errors.ConfigError("no key"))
    with pytest.raises(DestinationTerminalException):
        pipeline(sink_of(failing), tmp_path).run(source({"a": 3}))
    assert len(failing.calls) == 1


def test_nothing_is_given_again_after_a_kill_before_the_end(tmp_path: Path) -> None:
    calls: list[Any] = []

    def stop(event: Any) -> None:
        if event == ladle.events.Durable("load.commit", done=True):
            raise KeyboardInterrupt

    @ladle.destination(skip_dlt_columns_and_tables=False)
    def sink(items: Any, table: Any) -> None:
        calls.append(table["name"])

    with pytest.raises(KeyboardInterrupt):
        ladle.pipeline("p", tmp_path, destination=sink, progress=stop).run(source({"a": 3}))
    assert calls == ["a", "_dlt_pipeline_state"]
    info = pipeline(sink, tmp_path).run()
    assert len(info.loads_ids) == 1
    assert len(calls) == 2


def test_another_batch_size_goes_on_at_the_row(tmp_path: Path) -> None:
    failing = Failing("a", 2, DestinationTerminalException("no"))
    with pytest.raises(DestinationError):
        pipeline(sink_of(failing), tmp_path).run(source({"a": 9}))
    failing.error = None
    failing.calls.clear()
    pipeline(sink_of(failing)(batch_size=3), tmp_path).run()
    assert failing.calls == [("a", 2), ("a", 5), ("a", 8)]


@pytest.mark.parametrize(
    ("strategy", "rows"),
    [("parallel", {"a": 2}), ("parallel", {"a": 1, "b": 1}), ("table-sequential", {"a": 1, "b": 1}),
     (None, {"a": 1, "b": 1})],
)  # fmt: skip
def test_calls_run_at_once(strategy: str | None, rows: Many, tmp_path: Path) -> None:
    together = threading.Barrier(2, timeout=WAIT_S)

    @ladle.destination(batch_size=1, loader_parallelism_strategy=strategy)
    def sink(items: Any, table: Any) -> None:
        together.wait()

    pipeline(sink, tmp_path).run(source(rows))


class Counting:
    """Counts calls that run at once; `most` of them wait for each other."""

    def __init__(self, most: int) -> None:
        self.together = threading.Barrier(most, timeout=WAIT_S)
        self.lock = threading.Lock()
        self.running: list[str] = []
        self.highest = 0
        self.of_a_table = 0
        self.order: list[tuple[str, int]] = []

    def __call__(self, items: Any, table: Any) -> None:
        name = table["name"]
        with self.lock:
            self.running.append(name)
            self.order.append((name, items[0]["n"]))
            self.highest = max(self.highest, len(self.running))
            self.of_a_table = max(self.of_a_table, self.running.count(name))
        self.together.wait()
        with self.lock:
            self.running.remove(name)


@pytest.mark.parametrize(
    ("strategy", "most", "rows"),
    [("parallel", 3, {"a": 3, "b": 3, "c": 3}), ("parallel", 2, {"a": 6}), ("table-sequential", 2, {"a": 3, "b": 3}),
     ("sequential", 1, {"a": 3, "b": 3})],
)  # fmt: skip
def test_never_more_than_asked_for(strategy: str, most: int, rows: Many, tmp_path: Path) -> None:
    counting = Counting(most)
    sink = ladle.destination(
        counting, name="s", batch_size=1, loader_parallelism_strategy=strategy, max_parallel_load_jobs=most
    )
    info = pipeline(sink, tmp_path).run(source(rows))
    assert counting.highest == most
    assert {n: c for n, c in info.load_packages[0].rows.items() if n in rows} == rows
    if strategy != "parallel":
        assert counting.of_a_table == 1
        for table, count in rows.items():
            assert [n for name, n in counting.order if name == table] == list(range(count))


@pytest.mark.parametrize(
    ("strategy", "bad", "rows"),
    [("parallel", ("a", 1), {"a": 50}), ("table-sequential", ("b", 0), {"a": 50, "b": 1})],
)
def test_a_failure_stops_the_others_and_is_the_one_told(
    strategy: str, bad: Any, rows: Many, tmp_path: Path
) -> None:
    failed, calls = threading.Event(), []

    @ladle.destination(batch_size=1, loader_parallelism_strategy=strategy, max_parallel_load_jobs=2)
    def sink(items: Any, table: Any) -> None:
        if (table["name"], items[0]["n"]) == bad:
            failed.set()
            raise DestinationTerminalException("it is full")
        assert failed.wait(WAIT_S)
        while not session_stopped():
            pass
        calls.append(items[0]["n"])

    stopped: list[threading.Event] = []
    original = function_session.FunctionSession.begin

    def session_stopped() -> bool:
        return stopped[-1].is_set()

    def begin(self: Any, record: Any) -> None:
        stopped.append(self._stopped)
        original(self, record)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(function_session.FunctionSession, "begin", begin)
        with pytest.raises(DestinationTerminalException, match="it is full"):
            pipeline(sink, tmp_path).run(source(rows))
    assert len(calls) <= 2  # those that ran, no more


def test_gaps_that_parallel_calls_leave_are_filled(tmp_path: Path) -> None:
    first_done, calls = threading.Event(), []
    healthy = threading.Event()

    @ladle.destination(batch_size=1, loader_parallelism_strategy="parallel", max_parallel_load_jobs=2)
    def sink(items: Any, table: Any) -> None:
        row = items[0]["n"]
        calls.append(row)
        if row == 0 and not healthy.is_set():
            assert first_done.wait(WAIT_S)
            raise DestinationTerminalException("no")
        if row == 2:
            first_done.set()  # by now row 1 is noted: row 2 began on its thread, or after it

    with pytest.raises(DestinationTerminalException):
        pipeline(sink, tmp_path).run(source({"a": 3}))
    before = set(calls)
    healthy.set()
    calls.clear()
    pipeline(sink, tmp_path).run()
    assert calls[0] == 0
    assert before == {0, 1, 2}
    assert 1 not in calls
