"""Python items to raw Arrow: every trap of `pyarrow.array`, errors, and what must hold for any data."""

from __future__ import annotations

import string
import sys
from collections import namedtuple
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, Field
from tests.unit.extract.reading import WHERE, expected, read, read_back

from ladle.errors import DataError
from ladle.extract.arrow import as_mapping, as_rows, to_array, to_batch
from ladle.extract.columns import MAX_LEVELS

pytestmark = pytest.mark.usefixtures("way")

PLUS_2 = timezone(timedelta(hours=2))
DAY, MOMENT, CLOCK = date(2024, 1, 2), datetime(2024, 1, 2, 3, 4, 5, 6), time(3, 4, 5)
AWARE = MOMENT.replace(tzinfo=PLUS_2)
AWARE_UTC = datetime(2024, 1, 2, 1, 4, 5, 6)
NIL = UUID(int=7)

Point = namedtuple("Point", "x y")

# What pyarrow.array silently changes, or refuses, when values of these kinds meet in one column.
MEETINGS: dict[str, tuple[list[Any], list[Any]]] = {
    "int and float": ([1, 1.5], [("bigint", 1), ("double", "1.5")]),
    "float that is whole and int": ([2.0, 1], [("double", "2.0"), ("bigint", 1)]),
    "float and int beyond 2**53": ([1.5, 2**53 + 1], [("double", "1.5"), ("bigint", 2**53 + 1)]),
    "float and bool": ([1.5, True], [("double", "1.5"), ("bool", True)]),
    "int and bool": ([1, True, False], [("bigint", 1), ("bool", True), ("bool", False)]),
    "int and int beyond 64 bits": ([1, 2**64], [("bigint", 1), ("wei", Decimal(2**64))]),
    "str and int": (["a", 1], [("text", "a"), ("bigint", 1)]),
    "str and bytes": (["a", b"b"], [("text", "a"), ("binary", b"b")]),
    "date and datetime": ([DAY, MOMENT], [("date", DAY), ("timestamp_ntz", MOMENT)]),
    "datetime and date": ([MOMENT, DAY], [("timestamp_ntz", MOMENT), ("date", DAY)]),
    "naive and aware": ([MOMENT, AWARE], [("timestamp_ntz", MOMENT), ("timestamp", AWARE_UTC)]),
    "aware and naive": ([AWARE, MOMENT], [("timestamp", AWARE_UTC), ("timestamp_ntz", MOMENT)]),
    "two zones": (
        [AWARE, MOMENT.replace(tzinfo=UTC)],
        [("timestamp", AWARE_UTC), ("timestamp", MOMENT)],
    ),
    "date and int": ([DAY, 5], [("date", DAY), ("bigint", 5)]),
    "datetime and int": ([MOMENT, 5], [("timestamp_ntz", MOMENT), ("bigint", 5)]),
    "time and int": ([CLOCK, 5], [("time", CLOCK), ("bigint", 5)]),
    "timedelta and int": ([timedelta(seconds=1), 5], [("bigint", 1_000_000), ("bigint", 5)]),
    "Decimal and int": ([Decimal("1.5"), 1], [("decimal", Decimal("1.5")), ("bigint", 1)]),
    "Decimal and float": ([Decimal("1.5"), 1.5], [("decimal", Decimal("1.5")), ("double", "1.5")]),
    "Decimal and NaN": ([Decimal("1.5"), Decimal("NaN")], [("decimal", Decimal("1.5")), ("double", "nan")]),
    "int and UUID": ([1, NIL], [("bigint", 1), ("text", str(NIL))]),
    "date and UUID": ([DAY, NIL], [("date", DAY), ("text", str(NIL))]),
    "bytes and UUID": ([NIL, b"x" * 16], [("text", str(NIL)), ("binary", b"x" * 16)]),
    "str and UUID": (["a", NIL], [("text", "a"), ("text", str(NIL))]),
    "dict and list": ([{"a": 1}, [1]], [("dict", {"a": ("bigint", 1)}), ("list", [("bigint", 1)])]),
    "dict and str": ([{"a": 1}, "x"], [("dict", {"a": ("bigint", 1)}), ("text", "x")]),
    "list and int": ([[1], 1], [("list", [("bigint", 1)]), ("bigint", 1)]),
    "list and tuple": ([[1], (2,)], [("list", [("bigint", 1)]), ("list", [("bigint", 2)])]),
    "named tuple and list": (
        [Point(1, 2), [1]],
        [("dict", {"x": ("bigint", 1), "y": ("bigint", 2)}), ("list", [("bigint", 1)])],
    ),
}


