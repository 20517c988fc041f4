"""Keys of dicts to names."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.extract.reading import read

from ladle.extract.keys import are_names, distinct, named


@pytest.mark.parametrize(
    ("row", "names"),
    [
        ({1: "a"}, ["1"]),
        ({None: "a", True: "b", 1.5: "c", (1, 2): "d"}, ["None", "True", "1.5", "(1, 2)"]),
        ({b"a": 1}, ["a"]),
        ({b"\xff": 1}, ["\\xff"]),
        ({"\ud800": 1}, ["\\ud800"]),
        ({"\ue0f0\ue0f0x": 1}, ["x"]),
        ({"\ue0f0": 1}, [""]),
        ({1: "a", "1": "b"}, ["1_2", "1"]),
        ({"1": "b", 1: "a", b"1": "c"}, ["1", "1_2", "1_3"]),
        ({"1_2": 0, "1": "b", 1: "a"}, ["1_2", "1", "1_3"]),
        ({"x": 1, "\ue0f0x": 2}, ["x", "x_2"]),
    ],
)
def test_keys_become_names_and_none_is_lost(row: dict[Any, Any], names: list[str]) -> None:
    assert list(named(row)) == names
    assert list(named(row).values()) == list(row.values())
    assert not are_names(row)
    assert are_names(named(row))


def test_bytes_keys_among_text_keys_lose_nothing() -> None:
    rows = [{"a": 1, "b": 2}, {b"a": 3}, {"a": 4, b"b": 5}]
    assert read(rows) == [
        ("dict", {"a": ("bigint", 1), "b": ("bigint", 2)}),
        ("dict", {"a": ("bigint", 3)}),
        ("dict", {"a": ("bigint", 4), "b": ("bigint", 5)}),
    ]


def test_equal_keys_of_other_types_keep_their_own_names() -> None:
    assert read([{1: "a"}, {True: "b"}, {1.0: "c"}]) == [
        ("dict", {"1": ("text", "a")}),
        ("dict", {"True": ("text", "b")}),
        ("dict", {"1.0": ("text", "c")}),
    ]


def test_plain_names_are_names() -> None:
    assert are_names(["a", "naïve", "日本", "", "a\0b", "x\ue0f0"])


@pytest.mark.parametrize(
    ("names", "free"),
    [
        (["a", "b"], ["a", "b"]),
        (["a", "a", "a"], ["a", "a_2", "a_3"]),
        (["a", "a", "a_2"], ["a", "a_3", "a_2"]),
        ([], []),
    ],
)
def test_names_that_are_there_twice_get_a_number(names: list[str], free: list[str]) -> None:
    assert distinct(names) == free
