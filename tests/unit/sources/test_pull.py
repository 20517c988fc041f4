"""Many resources at once: limits, order, failures, interrupts. Nothing here waits for time to pass."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ladle
from ladle.errors import DataError, ResourceExtractionError, SourceError, UsageError
from ladle.sources.lanes import PullOptions
from ladle.sources.pull import Plain, configured, pull, turns
from ladle.sources.resource import Resource

WAIT_S = 20


def items(*resources: Resource, **options: Any) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {r.name: [] for r in resources}
    for got in pull(resources, PullOptions(**options)):
        found[got.resource.name].append(got.item)
    return found


def threads() -> set[str]:
    return {t.name for t in threading.enumerate() if t.name.startswith("ladle-")}


class Gauge:
    """Counts how many are inside at once; lets them go only once `full` are, or nobody else can come."""

    def __init__(self, full: int) -> None:
        self.full, self.inside, self.most = full, 0, 0
        self.lock = threading.Condition()
        self.opened = False

    def __call__(self) -> None:
        with self.lock:
            self.inside += 1
            self.most = max(self.most, self.inside)
            if self.inside >= self.full:
                self.opened = True
                self.lock.notify_all()
            assert self.lock.wait_for(lambda: self.opened, WAIT_S)
            self.inside -= 1


# -- limits


@pytest.mark.parametrize("workers", [1, 3])
def test_no_more_threads_than_workers(workers: int) -> None:
    gauge = Gauge(workers)

    @ladle.defer
    def work(i: int) -> int:
        gauge()
        return i

    made = ladle.resource(lambda: (work(i) for i in range(12)), name="r")
    assert items(made, workers=workers) == {"r": list(range(12))}
    assert gauge.most == workers


@pytest.mark.parametrize("most", [1, 4])
def test_no_more_awaitables_than_max_parallel_items(most: int) -> None:
    inside, seen = 0, 0

    async def work(i: int) -> int:
        nonlocal inside, seen
        inside += 1
        seen = max(seen, inside)
        if inside == most:
            full.set()
        await asyncio.wait_for(full.wait(), 20)
        inside -= 1
        return i

    full = asyncio.Event()
    made = [ladle.resource(lambda: (work(i) for i in range(10)), name=n) for n in "abc"]
    assert items(*made, max_parallel_items=most) == {n: list(range(10)) for n in "abc"}
    assert seen == most


def test_a_fast_generator_is_read_ahead_by_a_bounded_number_of_items() -> None:
    made = 0

    def fast() -> Iterator[int]:
        nonlocal made
        for i in range(10_000):
            made += 1
            yield i

    pulled = pull([ladle.resource(fast, parallelized=True)], PullOptions())
    assert next(pulled).item == 0
    event = threading.Event()
    ladle_threads = [t for t in threading.enumerate() if t.name.startswith("ladle-worker")]
    for _ in range(100):  # let the worker run as far as it may
        event.wait(0.001)
    assert ladle_threads
    assert made < 100
    pulled.close()  # type: ignore[attr-defined]


def test_an_async_generator_is_read_ahead_by_a_bounded_number_of_items() -> None:
    made = 0

    async def fast() -> AsyncIterator[int]:
        nonlocal made
        for i in range(1000):
            made += 1
            yield i

    pulled = pull([ladle.resource(fast)], PullOptions())
    first = [next(pulled).item for _ in range(100)]
    assert first == list(range(100))
    assert made < 150
    assert [p.item for p in pulled] == list(range(100, 1000))


@pytest.mark.parametrize(
    ("name", "value"),
    [("max_parallel_items", "0"), ("workers", "x"), ("workers", "-1"), ("next_item_mode", "lifo")],
)
def test_wrong_settings_are_refused(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"EXTRACT__{name.upper()}", value)
    with pytest.raises(UsageError, match=f"{value}"):
        configured()


def test_settings_and_arguments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXTRACT__WORKERS", "7")
    monkeypatch.setenv("EXTRACT__NEXT_ITEM_MODE", "fifo")
    found = configured(max_parallel_items=3)
    assert (found.workers, found.max_parallel_items, found.next_item_mode) == (7, 3, "fifo")
    assert configured(workers=2).workers == 2


def test_settings_hold_for_reading_a_resource_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EXTRACT__WORKERS", "3")
    gauge = Gauge(3)
    work = ladle.defer(lambda i: gauge() or i)
    assert list(ladle.resource(lambda: (work(i) for i in range(12)), name="r")) == list(range(12))
    assert gauge.most == 3


# -- order


def test_modes(monkeypatch: pytest.MonkeyPatch) -> None:
    def made(name: str) -> Resource:
        return ladle.resource([f"{name}{i}" for i in range(3)], name=name)

    def order(mode: Any) -> list[Any]:
        return [p.item for p in pull([made("a"), made("b")], PullOptions(next_item_mode=mode))]

    monkeypatch.setenv("EXTRACT__NEXT_ITEM_MODE", "fifo")
    source = ladle.source(lambda: [made("a"), made("b")], name="s")()
    assert list(source) == ["a0", "a1", "a2", "b0", "b1", "b2"]
    assert order("round_robin") == ["a0", "b0", "a1", "b1", "a2", "b2"]
    assert order("fifo") == order(None) == ["a0", "a1", "a2", "b0", "b1", "b2"]


def test_a_slow_resource_does_not_hold_up_the_others() -> None:
    others_done = threading.Event()

    def slow() -> Iterator[str]:
        assert others_done.wait(WAIT_S)
        yield "slow"

    async def slow_async() -> AsyncIterator[str]:
        while not others_done.is_set():
            await asyncio.sleep(0.001)
        yield "slow"

    quick = [ladle.resource(lambda: iter(range(50)), name=f"quick{i}") for i in range(3)]
    beside = ladle.resource(lambda: iter(range(50)), name="beside", parallelized=True)
    seen: dict[str, int] = {}
    resources = [ladle.resource(slow, parallelized=True), ladle.resource(slow_async), beside, *quick]
    for got in pull(resources, PullOptions()):
        seen[got.resource.name] = seen.get(got.resource.name, 0) + 1
        if sum(seen.values()) == 200:
            others_done.set()
    assert seen == {"slow": 1, "slow_async": 1, "beside": 50, "quick0": 50, "quick1": 50, "quick2": 50}


def _stage(kind: str) -> Callable[[Any], Any]:
    async def later(item: Any) -> Any:
        await asyncio.sleep(0)
        return item

    async def later_many(item: Any) -> AsyncIterator[Any]:
        yield item
        await asyncio.sleep(0)
        yield item

    def many(item: Any) -> Iterator[Any]:
        yield item
        yield item

    return {
        "plain": lambda item: item,
        "many": many,
        "page": lambda item: [item, item],
        "async": later,
        "async many": later_many,
        "deferred": ladle.defer(lambda item: item),
        "deferred many": ladle.defer(many),
    }[kind]


@settings(max_examples=60, deadline=None)
@given(
    chains=st.lists(
        st.tuples(
            st.sampled_from(["plain", "parallel", "async"]),
            st.lists(
                st.sampled_from(["plain", "many", "async", "async many", "deferred", "deferred many"]),
                max_size=3,
            ),
        ),
        min_size=1,
        max_size=4,
    ),
    most=st.integers(1, 4),
    workers=st.integers(1, 3),
    mode=st.sampled_from([None, "fifo", "round_robin"]),
)
def test_every_tree_of_pipes_is_complete_and_in_order(
    chains: Any, most: int, workers: int, mode: Any
) -> None:
    async def beside() -> AsyncIterator[int]:
        for i in range(25):
            yield i

    resources, expected = [], {}
    for number, (head, stages) in enumerate(chains):
        made: Resource = ladle.resource(
            beside if head == "async" else lambda: iter(range(25)), name=f"r{number}"
        )
        made.parallelized = head == "parallel"
        resources.append(made)
        rows = list(range(25))
        expected[made.name] = rows
        for depth, kind in enumerate(stages):
            made = made | ladle.transformer(_stage(kind), name=f"r{number}_{depth}")
            rows = [r for r in rows for _ in range(2 if "many" in kind else 1)]
            resources.append(made)
            expected[made.name] = rows
    options = {"max_parallel_items": most, "workers": workers, "next_item_mode": mode}
    assert items(*resources, **options) == expected
    assert not threads()


def test_a_thousand_resources_share_the_threads_and_are_opened_few_at_a_time() -> None:
    open_now, most_open = set(), 0

    def reading(i: int) -> Iterator[int]:
        nonlocal most_open
        open_now.add(i)
        most_open = max(most_open, len(open_now))
        yield i
        yield i
        open_now.discard(i)

    resources = [ladle.resource(reading, parallelized=i % 2 == 0)(i).with_name(f"r{i}") for i in range(1000)]
    before = threading.active_count()
    found = items(*resources)
    assert all(found[f"r{i}"] == [i, i] for i in range(1000))
    assert most_open < 50
    assert threading.active_count() == before


def test_a_plain_resource_alone_is_handed_out_as_it_is() -> None:
    rows = iter([{"a": 1}])
    (got, *_) = turns([ladle.resource(rows, name="r")])
    assert type(got) is Plain
    assert got.items is rows


# -- what comes out of items


def test_generators_without_end_are_refused() -> None:
    def nested(depth: int) -> Iterator[Any]:
        yield nested(depth - 1) if depth else 1

    assert list(ladle.resource(nested)(10)) == [1]
    with pytest.raises(UsageError, match="nested deeper than 20"):
        list(ladle.resource(nested)(30))


def test_a_resource_may_yield_another_and_a_deferred_call_may_return_a_generator() -> None:
    inner = ladle.resource([1, 2], name="inner").add_map(lambda i: i * 10)

    def outer() -> Iterator[Any]:
        yield inner
        yield ladle.defer(lambda: iter([3, 4]))()
        yield 5

    assert list(ladle.resource(outer)) == [10, 20, 3, 4, 5]


def test_steps_wait_for_items_that_are_not_settled() -> None:
    made = ladle.resource(lambda: iter([1, ladle.defer(lambda: 2)(), None, 3]), name="r")
    assert list(made.add_map(lambda i: i * 10).add_filter(lambda i: i != 30)) == [10, 20]


def test_steps_never_see_none() -> None:
    made = ladle.resource(lambda: iter([1, None, 3]), name="r")
    assert list(made.add_map(lambda i: i * 10)) == [10, 30]


def test_maps_may_be_async_for_rows_and_pages() -> None:
    async def ten_times(i: int) -> int:
        return i * 10

    assert list(ladle.resource(lambda: iter([1, [2, 3]]), name="r").add_map(ten_times)) == [10, 20, 30]


# -- failures


def _failing(kind: str) -> Resource:
    def bad(*_: Any) -> Any:
        raise KeyError("missing")

    def halfway() -> Iterator[int]:
        yield 1
        bad()

    async def halfway_async() -> AsyncIterator[int]:
        yield 1
        bad()

    async def bad_async() -> None:
        bad()

    return {
        "function": lambda: ladle.resource(bad, name="r"),
        "generator": lambda: ladle.resource(halfway, name="r"),
        "parallel": lambda: ladle.resource(halfway, name="r", parallelized=True),
        "async generator": lambda: ladle.resource(halfway_async, name="r"),
        "coroutine": lambda: ladle.resource(bad_async, name="r"),
        "deferred": lambda: ladle.resource(lambda: iter([ladle.defer(bad)()]), name="r"),
        "awaitable": lambda: ladle.resource(lambda: iter([bad_async()]), name="r"),
        "map": lambda: ladle.resource([1], name="r").add_map(bad),
        "transformer": lambda: [1] | ladle.transformer(bad, name="r"),
        "parallel transformer": lambda: [1] | ladle.transformer(bad, name="r", parallelized=True),
        "inner generator": lambda: ladle.resource(lambda: iter([halfway()]), name="r"),
    }[kind]()


@pytest.mark.parametrize(
    "kind",
    ["function", "generator", "parallel", "async generator", "coroutine", "deferred", "awaitable", "map", "transformer", "parallel transformer", "inner generator"],
)  # fmt: skip
def test_a_failure_names_the_resource_closes_generators_and_ends_threads(kind: str) -> None:
    begun, closed = set(), set()

    def endless(name: str) -> Iterator[str]:
        begun.add(name)
        try:
            while True:
                yield name
        finally:
            closed.add(name)

    async def endless_async() -> AsyncIterator[str]:
        begun.add("async")
        try:
            while True:
                yield "async"
        finally:
            closed.add("async")

    others = [
        ladle.resource(endless)("plain").with_name("plain"),
        ladle.resource(endless, parallelized=True)("parallel").with_name("parallel"),
        ladle.resource(endless_async, name="async"),
    ]
    with pytest.raises(
        ResourceExtractionError, match="resource `r` failed with KeyError: 'missing'"
    ) as caught:
        for _ in pull([*others, _failing(kind)], PullOptions(next_item_mode="round_robin")):
            pass
    assert isinstance(caught.value, SourceError)
    assert isinstance(caught.value.__cause__, KeyError)
    assert caught.value.resource == "r"
    assert closed == begun
    assert "plain" in closed
    assert not threads()


def test_errors_of_ours_pass_and_get_the_resource() -> None:
    def bad(_: Any) -> None:
        raise DataError("wrong value")

    with pytest.raises(DataError) as caught:
        list(ladle.resource([1], name="r").add_map(bad))
    assert caught.value.resource == "r"


def test_leaving_early_closes_everything() -> None:
    closed: list[str] = []

    def endless() -> Iterator[int]:
        try:
            while True:
                yield 1
        finally:
            closed.append("it")

    for kind in (False, True):
        pulled = pull([ladle.resource(endless, parallelized=kind)], PullOptions())
        next(pulled)
        pulled.close()  # type: ignore[attr-defined]
    assert closed == ["it", "it"]
    assert not threads()


def test_a_coroutine_that_a_limit_cuts_off_is_closed_not_forgotten(recwarn: pytest.WarningsRecorder) -> None:
    async def work() -> int:
        return 1

    def failing() -> Iterator[Any]:
        for _ in range(5):
            yield work()
        raise KeyError

    with pytest.raises(ResourceExtractionError):
        items(ladle.resource(failing, name="r"), max_parallel_items=1)
    import gc

    gc.collect()
    assert not [w for w in recwarn if "never awaited" in str(w.message)]


def test_a_coroutine_that_cancels_itself_is_an_error_of_the_resource() -> None:
    async def work() -> int:
        raise asyncio.CancelledError

    with pytest.raises(ResourceExtractionError, match="it was cancelled"):
        items(ladle.resource(lambda: iter([work()]), name="r"))


_INTERRUPTED = """
import os, signal, sys, threading, time
import ladle

