"""Detectors: what the first value of a column asks for."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from ladle.normalize.detect import DETECTORS, detect, timestamp

NOW_S = 1_700_000_000.0


class HexBytes(bytes):
    """As the package of that name has it."""


class Wei(Decimal):
    """As the reference has it."""


@pytest.mark.parametrize(
    ("name", "value", "data_type"),
    [
        ("iso_timestamp", "2024-01-02T03:04:05Z", "timestamp"),
        ("iso_timestamp", "2024-01-02", None),
        ("iso_timestamp", 12, None),
        ("iso_date", "2024-01-02", "date"),
        ("iso_date", "20240102", "date"),
        ("iso_date", "2024-01", "date"),
        ("iso_date", "2024-W01-1", "date"),
        ("iso_date", "2024", None),
        ("iso_date", "2024-01-02T03:04:05Z", None),
        ("iso_date", 20240102, None),
        ("timestamp", 1000, None),
        ("timestamp", True, None),
        ("timestamp", "1700000000", None),
        ("large_integer", 2**62, None),
        ("large_integer", 2**64, "wei"),
        ("large_integer", -(2**63) - 1, "wei"),
        ("large_integer", Decimal(2**64), "wei"),
        ("large_integer", 10**76, "text"),
        ("large_integer", True, None),
        ("large_integer", 1.5, None),
        ("hexbytes_to_text", HexBytes(b"a"), "text"),
        ("hexbytes_to_text", b"a", None),
        ("wei_to_double", Wei(5), "double"),
        ("wei_to_double", 2**64, "double"),
        ("wei_to_double", Decimal(2**64), "double"),
        ("wei_to_double", Decimal("1.5"), None),
        ("wei_to_double", 5, None),
    ],
)
def test_detectors(name: str, value: Any, data_type: str | None) -> None:
    assert DETECTORS[name](value) == data_type


@pytest.mark.parametrize(
    ("value", "data_type"),
    [
        (NOW_S, "timestamp"),
        (int(NOW_S) - 300 * 86400, "timestamp"),
        (NOW_S + 1824 * 86400, "timestamp"),
        (NOW_S - 1826 * 86400, None),
        (float("nan"), None),
    ],
)
def test_numbers_within_five_years_of_now_are_timestamps(value: float, data_type: str | None) -> None:
    assert timestamp(value, NOW_S) == data_type


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([None, "2024-01-02T03:04:05Z", "x"], True),
        (["x", "2024-01-02T03:04:05Z"], False),
        ([None], False),
        ([], False),
    ],
)
def test_detect_looks_at_the_first_value(values: list[str | None], expected: bool) -> None:
    assert detect(pa.array(values, pa.string())) is expected