@pytest.mark.parametrize("name", MEETINGS)
def test_kinds_that_meet_stay_apart_wherever_they_meet(name: str) -> None:
    values, kinds = MEETINGS[name]
    for given_, wanted in ((values, kinds), (values[::-1], kinds[::-1]), ([None, *values], [None, *kinds])):
        assert read([{"v": v} for v in given_]) == [("dict", {"v": w} if w else {}) for w in wanted]
        assert read([given_]) == [("list", wanted)]
        assert read([{"l": [{"v": v}]} for v in given_])[-1] == (
            "dict",
            {"l": ("list", [("dict", {"v": wanted[-1]})])},
        )


@pytest.mark.parametrize("name", MEETINGS)
def test_kinds_that_meet_are_the_same_alone(name: str) -> None:
    values, kinds = MEETINGS[name]
    assert [read([v])[0] for v in values] == kinds


def test_only_the_path_in_conflict_is_split() -> None:
    array = to_array([{"a": 1, "b": {"c": 1, "d": "x"}}, {"a": 2, "b": {"c": "y", "d": "z"}}], where=WHERE)
    assert array.type.field("a").type == pa.int64()
    inner = array.type.field("b").type
    assert inner.field("d").type == pa.string()
    assert {f.name[1:] for f in inner.field("c").type} == {"bigint", "text"}


def test_keys_keep_their_spelling_and_first_seen_order() -> None:
    rows = [{"Zeta": 1, "a b": 2}, {"alpha": 3, "Zeta": 4}, {"": 5, "naïve": 6}]
    assert to_batch(rows, WHERE).schema.names == ["Zeta", "a b", "alpha", "", "naïve"]


@pytest.mark.parametrize(
    ("values", "type_"),
    [
        ([{"a": {}}], pa.struct([("a", pa.struct([]))])),
        ([{"a": []}], pa.struct([("a", pa.list_(pa.null()))])),
        ([{"a": None}], pa.struct([("a", pa.null())])),
        ([{"a": {}}, {"a": None}], pa.struct([("a", pa.struct([]))])),
        ([{}], pa.struct([])),
        ([None], pa.null()),
        ([], pa.null()),
    ],
)
def test_what_is_empty_keeps_its_shape(values: list[Any], type_: pa.DataType) -> None:
    array = to_array(values, where=WHERE)
    assert array.type == type_
    assert array.to_pylist() == values


def test_rows_without_keys_are_still_rows() -> None:
    assert to_batch([{}, {}], WHERE).num_rows == 2
    assert to_batch([], WHERE).num_rows == 0


def test_a_key_of_the_private_prefix_is_not_taken_for_a_variant() -> None:
    assert read([{"\ue0f0bigint": 1}]) == [("dict", {"bigint": ("bigint", 1)})]


class Address(BaseModel):
    city: str
    zip_code: str = Field(alias="zipCode")


@dataclass
class Person:
    name: str
    age: int


def test_items_become_rows() -> None:
    row = {"a": 1}
    items = [
        row,
        None,
        5,
        "x",
        [4],
        (1, 2),
        Point(1, 2),
        Person("Ada", 36),
        Address(city="Bonn", zipCode="53"),
    ]
    assert as_rows(items) == [
        {"a": 1},
        {"value": 5},
        {"value": "x"},
        {"value": [4]},
        {"value": (1, 2)},
        {"x": 1, "y": 2},
        {"name": "Ada", "age": 36},
        {"city": "Bonn", "zipCode": "53"},
    ]
    assert as_rows(items)[0] is row