def endless(name):
    try:
        while True:
            yield name
    finally:
        print("closed", name, flush=True)

def stuck():
    yield 1
    print("stuck", flush=True)
    while True:
        time.sleep(0.05)
        if HOLD == "once" and interrupted.is_set():
            return

interrupted = threading.Event()
HOLD = sys.argv[1]
resources = [ladle.resource(endless)("plain").with_name("plain"), ladle.resource(stuck, parallelized=True)]

def note(signum, frame):
    interrupted.set()
    raise KeyboardInterrupt

signal.signal(signal.SIGINT, note)
source = ladle.source(lambda: resources, name="s")()
try:
    for _ in source:
        pass
except KeyboardInterrupt:
    print("interrupted", [t.name for t in threading.enumerate() if t.name.startswith("ladle-")], flush=True)
    sys.exit(3)
"""


@pytest.mark.skipif(os.name == "nt", reason="signals are sent to a process of its own")
@pytest.mark.parametrize("presses", ["once", "twice"])
def test_ctrl_c(presses: str, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(_INTERRUPTED)
    with subprocess.Popen([sys.executable, script, presses], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "stuck\n"
        process.send_signal(signal.SIGINT)
        if presses == "twice":
            # The worker never ends: only the second one does.
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(0.5)
            process.send_signal(signal.SIGINT)
        rest = process.stdout.read()
        assert process.wait(WAIT_S) == 3
    if presses == "once":
        assert "closed plain" in rest
        assert "interrupted []" in rest
    else:
        assert "interrupted" in rest


_RUN_INTERRUPTED = """
import sys, threading
import ladle

