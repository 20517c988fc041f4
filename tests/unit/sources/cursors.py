"""Runs of a cursor without a pipeline: pages in, kept rows and the state after the run out."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pandas
import polars
import pyarrow as pa

from ladle.sources.incremental import Incremental
from ladle.state.blob import decode_state, encode_state

FORMS = ("rows", "singles", "arrow", "batches", "reader", "pandas", "polars")


class Runs:
    """Runs of one resource after each other; the state goes through its stored form in between."""

    def __init__(self, cursor: Incremental[Any], **bound: Any) -> None:
        self.cursor = cursor
        self.options = bound
        self.state: dict[str, Any] = {}

    def stored(self) -> dict[str, Any]:
        """What is stored of the cursor."""
        return dict(self.state["incremental"][self.cursor.cursor_path])

    def bound(self, cursor: Incremental[Any] | None = None) -> Incremental[Any]:
        cursor = cursor or self.cursor
        return cursor.bound("r", self.state.get("incremental", {}).get(cursor.cursor_path), **self.options)

    def __call__(self, *pages: Any, form: str = "rows", cursor: Incremental[Any] | None = None) -> list[Any]:
        """Run once; return the rows that are let through. Stops where the cursor says nothing more comes."""
        bound = self.bound(cursor)
        kept = list(through(bound, pages, form))
        bound.store(self.state)
        self.state = decode_state(encode_state(self.state))
        return kept


def through(bound: Incremental[Any], pages: Iterable[Any], form: str = "rows") -> Iterable[Any]:
    for page in pages:
        for item in as_form(page, form):
            kept = bound(item)
            if kept is not None:
                yield from as_rows(kept)
        if bound.can_close():
            return


def as_form(page: Any, form: str) -> list[Any]:
    """Return a page of rows in another form."""
    if form == "singles" or not isinstance(page, list):
        return list(page) if isinstance(page, list) else [page]
    if form == "rows":
        return [page]
    table = pa.Table.from_pylist(page)
    if form == "arrow":
        return [table]
    if form == "batches":
        return table.to_batches()
    if form == "reader":
        return [table.to_reader()]
    return [table.to_pandas(integer_object_nulls=True)] if form == "pandas" else [polars.from_arrow(table)]


def as_rows(kept: Any) -> list[Any]:
    """Return kept rows as Python values, whatever they came in."""
    if isinstance(kept, (pa.Table, pa.RecordBatch)):
        return kept.to_pylist()
    if isinstance(kept, pa.RecordBatchReader):
        return kept.read_all().to_pylist()
    if isinstance(kept, pandas.DataFrame):
        return pa.Table.from_pandas(kept, preserve_index=False).to_pylist()
    if isinstance(kept, polars.DataFrame):
        return kept.to_arrow().to_pylist()
    return kept if isinstance(kept, list) else [kept]


def cs(*values: Any) -> list[dict[str, Any]]:
    """Rows that have only a cursor."""
    return [{"c": value} for value in values]


def ids(*pairs: tuple[Any, Any]) -> list[dict[str, Any]]:
    """Rows of an id and a cursor."""
    return [{"id": a, "c": b} for a, b in pairs]
