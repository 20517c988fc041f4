"""Rows that wait to be merged into DuckDB: a few stay in Arrow, where DuckDB reads them as they are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import chain

import duckdb
import pyarrow as pa

from ladle.destinations.dialect import Dialect, column_ref, table_ref

FEW_BYTES = 64 << 20
"""Rows, in bytes of Arrow, that wait in memory: of all tables of a load together."""

_IN_ARROW = "{}_in_arrow"


def few(
    batches: Iterable[pa.RecordBatch], most_bytes: int
) -> tuple[list[pa.RecordBatch], Iterator[pa.RecordBatch]]:
    """Return all batches and nothing more; if they are larger than that, none and an iterator over all."""
    coming, found, size = iter(batches), list[pa.RecordBatch](), 0
    for batch in coming:
        found.append(batch)
        size += batch.nbytes
        if size > most_bytes:
            return [], chain(_taken(found), coming)
    return found, iter(())


def _taken(batches: list[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    while batches:
        yield batches.pop(0)  # what is written is kept no longer


def wait_in_arrow(
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
    spelled = {c: dialect.sql(column_ref(c)) for c in rows.column_names}
    columns = [f"CAST({name} AS {types[c]}) AS {name}" for c, name in spelled.items()]
    if order not in map(str.lower, rows.column_names):
        rows = rows.append_column(order, pa.arange(0, rows.num_rows))
        columns.append(dialect.sql(column_ref(order)))
    source = _IN_ARROW.format(name)
    here = dialect.sql(table_ref(dialect.staging, name))
    connection.execute(f"DROP TABLE {here}")
    connection.register(source, rows)
    query = f"SELECT {', '.join(columns)} FROM {dialect.sql(column_ref(source))}"
    # without the schema, which DuckDB 1.4 doesn't find there
    connection.execute(f"CREATE TEMPORARY VIEW {dialect.sql(column_ref(name))} AS {query}")


def wait_in_table(
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
