"""Spec 7.3: values parsed to the annotation."""

# ruff: noqa: UP007, UP045 - both spellings of a union are tested

from __future__ import annotations

import enum
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal, NewType, Optional, TypedDict, Union

import pytest

from ladle.config.coerce import Mismatch, coerce, guessed
from ladle.config.markers import Secret

Named = NewType("Named", int)


class Colour(enum.Enum):
    RED = "red"
    BLUE = 2


class Address(TypedDict):
    street: str


GOOD: list[tuple[Any, Any, Any]] = [
    ("5", int, 5), (" 5 ", int, 5), (5.0, int, 5), ("-7", int, -7), ("5", Named, 5),
    ("1.5", float, 1.5), (1, float, 1.0), ("1e3", float, 1000.0),
    ("true", bool, True), ("False", bool, False), ("1", bool, True), ("off", bool, False), (True, bool, True), (0, bool, False),
    ("x", str, "x"), (1, str, "1"), (1.5, str, "1.5"), (date(2024, 1, 2), str, "2024-01-02"),
    ("1.10", Decimal, Decimal("1.10")), (1.1, Decimal, Decimal("1.1")), (2, Decimal, Decimal(2)),
    ("2024-01-02", date, date(2024, 1, 2)), (datetime(2024, 1, 2, 3), date, date(2024, 1, 2)),
    ("2024-01-02T03:04:05Z", datetime, datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)),
    (date(2024, 1, 2), datetime, datetime(2024, 1, 2)), ("03:04", time, time(3, 4)), ("90", timedelta, timedelta(seconds=90)),
    ('["a","b"]', list[str], ["a", "b"]), ("['a', 'b']", list[str], ["a", "b"]), ("('a',)", list, ["a"]), ("[1,2]", list[str], ["1", "2"]),
    ([1, "2"], list[int], [1, 2]), ("[1]", Sequence[int], [1]), ("[1, 2]", tuple[int, ...], (1, 2)), ('["a", 1]', tuple[str, int], ("a", 1)),
    ("[1, 1]", set[int], {1}), ('{"a": "1"}', dict[str, int], {"a": 1}), ("{'a': 1}", dict, {"a": 1}), ({"a": 1}, dict[str, Any], {"a": 1}),
    ('{"street": "x"}', Address, {"street": "x"}),
    ("b", Literal["a", "b"], "b"), ("2", Literal[1, 2], 2), ("red", Colour, Colour.RED), ("BLUE", Colour, Colour.BLUE), ("2", Colour, Colour.BLUE),
    ("5", Optional[int], 5), (None, Optional[int], None), ("x", Union[int, str], "x"), ("5", int | str, 5), (5, str | int, 5),
    ("5", Annotated[int, "doc"], 5), ("/a/b", Path, Path("/a/b")), ("x", bytes, b"x"),
    ("5", Any, 5), ("true", Any, True), ("[1]", Any, [1]), ("text", Any, "text"), ("", Any, ""), ("null", Any, "null"),
    ("1.5", complex, 1.5 + 0j),
]  # fmt: skip

BAD: list[tuple[Any, Any]] = [
    ("zz", int), ("1.5", int), (1.5, int), (True, int), ("", int), ([1], int), ("x", float), (True, float), ("maybe", bool), (2, bool), (1.0, bool),
    ("x", Decimal), (True, Decimal), ("2024-13-01", date), ("x", datetime), ("25:00", time), (5, date), ([1], str), ({}, str),
    ("a,b", list[str]), ("a", list), ("5", list), (5, list), ("[1", list), ('["x"]', list[int]), ("[1]", tuple[int, int]), ("[1]", dict), ("x", dict), ('{"a":"x"}', dict[str, int]),
    ("c", Literal["a", "b"]), ("green", Colour), ("x", Union[int, float]), ("x", Optional[int]), ("x", complex),
]  # fmt: skip


@pytest.mark.parametrize(("value", "hint", "expected"), GOOD, ids=lambda v: str(v)[:40])
def test_values_of_their_type(value: Any, hint: Any, expected: Any) -> None:
    found = coerce(value, hint)
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(("value", "hint"), BAD, ids=lambda v: str(v)[:40])
def test_values_of_another_type(value: Any, hint: Any) -> None:
    with pytest.raises(Mismatch):
        coerce(value, hint)


def test_a_secret_of_no_type_stays_text_unless_it_is_a_list_or_an_object() -> None:
    secret = Annotated[Any, Secret()]
    assert [coerce(v, secret) for v in ("007", "true", "1e5", '{"a": 1}')] == ["007", "true", "1e5", {"a": 1}]
    assert guessed("007", secret=False) == "007", "JSON has no such number"
