"""Postgres by itself: binary COPY of the same three tables in one transaction into new tables, three ways.

`encoded` streams bytes that are already in COPY's binary format: only the server works. `adbc` starts
from Arrow. `written` starts from the rows, as a careful hand-written loader would: psycopg's `write_row`.
"""

from __future__ import annotations

import base64
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import psycopg

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from clock import Figures, main, timed
from data import Row, nested_rows
from narrow import COLUMNS, TABLE, check, make_source, psql, source

Arguments = Mapping[str, Any]

_COLUMNS = {
    "t": (
        "id bigint, title text, body text, state text, locked boolean, score double precision,"
        " created_at timestamptz, closed_at timestamptz,"
        " user__id bigint, user__login text, user__address__city text, user__address__zip text,"
        " user__address__geo__lat double precision, user__address__geo__lng double precision,"
        " _dlt_load_id text NOT NULL, _dlt_id text NOT NULL"
    ),
    "t__items": (
        "sku text, qty bigint, price double precision, note text, _dlt_parent_id text NOT NULL,"
        " _dlt_list_idx bigint NOT NULL, _dlt_id text NOT NULL"
    ),
    "t__tags": (
        "value text, _dlt_parent_id text NOT NULL, _dlt_list_idx bigint NOT NULL, _dlt_id text NOT NULL"
    ),
}
_TYPES = {
    "bigint": "int8",
    "text": "text",
    "boolean": "bool",
    "double": "float8",
    "timestamptz": "timestamptz",
}
_COPY_BYTES = 1 << 20
_ADBC_ROWS = 10_000  # larger batches keep client and server from working at the same time


def _statements(schema: str) -> list[str]:
    tables = [f"CREATE TABLE {schema}.{name} ({columns})" for name, columns in _COLUMNS.items()]
    return [f"CREATE SCHEMA {schema}", *tables]


def _copy(connection: psycopg.Connection, schema: str, table: str, blocks: Iterator[bytes]) -> None:
    with connection.cursor().copy(f"COPY {schema}.{table} FROM STDIN (FORMAT binary)") as copy:
        for block in blocks:
            copy.write(block)


def _blocks(data: bytes) -> Iterator[bytes]:
    return (data[start : start + _COPY_BYTES] for start in range(0, len(data), _COPY_BYTES))


def encoded(arguments: Arguments) -> Figures:
    """COPY bytes that were encoded before the clock started."""
    with psycopg.connect(arguments["target"]) as source:
        prepared = {name: _encoded_table(source, name) for name in _COLUMNS}

    def run() -> None:
        with psycopg.connect(arguments["target"]) as connection:
            for statement in _statements("ds"):
                connection.execute(statement)
            for name, data in prepared.items():
                _copy(connection, "ds", name, _blocks(data))

    return timed(run)


def _encoded_table(connection: psycopg.Connection, name: str) -> bytes:
    with connection.cursor().copy(f"COPY prepared.{name} TO STDOUT (FORMAT binary)") as copy:
        return b"".join(bytes(block) for block in copy)


def prepare(arguments: Arguments) -> Figures:
    """Load the prepared Arrow tables into the schema `prepared`, which `encoded` takes its bytes from."""
    return _adbc(arguments, "prepared")


def adbc(arguments: Arguments) -> Figures:
    """Ingest prepared Arrow tables through ADBC, which encodes and sends binary COPY."""
    return _adbc(arguments, "ds")


