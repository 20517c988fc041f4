"""Runs histories by SCD2 through the reference: `python reference_scd2.py IN OUT`.

IN is a pickle of a list of `{"id", "hints", "batches", "url"}`, `url` of a Postgres or nothing for DuckDB; OUT of
`{id: rows or the name of the error}`, rows as `tests.scd2.plain` compares them.
"""

from __future__ import annotations

import os
import pickle
import sys
import tempfile
from collections.abc import Sequence
from typing import Any

QUIET = {"RUNTIME__DLTHUB_TELEMETRY": "false", "RUNTIME__LOG_LEVEL": "CRITICAL"}
COLUMNS = ("id", "k", "d", "v", "h")


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

    if history["url"]:
        destination = dlt.destinations.postgres(history["url"])
    else:
        destination = dlt.destinations.duckdb(os.path.join(scratch, f"{name}.duckdb"))
    pipeline = dlt.pipeline(name, destination=destination, dataset_name=f"reference_{name}")
    try:
        for batch in history["batches"]:
            pipeline.run(dlt.resource(batch, name="t", **history["hints"]))
    except Exception as exc:  # noqa: BLE001 - told as the outcome
        return type(exc).__name__
    since, until, *columns = ("_dlt_valid_from", "_dlt_valid_to", "_dlt_id", *COLUMNS)
    with pipeline.sql_client() as client:
        loads = [row[0] for row in client.execute_sql("SELECT load_id FROM _dlt_loads")]
        roots = client.execute_sql(
            f"SELECT EXTRACT(epoch FROM {since}), EXTRACT(epoch FROM {until}), {', '.join(columns)} FROM t"
        )
        kids = []
        if "t__kids" in pipeline.default_schema.tables:
            kids = client.execute_sql("SELECT _dlt_parent_id, x FROM t__kids ORDER BY _dlt_list_idx")
    return rows_of(roots, kids, sorted(map(float, loads)))


def rows_of(roots: Sequence[Any], kids: Sequence[Any], loads: Sequence[float]) -> list[dict[str, Any]]:
    """Return rows with the numbers of the loads from and until which they hold, and their lists."""
    below: dict[str, list[Any]] = {}
    for parent, x in kids:
        below.setdefault(parent, []).append({"x": x})

    def load(at: Any) -> int | None:
        return next(
            (n for n, made in enumerate(loads) if at is not None and abs(made - float(at)) < 1e-3), None
        )

    return [
        {
            "row": {**dict(zip(COLUMNS, values, strict=True)), "kids": below.get(row_id, [])},
            "since": load(since),
            "until": load(until),
        }
        for since, until, row_id, *values in roots
    ]


if __name__ == "__main__":
    main(*sys.argv[1:])
