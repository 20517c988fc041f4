"""Results of SQLite queries as Arrow: what columns are declared as tells what their values stand for."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

import pyarrow as pa
import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from ladle.destinations.reading import LOOSE
from ladle.destinations.sqlite_types import reading

_VIEW = "_ladle_types"
_TRANSPARENT = (exp.Max, exp.Min, exp.Coalesce)
"""Functions whose result is of the type of what they get."""


def declared_types(db: sqlite3.Connection, sql: str) -> list[str]:
    """Return the declared type of each column of a query, empty for expressions; [] where it is no query.

    SQLite tells it of views: one is made of the query, and never read.
    """
    with suppress(SqlglotError, sqlite3.Error):
        tree = sqlglot.parse_one(sql, dialect="sqlite")
        if not isinstance(tree, exp.Query):
            return []
        text = tree.transform(_typed).sql(dialect="sqlite")
        db.execute(f"CREATE TEMP VIEW {_VIEW} AS {text}")
        try:
            return [kind for _, _, kind, *_ in db.execute(f"PRAGMA temp.table_info({_VIEW})")]
        finally:
            db.execute(f"DROP VIEW temp.{_VIEW}")
    return []


def _typed(node: exp.Expression) -> exp.Expression:
    """A view has no parameters; and a maximum has the type of its column, which SQLite doesn't tell."""
    if isinstance(node, (exp.Placeholder, exp.Parameter)):
        return exp.Null()
    if (
        isinstance(node, _TRANSPARENT)
        and isinstance(node.this, exp.Column)
        and not isinstance(node.parent, exp.Window)
    ):
        return node.this
    return node


def read_batches(cursor: sqlite3.Cursor, types: Sequence[str], batch_rows: int) -> pa.RecordBatchReader:
    """Return the rows of a cursor, in batches. Memory: O(batch)."""
    names = [column[0] for column in cursor.description]
    types = types if len(types) == len(names) else [""] * len(names)
    first = _columns(cursor, batch_rows, len(names))
    found = [reading(kind, values) for kind, values in zip(types, first, strict=True)]
    # A dataset of the reference has one declared type for timestamps with and without time zone.
    schema = pa.schema(
        [
            pa.field(name, arrow, metadata=LOOSE if pa.types.is_timestamp(arrow) else None)
            for name, (arrow, _) in zip(names, found, strict=True)
        ]
    )

    def batches() -> Iterator[pa.RecordBatch]:
        columns: list[Sequence[Any]] = first
        while columns and len(columns[0]):
            arrays = [read(values) for (_, read), values in zip(found, columns, strict=True)]
            yield pa.RecordBatch.from_arrays(arrays, schema=schema)
            columns = _columns(cursor, batch_rows, len(names))

    return pa.RecordBatchReader.from_batches(schema, batches())


def _columns(cursor: sqlite3.Cursor, rows: int, count: int) -> list[Sequence[Any]]:
    return list(zip(*cursor.fetchmany(rows), strict=True)) or [()] * count
