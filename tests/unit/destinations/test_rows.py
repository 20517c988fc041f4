"""Rows of Python values out of Arrow columns."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pyarrow as pa
import pytest

from ladle.destinations import rows as module
from ladle.destinations.rows import rows


def test_rows_are_as_many_as_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PIECE_ROWS", 10)
    columns = [pa.array(range(47)), pa.array(map(str, range(47)))]
    found = [(number, list(tuples)) for number, tuples in rows(columns, 4)]
    assert [(number, len(tuples)) for number, tuples in found] == [(4, 11), (1, 3)]
    assert found[0][1][5] == (20, "20", 21, "21", 22, "22", 23, "23")
    assert found[1][1] == [(44, "44"), (45, "45"), (46, "46")]


def test_sqlite_takes_them() -> None:
    with closing(sqlite3.connect(":memory:")) as db:
        db.execute("CREATE TABLE t (a, b)")
        columns = [pa.array([1, None, 3]), pa.array(["x", "é" * 100, None])]
        for number, found in rows(columns, 2):
            db.executemany("INSERT INTO t VALUES " + ", ".join(["(?, ?)"] * number), found)
        assert db.execute("SELECT * FROM t ORDER BY rowid").fetchall() == [
            (1, "x"),
            (None, "é" * 100),
            (3, None),
        ]
