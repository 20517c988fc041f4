"""Rows to columns of cells."""

from __future__ import annotations

from typing import Any

import pytest

from ladle.extract.gather import gather, types_of


def by_hand(rows: list[dict[str, Any]]) -> dict[str, list[Any]]:
    names = dict.fromkeys(key for row in rows for key in row)
    return {name: [row.get(name) for row in rows] for name in names}


ROWS = {
    "one key": [{"a": i} for i in range(600)],
    "one shape": [{"a": i, "b": -i, "c": None} for i in range(600)],
    "a type late in a block": [{"a": i, "b": i if i != 300 else "x"} for i in range(600)],
    "a type before another": [{"a": i, "b": None if i < 256 else True} for i in range(600)],
    "one shape, other order": [{"a": 1, "b": 2}, {"b": 3, "a": 4}],
    "as many keys, but others": [{"a": 1, "b": 2}, {"a": 3, "c": 4}],
    "ragged": [{f"k{j}": i for j in range(5) if (i + j) % 3} for i in range(600)],
    "sparse": [{f"k{i % 40}": i} for i in range(600)],
    "empty among others": [{}, {"a": 1}, {}],
    "empty": [{}, {}],
}


@pytest.mark.parametrize("name", ROWS)
def test_columns_hold_the_cells_in_row_order(name: str) -> None:
    rows = ROWS[name]
    names, columns = gather(rows)
    found = dict(zip(names, columns, strict=True))
    assert {name: cells for name, (cells, _) in found.items()} == by_hand(rows)
    assert {name: types for name, (_, types) in found.items()} == {
        name: set(map(type, cells)) for name, cells in by_hand(rows).items()
    }
    assert names == list(by_hand(rows))


def test_rows_are_left_as_they_are() -> None:
    rows: list[Any] = [{1: 2}, {"a": 1}]
    gather(rows)
    assert rows == [{1: 2}, {"a": 1}]


@pytest.mark.parametrize("values", [[], [1], [1, 2], [1, True], [None, "x"], [None, None]])
def test_types(values: list[Any]) -> None:
    assert types_of(values) == set(map(type, values))
