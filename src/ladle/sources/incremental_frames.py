"""A cursor over frames: Arrow, pandas, polars and whatever streams Arrow. Filtered by column, not by row."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ladle.sources.incremental_path import MISSING, CursorPath
from ladle.sources.incremental_range import Test, in_utc
from ladle.sources.incremental_run import CursorRun

_KERNELS: dict[Test, str] = {
    operator.gt: "greater",
    operator.ge: "greater_equal",
    operator.lt: "less",
    operator.le: "less_equal",
}
_CANT = (
    pa.ArrowInvalid,
    pa.ArrowNotImplementedError,
    pa.ArrowTypeError,
    OverflowError,
    TypeError,
    ValueError,
)


@dataclass(frozen=True)
class _Frame:
    """What is needed of a frame of any kind. `column`: by name, as Arrow; `rows`: at indices, as a table."""

    names: Sequence[str]
    num_rows: int
    column: Callable[[str], Any]
    rows: Callable[[Any], pa.Table]


def filter_frame(run: CursorRun, frame: Any) -> Any:
    """Return the rows of a frame that are let through, in a frame of its kind; None where no row is.

    A stream stays a stream, filtered as it is read. A frame that passes whole isn't copied.

    Raises:
        DataError: a row without cursor, or cursors that can't be compared.
    """
    if isinstance(frame, (pa.Table, pa.RecordBatch)):
        return _filter_table(run, frame)
    module = type(frame).__module__.partition(".")[0]
    if module == "polars":
        return _filter_polars(run, frame)
    if module == "pandas":
        return _filter_pandas(run, frame)
    if not hasattr(frame, "__arrow_c_stream__"):
        return _filter_table(run, pa.record_batch(frame))
    reader = frame if isinstance(frame, pa.RecordBatchReader) else pa.RecordBatchReader.from_stream(frame)
    return pa.RecordBatchReader.from_batches(reader.schema, _filter_batches(run, reader))


def _filter_batches(run: CursorRun, reader: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
    for batch in reader:
        kept = _filter_table(run, batch)
        if kept is not None:
            yield kept


def _filter_table(run: CursorRun, table: Any) -> Any:
    plain = without_views(table)
    names = plain.schema.names
    mask = _mask(run, _Frame(names, plain.num_rows, lambda n: plain.column(names.index(n)), plain.take))
    if mask is True:
        return table
    kept = _slice_or_filter(plain, _one(mask))
    return kept if kept.num_rows else None


def without_views(table: Any) -> Any:
    """Return a table whose columns Arrow can take rows of: it can't of text and bytes in views."""
    t = pa.types
    for index, field in enumerate(table.schema):
        if t.is_string_view(field.type) or t.is_binary_view(field.type):
            plain = pa.large_string() if t.is_string_view(field.type) else pa.large_binary()
            table = table.set_column(index, field.name, table.column(index).cast(plain))
    return table


def _slice_or_filter(table: Any, mask: Any) -> Any:
    """Return the rows under a mask; without a copy where they lie together, as in sorted data."""
    first, count = pc.index(mask, True).as_py(), mask.true_count
    if count == 0:
        return table.slice(0, 0)
    if mask.slice(first, count).true_count == count:
        return table.slice(first, count)
    return table.filter(mask)


def _filter_polars(run: CursorRun, frame: Any) -> Any:
    import polars

    frame = frame.collect() if hasattr(frame, "collect") else frame
    view = _Frame(
        frame.columns,
        frame.height,
        lambda name: frame.get_column(name).to_arrow(),
        lambda indices: frame[indices.to_pylist()].to_arrow(),
    )
    mask = _mask(run, view)
    if mask is True:
        return frame
    kept = frame.filter(polars.from_arrow(_one(mask)))
    return kept if kept.height else None


def _filter_pandas(run: CursorRun, frame: Any) -> Any:
    view = _Frame(
        [str(name) for name in frame.columns],
        len(frame),
        lambda name: pa.Table.from_pandas(frame[[name]], preserve_index=False).column(0),
        lambda indices: pa.Table.from_pandas(frame.iloc[indices.to_pylist()], preserve_index=False),
    )
    mask = _mask(run, view)
    if mask is True:
        return frame
    kept = (
        frame[mask.to_numpy(zero_copy_only=False)] if isinstance(mask, pa.Array) else frame[mask.to_numpy()]
    )
    return kept if len(kept) else None


