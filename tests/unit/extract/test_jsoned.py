"""Paths kept whole as JSON; everything else as the fast path makes it, errors too."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.extract.reading import WHERE, read_back

from ladle.errors import DataError
from ladle.extract.arrow import to_array
from ladle.extract.jsoned import JsonPlan, to_array_keeping_json
from ladle.package.raw import PREFIX
from ladle.schema.naming import naming

SNAKE = naming("snake_case")


def plan(*columns: tuple[str, str], nesting: int | None = None) -> JsonPlan:
    return JsonPlan(SNAKE, frozenset(columns), nesting)


def kept(rows: list[Any], a_plan: JsonPlan) -> list[Any]:
    array = to_array_keeping_json(rows, a_plan, WHERE)
    array.validate(full=True)
    return [dict(row[1]) for row in read_back(array)]


ANY = plan(("issues", "never_there"))
ROWS: list[list[dict[Any, Any]]] = [
    [{"a": 1, "d": {"x": [1, "y", None, {"z": 2.5}]}}, {"a": None, "d": None, "e": {}}, {}],
    [{"l": [[1], [2, [3]]]}, {"l": 5}, {"l": {"k": ()}}],
    [{1: "a", b"b": 2, "c": {None: 3}, f"{PREFIX}text": 4}],
    [{"v": {3, 1}}, {"v": frozenset([2])}],
    [{}],
]


@pytest.mark.parametrize("rows", ROWS, ids=str)
def test_what_is_not_kept_whole_is_as_ever(rows: list[Any]) -> None:
    assert kept(rows, ANY) == [dict(row[1]) for row in read_back(to_array(rows, where=WHERE))]


DECLARED: list[tuple[tuple[str, str], dict[str, Any], dict[str, Any]]] = [
    (("issues", "v"), {"v": {"a": None}}, {"v": ("json", '{"a":null}')}),
    (("issues", "v"), {"v": [1, {"a": 2}]}, {"v": ("json", '[1,{"a":2}]')}),
    (("issues", "v"), {"v": 5}, {"v": ("bigint", 5)}),
    (("issues", "d__v_v"), {"d": {"vV": {"a": 1}, "w": {"a": 1}}}, {"d": ("dict", {"vV": ("json", '{"a":1}'), "w": ("dict", {"a": ("bigint", 1)})})}),
    (("issues__l", "v"), {"l": [{"v": [1]}], "v": {"a": 1}}, {"l": ("list", [("dict", {"v": ("json", "[1]")})]), "v": ("dict", {"a": ("bigint", 1)})}),
    (("issues__l", "value"), {"l": [{"v": 1}, 2]}, {"l": ("list", [("json", '{"v":1}'), ("bigint", 2)])}),
]  # fmt: skip


@pytest.mark.parametrize(("column", "row", "expected"), DECLARED)
def test_declared_columns_are_kept_whole(
    column: tuple[str, str], row: dict[str, Any], expected: dict[str, Any]
) -> None:
    assert kept([row], plan(column)) == [expected]


def test_kinds_of_a_declared_column_are_told_apart_by_row() -> None:
    rows = [{"v": {"a": 1}}, {"v": "x"}, {"v": None}, {"v": [1]}]
    assert [r.get("v") for r in kept(rows, plan(("issues", "v")))] == [
        ("json", '{"a":1}'),
        ("text", "x"),
        None,
        ("json", "[1]"),
    ]


ERRORS: list[tuple[list[Any], str, int]] = [
    ([{"a": 1}, {"a": object()}], "a", 101),
    ([{"l": [{"k": 1}]}, {"l": [{"k": 2}, {"k": object()}]}], "l[1].k", 101),
    ([{"l": []}, {}, {"l": [[1], [2, object()]]}], "l[1][1]", 102),
    ([{"d": {1: {"x": 1j}}}], "d.1.x", 100),
    ([{"v": 1}, {"v": {"a": [0, {"b": object()}]}}], "v.a[1].b", 101),
    ([{"l": [1]}, {"l": [{"v": 1}, {"v": {"w": object()}}]}], "l[1].v.w", 101),
]


@pytest.mark.parametrize(("rows", "column", "row"), ERRORS)
def test_errors_name_path_and_row(rows: list[Any], column: str, row: int) -> None:
    with pytest.raises(DataError) as caught:
        to_array_keeping_json(rows, plan(("issues", "v"), ("issues__l", "v")), WHERE)
    assert (caught.value.column, caught.value.row, caught.value.resource) == (column, row, "issues")


def test_deep_values_are_refused_as_on_the_fast_path() -> None:
    value: Any = 1
    for _ in range(260):
        value = {"k": value}
    with pytest.raises(DataError, match="nested deeper than 250 levels"):
        to_array_keeping_json([value], ANY, WHERE)
    with pytest.raises(DataError, match="nested"):
        to_array_keeping_json([{"v": value}], plan(("issues", "v")), WHERE)


def test_an_empty_plan_says_so() -> None:
    assert plan().is_empty
    assert not plan(nesting=0).is_empty
    assert not plan(("t", "c")).is_empty
