"""Values moved back by a lag, in their own type and spelling."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pytest

from ladle.errors import UsageError
from ladle.sources.incremental_lag import lagged


@pytest.mark.parametrize(
    ("text", "lag", "expected"),
    [
        ("2024-01-05", 1, "2024-01-04"),
        ("2024-01-05T00:00:00Z", 3600, "2024-01-04T23:00:00Z"),
        ("2024-01-05T00:00:00z", 3600, "2024-01-04T23:00:00z"),
        ("2024-01-05T00:00:00+00:00", 3600, "2024-01-04T23:00:00+00:00"),
        ("2024-01-05T00:00:00+02:00", 3600, "2024-01-04T23:00:00+02:00"),
        ("2024-01-05T00:00:00", 3600, "2024-01-04T23:00:00"),
        ("2024-01-05 00:00:00", 3600, "2024-01-04 23:00:00"),
        ("2024-01-05T00:00:00.123Z", 3600, "2024-01-04T23:00:00.123Z"),
        ("2024-01-05T00:00:00.123456Z", 3600, "2024-01-04T23:00:00.123456Z"),
        ("2024-01-05T00:00:00Z", 0.5, "2024-01-04T23:59:59.500000Z"),
        ("20240105T000000Z", 3600, "20240104T230000Z"),
    ],
)
def test_text_keeps_its_spelling(text: str, lag: float, expected: str) -> None:
    assert lagged(text, lag, max) == expected


def test_back_is_up_with_min() -> None:
    assert lagged(10, 5, min) == 15
    assert lagged("2024-01-05", 1, min) == "2024-01-06"
    assert lagged(10, 5, min, initial=12) == 12


def test_not_beyond_the_initial_value() -> None:
    assert lagged(10, 5, max, initial=8) == 8
    assert lagged(10, 1, max, initial=8) == 9
    aware = datetime.fromisoformat("2024-01-05T00:00+00:00")
    assert lagged(aware, 7200, max, initial=datetime(2024, 1, 4, 23)) == datetime(2024, 1, 4, 23)
    assert lagged(aware, 60, max, initial=datetime(2024, 1, 4, 23)).tzinfo is not None


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (10, 9.5),
        (2**60, float(2**60)),
        (10.0, 9.5),
        (Decimal("10.25"), Decimal("9.75")),
        (date(2024, 1, 5), date(2024, 1, 5)),
    ],
)
def test_types_are_kept(value: Any, expected: Any) -> None:
    found = lagged(value, 0.5, max)
    if isinstance(value, date):
        expected = date(2024, 1, 4)  # a day isn't parted: further back, never less
    assert (found, type(found)) == (expected, type(expected))
    assert type(lagged(10, 5.0, max)) is int


@pytest.mark.parametrize("value", ["hello", "2024-01", True, {"a": 1}, None])
def test_what_can_not_lag_says_so(value: Any) -> None:
    with pytest.raises(UsageError, match="can't have a lag"):
        lagged(value, 1, max)
