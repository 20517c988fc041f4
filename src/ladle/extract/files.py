"""Rows of local files, as `ladle.mark.with_file_import` gives them, read by Arrow in batches."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.json
import pyarrow.parquet

from ladle.errors import DataError


def file_batches(path: str, file_format: str, quiet: bool = False) -> Iterator[Any]:
    """Yield the batches of a parquet, jsonl or csv file. Memory: O(one batch), for jsonl O(file).

    Args:
        path: of the file.
        file_format: parquet, jsonl or csv.
        quiet: don't tell what the reader says: it may quote a line, and the table has protected columns.

    Raises:
        DataError: the file isn't of that format.
    """
    try:
        if file_format == "parquet":
            with pyarrow.parquet.ParquetFile(path) as file:
                yield from file.iter_batches()
        elif file_format == "csv":
            with pyarrow.csv.open_csv(path) as reader:
                yield from reader
        else:
            yield pyarrow.json.read_json(path)
    except (pa.ArrowException, OSError) as exc:
        if quiet:
            exc.args = ("why can't be shown, as the table has protected columns",)
        raise DataError(
            f"the file `{path}` can't be read as {file_format}: {exc}",
            hint="check the path and the format; jsonl has one object per line",
        ) from exc
