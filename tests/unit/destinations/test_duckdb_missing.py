"""A DuckDB file that isn't there yet is made by the load, not by looking for the state."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

import ladle
from ladle.destinations.duckdb import DuckDb
from ladle.errors import DestinationError, SourceError


def pipeline(root: Path, file: Path, folder: str = "pipelines") -> ladle.Pipeline:
    destination = ladle.destinations.duckdb(str(file))
    return ladle.pipeline("p", root / folder, destination=destination, dataset_name="ds")


def test_a_first_run_whose_source_fails_makes_no_file(tmp_path: Path) -> None:
    def rows() -> Iterator[Any]:
        yield {"id": 1}
        raise OSError("gone")

    with pytest.raises(SourceError, match="gone"):
        pipeline(tmp_path, tmp_path / "x.duckdb").run(rows, table_name="t")
    assert not (tmp_path / "x.duckdb").exists()


def test_the_state_of_a_file_that_is_there_is_taken(tmp_path: Path) -> None:
    @ladle.resource(name="t")
    def rows(at: Any = ladle.sources.incremental("id", initial_value=0)) -> Iterator[Any]:  # noqa: B008
        starts.append(at.last_value)
        yield {"id": 7}

    starts: list[int] = []
    for folder in ("here", "elsewhere"):
        pipeline(tmp_path, tmp_path / "x.duckdb", folder).run(rows())
    assert starts == [0, 7]


def test_a_file_that_is_gone_is_forgotten(tmp_path: Path) -> None:
    file = tmp_path / "x.duckdb"
    p = pipeline(tmp_path, file)
    p.run([{"id": 1}], table_name="t")
    file.unlink()
    p.sync_destination()
    assert (p.first_run, file.exists()) == (True, False)
    p.run([{"id": 2}], table_name="t")
    assert p.dataset()("SELECT id FROM t").fetchall() == [(2,)]


def test_where_it_cannot_be_made_the_run_ends_before_the_source_is_read(tmp_path: Path) -> None:
    read: list[int] = []
    with pytest.raises(DestinationError, match="cannot open the DuckDB file"):
        pipeline(tmp_path, tmp_path / "none" / "x.duckdb").run(map(read.append, [1]), table_name="t")
    with pytest.raises(DestinationError, match="same name as the database file"):
        pipeline(tmp_path, tmp_path / "ds.duckdb").run(map(read.append, [1]), table_name="t")
    assert read == []


def test_what_is_no_file_of_this_machine_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert DuckDb("x.duckdb").missing("ds")
    assert not DuckDb("md:sales").missing("ds")
    assert not DuckDb(connection=duckdb.connect()).missing("ds")
    (tmp_path / "x.duckdb").touch()
    assert not DuckDb("x.duckdb").missing("ds")
