"""How Arrow batches go into DuckDB: in types that it keeps, and in whole row groups."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pyarrow as pa
import pyarrow.compute as pc

ROW_GROUP = 122_880
"""Rows that DuckDB keeps together."""

_MAX_GROUP_BYTES = 32 << 20


def kept(arrow: pa.DataType) -> pa.DataType:
    """Return the type in which DuckDB takes values: it would round a zoned timestamp of nanoseconds."""
    zoned = pa.types.is_timestamp(arrow) and arrow.unit == "ns" and arrow.tz is not None
    return pa.timestamp("us", arrow.tz) if zoned else arrow


def cut(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """Cut fraction digits of a second, towards the past."""
    arrays = [
        array if array.type == field.type else pc.floor_temporal(array, unit="microsecond").cast(field.type)
        for array, field in zip(batch.columns, schema, strict=True)
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def row_groups(schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Cut batches anew to whole row groups: only then DuckDB compresses them in parallel, in order.

    Rows so wide that a row group takes over 32 MB stay as they came: several groups are in memory at once.
    """
    waiting: list[pa.RecordBatch] = []
    rows = 0
    for batch in batches:
        waiting.append(batch)
        rows += batch.num_rows
        del batch  # the copies alone are kept while DuckDB works
        if rows * 8 > ROW_GROUP and _group_bytes(waiting, rows) > _MAX_GROUP_BYTES:
            yield from waiting
            waiting, rows = [], 0
        while rows >= ROW_GROUP:
            table = pa.Table.from_batches(waiting, schema)
            group = table.slice(0, ROW_GROUP).combine_chunks().to_batches()
            waiting = table.slice(ROW_GROUP).to_batches()
            rows -= ROW_GROUP
            del table
            while group:
                yield group.pop(0)
    yield from waiting


def _group_bytes(batches: list[pa.RecordBatch], rows: int) -> int:
    held: int = sum(batch.nbytes for batch in batches)
    return held * ROW_GROUP // rows