def _mask(run: CursorRun, frame: _Frame) -> Any:
    """Return True where all rows of a table are let through, else a mask without nulls."""
    count = frame.num_rows
    if count == 0:
        return True
    try:
        mask = _mask_of(run, frame)
    finally:
        run.rows_seen += count
    run.took_any = run.took_any or mask is True or bool(pc.any(mask).as_py())
    if mask is not True:
        run.left_out += count - (pc.sum(mask).as_py() or 0)
    return mask


def _mask_of(run: CursorRun, frame: _Frame) -> Any:
    path = run.cursor.path
    column = None if path.is_whole else _column(frame, path)
    if not path.is_whole and column is None and path.names:
        return _without_cursor(run, pa.nulls(frame.num_rows), MISSING, frame.names)
    if not run.bounds.is_ordered or column is None or not _is_comparable(column.type):
        return _mask_by_values(run, frame, column)
    gaps = column.null_count
    present = _without_cursor(run, column, None, ()) if gaps else None
    if gaps == frame.num_rows:
        return present
    inside = _inside(run, frame, column)
    if present is None:
        return inside
    if inside is True:
        return True if run.cursor.on_missing == "include" else column.is_valid()
    return pc.fill_null(inside, run.cursor.on_missing == "include")


def _without_cursor(run: CursorRun, column: Any, value: Any, names: Sequence[str]) -> Any:
    if run.cursor.on_missing == "raise":
        first = pc.index(column.is_null(), True).as_py()
        raise run.cursor.missing(value, run.rows_seen + first, names)
    return True if run.cursor.on_missing == "include" else column.is_valid()


def _mask_by_values(run: CursorRun, frame: _Frame, column: Any) -> Any:
    """Judge value by value: for the user's functions, JSONPaths, and types that Arrow can't order."""
    if column is None:
        rows = _rows(frame, pa.array(range(frame.num_rows), pa.int64()))
        values = run.cursor.path.values(rows)
        keep = run.keep(values, lambda indices: [rows[i] for i in indices])
    else:
        keep = run.keep(column.to_pylist(), lambda indices: _rows(frame, pa.array(indices, pa.int64())))
    run.rows_seen -= frame.num_rows  # counted by both
    return True if keep is True else pa.array(keep or [False] * frame.num_rows, pa.bool_())


def _inside(run: CursorRun, frame: _Frame, column: Any) -> Any:
    try:
        return _take(run, frame, column)
    except TypeError:
        run.in_utc()
        if pa.types.is_timestamp(column.type) and column.type.tz is None:
            column = pc.assume_timezone(column, "UTC")
    try:
        return _take(run, frame, column)
    except TypeError as exc:
        known = [v for v in (run.bounds.start, run.bounds.end, run.last) if v is not None]
        row = pc.index(column.is_valid(), True).as_py()
        raise run.cursor.unfit(
            _python(column[row]), known[0] if known else None, run.rows_seen + row
        ) from exc


def _take(run: CursorRun, frame: _Frame, column: Any) -> Any:
    bounds = run.bounds
    first, last = _extremes(run, column)
    run.in_order(first, last)
    mask: Any = True
    if not bounds.is_whole:
        verdict = bounds.judge(first, last, lambda test, bound: _compare(column, test, bound), pc.and_)
        run.note(verdict.before_start, verdict.beyond_end)
        mask = verdict.keep
    bounds.is_further(last, run.last)  # raises before anything has changed
    if mask is not False and run.looks_back and (mask is not True or first == bounds.start):
        mask = _without_repeated(run, frame, column, mask)
    if mask is False or (mask is not True and not pc.any(mask).as_py()):
        return pc.if_else(column.is_valid(), False, None)
    if mask is not True:
        last = _extremes(run, column.filter(mask))[1]
    if run.moves_to(last) and run.room:
        at_last = _equal(column, last)
        at_last = at_last if mask is True else pc.and_(at_last, mask)
        run.remember(_indices(at_last), lambda indices: _rows(frame, indices))
    return mask


def _without_repeated(run: CursorRun, frame: _Frame, column: Any, mask: Any) -> Any:
    at_start = _equal(column, run.bounds.start)
    at_start = pc.fill_null(at_start if mask is True else pc.and_(at_start, mask), False)
    # Rows at one value of the cursor only: these are hashed one by one, as the reference hashes.
    new = run.new(_rows(frame, _indices(at_start)))
    if all(new):
        return mask
    # Rows without a cursor are nobody's to judge here, as in a mask that comes of comparing.
    whole = _one(pc.if_else(column.is_valid(), True, None) if mask is True else mask)
    return pc.replace_with_mask(whole, _one(at_start), pa.array(new, pa.bool_()))


