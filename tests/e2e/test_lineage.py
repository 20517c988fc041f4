"""Lineage of a dataset that the reference began and ladle carries on."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import ladle


def test_columns_and_rows_of_before_lead_to_the_loads_of_the_reference(
    reference_python: Path, tmp_path: Path
) -> None:
    file = tmp_path / "x.duckdb"
    script = Path(__file__).with_name("reference_orders.py")
    done = subprocess.run(
        [reference_python, script, file], cwd=tmp_path, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    before = json.loads(done.stdout.splitlines()[-1])

    target = ladle.destinations.duckdb(str(file))
    pipeline = ladle.pipeline("p", tmp_path / "work", destination=target, dataset_name="ds")
    third = pipeline.run([{"id": 3, "note": "c", "price": 1.5}], table_name="orders").loads_ids[0]

    found = pipeline.lineage().columns().to_pylist()
    loads = {(c["table_name"], c["column_name"]): (c["load_id"], c["recorded"]) for c in found}
    assert loads["orders", "id"] == (before["first"], False)
    assert loads["orders__items__tags", "value"] == (before["first"], False)
    assert loads["orders", "note"] == (before["second"], False)
    assert loads["orders", "price"] == (third, True)
    assert {c["resource"] for c in found} == {"orders"}

    row = pipeline.lineage().row("orders__items__tags", before["tag"])
    assert (row.root_table, row.root_id, row.load_id) == ("orders", before["root"], before["first"])
    assert (row.schema_name, row.schema_version) == (
        "p",
        pipeline.lineage().loads()["schema_version"][0].as_py(),
    )
    assert (row.code, row.inputs) == (None, ())


def test_a_lake_of_the_reference_has_lineage_too(reference_python: Path, tmp_path: Path) -> None:
    script = Path(__file__).parents[1] / "contract" / "reference_lake.py"
    for rows in ([{"id": 1, "items": [{"n": 1}]}], [{"id": 2, "note": "b"}]):
        command = [reference_python, script, tmp_path / "lake", "p", json.dumps(rows), "append"]
        subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, timeout=120)
    target = ladle.destinations.filesystem(str(tmp_path / "lake"))
    pipeline = ladle.pipeline("p", tmp_path / "work", destination=target, dataset_name="ds")
    third = pipeline.run([{"id": 3, "price": 1.5}], table_name="t").loads_ids[0]

    first, second, last = pipeline.lineage().loads()["load_id"].to_pylist()
    found = pipeline.lineage().columns().to_pylist()
    loads = {(c["table_name"], c["column_name"]): (c["load_id"], c["recorded"]) for c in found}
    assert last == third
    assert loads["t", "id"] == loads["t__items", "n"] == (first, False)
    assert loads["t", "note"] == (second, False)
    assert loads["t", "price"] == (third, True)
    row_id = pipeline.dataset()["t__items"].select("_dlt_id").fetchscalar()
    assert pipeline.lineage().row("t__items", row_id).load_id == first
