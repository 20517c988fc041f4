"""Merges of rows with columns of the names by which engines and ladle tell rows apart: as of any other name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import ladle

HISTORIES = {"with a merge_key": "scd2", "whole": "scd2"}
WAYS = ("delete-insert", "upsert", "insert-only", *HISTORIES)
NAMES = {
    "sqlite": ("_rowid_", "ROWID", "_rowid_, rowid, oid"),
    "mariadb": ("_ladle_row", "_LADLE_ROW"),
    "sqlite by sqlalchemy": ("_rowid_", "_ladle_row"),
    "duckdb by sqlalchemy": ("_ladle_row",),
    "postgres by sqlalchemy": ("_ladle_row",),
}
# Of rows with one key the first counts; its number says nothing of the order.
FIRST = [
    {"id": 1, "n": 9, "v": "a"},
    {"id": 1, "n": 3, "v": "b"},
    {"id": 2, "n": None, "v": "c", "kids": [{"n": 7}]},
    {"id": 5, "n": 4, "v": "same"},
]
THEN = [
    {"id": 2, "n": 4, "v": "d", "kids": [{"n": 1}]},
    {"id": 3, "n": 4, "v": "e"},
    {"id": 4, "n": None, "v": "f"},
    {"id": 5, "n": 4, "v": "same"},
]


def destination(engine: str, request: pytest.FixtureRequest, folder: Path) -> Any:
    direct = {"naming_convention": "direct"}
    if engine == "sqlite":
        return ladle.destinations.sqlite(folder / "x.db", **direct)
    if engine == "mariadb":
        return ladle.destinations.mysql(request.getfixturevalue("mysql_url"), **direct)
    pytest.importorskip("sqlalchemy")
    kind = engine.partition(" ")[0]
    if kind == "duckdb":
        pytest.importorskip("duckdb_engine")
    url = f"{kind}:///{folder / 'x.db'}"
    if kind == "postgres":
        url = request.getfixturevalue("postgres_url").replace("postgresql:", "postgresql+psycopg:", 1)
    return ladle.destinations.sqlalchemy(url, generic=True, **direct)


def called(rows: list[dict[str, Any]], names: list[str]) -> list[dict[str, Any]]:
    """Return rows with their `n` under other names."""
    made = []
    for row in rows:
        rest = {k: called(v, names) if k == "kids" else v for k, v in row.items() if k != "n"}
        made.append({**rest, **dict.fromkeys(names, row["n"])})
    return made


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("engine", "name"), [(e, n) for e, names in NAMES.items() for n in names])
def test_a_column_may_have_the_name_of_a_rows_number(
    engine: str, name: str, way: str, request: pytest.FixtureRequest, dataset: str, tmp_path: Path
) -> None:
    made, found = destination(engine, request, tmp_path), list[Any]()
    for names in (["n"], name.split(", ")):
        table = f"t{len(found)}"
        pipeline = ladle.pipeline(
            "p", tmp_path, destination=made, dataset_name="main" if "sqlite" in engine else dataset
        )
        for rows in (FIRST, THEN):
            given = called([r for r in rows if r["v"] != "b"] if way in HISTORIES else rows, names)
            merge = {"disposition": "merge", "strategy": HISTORIES.get(way, way)}
            key = {} if way == "whole" else {"merge_key" if way in HISTORIES else "primary_key": "id"}
            pipeline.run(ladle.resource(given, name=table, write_disposition=merge, **key))
        data = pipeline.dataset()
        roots = data[table].select("id", names[0], "v").fetchall()
        kids = data[f"{table}▶kids"].select(names[-1]).fetchall()
        found.append((sorted(map(repr, roots)), sorted(kids)))
    assert found[1] == found[0]
    assert len(found[0][0]) >= 4
