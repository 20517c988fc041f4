"""Where rows and columns of a dataset come from: the load, the source, the code and the inputs of each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import orjson
import pyarrow as pa

from ladle.dataset import queries
from ladle.dataset.cursor import Cursor
from ladle.dataset.home import Home
from ladle.errors import UsageError
from ladle.schema.provenance import Code, Input
from ladle.schema.records import CHANGES_TABLE, INPUTS, INPUTS_TABLE, is_record
from ladle.schema.schema import LOADS_TABLE, SYSTEM_TABLES, VERSION_TABLE, Schema
from ladle.schema.table import Column, Table
from ladle.schema.types import arrow_type

_LOAD_ID, _ROW_ID, _PARENT_ID, _ROOT_ID = "_dlt_load_id", "_dlt_id", "_dlt_parent_id", "_dlt_root_id"
_TAG = "x-annotation-"
_TEXT, _INT, _TIME = pa.string(), pa.int64(), pa.timestamp("us", "UTC")
_COLUMNS = pa.schema(
    {
        "table_name": _TEXT, "column_name": _TEXT, "data_type": _TEXT, "load_id": _TEXT,
        "introduced_at": _TIME, "schema_name": _TEXT, "schema_version": _INT,
        "resource": _TEXT, "source": _TEXT, "path": _TEXT,
        "module": _TEXT, "function": _TEXT, "code_version": _TEXT, "tags": _TEXT, "recorded": pa.bool_(),
    }
)  # fmt: skip
_LOADS = pa.schema(
    {
        "load_id": _TEXT, "schema_name": _TEXT, "status": _INT, "inserted_at": _TIME, "schema_version": _INT,
        "schema_version_hash": _TEXT, "inputs": _INT,
    }
)  # fmt: skip
_INPUTS = pa.schema(
    {
        "load_id": _TEXT,
        **{c.name: arrow_type(c) for c in INPUTS.columns.values() if c.name not in (_LOAD_ID, _ROW_ID)},
    }
)
_Record = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ColumnLineage:
    """Where a column comes from.

    Attributes:
        load_id: of the load that introduced it; None where no load is on record with that schema.
        introduced_at: when.
        schema_version: the first with the column.
        path: keys of the source from the root row to the value; None for keys that ladle makes, and where
            it was introduced before paths were recorded.
        code: that made the rows; None for plain data.
        tags: annotations of the column, by name.
        recorded: False where it was found by comparing stored schemas: the column is older than the records.
        changes: what became of it since, oldest first, as in `_ladle_changes`.
    """

    table_name: str
    column_name: str
    data_type: str
    load_id: str | None = None
    introduced_at: datetime | None = None
    schema_name: str | None = None
    schema_version: int | None = None
    resource: str | None = None
    source: str | None = None
    path: str | None = None
    code: Code | None = None
    tags: Mapping[str, Any] = field(default_factory=dict)
    recorded: bool = True
    changes: tuple[_Record, ...] = ()


@dataclass(frozen=True, slots=True)
class RowLineage:
    """Where a row comes from.

    Attributes:
        row_id: its `_dlt_id`.
        root_table: the table of the row that it was part of; its own for a root row.
        root_id: of that row.
        load_id: of the load that brought it.
        loaded_at: when that load was committed; None where it has no row in `_dlt_loads`.
        schema_version: of that load.
        resource: that feeds the root table.
        code: of the resource, as the newest record up to that load tells.
        code_load_id: the load of that record: the code may have had another version since.
        inputs: what the load read; without those of resources that feed other tables.
    """

    table_name: str
    row_id: str
    root_table: str
    root_id: str
    load_id: str
    loaded_at: datetime | None
    schema_name: str | None
    schema_version: int | None
    schema_version_hash: str | None
    resource: str | None
    source: str | None
    code: Code | None
    code_load_id: str | None
    inputs: tuple[Input, ...]


class Lineage:
    """Where the rows and columns of a dataset come from. Made by `dataset.lineage()`.

    Each call reads the small tables of the system, `_ladle_changes` and `_ladle_inputs` anew.

    Args:
        home: the dataset.
    """

    def __init__(self, home: Home) -> None:
        self._home = home

    def columns(self, table_name: str | None = None) -> pa.Table:
        """Return a row for each column of the data tables: the load that introduced it, source, path, code.

        Args:
            table_name: of one table.

        Raises:
            TableNotFound: there is none of that name.
        """
        found = list(self._columns(table_name))
        if table_name is not None and not found:
            self._home.catalog.table(table_name)
        return pa.Table.from_pylist([_column_record(c) for c in found], _COLUMNS)

    def loads(self) -> pa.Table:
        """Return a row for each load, oldest first: its schema and version, when, and how many inputs."""
        versions = {(v["schema_name"], v["version_hash"]): v["version"] for v in self._versions()}
        read = [i[_LOAD_ID] for i in self._records(INPUTS_TABLE)]
        rows = [
            {
                **load,
                "schema_version": versions.get((load["schema_name"], load["schema_version_hash"])),
                "inputs": read.count(load["load_id"]),
            }
            for load in self._loads()
        ]
        return pa.Table.from_pylist(rows, _LOADS)

    def inputs(self, load_id: str | None = None) -> pa.Table:
        """Return a row for each input that a load noted.

        Args:
            load_id: of one load.
        """
        rows = [{**i, "load_id": i[_LOAD_ID]} for i in self._records(INPUTS_TABLE)]
        return pa.Table.from_pylist([i for i in rows if load_id in (None, i["load_id"])], _INPUTS)

    def column(self, table_name: str, column_name: str) -> ColumnLineage:
        """Return where a column comes from.

        Raises:
            TableNotFound: there is no such table.
            UsageError: the table has no such column.
        """
        for found in self._columns(table_name):
            if found.column_name == column_name:
                return found
        names = [c.name for c in self._home.catalog.table(table_name).typed_columns()]
        raise UsageError.unknown_choice(f"column of table `{table_name}`:", column_name, names)

    def row(self, table_name: str, row_id: str) -> RowLineage:
        """Return where a row comes from, by its `_dlt_id`; a row of a child table by way of its root row.

        Raises:
            TableNotFound: there is no such table.
            UsageError: it has no such row, or rows of it have no ids.
        """
        table = self._home.catalog.table(table_name)
        root, root_id = self._root(table, row_id)
        (load_id,) = self._cells(root, root_id, _LOAD_ID)
        loads = {load["load_id"]: load for load in self._loads()}
        load = loads.get(load_id, {})
        at, name = load.get("inserted_at"), load.get("schema_name")
        wanted = (name, load.get("schema_version_hash"))
        same = [v["version"] for v in self._versions() if (v["schema_name"], v["version_hash"]) == wanted]
        noted = [i for i in self._records(INPUTS_TABLE) if i[_LOAD_ID] == load_id]
        told = self._code(root.resource, load_id, at)
        return RowLineage(
            table_name=table_name,
            row_id=row_id,
            root_table=root.name,
            root_id=root_id,
            load_id=load_id,
            loaded_at=at,
            schema_name=name,
            schema_version=same[0] if same else None,
            schema_version_hash=load.get("schema_version_hash"),
            resource=root.resource,
            source=name,
            code=_code(told),
            code_load_id=told.get(_LOAD_ID),
            inputs=tuple(_input(i) for i in noted if i["resource"] not in self._feed_others(root)),
        )

    # -- columns

    def _columns(self, table_name: str | None) -> Iterator[ColumnLineage]:
        changes = self._records(CHANGES_TABLE)
        older = _Older(self)
        for schema, table in self._tables(table_name):
            mine = [c for c in changes if c["schema_name"] == schema.name]
            for column in table.typed_columns():
                yield self._column(schema, table, column, mine) or older.column(schema, table, column)

    def _column(
        self, schema: Schema, table: Table, column: Column, changes: Sequence[_Record]
    ) -> ColumnLineage | None:
        """Return what was recorded of a column; None where it is older than the records."""
        first, *later = history_of(changes, table.name, column.name) or [{}]
        if not first:
            return None
        return ColumnLineage(
            table.name,
            column.name,
            str(column.data_type),
            first[_LOAD_ID],
            first["changed_at"],
            schema.name,
            first["schema_version"],
            first["resource"],
            first["source"],
            first["path"],
            _code(first),
            tags(column.extra),
            changes=tuple(later),
        )

    def _tables(self, table_name: str | None = None) -> Iterator[tuple[Schema, Table]]:
        """Yield the data tables, each with the schema that has it."""
        seen: set[str] = set()
        for schema in self._home.schemas:
            for table in schema.table_map.values():
                is_data = table.name not in SYSTEM_TABLES and not is_record(table.name)
                if is_data and table.name not in seen and table_name in (None, table.name):
                    seen.add(table.name)
                    yield schema, table

    # -- rows

    def _root(self, table: Table, row_id: str) -> tuple[Table, str]:
        """Climb from a row to its root row."""
        tables = self._home.catalog.tables
        if table.parent is not None and _ROOT_ID in table.columns:
            (root_id,) = self._cells(table, row_id, _ROOT_ID)
            while table.parent is not None:
                table = tables[table.parent]
            return table, root_id
        while table.parent is not None:
            (row_id,) = self._cells(table, row_id, _PARENT_ID)
            table = tables[table.parent]
        return table, row_id

    def _cells(self, table: Table, row_id: str, *names: str) -> tuple[Any, ...]:
        missing = [n for n in (_ROW_ID, *names) if n not in table.columns]
        if missing:
            setting = f"NORMALIZE__PARQUET_NORMALIZER__ADD{missing[0].upper()}=true"
            raise UsageError(
                f"rows of table `{table.name}` can't be told apart: it has no `{missing[0]}`",
                table=table.name,
                hint=f"frames are loaded without keys; {setting} gives them to rows loaded from then on",
            )
        found = self._home.table(table.name).where(_ROW_ID, "eq", row_id).select(*names).fetchone()
        if found is None:
            raise UsageError(f"table `{table.name}` has no row with `{_ROW_ID}` `{row_id}`", table=table.name)
        return tuple(found)

    def _feed_others(self, root: Table) -> set[str]:
        """Return the resources that feed other tables; those that feed none serve transformers."""
        roots = [t for _, t in self._tables() if t.resource is not None and t.name != root.name]
        return {str(t.resource) for t in roots} - {str(root.resource)}

    def _code(self, resource: str | None, load_id: str, loaded_at: datetime | None) -> _Record:
        """Return the newest record of a resource's code up to a load."""
        told = [*self._records(CHANGES_TABLE), *self._records(INPUTS_TABLE)]
        mine = [t for t in told if t["resource"] == resource and t["module"] is not None]
        exact = [t for t in mine if t[_LOAD_ID] == load_id]
        early = [t for t in mine if loaded_at is not None and _at(t) <= loaded_at]
        return max(exact or early, key=_at, default={})

    # -- what is stored

    def _records(self, table: str) -> list[_Record]:
        """Return the rows of a small table, those of a record in order; none where it isn't there."""
        with self._home.lease() as reader:
            if table not in reader.tables():
                return []
            dialect, name = reader.dialect.name, self._home.dataset_name
            ref = ".".join(queries.ident(n).sql(dialect=dialect) for n in (name, table))
            with reader.stream(f"SELECT * FROM {ref}") as rows:
                names = rows.schema.names
                found: list[_Record] = [dict(zip(names, row, strict=True)) for row in Cursor(rows).fetchall()]
        return sorted(found, key=_order) if is_record(table) else found

    def _loads(self) -> list[_Record]:
        return sorted(self._records(LOADS_TABLE), key=lambda load: load["inserted_at"])

    def _versions(self) -> list[_Record]:
        return sorted(self._records(VERSION_TABLE), key=lambda v: (v["inserted_at"], v["version"]))

    def stored(self) -> tuple[list[_Record], list[_Record]]:
        """Return all stored versions of schemas, and all loads; both oldest first."""
        return self._versions(), self._loads()


