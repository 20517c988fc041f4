"""A toy destination: Feather files in a folder, and a manifest that says which of them count."""

from __future__ import annotations

import fcntl
import json
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
from pyarrow import feather

from ladle.destinations.base import LoadRecord
from ladle.destinations.dialect import column_ref, create_dataset, table_ref
from ladle.destinations.duckdb import DIALECT, DuckDbConnection
from ladle.destinations.duckdb_types import column_type
from ladle.destinations.reading import Reader, SqlReader
from ladle.schema.change import AddTable, Change, Limits

_EMPTY = '{"tables": {}, "files": {}, "loads": [], "schemas": [], "states": {}}'


@dataclass(frozen=True)
class Toy:
    """The destination: a value. It says what it can hold, and opens sessions and readers."""

    folder: str | Path
    name: str = "toy"
    type_name: str = "toy"
    guarantee: str = "G4"
    dataset_named: bool = True
    streams: bool = False
    sql_dialect: str = "duckdb"
    limits: Limits = Limits(decimal_digits=38, in_place=frozenset(), folds_case=True, records=False)

    def bound(self, pipeline: str) -> Toy:
        return self

    def displayable(self) -> str:
        return str(self.folder)

    def open(self, dataset: str) -> ToySession:
        return ToySession(Path(self.folder) / uuid.uuid5(uuid.NAMESPACE_OID, dataset).hex)

    def reader(self, dataset: str) -> Reader:
        session, connection = self.open(dataset), duckdb.connect()
        connection.execute(DIALECT.sql(create_dataset(dataset)))
        for table, types in session.there["tables"].items():
            here = DIALECT.sql(table_ref(dataset, table))
            columns = ", ".join(f"{DIALECT.sql(column_ref(name))} {kind}" for name, kind in types.items())
            connection.execute(f"CREATE TABLE {here} ({columns})")
            for file in session.there["files"][table]:
                connection.register("rows", feather.read_table(session.folder / file))
                connection.execute(f"INSERT INTO {here} BY NAME SELECT * FROM rows")
        return SqlReader(DuckDbConnection(connection, owned=True), DIALECT, dataset)


class ToySession:
    """One load. It changes a copy of the manifest, until `commit` puts that in the manifest's place."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock: Any = None
        self._read()

    def _read(self) -> None:
        there = self.folder / "manifest.json"
        self.there: dict[str, Any] = json.loads(there.read_text() if there.exists() else _EMPTY)

    def exists(self) -> bool:
        return bool(self.there["loads"])

    def has_load(self, load_id: str) -> bool:
        return load_id in self.there["loads"]

    def tables(self) -> Mapping[str, Mapping[str, str]]:
        return self.there["tables"]

    def stored_state(self, pipeline: str) -> Mapping[str, Any] | None:
        return self.there["states"].get(pipeline)

    def stored_schema(self, name: str) -> Mapping[str, Any] | None:
        return next((s for s in reversed(self.there["schemas"]) if s["name"] == name), None)

    def newest(self, schema: str, pipeline: str) -> tuple[str | None, int]:
        stored, state = self.stored_schema(schema), self.stored_state(pipeline)
        return stored["version_hash"] if stored else None, state["_state_version"] if state else 0

    def begin(self, record: LoadRecord) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self._lock = (self.folder / "lock").open("w")
        fcntl.flock(self._lock, fcntl.LOCK_EX)  # one load at a time
        self._record = record
        self._read()

    def apply(self, changes: Sequence[Change]) -> None:
        for change in changes:
            table = getattr(change.table, "name", change.table)
            columns = change.table.typed_columns() if isinstance(change, AddTable) else [change.column]
            self.there["tables"].setdefault(table, {}).update({c.name: column_type(c) for c in columns})
            self.there["files"].setdefault(table, [])

    def append(self, table: Any, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> int:
        return self._write(table.name, pa.Table.from_batches(batches, schema))

    def _write(self, table: str, rows: pa.Table) -> int:
        self.there["files"][table].append(f"{uuid.uuid4().hex}.feather")
        feather.write_feather(rows, str(self.folder / self.there["files"][table][-1]))
        return rows.num_rows

    def clear(self, tables: Sequence[str]) -> None:
        self.there["files"].update({table: [] for table in tables if table in self.there["files"]})

    def drop(self, tables: Sequence[str]) -> None:
        for table in tables:
            self.there["files"].pop(table, None)
            self.there["tables"].pop(table, None)

    def altering(self, changes: Sequence[Any]) -> list[str]:
        return []  # there is no SQL to show

    comment = altering  # Feather files keep none

    def alter(self, changes: Sequence[Any]) -> None:
        for change in changes:
            if not hasattr(change, "column"):
                self.drop([change.table])
            elif self.there["tables"].get(change.table, {}).pop(change.column, None):
                files, self.there["files"][change.table] = self.there["files"][change.table], []
                for rows in (feather.read_table(self.folder / file) for file in files):
                    self._write(change.table, rows.drop_columns({change.column} & {*rows.column_names}))

    def commit(self, record: LoadRecord | None = None) -> None:
        record = record or self._record
        self.there["loads"].append(record.load_id)
        self.there["schemas"].append(dict(record.schema))
        if record.state is not None:
            self.there["states"][record.pipeline] = dict(record.state)
        (self.folder / "draft").write_text(json.dumps(self.there))
        (self.folder / "draft").replace(self.folder / "manifest.json")  # now all of the load is visible

    def close(self) -> None:
        if self._lock is not None:
            self._lock.close()
