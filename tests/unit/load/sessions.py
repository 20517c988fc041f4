"""A destination in memory: what a session did, and what was committed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from ladle.destinations.base import LoadOwner, LoadRecord
from ladle.schema.change import AddTable, Change, Comment, Limits
from ladle.schema.change_names import NameChange, after
from ladle.schema.table import Table


@dataclass
class Memory:
    """Committed content, and errors that the next commits or appends raise (None: go through)."""

    rows: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    columns: dict[str, dict[str, str]] = field(default_factory=dict)
    loads: list[str] = field(default_factory=list)
    newest: tuple[str | None, int | None] = (None, 0)
    commit_errors: list[Exception | None] = field(default_factory=list)
    lost_answer: bool = False
    lose_rows: int = 0
    calls: list[str] = field(default_factory=list)
    closed: int = 0
    limits: Limits = Limits()
    owner: LoadOwner | None = None
    name: str = "memory"

    def open(self, dataset: str) -> MemorySession:
        return MemorySession(self)


class MemorySession:
    def __init__(self, memory: Memory) -> None:
        self.memory = memory
        self.rows = {n: list(r) for n, r in memory.rows.items()}
        self.columns = {n: dict(c) for n, c in memory.columns.items()}
        self.record: LoadRecord | None = None

    def begin(self, record: LoadRecord) -> None:
        self.memory.calls.append("begin")
        self.record = record

    def has_load(self, load_id: str) -> bool:
        return load_id in self.memory.loads

    def load_owner(self, load_id: str) -> LoadOwner | None:
        return self.memory.owner

    def newest(self, schema: str, pipeline: str) -> tuple[str | None, int | None]:
        return self.memory.newest

    def tables(self) -> Mapping[str, Mapping[str, str]]:
        return self.columns

    def apply(self, changes: Sequence[Change]) -> None:
        for change in changes:
            if isinstance(change, AddTable):
                names = [c.name for c in change.table.typed_columns()]
                self.columns[change.table.name] = dict.fromkeys(names, "any")
            else:
                self.columns[change.table][change.column.name] = "any"

    def comment(self, changed: Sequence[Comment]) -> None:
        self.memory.calls += [f"comment {c.table}.{c.column} {c.text}" for c in changed]

    def altering(self, changes: Sequence[NameChange]) -> list[str]:
        return [str(change) for change in changes]

    def alter(self, changes: Sequence[NameChange]) -> None:
        for change in changes:
            self.memory.calls.append(str(change))
            self.columns = after(self.columns, change)

    def drop(self, tables: Sequence[str]) -> None:
        self.memory.calls.append(f"drop {' '.join(tables)}")
        for table in tables:
            self.columns.pop(table, None)
            self.rows.pop(table, None)

    def clear(self, tables: Sequence[str]) -> None:
        self.memory.calls.append(f"clear {' '.join(tables)}")
        for table in tables:
            self.rows.pop(table, None)

    def append(self, table: Table, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> int:
        self.memory.calls.append(f"append {table.name}")
        found = pa.Table.from_batches(batches, schema).to_pylist()
        assert set(schema.names) <= set(self.columns[table.name])
        self.rows.setdefault(table.name, []).extend(found)
        return len(found) - self.memory.lose_rows

    def commit(self, record: LoadRecord | None = None) -> None:
        assert self.record is not None
        self.memory.calls.append("commit")
        error = self.memory.commit_errors.pop(0) if self.memory.commit_errors else None
        if error is None or self.memory.lost_answer:
            self.memory.rows, self.memory.columns = self.rows, self.columns
            self.memory.loads.append(self.record.load_id)
        if error is not None:
            raise error

    def close(self) -> None:
        self.memory.closed += 1
