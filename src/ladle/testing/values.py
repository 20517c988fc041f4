"""Values at the edges of every data type, as data: what a destination has to give back, or to refuse."""

from __future__ import annotations

import datetime as dt
import math
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa

from ladle.errors import DataError, LadleError

_BERLIN = "Europe/Berlin"
_UTC = dt.UTC
_HUGE_BYTES = 100_000_000


@dataclass(frozen=True)
class Case:
    """One value.

    Attributes:
        name: unique; `<data type>: <what is special>`.
        value: in Python, or a scalar of Arrow where Python has no such value.
        hints: of the column.
        arrow: type in which Arrow brings the value; None where Arrow can't bring it, or brings what rows do.
        refused: the error that every destination answers it with, before anything is written.
    """

    name: str
    value: Any
    hints: Mapping[str, Any] = field(default_factory=dict)
    arrow: pa.DataType | None = None
    refused: type[LadleError] | None = None

    @property
    def data_type(self) -> str:
        """The data type it is about."""
        return self.name.partition(":")[0]

    @property
    def ways(self) -> tuple[str, ...]:
        """How it can be brought: `rows`, `arrow`."""
        if isinstance(self.value, pa.Scalar):
            return ("arrow",)
        return ("rows", "arrow") if self.arrow is not None else ("rows",)

    def as_arrow(self) -> pa.Array:
        """Return an array of the value."""
        if isinstance(self.value, pa.Scalar):
            return pa.array([self.value], self.value.type)
        return pa.array([self.value], self.arrow)


def _typed(data_type: str, **more: Any) -> dict[str, Any]:
    return {"data_type": data_type, **more}


def _int(bits: int) -> dict[str, Any]:
    return _typed("bigint", precision=bits)


