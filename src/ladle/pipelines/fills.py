"""Replay of values: what a row was loaded without is put into it, where it is still there and lacks it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import TYPE_CHECKING, Any

import orjson
import pyarrow as pa
from sqlglot import exp

from ladle.normalize.coerce import coerce
from ladle.normalize.keys import ROW_ID
from ladle.schema.given_names import GivenNames
from ladle.schema.schema import Schema
from ladle.schema.table import Column

if TYPE_CHECKING:
    from ladle.dataset import Dataset

FixValue = Callable[[str, Any], Any]
NO_COLUMN = "a value: its column isn't in the table"
MISFIT = "a value: it doesn't fit its column; mend it with fix_value"
SHORTENED = "a value: it was too long to be kept whole"
FIXED = "a value: the destination can't change rows"
NO_ROW = "a value: its row is there no more, or has a value by now"
_OBSTACLES = (NO_COLUMN, MISFIT, SHORTENED, NO_ROW)
_KINDS: Mapping[type, str] = {
    bool: "bool",
    int: "bigint",
    float: "double",
    str: "text",
    list: "json",
    dict: "json",
}


@dataclass(frozen=True, slots=True)
class Lost:
    """A value that a row lacks: where it belongs, and what it was, in JSON. Names as at the destination."""

    reject_id: str
    table: str
    path: str
    row_id: str
    value: str


@dataclass(frozen=True, slots=True)
class Filled:
    """What is put in, as a manifest has it; the ids of its rejects; how many can't be, by reason."""

    fills: tuple[Mapping[str, str], ...]
    ids: tuple[str, ...]
    left: Mapping[str, int]


def filled(lost: Sequence[Lost], schema: Schema, dataset: Dataset, fix: FixValue | None) -> Filled:
    """Find rows and types for values.

    Args:
        lost: values of tables of `schema`.
        schema: as stored.
        dataset: to look for the rows.
        fix: gets path and value and returns the value mended, or None to leave it.
    """
    fills: list[Mapping[str, str]] = []
    ids: list[str] = []
    left: dict[str, int] = {}
    if not dataset.destination_client.limits.merges:
        return Filled((), (), {FIXED: len(lost)})
    for one in lost:
        column = _column(one, schema)
        text = _text(one, column, fix) if column is not None else NO_COLUMN
        if text is None:
            continue
        if text not in _OBSTACLES and column is not None and not _waits(one, column.name, dataset):
            text = NO_ROW
        if text in _OBSTACLES:
            left[text] = left.get(text, 0) + 1
        elif column is not None:
            fills.append({"table": one.table, "column": column.name, "row_id": one.row_id, "value": text})
            ids.append(one.reject_id)
    return Filled(tuple(fills), tuple(ids), left)


def _column(one: Lost, schema: Schema) -> Column | None:
    names, table = GivenNames.of(schema), schema.table_map.get(one.table)
    derived = schema.convention.fit(*one.path.split("."), max_length=None)
    column = table.columns.get(names.column(names.source_table(one.table), derived)) if table else None
    # Bytes come back as text that only looks like them.
    return column if column is not None and column.data_type not in (None, "binary") else None


def _text(one: Lost, column: Column, fix: FixValue | None) -> str | None:
    """Return the value as text for the column; MISFIT where it takes none, None where `fix` leaves it."""
    try:
        value = orjson.loads(one.value)
    except orjson.JSONDecodeError:
        return SHORTENED
    if fix is not None:
        value = fix(one.path, value)
        if value is None:
            return None
    kind = _KINDS.get(type(value))
    if kind is None or (kind == "bigint" and value.bit_length() > 63):
        return MISFIT
    raw = pa.array([orjson.dumps(value).decode() if kind == "json" else value])
    made, failed = coerce(raw, kind, column)
    if failed is not None or made.null_count:
        return MISFIT
    return _spelled(made[0].as_py())


def _spelled(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value.isoformat() if isinstance(value, (date, datetime, time)) else str(value)


def _waits(one: Lost, column: str, dataset: Dataset) -> bool:
    there = exp.Table(this=exp.to_identifier(one.table, quoted=True))
    row = exp.column(ROW_ID, quoted=True)
    query = exp.select(row).from_(there).where(row.eq(one.row_id))
    return bool(dataset.query(query.where(exp.column(column, quoted=True).is_(exp.null()))).fetchall())
