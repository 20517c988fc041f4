"""Do work a little later, on a thread beside: in order, with its failures told to who asked for it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any


class Behind:
    """Calls functions in order on one thread, which starts with the first of them.

    Args:
        name: of the thread.
        most: calls that may wait; then `call` blocks until one is done.
    """

    def __init__(self, name: str, most: int) -> None:
        self._name = name
        self._most = most
        self._pool: ThreadPoolExecutor | None = None
        self._calls: deque[Future[Any]] = deque()

    @property
    def began(self) -> bool:
        """Whether it has a thread."""
        return self._pool is not None

    def call(self, function: Callable[..., object], *args: Any) -> None:
        """Have a function called after all those before it.

        Raises:
            BaseException: what an earlier call raised.
        """
        if self._pool is None:
            self._pool = ThreadPoolExecutor(1, self._name)
        while self._calls and (self._calls[0].done() or len(self._calls) > self._most):
            self._calls.popleft().result()
        self._calls.append(self._pool.submit(function, *args))

    def settle(self) -> None:
        """Wait until all calls are done.

        Raises:
            BaseException: what the first of them that failed raised.
        """
        while self._calls:
            self._calls.popleft().result()

    def close(self) -> None:
        """End the thread; what hasn't begun is not called, what failed is not told. Safe to repeat."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
            wait([call for call in self._calls if not call.cancelled()])
            self._pool = None
        self._calls.clear()
