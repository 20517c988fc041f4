"""One raw stream: rows and frames of one resource for one root table, on their way to the package."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import pyarrow as pa

from ladle.events import Emit, Progress
from ladle.extract.arrow import Where
from ladle.extract.batcher import Batcher
from ladle.extract.frames import frame_batches, is_frame
from ladle.extract.jsoned import JsonPlan, to_array_keeping_json
from ladle.extract.protect import Guard
from ladle.package.raw import hoist_deep
from ladle.package.store import StageWriter
from ladle.schema.table import Table
from ladle.sources.inputs import Inputs

Sink = Callable[[str, str, pa.RecordBatch], None]
_EMPTY = pa.RecordBatch.from_arrays([], schema=pa.schema([]))


class TableSink(Protocol):
    """What hears of batches while extract goes on, and of tables that are declared meanwhile."""

    def put(self, resource: str, root: str, batch: pa.RecordBatch) -> None:
        """Take one raw batch."""

    def declare(self, tables: list[Table]) -> None:
        """Take tables as they are declared from here on; before the batches that need them."""


@dataclass(frozen=True, slots=True)
class Outlet:
    """Where batches go: the package's writer, a listener to progress, and the sink if any.

    `inputs`: where frames that know what they read are noted.
    """

    writer: StageWriter
    emit: Emit
    sink: TableSink | Sink | None
    inputs: Inputs = field(default_factory=Inputs)

    def declare(self, tables: list[Table]) -> None:
        """Tell the sink of tables that weren't declared before extract began."""
        if self.sink is not None and hasattr(self.sink, "declare"):
            self.sink.declare(tables)


class Stream:
    """The raw stream of one resource and one root table.

    Args:
        key: names the raw files.
        where: resource and root table by source name.
        plan: paths kept as JSON.
        batch_bytes: aimed size of a batch.
        outlet: where batches go.
    """

    def __init__(self, key: str, where: Where, plan: JsonPlan, batch_bytes: int, outlet: Outlet) -> None:
        self.key = key
        self.where = where
        self._plan = plan
        self._outlet = outlet
        self.batcher = Batcher(where, plan, batch_bytes)
        self.guard: Guard | None = None

    def guarded(self, guard: Guard | None) -> None:
        """Protect what is sent from here on, rows that were taken and wait included."""
        if guard is self.guard:
            return
        self.guard, self.where = guard, replace(self.where, guard=guard)
        self.batcher.guarded(self.where)

    @property
    def rows(self) -> int:
        """Rows taken so far."""
        return self.batcher.rows

    def take(self, item: Any) -> None:
        """Take a row, a page, a frame or a page of frames."""
        kind = type(item)
        if kind is dict:
            self.send(self.batcher.add_row(item))
        elif kind is list:
            self.take_page(item)
        elif item is None:
            return
        elif is_frame(item):
            self.take_frame(item)
        else:
            for batch in self.batcher.add([item]):
                self.send(batch)

    def take_page(self, page: list[Any]) -> None:
        """Take rows, or frames."""
        if page and all(map(is_frame, page)):
            for frame in page:
                self.take_frame(frame)
            return
        for batch in self.batcher.add(page):
            self.send(batch)

    def take_frame(self, frame: Any) -> None:
        """Take a frame, as batches of its own."""
        self.flush()
        self._outlet.inputs.add_all(self.where.resource, frame)
        for batch in frame_batches(frame, self.where.at(self.rows)):
            if not self._plan.is_empty and any(pa.types.is_nested(f.type) for f in batch.schema):
                batch = self._keeping_json(batch)
            self.batcher.skip(batch.num_rows)
            self.send(batch)

    def _keeping_json(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        # Arrow has no kernel that makes JSON text: only frames with nested columns that must be kept whole
        # take the way of rows.
        nested = [f.name for f in batch.schema if pa.types.is_nested(f.type)]
        where = self.where.at(self.rows)
        array = to_array_keeping_json(batch.select(nested).to_pylist(), self._plan, where)
        made = dict(zip(nested, array.flatten(), strict=True))
        arrays = [made.get(n, a) for n, a in zip(batch.schema.names, batch.columns, strict=True)]
        whole = hoist_deep(pa.StructArray.from_arrays(arrays, names=batch.schema.names))
        return pa.RecordBatch.from_struct_array(whole).replace_schema_metadata(batch.schema.metadata)

    def send(self, batch: pa.RecordBatch | None) -> None:
        """Send a batch that is full, if any, to all that want it: all that is written passes here."""
        if batch is None:
            return
        if self.guard is not None:
            batch = self.guard.batch(batch)
        outlet, where = self._outlet, self.where
        outlet.writer.append(self.key, batch)
        outlet.emit(Progress("extract", where.resource, batch.num_rows))
        if outlet.sink is not None:
            put: Any = getattr(outlet.sink, "put", outlet.sink)
            put(where.resource, where.table, batch)

    def flush(self) -> None:
        """Send what is left."""
        self.send(self.batcher.flush())

    def materialize(self) -> None:
        """Send a batch without rows, so that the table comes to be."""
        self.send(_EMPTY)
