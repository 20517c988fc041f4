"""Runs merges of random histories through the reference: `python reference_merges.py IN OUT`.

IN is a pickle of a list of `{"id", "hints", "batches"}`; OUT of `{id: rows or the name of the error}`, rows with their
children as `tests.merges.plain` compares them.
"""

from __future__ import annotations

import os
import pickle
import sys
import tempfile
from typing import Any

QUIET = {"RUNTIME__DLTHUB_TELEMETRY": "false", "RUNTIME__LOG_LEVEL": "CRITICAL"}
COLUMNS = ("id", "k", "d", "v", "s", "gone")


def main(histories_file: str, outcomes_file: str) -> None:
    with tempfile.TemporaryDirectory(prefix="reference-") as scratch:
        os.environ.update(QUIET, DLT_DATA_DIR=scratch)
        with open(histories_file, "rb") as file:
            histories = pickle.load(file)
        outcomes = run(histories, scratch)
        with open(outcomes_file, "wb") as file:
            pickle.dump(outcomes, file)


def run(histories: list[Any], scratch: str) -> dict[Any, Any]:
    """Run all histories at once, each in a table of its own: a run costs half a second, whatever it loads."""
    import dlt
    import duckdb

    path = os.path.join(scratch, "x.duckdb")
    pipeline = dlt.pipeline("merges", destination=dlt.destinations.duckdb(path), dataset_name="ds")
    try:
        for number in range(max(len(h["batches"]) for h in histories)):
            pipeline.run(
                [
                    dlt.resource(h["batches"][number], name=f"t{h['id']}", **h["hints"])
                    for h in histories
                    if number < len(h["batches"])
                ]
            )
    except Exception as exc:  # noqa: BLE001 - told as the outcome
        return {h["id"]: f"{type(exc).__name__}: {exc}" for h in histories}
    with duckdb.connect(path) as db:
        names = {n for (n,) in db.execute("SELECT table_name FROM information_schema.tables").fetchall()}
        return {h["id"]: landed(db, f"t{h['id']}", names) for h in histories}


def landed(db: Any, table: str, names: set[str]) -> list[Any]:
    roots = db.table(f"ds.{table}").to_arrow_table().to_pylist()
    kids = db.table(f"ds.{table}__kids").to_arrow_table().to_pylist() if f"{table}__kids" in names else []
    below: dict[str, list[Any]] = {}
    for kid in sorted(kids, key=lambda r: r["_dlt_list_idx"]):
        below.setdefault(kid["_dlt_parent_id"], []).append({"x": kid["x"]})
    return [{**{n: r.get(n) for n in COLUMNS}, "kids": below.get(r["_dlt_id"], [])} for r in roots]


if __name__ == "__main__":
    main(*sys.argv[1:])
