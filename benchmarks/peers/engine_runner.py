"""An engine by itself: the SQL of a merge, rows waiting in a table of its already; nothing else is counted.

`least` is what is left whatever the SQL: ready rows go into the table, known ones are deleted before.

No loader can take less, as it has to bring the rows there first. Statements are the fastest we know, of their
own making: delete what is known and insert all, whatever the strategy; SCD2 ends versions and adds others.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import ladle
import writing
from clock import Figures, main, timed
from data import changed_rows, flat_rows

Arguments = Mapping[str, Any]
Bring = Callable[[Any], object]
"""Brings rows through the cursor of a transaction."""

_COPY_BYTES = 1 << 17
_KNOWN = "SELECT n.id FROM warm.t AS n"
_DELETES = {
    "mysql": "DELETE t FROM ds.t AS t JOIN warm.t AS n ON n.id = t.id",
    "": f"DELETE FROM ds.t WHERE id IN ({_KNOWN})",
}
_ENDS = {
    "mysql": "UPDATE ds.t AS t JOIN warm.t AS n ON n.id = t.id SET t._dlt_valid_to = {now} "
    "WHERE t._dlt_valid_to IS NULL AND t._dlt_id <> n._dlt_id",
    "": f"UPDATE ds.t SET _dlt_valid_to = {{now}} WHERE _dlt_valid_to IS NULL AND id IN ({_KNOWN}) "
    "AND _dlt_id NOT IN (SELECT _dlt_id FROM warm.t)",
}
_NOW = {"duckdb": "now()", "postgres": "now()", "mysql": "now(6)", "sqlite": "'2030-01-01 00:00:00'"}


def merge(arguments: Arguments) -> Figures:
    """Run the statements of a merge in one transaction and disconnect; tables are made by ladle before."""
    engine, write = arguments["engine"], arguments["write"]
    names = _make_tables(arguments)

    def statements() -> Iterator[str]:
        quote = "`" if engine == "mysql" else '"'
        columns = ", ".join(f"{quote}{name}{quote}" for name in names)
        if write == "scd2":
            yield _ENDS.get(engine, _ENDS[""]).format(now=_NOW[engine])
            values = columns.replace(f"{quote}_dlt_valid_from{quote}", _NOW[engine])
            yield f"INSERT INTO ds.t ({columns}) SELECT {values} FROM warm.t"
        else:
            yield _DELETES.get(engine, _DELETES[""])
            yield f"INSERT INTO ds.t ({columns}) SELECT {columns} FROM warm.t"

    def work() -> None:
        with _transaction(arguments) as cursor:
            for statement in statements():
                cursor.execute(statement)

    return timed(work)


def least(arguments: Arguments) -> Figures:
    """COPY ready bytes into the table that is there, after the known rows are deleted; Postgres only.

    Which are known tells arithmetic on their numbers, in one pass through the table. What is replaced gets
    the unique index of `_dlt_id` after its rows, as both libraries make it; a merge finds it there.
    """
    base, count = arguments["base"], arguments["count"]
    writing.grown(ladle, _pipeline(arguments, "ds"), arguments)
    waiting = _pipeline(arguments, "warm")
    replaces = arguments["write"] == "replace"
    rows = flat_rows(count) if replaces else changed_rows(base, count)
    disposition = "replace" if replaces else {"disposition": "merge", "strategy": arguments["write"]}
    waiting.run(ladle.resource(rows, name="t", write_disposition=disposition, primary_key="id"))
    names = list(waiting.default_schema.tables["t"]["columns"])
    removes = "TRUNCATE ds.t" if replaces else f"DELETE FROM ds.t WHERE id % {2 * base // count} = 0"
    bring = _ready_bytes(arguments, names)
    if replaces:
        with _transaction(arguments) as cursor:
            cursor.execute("DROP INDEX ds.t__dlt_id_idx")

    def work() -> None:
        with _transaction(arguments) as cursor:
            cursor.execute(removes)
            bring(cursor)
            if replaces:
                cursor.execute("CREATE UNIQUE INDEX t__dlt_id_idx ON ds.t (_dlt_id)")

    figures = timed(work)
    with _transaction(arguments) as cursor:
        cursor.execute("SELECT count(*) FROM ds.t")
        (found,) = cursor.fetchone()
    wanted = count if replaces else base + count // 2
    assert found == wanted, f"t has {found} rows, {wanted} should be"
    return figures


def _ready_bytes(arguments: Arguments, names: Sequence[str]) -> Bring:
    """Make Postgres' rows ready for COPY; return what brings them."""
    columns = ", ".join(f'"{name}"' for name in names)
    rows_of = f"COPY (SELECT {columns} FROM warm.t) TO STDOUT (FORMAT binary)"
    with _transaction(arguments) as cursor, cursor.copy(rows_of) as copy:
        data = b"".join(bytes(block) for block in copy)

    def bring(cursor: Any) -> None:
        with cursor.copy(f"COPY ds.t ({columns}) FROM STDIN (FORMAT binary)") as copy:
            for start in range(0, len(data), _COPY_BYTES):
                copy.write(data[start : start + _COPY_BYTES])

    return bring


def _make_tables(arguments: Arguments) -> Sequence[str]:
    """Make the table that is there and the one that waits; return the columns that rows come with."""
    base, count = arguments["base"], arguments["count"]
    writing.grown(ladle, _pipeline(arguments, "ds"), arguments)
    waiting = _pipeline(arguments, "warm")
    rows = changed_rows(base, count)
    # with the indexes that the table has
    hints = {"write_disposition": "merge"} | ({"primary_key": "id"} if arguments["write"] != "scd2" else {})
    waiting.run(ladle.resource(rows, name="t", merge_key="id", **hints))
    names = list(waiting.default_schema.tables["t"]["columns"])
    return [*(["_dlt_valid_from"] if arguments["write"] == "scd2" else []), *names]


def _pipeline(arguments: Arguments, dataset: str) -> Any:
    return ladle.pipeline(
        dataset,
        destination=writing.destination(ladle, arguments),
        dataset_name=dataset,
        pipelines_dir=arguments["folder"] + "/pipelines",
    )


@contextmanager
def _transaction(arguments: Arguments) -> Iterator[Any]:
    engine, target = arguments["engine"], arguments["target"]
    connection: Any
    if engine == "duckdb":
        import duckdb

        connection = duckdb.connect(target)
        connection.execute("SET max_vacuum_tasks = 0")
        connection.execute("BEGIN")
    elif engine == "sqlite":
        import sqlite3

        connection = sqlite3.connect(":memory:", isolation_level=None)
        for dataset in ("ds", "warm"):
            connection.execute(f"ATTACH '{Path(target).with_suffix('')}__{dataset}.sqlite' AS {dataset}")
        connection.execute("BEGIN")
    elif engine == "postgres":
        import psycopg

        connection = psycopg.connect(target)
    else:
        import pymysql

        place = urlsplit(target)
        connection = pymysql.connect(
            host=place.hostname,
            port=place.port or 3306,
            user=place.username,
            password=place.password or "",
            database="ds",
        )
    with closing(connection):
        cursor = connection.cursor()  # DuckDB's would be a transaction of its own
        yield connection if engine == "duckdb" else cursor
        connection.commit()


if __name__ == "__main__":
    main({"merge": merge, "least": least})