def _adbc(arguments: Arguments, schema: str) -> Figures:
    import adbc_driver_manager
    import adbc_driver_postgresql

    from tables import read_ipc

    tables = read_ipc(Path(arguments["prepared"]))

    def statement(connection: Any, prepare: Callable[[Any], None]) -> None:
        handle = adbc_driver_manager.AdbcStatement(connection)
        prepare(handle)
        handle.execute_update()
        handle.close()

    def ingest(handle: Any, name: str) -> None:
        options = {"target_table": name, "target_db_schema": schema, "mode": "adbc.ingest.mode.append"}
        handle.set_options(**{f"adbc.ingest.{key}": value for key, value in options.items()})
        handle.bind_stream(tables[name].to_reader(_ADBC_ROWS))

    def run() -> None:
        driver = adbc_driver_postgresql._driver_path()
        database = adbc_driver_manager.AdbcDatabase(driver=driver, uri=arguments["target"])
        connection = adbc_driver_manager.AdbcConnection(database)
        connection.set_autocommit(False)
        for sql in _statements(schema):
            statement(connection, lambda handle, sql=sql: handle.set_sql_query(sql))
        for name in _COLUMNS:
            statement(connection, lambda handle, name=name: ingest(handle, name))
        connection.commit()
        connection.close()
        database.close()

    return timed(run)


def _key() -> str:
    return base64.b64encode(os.urandom(12)).decode()


def _flattened(row: Row, key: str) -> Sequence[Any]:
    user, address, geo = row["user"], row["user"]["address"], row["user"]["address"]["geo"]
    moments = [
        datetime.fromisoformat(row[name]) if row[name] else None for name in ("created_at", "closed_at")
    ]
    plain = [row[name] for name in ("id", "title", "body", "state", "locked", "score")]
    place = [address["city"], address["zip"], geo["lat"], geo["lng"]]
    return [*plain, *moments, user["id"], user["login"], *place, "1795401053.1234567", key]


def _items(row: Row, key: str) -> Iterator[Sequence[Any]]:
    return ([*item.values(), key, index, _key()] for index, item in enumerate(row["items"]))


def _tags(row: Row, key: str) -> Iterator[Sequence[Any]]:
    return ((tag, key, index, _key()) for index, tag in enumerate(row["tags"]))


def written(arguments: Arguments) -> Figures:
    """Flatten the rows in Python and write each into a binary COPY."""
    data = nested_rows(arguments["count"])

    def run() -> None:
        keys = [_key() for _ in data]
        records: dict[str, Iterator[Sequence[Any]]] = {
            "t": (_flattened(row, key) for row, key in zip(data, keys, strict=True)),
            "t__items": (item for row, key in zip(data, keys, strict=True) for item in _items(row, key)),
            "t__tags": (tag for row, key in zip(data, keys, strict=True) for tag in _tags(row, key)),
        }
        with psycopg.connect(arguments["target"]) as connection:
            for statement in _statements("ds"):
                connection.execute(statement)
            for name, values in records.items():
                _write_rows(connection, name, values)

    return timed(run)


def _write_rows(connection: psycopg.Connection, name: str, values: Iterator[Sequence[Any]]) -> None:
    with connection.cursor().copy(f"COPY ds.{name} FROM STDIN (FORMAT binary)") as copy:
        copy.set_types([_TYPES[column.split()[1]] for column in _COLUMNS[name].split(",")])
        for value in values:
            copy.write_row(value)


def prepare_source(arguments: Arguments) -> Figures:
    """Make the database and the table that narrow rows are copied from."""
    make_source(arguments["target"], arguments["count"])
    return {}


def piped(arguments: Arguments) -> Figures:
    """Copy the narrow rows by two `psql`s, tied by a pipe: binary COPY out, binary COPY in."""
    target = arguments["target"]
    with psycopg.connect(target) as connection:
        connection.execute("CREATE SCHEMA ds")
        connection.execute(f"CREATE TABLE ds.t ({COLUMNS})")

    def run() -> None:
        out = [psql(), source(target), "-qXc", f"COPY {TABLE} TO STDOUT (FORMAT binary)"]
        into = [psql(), target, "-qXc", "COPY ds.t FROM STDIN (FORMAT binary)"]
        with subprocess.Popen(out, stdout=subprocess.PIPE) as sender:
            subprocess.run(into, check=True, stdin=sender.stdout)

    figures = timed(run)
    check(target, arguments["count"])
    return figures | {"rows_s": arguments["count"] / figures["seconds"]}


if __name__ == "__main__":
    own = {"prepare": prepare, "encoded": encoded, "adbc": adbc, "written": written}
    main(own | {"prepare_source": prepare_source, "piped": piped})
