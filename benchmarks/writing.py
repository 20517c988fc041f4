"""Writes into tables that are there: append, replace, merge, SCD2; once for both sides, on every engine.

The large table of a merge is made from a small load by the engine itself, the same way for both sides: what
is there was written by the library, in columns as it makes them, and nobody waits for a million rows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from clock import Figures, Measure, timed
from data import ROWS, Row, changed_rows, flat_rows

Arguments = Mapping[str, Any]
Made = Callable[[Arguments], tuple[Any, Any]]
_PAGE = 1000
_FRAME_ROWS = 100_000
_SEED_ROWS = 10_000
_KEYS_KEPT = 7  # from this character on: ladle's ids of one load begin alike
_COPIES = "WITH RECURSIVE r(k) AS (SELECT 1 UNION ALL SELECT k + 1 FROM r WHERE k < {last})"


def destination(library: Any, arguments: Arguments) -> Any:
    """Return the destination of an engine, made the way its library wants it."""
    engine, target = arguments["engine"], arguments["target"]
    made = library.destinations
    if engine == "files":
        return made.filesystem(target)
    if library.__name__ == "dlt" and engine in ("sqlite", "mysql"):
        url = f"sqlite:///{target}" if engine == "sqlite" else target.replace("mysql:", "mysql+pymysql:")
        return made.sqlalchemy(url, create_primary_keys=True)
    return getattr(made, engine)(target)


def elsewhere(arguments: Arguments) -> Arguments:
    """Return arguments for a load that warms up: another working folder, and another file if it is one."""
    target = arguments["target"]
    if "://" not in target:
        target = str(Path(target).with_name("warm-" + Path(target).name))
    return {**arguments, "target": target, "folder": arguments["folder"] + "/warm"}


def measures(made: Made) -> dict[str, Measure]:
    """Return the measures by name; `made` gives the library and a pipeline, warm, for given arguments."""
    return {"write": lambda arguments: write(*made(arguments), arguments)}


def write(library: Any, pipeline: Any, arguments: Arguments) -> Figures:
    """Load rows or Arrow with the disposition asked for; before the clock starts, `base` rows are there."""
    options = arguments.get("options", {})
    grown(library, pipeline, arguments)
    items = _items(arguments, _data(arguments))
    figures = timed(lambda: pipeline.run(_resource(library, arguments, items), **options))
    _check(pipeline, arguments)
    return figures


def grown(library: Any, pipeline: Any, arguments: Arguments) -> None:
    """Have `base` rows be there: a few that the library loads, and copies of them that the engine makes."""
    base = arguments.get("base", 0)
    if base:
        seed = flat_rows(min(base, _SEED_ROWS))
        pipeline.run(_resource(library, arguments, _items(arguments, seed)), **arguments.get("options", {}))
        if base > len(seed):
            _grow(pipeline, arguments["engine"], len(seed), base // len(seed) - 1)


def _data(arguments: Arguments) -> Any:
    count, base = arguments["count"], arguments.get("base", 0)
    if arguments["write"] in ("append", "replace"):
        if arguments["form"] == "arrow":
            return None  # the prepared table
        return ROWS[arguments["rows"]](count)
    return changed_rows(base, count)


def _items(arguments: Arguments, rows: Sequence[Row] | None) -> list[Any]:
    """Return what is yielded: pages of a thousand dicts, or Arrow tables of 100,000 rows."""
    if arguments["form"] == "rows":
        assert rows is not None
        return [rows[start : start + _PAGE] for start in range(0, len(rows), _PAGE)]
    from tables import frame, read_ipc

    if rows is None:
        table = read_ipc(Path(arguments["prepared"]), ("flat",))["flat"].slice(0, arguments["count"])
    else:
        table = frame(rows)
    if arguments["write"] == "scd2" and arguments.get("versioned"):
        from tables import with_version

        table = with_version(table)
    return [table.slice(start, _FRAME_ROWS) for start in range(0, table.num_rows, _FRAME_ROWS)]


def _resource(library: Any, arguments: Arguments, items: Sequence[Any]) -> Any:
    wanted = arguments["write"]
    hints: dict[str, Any] = {"write_disposition": wanted}
    if wanted == "scd2":
        how: dict[str, Any] = {"disposition": "merge", "strategy": "scd2"}
        if arguments.get("versioned") and arguments["form"] == "arrow":
            how["row_version_column_name"] = "row_version"
        hints = {"write_disposition": how, "merge_key": "id"}
    elif wanted not in ("append", "replace"):
        hints = {"write_disposition": {"disposition": "merge", "strategy": wanted}, "primary_key": "id"}

    @library.resource(name="t", **hints)
    def given() -> Iterator[Any]:
        yield from items

    return given()


def _grow(pipeline: Any, engine: str, seed: int, copies: int) -> None:
    """Let the engine add copies of the rows that are there, under keys that go on from theirs."""
    with pipeline.sql_client() as client:
        table = client.make_qualified_table_name("t")
        with client.execute_query(f"SELECT * FROM {table} WHERE 1 = 0") as cursor:
            found = getattr(cursor, "description", None)  # dlt's cursors over SQLAlchemy have keys
            names = [column[0] for column in found] if found else list(cursor.keys())
        quoted = {name: client.escape_column_name(name) for name in names}
        cells = {name: f"t.{quoted[name]}" for name in names}
        cells["id"] = f"t.id + {seed} * r.k"
        if "_dlt_id" in cells:
            kept = f"substr(t._dlt_id, {_KEYS_KEPT})"
            cells["_dlt_id"] = f"{kept} || r.k" if engine == "sqlite" else f"concat({kept}, r.k)"
        to, values = ", ".join(quoted.values()), ", ".join(cells.values())
        copied = _COPIES.format(last=copies)
        client.execute_sql(
            f"INSERT INTO {table} ({to}) {copied} SELECT {values} FROM {table} AS t CROSS JOIN r"
        )
        if engine != "duckdb":  # as any table of that age would be
            client.execute_sql(f"ANALYZE TABLE {table}" if engine == "mysql" else f"ANALYZE {table}")


def _check(pipeline: Any, arguments: Arguments) -> None:
    count, base = arguments["count"], arguments.get("base", 0)
    expected = {"append": base + count, "replace": count, "scd2": base + count}
    wanted = expected.get(arguments["write"], base + count // 2)
    with pipeline.sql_client() as client:
        table = client.make_qualified_table_name("t")
        found = client.execute_sql(f"SELECT count(*) FROM {table}")
    assert found[0][0] == wanted, f"t has {found[0][0]} rows, {wanted} should be"
