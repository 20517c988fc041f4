"""Items made beside the main thread: by worker threads and on an event loop, into bounded buffers.

A feed has a slot while it works. It stops and gives the slot back when its buffer is full, so the number of
slots limits what runs at once, and a feed that nobody drains never keeps another from running.
"""

from __future__ import annotations

import contextlib
import inspect
import queue
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextvars import Context
from typing import TYPE_CHECKING, Any, Protocol

from ladle.sources.steps import Deferred

if TYPE_CHECKING:
    import asyncio

# asyncio is imported where a loop is made or runs: it takes longer than all the rest.
BUFFER_ITEMS = 16
_SLICE_S = 0.02
END = object()
"""Nothing more will come."""
WAIT = object()
"""Nothing is there now."""


class Feed(Protocol):
    """Items made elsewhere, taken in order.

    `news(feed, stopped)` is called from the other thread whenever items were added, and when it stops
    working.
    """

    news: Callable[[Feed, bool], None]
    resumes: bool

    def start(self, crew: Crew) -> None:
        """Work, or go on working after a stop."""

    def take(self) -> Any:
        """Return the next item, WAIT or END; raise what went wrong there."""

    def wants_slot(self) -> bool:
        """Whether it has stopped, has more to give, and has room for it."""

    def cancel(self) -> None:
        """Stop as soon as possible; `close` may follow once all threads have ended."""

    def close(self) -> None:
        """Close what was never run to its end."""


class Buffer:
    """Items on their way from one thread to another; `ended` is set after the last one was added."""

    def __init__(self) -> None:
        self.items: deque[Any] = deque()
        self.ended = False
        self.error: BaseException | None = None

    def take(self) -> Any:
        """Return the next item, WAIT or END; raise the error that ended it."""
        ended = self.ended  # looked at first: an item added in between isn't missed
        if self.items:
            return self.items.popleft()
        if not ended:
            return WAIT
        if self.error is not None:
            error, self.error = self.error, None
            raise error
        return END


class ThreadFeed:
    """Runs a deferred call in a worker thread, and iterates over what it returns if that is asked for.

    The worker pulls items for a short time, then takes its place at the end of the queue of all feeds.
    """

    def __init__(self, deferred: Deferred, context: Context, news: Callable[[Feed, bool], None]) -> None:
        self.news = news
        self.resumes = False
        self._deferred = deferred
        self._context = context
        self._buffer = Buffer()
        self._iterator: Iterator[Any] | None = None
        self._working = False
        self._cancelled = False

    def start(self, crew: Crew) -> None:
        """Work, or go on working after a stop."""
        self._working = self.resumes = True
        crew.submit(self._work)

    def take(self) -> Any:
        """Return the next item, WAIT or END; raise what went wrong there."""
        return self._buffer.take()

    def wants_slot(self) -> bool:
        """Whether it has stopped, has more to give, and has room for it."""
        return not self._working and not self._buffer.ended and len(self._buffer.items) < BUFFER_ITEMS // 2

    def cancel(self) -> None:
        """Stop as soon as possible."""
        self._cancelled = True

    def close(self) -> None:
        """Close what was never run to its end."""
        if hasattr(self._iterator, "close"):
            self._iterator.close()  # type: ignore[union-attr]

    def _work(self, crew: Crew) -> None:
        try:
            more = not self._cancelled and self._context.run(self._pull)
        except BaseException as exc:  # noqa: BLE001 - raised where the items are taken
            self._buffer.error = exc
            more = False
        if not more:
            self._buffer.ended = True
        elif len(self._buffer.items) < BUFFER_ITEMS:
            self.news(self, False)
            crew.submit(self._work)
            return
        self._working = False
        self.news(self, True)

    def _pull(self) -> bool:
        """Add items for a while; return whether there are more."""
        began = time.monotonic()
        items = self._buffer.items
        if self._iterator is None:
            made = self._deferred()
            if not self._deferred.spread or not is_iterator(made):
                items.append(made)
                return False
            self._iterator = made
        for item in self._iterator:
            items.append(item)
            if len(items) >= BUFFER_ITEMS or self._cancelled or time.monotonic() - began > _SLICE_S:
                return True
        return False


