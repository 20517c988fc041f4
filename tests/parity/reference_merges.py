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
        outcomes = {h["id"]: run(h, f"history_{n}", scratch) for n, h in enumerate(histories)}
        with open(outcomes_file, "wb") as file:
            pickle.dump(outcomes, file)


def run(history: dict[str, Any], name: str, scratch: str) -> Any:
    import dlt
    import duckdb

    path = os.path.join(scratch, f"{name}.duckdb")
    pipeline = dlt.pipeline(name, destination=dlt.destinations.duckdb(path), dataset_name="ds")
    try:
        for batch in history["batches"]:
            pipeline.run(dlt.resource(batch, name="t", **history["hints"]))
    except Exception as exc:  # noqa: BLE001 - told as the outcome
        return type(exc).__name__
    with duckdb.connect(path) as db:
        names = {n for (n,) in db.execute("SELECT table_name FROM information_schema.tables").fetchall()}
        roots = db.table("ds.t").to_arrow_table().to_pylist()
        kids = db.table("ds.t__kids").to_arrow_table().to_pylist() if "t__kids" in names else []
    below: dict[str, list[Any]] = {}
    for kid in sorted(kids, key=lambda r: r["_dlt_list_idx"]):
        below.setdefault(kid["_dlt_parent_id"], []).append({"x": kid["x"]})
    return [{**{n: r.get(n) for n in COLUMNS}, "kids": below.get(r["_dlt_id"], [])} for r in roots]


if __name__ == "__main__":
    main(*sys.argv[1:])
