"""The lattice: what widens what, which type holds two, and what a destination's limits leave of it."""

from __future__ import annotations

from typing import Any

import pytest

from ladle.schema.change import AddTable, Limits, RelaxColumn, WidenColumn, diff
from ladle.schema.lattice import EVERYWHERE, HOLDERS, in_place, join, needs_proof, widens, wider_of
from ladle.schema.table import DATA_TYPES, Column, Table


def column(text: str) -> Column:
    """Make a column of `decimal(10,2)`, or `timestamp naive`."""
    kind, _, sizes = text.removesuffix(" naive").removesuffix(")").partition("(")
    precision, scale = (*(int(n) for n in sizes.split(",") if n), None, None)[:2]
    timezone = False if text.endswith("naive") else None
    return Column("c", data_type=kind, precision=precision, scale=scale, timezone=timezone)


@pytest.mark.parametrize(
    ("known", "wanted"),
    [
        ("bigint(8)", "bigint(16)"),
        ("bigint(32)", "bigint"),
        ("bigint(32)", "double"),
        ("bigint(8)", "decimal(3,0)"),
        ("bigint", "decimal"),
        ("bigint", "decimal(21,2)"),
        ("bigint", "wei"),
        ("decimal(10,2)", "decimal"),
        ("decimal(10,2)", "decimal(11,3)"),
        ("text(5)", "text(6)"),
        ("text(5)", "text"),
        ("timestamp(3)", "timestamp"),
        ("timestamp(0) naive", "timestamp(3) naive"),
        ("date", "timestamp naive"),
        ("bool", "text"),
    ],
)
def test_what_widens(known: str, wanted: str) -> None:
    assert widens(column(known), column(wanted))
    assert not widens(column(wanted), column(known))
    assert join(column(known), column(wanted)) is None or not widens(column(wanted), column(known))


@pytest.mark.parametrize(
    ("known", "wanted"),
    [
        ("bigint", "bigint"),
        ("bigint", "bigint(64)"),
        ("timestamp", "timestamp(6)"),
        ("bigint", "double"),
        ("bigint", "decimal(20,2)"),
        ("bigint", "text(5)"),
        ("decimal(10,2)", "decimal(11,4)"),
        ("decimal", "decimal(38,10)"),
        ("timestamp", "timestamp(9)"),
        ("timestamp", "timestamp naive"),
        ("text", "text(100)"),
        ("text", "bigint"),
        ("binary", "text"),
        ("json", "text"),
        ("double", "decimal"),
        ("decimal", "double"),
    ],
)
def test_what_does_not(known: str, wanted: str) -> None:
    assert not widens(column(known), column(wanted))


def test_only_numbers_of_64_bits_need_a_proof() -> None:
    assert needs_proof(column("bigint"), column("double"))
    assert not needs_proof(column("bigint(32)"), column("double"))
    assert not needs_proof(column("decimal"), column("double"))


@pytest.mark.parametrize(
    ("known", "found", "expected"),
    [
        ("bigint", "double", "double"),
        ("bigint", "decimal(3,2)", "decimal"),
        ("bigint", "decimal(12,10)", None),
        ("bigint(8)", "bigint", "bigint"),
        ("bigint", "bool", None),
        ("bigint", "date", None),
        ("bool", "bigint", None),
        ("bool", "text", "text"),
        ("double", "bigint", None),
        ("double", "decimal(40,1)", None),
        ("decimal(5,2)", "decimal(6,1)", "decimal(7,2)"),
        ("decimal(5,2)", "bigint", "decimal(21,2)"),
        ("decimal", "decimal(50,10)", None),
        ("date", "timestamp", "timestamp"),
        ("timestamp", "date", None),
        ("timestamp", "text", "text"),
        ("text", "bigint", None),
        ("json", "text", None),
    ],
)
def test_the_type_of_two(known: str, found: str, expected: str | None) -> None:
    assert join(column(known), column(found)) == (None if expected is None else column(expected))


def test_a_join_keeps_other_hints() -> None:
    known = Column("c", data_type="bigint", nullable=False, primary_key=True, extra={"x-a": 1})
    assert join(known, column("text")) == Column(
        "c", data_type="text", nullable=False, primary_key=True, extra={"x-a": 1}
    )


def test_joins_end() -> None:
    """Each step goes up: whatever comes, a column changes a few times at most."""
    for start in HOLDERS:
        now, steps = column(start), 0
        for _ in range(3):
            for kind in DATA_TYPES:
                if (wider := join(now, column(kind))) is not None:
                    assert widens(now, wider) or needs_proof(now, wider)
                    now, steps = wider, steps + 1
        assert steps <= 3


def test_limits_say_what_is_changed_in_place() -> None:
    files = Limits(in_place=EVERYWHERE - {("bool", "text")}, decimal_digits=38)
    assert not in_place(column("bool"), column("text"), files)
    assert in_place(column("bool"), column("text"), Limits())
    assert not in_place(column("decimal(30,2)"), column("decimal(39,2)"), files)
    assert in_place(column("decimal(30,2)"), column("decimal(39,2)"), Limits())


@pytest.mark.parametrize(
    ("known", "found", "expected"),
    [
        ("bigint(16)", "bigint", "bigint"),
        ("bigint", "bigint(16)", "bigint"),
        ("decimal(10,2)", "decimal(9,4)", "decimal(12,4)"),
        ("decimal(37,2)", "decimal(9,4)", "decimal(37,2)"),
        ("bigint(16)", "double", "bigint(16)"),
        ("timestamp(3)", "timestamp(9)", "timestamp(3)"),
    ],
)
def test_digits_of_frames(known: str, found: str, expected: str) -> None:
    assert wider_of(column(known), column(found), Limits(decimal_digits=38)) == column(expected)


def tables(**columns: Any) -> dict[str, Table]:
    return {"t": Table("t", columns={n: Column(n, **c) for n, c in columns.items()})}


def test_the_diff_finds_columns_that_changed() -> None:
    stored = tables(
        a={"data_type": "bigint"}, b={"data_type": "text", "nullable": False}, c={"data_type": "bool"}
    )
    wanted = tables(
        a={"data_type": "text"}, b={"data_type": "text"}, c={"data_type": "bool", "nullable": False}
    )
    there = {"t": {"a": "", "b": "", "c": ""}}
    old, new = stored["t"].columns, wanted["t"].columns
    changes = diff(there, wanted, stored)
    assert changes == [WidenColumn("t", new["a"], old["a"]), RelaxColumn("t", new["b"])]
    assert diff(there, wanted) == []
    assert diff({}, wanted, stored) == [AddTable(wanted["t"])]
    assert diff(there, stored, stored) == []
