"""Columns and tables as values, and their stored form."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from typing import Any

import pytest

from ladle.errors import UsageError
from ladle.schema.table import Column, Table

COLUMNS: dict[str, dict[str, Any]] = {
    "untyped": {"nullable": True},
    "typed": {"data_type": "bigint", "nullable": False, "precision": 32},
    "naive": {"data_type": "timestamp", "nullable": True, "timezone": False, "precision": 0},
    "decimal": {"data_type": "decimal", "nullable": True, "precision": 10, "scale": 0},
    "keys": {"data_type": "text", "nullable": False, "primary_key": True, "unique": True, "row_key": True},
    "foreign hints": {"data_type": "text", "nullable": True, "x-annotation": {"pii": True}, "sort": True},
}


@pytest.mark.parametrize("name", COLUMNS)
def test_stored_form_of_a_column_comes_back(name: str) -> None:
    stored = {"name": "c", **COLUMNS[name]}
    column = Column.from_dict("c", stored)
    assert column.to_dict() == stored
    assert Column.from_dict("c", column.to_dict()) == column


@pytest.mark.parametrize("hint", ["primary_key", "merge_key"])
def test_keys_are_not_null_unless_declared_so(hint: str) -> None:
    assert not Column.from_dict("c", {hint: True}).nullable
    assert Column.from_dict("c", {hint: True, "nullable": True}).nullable
    assert Column.from_dict("c", {hint: False}).nullable


def test_unknown_data_type_names_the_nearest() -> None:
    with pytest.raises(UsageError, match="did you mean `decimal`"):
        Column.from_dict("price", {"data_type": "decmal"})


def test_a_column_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        Column("c").nullable = False  # type: ignore[misc]
    with pytest.raises(TypeError):
        Column.from_dict("c", {"x-a": 1}).extra["x-b"] = 2  # type: ignore[index]


def test_stored_form_of_a_table_comes_back() -> None:
    stored = {
        "name": "t",
        "columns": {"a": {"name": "a", "nullable": True, "data_type": "text"}},
        "resource": "r",
        "write_disposition": "replace",
        "x-normalizer": {"seen-data": True},
        "description": "d",
    }
    assert Table.from_dict("t", stored).to_dict() == stored
    child = {"name": "t__l", "columns": {}, "parent": "t"}
    assert Table.from_dict("t__l", child).to_dict() == child


def test_with_columns_replaces_in_place_and_appends() -> None:
    table = Table("t").with_columns([Column("a"), Column("b")])
    changed = table.with_columns([Column("c"), Column("a", data_type="text")])
    assert [(c.name, c.data_type) for c in changed.columns.values()] == [
        ("a", "text"),
        ("b", None),
        ("c", None),
    ]
    assert table.columns["a"].data_type is None


def test_extra_hints_are_added_and_removed() -> None:
    table = Table("t").with_extra(a=1, b=2)
    assert dict(table.with_extra(a=None, c=3).extra) == {"b": 2, "c": 3}
    assert dict(table.extra) == {"a": 1, "b": 2}


def test_only_typed_columns_exist_at_a_destination() -> None:
    table = Table("t").with_columns([Column("a"), Column("b", data_type="text", primary_key=True)])
    assert [c.name for c in table.typed_columns()] == ["b"]
    assert table.keys("primary_key") == ["b"]
