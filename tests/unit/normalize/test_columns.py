"""Types of columns: inferred from the first value, joined, coerced, and variants for what doesn't fit."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from ladle.errors import DataError
from ladle.extract.arrow import Where, to_array
from ladle.normalize.columns import Typed, Typing, check_not_null, first_valid, type_columns
from ladle.normalize.names import Names, name_leaves
from ladle.normalize.unnest import unnest
from ladle.package.raw import kinds_of
from ladle.schema.naming import naming
from ladle.schema.table import Column, Table

NAMES = Names(naming("snake_case"))


def typed(values: list[Any], column: Column | None = None, fresh: bool = False, **options: Any) -> Typed:
    piece = unnest(to_array([{"v": v} for v in values], where=Where("r", "t")))[0]
    table = Table("t").with_columns([column] if column else [])
    typing = Typing(NAMES, fresh=frozenset(["v"] if fresh else []), **options)
    return type_columns(name_leaves(piece.leaves, NAMES), table, typing)


def framed(array: pa.Array, column: Column | None = None) -> Column:
    table = Table("t").with_columns([column] if column else [])
    typing = Typing(NAMES, frame=True, fresh=frozenset(["v"] if column else []))
    return type_columns([("v", ("v",), tuple(kinds_of(array).items()))], table, typing).table.columns["v"]


def content(result: Typed) -> dict[str, tuple[str | None, list[Any]]]:
    return {n: (result.table.columns[n].data_type, a.to_pylist()) for n, a in result.arrays.items()}


BIG = 2**53 + 1
CASES: dict[str, tuple[list[Any], Column | None, dict[str, Any]]] = {
    "first value decides": (["a", 1, None], None, {"v": ("text", ["a", "1", None])}),
    "first in row order, not in kind order": ([None, "a", 1], None, {"v": ("text", [None, "a", "1"])}),
    "int and float join": ([1, 2.5], None, {"v": ("double", [1.0, 2.5])}),
    "a float first": ([2.5, 1], None, {"v": ("double", [2.5, 1.0])}),
    "an int no double holds": ([2.5, BIG], None, {"v": ("double", [2.5, None]), "v__v_bigint": ("bigint", [None, BIG])}),
    "text beside ints": ([1, "x", "2"], None, {"v": ("bigint", [1, None, 2]), "v__v_text": ("text", [None, "x", None])}),
    "no join on a known column": ([2.5, 2.0], Column("v", "bigint"), {"v": ("bigint", [None, 2]), "v__v_double": ("double", [2.5, None])}),
    "hinted": (["1.5", 2], Column("v", "decimal", precision=10, scale=2), {"v": ("decimal", [Decimal("1.50"), Decimal("2.00")])}),
    "hint without type": ([1], Column("v", description="d"), {"v": ("bigint", [1])}),
    "nothing seen": ([None, None], None, {}),
    "digits beyond decimals become text": ([Decimal("0.1234567891")], None, {"v": ("decimal", [None]), "v__v_text": ("text", ["0.1234567891"])}),
    "beyond what wei holds": ([10**60], None, {"v": ("wei", [None]), "v__v_text": ("text", [str(10**60)])}),
    "ISO text": (["2024-01-02T03:04:05Z"], Column("v", "bigint"), {"v": ("bigint", [None]), "v__v_text": ("text", ["2024-01-02T03:04:05Z"])}),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_types_and_values(name: str) -> None:
    values, column, expected = CASES[name]
    found = content(typed(values, column))
    assert {n: c for n, c in found.items() if set(c[1]) != {None} or n == "v"} == expected


def test_a_fresh_column_still_joins_in_a_later_batch() -> None:
    result = typed([2.5], Column("v", "bigint"), fresh=True)
    assert (content(result), result.joined) == ({"v": ("double", [2.5])}, frozenset({"v"}))


def test_variants_say_that_they_are() -> None:
    result = typed([1, "x"])
    assert result.table.columns["v__v_text"].variant
    assert result.fresh == {"v", "v__v_text"}


def test_a_variant_left_with_another_type_keeps_its_name_true_one_further() -> None:
    table = Table("t").with_columns([Column("v", "bigint"), Column("v__v_text", "timestamp", variant=True)])
    piece = unnest(to_array([{"v": "2024-01-02T03:04:05Z"}, {"v": "abc"}], where=Where("r", "t")))[0]
    result = type_columns(name_leaves(piece.leaves, NAMES), table, Typing(NAMES))
    assert content(result)["v__v_text__v_text"] == ("text", [None, "abc"])


def test_detectors_are_those_asked_for() -> None:
    text = "2024-01-02T03:04:05Z"
    assert typed([text]).table.columns["v"].data_type == "timestamp"
    assert typed([text], detections=()).table.columns["v"].data_type == "text"
    assert typed(["2024-01-02"], detections=("iso_date",)).table.columns["v"].data_type == "date"


def test_nul_is_replaced_only_where_the_destination_cannot_hold_it() -> None:
    assert content(typed(["a\0"]))["v"][1] == ["a\0"]
    assert content(typed(["a\0"], holds_nul=False))["v"][1] == ["a\u2400"]


@pytest.mark.parametrize(
    ("array", "column", "hints"),
    [
        (pa.array([1], pa.int32()), None, {"data_type": "bigint", "precision": 32}),
        (pa.array([1], pa.int32()), Column("v", "bigint", precision=8), {"data_type": "bigint", "precision": 32}),
        (pa.array([1], pa.int64()), Column("v", "bigint", precision=8), {"data_type": "bigint"}),
        (pa.array([1], pa.int8()), Column("v", "bigint"), {"data_type": "bigint"}),
        (pa.array([1.5]), Column("v", "bigint", precision=8), {"data_type": "double"}),
        (pa.array([0], pa.timestamp("ms")), Column("v", "timestamp", precision=0), {"data_type": "timestamp", "precision": 3}),
        (pa.array([0], pa.timestamp("s")), Column("v", "timestamp", precision=9), {"data_type": "timestamp", "precision": 9}),
        (
            pa.array([Decimal("1.234")], pa.decimal128(4, 3)),
            Column("v", "decimal", precision=10, scale=2),
            {"data_type": "decimal", "precision": 11, "scale": 3},
        ),
    ],
)  # fmt: skip
def test_types_of_frames_join_to_what_holds_both(
    array: pa.Array, column: Column | None, hints: dict[str, Any]
) -> None:
    assert framed(array, column) == Column.from_dict("v", hints)


@pytest.mark.parametrize(("values", "row"), [([1, None], 0), ([None, 1], 1), ([None, None, 1], 2)])
def test_first_valid(values: list[Any], row: int) -> None:
    assert first_valid(pa.array(values)) == row
    assert first_valid(pa.array([7, *values]).slice(1)) == row


def check(values: list[Any], column: Column, disposition: str = "append") -> None:
    piece = unnest(to_array([{"v": v} for v in values], where=Where("r", "t")))[0]
    named = name_leaves(piece.leaves, NAMES)
    table = Table("t", write_disposition=disposition).with_columns([column])
    check_not_null(type_columns(named, table, Typing(NAMES)), named, "r")


def checked(values: list[Any], column: Column, disposition: str = "append") -> DataError:
    with pytest.raises(DataError) as caught:
        check(values, column, disposition)
    return caught.value


def test_null_where_none_is_allowed_names_the_row() -> None:
    error = checked([1, None], Column("v", "bigint", nullable=False))
    assert (error.what, error.row) == ("cannot store null in column `v`, which is declared not nullable", 1)


def test_a_value_that_went_to_a_variant_is_not_called_null() -> None:
    error = checked([1, "xx"], Column("v", "bigint", nullable=False))
    assert error.what == "a value of type `text` doesn't fit column `v`, which may not be null"
    assert (error.row, error.value, error.expected) == (1, "xx", "what becomes `bigint` without loss")


@pytest.mark.parametrize("nullable", [True, False])
@pytest.mark.parametrize("key", ["primary_key", "merge_key"])
def test_a_key_is_not_put_beside(key: str, nullable: bool) -> None:
    column = Column("v", "bigint", nullable=nullable, **{key: True})
    error = checked([None, 1, "xx"] if nullable else [1, 2, "xx"], column, "merge")
    assert error.what == "a value of type `text` doesn't fit column `v`, by which rows are merged"
    assert (error.row, error.value, error.hint) == (
        2,
        "xx",
        "mend it with add_map: what went to a variant column would be no key",
    )


def test_a_key_goes_beside_where_rows_are_only_added() -> None:
    check([None, "xx"], Column("v", "bigint", primary_key=True))


def test_nullable_and_untyped_columns_may_be_null() -> None:
    check_not_null(typed([None], Column("v", nullable=False)), [], "r")
    check_not_null(typed([None], Column("v", "bigint")), [], "r")
