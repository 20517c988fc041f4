"""Tags survive the reference: it reads our schema, and hands all of them on."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

import ladle
from ladle.schema.schema import Schema
from ladle.schema.tags import tags_of

READ = """
import json, sys, dlt
print(json.dumps(dlt.Schema.from_dict(json.load(sys.stdin)).to_dict(), default=str))
"""


@pytest.mark.needs_reference
def test_tags_survive_the_reference(tmp_path: Path, reference_python: Path) -> None:
    columns = {
        "mail": {
            "tags": {"pii": "email", "own": {"a": [1]}},
            "protect": "mask",
            "description": "Where to write",
        }
    }
    resource = ladle.resource([{"mail": "a@b.cd"}], name="users", columns=columns, tags={"owner": "crm"})
    source = ladle.source(
        lambda: resource, name="shop", tags={"domain": "sales", "description": "The shop"}
    )()
    destination = ladle.destinations.duckdb(str(tmp_path / "x.duckdb"))
    p = ladle.pipeline("p", tmp_path / "work", destination=destination, dataset_name="ds")
    p.run(source)
    ours = p.schemas["shop"].to_dict()
    done = subprocess.run(
        [reference_python, "-c", READ],
        input=json.dumps(ours),
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    back = Schema.from_dict(json.loads(done.stdout.splitlines()[-1]))
    mine = Schema.from_dict(ours)
    assert tags_of(back.settings) == tags_of(mine.settings) == {"domain": "sales", "description": "The shop"}
    assert tags_of(back.table_map["users"].extra) == {"owner": "crm"}
    column = back.table_map["users"].columns["mail"]
    assert tags_of(column.extra) == {"pii": "email", "own": {"a": [1]}, "protect": "mask"}
    assert column.description == "Where to write"
