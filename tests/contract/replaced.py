"""A table with a child table to replace, on each engine, and a second connection that looks at both."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import duckdb
import pytest

import ladle

STRATEGIES = ("truncate-and-insert", "insert-from-staging", "staging-optimized")
EACH = pytest.mark.parametrize("strategy", STRATEGIES)
ROWS, KIDS = 300, 2
SEEN = (
    "SELECT (SELECT count(*) FROM {0}.t), (SELECT min(v) FROM {0}.t), (SELECT max(v) FROM {0}.t),"
    " (SELECT count(*) FROM {0}.t__kids), (SELECT min(v) FROM {0}.t__kids), (SELECT max(v) FROM {0}.t__kids),"
    " (SELECT count(*) FROM {0}.t__kids AS k JOIN {0}.t AS r ON r._dlt_id = k._dlt_parent_id)"
)
Read = Callable[[str], list[Any]]


class Place:
    """A destination of a kind, with a way in for who watches."""

    def __init__(self, kind: str, destination: Any, dataset: str, read: Read) -> None:
        self.kind, self.destination, self.dataset, self.read = kind, destination, dataset, read

    def seen(self) -> tuple[Any, ...]:
        """Return counts and values of both tables, and how many child rows have their row: all at one moment."""
        return tuple(self.read(SEEN.format(self.dataset))[0])


@contextmanager
def opened(request: pytest.FixtureRequest, tmp_path: Path, dataset: str) -> Iterator[Place]:
    """Open the place of the kind that is the fixture's parameter."""
    kind = request.param
    if kind == "duckdb":
        with duckdb.connect(str(tmp_path / "x.duckdb")) as db:
            read = lambda sql: db.cursor().execute(sql).fetchall()  # noqa: E731
            yield Place(kind, ladle.destinations.duckdb(db), dataset, read)
        return
    made, read = _MADE[kind](request, tmp_path, dataset)
    yield Place(kind, made, dataset, read)


def _postgres(request: pytest.FixtureRequest, tmp_path: Path, dataset: str) -> tuple[Any, Read]:
    url = request.getfixturevalue("postgres_url")
    return ladle.destinations.postgres(url), request.getfixturevalue("query")


def _sqlalchemy(request: pytest.FixtureRequest, tmp_path: Path, dataset: str) -> tuple[Any, Read]:
    url = request.getfixturevalue("postgres_url").replace("postgresql:", "postgresql+psycopg:", 1)
    return ladle.destinations.sqlalchemy(url), request.getfixturevalue("query")


def _mysql(request: pytest.FixtureRequest, tmp_path: Path, dataset: str) -> tuple[Any, Read]:
    return ladle.destinations.mysql(request.getfixturevalue("mysql_url")), request.getfixturevalue("ask")


def _sqlite(request: pytest.FixtureRequest, tmp_path: Path, dataset: str) -> tuple[Any, Read]:
    def read(sql: str) -> list[Any]:
        with closing(sqlite3.connect(":memory:", timeout=20)) as db:
            db.execute(f"ATTACH '{tmp_path / f'x__{dataset}.db'}' AS {dataset}")
            return db.execute(sql).fetchall()

    return ladle.destinations.sqlite(tmp_path / "x.db"), read


def _filesystem(request: pytest.FixtureRequest, tmp_path: Path, dataset: str) -> tuple[Any, Read]:
    made = ladle.destinations.filesystem(str(tmp_path / "lake"))
    return made, lambda sql: ladle.dataset(made, dataset)(sql).fetchall()


_MADE: dict[str, Callable[[pytest.FixtureRequest, Path, str], tuple[Any, Read]]] = {
    "postgres": _postgres, "sqlalchemy": _sqlalchemy, "mysql": _mysql, "sqlite": _sqlite, "filesystem": _filesystem,
}  # fmt: skip


def rows(v: int, count: int = ROWS) -> list[dict[str, Any]]:
    return [{"id": i, "v": v, "kids": [{"v": v, "n": n} for n in range(KIDS)]} for i in range(count)]


def load(place: Place, folder: Path, data: Any, strategy: str | None, **options: Any) -> Any:
    pipeline = ladle.pipeline(
        "p", folder / "work", destination=place.destination, dataset_name=place.dataset, **options
    )
    way = {"disposition": "replace", "strategy": strategy} if strategy else "replace"
    return pipeline.run(ladle.resource(data, name="t", write_disposition=way))


def whole(v: int) -> tuple[Any, ...]:
    """Return what is seen of `rows(v)`."""
    return (ROWS, v, v, ROWS * KIDS, v, v, ROWS * KIDS)
