"""A column of every type that Arrow makes of rows and frames: the second value is null, others are its edges."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pyarrow as pa

_UNITS = ("s", "ms", "us", "ns")
_TEXT = ["", None, "é\U0001f600\0:", "a" * 300]
_DAYS = [dt.date(1, 1, 1), None, dt.date(1970, 1, 1), dt.date(9999, 12, 31)]


def _moments(unit: str, zone: str | None = None) -> pa.Array:
    far = None if unit == "ns" else dt.datetime(1, 1, 1)
    values = [dt.datetime(1969, 12, 31, 23, 59, 58), None, dt.datetime(2024, 2, 29, 1, 2, 3), far]
    return pa.array(values, pa.timestamp("us")).cast(pa.timestamp(unit)).cast(pa.timestamp(unit, zone))


def _whole(bits: int, pa_type: pa.DataType) -> pa.Array:
    low: list[Any] = [-1, None, -(2 ** (bits - 1)), 2 ** (bits - 1) - 1]
    return pa.array([0, None, 10, 2**bits - 1] if "uint" in str(pa_type) else low, pa_type)


COLUMNS: dict[str, pa.Array] = {
    **{str(t): _whole(t.bit_width, t) for t in (pa.int8(), pa.int16(), pa.int32(), pa.int64())},
    **{str(t): _whole(t.bit_width, t) for t in (pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64())},
    "bool": pa.array([True, None, False, True]),
    "text": pa.array(_TEXT),
    "large text": pa.array(_TEXT, pa.large_string()),
    "bytes": pa.array([b"", None, b"\0\xff", bytes(range(256))]),
    "date": pa.array(_DAYS),
    "date64": pa.array(_DAYS, pa.date64()),
    **{f"moment {unit}": _moments(unit) for unit in _UNITS},
    **{f"instant {unit}": _moments(unit, "UTC") for unit in _UNITS},
    "fine instant": pa.array([-1, None, 1_700_000_000_123_456_789, 1000], pa.timestamp("ns", "Asia/Tokyo")),
    "time": pa.array([dt.time(), None, dt.time(1, 2, 3, 4), dt.time(23, 59, 59, 999_999)]),
    "time s": pa.array([0, None, 1, 86_399], pa.time32("s")),
    "time ns": pa.array([0, None, 1_000, 86_399_999_999_000], pa.time64("ns")),
    "decimal": pa.array([Decimal("0.00"), None, Decimal("-0.10"), Decimal(f"{10**25}.78")]),
    "decimal256": pa.array([Decimal(10) ** 70, None, Decimal(-1), Decimal("0.1")], pa.decimal256(76, 3)),
    "whole double": pa.array([0.0, None, -0.0, -9007199254740991.0]),
    "double": pa.array([0.1, None, float("nan"), float("-inf")]),
    "mixed double": pa.array([1.0, None, 9007199254740992.0, 1e300]),
    "float": pa.array([0.1, None, 16777216.0, 3.4e38], pa.float32()),
    "null": pa.nulls(4),
}
