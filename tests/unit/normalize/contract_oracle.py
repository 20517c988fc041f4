"""What a contract makes of rows, row by row in plain Python: slow, simple, and without ladle's code."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

MODES = ("evolve", "freeze", "discard_row", "discard_value")
KNOWN: Mapping[str, Mapping[str, type]] = {
    "t": {"id": int, "r": int, "n": int},
    "t__kids": {"id": int, "r": int, "n": int},
    "t__kids__g": {"id": int, "r": int, "n": int},
}
"""Tables as loaded before: `r` may not be null."""


class Broken(Exception):
    """Something is frozen: the entity, or `null` where no contract speaks of it."""

    @property
    def entity(self) -> str:
        return str(self)


@dataclass
class Outcome:
    """Rows by table without nulls, and rejects as (table, entity, action, path, value, record)."""

    tables: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    rejects: list[tuple[Any, ...]] = field(default_factory=list)
    seen: dict[str, int] = field(default_factory=dict)


@dataclass
class Node:
    """One element: of the rows, or of a list in one."""

    table: str
    source: dict[str, Any]
    cells: dict[str, tuple[str, Any]]
    below: list[Node]
    above: Node | None = None
    out: bool = False

    def is_below_out(self) -> bool:
        return self.above is not None and (self.above.out or self.above.is_below_out())

    def all(self) -> Iterator[Node]:
        """This one and those below that are in, level by level."""
        level = [self]
        while level := [n for n in level if not n.out]:
            yield from level
            level = [b for n in level if not n.out for b in n.below]


def node(table: str, element: Any, above: Node | None = None) -> Node:
    made = Node(table, element, {}, [], above)
    if not isinstance(element, dict):
        made.cells["value"] = ("value", element)
        return made
    walk(made, element, ())
    return made


def walk(made: Node, element: dict[str, Any], path: tuple[str, ...]) -> None:
    for key, value in element.items():
        here = (*path, key)
        if isinstance(value, dict):
            walk(made, value, here)
        elif isinstance(value, list):
            made.below += [node("__".join((made.table, *here)), item, made) for item in value]
        else:
            made.cells["__".join(here)] = (".".join(here), value)


class Oracle:
    """Goes through rows under one contract."""

    def __init__(self, contract: Mapping[str, str]) -> None:
        self.modes = {"tables": "evolve", "columns": "evolve", "data_type": "evolve", **contract}
        self.types = {table: dict(columns) for table, columns in KNOWN.items()}
        self.made = Outcome()
        self.refused: list[tuple[Node, tuple[Any, ...]]] = []

    def load(self, table: str, rows: list[dict[str, Any]]) -> Outcome:
        roots = [node(table, row) for row in rows]
        for root in roots:
            count_all(root, self.made.seen)
        for root in roots:
            for found in root.all():
                self.check_names(found)
        for root in roots:
            for found in root.all():
                self.check_types(found)
                if not found.out:
                    self.write(found)
        self.made.rejects = [
            told
            for found, told in self.refused
            # of a row that is out with one above it, or for another reason, nothing more is told
            if not found.is_below_out() and not (found.out and told[2] == "value")
        ]
        return self.made

    def check_names(self, found: Node) -> None:
        if found.table not in KNOWN:
            mode = self.modes["tables"]
            if mode == "freeze":
                raise Broken("tables")
            if mode != "evolve":
                self.refuse(found, "tables")
            return
        mode = self.modes["columns"]
        for name, (path, value) in sorted(found.cells.items()):
            if name in KNOWN[found.table] or mode == "evolve":
                continue
            del found.cells[name]
            if value is None:
                continue
            if mode == "freeze":
                raise Broken("columns")
            if mode == "discard_row":
                self.refuse(found, "columns", path, value)
            else:
                self.leave_out(found, "columns", path, value)

    def check_types(self, found: Node) -> None:
        mode = self.modes["data_type"] if found.table in KNOWN else "evolve"
        types = self.types.setdefault(found.table, {})
        fresh = {}
        for name, (path, value) in sorted(found.cells.items()):
            wanted = types.get(name)
            if name == "r" and value is None and found.table in KNOWN:
                self.check_null(found, mode)
                continue
            if wanted is str and isinstance(value, int):
                found.cells[name] = (path, str(value))
                continue
            if value is None or wanted in (None, type(value)):
                fresh[name] = type(value)
                continue
            if mode == "evolve":
                found.cells[f"{name}__v_text"] = found.cells.pop(name)
            elif mode == "freeze":
                raise Broken("data_type")
            elif mode == "discard_row":
                self.refuse(found, "data_type", path, value)
            else:
                found.cells[name] = (path, None)
                self.leave_out(found, "data_type", path, value)
        if not found.out:
            types.update((n, t) for n, t in fresh.items() if types.get(n) is None and t is not type(None))

    def check_null(self, found: Node, mode: str) -> None:
        if mode == "evolve":
            raise Broken("null")
        if mode == "freeze":
            raise Broken("data_type")
        self.refuse(found, "data_type", "r", None)

    def refuse(self, found: Node, entity: str, path: str | None = None, value: Any = None) -> None:
        if not found.out:
            found.out = True
            self.refused.append((found, self.reject(found, entity, "row", path, value)))

    def leave_out(self, found: Node, entity: str, path: str, value: Any) -> None:
        self.refused.append((found, self.reject(found, entity, "value", path, value)))

    def reject(self, found: Node, entity: str, action: str, path: str | None, value: Any) -> tuple[Any, ...]:
        rule = f"{entity}: {self.modes[entity]}"
        record = without_nulls(found.source) if action == "row" else None
        return found.table, rule, action, path, None if value is None else json.dumps(value), record

    def write(self, found: Node) -> None:
        cells = {name: value for name, (_, value) in found.cells.items() if value is not None}
        self.made.tables.setdefault(found.table, []).append(cells)


def count_all(found: Node, seen: dict[str, int]) -> None:
    seen[found.table] = seen.get(found.table, 0) + 1
    for below in found.below:
        count_all(below, seen)


def without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: without_nulls(v) for k, v in value.items() if v is not None}
    if isinstance(value, list):
        return [without_nulls(v) for v in value]
    return value


def expected(contract: Mapping[str, str], table: str, rows: list[dict[str, Any]]) -> Outcome | Broken:
    """Return what becomes of rows, or what a contract says that none of them may be loaded for."""
    try:
        return Oracle(contract).load(table, rows)
    except Broken as broken:
        return broken
