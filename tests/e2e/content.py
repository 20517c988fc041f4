"""What a dataset holds, read without ladle, ids replaced by what they stand for: equal if the loads were."""

from __future__ import annotations

import base64
import gzip
import json
import sqlite3
import threading
import zlib
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import duckdb
import psycopg
import pymysql
from psycopg.rows import dict_row
from pyarrow import parquet
from pymysql.cursors import Cursor, DictCursor

Row = dict[str, Any]
Tables = dict[str, list[Row]]
VALIDITY = ("_dlt_valid_from", "_dlt_valid_to")


def read(destination: str, dataset: str, only: str = "") -> Tables:
    """Read all tables of a dataset, or `only` one; `destination` is `kind:place`. No dataset: no tables."""
    kind, place = destination.split(":", 1)
    return _READERS[kind](place, dataset, only)


def committed(destination: str, dataset: str) -> Callable[[], str]:
    """Return a function whose text stays the same while nothing is committed on a destination's server.

    Destinations without a server: all of it is in their files.
    """
    kind, place = destination.split(":", 1)
    if kind in ("postgres", "sqlalchemy"):
        url = place.replace("postgresql+psycopg:", "postgresql:", 1).rpartition("/")[0]
        db = psycopg.connect(f"{url}/postgres", autocommit=True)
        # Which transactions are open, and which were: to read tables would mean to wait for their locks.
        return lambda: repr(db.execute("SELECT pg_current_snapshot()::text").fetchall())
    if kind == "mysql":
        cursor = pymysql.connect(**_mysql_login(place), autocommit=True).cursor()
        one_by_one = threading.Lock()  # steps are on several threads where a load goes ahead

        def sums() -> str:
            with one_by_one:
                return _mysql_sums(cursor, dataset)

        return sums
    return lambda: ""


def _mysql_sums(cursor: Cursor, database: str) -> str:
    columns = (
        "SELECT table_name, column_name, column_type FROM information_schema.columns WHERE table_schema = %s"
    )
    cursor.execute(f"{columns} ORDER BY table_name, column_name", [database])
    found = [*cursor.fetchall()]
    tables = ", ".join(f"`{database}`.`{table}`" for table in dict.fromkeys(row[0] for row in found))
    if tables:
        cursor.execute(f"CHECKSUM TABLE {tables}")
        found += cursor.fetchall()
    return repr(found)


_TABLES = """
    SELECT table_name FROM information_schema.tables
    WHERE table_schema = {0} AND {0}::text IN (table_name, '')
"""


def _duckdb(path: str, dataset: str, only: str) -> Tables:
    if not Path(path).exists():
        return {}
    with duckdb.connect(path, read_only=True, config={"threads": 1}) as db:
        db.execute("SET TimeZone = 'UTC'")
        names = [name for (name,) in db.execute(_TABLES.format("?"), [dataset, only]).fetchall()]
        return {n: _duckdb_rows(db, f'"{dataset}"."{n}"') for n in names}


def _duckdb_rows(db: duckdb.DuckDBPyConnection, table: str) -> list[Row]:
    """Return rows; of a few, Arrow would take three times as long."""
    found = db.execute(f"FROM {table}")
    columns = [column[0] for column in found.description or ()]
    return [dict(zip(columns, row, strict=True)) for row in found.fetchall()]


def _postgres(url: str, dataset: str, only: str) -> Tables:
    with psycopg.connect(url, row_factory=dict_row) as db:
        names = [row["table_name"] for row in db.execute(_TABLES.format("%s"), [dataset, only]).fetchall()]
        return {n: db.execute(f'SELECT * FROM "{dataset}"."{n}"').fetchall() for n in names}


def _sqlalchemy(url: str, dataset: str, only: str) -> Tables:
    return _postgres(url.replace("postgresql+psycopg:", "postgresql:", 1), dataset, only)


def _sqlite(path: str, dataset: str, only: str) -> Tables:
    """Read the file of the dataset: `x__sales.db` beside `x.db`."""
    stem, dot, ending = path.rpartition(".")
    file = Path(f"{stem}__{dataset}{dot}{ending}")
    if not file.exists():
        return {}
    with closing(sqlite3.connect(file)) as db:
        db.row_factory = sqlite3.Row
        found = db.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND ? IN (name, '')", [only])
        names = [row["name"] for row in found.fetchall()]
        return {n: [_timed(dict(row)) for row in db.execute(f'SELECT * FROM "{n}"')] for n in names}


def _timed(row: Row) -> Row:
    """Return a row in which validity is no text."""
    for name in VALIDITY:
        if row.get(name) is not None:
            row[name] = datetime.fromisoformat(row[name]).replace(tzinfo=UTC)
    return row


def _mysql_login(place: str) -> dict[str, Any]:
    url = urlsplit(place)
    return {"host": url.hostname, "port": url.port, "user": url.username, "password": url.password}


def _mysql(place: str, dataset: str, only: str) -> Tables:
    """Read the database that the place ends with."""
    database = urlsplit(place).path.strip("/")
    tables = "SELECT table_name AS n FROM information_schema.tables WHERE table_schema = %s AND %s IN (table_name, '')"
    with pymysql.connect(**_mysql_login(place), cursorclass=DictCursor) as db, db.cursor() as cursor:
        cursor.execute(tables, [database, only])
        found: Tables = {}
        for name in [row["n"] for row in cursor.fetchall()]:
            cursor.execute(f"SELECT * FROM `{database}`.`{name}`")
            found[name] = list(cursor.fetchall())
    for row in found.get("_dlt_pipeline_state", []):
        # Each site has a database of its own, and its name is part of the state.
        state = json.loads(zlib.decompress(base64.b64decode(row["state"])))
        plain = {**_without(state, "_version_hash"), "dataset_name": dataset}
        row["state"] = base64.b64encode(zlib.compress(json.dumps(plain).encode()))
    return found


