"""Runs histories of a resource with a cursor through the reference: `python reference_incremental.py IN OUT`.

IN is a pickle of a list of histories `{"id", "options", "write_disposition", "way", "runs"}`: `options` are those of
`dlt.sources.incremental`, `way` how the resource gets its cursor (`argument`, `hint` or `call`), `runs` lists of
pages of rows; each row has its own number `n`. OUT is a pickle of
`{id: [outcome of each run]}`; an outcome is the numbers of the rows that were loaded and the last value stored,
or the name of the error; after an error the history ends. Rows are taken at the destination.
"""

from __future__ import annotations

import os
import pickle
import sys
import tempfile
from typing import Any

QUIET = {
    "RUNTIME__DLTHUB_TELEMETRY": "false",
    "RUNTIME__LOG_LEVEL": "CRITICAL",
    "DATA_WRITER__DISABLE_COMPRESSION": "true",
}


def main(histories_file: str, outcomes_file: str) -> None:
    with tempfile.TemporaryDirectory(prefix="reference-") as scratch:
        os.environ.update(QUIET, DLT_DATA_DIR=scratch)
        with open(histories_file, "rb") as file:
            histories = pickle.load(file)
        outcomes = run(histories, scratch)
        with open(outcomes_file, "wb") as file:
            pickle.dump(outcomes, file)


def as_form(page: list[Any], form: str) -> Any:
    """Return a page of rows as an Arrow table if so wanted."""
    import pyarrow

    return pyarrow.Table.from_pylist(page) if page and form == "arrow" else page


def resource(
    library: Any, pages: list[Any], options: dict[str, Any], write_disposition: str, way: str, name: str = "r"
) -> Any:
    """Return a resource of dlt or ladle that yields the pages through a cursor."""
    cursor = library.sources.incremental(**options)
    partial = library.sources.incremental(options["cursor_path"])
    hints = {"name": name, "write_disposition": write_disposition}

    def plain() -> Any:
        yield from pages

    def by_argument(cursor: Any = cursor) -> Any:
        yield from pages

    def by_call(cursor: Any = partial) -> Any:
        yield from pages

    if way == "hint":
        return library.resource(plain, incremental=cursor, **hints)
    if way == "call":
        return library.resource(by_call, **hints)(cursor=cursor)
    return library.resource(by_argument, **hints)


def run(histories: list[Any], scratch: str) -> dict[str, list[Any]]:
    """Run all histories at once, each by a resource of its own: a run costs half a second, whatever it loads."""
    import dlt

    loaded: dict[str, list[int]] = {}

    @dlt.destination(
        name="sink", batch_size=1000, skip_dlt_columns_and_tables=True, naming_convention="direct"
    )
    def sink(items: Any, table: Any) -> None:
        rows = items.to_pylist() if hasattr(items, "to_pylist") else items
        loaded.setdefault(table["name"], []).extend(row["n"] for row in rows)

    pipeline = dlt.pipeline("histories", destination=sink, pipelines_dir=scratch)
    going = {f"r{n}": history for n, history in enumerate(histories)}
    outcomes: dict[str, list[Any]] = {name: [] for name in going}
    for number in range(max(len(h["runs"]) for h in histories)):
        going = {name: h for name, h in going.items() if number < len(h["runs"])}
        loaded.clear()
        while failed := _failure(pipeline, going, number):
            name, error = failed
            outcomes[name].append(error)
            del going[name]
        state = pipeline.state.get("sources", {}).get("histories", {}).get("resources", {})
        for name in going:
            found = state.get(name, {}).get("incremental", {}).get("c")
            # the hashes are a set, whose order differs from process to process
            kept = found and {
                "last_value": found.get("last_value"),
                "unique_hashes": sorted(found["unique_hashes"]),
            }
            outcomes[name].append((sorted(loaded.get(name, [])), kept))
    return {history["id"]: outcomes[f"r{n}"] for n, history in enumerate(histories)}


def _failure(pipeline: Any, going: dict[str, Any], number: int) -> tuple[str, str] | None:
    """Run all; return the resource that fails, and the name of its error: then nothing was loaded."""
    import dlt

    resources = []
    for name, history in going.items():
        options = dict(history["options"])
        if isinstance(options.get("last_value_func"), str):
            options["last_value_func"] = {"min": min, "max": max}[options["last_value_func"]]
        pages = [as_form(page, history["form"]) for page in history["runs"][number]]
        resources.append(resource(dlt, pages, options, history["write_disposition"], history["way"], name))
    try:
        pipeline.run(resources)
    except Exception as error:
        pipeline.drop_pending_packages()
        name, cause = "", error
        while True:
            name = getattr(cause, "pipe_name", None) or name
            if cause.__cause__ is None or type(cause).__name__.startswith("Incremental"):
                break
            cause = cause.__cause__
        if name not in going:
            raise
        return name, type(cause).__name__
    return None


if __name__ == "__main__":
    main(*sys.argv[1:3])
