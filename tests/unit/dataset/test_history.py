"""The history of a column, under whatever names it had."""

from __future__ import annotations

from typing import Any

import pytest

from ladle.dataset.history import history_of, tags


def change(kind: str, table: str, column: str | None = None, previous: str | None = None) -> dict[str, Any]:
    return {"change": kind, "table_name": table, "column_name": column, "previous": previous}


ADDED = change("add_column", "t", "a")
WIDENED = change("widen_column", "t", "a", "bigint")
OTHER = change("add_column", "t", "b")
CALLED = change("rename_column", "t", "z", "a")
MOVED = change("rename_table", "u", None, "t")
AGAIN = change("add_column", "t", "a")


@pytest.mark.parametrize(
    ("changes", "now", "expected"),
    [
        ([ADDED, OTHER], ("t", "a"), [ADDED]),
        ([ADDED, WIDENED, OTHER], ("t", "a"), [ADDED, WIDENED]),
        ([ADDED, WIDENED, OTHER, CALLED], ("t", "z"), [ADDED, WIDENED, CALLED]),
        ([ADDED, OTHER, CALLED, MOVED], ("u", "z"), [ADDED, CALLED, MOVED]),
        ([ADDED, OTHER, CALLED, MOVED], ("u", "b"), [OTHER, MOVED]),
        ([ADDED, CALLED, AGAIN], ("t", "a"), [AGAIN]),
        ([ADDED, CALLED, AGAIN], ("t", "z"), [ADDED, CALLED]),
        ([ADDED, change("drop_table", "t"), AGAIN], ("t", "a"), [AGAIN]),
        ([WIDENED], ("t", "a"), []),
        ([], ("t", "a"), []),
    ],
)
def test_history_begins_where_the_column_was_added(
    changes: list[dict[str, Any]], now: tuple[str, str], expected: list[dict[str, Any]]
) -> None:
    found = history_of(changes, *now)
    assert [id(c) for c in found] == [id(c) for c in expected]


def test_tags_are_the_annotations_among_hints() -> None:
    assert tags({"x-annotation-pii": "email", "x-other": 1}) == {"pii": "email"}
