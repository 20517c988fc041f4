"""A part of `victim_strategies`: three loads that keep a history, of all rows and of changes; rows go and come again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.e2e.content import VALIDITY, Tables

import ladle

Row = dict[str, Any]
RUNS: tuple[list[Row], ...] = (
    [
        {"id": 1, "v": "a", "n": [{"x": 1}, {"x": 2}]},
        {"id": 2, "v": "b"},
        {"id": 3, "v": "c", "n": [{"x": 3}]},
    ],
    # one changes, one only in its list, one is deleted or absent, and the schema grows
    [{"id": 2, "v": "B", "w": 1}, {"id": 3, "v": "c", "n": [{"x": 4}]}, {"id": 1, "gone": True}],
    [{"id": 1, "v": "a", "n": [{"x": 1}, {"x": 2}]}, {"id": 2, "v": "B", "w": 1}, {"id": 4}],
)
KEYS: dict[str, Row] = {"whole": {}, "changes": {"merge_key": "id"}}


def resources(run: int) -> Iterator[Any]:
    def rows() -> Iterator[list[Row]]:
        ladle.current.resource_state()["done"] = run
        yield RUNS[run]

    for name, key in KEYS.items():
        yield ladle.resource(
            rows,
            name=name,
            columns={"gone": {"hard_delete": True, "data_type": "bool"}},
            write_disposition={"disposition": "merge", "strategy": "scd2"},
            **key,
        )


def check(tables: Tables, whole: bool) -> None:
    """Check that no row holds twice, none ends before it begins, and each list has the version it belongs to."""
    since, until = VALIDITY
    for name in KEYS:
        rows = tables.get(name, [])
        holding = [row["id"] for row in rows if row[until] is None]
        assert len(set(holding)) == len(holding)
        assert all(row[until] is None or row[since] < row[until] for row in rows)
        lists = tables.get(f"{name}__n", [])
        assert {row["_dlt_root_id"] for row in lists} <= {row["_dlt_id"] for row in rows}
        assert len({row["_dlt_id"] for row in lists}) == len(lists)
