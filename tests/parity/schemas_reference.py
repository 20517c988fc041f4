"""Loads rows by given schemas with the reference: `python schemas_reference.py IN OUT` in its venv.

IN is a pickle of a list, `{"id", "ours", "theirs", "rows"}` for each schema, `ours` as ladle exports it, `theirs` as it
was found. OUT is a pickle by `id`: what the reference exports of `theirs`, what it makes of `ours`, and the tables that
a load of the rows by `ours` leaves in DuckDB; or the error.
"""

from __future__ import annotations

import os
import pickle
import sys
from pathlib import Path
from typing import Any


def main(jobs_file: str, results_file: str) -> None:
    os.environ.update(
        {
            "RUNTIME__DLTHUB_TELEMETRY": "false",
            "RUNTIME__LOG_LEVEL": "CRITICAL",
            "RESTORE_FROM_DESTINATION": "false",
        }
    )
    os.environ["DLT_DATA_DIR"] = str(Path(results_file).parent / "reference")
    import dlt
    import yaml

    results = {}
    for job in pickle.loads(Path(jobs_file).read_bytes()):
        try:
            results[job["id"]] = done(job, dlt, yaml)
        except Exception as error:
            results[job["id"]] = {"error": f"{type(error).__name__}: {error}"[:2000]}
    Path(results_file).write_bytes(pickle.dumps(results))


def done(job: dict[str, Any], dlt: Any, yaml: Any) -> dict[str, Any]:
    import duckdb

    found = job["theirs"]
    if "_dlt_version" not in found["tables"]:
        found["tables"] = {**dlt.Schema(found["name"]).to_dict()["tables"], **found["tables"]}
    theirs = dlt.Schema.from_dict(found).to_pretty_yaml()
    schema = dlt.Schema.from_dict(yaml.safe_load(job["ours"]))
    imported = schema.to_dict()
    resources = [dlt.resource(with_bytes(rows), name=name) for name, rows in job["rows"].items()]
    source = dlt.source(lambda: resources, schema=schema)()
    connection = duckdb.connect()
    pipeline = dlt.pipeline(
        job["id"], destination=dlt.destinations.duckdb(connection), dataset_name="d", dev_mode=False
    )
    pipeline.run(source)
    found = connection.execute(
        "SELECT table_name, column_name, data_type FROM information_schema.columns WHERE table_schema = 'd'"
    ).fetchall()
    return {"theirs": theirs, "imported": imported, "tables": [list(row) for row in found]}


def with_bytes(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: with_bytes(v) for k, v in value.items()}
    if isinstance(value, list):
        return [with_bytes(v) for v in value]
    return value[6:].encode() if isinstance(value, str) and value.startswith("bytes:") else value


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
