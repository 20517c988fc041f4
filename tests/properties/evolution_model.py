"""What a sequence of runs has to leave behind, in plain Python: tables, columns, rows, and what is refused.

Small on purpose: six kinds of values, chosen so that each either is a value of a column's type or isn't.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import Any

BIG = 2**53 + 1
Place = tuple[str, str]

KINDS: dict[type, str] = {bool: "bool", int: "bigint", float: "double", str: "text", date: "date"}
_FITS: dict[str, Callable[[Any], Any]] = {
    "bigint": lambda v: v if type(v) is int else None,
    "double": lambda v: float(v) if type(v) is float or (type(v) is int and abs(v) < BIG) else None,
    "decimal": lambda v: Decimal(repr(v)) if type(v) in (int, float) else None,
    "bool": lambda v: v if type(v) is bool else None,
    "date": lambda v: v if type(v) is date else None,
    "text": str,
}
_WIDER = {
    "bigint": ("double", "decimal", "text"),
    "double": ("text",),
    "decimal": ("text",),
    "bool": ("text",),
    "date": ("text",),
}


def kind(value: Any) -> str:
    return KINDS[type(value)]


def fits(value: Any, data_type: str) -> bool:
    return _FITS[data_type](value) is not None


def stored(value: Any, data_type: str) -> Any:
    """Return a value as a column of a type has it; decimals become text without zeros at the end."""
    if data_type == "text" and isinstance(value, Decimal):
        return format(value.normalize(), "f")
    return _FITS[data_type](value)


@dataclass
class Col:
    """`data_type` is None while only nulls were seen; `nullable` as the stored schema has it."""

    data_type: str | None = None
    nullable: bool = True


@dataclass
class Tab:
    columns: dict[str, Col] = field(default_factory=dict)
    rows: list[dict[str, Any]] = field(default_factory=list)

    def values(self, column: str) -> list[Any]:
        return [row[column] for row in self.rows if row.get(column) is not None]


class Refused(Exception):
    """A run that changes nothing; `places`: tables and columns that may be named."""

    def __init__(self, error: str, places: set[Place]) -> None:
        super().__init__(error)
        self.error = error
        self.places = places


class Model:
    """The tables. `widen`: the policy."""

    def __init__(self, widen: bool) -> None:
        self.widen = widen
        self.tables: dict[str, Tab] = {}

    def has(self, column: str) -> bool:
        """Whether the root table has a column at the destination."""
        table = self.tables.get("t", Tab())
        return bool(table.rows) and table.columns.get(column, Col()).data_type is not None

    def run(self, rows: list[dict[str, Any]], hints: dict[str, dict[str, Any]]) -> None:
        """Load rows.

        Raises:
            Refused: nothing of it.
        """
        tables = copy.deepcopy(self.tables)
        declared = {("t", name) for name, hint in hints.items() if "data_type" in hint}
        root = tables.setdefault("t", Tab())
        for name, hint in hints.items():
            self._declare(root, name, hint)
        for table, came in _relational(rows).items():
            self._load(table, tables.setdefault(table, Tab()), came, declared)
        self.tables = tables

    def _declare(self, table: Tab, name: str, hint: dict[str, Any]) -> None:
        column = table.columns.setdefault(name, Col())
        wanted = hint.get("data_type")
        if wanted and column.data_type and wanted != column.data_type:
            exact = wanted != "double" or all(fits(v, "double") for v in table.values(name))
            if wanted not in _WIDER.get(column.data_type, ()) or not exact:
                raise Refused("UsageError", {("t", name)})
            self._convert(table, name, wanted)
        column.data_type = wanted or column.data_type
        column.nullable = hint.get("nullable", column.nullable)

    def _convert(self, table: Tab, name: str, data_type: str) -> None:
        for row in table.rows:
            if row.get(name) is not None:
                row[name] = stored(row[name], data_type)

    def _load(self, name: str, table: Tab, rows: list[dict[str, Any]], declared: set[Place]) -> None:
        before = copy.deepcopy(self.tables.get(name)) or Tab()
        out: list[dict[str, Any]] = [{} for _ in rows]
        for key in dict.fromkeys(key for row in rows for key in row):
            self._column(table, key, [row.get(key) for row in rows], out, (name, key) in declared, before)
        missing = {
            (name, key)
            for key, column in table.columns.items()
            if column.data_type and not column.nullable and any(row.get(key) is None for row in out)
        }
        if missing:
            raise Refused("DataError", missing)
        if before.rows:
            for key, column in table.columns.items():
                if column.data_type is None:
                    continue  # not made yet: it stays as it was declared
                known = before.columns.get(key, Col())
                column.nullable = column.nullable or known.nullable or known.data_type is None
        table.rows.extend(out)

    def _column(
        self, table: Tab, key: str, values: list[Any], out: list[dict[str, Any]], fixed: bool, before: Tab
    ) -> None:
        column = table.columns.setdefault(key, Col())
        came = [value for value in values if value is not None]
        if not came:
            return
        known = before.columns.get(key, Col()).data_type
        if column.data_type is None:
            column.data_type = kind(came[0])
        wide = self._type(column.data_type, came, known, fixed, before.values(key))
        if wide != column.data_type:
            self._convert(table, key, wide)
        column.data_type = wide
        for row, value in zip(out, values, strict=True):
            if value is None:
                continue
            if fits(value, wide):
                row[key] = stored(value, wide)
            else:
                beside = f"{key}__v_{kind(value)}"
                table.columns.setdefault(beside, Col(kind(value)))
                row[beside] = value

    def _type(self, now: str, came: list[Any], known: str | None, fixed: bool, there: list[Any]) -> str:
        if fixed:
            return now
        if not self.widen:
            joins = known is None and now == "bigint" and any(type(value) is float for value in came)
            return "double" if joins else now
        for value in came:
            wider = kind(value)
            if fits(value, now) or wider not in _WIDER.get(now, ()):
                continue
            if wider == "double" and known is not None and not all(fits(v, "double") for v in there):
                continue
            now = wider
        return now


def _relational(rows: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Flatten dicts and split lists off, as far as these rows go: one level of either."""
    tables: dict[str, list[dict[str, Any]]] = {"t": []}
    for row in rows:
        flat = dict(_flat(row))
        for key, value in list(flat.items()):
            if isinstance(value, list):
                del flat[key]
                tables.setdefault(f"t__{key}", []).extend({"value": item} for item in value)
        tables["t"].append(flat)
    return {name: found for name, found in tables.items() if found}


def _flat(row: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for key, value in row.items():
        if isinstance(value, dict):
            yield from ((f"{key}__{inner}", item) for inner, item in value.items())
        else:
            yield key, value
