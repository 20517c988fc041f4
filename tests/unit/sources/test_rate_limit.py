"""A rate limit counts places on its clock; no test waits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from ladle.errors import UsageError
from ladle.sources.rate_limit import HostRateLimits, RateLimit


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize("rate", [{"per_second": 5}, {"per_minute": 300}])
def test_calls_are_spaced_evenly(rate: dict[str, float]) -> None:
    limit = RateLimit(**rate, clock=Clock())
    assert [round(limit.reserve(), 3) for _ in range(4)] == [0, 0.2, 0.4, 0.6]


def test_a_pause_is_made_up_for_by_a_burst_at_most() -> None:
    clock = Clock()
    limit = RateLimit(per_second=10, burst=3, clock=clock)
    assert [round(limit.reserve(), 3) for _ in range(4)] == [0, 0, 0, 0.1]
    clock.now += 1000
    assert [round(limit.reserve(), 3) for _ in range(4)] == [0, 0, 0, 0.1]


def test_threads_share_the_places() -> None:
    limit = RateLimit(per_second=1, clock=Clock())
    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(lambda _: limit.reserve(), range(100))) == [float(i) for i in range(100)]


def test_waiting_in_threads_and_async_code(monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []
    monkeypatch.setattr("ladle.sources.rate_limit.time.sleep", slept.append)

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr("ladle.sources.rate_limit.asyncio.sleep", sleep)
    limit = RateLimit(per_second=2, clock=Clock())
    with limit:
        limit.wait()

    async def both() -> None:
        async with limit:
            await limit.wait_async()

    asyncio.run(both())
    assert slept == [0.5, 1.0, 1.5]


@pytest.mark.parametrize("make", [lambda: RateLimit(), lambda: RateLimit(1, per_minute=1), lambda: RateLimit(0), lambda: RateLimit(1, burst=0), lambda: HostRateLimits(-1)])  # fmt: skip
def test_wrong_numbers_are_refused(make: Callable[[], Any]) -> None:
    with pytest.raises(UsageError, match="rate limit"):
        make()


def test_each_host_has_its_own() -> None:
    limits = HostRateLimits(per_second=5)
    assert limits.of("https://API.example.com/a") is limits.of("https://api.example.com/b?x=1")
    assert limits.of("https://api.example.com") is not limits.of("https://other.example.com")