def test_dicts_are_not_copied() -> None:
    rows = [{"a": 1}]
    assert as_rows(rows) is rows


def test_as_mapping_leaves_alone_what_has_no_fields() -> None:
    for value in (5, "x", [1], range(3), object):
        assert as_mapping(value) is value


def generator() -> Iterator[int]:
    yield 1


NESTED_HINT = "convert it before it is yielded, for instance in a function given to issues.add_map"


@pytest.mark.parametrize(
    ("rows", "what", "column", "row", "hint"),
    [
        (
            [{"a": 1}, {"tags": range(3)}],
            "cannot store a value of type `range` in column `tags`",
            "tags",
            101,
            'return a list, or map it: issues.add_map(lambda r: {**r, "tags": list(r["tags"])})',
        ),
        (
            [{"a": 1}] * 300 + [{"a": 1j}],
            "cannot store a value of type `complex` in column `a`",
            "a",
            400,
            'return text, or map it: issues.add_map(lambda r: {**r, "a": str(r["a"])})',
        ),
        (
            [{"a": None}, {"a": {"b": []}}, {"a": {"b": [1, "x", {"c": generator()}]}}],
            "cannot store a value of type `generator` in column `a.b[2].c`",
            "a.b[2].c",
            102,
            NESTED_HINT,
        ),
        (
            [{"a": [[], None, [1, 2]]}, {"a": [[], [len]]}],
            "cannot store a value of type `builtin_function_or_method` in column `a[1][0]`",
            "a[1][0]",
            101,
            NESTED_HINT,
        ),
        (
            [{"a": Person("Ada", object())}],  # type: ignore[arg-type]
            "cannot store a value of type `object` in column `a.age`",
            "a.age",
            100,
            NESTED_HINT,
        ),
    ],
)
def test_errors_name_the_place_and_the_way_out(
    rows: list[Any], what: str, column: str, row: int, hint: str
) -> None:
    with pytest.raises(DataError) as caught:
        to_batch(rows, WHERE)
    error = caught.value
    assert error.what == what
    assert error.facts == {"resource": "issues", "table": "issues", "column": column, "row": row}
    assert error.expected == "null, bool, number, text, bytes, date, time, list or dict"
    assert error.hint == hint


class Broken:
    def keys(self) -> list[str]:
        return ["a"]

    def __getitem__(self, key: str) -> Any:
        raise RuntimeError("gone")


def test_an_object_that_cannot_be_read_is_an_error_with_its_cause() -> None:
    with pytest.raises(
        DataError, match="`Broken` in column `v`: reading it fails with RuntimeError: gone"
    ) as e:
        to_batch([{"v": 1}, {"v": Broken()}], WHERE)
    assert e.value.row == 101
    assert isinstance(e.value.__cause__, RuntimeError)


def nested(levels: int, leaf: Any = 1, as_list: bool = False) -> Any:
    value = leaf
    for _ in range(levels):
        value = [value] if as_list else {"a": value}
    return value


@pytest.mark.parametrize("as_list", [False, True])
def test_deep_nesting_works_up_to_the_limit(as_list: bool) -> None:
    array = to_array([nested(MAX_LEVELS, as_list=as_list)], where=WHERE)
    depth, type_ = 0, array.type
    while type_.num_fields:
        depth, type_ = depth + 1, type_.field(0).type
    assert (depth, type_) == (MAX_LEVELS, pa.int64())


@pytest.mark.parametrize("levels", [MAX_LEVELS + 1, 5_000, 50_000])
@pytest.mark.parametrize("as_list", [False, True])
def test_beyond_the_limit_is_an_error(levels: int, as_list: bool) -> None:
    with pytest.raises(DataError, match=f"nested deeper than {MAX_LEVELS} levels") as caught:
        to_array([{"v": 1}, {"v": nested(levels, as_list=as_list)}], where=WHERE)
    assert caught.value.row == 101


