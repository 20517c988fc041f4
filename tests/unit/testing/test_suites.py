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


def test_a_suite_without_its_fixture_says_so(tmp_path: Path) -> None:
    code = "from ladle.testing import DestinationSuite\nclass TestBare(DestinationSuite):\n    pass\n"
    shown = run(tmp_path, code, "-k", "test_has_load")
    assert "TestBare needs a fixture `destination` that returns the destination to test" in shown