def endless(name):
    try:
        number = 0
        while True:
            number += 1
            if number == 5_000:
                print("going", flush=True)
            yield {"name": name, "number": number}
    finally:
        print("closed", name, flush=True)

made = ladle.resource(endless)
source = ladle.source(lambda: [made("a").with_name("a"), made("b").with_name("b").parallelize()], name="s")()
pipeline = ladle.pipeline("p", sys.argv[1], destination=ladle.destinations.duckdb(sys.argv[1] + "/p.duckdb"))
try:
    pipeline.run(source)
except KeyboardInterrupt:
    left = [t.name for t in threading.enumerate() if t is not threading.main_thread()]
    print("interrupted", left, pipeline.has_pending_data, pipeline.first_run, flush=True)
    sys.exit(3)
"""


@pytest.mark.skipif(os.name == "nt", reason="signals are sent to a process of its own")
def test_ctrl_c_in_a_run_leaves_nothing_behind(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(_RUN_INTERRUPTED)
    with subprocess.Popen([sys.executable, script, tmp_path], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "going\n"
        process.send_signal(signal.SIGINT)
        rest = process.stdout.read()
        assert process.wait(WAIT_S) == 3
    assert "closed a" in rest
    assert "closed b" in rest
    assert "interrupted [] False True" in rest


def test_a_failure_while_generators_are_closed_hides_neither_the_error_nor_the_other_generators() -> None:
    closed = list[str]()

    def opened(name: str, fails: bool) -> Iterator[int]:
        try:
            yield from range(100)
        finally:
            closed.append(name)
            if fails:
                raise RuntimeError("cleanup")

    def failing() -> Iterator[int]:
        yield 1
        raise ValueError("real")

    made = [
        ladle.resource(opened("a", True), name="a"),
        ladle.resource(opened("b", False), name="b"),
        ladle.resource(failing, name="c"),
    ]
    with pytest.raises(ResourceExtractionError, match="resource `c` failed with ValueError: real"):
        list(pull(made, PullOptions(next_item_mode="round_robin")))
    assert sorted(closed) == ["a", "b"]