def _filesystem(folder: str, dataset: str, only: str) -> Tables:
    """Read as a plain glob does: every file in a table's folder counts."""
    found: Tables = {}
    for path in sorted((Path(folder) / dataset).glob(f"{only or '*'}/*")):
        if path.parent.name != "_ladle":
            found.setdefault(path.parent.name, []).extend(_rows_of(path))
    return found


def _rows_of(path: Path) -> list[Row]:
    if path.suffix == ".parquet":
        return parquet.read_table(path).to_pylist()
    data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    return [json.loads(line) for line in data.splitlines()]


_READERS = {
    "duckdb": _duckdb,
    "postgres": _postgres,
    "mysql": _mysql,
    "filesystem": _filesystem,
    "sqlite": _sqlite,
    "sqlalchemy": _sqlalchemy,
}


def load_ids(tables: Tables, schema: str | None = None) -> list[str]:
    """Return the load ids of complete loads (of one schema), in order."""
    loads = tables.get("_dlt_loads", [])
    found = [r["load_id"] for r in loads if r["status"] == 0 and schema in (None, r["schema_name"])]
    return sorted(found, key=float)


def content(tables: Tables) -> dict[str, list[str]]:
    """Return each table's rows as sorted JSON texts in which no id is left.

    A load id, and the moment when its package was made, becomes the load's number; a parent's id the parent's own row; a row's id goes, after it was
    seen to be unique. State and schema are decoded.
    """
    numbers = {load_id: i for i, load_id in enumerate(load_ids(tables))}
    assert len(numbers) == len(tables.get("_dlt_loads", [])), "a load is recorded twice or incomplete"
    return {
        name: sorted(_text(_plain(name, row, numbers)) for row in rows)
        for name, rows in sorted(_linked(tables).items())
    }


def _linked(tables: Tables) -> Tables:
    """Return the tables with the parent's row in place of `_dlt_parent_id`; checks that ids are unique."""
    out: Tables = {}
    by_id: dict[str, dict[str, Row]] = {}
    for name in sorted(tables, key=len):
        above = [n for n in out if name.startswith(f"{n}__") and not name.startswith("_dlt_")]
        out[name] = []
        for row in tables[name]:
            if "_dlt_parent_id" in row:
                row = {**row, "_dlt_parent_id": by_id[max(above, key=len)][row["_dlt_parent_id"]]}
            out[name].append(row)
        by_id[name] = {row["_dlt_id"]: _without(row, *VALIDITY) for row in out[name] if "_dlt_id" in row}
        # a version of a row may hold again
        keys = [(row["_dlt_id"], row.get(VALIDITY[0])) for row in out[name] if "_dlt_id" in row]
        assert len(set(keys)) == len(keys), f"rows of {name} are there twice"
    return out


def _plain(name: str, row: Row, numbers: Mapping[str, int]) -> Row:
    if name == "_dlt_pipeline_state":
        return {
            "version": row["version"],
            "load": numbers[row["_dlt_load_id"]],
            "state": json.loads(zlib.decompress(base64.b64decode(row["state"]))),
        }
    if name == "_dlt_version":
        return {k: row[k] for k in ("version", "engine_version", "schema_name", "version_hash")}
    if name == "_ladle_changes":
        return {k: row.get(k) for k in ("change", "table_name", "column_name", "data_type")}
    if name == "_dlt_loads":
        return {"load": numbers[row["load_id"]], **_without(row, "load_id", "inserted_at")}
    if name == "_ladle_replays":
        load, _, number = row["reject_id"].rpartition(".")
        return {"load": numbers[row["_dlt_load_id"]], "reject": [numbers[load], number]}
    plain = {
        k: v for k, v in _without(row, "_dlt_id", "_dlt_root_id", "rejected_at").items() if v is not None
    }
    if "_dlt_load_id" in plain:
        plain["_dlt_load_id"] = numbers[plain["_dlt_load_id"]]
    if "_ladle_deleted_at" in plain:
        plain["_ladle_deleted_at"] = "a load's time"
    for name in VALIDITY:
        if name in plain:
            at = plain[name]
            if isinstance(at, str):  # SQLite has no type for times
                at = datetime.fromisoformat(at)
            at = at if at.tzinfo else at.replace(tzinfo=UTC)
            [plain[name]] = [n for load, n in numbers.items() if abs(float(load) - at.timestamp()) < 2e-6]
    if "_dlt_parent_id" in plain:
        plain["_dlt_parent_id"] = _plain("", plain["_dlt_parent_id"], numbers)
    return plain


def _without(row: Row, *names: str) -> Row:
    return {k: v for k, v in row.items() if k not in names}


def _text(row: Row) -> str:
    return json.dumps(row, sort_keys=True, default=str)


def differences(found: Tables, wanted: Tables) -> list[str]:
    """Name the tables that differ, with the rows that are too many or missing."""
    ours, theirs = content(found), content(wanted)
    out = []
    for name in sorted({*ours, *theirs}):
        many, few = (
            _minus(ours.get(name, ()), theirs.get(name, ())),
            _minus(theirs.get(name, ()), ours.get(name, ())),
        )
        if many or few or (name in ours) != (name in theirs):
            out.append(f"{name}: too many {many[:3]}, missing {few[:3]}")
    return out


def _minus(left: Iterable[str], right: Iterable[str]) -> list[str]:
    rest = list(right)
    out = []
    for text in left:
        if text in rest:
            rest.remove(text)
        else:
            out.append(text)
    return out
