"""Detectors: what data type the first value of a new column asks for, beyond its Python type."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ladle.normalize.iso import is_iso_timestamp, parse_date

__all__ = ["DETECTORS", "detect", "is_iso_timestamp"]

_FIVE_YEARS_S = 5 * 365 * 86400
_INT64 = range(-(2**63), 2**63)
_WEI_DIGITS = 76


def detect(text_array: pa.Array) -> bool:
    """Tell whether the first value of a string array that is not null is an ISO timestamp."""
    if text_array.null_count == len(text_array):
        return False
    first = pc.index(pc.is_valid(text_array), True).as_py()
    return is_iso_timestamp(text_array[first].as_py())


def iso_timestamp(value: Any) -> str | None:
    """`timestamp` for text that is an ISO date with a time."""
    return "timestamp" if isinstance(value, str) and is_iso_timestamp(value) else None


def iso_date(value: Any) -> str | None:
    """`date` for text that is an ISO date, also `20240102`, `2024-01`, `2024-W01-1`; not for a bare year."""
    if not isinstance(value, str) or len(value) == len("2024"):
        return None
    return "date" if parse_date(value) is not None else None


def timestamp(value: Any, now_s: float | None = None) -> str | None:
    """`timestamp` for a number of epoch seconds within five years of now, as the reference has it.

    Args:
        value: any value; only int and float can be detected.
        now_s: epoch seconds to compare with, by default the clock's.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    now = time.time() if now_s is None else now_s
    return "timestamp" if abs(value - now) <= _FIVE_YEARS_S else None


def large_integer(value: Any) -> str | None:
    """`wei` for an integer beyond 64 bits, `text` for one of more than 76 digits."""
    large = _large(value)
    if large is None:
        return None
    return "wei" if abs(large) < 10**_WEI_DIGITS else "text"


def hexbytes_to_text(value: Any) -> str | None:
    """`text` for a `HexBytes` of whatever package; plain bytes are not detected."""
    return "text" if _is_a(value, "HexBytes") else None


def wei_to_double(value: Any) -> str | None:
    """`double` for a `Wei` value, and for an integer beyond 64 bits, which is `wei` too."""
    return "double" if _large(value) is not None or _is_a(value, "Wei") else None


def _large(value: Any) -> int | None:
    # an integer beyond 64 bits comes out of the raw stage as a Decimal
    if isinstance(value, Decimal) and value.as_tuple().exponent == 0:
        value = int(value)
    return value if isinstance(value, int) and value not in _INT64 else None


def _is_a(value: Any, class_name: str) -> bool:
    # by name: the packages that define these classes are not ours to import
    return any(base.__name__ == class_name for base in type(value).__mro__)


DETECTORS: Mapping[str, Callable[[Any], str | None]] = MappingProxyType(
    {
        "iso_timestamp": iso_timestamp,
        "timestamp": timestamp,
        "iso_date": iso_date,
        "large_integer": large_integer,
        "hexbytes_to_text": hexbytes_to_text,
        "wei_to_double": wei_to_double,
    }
)
"""Each takes the first value of a column and returns a data type, or None where it doesn't recognise it."""
