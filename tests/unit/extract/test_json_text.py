"""Any value as JSON text: the same text for a value wherever it stands."""

from __future__ import annotations

import json
from collections import deque
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import numpy
import pytest

from ladle.extract.json_text import json_text
from ladle.extract.refused import Refused


@dataclass
class Point:
    x: int
    tags: set[str]


class Colour(Enum):
    RED = "red"


class Odd(tzinfo):
    def utcoffset(self, moment: datetime | None) -> timedelta:
        return timedelta(hours=1)


LOOP: list[Any] = []
LOOP.append(LOOP)
PLUS2 = timezone(timedelta(hours=2))
VALUES: list[tuple[Any, str]] = [
    ({"b": 1, "a": [None, True, 1.5, "x"]}, '{"b":1,"a":[null,true,1.5,"x"]}'),
    (float("nan"), "null"),
    (float("-inf"), "null"),
    (2**64 - 1, "18446744073709551615"),
    (-(2**70), "-1180591620717411303424"),
    (10**5000, "1" + "0" * 5000),
    (Decimal("1.50"), '"1.50"'),
    (b"\x00\xff", '"AP8="'),
    ("\ud800", '"\\\\ud800"'),
    ("日本", '"日本"'),
    (date(2024, 1, 2), '"2024-01-02"'),
    (datetime(2024, 1, 2, 3), '"2024-01-02T03:00:00"'),
    (datetime(2024, 1, 2, 3, tzinfo=UTC), '"2024-01-02T03:00:00Z"'),
    (datetime(2024, 1, 2, 3, tzinfo=PLUS2), '"2024-01-02T03:00:00+02:00"'),
    (datetime(2024, 1, 2, 3, tzinfo=ZoneInfo("Europe/Berlin")), '"2024-01-02T03:00:00+01:00"'),
    (datetime(2024, 1, 2, 3, tzinfo=Odd()), '"2024-01-02T03:00:00+01:00"'),
    (time(3, 4), '"03:04:00"'),
    (time(3, 4, tzinfo=PLUS2), '"01:04:00"'),
    (timedelta(seconds=1), "1000000"),
    (UUID(int=1), '"00000000-0000-0000-0000-000000000001"'),
    (Colour.RED, '"red"'),
    (Point(1, {"b", "a"}), '{"x":1,"tags":["a","b"]}'),
    (deque([1]), "[1]"),
    ({3, 1, 2}, "[1,2,3]"),
    (numpy.array([1, 2]), "[1,2]"),
    (numpy.float32(1.5), "1.5"),
    ({1: "a", None: "b", b"x": "c"}, '{"1":"a","None":"b","x":"c"}'),
    ({1: "a", "1": "b"}, '{"1_2":"a","1":"b"}'),
]


@pytest.mark.parametrize(("value", "text"), VALUES, ids=[text[:40] for _, text in VALUES])
def test_value_as_text(value: Any, text: str) -> None:
    assert json_text(value, 250) == text
    # beside a value that orjson can't write
    assert json_text([value, 2**70], 250) == f"[{text},{2**70}]"
    assert json_text({"k": value}, 250) == f'{{"k":{text}}}'


@pytest.mark.parametrize(
    ("value", "path"),
    [
        (1j, []),
        ({"a": [1, {"b": object()}]}, ["a", 1, "b"]),
        ([{1: 1j}], [0, "1"]),
    ],
)
def test_what_cannot_be_stored_is_located(value: Any, path: list[Any]) -> None:
    with pytest.raises(Refused) as caught:
        json_text(value, 250)
    assert caught.value.path == path


@pytest.mark.parametrize("value", [LOOP, json.loads("[" * 300 + "]" * 300)])
def test_too_deep_is_refused(value: Any) -> None:
    with pytest.raises(Refused, match="too deep"):
        json_text(value, 250)
