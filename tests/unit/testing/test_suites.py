"""The suites find what is wrong: destinations and sources that break one rule each, run as their authors would."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]

_DESTINATION = """
import dataclasses
import pytest
import ladle
from ladle.destinations.sql import SqlSession
from ladle.testing import DestinationSuite, never

inner = ladle.destinations.duckdb
first = {{}}


class Loses(SqlSession):
    def clear(self, tables):
        pass  # old rows stay

    def begin(self, record):
        first.setdefault((self._dataset, record.schema["name"]), record.schema)
        super().begin(record)

    def stored_schema(self, name):
        return first.get((self._dataset, name))  # the oldest


class Wrong:
    def __init__(self, below):
        self.below = below

    def __getattr__(self, name):
        return getattr(self.below, name)

    def bound(self, pipeline):
        return Wrong(self.below.bound(pipeline))

    def open(self, dataset):
        session = self.below.open(dataset)
        session.__class__ = Loses
        return session


class TestWrong(DestinationSuite):
    marks = {{
        "test_has_load": never("it passes, so this mark is wrong"),
        "test_replace_empties_what_gets_no_rows": never("clear does nothing"),
    }}

    @pytest.fixture
    def destination(self, tmp_path):
        return Wrong(inner(str(tmp_path / "x.duckdb")))
"""

_QUIETLY_WRONG = """
import pyarrow as pa
import pytest
import ladle
from ladle.destinations.sql import SqlSession
from ladle.testing import DestinationSuite

known = {}


class Loses(SqlSession):
    def stored_state(self, pipeline):
        return known.setdefault((self._dataset, pipeline), super().stored_state(pipeline))  # the oldest

    def has_load(self, load_id):
        return super().has_load(load_id) and known.setdefault("load", load_id) == load_id  # one only

    def append(self, table, schema, batches):
        rows = pa.Table.from_batches(batches, schema)
        told, seen = rows.num_rows, []
        for number, row in enumerate(rows.slice(0, 65_536).to_pylist()):
            data = {k: v for k, v in row.items() if not k.startswith("_dlt_")}
            if "v" not in data or data not in [rows for rows, _ in seen]:  # equal ones once
                seen.append((data, number))
        rows = rows.take([number for _, number in seen])
        super().append(table, schema, rows.to_batches())
        self._connection.commit()  # seen too early
        self._connection.begin()
        return told


class Wrong:
    def __init__(self, below):
        self.below = below
        self.streams = False

    def __getattr__(self, name):
        return getattr(self.below, name)

    def bound(self, pipeline):
        return Wrong(self.below.bound(pipeline))

    def open(self, dataset):
        session = self.below.open(dataset)
        session.__class__ = Loses
        return session


class TestWrong(DestinationSuite):
    @pytest.fixture
    def destination(self, tmp_path):
        return Wrong(ladle.destinations.duckdb(str(tmp_path / "x.duckdb")))
"""

_NAMED = "test_has_load or state_and_schema or test_replace_empties or (test_disposition and rows and not by)"


def run(folder: Path, code: str, *options: str) -> str:
    (folder / "test_it.py").write_text(code, encoding="utf-8")
    env = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-rfExX",
        "-p",
        "no:cacheprovider",
        "test_it.py",
        *options,
    ]
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=120)
    return done.stdout


def test_a_destination_that_is_wrong_fails_and_a_mark_on_what_passes_too(tmp_path: Path) -> None:
    shown = run(tmp_path, _DESTINATION.replace("{{", "{").replace("}}", "}"), "-k", _NAMED)
    assert "FAILED test_it.py::TestWrong::test_disposition[replace-rows]" in shown
    assert "FAILED test_it.py::TestWrong::test_has_load" in shown
    assert "FAILED test_it.py::TestWrong::test_state_and_schema_come_back" in shown
    assert "[XPASS(strict)] never: it passes, so this mark is wrong" in shown
    assert (
        "XFAIL test_it.py::TestWrong::test_replace_empties_what_gets_no_rows - never: clear does nothing"
        in shown
    )
    assert "3 failed, 1 passed" in shown, shown


def test_a_destination_that_loses_little_or_shows_rows_early_fails(tmp_path: Path) -> None:
    named = "alike or among_many or seen_before or has_load or state_is_the_newest"
    shown = run(tmp_path, _QUIETLY_WRONG, "-k", named)
    for test in (
        "test_rows_that_are_alike",
        "test_rows_keep_their_place_among_many",
        "test_nothing_is_seen_before_the_commit[append]",
        "test_nothing_is_seen_before_the_commit[replace]",
        "test_has_load",
        "test_state_is_the_newest",
    ):
        assert f"FAILED test_it.py::TestWrong::{test}" in shown, shown


def test_a_suite_without_its_fixture_says_so(tmp_path: Path) -> None:
    code = "from ladle.testing import DestinationSuite\nclass TestBare(DestinationSuite):\n    pass\n"
    shown = run(tmp_path, code, "-k", "test_has_load")
    assert "TestBare needs a fixture `destination` that returns the destination to test" in shown