class _Older:
    """Finds where columns come from that are older than the records, by comparing the stored schemas."""

    def __init__(self, lineage: Lineage) -> None:
        self._lineage = lineage
        self._found: dict[tuple[str, str, str], _Record] | None = None
        self._loads: list[_Record] = []

    def column(self, schema: Schema, table: Table, column: Column) -> ColumnLineage:
        """Return what the stored schemas tell of a column."""
        if self._found is None:
            versions, self._loads = self._lineage.stored()
            self._found = _first_versions(versions)
        version = self._found.get((schema.name, table.name, column.name), {})
        same = (load for load in self._loads if load["schema_version_hash"] == version.get("version_hash"))
        load = next(same, {})
        root = table
        while root.parent is not None and root.parent in schema.table_map:
            root = schema.table_map[root.parent]
        return ColumnLineage(
            table.name,
            column.name,
            str(column.data_type),
            load.get("load_id"),
            load.get("inserted_at") or version.get("inserted_at"),
            schema.name,
            version.get("version"),
            root.resource,
            schema.name,
            tags=tags(column.extra),
            recorded=False,
        )


def _first_versions(versions: Sequence[_Record]) -> dict[tuple[str, str, str], _Record]:
    """Return for each column the version that introduced it, after it was last missing."""
    there: dict[str, dict[tuple[str, str, str], _Record]] = {}
    for version in versions:
        name = version["schema_name"]
        schema = Schema.from_dict(orjson.loads(version["schema"]))
        before = there.get(name, {})
        keys = ((name, t.name, c.name) for t in schema.table_map.values() for c in t.typed_columns())
        there[name] = {key: before.get(key, version) for key in keys}
    return {key: version for found in there.values() for key, version in found.items()}


