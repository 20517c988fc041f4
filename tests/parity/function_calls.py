"""What a function destination is called with: `python function_calls.py MODULE FOLDER` prints it as JSON.

The same program for both sides: MODULE is `dlt` or `ladle`.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

QUIET = {"RUNTIME__DLTHUB_TELEMETRY": "false", "RUNTIME__LOG_LEVEL": "CRITICAL"}
ROWS = [
    {"Id": 1, "aB": {"c": [1, 2]}, "l": [{"x": 1}], "at": datetime(2024, 1, 1, 2, tzinfo=UTC), "none": None,
     "d": Decimal("1.50"), "by": b"ab", "t": time(1, 2), "day": date(2024, 1, 1), "f": 0.5, "ok": True, "s": "x"},
    {"Id": 2, "aB": None, "s": "2024-01-01T00:00:00Z"},
    {"Id": 3, "l": [{"x": None}, {"x": 2}]},
]  # fmt: skip
NESTED = [{"c": 1, "d": [{"e": [1, 2], "k": "v"}], "g": {"h": 1}}]
CASES: dict[str, tuple[dict[str, Any], list[dict[str, Any]], dict[str, Any]]] = {
    "one by one": ({"batch_size": 1}, ROWS, {}),
    "two by two": ({"batch_size": 2}, ROWS, {"write_disposition": "replace"}),
    "ten by default": ({}, [{"n": i} for i in range(23)], {"primary_key": "n"}),
    "arrow": ({"batch_size": 2, "loader_file_format": "parquet"}, ROWS, {}),
    "a file": ({"batch_size": 0, "loader_file_format": "parquet"}, ROWS, {}),
    "snake case": ({"naming_convention": "snake_case"}, [{"aB": 1, "C d": 2}], {}),
    "one level": ({"max_table_nesting": 1}, NESTED, {}),
    "two levels": ({"max_table_nesting": 2}, NESTED, {}),
    "levels of the resource": ({}, NESTED, {"max_table_nesting": 1}),
}


def plain(items: Any) -> Any:
    """Return items as JSON has them; of a file only the rows and names of columns."""
    if isinstance(items, str):
        import pyarrow.parquet as pq

        found = pq.read_table(items)
        return [found.num_rows, sorted(found.column_names)]
    rows = items if isinstance(items, list) else items.to_pylist()
    return [{name: spelled(value) for name, value in row.items()} for row in rows]


def spelled(value: Any) -> Any:
    if isinstance(value, Decimal):
        return str(value.normalize())
    if isinstance(value, str) and value[:1] in ("{", "["):
        return json.loads(value)  # white space in JSON text is nobody's business
    return value.isoformat() if isinstance(value, date | time) else value


def calls(library: Any, name: str) -> list[Any]:
    """Return what the function of a case is called with, by table."""
    options, rows, hints = CASES[name]
    made: list[Any] = []

    @library.destination(name="out", **options)
    def sink(items: Any, table: Any, key: str = library.config.value, number: int = 3) -> None:
        columns = {c: hints.get("data_type") for c, hints in table["columns"].items()}
        made.append([table["name"], table.get("write_disposition"), columns, plain(items), key, number])

    pipeline = library.pipeline(f"p{abs(hash(name))}", destination=sink)
    pipeline.run(library.resource(rows, name="Some Table", **hints))
    return sorted(made, key=lambda call: str(call[0]))


def resumed(library: Any) -> list[Any]:
    """Return the calls of a run that fails for good at its second batch, and of the next run."""
    made: list[Any] = []

    @library.destination(batch_size=2)
    def sink(items: Any, table: Any) -> None:
        made.append([item["n"] for item in items])
        if len(made) == 2:
            raise terminal(library)("no")

    pipeline = library.pipeline("resumed", destination=sink)
    try:
        pipeline.run([{"n": i} for i in range(6)], table_name="t")
    except Exception as error:  # noqa: BLE001 - each side has its own
        made.append(f"failed at {getattr(error, 'step', None)}")
    pipeline.run()
    return made


def terminal(library: Any) -> Any:
    where = "dlt.common.destination.exceptions" if library.__name__ == "dlt" else "ladle.errors"
    return importlib.import_module(where).DestinationTerminalException


def main(module: str, folder: str) -> None:
    os.chdir(folder)
    os.environ.update(QUIET, DLT_DATA_DIR=folder, LADLE_DATA_DIR=folder, DESTINATION__OUT__KEY="k")
    os.environ["DESTINATION__OUT__NUMBER"] = "7"
    library = importlib.import_module(module)
    found = {name: calls(library, name) for name in CASES}
    sys.stdout.write(json.dumps({**found, "resumed": resumed(library)}, default=repr))


if __name__ == "__main__":
    main(*sys.argv[1:3])
