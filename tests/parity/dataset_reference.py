"""Evaluates expressions over a dataset with the reference: `python dataset_reference.py JOB RESULT` in its venv.

JOB is JSON, `{"database", "folder", "cases"}`. RESULT gets, by expression, the SQL of the relation that it makes, or
the value; `null` where it fails.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

USERS = [
    {"id": 1, "v": "a", "amt": 1.5, "pets": [{"n": "x", "toys": [{"k": 1}]}, {"n": "y"}]},
    {"id": 2, "v": "b", "amt": 2.5},
    {"id": 3, "v": "c", "amt": 3.5},
    {"id": 4, "v": "d", "amt": 9.5},
]
ORDERS = [{"oid": 10, "user_id": 1}, {"oid": 11, "user_id": 2}]
REFERENCES = [{"columns": ["user_id"], "referenced_table": "users", "referenced_columns": ["id"]}]


def main(job_file: str, result_file: str) -> None:
    os.environ.update({"RUNTIME__DLTHUB_TELEMETRY": "false", "RUNTIME__LOG_LEVEL": "CRITICAL"})
    import dlt

    job = json.loads(Path(job_file).read_text())
    os.environ["DLT_DATA_DIR"] = job["folder"]
    pipeline = dlt.pipeline(
        "read", job["folder"], destination=dlt.destinations.duckdb(job["database"]), dataset_name="ds"
    )
    users = dlt.resource(USERS, name="users", columns={"id": {"nullable": False}})
    orders = dlt.resource(ORDERS, name="orders", references=REFERENCES)
    pipeline.run([users, orders])
    ds = pipeline.dataset()
    Path(result_file).write_text(json.dumps({case: evaluated(case, ds, dlt) for case in job["cases"]}))


def evaluated(case: str, ds: Any, dlt: Any) -> Any:
    """Return the SQL of a relation, the value of something else, None for an error."""
    try:
        found = eval(case, {"ds": ds, "incremental": dlt.sources.incremental})
        return found.to_sql() if hasattr(found, "to_sql") else json.loads(json.dumps(found))
    except Exception:
        return None


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