def history_of(changes: Sequence[_Record], table: str, column: str) -> list[_Record]:
    """Return the changes of a column from the one that added it on, whatever it was called; or nothing.

    Args:
        changes: of one schema, oldest first.
        table: as it is called now.
        column: as it is called now.
    """
    found: list[_Record] = []
    for change in reversed(changes):
        kind, is_mine = change["change"], (change["table_name"], change["column_name"]) == (table, column)
        if kind == "rename_table" and change["table_name"] == table:
            table = change["previous"]
        elif is_mine and kind == "rename_column":
            column = change["previous"]
        elif not is_mine:
            continue
        found.insert(0, change)
        if kind == "add_column":
            return found
    return []


def _order(record: _Record) -> tuple[Any, int]:
    """Return what records are sorted by: when, and their number in the load, which ends their id."""
    return _at(record), int(record[_ROW_ID].rpartition(".")[2])


def _at(record: _Record) -> Any:
    return record.get("changed_at") or record.get("noted_at") or record.get("rejected_at")


def tags(hints: Mapping[str, Any]) -> dict[str, Any]:
    """Return the annotations among hints, by name."""
    return {k.removeprefix(_TAG): v for k, v in hints.items() if k.startswith(_TAG)}


def _code(record: _Record) -> Code | None:
    if record.get("module") is None:
        return None
    return Code(record["module"], record["function"], version=record["code_version"])


def _input(record: _Record) -> Input:
    facets = orjson.loads(record["facets"]) if record["facets"] else {}
    return Input(record["resource"], record["namespace"], record["name"], record["row_count"], facets)


def _column_record(column: ColumnLineage) -> _Record:
    code = column.code
    return {
        **{name: getattr(column, name) for name in _COLUMNS.names if hasattr(column, name)},
        "module": code.module if code else None,
        "function": code.function if code else None,
        "code_version": code.version if code else None,
        "tags": orjson.dumps(dict(column.tags)).decode() if column.tags else None,
    }
