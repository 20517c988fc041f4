"""Relations make the SQL that the reference makes, over the same file that the reference has loaded."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tests.parity.dataset_reference import evaluated

import ladle

pytestmark = pytest.mark.needs_reference

SCRIPT = Path(__file__).with_name("dataset_reference.py")
CASES = [
    'ds["users"]',
    'ds["users"].select("id")',
    'ds["users"][["id", "v"]]',
    'ds["users"].select("id").where("id", "gt", 1)',
    'ds["users"].where("id", "in", [1, 2])',
    'ds["users"].where("id", "not_in", [1, 2])',
    'ds["users"].where("id > 1 and amt < 9")',
    'ds["users"].where("amt", "lte", 9).where("v", "ne", "a")',
    'ds["users"].where("id = 1 or id = 2").where("id", "gt", 0)',
    'ds["users"].select("id").order_by("id", "desc").limit(2)',
    'ds["users"].order_by("id").order_by("v", "desc").head()',
    'ds["users"].select("id").max().fetchscalar()',
    'ds["users"].join("users__pets")',
    'ds["users"].join("users__pets__toys")',
    'ds["users__pets__toys"].join("users")',
    'ds["users"].join("users__pets").join("users__pets__toys")',
    'ds["users"].join("users__pets").join("orders")',
    'ds["users"].join("users__pets", kind="right").where("users__pets__n", "eq", "x")',
    'ds["users"].join("users__pets").order_by("users__pets__n").limit(1)',
    'ds["users"].join(ds["users__pets"], alias="p", kind="left").select("id", "p__n")',
    'ds["users"].join("orders", on="users.id = orders.user_id", kind="full")',
    'ds["users"].limit(1).join("users__pets")',
    'ds["orders"].join("users")',
    'ds["users"].join("_dlt_loads")',
    'ds["users"].from_loads(["x"])',
    'ds["users__pets"].from_loads(["x"], add_load_id_column=True)',
    'ds["users__pets"].with_load_id_col()',
    'ds["users__pets__toys"].with_load_id_col()',
    'ds.table("users", load_ids=["x", "y"])',
    'ds.row_counts(table_names=["users", "users__pets"])',
    'ds.row_counts(data_tables=False, dlt_tables=True)',
    'ds.row_counts().fetchall()',
    'ds.load_ids()',
    'ds.latest_load_id()',
    'ds.load_ids("other")',
    'ds.loads_table()',
    'ds.tables',
    'ds.query("select id, v as vv from users")',
    'ds.query("select id, v as vv from users").columns_schema',
    'ds("select count(*) as n, upper(v) as u, amt * 2 as d from users group by v, amt").columns_schema',
    'ds("with a as (select id from users) select * from a")',
    'ds("select u.id, p.n from users u join users__pets p on u._dlt_id = p._dlt_parent_id")',
    'ds("select `id` from `users`", query_dialect="bigquery")',
    'ds("select id from users union all select oid from orders").select("id")',
    'ds("select id, v as vv from users").select("vv")',
    'ds("select id, v as vv from users").where("vv", "eq", "a")',
    'ds["users"].columns_schema',
    'ds["users"].incremental(incremental("id", initial_value=2))',
    'ds["users"].incremental(incremental("id", initial_value=2, end_value=4, range_end="closed"))',
    'ds["users"].incremental(incremental("id", initial_value=2, last_value_func=min, range_start="open"))',
    'ds["users"].incremental(incremental("id", initial_value=2, on_cursor_value_missing="include"))',
    'ds["users"].incremental(incremental("id"))',
    'list(ds["users"].select("id").iter_fetch(2))',
    'ds["users"].select("id").fetchmany(3)',
    'ds.sql_client.make_qualified_table_name("users")',
    # errors on both sides
    'ds["zzz"]',
    'ds["users"].select("zzz").to_sql()',
    'ds["users"].where("id", "like", 1)',
    'ds["users"].order_by("id", "up")',
    'ds["users"].join("users")',
    'ds["users__pets"].join("orders")',
    'ds["users"].join("orders", kind="cross")',
    'ds("select * from users").join("users__pets")',
    'ds["users"].limit(1).from_loads(["x"])',
    'ds["users"].select("id", "v").fetchscalar()',
]  # fmt: skip


@pytest.fixture(scope="module")
def sides(reference_python: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Any]:
    """Return what the reference makes of each case, and the dataset it loaded, read with ladle."""
    folder = tmp_path_factory.mktemp("read")
    database = folder / "q.duckdb"
    job, result = folder / "job.json", folder / "result.json"
    job.write_text(json.dumps({"database": str(database), "folder": str(folder / "work"), "cases": CASES}))
    subprocess.run([reference_python, SCRIPT, job, result], check=True, cwd=folder, capture_output=True)
    ds = ladle.dataset(ladle.destinations.duckdb(str(database)), "ds")
    return json.loads(result.read_text()), ds


@pytest.mark.parametrize("case", CASES)
def test_both_make_the_same_of_a_dataset(case: str, sides: tuple[dict[str, Any], Any]) -> None:
    theirs, ds = sides
    assert evaluated(case, ds, ladle) == theirs[case]


def test_the_cases_have_an_answer(sides: tuple[dict[str, Any], Any]) -> None:
    assert [case for case, answer in sides[0].items() if answer is None] == CASES[-10:]
