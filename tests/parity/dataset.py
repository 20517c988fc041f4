"""A dataset read back through plain DuckDB as trees: each row with its values and its child rows by table."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import duckdb

ID, PARENT, INDEX, ROOT, LOAD = "_dlt_id", "_dlt_parent_id", "_dlt_list_idx", "_dlt_root_id", "_dlt_load_id"
LINKS = frozenset({ID, PARENT, INDEX, ROOT, LOAD})
"""Columns whose values say how rows hang together; their values differ between two loads by design."""
SYSTEM_PREFIXES = ("_dlt_", "_ladle_")
VARIANT = re.compile(r"(.+)__v_[a-z]+")
OTHER_SPELLING = re.compile(r"(.+)__[a-z2-7]{6}")


@lru_cache(maxsize=65536)
def base_of(column: str) -> str:
    """The column that a variant column, or one of another spelling, stands beside; else the column itself."""
    found = VARIANT.fullmatch(column) or OTHER_SPELLING.fullmatch(column)
    return found[1] if found else column


@dataclass(eq=False)
class Row:
    """One row: its values without linking columns and nulls, and its children per table in list order."""

    table: str
    values: dict[str, Any]
    links: dict[str, Any]
    children: dict[str, list[Row]] = field(default_factory=dict)

    @property
    def index(self) -> int:
        """The row's position in its list; -1 for a root row."""
        found = self.links.get(INDEX)
        return -1 if found is None else int(found)

    def beside(self, base: str) -> Mapping[str, Any]:
        """The values in a column and in the columns beside it."""
        return self._groups.get(base, {})

    @cached_property
    def _groups(self) -> dict[str, dict[str, Any]]:
        groups: dict[str, dict[str, Any]] = {}
        for column, value in self.values.items():
            # A column that only looks like one beside another is asked for by its own name.
            for name in {column, base_of(column)}:
                groups.setdefault(name, {})[column] = value
        return groups

    @cached_property
    def form(self) -> tuple[Any, ...]:
        """The row's tree as a hashable value: equal forms are equal trees, whatever their ids."""
        values = tuple(sorted((name, comparable(value)) for name, value in self.values.items()))
        return (
            self.index,
            values,
            tuple(sorted((name, tuple(r.form for r in rows)) for name, rows in self.children.items())),
        )


@dataclass(frozen=True, eq=False)
class Table:
    """A table's columns as `{name: DuckDB type}` (`NOT NULL` where declared) and rows in stored order."""

    name: str
    columns: Mapping[str, str]
    rows: list[Row]


@dataclass(frozen=True, eq=False)
class Dataset:
    """What one load left: data tables, the forest of their rows, and rows whose parent doesn't resolve.

    `error` is the load's own failure; the tables are empty then.
    """

    tables: Mapping[str, Table] = field(default_factory=dict)
    roots: list[Row] = field(default_factory=list)
    orphans: list[Row] = field(default_factory=list)
    system: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    error: str | None = None


def read(database: Path | str, schema: str, error: str | None = None) -> Dataset:
    """Read every table of a schema; nothing to read (no file, no schema) is an empty dataset."""
    if error is not None or not Path(database).exists():
        return Dataset(error=error)
    with duckdb.connect(str(database), read_only=True) as connection:
        return read_from(connection, schema)


def read_from(connection: duckdb.DuckDBPyConnection, schema: str) -> Dataset:
    """Read every table of a schema of an open database."""
    columns = _columns(connection, schema)
    data = {name: kinds for name, kinds in columns.items() if not name.startswith(SYSTEM_PREFIXES)}
    tables = {
        name: Table(name, kinds, _rows(connection, schema, name, kinds)) for name, kinds in data.items()
    }
    roots, orphans = link(tables)
    return Dataset(
        tables, roots, orphans, {name: kinds for name, kinds in columns.items() if name not in data}
    )


def link(tables: Mapping[str, Table]) -> tuple[list[Row], list[Row]]:
    """Hang child rows on their parents in list order; returns the root rows and the rows without a parent."""
    roots: list[Row] = []
    orphans: list[Row] = []
    for table in tables.values():
        if PARENT not in table.columns:
            roots += table.rows
            continue
        parents = _parent_rows(table, tables)
        for row in sorted(table.rows, key=lambda row: row.index):
            parent = parents.get(row.links[PARENT])
            (orphans if parent is None else parent.children.setdefault(table.name, [])).append(row)
    return roots, orphans


def comparable(value: Any) -> Any:
    """A value that sorts beside others of its column and equals itself (NaN, -0.0, JSON text)."""
    if isinstance(value, float):
        return "float", repr(value)
    return type(value).__name__, json.dumps(value, sort_keys=True) if isinstance(
        value, dict | list
    ) else value


def _parent_rows(table: Table, tables: Mapping[str, Table]) -> dict[str, Row]:
    """Rows that may be parents, by id: of the tables whose names are prefixes, the longest first.

    A table can have parents in several: `{"a": {"list": [1]}}` and `{"a": [[1]]}` are both `t__a__list`.
    """
    above = sorted((name for name in tables if table.name.startswith(f"{name}__")), key=len)
    return {row.links[ID]: row for name in above for row in tables[name].rows}


def _columns(connection: duckdb.DuckDBPyConnection, schema: str) -> dict[str, dict[str, str]]:
    query = """
        select table_name, column_name, data_type || case when is_nullable then '' else ' NOT NULL' end
        from duckdb_columns() where schema_name = ? order by table_name, column_index
    """
    tables: dict[str, dict[str, str]] = {}
    for table, column, kind in connection.execute(query, [schema]).fetchall():
        tables.setdefault(table, {})[column] = kind
    return tables


def _rows(
    connection: duckdb.DuckDBPyConnection, schema: str, table: str, columns: Mapping[str, str]
) -> list[Row]:
    wanted = ", ".join(_expression(name, kind) for name, kind in columns.items())
    cursor = connection.execute(f"select {wanted} from {_quoted(schema)}.{_quoted(table)} order by rowid")
    json_columns = {name for name, kind in columns.items() if kind.startswith("JSON")}
    return [
        _row(table, dict(zip(columns, values, strict=True)), json_columns) for values in cursor.fetchall()
    ]


def _row(table: str, values: dict[str, Any], json_columns: Iterable[str]) -> Row:
    for name in json_columns:
        values[name] = None if values[name] is None else json.loads(values[name])
    links = {name: values.pop(name) for name in LINKS & values.keys()}
    return Row(table, {name: value for name, value in values.items() if value is not None}, links)


def _expression(column: str, kind: str) -> str:
    """Zoned timestamps as naive UTC: what Python gets must not hang on the machine's zone."""
    return f"{_quoted(column)} at time zone 'UTC'" if kind.startswith("TIMESTAMP WITH") else _quoted(column)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
