"""Small functions for `add_map` and `add_filter`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import count
from typing import Any

import duckdb
import pyarrow as pa
from jsonpath_ng.parser import JsonPathParser

from ladle.errors import DataError


def take_first(max_items: int) -> Callable[[Any], bool]:
    """Return a filter that keeps the first `max_items` items."""
    counter = count()
    return lambda _: next(counter) < max_items


def skip_first(max_items: int) -> Callable[[Any], bool]:
    """Return a filter that drops the first `max_items` items."""
    counter = count()
    return lambda _: next(counter) >= max_items


def pivot(paths: str | Sequence[str] = "$", prefix: str = "col") -> Callable[[Any], Any]:
    """Return a map that turns lists of lists into lists of dicts: `[[1, 2]]` to `[{"col0": 1, "col1": 2}]`.

    Args:
        paths: JSONPaths of the lists of lists.
        prefix: of the keys, before the number.

    Raises:
        DataError: when mapping: there is something else at a path.
    """
    found = [JsonPathParser().parse(p) for p in ([paths] if isinstance(paths, str) else paths)]

    def pivoted(item: Any) -> Any:
        for path in found:
            item = path.update(item, _pivot_at(path, item, prefix)) if path.find(item) else item
        return item

    return pivoted


def _pivot_at(path: Any, item: Any, prefix: str) -> Callable[..., Any] | Any:
    values = [_dicts(match.value, str(path), prefix) for match in path.find(item)]
    if len(values) == 1:
        return values[0]
    remaining = iter(values)
    return lambda *_: next(remaining)


def _dicts(value: Any, path: str, prefix: str) -> list[Any]:
    if isinstance(value, (list, tuple)):
        if all(isinstance(row, (list, tuple)) for row in value):
            return [{f"{prefix}{i}": cell for i, cell in enumerate(row)} for row in value]
        if not any(isinstance(row, (list, tuple)) for row in value):
            return [{f"{prefix}{i}": cell for i, cell in enumerate(value)}]
    raise DataError(f"pivot needs lists of lists at `{path}`", value=value, expected="[[1, 2], [3, 4]]")


def add_row_hash_to_table(row_hash_column_name: str) -> Callable[[Any], Any]:
    """Return a map that adds a column with a hash of each row to Arrow tables, batches and pandas frames.

    The hash is a bigint, made of all columns; equal rows have equal hashes, in every run of a DuckDB version.

    Args:
        row_hash_column_name: name of the new column.
    """

    def added(frame: Any) -> Any:
        table = pa.Table.from_batches([frame]) if isinstance(frame, pa.RecordBatch) else frame
        if not isinstance(table, pa.Table):
            hashes = _hashes(pa.Table.from_pandas(frame, preserve_index=False))
            return frame.assign(**{row_hash_column_name: hashes.to_numpy()})
        made = table.append_column(row_hash_column_name, _hashes(table))
        return made.to_batches()[0] if isinstance(frame, pa.RecordBatch) else made

    return added


def _hashes(table: pa.Table) -> pa.ChunkedArray:
    if table.num_rows == 0:
        return pa.chunked_array([pa.array([], pa.int64())])
    columns = ", ".join(f'rows."{name.replace(chr(34), chr(34) * 2)}"' for name in table.column_names)
    with duckdb.connect() as db:
        db.register("rows", table)
        query = f"select (hash({columns}) >> 1)::bigint as h from rows"
        return db.sql(query).to_arrow_table()["h"].combine_chunks().cast(pa.int64())
