"""Two processes that open one DuckDB file at once: what one wrote while the other was opening isn't lost."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import duckdb
import pytest
from tests.e2e.forks import FORKS, ended, start

from ladle.destinations import duckdb_opening


def test_a_file_that_was_written_while_it_was_opened_is_opened_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = str(tmp_path / "x.duckdb")
    duckdb.connect(path).close()
    connect, opened = duckdb.connect, []

    def connected(place: str) -> duckdb.DuckDBPyConnection:
        opened.append(connect(place))
        if len(opened) < 3:
            os.utime(place, ns=(len(opened), len(opened)))
        return opened[-1]

    monkeypatch.setattr("ladle.destinations.duckdb_opening.duckdb.connect", connected)
    with duckdb_opening.opened(path, 5) as db:
        assert len(opened) == 3
        # who has the file open already reads what is new in it
        with duckdb_opening.opened(path, 5) as again:
            assert len(opened) == 4
            again.execute("CREATE TABLE t (n INTEGER)")
        assert db.execute("SELECT count(*) FROM t").fetchall() == [(0,)]


def test_a_file_that_this_process_writes_is_opened_once_more_beside(tmp_path: Path) -> None:
    path = str(tmp_path / "x.duckdb")
    with duckdb_opening.opened(path, 5) as db:
        db.execute("CREATE TABLE t AS SELECT 1 AS n")
        db.execute("CHECKPOINT")
        with duckdb_opening.opened(path, 5) as again:
            assert again.execute("FROM t").fetchall() == [(1,)]


def _made(path: str, together: Any) -> None:
    together.wait(60)
    duckdb_opening.opened(path, 30).close()


def test_processes_that_make_one_file_at_once_all_open_it(tmp_path: Path) -> None:
    together = FORKS.Barrier(4)
    path = str(tmp_path / "x.duckdb")
    processes = [start(_made, path, together) for _ in range(4)]
    assert [ended(process) for process in processes] == [0] * 4
