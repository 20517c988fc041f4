"""Rows with columns of the names by which engines and ladle number the rows that wait."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from tests.loading import Site

import ladle

A = [{"id": 1, "v": "first", "n": 9}, {"id": 1, "v": "second", "n": 3}, {"id": 2, "v": "only", "n": 5}]
B = [{"id": 3, "v": "first", "n": 7, "kids": [{"x": 1, "n": 5}, {"x": 2, "n": 5}]}]


def called(rows: list[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    """Return rows whose `n` has another name."""
    said = [{name if key == "n" else key: value for key, value in row.items()} for row in rows]
    return [{**r, "kids": called(r["kids"], name)} if "kids" in r else r for r in said]


@pytest.mark.parametrize("held_bytes", [0, 64 << 20])
@pytest.mark.parametrize("strategy", ["delete-insert", "upsert", "insert-only"])
@pytest.mark.parametrize("name", ["rowid", "ROWID", "_ladle_count"])
def test_of_rows_with_one_key_the_first_is_loaded(
    name: str, strategy: str, held_bytes: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(import_module("ladle.destinations.duckdb"), "FEW_BYTES", held_bytes)
    monkeypatch.setenv("SCHEMA__NAMING", "direct")
    site, merge = Site.in_memory(tmp_path), {"disposition": "merge", "strategy": strategy}
    made = ladle.resource(called(A, name), name="t", primary_key="id", write_disposition=merge)
    site.pipeline().run(made)
    assert site.query(f'SELECT id, v, "{name}" FROM ds.t ORDER BY ALL') == [(1, "first", 9), (2, "only", 5)]


def test_children_of_equal_rows_of_a_history_are_there_once(tmp_path: Path) -> None:
    site, history = Site.in_memory(tmp_path), {"disposition": "merge", "strategy": "scd2"}
    rows = called(B, "_ladle_number")
    site.pipeline().run(ladle.resource(rows * 2, name="t", write_disposition=history))
    assert site.query("SELECT x, _ladle_number FROM ds.t__kids ORDER BY x") == [(1, 5), (2, 5)]
