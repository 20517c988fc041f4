"""Resources, sources and hints as values."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pandas
import pyarrow as pa
import pytest

import ladle
from ladle.errors import ResourceNameMissing, UsageError
from ladle.sources.given import sources_of
from ladle.sources.hints import Hints, columns_of
from ladle.sources.names import name_of
from ladle.sources.pipe import is_one_item
from ladle.sources.resource import Resource

NONE = Hints.of()


def numbers() -> Iterator[int]:
    yield from (1, 2, 3)


def limited(limit: int, step: int = 1) -> Iterator[int]:
    yield from range(0, limit, step)


@dataclass
class Row:
    a: int


# -- resources


def test_decorator_with_and_without_arguments() -> None:
    plain = ladle.resource(numbers)
    named = ladle.resource(name="n", primary_key="value")(numbers)
    assert (plain.name, list(plain)) == ("numbers", [1, 2, 3])
    assert (named.name, named.hints.primary_key) == ("n", ("value",))


def test_a_function_is_called_anew_for_every_iteration_and_bound_by_calling() -> None:
    made = ladle.resource(limited)
    bound = made(4, step=2)
    assert [list(bound), list(bound), list(made(1))] == [[0, 2], [0, 2], [0]]
    assert bound.name == "limited"


def test_iteration_flattens_pages_items_do_not() -> None:
    made = ladle.resource(iter([[1, 2], 3]), name="r")
    assert list(made) == [1, 2, 3]
    assert list(ladle.resource([[1, 2], 3], name="r").items()) == [[1, 2], 3]


def test_maps_and_filters_run_in_order_on_rows_of_pages_too() -> None:
    made = ladle.resource([[1, 2], 3, [4]], name="r")
    changed = made.add_filter(lambda n: n != 4).add_map(lambda n: None if n == 1 else n * 10).add_filter(bool)
    assert list(changed.items()) == [[20], 30]
    assert changed is made


@pytest.mark.parametrize("data", [{"a": 1}, "text", 5, b"x", pa.table({"a": [1]}), Row(1)])
def test_a_single_value_counts_as_one_item(data: Any) -> None:
    assert list(ladle.resource(data, name="r").items()) == [data]


@pytest.mark.parametrize(
    ("data", "single"),
    [
        ({}, True),
        ("", True),
        (None, True),
        (0, True),
        (Row(1), True),
        (pa.table({}), True),
        (pandas.DataFrame(), True),
        ([], False),
        ((), False),
        (iter([]), False),
        ({1}, False),
        (range(3), False),
    ],
)
def test_what_is_one_item(data: Any, single: bool) -> None:
    assert is_one_item(data) is single


def test_renaming_leaves_the_first_alone() -> None:
    made = ladle.resource([1], name="a")
    assert (made.with_name("b").name, made.name) == ("b", "a")


@pytest.mark.parametrize("data", [[1], {"a": 1}, pa.table({"a": [1]}), 5])
def test_data_has_no_name(data: Any) -> None:
    with pytest.raises(ResourceNameMissing, match=f"data of type `{type(data).__name__}` has no name"):
        name_of(data)


# -- hints


@pytest.mark.parametrize(
    ("given", "columns"),
    [
        (None, {}),
        ({"a": {"data_type": "text"}}, {"a": {"data_type": "text"}}),
        ([{"name": "a", "data_type": "text"}], {"a": {"data_type": "text"}}),
    ],
)
def test_columns_as_dict_or_list(given: Any, columns: Any) -> None:
    assert columns_of(given) == columns


@pytest.mark.parametrize(
    "hints",
    [
        {"write_disposition": "apend"},
        {"write_disposition": {"disposition": "merge", "strategy": "cdc"}},
        {"file_format": "xlsx"},
        {"max_table_nesting": -1},
        {"max_table_nesting": "1"},
        {"max_table_nesting": True},
        {"table_name": " "},
        {"table_name": 5},
        {"primary_key": 5},
        {"merge_key": [1]},
        {"columns": "a"},
        {"columns": {"a": "text"}},
        {"columns": [{"data_type": "text"}]},
    ],
    ids=str,
)
def test_wrong_hints_are_refused_at_the_decorator(hints: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        ladle.resource([1], name="r", **hints)


def test_hints_on_top_of_hints() -> None:
    upper = Hints.of(table_name="t", columns={"a": {"data_type": "text"}}, primary_key="k")
    lower = Hints.of(
        table_name="u", columns={"a": {"data_type": "date"}, "b": {}}, max_table_nesting=0, merge_key="m"
    )
    assert upper.over(lower) == Hints(
        "t", None, {"a": {"data_type": "text"}, "b": {}}, ("k",), ("m",), max_table_nesting=0
    )
    assert NONE.over(lower) == lower


# -- sources


@ladle.source
def shop(rows: int) -> Any:
    yield ladle.resource([{"a": rows}], name="orders")
    yield ladle.resource(numbers)
    yield None


def test_a_source_is_made_anew_by_each_call() -> None:
    made = shop(5)
    assert (made.name, list(made.resources)) == ("shop", ["orders", "numbers"])
    assert list(made.orders) == [{"a": 5}]
    assert shop.__name__ == "shop"


def test_source_options_and_single_resources() -> None:
    @ladle.source(name="other", max_table_nesting=1, root_key=True)
    def one() -> Any:
        return ladle.resource([1], name="r")

    made = one()
    assert (made.name, made.max_table_nesting, made.root_key, len(made.resources)) == ("other", 1, True, 1)


def test_a_source_without_resources_is_an_error() -> None:
    @ladle.source
    def empty() -> Any:
        return []

    with pytest.raises(UsageError, match="source `empty` returned no resource"):
        empty()


def names(data: Any, hints: Hints = NONE) -> dict[str, list[str]]:
    return {s.name: [r.name for r in s.listed] for s in sources_of(data, "default", hints)}


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (shop(1), {"shop": ["orders", "numbers"]}),
        (ladle.resource([1], name="r"), {"default": ["r"]}),
        (numbers, {"default": ["numbers"]}),
        (shop, None),
        ([shop(1), shop(2)], {"shop": ["orders", "numbers"] * 2}),
        (
            [ladle.resource([1], name="r"), shop(1), numbers],
            {"default": ["r", "numbers"], "shop": ["orders", "numbers"]},
        ),
    ],
)
def test_data_is_sorted_into_sources(data: Any, found: Any) -> None:
    if found is None:
        with pytest.raises(TypeError, match="rows"):
            names(data)
    else:
        assert names(data) == found


def test_bare_data_has_the_tables_name() -> None:
    (source,) = sources_of([{"a": 1}], "default", Hints.of(table_name="t"))
    assert isinstance(source.listed[0], Resource)
    assert (source.name, source.listed[0].name) == ("default", "t")
