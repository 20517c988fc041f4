"""Rows that earlier loads brought, for rules that look beyond the load."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from functools import partial

import pyarrow as pa
from sqlglot import exp

from ladle.destinations.base import Destination, readable
from ladle.destinations.dialect import column_ref, table_ref
from ladle.normalize.checks import Checks


def checks_for(destination: Destination | None, dataset: str | None) -> Checks:
    """Return the memory of one package's rules, which may look up what earlier loads brought."""
    if destination is None or not hasattr(destination, "reader"):
        return Checks()
    return Checks(partial(loaded_rows, destination, str(dataset)))


def loaded_rows(
    destination: Destination, dataset: str, table: str, columns: tuple[str, ...]
) -> Iterator[pa.RecordBatch]:
    """Yield some columns of a table as it is there; nothing where there is none. Memory: O(batch).

    Raises:
        DestinationError: it can't be read.
        UsageError: the destination can't be read at all.
    """
    with closing(readable(destination).reader(dataset)) as reader:
        if table not in reader.tables():
            return
        wanted = exp.select(*map(column_ref, columns)).from_(table_ref(dataset, table))
        with reader.stream(reader.dialect.sql(wanted)) as rows:
            yield from rows.batches
