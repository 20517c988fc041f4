"""A destination that breaks in the middle of a load, over one that doesn't."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import pyarrow as pa

from ladle.destinations.base import Destination, LoadRecord, Session
from ladle.errors import DestinationError
from ladle.schema.table import Table


class Breaking:
    """A destination whose sessions raise: after the first batch of the table `at`, or at `commit`.

    Everything else is that of the destination below.
    """

    def __init__(self, below: Destination, at: str) -> None:
        self._below = below
        self._at = at

    def __getattr__(self, name: str) -> Any:
        return getattr(self._below, name)

    def bound(self, pipeline: str) -> Breaking:
        """Return it over the destination that is bound."""
        return Breaking(self._below.bound(pipeline), self._at)

    def open(self, dataset: str) -> Any:
        """Connect."""
        return _Session(self._below.open(dataset), self._at)


class _Session:
    def __init__(self, below: Session, at: str) -> None:
        self._below = below
        self._at = at

    def __getattr__(self, name: str) -> Any:
        return getattr(self._below, name)

    def append(self, table: Table, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> int:
        return self._below.append(table, schema, self._breaking(table, batches))

    def stage(self, table: Table, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> int:
        below: Any = self._below
        rows: int = below.stage(table, schema, self._breaking(table, batches))
        return rows

    def _breaking(self, table: Table, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            yield batch
            if table.name == self._at:
                raise broken()

    def commit(self, record: LoadRecord | None = None) -> None:
        if self._at == "commit":
            raise broken()
        self._below.commit(record)


def broken() -> DestinationError:
    """Return the error that it breaks with."""
    return DestinationError("the suite broke this load on purpose", hint="run again: the package is kept")
