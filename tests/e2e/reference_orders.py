"""Loads orders with the reference, in its own environment: `python reference_orders.py DATABASE`.

Two runs, the second with a column more; prints load ids and the ids of one row of the grandchild table.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile


def main(database: str) -> None:
    with tempfile.TemporaryDirectory(prefix="reference-") as scratch:
        os.environ.update(
            {"RUNTIME__DLTHUB_TELEMETRY": "false", "RUNTIME__LOG_LEVEL": "CRITICAL", "DLT_DATA_DIR": scratch}
        )
        import dlt

        pipeline = dlt.pipeline("p", destination=dlt.destinations.duckdb(database), dataset_name="ds")
        first = pipeline.run([{"id": 1, "items": [{"n": 1, "tags": ["x"]}]}], table_name="orders").loads_ids
        second = pipeline.run([{"id": 2, "note": "b"}], table_name="orders").loads_ids
        with pipeline.sql_client() as client:
            (tag,) = client.execute_sql("SELECT _dlt_id FROM orders__items__tags")[0]
            (root,) = client.execute_sql("SELECT _dlt_id FROM orders WHERE id = 1")[0]
        print(json.dumps({"first": first[0], "second": second[0], "tag": tag, "root": root}))


if __name__ == "__main__":
    main(sys.argv[1])
