"""The diff between what is there and what is wanted."""

from __future__ import annotations

from ladle.schema.change import AddColumn, AddTable, diff
from ladle.schema.table import Column, Table

A, B, UNTYPED = Column("a", data_type="text"), Column("b", data_type="bigint"), Column("u")
TABLE = Table("t", columns={"a": A, "u": UNTYPED, "b": B})


def test_missing_tables_and_columns_in_order() -> None:
    other = Table("o", columns={"a": A})
    changes = diff({"t": {"a": "VARCHAR", "old": "BIGINT"}}, {"o": other, "t": TABLE})
    assert changes == [AddTable(other), AddColumn("t", B)]


def test_nothing_is_missing_of_itself() -> None:
    assert diff({"t": {c.name: "any" for c in TABLE.typed_columns()}}, {"t": TABLE}) == []


def test_untyped_columns_and_tables_without_typed_ones_are_not_made() -> None:
    assert diff({}, {"t": Table("t", columns={"u": UNTYPED})}) == []


def test_nothing_is_dropped() -> None:
    assert diff({"gone": {"a": "VARCHAR"}, "t": {"a": "x", "b": "x", "more": "x"}}, {"t": TABLE}) == []
