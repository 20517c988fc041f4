"""Each document of `documents/` becomes exactly the tables beside it, the cases of the spec's chapter 2.

A case: `input` rows, and for each table the types of its data `columns` in order (null: any name for the column
of that place), its `rows`, and for child tables the list positions `at` and `of`: the parent table and, for each
row, the row number of its parent.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.loading import KEYS, Landed, Site

import ladle

CASES = [
    pytest.param(case, id=f"{path.stem}: {case['name']}")
    for path in sorted((Path(__file__).parent / "documents").glob("*.json"))
    for case in json.loads(path.read_text(encoding="utf-8"))
]


@pytest.mark.parametrize("case", CASES)
def test_document_becomes_its_tables(case: dict[str, Any], tmp_path: Path) -> None:
    site = Site.in_memory(tmp_path)
    for rows in [case["input"], *case.get("then", [])]:
        data = ladle.resource(rows, name=case["table"], max_table_nesting=case.get("nesting"))
        site.load(data, case["table"], **case.get("hints", {}))
    tables = site.tables()
    assert set(tables) == set(case["tables"])
    for name, expected in case["tables"].items():
        check_content(tables[name], expected)
        check_keys(tables, name, expected)


def check_content(table: Landed, expected: dict[str, Any]) -> None:
    assert list(table.types) == list(expected["columns"])
    wanted = {n: t for n, t in expected["columns"].items() if t is not None}
    assert wanted.items() <= table.types.items()
    assert [list(row) for row in table.data] == expected["rows"]


def check_keys(tables: dict[str, Landed], name: str, expected: dict[str, Any]) -> None:
    table, is_child = tables[name], "of" in expected
    keys = ["_dlt_parent_id", "_dlt_list_idx", "_dlt_id"] if is_child else ["_dlt_load_id", "_dlt_id"]
    assert list(table.columns)[-len(keys) :] == keys
    assert [n for n in table.columns if n in KEYS] == keys
    ids = table.values("_dlt_id")
    assert len(set(ids)) == len(ids)
    assert all(e in (None, i) for e, i in zip(expected.get("ids", ids), ids, strict=True))
    if is_child:
        parent, *of = expected["of"]
        assert table.values("_dlt_list_idx") == expected["at"]
        parents = tables[parent].values("_dlt_id")
        assert table.values("_dlt_parent_id") == [parents[row] for row in of]
    else:
        assert "zz" not in table.values("_dlt_load_id")
