"""Append: rows are added to what is there."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ladle.destinations.base import Session
from ladle.schema.table import Table


def append(session: Session, tables: Sequence[Table], write: Callable[[Table], int]) -> dict[str, int]:
    """Write each table's rows; returns rows by table."""
    return {table.name: write(table) for table in tables}
