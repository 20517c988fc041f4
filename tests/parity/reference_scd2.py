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
        outcomes = run(histories, scratch)
        with open(outcomes_file, "wb") as file:
            pickle.dump(outcomes, file)


def run(histories: list[Any], scratch: str) -> dict[Any, Any]:
    """Run all histories at once, each in a table of its own: a run costs half a second, whatever it loads."""
    import dlt

    url = histories[0]["url"]
    to = dlt.destinations.postgres(url) if url else dlt.destinations.duckdb(os.path.join(scratch, "x.duckdb"))
    pipeline = dlt.pipeline("scd2", destination=to, dataset_name="reference_scd2")
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
    with pipeline.sql_client() as client:
        loads = sorted(float(row[0]) for row in client.execute_sql("SELECT load_id FROM _dlt_loads"))
        tables = pipeline.default_schema.tables
        return {h["id"]: landed(client, f"t{h['id']}", tables, loads) for h in histories}


def landed(client: Any, table: str, tables: Any, loads: Sequence[float]) -> list[dict[str, Any]]:
    since, until, *columns = ("_dlt_valid_from", "_dlt_valid_to", "_dlt_id", *COLUMNS)
    roots = client.execute_sql(
        f"SELECT EXTRACT(epoch FROM {since}), EXTRACT(epoch FROM {until}), {', '.join(columns)} FROM {table}"
    )
    kids = []
    if f"{table}__kids" in tables:
        kids = client.execute_sql(f"SELECT _dlt_parent_id, x FROM {table}__kids ORDER BY _dlt_list_idx")
    return rows_of(roots, kids, loads)


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
