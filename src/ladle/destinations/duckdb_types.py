"""How DuckDB spells the types of columns, and which columns that are there take what comes."""

from __future__ import annotations

import re

from ladle.errors import DestinationError
from ladle.schema.table import Column, Table

_INTS = {8: "TINYINT", 16: "SMALLINT", 32: "INTEGER", 128: "HUGEINT"}
_NAIVE = {0: "TIMESTAMP_S", 3: "TIMESTAMP_MS", 9: "TIMESTAMP_NS"}
_TYPES = {
    "text": "VARCHAR",
    "double": "DOUBLE",
    "bool": "BOOLEAN",
    "date": "DATE",
    "time": "TIME",
    "binary": "BLOB",
    "json": "JSON",
}
_INTEGERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT")
_DECIMAL = re.compile(r"DECIMAL\((\d+),(\d+)\)")


def column_type(column: Column) -> str:
    """Return the SQL type of a column."""
    kind = column.data_type or "text"
    if kind == "bigint":
        return _INTS.get(column.precision or 64, "BIGINT")
    if kind == "timestamp":
        if column.timezone is False:
            return _NAIVE.get(6 if column.precision is None else column.precision, "TIMESTAMP")
        return "TIMESTAMP WITH TIME ZONE"
    if kind == "decimal":
        scale = column.scale if column.scale is not None else (9 if column.precision is None else 0)
        return f"DECIMAL({min(column.precision or 38, 38)},{scale})"
    if kind == "wei":
        return "DECIMAL(38,0)"
    return _TYPES[kind]


def compression(column: Column) -> str | None:
    """Return the clause for the keys that tie rows together: random text, which takes the default longest."""
    links = column.row_key or column.parent_key or column.root_key
    # a schema that was imported may call a number a key between rows
    return "USING COMPRESSION zstd" if links and column.data_type == "text" else None


def check_type(table: Table, column: Column, found: str) -> None:
    """Refuse what DuckDB would cast on the way in and lose by it: 1.5 into BIGINT is 2 there."""
    wanted = column_type(column)
    if found == wanted or (column.data_type in ("text", "json") and found == "VARCHAR"):
        return
    if column.data_type == "bigint" and (found in _INTEGERS or found == "DECIMAL(38,0)"):
        return
    scales = [_DECIMAL.fullmatch(name) for name in (wanted, found)]
    if all(scales):
        (digits, scale), (found_digits, found_scale) = (map(int, m.groups()) for m in scales if m)
        if found_scale >= scale and found_digits - found_scale >= digits - scale:
            return
    raise DestinationError(
        f"column `{column.name}` of table `{table.name}` is {found} at the destination, the data is {wanted}",
        table=table.name,
        column=column.name,
        expected=f"a column of type {wanted}, or data that fits {found}",
        hint="load into another table_name, or declare the column's data_type as it is there",
    )
