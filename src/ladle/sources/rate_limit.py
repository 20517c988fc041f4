"""A rate limit that threads, async code and resources share: for APIs that allow so many calls a second."""

from __future__ import annotations

import asyncio
import functools
import threading
import time
from collections.abc import Callable
from types import TracebackType
from urllib.parse import urlsplit

from ladle.errors import UsageError


class RateLimit:
    """Spaces calls out evenly, whoever makes them. Make one per host and share it.

    Use `limit.wait()` before a call, `await limit.wait_async()` in async code, or the limit itself in `with`
    and `async with`. Callers are served in the order they come.

    Args:
        per_second: calls allowed in a second; exactly one of the two is given.
        per_minute: calls allowed in a minute.
        burst: calls that may be made at once after a pause.
        clock: tells seconds; for tests.

    Raises:
        UsageError: the numbers aren't positive, or both or none are given.

    Example:
        >>> limit = RateLimit(per_second=5)
        >>> limit.wait()
    """

    def __init__(
        self,
        per_second: float | None = None,
        *,
        per_minute: float | None = None,
        burst: int = 1,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if (per_second is None) == (per_minute is None):
            raise UsageError("a rate limit needs one of per_second and per_minute")
        rate = per_second if per_second is not None else (per_minute or 0) / 60
        if rate <= 0 or burst < 1:
            raise UsageError(
                f"a rate limit of {rate} a second, burst {burst}, allows nothing", expected="numbers above 0"
            )
        self._interval_s = 1 / rate
        self._burst_s = (burst - 1) * self._interval_s
        self._clock = clock
        self._lock = threading.Lock()
        self._next = float("-inf")

    def reserve(self) -> float:
        """Take the next place; return how long to wait for it, in seconds."""
        with self._lock:
            now = self._clock()
            due = max(self._next, now - self._burst_s)
            self._next = due + self._interval_s
            return max(0.0, due - now)

    def wait(self) -> None:
        """Block until a call may be made."""
        delay = self.reserve()
        if delay:
            time.sleep(delay)

    async def wait_async(self) -> None:
        """Wait until a call may be made, while other tasks go on."""
        delay = self.reserve()
        if delay:
            await asyncio.sleep(delay)

    def __enter__(self) -> RateLimit:
        self.wait()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    async def __aenter__(self) -> RateLimit:
        await self.wait_async()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None


class HostRateLimits:
    """A rate limit for each host, all with the same numbers: `limits.of(url).wait()`.

    Args:
        per_second: calls allowed in a second to one host.
        per_minute: calls allowed in a minute to one host.
        burst: calls to one host that may be made at once after a pause.
    """

    def __init__(
        self, per_second: float | None = None, *, per_minute: float | None = None, burst: int = 1
    ) -> None:
        self._make = functools.partial(RateLimit, per_second, per_minute=per_minute, burst=burst)
        self._make()  # so that wrong numbers are told here
        self._lock = threading.Lock()
        self._limits: dict[str, RateLimit] = {}

    def of(self, url: str) -> RateLimit:
        """Return the limit of a URL's host."""
        host = urlsplit(url).netloc.lower() or url
        with self._lock:
            found = self._limits.get(host)
            if found is None:
                found = self._limits[host] = self._make()
            return found
