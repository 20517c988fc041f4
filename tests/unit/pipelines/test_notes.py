"""What code notes while it runs: with its package, in the trace; and how much of it runs at once."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.loading import Site

import ladle
from ladle.errors import DestinationError, UsageError


@ladle.resource
def rows() -> Iterator[Any]:
    ladle.current.load_package_state()["seen"] = "by the resource"
    ladle.current.resource_metrics()["pages"] = 1
    yield [{"a": 1}, {"a": 2}]


def test_what_a_resource_notes_stays_with_its_package(tmp_path: Path) -> None:
    p = Site.in_memory(tmp_path).pipeline()
    info = p.run(rows)
    assert p.get_load_package_state(info.loads_ids[0]) == {"seen": "by the resource"}
    assert p.last_trace is not None
    [metrics] = p.last_trace.last_extract_info.metrics[info.loads_ids[0]]  # type: ignore[union-attr]
    assert metrics["custom_metrics"] == {"rows": {"pages": 1}}
    with pytest.raises(UsageError, match="load package"):
        p.get_load_package_state("17")


def test_what_a_destination_notes_is_kept_where_the_load_fails(tmp_path: Path) -> None:
    calls = list[dict[str, Any]]()

    @ladle.destination(batch_size=1, max_parallel_load_jobs=1)
    def sink(items: Any, table: Any) -> None:
        state = ladle.current.destination_state()
        calls.append(dict(state))
        state["calls"] = state.get("calls", 0) + 1
        if len(calls) == 2:
            raise ladle.errors.DestinationTerminalException("full")

    p = ladle.pipeline("p", tmp_path, destination=sink)
    with pytest.raises(DestinationError):
        p.run(rows)
    p.run()
    assert calls == [{}, {"calls": 1}, {"calls": 2}]
    [load_id] = p.list_completed_load_packages()
    assert p.get_load_package_state(load_id) == {
        "seen": "by the resource",
        "destination_state": {"calls": 3},
    }


def test_extract_takes_how_many_run_at_once(tmp_path: Path) -> None:
    at_once, most, lock = [0], [0], threading.Lock()

    @ladle.resource
    def slow() -> Iterator[Any]:
        for n in range(12):

            @ladle.defer
            def work(number: int = n) -> Any:
                with lock:
                    at_once[0] += 1
                    most[0] = max(most[0], at_once[0])
                with lock:
                    at_once[0] -= 1
                return {"n": number}

            yield work()

    p = Site.in_memory(tmp_path).pipeline()
    p.extract(slow, max_parallel_items=1, workers=1)
    assert most == [1]
    with pytest.raises(UsageError, match="workers"):
        p.extract(slow, workers=0)
