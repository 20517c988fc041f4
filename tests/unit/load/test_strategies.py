"""Write strategies, each alone."""

from __future__ import annotations

from typing import Any

from tests.unit.load.sessions import Memory, MemorySession

from ladle.load.strategies.append import append
from ladle.load.strategies.replace import replace
from ladle.schema.table import Table

TABLES = [Table("t"), Table("t__l", parent="t")]


def called(strategy: Any) -> tuple[dict[str, int], list[str]]:
    memory = Memory()

    def write(table: Table) -> int:
        memory.calls.append(f"write {table.name}")
        return len(table.name)

    return strategy(MemorySession(memory), TABLES, write), memory.calls


def test_append_writes_parents_first_and_counts() -> None:
    assert called(append) == ({"t": 1, "t__l": 4}, ["write t", "write t__l"])


def test_replace_clears_all_tables_first() -> None:
    assert called(replace) == ({"t": 1, "t__l": 4}, ["clear t t__l", "write t", "write t__l"])
