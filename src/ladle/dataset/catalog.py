"""Catalog: what queries on a dataset can name, and the SQL types and literals of its columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from functools import cached_property
from math import isfinite
from typing import Any, cast

import orjson
from sqlglot import exp
from sqlglot.schema import MappingSchema

from ladle.destinations.sqlite_types import stored_value
from ladle.errors import TableNotFound
from ladle.schema.records import is_record
from ladle.schema.schema import SYSTEM_TABLE_MAP, Schema
from ladle.schema.table import Column, Table

_SQL_TYPES = {
    "text": "TEXT",
    "bigint": "BIGINT",
    "double": "DOUBLE",
    "bool": "BOOLEAN",
    "date": "DATE",
    "time": "TIME",
    "binary": "VARBINARY",
    "json": "JSON",
}
_MYSQL = {"binary": "BINARY", "json": "TEXT"}
_KEPT_HINTS = ("data_type", "nullable", "precision", "scale", "timezone")
_ANNOTATION = "x-annotation"


@dataclass(frozen=True)
class Catalog:
    """Tables by name, as stored at the destination.

    Attributes:
        dataset: the dataset's name.
        dialect: sqlglot's name of the destination's dialect.
        tables: data tables first, then those of the system; all have typed columns.
        wei_digits: digits of `wei` columns.
    """

    dataset: str
    dialect: str
    tables: Mapping[str, Table]
    wei_digits: int = 38

    @classmethod
    def of(cls, dataset: str, dialect: str, schemas: Sequence[Schema], wei_digits: int = 38) -> Catalog:
        """Build from schemas; where two have a table of one name, the first has it."""
        found: dict[str, Table] = {}
        for schema in schemas:
            for name, table in schema.table_map.items():
                if table.typed_columns():
                    found.setdefault(name, table)
        own = {n: found.pop(n) for n in [n for n in found if is_record(n)]}
        return cls(dataset, dialect, {**found, **SYSTEM_TABLE_MAP, **own}, wei_digits)

    @cached_property
    def mapping(self) -> MappingSchema:
        """The tables as sqlglot wants them: types by column by table by dataset."""
        tables = {
            name: {c.name: sql_type(c, self) for c in table.typed_columns()}
            for name, table in self.tables.items()
        }
        return MappingSchema({self.dataset: tables}, dialect=self.dialect, normalize=False)

    @cached_property
    def lower_names(self) -> Mapping[str, str]:
        """Names of tables and columns by their lower-case form, where only one has it."""
        names = {n for table in self.tables.values() for n in (table.name, *table.columns)} | {*self.tables}
        found: dict[str, str | None] = {}
        for name in names:
            key = name.lower()
            found[key] = None if key in found else name
        return {key: name for key, name in found.items() if name is not None}

    def table(self, name: str) -> Table:
        """Return a table.

        Raises:
            TableNotFound: none of that name; lists those there are.
        """
        if name not in self.tables:
            raise TableNotFound(
                f"table `{name}` is not in the schema of dataset `{self.dataset}`",
                expected="one of " + ", ".join(self.tables),
            )
        return self.tables[name]

    def data_tables(self) -> list[str]:
        """Names of the data tables that were loaded."""
        return [
            n
            for n, t in self.tables.items()
            if n not in SYSTEM_TABLE_MAP and not is_record(n) and (not self._marks_loaded or t.loaded)
        ]

    @property
    def _marks_loaded(self) -> bool:
        # A schema written by hand, for tables that others loaded, marks none of them.
        return any(t.loaded for t in self.tables.values())


def hints_of(column: Column) -> dict[str, Any]:
    """Return the hints that a column has in results of queries, in stored form."""
    stored = column.to_dict()
    annotations = {k: v for k, v in stored.items() if k.startswith(_ANNOTATION)}
    kept = {k: stored[k] for k in _KEPT_HINTS if k in stored}
    return {"name": column.name, **annotations, **kept}


def sql_type(column: Column, catalog: Catalog) -> exp.DataType:
    """Return the SQL type that values of a column are compared in."""
    kind = column.data_type or "text"
    if kind == "timestamp":
        name = "TIMESTAMP" if column.timezone is False else "TIMESTAMPTZ"
    elif kind == "decimal":
        scale = column.scale if column.scale is not None else (9 if column.precision is None else 0)
        name = f"DECIMAL({column.precision or 38}, {scale})"
    elif kind == "wei":
        name = f"DECIMAL({catalog.wei_digits}, 0)"
    elif kind == "bigint" and (column.precision or 0) > 64:
        name = "INT128"
    elif kind == "json" and catalog.dialect == "postgres":
        name = "JSONB"
    elif kind in _MYSQL and catalog.dialect == "mysql":
        name = _MYSQL[kind]
    else:
        name = _SQL_TYPES[kind]
    return exp.DataType.build(name)


def literal(value: Any, column: Column, catalog: Catalog) -> exp.Expression:
    """Return a value as SQL, cast to the column's type; a sqlglot expression as it is."""
    if isinstance(value, exp.Expression):
        return value.copy()
    if catalog.dialect == "sqlite":
        return _stored(value, column)
    return exp.Cast(this=_bare(value, catalog), to=sql_type(column, catalog))


def _stored(value: Any, column: Column) -> exp.Expression:
    """Return a value as SQLite stores it: a cast to a date's type would make a number of it there."""
    if isinstance(value, (dict, list)):
        value = orjson.dumps(value).decode()
    if value is not None:
        value = stored_value(column, value)
    if isinstance(value, bytes):
        return exp.HexString(this=value.hex())
    if isinstance(value, str) and "\0" in value:  # where SQLite's statements end
        return exp.Cast(this=exp.HexString(this=value.encode().hex()), to=exp.DataType.build("text"))
    if isinstance(value, float) and not isfinite(value):
        return exp.Literal.number("9e999" if value > 0 else "-9e999")
    return cast(exp.Expression, exp.convert(value))


def _bare(value: Any, catalog: Catalog) -> exp.Expression:
    if value is None:
        return exp.Null()
    if isinstance(value, bool):
        return exp.Boolean(this=value)
    if isinstance(value, (int, float, Decimal)):
        if not isfinite(value):
            return exp.Literal.string(str(value))
        return cast(exp.Expression, exp.convert(value))
    if isinstance(value, datetime):
        return exp.Literal.string(value.isoformat(sep=" ", timespec="microseconds"))
    if isinstance(value, (date, time)):
        return exp.Literal.string(value.isoformat())
    if isinstance(value, (dict, list)):
        return exp.Literal.string(orjson.dumps(value).decode())
    if isinstance(value, (bytes, bytearray, memoryview)) and catalog.dialect == "mysql":
        return exp.HexString(this=bytes(value).hex())
    if isinstance(value, (bytes, bytearray, memoryview)):
        return exp.Literal.string(_hexed(bytes(value), catalog.dialect))
    return exp.Literal.string(str(value))


def _hexed(value: bytes, dialect: str) -> str:
    r"""Spell bytes as the engine reads them from text: `\x61\x62` in DuckDB, `\x6162` in Postgres."""
    if dialect == "duckdb":
        return "".join(f"\\x{byte:02X}" for byte in value)
    return "\\x" + value.hex()
