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
        outcomes = {h["id"]: run(h, f"history_{n}", scratch) for n, h in enumerate(histories)}
        with open(outcomes_file, "wb") as file:
            pickle.dump(outcomes, file)


def as_form(page: list[Any], form: str) -> Any:
    """Return a page of rows as an Arrow table if so wanted."""
    import pyarrow

    return pyarrow.Table.from_pylist(page) if page and form == "arrow" else page


def resource(
    library: Any, pages: list[Any], options: dict[str, Any], write_disposition: str, way: str
) -> Any:
    """Return a resource of dlt or ladle that yields the pages through a cursor."""
    cursor = library.sources.incremental(**options)
    partial = library.sources.incremental(options["cursor_path"])
    hints = {"name": "r", "write_disposition": write_disposition}

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


def run(history: dict[str, Any], name: str, scratch: str) -> list[Any]:
    import dlt

    loaded: list[int] = []

    @dlt.destination(
        name="sink", batch_size=1000, skip_dlt_columns_and_tables=True, naming_convention="direct"
    )
    def sink(items: Any, table: Any) -> None:
        rows = items.to_pylist() if hasattr(items, "to_pylist") else items
        loaded.extend(row["n"] for row in rows)

    pipeline = dlt.pipeline(name, destination=sink, pipelines_dir=os.path.join(scratch, name))
    options = dict(history["options"])
    if isinstance(options.get("last_value_func"), str):
        options["last_value_func"] = {"min": min, "max": max}[options["last_value_func"]]
    outcomes: list[Any] = []
    for pages in history["runs"]:
        loaded.clear()

        try:
            made = [as_form(page, history["form"]) for page in pages]
            pipeline.run(resource(dlt, made, options, history["write_disposition"], history["way"]))
        except Exception as error:
            cause = error
            while cause.__cause__ is not None and not type(cause).__name__.startswith("Incremental"):
                cause = cause.__cause__
            return [*outcomes, type(cause).__name__]
        resources = pipeline.state.get("sources", {}).get(name, {}).get("resources", {})
        state = resources.get("r", {}).get("incremental", {}).get("c")
        outcomes.append(
            (sorted(loaded), state and {k: state.get(k) for k in ("last_value", "unique_hashes")})
        )
    return outcomes


if __name__ == "__main__":
    main(*sys.argv[1:3])