def _extremes(run: CursorRun, column: Any) -> tuple[Any, Any]:
    found = pc.min_max(column)
    return run.bounds.extremes([_python(found["min"]), _python(found["max"])])


def _indices(mask: Any) -> Any:
    return pc.indices_nonzero(_one(pc.fill_null(mask, False)))


def _one(array: Any) -> Any:
    return array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array


def _rows(frame: _Frame, indices: Any) -> list[Any]:
    if len(indices) == 0:
        return []
    taken = frame.rows(indices)
    columns = [_whole_microseconds(c) for c in taken.columns]
    rows: list[Any] = pa.table(columns, names=taken.schema.names).to_pylist()
    return rows


def _whole_microseconds(column: Any) -> Any:
    """Return a column of nanoseconds in microseconds: Python has nothing finer."""
    arrow = column.type
    if pa.types.is_timestamp(arrow) and (arrow.unit == "ns" or arrow.tz not in (None, "UTC")):
        return column.cast(pa.timestamp("us", "UTC" if arrow.tz else None), safe=False)
    if pa.types.is_time64(arrow) and arrow.unit == "ns":
        return column.cast(pa.time64("us"), safe=False)
    if pa.types.is_duration(arrow):
        return column.cast(pa.duration("us"), safe=False)
    return column


def _column(frame: _Frame, path: CursorPath) -> Any:
    """Return the column of a path, in a type that compares; None where there is none."""
    names = path.names
    if not names or names[0] not in frame.names:
        return None
    column = frame.column(names[0])
    for name in names[1:]:
        if not pa.types.is_struct(column.type) or column.type.get_field_index(name) < 0:
            return None
        column = pc.struct_field(column, name)
    return _comparable(column)


def _comparable(column: Any) -> Any:
    t, arrow = pa.types, column.type
    if t.is_dictionary(arrow):
        return _comparable(column.cast(arrow.value_type))
    if t.is_timestamp(arrow):
        return column.cast(pa.timestamp("us", "UTC" if arrow.tz else None), safe=False)
    if t.is_date64(arrow):
        return column.cast(pa.date32())
    if t.is_float16(arrow) or t.is_floating(arrow):
        # NaN can't be ordered: it counts as no value.
        column = column.cast(pa.float64())
        return pc.if_else(pc.is_nan(column), None, column)
    if t.is_large_string(arrow) or t.is_string_view(arrow):
        return column.cast(pa.large_string())
    return column


def _is_comparable(arrow: pa.DataType) -> bool:
    t = pa.types
    return bool(
        t.is_integer(arrow)
        or t.is_floating(arrow)
        or t.is_decimal(arrow)
        or t.is_timestamp(arrow)
        or t.is_date(arrow)
        or t.is_string(arrow)
        or t.is_large_string(arrow)
    )


def _python(scalar: Any) -> Any:
    value = scalar.as_py()
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value.astimezone(UTC)
    return value


def _compare(column: Any, test: Test, bound: Any) -> Any:
    """Return a mask, null where the column is, of the values for which `test` holds with the bound."""
    if pa.types.is_integer(column.type) and not isinstance(bound, int):
        # The bound lies between two integers, or on one: compared exactly, not as doubles.
        bound = math.ceil(bound) if test in (operator.ge, operator.lt) else math.floor(bound)
    try:
        return getattr(pc, _KERNELS[test])(column, _scalar(bound, column.type))
    except _CANT:
        values = column.to_pylist()
        return pa.array([None if v is None else bool(test(v, bound)) for v in values], pa.bool_())


def _equal(column: Any, value: Any) -> Any:
    if pa.types.is_integer(column.type) and value != int(value):
        return pc.and_(column.is_valid(), False)
    try:
        return pc.equal(column, _scalar(value, column.type))
    except _CANT:
        return pa.array([v == value for v in column.to_pylist()], pa.bool_())


def _scalar(value: Any, arrow: pa.DataType) -> pa.Scalar:
    t = pa.types
    if t.is_timestamp(arrow):
        aware = in_utc(value).astimezone(UTC)
        return pa.scalar(aware if arrow.tz else aware.replace(tzinfo=None), arrow)
    if t.is_decimal(arrow):
        return pa.scalar(value if isinstance(value, Decimal) else Decimal(str(value)))
    if t.is_floating(arrow):
        return pa.scalar(float(value), arrow)
    return pa.scalar(int(value) if t.is_integer(arrow) else value, arrow)
