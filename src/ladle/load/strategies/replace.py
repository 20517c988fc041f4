"""Replace: rows take the place of what is there; others see the old rows until the commit."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ladle.destinations.base import Session
from ladle.schema.table import Table


def replace(session: Session, tables: Sequence[Table], write: Callable[[Table], int]) -> dict[str, int]:
    """Remove what was there of the root table and all its children, then write; returns rows by table.

    A table that got no rows this time ends up empty.
    """
    session.clear([table.name for table in tables])
    return {table.name: write(table) for table in tables}
