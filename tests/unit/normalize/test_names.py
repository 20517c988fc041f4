"""Names of tables and columns; what collides shares the column or gets its own, and nothing is lost."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from ladle.normalize.names import Names, name_leaves, spelling_tag
from ladle.normalize.unnest import Leaf
from ladle.schema.naming import naming

NAMES = Names(naming("snake_case"))


def named(*leaves: tuple[str, list[Any]]) -> dict[str, list[Any]]:
    made = []
    for key, values in leaves:
        array = pa.array(values)
        kinds = () if array.null_count == len(values) else (("any", array),)
        made.append(Leaf(tuple(key.split("/")), kinds))
    out: dict[str, list[Any]] = {}
    for name, _, kinds in name_leaves(made, NAMES):
        assert name not in out
        merged = [
            [v for v in row if v is not None] for row in zip(*(a.to_pylist() for _, a in kinds), strict=True)
        ]
        assert all(len(row) <= 1 for row in merged)
        out[name] = [row[0] if row else None for row in merged]
    return out


@pytest.mark.parametrize(
    ("root", "path", "name"),
    [
        ("Users", (), "users"),
        ("Users", ("Pets",), "users__pets"),
        ("users", ("addr", "geo", "Pts"), "users__addr__geo__pts"),
        ("My__Users", ("a__b",), "my__users__a__b"),
    ],
)
def test_tables_are_named_by_path(root: str, path: tuple[str, ...], name: str) -> None:
    assert NAMES.table(root, path) == name


def test_names_are_cut_to_the_limits_of_the_destination() -> None:
    names = Names(naming("snake_case"), max_table=20, max_column=10)
    assert len(names.table("parent_table_name", ("child_table_name",))) == 20
    assert len(names.column(("a_long_column_name",))) == 10
    assert len(names.suffixed("abcdefghij", "v_text")) == 10
    assert names.suffixed("abcdefghij", "v_text") != names.suffixed("abcdefghij", "v_bool")


def test_names_in_order_of_appearance() -> None:
    assert list(named(("bB", [1]), ("a", [2]), ("d/x", [3]))) == ["b_b", "a", "d__x"]


def test_rows_share_a_column_where_only_one_spelling_has_a_value() -> None:
    assert named(("aB", [1, None]), ("a_b", [None, 2])) == {"a_b": [1, 2]}


def test_a_row_with_both_keeps_both_and_the_column_has_the_one_spelt_like_it() -> None:
    found = named(("aB", [1, 5]), ("a_b", [2, None]), ("A_B", [3, None]))
    assert found["a_b"] == [2, 5]
    assert sorted(v for n, values in found.items() if n != "a_b" for v in values if v is not None) == [1, 3]
    assert all(n.startswith("a_b__") for n in found if n != "a_b")


@pytest.mark.parametrize("order", [1, -1])
def test_the_outcome_depends_on_the_row_not_on_the_order_of_keys(order: int) -> None:
    leaves = [("aB", [1]), ("A_b", [2]), ("a__b", [3])][::order]
    assert named(*leaves) == named(*leaves[::-1])


def test_nulls_take_nothing_away() -> None:
    assert named(("aB", [None]), ("a_b", [2])) == {"a_b": [2]}
    assert named(("aB", [None]), ("a_b", [None])) == {"a_b": []}


def test_a_dict_and_a_key_with_its_path_collide_without_loss() -> None:
    found = named(("t/t", [1]), ("t__t", [2]))
    assert sorted(v for values in found.values() for v in values) == [1, 2]


def test_tags_are_stable() -> None:
    assert spelling_tag("aB") == "dyjvvg"
    assert spelling_tag("\ud800") != spelling_tag("\ud801")
