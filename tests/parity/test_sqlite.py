"""SQLite beside the reference's `sqlalchemy` destination: files, declared types, values; and a dataset carried on."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
from contextlib import closing
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from tests.parity.sqlite_reference import COLUMNS, rows

import ladle

_OWN = ("_dlt_id", "_dlt_load_id", "_dlt_parent_id", "_dlt_root_id")
Tables = dict[str, tuple[dict[str, str], list[dict[str, Any]]]]


@pytest.fixture(scope="module")
def reference(reference_python: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reference")
    script = Path(__file__).with_name("sqlite_reference.py")
    done = subprocess.run([reference_python, script, folder], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return folder


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ours")
    for dataset, loads in (("main", 1), ("ds", 2)):
        made = ladle.destinations.sqlalchemy(f"sqlite:///{folder / 'x.db'}")
        pipeline = ladle.pipeline(f"p_{dataset}", folder / "work", destination=made, dataset_name=dataset)
        for load in range(loads):
            run(pipeline, load)
    return folder


def run(pipeline: Any, load: int) -> None:
    pipeline.run(rows(load), table_name="t", columns=COLUMNS, primary_key="id", write_disposition="merge")


def read(file: Path) -> Tables:
    """Return declared types by column, and rows without keys, of the tables of data."""
    with closing(sqlite3.connect(file)) as db:
        db.row_factory = sqlite3.Row
        names = [n for (n,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        found: Tables = {}
        for name in names:
            if not name.startswith(("_dlt", "_ladle")):
                types = {
                    r["name"]: r["type"].replace(" ", "") for r in db.execute(f"PRAGMA table_info('{name}')")
                }
                data = [dict(r) for r in db.execute(f'SELECT * FROM "{name}"')]
                kept = [{k: v for k, v in r.items() if k not in _OWN} for r in data]
                found[name] = (types, sorted(kept, key=repr_of))
    return found


def repr_of(row: dict[str, Any]) -> str:
    return repr(sorted(row.items()))


def test_datasets_are_in_the_same_files(reference: Path, ours: Path) -> None:
    assert {f.name for f in ours.glob("x*")} == {"x.db", "x__ds.db"}
    # The reference has a file more: of what waited there.
    assert {f.name for f in reference.glob("x*.db")} == {
        "x.db",
        "x__ds.db",
        "x__ds_staging.db",
        "x__main_staging.db",
    }


@pytest.mark.parametrize("file", ["x.db", "x__ds.db"])
def test_tables_are_the_same(file: str, reference: Path, ours: Path) -> None:
    theirs, mine = read(reference / file), read(ours / file)
    assert set(mine) == set(theirs)
    for table, (types, data) in theirs.items():
        own_types, own_data = mine[table]
        same = {c: t for c, t in own_types.items() if not c.startswith("_dlt_")}
        expected = {c: t for c, t in types.items() if not c.startswith("_dlt_")}
        if table == "t":  # so that it reads back without time zone
            expected["naive"] = "TIMESTAMP"
        assert same == expected
        for row in (*data, *own_data):
            if row.get("j") is not None:
                row["j"] = row["j"].replace(" ", "")
        assert own_data == data, table


def test_a_dataset_of_the_reference_is_carried_on(reference: Path, tmp_path: Path) -> None:
    for file in reference.glob("x*"):
        shutil.copy(file, tmp_path / file.name)
    made = ladle.destinations.sqlalchemy(f"sqlite:///{tmp_path / 'x.db'}")
    pipeline = ladle.pipeline("p_ds", tmp_path / "work", destination=made, dataset_name="ds")
    pipeline.run(
        [{"id": 3, "name": "changed", "total": Decimal("0.5"), "tags": ["z"]}, {"id": 4, "fresh": 1}],
        table_name="t", primary_key="id", write_disposition="merge",
    )  # fmt: skip
    found = pipeline.dataset()["t"].order_by("id").select("id", "name", "total", "fresh").fetchall()
    assert found == [
        (1, "new", Decimal("1234.5678"), None),
        (2, None, None, None),
        (3, "changed", Decimal("0.5"), None),
        (4, None, None, 1),
    ]
    at, naive = pipeline.dataset()["t"].where("id", "eq", 1).select("at", "naive").fetchall()[0]
    assert at == datetime(2024, 1, 2, 3, 4, 5, 6, tzinfo=UTC)
    assert naive == datetime(2024, 1, 2, 3, 4, 5)
    assert sorted(pipeline.dataset()["t__tags"].select("value").fetchall()) == [("c",), ("z",)]
    assert len(pipeline.dataset()["_dlt_loads"].fetchall()) == 3
