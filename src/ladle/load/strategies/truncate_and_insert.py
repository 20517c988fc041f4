"""Truncate-and-insert: tables are emptied first, then rows come; others see the old rows until the commit.

By DELETE: after a TRUNCATE others would wait, or find nothing. Other writers wait as long as rows are coming.
"""

from __future__ import annotations

from collections.abc import Sequence

from ladle.destinations.base import Session, Strategy
from ladle.schema.table import Table


def clear(session: Session, tables: Sequence[Table]) -> None:
    """Remove what was there of the root table and all its children.

    A table that gets no rows this time ends up empty.
    """
    session.clear([table.name for table in tables])


truncate_and_insert = Strategy(prepare=clear)
