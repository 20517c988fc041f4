"""Append: rows are added to what is there."""

from __future__ import annotations

from collections.abc import Sequence

from ladle.destinations.base import Session, Strategy
from ladle.schema.table import Table


def keep(session: Session, tables: Sequence[Table]) -> None:
    """Leave what is there as it is."""


append = Strategy(prepare=keep)
