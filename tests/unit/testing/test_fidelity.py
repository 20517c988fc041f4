"""What the suite takes for equal, for a conversion, and for a change."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from ladle.testing.fidelity import compared
from ladle.testing.names import reserved
from ladle.testing.values import CASES

BY_NAME = {case.name: case for case in CASES}


def test_cases_have_names_of_their_own() -> None:
    assert len(BY_NAME) == len(CASES)


@pytest.mark.parametrize(
    ("name", "found", "outcome"),
    [
        ("double: 0.1", {"v": 0.1}, "equal"),
        ("double: 0.1", {"v": 0.1000001}, "changed"),
        ("double: -0.0", {"v": 0.0}, "0.0"),
        ("double: NaN", {"v": float("nan")}, "equal"),
        ("double: NaN", {}, "null"),
        ("double: 0.1", {}, "changed"),
        ("text: empty", {}, "changed"),
        ("text: empty", {"v": ""}, "equal"),
        ("text: NUL", {"v": "a\u2400b"}, "␀"),
        ("text: NUL", {"v": "ab"}, "changed"),
        ("bigint: 65 bits", {"v": Decimal(2**64)}, "equal"),
        ("bigint: 65 bits", {"v": float(2**64)}, "changed"),
        ("bigint: 256 bits", {"v__v_text": str(2**256 - 1)}, "text in a variant"),
        ("json: one key twice", {"v": '{"a": 2}'}, "equal"),
        ("json: one key twice", {"v": '{"a": 1}'}, "changed"),
        ("json: 25 digits of fraction", {"v": '{"a": 0.12345678901234568}'}, "double in JSON"),
    ],
)
def test_comparing(name: str, found: dict[str, Any], outcome: str) -> None:
    read = {column: pa.scalar(value) for column, value in found.items()}
    assert compared(BY_NAME[name], "rows", read).outcome == outcome


def test_a_second_value_beside_the_right_one_is_a_change() -> None:
    read = {"v": pa.scalar(0.1), "v__v_text": pa.scalar("0.1")}
    assert compared(BY_NAME["double: 0.1"], "rows", read).outcome == "changed"


def test_a_moment_that_python_has_not_is_compared_too() -> None:
    naive = pa.scalar(10**18, pa.timestamp("us"))
    assert compared(BY_NAME["timestamp: year 33658"], "arrow", {"v": naive}).outcome == "changed"


def test_reserved_words_are_those_of_the_engines() -> None:
    assert {"select", "user", "analyse", "qualify", "window"} <= set(reserved("postgres"))
