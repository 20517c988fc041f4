"""Run a Normalizer beside extract: a slow source doesn't leave it idle, a fast one doesn't fill memory."""

from __future__ import annotations

import queue
import threading
from collections.abc import Sequence

import pyarrow as pa

from ladle.errors import LadleError
from ladle.normalize.run import Normalizer
from ladle.package.store import Package
from ladle.schema.schema import Schema
from ladle.schema.table import Table

_QUEUED_BATCHES = 2
_Item = tuple[str, str, pa.RecordBatch] | tuple[Sequence[Table]]


class BackgroundNormalizer:
    """Feeds batches to a Normalizer on a thread of its own, in order.

    The thread starts with the first batch. At most two batches wait: `put` then blocks until one is done.
    """

    def __init__(self, normalizer: Normalizer) -> None:
        self._normalizer = normalizer
        self._queue: queue.Queue[_Item | None] = queue.Queue(_QUEUED_BATCHES)
        self._error: BaseException | None = None
        self._thread: threading.Thread | None = None

    def put(self, resource: str, root: str, batch: pa.RecordBatch) -> None:
        """Hand over one raw batch.

        Raises:
            DataError: an earlier batch failed.
        """
        self._hand_over((resource, root, batch))

    def declare(self, tables: Sequence[Table]) -> None:
        """Hand over tables as they are declared from here on, before the batches that need them.

        Raises:
            DataError: an earlier batch failed.
        """
        self._hand_over((tables,))

    def _hand_over(self, item: _Item) -> None:
        self._raise()
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="ladle-normalize", daemon=True)
            self._thread.start()
        self._queue.put(item)

    def _work(self) -> None:
        while (item := self._queue.get()) is not None:
            if self._error is not None:
                continue
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
