"""Write strategies, each alone."""

from __future__ import annotations

from tests.unit.load.sessions import Memory, MemorySession

from ladle.destinations.base import Strategy
from ladle.load.strategies.append import append
from ladle.load.strategies.truncate_and_insert import truncate_and_insert as replace
from ladle.schema.table import Table

TABLES = [Table("t"), Table("t__l", parent="t")]


def prepared(strategy: Strategy) -> list[str]:
    memory = Memory()
    strategy.prepare(MemorySession(memory), TABLES)
    return memory.calls


def test_append_leaves_what_is_there() -> None:
    assert prepared(append) == []


def test_replace_clears_all_tables_before_rows_come() -> None:
    assert prepared(replace) == ["clear t t__l"]
