"""What contracts do to rows, the same cells with either library: `python contracts.py IN OUT` with the reference.

IN isn't read; OUT gets a pickle of the outcomes by cell.

A table per cell, so that all cells share a few runs: starting a run costs the reference more than its rows.
"""

from __future__ import annotations

import json
import os
import pickle
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

VIOLATIONS: dict[str, dict[str, dict[str, Any]]] = {
    "tables": {"child table": {"toys": [{"a": 1}]}, "list": {"extra": [1, 2]}},
    "columns": {"scalar": {"extra": 5}, "dict": {"extra": {"a": 1, "b": "z"}}},
    "data_type": {"wrong type": {"n": "xx"}, "null": {"r": None}},
}
LEVELS = ("root", "child", "grandchild")
APART = 6
MODES = ("freeze", "discard_row", "discard_value")
FRAMES: dict[str, dict[str, list[dict[str, list[Any]]]]] = {
    "columns": {
        "new column": [{"id": [2]}, {"id": [3, 4], "extra": [5, None]}],
        "new column of nulls": [{"id": [2], "extra": [None]}],
    },
    "data_type": {"text": [{"id": ["x", "2"]}]},
}


def cells() -> Iterator[tuple[str, str, str, Any]]:
    """Yield id, entity, mode and rows, or pages of frames, of each cell."""
    for entity, kinds in VIOLATIONS.items():
        for mode in MODES:
            for kind, violation in kinds.items():
                for level in LEVELS:
                    yield f"{entity} {mode}: {kind} in {level}", entity, mode, rows_with(level, violation)
            for kind, frames in FRAMES.get(entity, {}).items():
                yield f"{entity} {mode}: frame with {kind}", entity, mode, frames


def rows_with(level: str, violation: dict[str, Any]) -> list[dict[str, Any]]:
    grandchildren = [{"id": 1, "r": 1}, {"id": 2, "r": 1}]
    children = [{"id": 1, "r": 1, "g": grandchildren}, {"id": 2, "r": 1, "g": [{"id": 3, "r": 1}]}]
    row: dict[str, Any] = {"id": 1, "r": 1, "kids": children}
    {"root": row, "child": children[0], "grandchild": grandchildren[0]}[level].update(violation)
    return [row, {"id": 2, "r": 1, "n": 7, "kids": [{"id": 4, "r": 1, "n": 7}]}]


def outcomes(library: Any, folder: Path) -> dict[str, Any]:
    """Return an error's name, or rows by table without nulls, by cell."""
    all_cells = [(f"c{n}", *cell) for n, cell in enumerate(cells())]
    apart = [cell for cell in all_cells if not _loads(cell[2], cell[3])]
    found = _together(library, folder / "together", [cell for cell in all_cells if cell not in apart])
    # What may fail runs alone; the fewer tables there are, the less each of these runs costs the reference.
    for start in range(0, len(apart), APART):
        found |= _one_by_one(library, folder / f"apart{start}", apart[start : start + APART])
    return found


def _together(library: Any, folder: Path, some: list[Any]) -> dict[str, Any]:
    pipeline, database = _pipeline(library, folder, some)
    pipeline.run([_next(library, name, entity, mode, data) for name, _, entity, mode, data in some])
    return _found(database, some, {})


def _one_by_one(library: Any, folder: Path, some: list[Any]) -> dict[str, Any]:
    pipeline, database = _pipeline(library, folder, some)
    errors = {
        cell: _attempt(library, pipeline, _next(library, name, entity, mode, data))
        for name, cell, entity, mode, data in some
    }
    return _found(database, some, errors)


def _pipeline(library: Any, folder: Path, some: list[Any]) -> tuple[Any, str]:
    """Return a pipeline that has loaded a first row for each cell, and its database."""
    folder.mkdir()
    database = str(folder / "contracts.duckdb")
    pipeline = library.pipeline(
        "contracts",
        destination=library.destinations.duckdb(database),
        dataset_name="ds",
        pipelines_dir=str(folder / "pipelines"),
    )
    pipeline.run([_base(library, name, data) for name, *_, data in some])
    return pipeline, database


def _found(database: str, some: list[Any], errors: dict[str, Any]) -> dict[str, Any]:
    import duckdb

    with duckdb.connect(database) as connection:
        return {cell: errors.get(cell) or _tables(connection, name) for name, cell, *_ in some}


def _loads(entity: str, mode: str) -> bool:
    # the reference fails for nulls in any mode, and for values that don't fit a column without nulls
    return mode != "freeze" and entity != "data_type"


def _hints(data: Any) -> dict[str, Any]:
    if isinstance(next(iter(data[0].values())), list):
        return {}
    columns = {"r": {"data_type": "bigint", "nullable": False}}
    return {
        "columns": columns,
        "nested_hints": {"kids": {"columns": columns}, ("kids", "g"): {"columns": columns}},
    }


def _base(library: Any, name: str, data: Any) -> Any:
    element = {"id": 0, "r": 0, "n": 0}
    rows: Any = [{**element, "kids": [{**element, "g": [element]}]}]
    hints = _hints(data)
    return library.resource(rows if hints else [_frame({"id": [0]})], name=name, **hints)


def _frame(columns: Any) -> Any:
    import pyarrow as pa

    types = {"extra": pa.int64()}
    return pa.table({n: pa.array(values, types.get(n)) for n, values in columns.items()})


def _next(library: Any, name: str, entity: str, mode: str, data: Any) -> Any:
    hints = _hints(data)
    rows = data if hints else [_frame(frame) for frame in data]
    return library.resource(rows, name=name, schema_contract={entity: mode}, **hints)


def _attempt(library: Any, pipeline: Any, resource: Any) -> str | None:
    """Run, and return the name of the error it ended with; nothing stays pending."""
    try:
        pipeline.run(resource)
    except Exception as error:  # noqa: BLE001 - whatever it fails with is its answer
        pipeline.drop_pending_packages()
        while error.__cause__ is not None or error.__context__ is not None:
            error = error.__cause__ or error.__context__  # type: ignore[assignment]
        return type(error).__name__
    return None


def _tables(connection: Any, name: str) -> dict[str, list[Any]]:
    sql = (
        "SELECT table_name FROM information_schema.tables WHERE table_name = ? OR starts_with(table_name, ?)"
    )
    found = connection.execute(sql, [name, f"{name}__"]).fetchall()
    return {table.removeprefix(name): _rows(connection, table) for (table,) in sorted(found)}


def _rows(connection: Any, table: str) -> list[Any]:
    result = connection.execute(f'SELECT * FROM ds."{table}"')
    names = [column[0] for column in result.description]
    rows = [dict(zip(names, row, strict=True)) for row in result.fetchall()]
    cleaned = [{n: v for n, v in row.items() if v is not None and not n.startswith("_dlt_")} for row in rows]
    return sorted(cleaned, key=lambda row: json.dumps(row, sort_keys=True))


if __name__ == "__main__":
    import dlt

    os.environ.update(RUNTIME__DLTHUB_TELEMETRY="false", RUNTIME__LOG_LEVEL="CRITICAL")
    with tempfile.TemporaryDirectory(prefix="reference-") as scratch:
        made = outcomes(dlt, Path(scratch))
    Path(sys.argv[2]).write_bytes(pickle.dumps(made))
