"""Run a Normalizer beside extract, or in its pauses: whichever keeps the processor at work."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Sequence

import pyarrow as pa

from ladle.errors import LadleError
from ladle.normalize.run import Normalizer
from ladle.package.raw import is_frame
from ladle.package.store import Package
from ladle.schema.schema import Schema
from ladle.schema.table import Table

_QUEUED_BATCHES = 2
_BUSY = 0.25
"""Share of the time computed, from which on a source counts as busy: waits for disks and cores are in it."""

_Item = tuple[str, str, pa.RecordBatch] | tuple[Sequence[Table]]


class BackgroundNormalizer:
    """Feeds batches to a Normalizer, in order: on a thread of its own while the source is waited for.

    Rows that come as fast as they can be converted are normalised by who puts them. Two threads of Python
    would take turns in it, each waiting for the other at every call into Arrow: no sooner done, and the
    engine that loads beside them gets less of the processor. Frames come without Python's help.

    The thread starts with the first batch for it. At most two batches wait: `put` then blocks until one is
    done.
    """

    def __init__(self, normalizer: Normalizer) -> None:
        self._normalizer = normalizer
        self._queue: queue.Queue[_Item | None] = queue.Queue(_QUEUED_BATCHES)
        self._error: BaseException | None = None
        self._thread: threading.Thread | None = None
        self._since = (time.perf_counter(), time.thread_time())

    @property
    def is_anew(self) -> bool:
        """Whether `finish` normalised all from the raw files once more."""
        return self._normalizer.is_anew

    def put(self, resource: str, root: str, batch: pa.RecordBatch) -> None:
        """Hand over one raw batch, always from one thread.

        Raises:
            DataError: an earlier batch failed.
        """
        self._raise()
        if is_frame(batch.schema) or not self._was_busy():
            self._hand_over((resource, root, batch))
        else:
            self._do_here((resource, root, batch))
        self._since = time.perf_counter(), time.thread_time()

    def _was_busy(self) -> bool:
        """Whether the thread that puts has computed since the last batch, rather than waited."""
        wall_s, busy_s = time.perf_counter() - self._since[0], time.thread_time() - self._since[1]
        return busy_s >= _BUSY * wall_s

    def declare(self, tables: Sequence[Table]) -> None:
        """Hand over tables as they are declared from here on, before the batches that need them.

        Raises:
            DataError: an earlier batch failed.
        """
        self._raise()
        self._do_here((tables,))

    def _do_here(self, item: _Item) -> None:
        self._queue.join()
        if self._error is None:
            self._do(item)
        if not isinstance(self._error, Exception):
            self._raise()  # Ctrl-C

    def _hand_over(self, item: _Item) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="ladle-normalize", daemon=True)
            self._thread.start()
        self._queue.put(item)

    def _work(self) -> None:
        while (item := self._queue.get()) is not None:
            if self._error is None:
                self._do(item)
            self._queue.task_done()

    def _do(self, item: _Item) -> None:
        try:
            if len(item) == 1:
                self._normalizer.declare(item[0])
            else:
                self._normalizer.feed(*item)
        except BaseException as error:  # noqa: BLE001 - handed to the thread that puts
            if isinstance(error, LadleError):
                error.with_facts(step="normalize")
            self._error = error

    def _raise(self) -> None:
        if self._error is not None:
            raise self._error

    def _join(self) -> None:
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join()
            self._thread = None

    def drain(self, package: Package | None = None) -> None:
        """Wait until all batches are done, so that an error shows before extract is sealed.

        Args:
            package: as extract made it; default as it was when the Normalizer was made.

        Raises:
            TooManyRejects: more was refused than is allowed.
            DataError: a batch failed, or a key column had no value.
        """
        self._join()
        self._raise()
        try:
            self._normalizer.check(package)
        except LadleError as error:
            raise error.with_facts(step="normalize") from None

    def finish(self, package: Package, stored: Schema | None) -> Package:
        """Seal the ready stage of `package`, which extract has sealed."""
        return self._normalizer.finish(package, stored)

    def abandon(self) -> None:
        """Stop after a failure; nothing is sealed."""
        self._join()
        self._normalizer.abandon()
