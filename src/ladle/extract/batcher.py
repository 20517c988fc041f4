"""Gather items into batches cut by bytes, and turn each into one raw record batch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa

from ladle.extract.arrow import Where, as_rows, to_array
from ladle.extract.jsoned import JsonPlan, to_array_keeping_json
from ladle.package.raw import hoist_deep

BATCH_BYTES = 2 << 20
_MAX_ROWS = 20_000
_RAMP = (64, 1024)


class Batcher:
    """Buffers the items of one raw stream.

    The first batches are small, to learn how large a row is; after that each batch aims at `batch_bytes`
    of Arrow data, whatever the rows look like. Memory: O(one batch).

    Args:
        where: resource and table, for errors.
        plan: paths to keep as JSON.
        batch_bytes: aimed size of a batch.
    """

    def __init__(self, where: Where, plan: JsonPlan, batch_bytes: int = BATCH_BYTES) -> None:
        self._where = where
        self._plan = plan
        self._batch_bytes = batch_bytes
        self._rows: list[Any] = []
        self._sent = 0
        self._ramp = list(_RAMP)
        self._take = self._ramp.pop(0)

    def add(self, items: Sequence[Any]) -> Iterator[pa.RecordBatch]:
        """Add items, yield the batches that are full. Pages may be of any size."""
        rows = items if set(map(type, items)) == {dict} else as_rows(items, self._where.guard)
        start = 0
        while len(self._rows) + len(rows) - start >= self._take:
            stop = start + self._take - len(self._rows)
            self._rows.extend(rows[start:stop])
            start = stop
            yield self._cut()
        self._rows.extend(rows[start:] if start else rows)

    def add_row(self, row: dict[str, Any]) -> pa.RecordBatch | None:
        """Add one dict; return a batch if that made one full."""
        self._rows.append(row)
        return self._cut() if len(self._rows) >= self._take else None

    def flush(self) -> pa.RecordBatch | None:
        """Return what is left as a last batch, or None."""
        return self._cut() if self._rows else None

    def guarded(self, where: Where) -> None:
        """Take another place: one that knows what errors must not show."""
        self._where = where

    @property
    def rows(self) -> int:
        """Rows taken so far, those not sent yet included."""
        return self._sent + len(self._rows)

    def skip(self, rows: int) -> None:
        """Count rows that went another way (frames of the same resource)."""
        self._sent += rows

    def _cut(self) -> pa.RecordBatch:
        rows, self._rows = self._rows, []
        if self._plan.is_empty:
            array = to_array(rows, where=self._where.at(self._sent))
        else:
            array = to_array_keeping_json(rows, self._plan, self._where.at(self._sent))
        self._sent += len(rows)
        self._size_next(array)
        return pa.RecordBatch.from_struct_array(hoist_deep(array))

    def _size_next(self, array: pa.Array) -> None:
        per_row = max(1, array.nbytes // max(1, len(array)))
        fit = min(_MAX_ROWS, max(1, self._batch_bytes // per_row))
        self._take = min(self._ramp.pop(0), fit) if self._ramp else fit
