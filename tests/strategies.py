"""Destinations and the strategies that each can do, as they declare them: new ones show up by themselves."""

from __future__ import annotations

import contextlib
import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import ladle
from ladle.destinations.guarantees import Guarantee, guarantee_of
from ladle.destinations.registry import ENTRIES
from ladle.load.dispositions import MERGES, REPLACES

FUNCTION = "function"
PLAIN = ("append", *REPLACES)
WAYS = (*PLAIN, *MERGES)
"""All strategies: those of every destination, and those of merge."""

_ARGUMENTS: dict[str, tuple[Any, ...]] = {
    "postgres": ("postgresql://u:p@127.0.0.1:1/d",),
    "mysql": ("mysql://u:p@127.0.0.1:1/d",),
    "sqlite": ("sqlite:///x.db",),
    "sqlalchemy": ("postgresql+psycopg://u:p@127.0.0.1:1/d",),
}


def destination_types() -> list[str]:
    """Return the destinations of the registry, and functions."""
    return [*ENTRIES, FUNCTION]


def of_type(kind: str) -> Any:
    """Return a destination of a type; nothing is connected to."""
    if kind == FUNCTION:

        @ladle.destination
        def sink(items: Any, table: Any) -> None:
            """Take rows."""

        return sink()
    if kind == "filesystem":
        return ladle.destinations.filesystem(tempfile.gettempdir())
    if kind == "sqlalchemy":
        return ladle.destinations.sqlalchemy("postgresql+psycopg://u:p@127.0.0.1:1/d", generic=True)
    with contextlib.suppress(TypeError):
        return getattr(ladle.destinations, kind)(*_ARGUMENTS.get(kind, ()))
    return getattr(ladle.destinations, kind)()


def ways_of(kind: str) -> list[str]:
    """Return the strategies that it can do.

    A function gets rows, whatever they are; files have a way of their own to replace, whatever it is called.
    """
    limits = of_type(kind).limits
    able = ("append", *(limits.replaces or REPLACES), *limits.merges)
    return [way for way in WAYS if way in able]


def disposition(way: str) -> Any:
    """Return the write disposition that a strategy is asked for by."""
    if way == "append":
        return way
    return {"disposition": "replace" if way in REPLACES else "merge", "strategy": way}


def promise(kind: str, way: str) -> Guarantee:
    """Return what it promises of a strategy."""
    return guarantee_of(of_type(kind), way)


@dataclass(frozen=True)
class Engine:
    """A destination of a type, and how a test makes one that is really there.

    `file_format`: of the run. `made`: from the test's request, for its servers, and its folder.
    """

    name: str
    kind: str
    made: Callable[[pytest.FixtureRequest, Path], Any]
    file_format: str | None = None


def _duckdb(request: pytest.FixtureRequest, folder: Path) -> Any:
    return ladle.destinations.duckdb(str(folder / "x.duckdb"))


def _postgres(request: pytest.FixtureRequest, folder: Path) -> Any:
    import psycopg  # not needed to see what is declared

    url = request.getfixturevalue("postgres_url")
    with psycopg.connect(url, autocommit=True) as db:
        db.execute('DROP SCHEMA IF EXISTS "ds" CASCADE')
    return ladle.destinations.postgres(url)


def _sqlalchemy(request: pytest.FixtureRequest, folder: Path) -> Any:
    _postgres(request, folder)
    url = request.getfixturevalue("postgres_url").replace("postgresql:", "postgresql+psycopg:", 1)
    return ladle.destinations.sqlalchemy(url)


def _sqlite(request: pytest.FixtureRequest, folder: Path) -> Any:
    return ladle.destinations.sqlite(folder / "x.db")


def _files(request: pytest.FixtureRequest, folder: Path) -> Any:
    return ladle.destinations.filesystem(str(folder / "lake"))


def _function(request: pytest.FixtureRequest, folder: Path) -> Any:
    @ladle.destination
    def sink(items: Any, table: Any) -> None:
        with (folder / "taken.jsonl").open("a") as out:
            out.writelines(json.dumps(item) + "\n" for item in items)

    return sink()


ENGINES = (
    Engine("DuckDB", "duckdb", _duckdb),
    Engine("Postgres", "postgres", _postgres),
    Engine("SQLite", "sqlite", _sqlite),
    Engine("SQLAlchemy (Postgres)", "sqlalchemy", _sqlalchemy),
    Engine("Parquet files", "filesystem", _files, "parquet"),
    Engine("JSONL files", "filesystem", _files, "jsonl"),
    Engine("CSV files", "filesystem", _files, "csv"),
    Engine("a function", FUNCTION, _function),
)

_NO_MERGE = "a file can't be changed, and is read by whoever lists the folder: merge in a database"
_HANDED_OVER = "it is given the rows; what they do to those that it has is up to it"
NEVER = {
    **{("filesystem", way): _NO_MERGE for way in MERGES},
    **{(FUNCTION, way): _HANDED_OVER for way in (*REPLACES, *MERGES)},
}
"""By type of destination and strategy, why it can't be; that it is refused, or only handed over, is tested."""
