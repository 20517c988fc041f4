"""Rows that wait to be merged into DuckDB: a few stay in Arrow, where DuckDB reads them as they are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import Any

import duckdb
import pyarrow as pa
from sqlglot import exp

from ladle.destinations.dialect import Dialect, column_ref, table_ref

_FEW_BYTES = 64 << 20
_IN_ARROW = "{}_in_arrow"


def few(batches: Iterable[pa.RecordBatch]) -> tuple[list[pa.RecordBatch], Iterator[pa.RecordBatch]]:
    """Return all batches and nothing more, or those of the first 64 MB and an iterator over all of them."""
    coming, found, size = iter(batches), list[pa.RecordBatch](), 0
    for batch in coming:
        found.append(batch)
        size += batch.nbytes
        if size > _FEW_BYTES:
            return [], chain(_taken(found), coming)
    return found, iter(())


def _taken(batches: list[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    while batches:
        yield batches.pop(0)  # what is written is kept no longer


def keep(
    connection: duckdb.DuckDBPyConnection,
    name: str,
    types: Mapping[str, str],
    rows: pa.Table,
    dialect: Dialect,
) -> None:
    """Put a view of rows in memory in the place of an empty temporary table; its rows are numbered.

    Args:
        connection: that has the table; it keeps the rows until it is closed.
        name: of the table.
        types: the table's, by column.
        rows: to wait.
        dialect: DuckDB's.
    """
    order = dialect.row_order
    columns: list[Any] = [
        exp.cast(column_ref(c), dialect.data_type(types[c])).as_(c, quoted=True) for c in rows.column_names
    ]
    if order not in rows.column_names:
        rows = rows.append_column(order, pa.arange(0, rows.num_rows))
        columns.append(column_ref(order))
    source = _IN_ARROW.format(name)
    view = exp.select(*columns).from_(exp.to_identifier(source, quoted=True))
    here = dialect.sql(table_ref(dialect.staging, name))
    connection.execute(f"DROP TABLE {here}")
    connection.register(source, rows)
    connection.execute(f"CREATE TEMPORARY VIEW {here} AS {dialect.sql(view)}")


def settle(
    connection: duckdb.DuckDBPyConnection, name: str, types: Mapping[str, str], dialect: Dialect
) -> None:
    """Put a temporary table in the place of the view, as more rows come."""
    here = dialect.sql(table_ref(dialect.staging, name))
    there = dialect.sql(table_ref(dialect.staging, f"{name}_settled"))
    columns = ", ".join(dialect.sql(column_ref(c)) for c in types)
    connection.execute(f"CREATE TEMPORARY TABLE {there} AS SELECT {columns} FROM {here}")
    connection.execute(f"DROP VIEW {here}")
    connection.unregister(_IN_ARROW.format(name))
    connection.execute(f"ALTER TABLE {there} RENAME TO {dialect.sql(column_ref(name))}")
