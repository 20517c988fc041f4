"""A destination that breaks, or is watched, in the middle of a load, over one that isn't."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pyarrow as pa

from ladle.destinations.base import Destination, LoadRecord, Session
from ladle.errors import DestinationError
from ladle.schema.table import Table


class Breaking:
    """A destination whose sessions raise: after the first batch of the table `at`, or at `commit`.

    Everything else is that of the destination below.

    Args:
        below: the destination.
        at: name of a table, or `commit`.
        do: called there instead of raising; the load goes on.
    """

    def __init__(self, below: Destination, at: str, do: Callable[[], None] | None = None) -> None:
        self._below = below
        self._at = at
        self._do = do or _break

    def __getattr__(self, name: str) -> Any:
        return getattr(self._below, name)

    def bound(self, pipeline: str) -> Breaking:
        """Return it over the destination that is bound."""
        return Breaking(self._below.bound(pipeline), self._at, self._do)

    def open(self, dataset: str) -> Any:
        """Connect."""
        return _Session(self._below.open(dataset), self._at, self._do)


class _Session:
    def __init__(self, below: Session, at: str, do: Callable[[], None]) -> None:
        self._below = below
        self._at = at
        self._do = do

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
                self._do()

    def commit(self, record: LoadRecord | None = None) -> None:
        if self._at == "commit":
            self._do()
        self._below.commit(record)


def _break() -> None:
    raise broken()


def broken() -> DestinationError:
    """Return the error that it breaks with."""
    return DestinationError("the suite broke this load on purpose", hint="run again: the package is kept")
