"""Loads jobs with the reference, each into a DuckDB file: `python reference.py JOBS RESULTS` in its venv.

JOBS is a file of JSON lines `{"id", "rows", "table", "database", "dataset", "options"}`, where `rows` names a
JSON file with the list of records. RESULTS gets a line per job, `{"id", "error", "seconds"}`; `error` is null
when it loaded. The datasets are read back through plain DuckDB by the harness, never through the reference.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

QUIET = {
    "RUNTIME__DLTHUB_TELEMETRY": "false",
    "RUNTIME__LOG_LEVEL": "CRITICAL",
    "RESTORE_FROM_DESTINATION": "false",
}


def main(jobs_file: str, results_file: str) -> None:
    """Run every job of a file in one process, as starting the reference costs ten times a small load."""
    with tempfile.TemporaryDirectory(prefix="reference-") as scratch:
        os.environ.update(QUIET, DLT_DATA_DIR=scratch)
        jobs = [json.loads(line) for line in Path(jobs_file).read_text().splitlines()]
        with open(results_file, "w", encoding="utf-8") as results:
            for number, job in enumerate(jobs):
                started = time.perf_counter()
                error = run(job, f"job_{number}", scratch)
                seconds = round(time.perf_counter() - started, 3)
                results.write(json.dumps({"id": job["id"], "error": error, "seconds": seconds}) + "\n")


def run(job: dict[str, Any], pipeline_name: str, scratch: str) -> str | None:
    """Load one job into its own database file and return the error it ended with, shortened, or None."""
    import dlt

    records = json.loads(Path(job["rows"]).read_text())
    try:
        pipeline = dlt.pipeline(
            pipeline_name,
            destination=dlt.destinations.duckdb(job["database"]),
            dataset_name=job["dataset"],
            pipelines_dir=os.path.join(scratch, "pipelines"),
        )
        resource = dlt.resource(records, name=job["table"], **job["options"])
        pipeline.run(resource, table_name=job["table"])
    except Exception as error:  # whatever the reference fails with is its answer to this document
        return f"{type(error).__name__}: {error}"[:2000]
    return None


if __name__ == "__main__":
    main(*sys.argv[1:3])
