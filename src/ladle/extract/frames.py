"""Frames and Arrow objects to record batches in the raw format."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ladle.errors import DataError
from ladle.extract.arrow import Where, to_array
from ladle.extract.keys import distinct
from ladle.package.raw import FRAME_METADATA
from ladle.schema.types import WEI_RAW, decimal_type

_BATCH_BYTES = 32 << 20
_BATCH_ROWS = 250_000


def is_frame(item: Any) -> bool:
    """Whether `item` is a frame: Arrow, pandas, polars, or anything with `__arrow_c_stream__`."""
    return (
        hasattr(item, "__arrow_c_stream__")
        or hasattr(item, "__arrow_c_array__")
        or hasattr(item, "collect_schema")
        or (type(item).__module__.partition(".")[0] == "pandas" and hasattr(item, "columns"))
        or hasattr(item, "to_batches")
    )


def frame_batches(item: Any, where: Where) -> Iterator[pa.RecordBatch]:
    """Yield the batches of a frame in the raw format, at most 32 MB or 250,000 rows each.

    Memory: O(batch) for streams; a frame in memory is not copied where its types are raw types already.

    Raises:
        DataError: a type that can't be stored; names the column.
    """
    row = where.first_row
    for batch in _stream(item):
        if batch.num_rows == 0:
            continue
        step = max(1, min(_BATCH_ROWS, _BATCH_BYTES * batch.num_rows // max(batch.nbytes, 1)))
        for start in range(0, batch.num_rows, step):
            yield _canonical_batch(batch.slice(start, step), where.at(row + start))
        row += batch.num_rows


def _stream(item: Any) -> Iterator[pa.RecordBatch]:
    if isinstance(item, pa.RecordBatch):
        yield item
    elif isinstance(item, (pa.Table, pa.RecordBatchReader)):
        yield from item.to_batches() if isinstance(item, pa.Table) else item
    elif hasattr(item, "collect_schema") and hasattr(item, "collect"):
        yield from _stream(item.collect())  # a polars LazyFrame
    elif type(item).__module__.partition(".")[0] == "pandas":
        yield from pa.Table.from_pandas(item, preserve_index=False).to_batches()
    elif hasattr(item, "__arrow_c_stream__"):
        yield from pa.RecordBatchReader.from_stream(item)
    elif hasattr(item, "__arrow_c_array__"):
        yield pa.record_batch(item)
    elif hasattr(item, "to_arrow"):
        yield from _stream(item.to_arrow())  # polars' before 1.3
    else:
        yield from item.to_batches()


def _canonical_batch(batch: pa.RecordBatch, where: Where) -> pa.RecordBatch:
    arrays = []
    for name, array in zip(batch.schema.names, batch.columns, strict=True):
        try:
            arrays.append(canonical(array, where))
        except pa.ArrowInvalid as exc:
            if where.guard is not None and where.guard.hides([name]):
                exc.args = ("why can't be shown, as the column is protected",)
            raise _unfit(name, array.type, where) from exc
    names = distinct(batch.schema.names)
    schema = pa.schema(
        [pa.field(n, a.type) for n, a in zip(names, arrays, strict=True)], metadata=FRAME_METADATA
    )
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _unfit(name: str, arrow: pa.DataType, where: Where) -> DataError:
    return DataError(
        f"cannot store Arrow type `{arrow}` of column `{name}`",
        resource=where.resource,
        table=where.table,
        column=name,
        row=where.first_row,
        expected="values of microseconds at most, and types that have a logical type",
        hint="cast the column before it is yielded",
    )


def canonical(array: pa.Array, where: Where) -> pa.Array:
    """Return the array in the raw format; itself where it is so already. Row count kept.

    Raises:
        pyarrow.ArrowInvalid: a value would lose digits.
    """
    t, arrow = pa.types, array.type
    if isinstance(array, pa.ExtensionArray):
        return _extension(array, where)
    if t.is_dictionary(arrow):
        return canonical(array.dictionary_decode(), where)
    if t.is_struct(arrow):
        return _struct(array, where)
    if t.is_map(arrow):
        return canonical(_map_as_list(array), where)
    if t.is_fixed_size_list(arrow) or t.is_large_list(arrow):
        return canonical(array.cast(pa.list_(arrow.value_type)), where)
    if t.is_list(arrow):
        values = canonical(array.values, where)
        if values is array.values:
            return array
        mask = array.is_null() if array.null_count else None
        return pa.ListArray.from_arrays(array.offsets, values, mask=mask)
    if (
        t.is_union(arrow)
        or t.is_run_end_encoded(arrow)
        or t.is_list_view(arrow)
        or t.is_large_list_view(arrow)
    ):
        return to_array(array.to_pylist(), where=where)
    return _scalar(array)


def _struct(array: pa.Array, where: Where) -> pa.Array:
    children = [array.field(i) for i in range(array.type.num_fields)]
    done = [canonical(c, where) for c in children]
    if all(a is b for a, b in zip(children, done, strict=True)):
        return array
    fields = [pa.field(f.name, d.type) for f, d in zip(array.type, done, strict=True)]
    mask = array.is_null() if array.null_count else None
    return pa.StructArray.from_arrays(done, fields=fields, mask=mask)


def _map_as_list(array: pa.Array) -> pa.Array:
    items = pa.StructArray.from_arrays([array.keys, array.items], names=["key", "value"])
    mask = array.is_null() if array.null_count else None
    return pa.ListArray.from_arrays(array.offsets, items, mask=mask)


def _extension(array: pa.ExtensionArray, where: Where) -> pa.Array:
    if array.type.extension_name == "arrow.uuid":
        return to_array(array.to_pylist(), where=where)
    return canonical(array.storage, where)


def _scalar(array: pa.Array) -> pa.Array:
    t, arrow = pa.types, array.type
    if t.is_uint64(arrow):
        top = pc.max(array).as_py()
        return (
            array.cast(pa.int64())
            if top is None or top < 1 << 63
            else array.cast(pa.decimal128(20, 0)).cast(WEI_RAW)
        )
    if t.is_duration(arrow):
        # No logical type holds a duration: whole microseconds, as from Python's timedelta.
        return array.cast(pa.duration("us")).cast(pa.int64())
    if t.is_decimal256(arrow) and arrow.equals(WEI_RAW):
        return array
    if t.is_timestamp(arrow) and arrow.unit in ("s", "ms"):
        array.cast(pa.timestamp("us", arrow.tz))  # no destination holds more: raises
    target = _raw_type(arrow)
    if target is None or target.equals(arrow):
        return array
    return array.cast(target)


def _raw_type(arrow: pa.DataType) -> pa.DataType | None:
    t = pa.types
    if t.is_unsigned_integer(arrow):
        return {8: pa.int16(), 16: pa.int32(), 32: pa.int64()}[arrow.bit_width]
    if t.is_floating(arrow):
        return pa.float64()
    if t.is_large_string(arrow) or t.is_string_view(arrow):
        return pa.string()
    if t.is_large_binary(arrow) or t.is_binary_view(arrow) or t.is_fixed_size_binary(arrow):
        return pa.binary()
    if t.is_timestamp(arrow) and arrow.tz is not None:
        return pa.timestamp(arrow.unit, "UTC")
    if t.is_date(arrow):
        return pa.date32()
    if t.is_time(arrow):
        return pa.time64("us")
    if t.is_decimal(arrow) and arrow.scale < 0:
        return decimal_type(min(arrow.precision - arrow.scale, 76), 0)
    if t.is_decimal(arrow) and arrow.bit_width < 128:
        return pa.decimal128(arrow.precision, arrow.scale)
    return None