class AsyncFeed:
    """Runs an awaitable or an async generator on the event loop, as one task from beginning to end."""

    def __init__(
        self, work: Awaitable[Any] | AsyncIterator[Any], context: Context, news: Callable[[Feed, bool], None]
    ) -> None:
        self.news = news
        self.resumes = False
        self._source = work
        self._context = context
        self._buffer = Buffer()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._room: asyncio.Event | None = None
        self._working = False

    def start(self, crew: Crew) -> None:
        """Work, or go on working after a stop."""
        self._working = True
        if self._room is not None and self._loop is not None:
            self._loop.call_soon_threadsafe(self._room.set)
            return
        self.resumes = True
        self._loop = crew.loop()
        self._loop.call_soon_threadsafe(self._begin, context=self._context)

    def _begin(self) -> None:
        assert self._loop is not None
        self._task = self._loop.create_task(self._work(), context=self._context)

    def take(self) -> Any:
        """Return the next item, WAIT or END; raise what went wrong there."""
        return self._buffer.take()

    def wants_slot(self) -> bool:
        """Whether it has stopped, has more to give, and has room for it."""
        return not self._working and not self._buffer.ended and len(self._buffer.items) < BUFFER_ITEMS // 2

    def cancel(self) -> None:
        """Stop as soon as possible."""
        if self._task is not None and self._loop is not None:
            self._loop.call_soon_threadsafe(self._task.cancel)

    def close(self) -> None:
        """Close what was never run to its end."""
        if not self.resumes and inspect.iscoroutine(self._source):
            self._source.close()  # never awaited, and not to be

    async def _work(self) -> None:
        try:
            if isinstance(self._source, AsyncIterator):
                await self._iterate(self._source)
            else:
                self._buffer.items.append(await self._source)
        except BaseException as exc:  # noqa: BLE001 - raised where the items are taken
            cancelled = type(exc).__name__ == "CancelledError"
            self._buffer.error = RuntimeError("it was cancelled") if cancelled else exc
        self._buffer.ended = True
        self._working = False
        self.news(self, True)

    async def _iterate(self, source: AsyncIterator[Any]) -> None:
        import asyncio

        items = self._buffer.items
        try:
            async for item in source:
                items.append(item)
                if len(items) >= BUFFER_ITEMS:
                    self._room = asyncio.Event()
                    self._working = False
                    self.news(self, True)
                    await self._room.wait()
                else:
                    self.news(self, False)
        finally:
            if hasattr(source, "aclose"):
                await source.aclose()


def is_iterator(made: Any) -> bool:
    """Whether this yields items, one by one."""
    return hasattr(made, "__next__") and not hasattr(made, "__arrow_c_stream__")


class Crew:
    """Worker threads and an event loop thread, each made when first needed. All are daemons.

    Args:
        workers: the most threads.
    """

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._jobs: queue.SimpleQueue[Callable[[Crew], None] | None] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._idle = 0
        self._lock = threading.Lock()
        self._stopped = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._loop_thread: threading.Thread | None = None

    def submit(self, job: Callable[[Crew], None]) -> None:
        """Run `job` in a worker thread, when one is free; not at all once the crew was told to stop."""
        with self._lock:
            if self._stopped:
                return
            if self._idle == 0 and len(self._threads) < self._workers:
                thread = threading.Thread(
                    target=self._run, name=f"ladle-worker-{len(self._threads)}", daemon=True
                )
                self._threads.append(thread)
                thread.start()
            else:
                self._idle = max(0, self._idle - 1)
        self._jobs.put(job)

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            job(self)
            with self._lock:
                self._idle += 1

    def loop(self) -> asyncio.AbstractEventLoop:
        """Return the event loop, which runs in its own thread."""
        if self._loop is None:
            import asyncio

            self._loop = asyncio.new_event_loop()
            self._loop_thread = threading.Thread(
                target=self._loop.run_forever, name="ladle-loop", daemon=True
            )
            self._loop_thread.start()
        return self._loop

    def stop(self) -> None:
        """End all threads, after what they are doing now; a second Ctrl-C doesn't wait for them."""
        with self._lock:
            # A job that is under way may want to go on: it must not start one more thread now.
            self._stopped = True
        for _ in self._threads:
            self._jobs.put(None)
        loop, thread = self._loop, self._loop_thread
        if loop is not None and thread is not None:
            import asyncio

            done = asyncio.run_coroutine_threadsafe(_cancel_all(loop), loop)
            with contextlib.suppress(asyncio.CancelledError):
                done.result()
            loop.call_soon_threadsafe(loop.stop)
            _join(thread)
            loop.close()
        for worker in self._threads:
            _join(worker)


async def _cancel_all(loop: asyncio.AbstractEventLoop) -> None:
    import asyncio

    tasks = [t for t in asyncio.all_tasks(loop) if t is not asyncio.current_task()]
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await loop.shutdown_asyncgens()


def _join(thread: threading.Thread) -> None:
    while thread.is_alive():
        thread.join(0.2)  # with a timeout, so that Ctrl-C is heard on all systems
