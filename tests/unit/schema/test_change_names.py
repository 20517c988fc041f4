"""Changes of names: as JSON, and what is left to do given what is there."""

from __future__ import annotations

import pytest

from ladle.schema.change_names import (
    DropColumn,
    DropTable,
    NameChange,
    RenameColumn,
    RenameTable,
    after,
    blocked,
    due,
    from_plain,
    to_plain,
)

THERE = {"t": {"a": "INT", "b": "INT"}, "u": {"a": "INT"}}
CASES = [
    (RenameTable("t", "v"), {"v": THERE["t"], "u": THERE["u"]}),
    (RenameColumn("t", "a", "c"), {"t": {"c": "INT", "b": "INT"}, "u": THERE["u"]}),
    (DropTable("t"), {"u": THERE["u"]}),
    (DropColumn("t", "b"), {"t": {"a": "INT"}, "u": THERE["u"]}),
]


@pytest.mark.parametrize(("change", "left"), CASES)
def test_a_change_is_due_once(change: NameChange, left: dict[str, dict[str, str]]) -> None:
    assert due(change, THERE)
    assert after(THERE, change) == left
    assert not due(change, left)
    assert after(left, change) == left


@pytest.mark.parametrize("change", [change for change, _ in CASES])
def test_a_change_survives_json(change: NameChange) -> None:
    assert from_plain(to_plain(change)) == change


@pytest.mark.parametrize("change", [RenameTable("t", "u"), RenameColumn("t", "a", "b")])
def test_a_name_that_is_there_blocks(change: NameChange) -> None:
    assert blocked(change, THERE)


@pytest.mark.parametrize("change", [RenameTable("x", "u"), RenameColumn("u", "b", "a"), DropTable("t")])
def test_what_is_not_due_is_not_blocked(change: NameChange) -> None:
    assert not blocked(change, THERE)
