"""What a function destination is called with: batches cut from Arrow, as dicts, as Arrow, or as a file."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pyarrow as pa

from ladle.destinations.formats import Format, chunked, write_file
from ladle.errors import DataError
from ladle.schema.table import Column, Table

_PREFIX = "_dlt_"
_UNLIMITED = 1 << 62


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows `first` to `first + rows - 1` of a table within a load, from 0, as the function gets them."""

    first: int
    rows: int
    items: Any


@dataclass(frozen=True, slots=True)
class Shape:
    """How batches look.

    Attributes:
        size: rows of a batch; 0 for files.
        format: of files; `parquet` makes Arrow batches of the others too.
        compressed: whether text files are gzipped.
        keys: whether the columns that ladle adds come along.
    """

    size: int
    format: Format
    compressed: bool
    keys: bool

    def columns(self, table: Table) -> list[Column]:
        """Return the columns of a table that the function is told of."""
        # One that only saw nulls is remembered for a later load: rows don't have it.
        known = [c for c in table.columns.values() if c.data_type is not None or not _only_nulls(c)]
        return [c for c in known if self.keys or not c.name.startswith(_PREFIX)]


def _only_nulls(column: Column) -> bool:
    return bool((column.extra.get("x-normalizer") or {}).get("seen-null-first"))


@dataclass(frozen=True, slots=True)
class _Part:
    """A slice of rows that are due; all parts between two rows that are done have the same `gap`."""

    gap: int
    first: int
    rows: pa.RecordBatch


def due(batches: Iterable[pa.RecordBatch], done: Sequence[tuple[int, int]]) -> Iterator[_Part]:
    """Yield the rows that aren't done, in order.

    Args:
        batches: all rows of a table.
        done: first row and end of what is done, in order, apart from each other.
    """
    at, gap, waiting = 0, 0, list(done)
    for batch in batches:
        end = at + batch.num_rows
        row = at
        while row < end:
            if waiting and waiting[0][1] <= row:
                waiting.pop(0)
            elif waiting and waiting[0][0] <= row:
                row = gap = waiting[0][1]
            else:
                stop = min(end, waiting[0][0]) if waiting else end
                yield _Part(gap, row, batch.slice(row - at, stop - row))
                row = stop
        at = end


def rows_of(parts: Iterable[_Part], size: int) -> Iterator[tuple[int, pa.RecordBatch]]:
    """Yield batches of `size` rows with their first row; the last before each gap has what is left."""
    for _, near in itertools.groupby(parts, key=lambda part: part.gap):
        held: list[pa.RecordBatch] = []
        first, count = -1, 0
        for part in near:
            for start, rows in _cut(part.rows, size - count, size):
                first = part.first + start if not held else first
                held.append(rows)
                count += rows.num_rows
                if count == size:
                    yield first, _joined(held)
                    held, count = [], 0
        if held:
            yield first, _joined(held)


def _cut(batch: pa.RecordBatch, first_size: int, size: int) -> Iterator[tuple[int, pa.RecordBatch]]:
    start, wanted = 0, first_size
    while start < batch.num_rows:
        yield start, batch.slice(start, wanted)
        start, wanted = start + wanted, size


def _joined(batches: list[pa.RecordBatch]) -> pa.RecordBatch:
    return batches[0] if len(batches) == 1 else pa.concat_batches(batches)


def batches_of(
    table: Table, batches: Iterable[pa.RecordBatch], done: Sequence[tuple[int, int]], shape: Shape
) -> Iterator[Batch]:
    """Yield what the function has still to be given, in lists of dicts or in Arrow. Memory: O(batch)."""
    columns: dict[str, Column] = {c.name: c for c in shape.columns(table)}
    arrow = shape.format.name == "parquet"
    for first, rows in rows_of(due(batches, done), shape.size):
        kept = rows.select([n for n in rows.schema.names if n in columns])
        yield Batch(first, rows.num_rows, kept if arrow else dicts(kept, columns, rows.num_rows))


def files_of(
    table: Table,
    schema: pa.Schema,
    parts: Iterable[_Part],
    shape: Shape,
    folder: Path,
) -> Iterator[Batch]:
    """Write what the function has still to be given to files in `folder`; yield their paths.

    A file has all columns, those that ladle adds too. Usually a table is one file. Memory: O(chunk).
    """
    folder.mkdir(exist_ok=True)
    columns = [table.columns[name] for name in schema.names]
    end = f"{shape.format.name}.gz" if shape.compressed and shape.format.gzipped else shape.format.name
    for gap, near in itertools.groupby(parts, key=lambda part: part.gap):
        path = folder / f"{quote(table.name, safe=' ')}.{gap}.{end}"
        chunks = chunked((part.rows for part in near), schema, shape.format)
        with path.open("wb") as stream:
            rows = write_file(stream, shape.format, shape.compressed, schema, columns, chunks, _UNLIMITED)
        yield Batch(gap, rows, str(path))


def dicts(batch: pa.RecordBatch, columns: Mapping[str, Column], rows: int) -> list[dict[str, Any]]:
    """Return rows as dicts; a key whose value is null is left out, JSON is lists and dicts again.

    Args:
        batch: the columns to take.
        columns: what they are, by name.
        rows: how many; a batch without columns doesn't know.
    """
    if not batch.num_columns:
        return [{} for _ in range(rows)]
    names = batch.schema.names
    values = [_values(array, columns[name]) for name, array in zip(names, batch.columns, strict=True)]
    return [
        {name: value for name, value in zip(names, row, strict=True) if value is not None}
        for row in zip(*values, strict=True)
    ]


def _values(array: pa.Array, column: Column) -> list[Any]:
    if pa.types.is_timestamp(array.type) and array.type.unit == "ns":
        # A datetime has microseconds; who needs more takes Arrow.
        array = array.cast(pa.timestamp("us", array.type.tz), safe=False)
    convert = _converter(array.type, column)
    try:
        values: list[Any] = array.to_pylist()
    except (OverflowError, ValueError) as exc:
        raise DataError(
            f"a value of column `{column.name}` can't be an object of Python: {exc}",
            column=column.name,
            expected="dates and times of the years 1 to 9999",
            hint='take Arrow: loader_file_format="parquet"; the package is kept',
        ) from exc
    return values if convert is None else [None if v is None else convert(v) for v in values]


def _converter(kind: pa.DataType, column: Column) -> Callable[[Any], Any] | None:
    if column.data_type == "json":
        return json.loads  # not orjson: integers of any size stay exact
    if column.data_type == "wei" and pa.types.is_decimal(kind) and kind.scale == 0:
        return int
    return None