def test_deep_nesting_with_conflicts_on_each_level_works() -> None:
    value: Any = 1
    for i in range(50):
        value = {"a": [value, "x"], "b": i if i % 2 else {}}
    assert read([value, {"a": 5}, {"b": "y"}]) == [expected(v) for v in (value, {"a": 5}, {"b": "y"})]


def self_referencing() -> dict[str, Any]:
    one: dict[str, Any] = {}
    one["me"] = one
    many: dict[str, Any] = {}
    many.update({f"k{i}": many for i in range(8)})
    items: list[Any] = [1]
    items.append(items)
    tree: dict[str, Any] = {"children": [{}, {}, {}]}
    for child in tree["children"]:
        child["parent"] = tree
    person = Person("Ada", 36)
    person.age = person  # type: ignore[assignment]
    return {"dict": one, "many": many, "list": items, "tree": tree, "object": person}


@pytest.mark.parametrize("name", self_referencing())
def test_what_contains_itself_is_an_error(name: str) -> None:
    with pytest.raises(DataError, match="nested deeper than .* it contains itself") as caught:
        to_array([{"v": 1}, {"v": self_referencing()[name]}], where=WHERE)
    assert caught.value.row == 101


def test_a_value_met_twice_is_not_a_cycle() -> None:
    shared = nested(10)
    assert read([{"v": shared}, {"v": shared}])[0] == expected({"v": shared})


ZONES = st.sampled_from(
    [None, UTC, PLUS_2, timezone(-timedelta(hours=9, seconds=1)), ZoneInfo("Europe/Berlin")]
)
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(-(10**80), 10**80),
    st.floats(),
    st.text(max_size=5),
    st.text(st.characters(categories=["Cs", "L"]), max_size=3).filter(
        lambda t: (
            not any(a <= "\udbff" and b >= "\udc00" for a, b in zip(t, t[1:], strict=False) if a >= "\ud800")
        )
    ),
    st.binary(max_size=5),
    st.dates(),
    st.times(),
    st.datetimes(timezones=ZONES),
    st.timedeltas(),
    st.decimals(),
    st.decimals(-1000, 1000, places=2),
    st.uuids(),
)
KEYS = st.one_of(
    st.sampled_from("abc"), st.text(string.ascii_letters + "é日💥", max_size=3), st.integers(0, 3)
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.lists(inner, max_size=3).map(tuple),
        st.dictionaries(KEYS, inner, max_size=4),
    ),
    max_leaves=25,
)


@settings(max_examples=300, deadline=None)
@given(st.lists(VALUES, max_size=8))
def test_any_values_are_what_each_is_alone(values: list[Any]) -> None:
    assert read(values) == [expected(v) for v in values]


@settings(max_examples=150, deadline=None)
@given(st.lists(VALUES, max_size=8), st.integers(0, 8))
def test_cutting_a_batch_changes_no_row(values: list[Any], at: int) -> None:
    whole = read_back(to_array(values, where=WHERE))
    assert whole == read(values[:at]) + read(values[at:])


@settings(max_examples=100, deadline=None)
@given(st.lists(st.dictionaries(st.sampled_from("abcdef"), SCALARS), min_size=1, max_size=600))
def test_ragged_rows_are_what_each_is_alone(rows: list[Any]) -> None:
    assert read(rows) == [expected(v) for v in rows]


def test_a_full_stack_is_an_error_that_says_so() -> None:
    def call(frames: int) -> None:
        if frames:
            call(frames - 1)
        else:
            to_array([{"v": nested(200)}], where=WHERE)

    with pytest.raises(DataError, match="cannot store values nested this deep") as caught:
        call(sys.getrecursionlimit() - 300)
    assert caught.value.facts == {"resource": "issues", "table": "issues"}
