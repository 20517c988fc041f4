"""Loads rows into a folder with the reference: `python reference_lake.py FOLDER PIPELINE ROWS DISPOSITION`.

Runs in the reference's own environment, each time as a new machine; prints what it restored, as JSON.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile


def main(folder: str, name: str, rows: str, disposition: str) -> None:
    with tempfile.TemporaryDirectory(prefix="reference-") as scratch:
        os.environ.update(
            {"RUNTIME__DLTHUB_TELEMETRY": "false", "RUNTIME__LOG_LEVEL": "CRITICAL", "DLT_DATA_DIR": scratch}
        )
        import dlt

        pipeline = dlt.pipeline(name, destination=dlt.destinations.filesystem(folder), dataset_name="ds")
        pipeline.sync_destination()
        restored = {"version": pipeline.state["_state_version"], "schemas": pipeline.schema_names}
        pipeline.run(json.loads(rows), table_name="t", write_disposition=disposition)
        print(json.dumps(restored))


if __name__ == "__main__":
    main(*sys.argv[1:5])