def _lists(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


_TEXT, _JSON, _WEI = _typed("text"), _typed("json"), _typed("wei")
_NAIVE = _typed("timestamp", timezone=False)

_TEXTS = (
    Case("text: empty", "", _TEXT, pa.string()),
    Case("text: white space", " \t\r\n ", _TEXT, pa.string()),
    Case("text: looks like a number", "0012", _TEXT, pa.string()),
    Case("text: looks like null", "NULL", _TEXT, pa.string()),
    Case("text: escapes of COPY", "\\N\\.\\x41", _TEXT, pa.string()),
    Case("text: quotes, commas, line ends", "a'b\"c,d;\r\ne\nf\\", _TEXT, pa.string()),
    Case("text: emoji, joined", "👩‍👩‍👧🦆🇺🇳", _TEXT, pa.string()),
    Case("text: combining characters", "e\u0301\u00e9", _TEXT, pa.string()),
    Case("text: right to left", "\u202eשלום\u202c", _TEXT, pa.string()),
    Case("text: last code point", "\U0010ffff\ufffe", _TEXT, pa.string()),
    Case("text: NUL", "a\0b", _TEXT, pa.string()),
    Case("text: lone surrogate", "a\ud800b", _TEXT),
    Case("text: 100,000 characters", "é" * 100_000, _TEXT, pa.string()),
)
_BINARIES = (
    Case("binary: empty", b"", {}, pa.binary()),
    Case("binary: every byte", bytes(range(256)), {}, pa.binary()),
    Case("binary: large type of Arrow", b"\0\xff", {}, pa.large_binary()),
)
_INTS = (
    Case("bigint: lowest of 64 bits", -(2**63), {}, pa.int64()),
    Case("bigint: highest of 64 bits", 2**63 - 1, {}, pa.int64()),
    Case("bigint: beyond exact doubles", 2**53 + 1, {}, pa.int64()),
    Case("bigint: lowest of 8 bits", -128, _int(8), pa.int8()),
    Case("bigint: highest of 8 bits", 127, _int(8), pa.int8()),
    Case("bigint: lowest of 16 bits", -(2**15), _int(16), pa.int16()),
    Case("bigint: highest of 32 bits", 2**31 - 1, _int(32), pa.int32()),
    Case("bigint: one more than 8 bits", 128, _int(8)),
    Case("bigint: unsigned 8 bits", 255, {}, pa.uint8()),
    Case("bigint: unsigned 64 bits", 2**64 - 1, {}, pa.uint64()),
    Case("bigint: 65 bits", 2**64),
    Case("bigint: lowest of 128 bits", -(2**127)),
    Case("bigint: 256 bits", 2**256 - 1),
    Case("bigint: a duration", dt.timedelta(days=-1, microseconds=1), {}, pa.duration("us")),
)
_WEIS = (
    Case("wei: 38 digits", 10**38 - 1, _WEI),
    Case("wei: 39 digits", -(10**38), _WEI),
    Case("wei: 76 digits", 10**76 - 1, _WEI),
    Case("wei: 78 digits", 2**256 - 1, _WEI),
    Case("wei: zero", 0, _WEI),
)
_DOUBLES = (
    Case("double: 0.1", 0.1, {}, pa.float64()),
    Case("double: -0.0", -0.0, {}, pa.float64()),
    Case("double: smallest, subnormal", 5e-324, {}, pa.float64()),
    Case("double: highest", sys.float_info.max, {}, pa.float64()),
    Case("double: NaN", math.nan, {}, pa.float64()),
    Case("double: infinity", math.inf, {}, pa.float64()),
    Case("double: -infinity", -math.inf, {}, pa.float64()),
    Case("double: 32 bits", pa.scalar(0.1, pa.float32())),
    Case("double: 16 bits", pa.scalar(1.5, pa.float16())),
)
_BOOLS = (
    Case("bool: true", True, {}, pa.bool_()),
    Case("bool: false", False, {}, pa.bool_()),
)
_DATES = (
    Case("date: year 1", dt.date(1, 1, 1), {}, pa.date32()),
    Case("date: before 1970", dt.date(1969, 12, 31), {}, pa.date32()),
    Case("date: leap day", dt.date(2000, 2, 29), {}, pa.date32()),
    Case("date: year 9999", dt.date(9999, 12, 31), {}, pa.date32()),
    Case("date: year 15659", pa.scalar(5_000_000, pa.date32())),
    Case("date: year -1", pa.scalar(-720_000, pa.date32())),
    Case("date: milliseconds", pa.scalar(-86_400_000, pa.date64())),
    Case("date: milliseconds within a day", pa.scalar(-1, pa.date64()), refused=DataError),
)
_TIMESTAMPS = (
    Case("timestamp: year 1", dt.datetime(1, 1, 1, tzinfo=_UTC), {}, pa.timestamp("us", "UTC")),
    Case(
        "timestamp: before 1970",
        dt.datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=_UTC),
        {},
        pa.timestamp("us", "UTC"),
    ),
    Case(
        "timestamp: year 9999",
        dt.datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=_UTC),
        {},
        pa.timestamp("us", "UTC"),
    ),
    Case("timestamp: year 11476", pa.scalar(300_000_000_000_000_000, pa.timestamp("us", "UTC"))),
    Case("timestamp: year 33658", pa.scalar(10**18, pa.timestamp("us", "UTC"))),
    Case("timestamp: beyond 64 bits", pa.scalar(10**15, pa.timestamp("s", "UTC")), refused=DataError),
    Case("timestamp: gap of summer time", dt.datetime(2024, 3, 31, 2, 30, tzinfo=ZoneInfo(_BERLIN))),
    Case("timestamp: end of summer time", dt.datetime(2024, 10, 27, 2, 30, fold=1, tzinfo=ZoneInfo(_BERLIN))),
    Case("timestamp: a zone of Arrow", pa.scalar(1_711_846_800_000_000, pa.timestamp("us", _BERLIN))),
    Case(
        "timestamp: an offset", dt.datetime(2024, 1, 1, tzinfo=dt.timezone(dt.timedelta(hours=5, minutes=45)))
    ),
    Case("timestamp: ISO text", "2024-01-01T00:00:00.000001+02:00"),
    Case("timestamp: naive", dt.datetime(2024, 3, 31, 2, 30), {}, pa.timestamp("us")),
    Case("timestamp: naive, kept so", dt.datetime(2024, 3, 31, 2, 30), _NAIVE, pa.timestamp("us")),
    Case("timestamp: naive, year 1", dt.datetime(1, 1, 1), _NAIVE, pa.timestamp("us")),
    Case(
        "timestamp: naive, year 9999",
        dt.datetime(9999, 12, 31, 23, 59, 59, 999_999),
        _NAIVE,
        pa.timestamp("us"),
    ),
    Case("timestamp: milliseconds", pa.scalar(-1, pa.timestamp("ms", "UTC"))),
    Case("timestamp: seconds", pa.scalar(-1, pa.timestamp("s", "UTC"))),
    Case(
        "timestamp: declared to milliseconds",
        dt.datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=_UTC),
        _typed("timestamp", precision=3),
    ),
    Case("timestamp: nanoseconds", pa.scalar(1_704_067_200_123_456_789, pa.timestamp("ns", "UTC"))),
    Case(
        "timestamp: declared to nanoseconds",
        pa.scalar(1_704_067_200_123_456_789, pa.timestamp("ns", "UTC")),
        _typed("timestamp", precision=9),
    ),
    Case(
        "timestamp: naive, declared to nanoseconds",
        pa.scalar(-1, pa.timestamp("ns")),
        _typed("timestamp", precision=9, timezone=False),
    ),
    Case(
        "timestamp: nanoseconds, year 1",
        dt.datetime(1, 1, 1, 0, 0, 0, 1, tzinfo=_UTC),
        _typed("timestamp", precision=9),
    ),
)
_TIMES = (
    Case("time: midnight", dt.time(0), {}, pa.time64("us")),
    Case("time: last microsecond", dt.time(23, 59, 59, 999_999), {}, pa.time64("us")),
    Case("time: an offset", dt.time(1, 30, tzinfo=dt.timezone(dt.timedelta(hours=2)))),
    Case("time: milliseconds", pa.scalar(1, pa.time32("ms"))),
    Case("time: nanoseconds", pa.scalar(1_001, pa.time64("ns")), refused=DataError),
)
_NINES = Decimal("9" * 38)
_DECIMALS = (
    Case("decimal: as it comes", Decimal("-0.000000001")),
    Case("decimal: 29 digits and 9", Decimal("9" * 29 + "." + "9" * 9), {}, pa.decimal128(38, 9)),
    Case("decimal: more fraction than the default", Decimal("0.0000000001")),
    Case("decimal: an exponent", Decimal("1E+20")),
    Case("decimal: NaN", Decimal("NaN")),
    Case("decimal: infinity", Decimal("-Infinity")),
    Case("decimal: trailing zeros", Decimal("1.50"), _typed("decimal", precision=10, scale=4)),
    Case("decimal: 38 digits", _NINES, _typed("decimal", precision=38, scale=0), pa.decimal128(38, 0)),
    Case("decimal: 38 digits of fraction", pa.scalar(Decimal("-0." + "1" * 38), pa.decimal128(38, 38))),
    Case("decimal: 76 digits", pa.scalar(Decimal("9" * 76), pa.decimal256(76, 0))),
    Case("decimal: 76 digits of fraction", pa.scalar(Decimal("-0." + "1" * 76), pa.decimal256(76, 76))),
    Case(
        "decimal: declared with 76 digits",
        Decimal("9" * 38 + "." + "1" * 38),
        _typed("decimal", precision=76, scale=38),
    ),
    Case("decimal: negative scale", pa.scalar(Decimal("1E+5"), pa.decimal128(5, -5))),
)
_JSONS = (
    Case("json: nested", {"b": [1, 2.5, None, True, "é🦆", {}, []], "a": {"": ""}}, _JSON),
    Case("json: empty object", {}, _JSON),
    Case("json: empty list", [], _JSON),
    Case("json: 1,000 levels, as text", "[" * 1_000 + "1" + "]" * 1_000, _JSON, pa.string()),
    Case("json: 1,000 levels", _lists(1_000), _JSON, refused=DataError),
    Case("json: 200 levels", _lists(200), _JSON),
    Case("json: one key twice", '{"a": 1, "a": 2}', _JSON, pa.string()),
    Case("json: 300 bits", {"a": 2**300}, _JSON),
    Case("json: 25 digits of fraction", '{"a": 0.1234567890123456789012345}', _JSON, pa.string()),
    Case("json: beyond doubles", '{"a": 1e400}', _JSON, pa.string()),
    Case("json: -0.0", {"a": -0.0}, _JSON),
    Case("json: NaN", {"a": math.nan}, _JSON),
    Case("json: NUL", {"a": "x\0y"}, _JSON),
    Case("json: lone surrogate, as text", '{"a": "\\ud800"}', _JSON, pa.string()),
    Case("json: lone surrogate", {"a": "\ud800"}, _JSON),
)
CASES: tuple[Case, ...] = (
    *_TEXTS,
    *_BINARIES,
    *_INTS,
    *_WEIS,
    *_DOUBLES,
    *_BOOLS,
    *_DATES,
    *_TIMESTAMPS,
    *_TIMES,
    *_DECIMALS,
    *_JSONS,
)
"""All but the huge ones."""

HUGE: Mapping[str, Callable[[], Case]] = {
    "text": lambda: Case("text: 100 MB", "é" * (_HUGE_BYTES // 2), _TEXT),
    "binary": lambda: Case("binary: 100 MB", bytes(range(250)) * (_HUGE_BYTES // 250)),
    "json": lambda: Case("json: 100 MB", {"a": "x" * _HUGE_BYTES}, _JSON),
}
"""Values of 100 MB, made when they are called for."""
