"""Whether a value came back as it went in: equal, equal after a conversion that is documented, or changed."""

from __future__ import annotations

import datetime as dt
import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pyarrow as pa

from ladle.testing.values import Case

CONVERSIONS: Mapping[str, str] = {
    "UTC": "The instant is kept, in UTC: a timestamp without a zone counts as UTC, a time with an offset "
    "becomes that of UTC.",
    "variant": "The value is in a variant column of its own type beside the column, which is null.",
    "text in a variant": "The value is in full, as text, in a variant column beside the column, which is "
    "null.",
    "text": "The value is in full, as text: no number of the destination holds it.",
    "declared digits": "Fraction digits of a second beyond the declared precision are cut.",
    "microseconds": "A duration is its number of microseconds.",
    "double": "A decimal that is no number is the same double.",
    "escape": "A lone surrogate, which UTF-8 can't hold, is its escape: `\\ud800`.",
    "null in JSON": "NaN and infinities inside of JSON, which has none, are null.",
    "␀": "NUL, which the engine's text can't hold, is `␀` (U+2400).",
    "cut to 6 digits": "Fraction digits of a second beyond the sixth, which the engine can't hold, are cut.",
    "rounded to 6 digits": "The file has all digits of the second; reading it with SQL rounds to six.",
    "0.0": "The engine doesn't keep the sign of zero.",
    "null": "NaN and infinities, which the format has none of, are null.",
    "double in JSON": "The file has all digits; reading a number of JSON with SQL makes a double of it.",
}
"""What may become of a value, by name. The last ones only where a suite names them in `conversions`."""

EVERYWHERE = frozenset(list(CONVERSIONS)[: list(CONVERSIONS).index("␀")])
"""Conversions that ladle makes itself, before any destination sees the value."""


@dataclass(frozen=True)
class Cell:
    """What became of one value at one destination.

    Attributes:
        case: the value's.
        way: `rows` or `arrow`.
        outcome: `equal`, the name of a conversion, `refused` or `changed`.
        detail: the error's class where it was refused; what was read where it was changed.
    """

    case: str
    way: str
    outcome: str
    detail: str = ""

    @property
    def text(self) -> str:
        """The cell as the table of the docs shows it."""
        if self.outcome == "refused":
            return f"refused: `{self.detail}`"
        return self.outcome


def compared(case: Case, way: str, found: Mapping[str, pa.Scalar]) -> Cell:
    """Return what became of a value.

    Args:
        case: the value.
        way: it was brought.
        found: values that are not null, by column: of the case's column, which is `v`, and variants of it.
    """
    given = case.value
    read = {name: _canonical(scalar, case) for name, scalar in found.items()}
    wanted = _canonical(given, case)
    if len(read) == 1 and "v" in read and _same(read["v"], wanted):
        return Cell(case.name, way, "equal")
    for name, (column, value) in _converted(case):
        if not read and value is None:
            return Cell(case.name, way, name)
        if len(read) == 1:
            ((there, got),) = read.items()
            if (there == "v") == (column == "v") and value is not None and _same(got, value):
                return Cell(case.name, way, name)
    shown = {name: str(value)[:80] for name, value in read.items()}
    return Cell(case.name, way, "changed", f"{str(wanted)[:80]} became {shown}")


def _same(got: Any, wanted: Any) -> bool:
    return type(got) is type(wanted) and bool(got == wanted)


# -- values in one form each: a tuple of a kind and something that compares exactly


def _canonical(value: Any, case: Case) -> Any:
    if isinstance(value, pa.Scalar):
        return _of_scalar(value, case)
    if case.data_type == "json":
        return ("json", _json(value if isinstance(value, str) else json.dumps(value)))
    return _of_python(value)


def _of_scalar(value: pa.Scalar, case: Case) -> Any:
    kind = value.type
    if not value.is_valid:
        return None
    if pa.types.is_timestamp(kind):
        nanos = value.value * {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}[kind.unit]
        return ("timestamp", nanos, kind.tz is not None)
    if pa.types.is_date32(kind):
        return ("date", value.value)
    if pa.types.is_date64(kind):
        return ("date", Decimal(value.value) / 86_400_000)
    if pa.types.is_time(kind):
        return ("time", value.value * {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}[kind.unit])
    if case.data_type == "json" and pa.types.is_string(kind):
        return ("json", _json(value.as_py()))
    return _of_python(value.as_py())


def _of_python(value: Any) -> Any:
    if isinstance(value, bool | str | bytes | None):
        return value
    if isinstance(value, float):
        return ("double", "nan" if math.isnan(value) else value.hex())
    if isinstance(value, int | Decimal):
        exact = isinstance(value, int) or value.is_finite()
        return ("number", Decimal(value).as_integer_ratio() if exact else str(value))
    if isinstance(value, dt.datetime):
        naive = value.utcoffset() is None
        moment = value.replace(tzinfo=dt.UTC) if naive else value.astimezone(dt.UTC)
        micros = (moment - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)) // dt.timedelta(microseconds=1)
        return ("timestamp", micros * 1000, not naive)
    if isinstance(value, dt.date):
        return ("date", value.toordinal() - dt.date(1970, 1, 1).toordinal())
    if isinstance(value, dt.time):
        return ("time" if value.tzinfo is None else "time with offset", _nanos(value))
    return (type(value).__name__, value)


def _nanos(value: dt.time) -> int:
    seconds = (value.hour * 60 + value.minute) * 60 + value.second
    return (seconds * 1_000_000 + value.microsecond) * 1000


def _json(text: str) -> Any:
    """Return JSON with exact numbers; keys in no order, the last of several that are equal."""
    if text.startswith("[[[[[["):
        return text.replace(" ", "")  # deeper than Python reads it
    return _sorted(json.loads(text, parse_float=Decimal))


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return ("object", sorted((key, _sorted(inner)) for key, inner in value.items()))
    if isinstance(value, list):
        return ("list", [_sorted(inner) for inner in value])
    return (type(value).__name__, value)


# -- conversions


def _converted(case: Case) -> Iterator[tuple[str, tuple[str, Any]]]:
    """Yield conversions of a value: name, the column where it is, and what is there (None: null)."""
    value = case.value
    wanted = _canonical(value, case) if case.name != "json: lone surrogate" else None
    yield from _of_times(wanted, case)
    if isinstance(value, dt.timedelta):
        yield "microseconds", ("v", _of_python(value // dt.timedelta(microseconds=1)))
    if isinstance(value, Decimal) and not value.is_finite():
        yield "double", ("v", _of_python(float(value)))
    if isinstance(value, float | Decimal) and not math.isfinite(value):
        yield "null", ("v", None)
    if isinstance(value, float) and value == 0:
        yield "0.0", ("v", _of_python(0.0))
    if isinstance(value, str):
        yield "escape", ("v", value.replace("\ud800", "\\ud800"))
        yield "␀", ("v", value.replace("\0", "\u2400"))
    if case.data_type == "json":
        yield from _of_json(value)
    yield "variant", ("variant", wanted)
    yield from (("text in a variant", ("variant", text)) for text in _texts(value))
    yield from (("text", ("v", text)) for text in _texts(value) if not isinstance(value, str))


def _of_times(wanted: Any, case: Case) -> Iterator[tuple[str, tuple[str, Any]]]:
    if isinstance(case.value, dt.time) and (offset := case.value.utcoffset()) is not None:
        moment = dt.datetime.combine(dt.date(2000, 1, 2), case.value.replace(tzinfo=None)) - offset
        yield "UTC", ("v", _of_python(moment.time()))
    if case.name == "timestamp: ISO text":
        yield "UTC", ("v", _of_python(dt.datetime.fromisoformat(case.value)))
    if not isinstance(wanted, tuple) or wanted[0] != "timestamp":
        return
    _, nanos, aware = wanted
    yield "UTC", ("v", ("timestamp", nanos, True))
    if (digits := case.hints.get("precision")) is not None:
        step = 10 ** (9 - digits)
        yield "declared digits", ("v", ("timestamp", nanos // step * step, aware))
    yield "cut to 6 digits", ("v", ("timestamp", nanos // 1000 * 1000, aware))
    yield "rounded to 6 digits", ("v", ("timestamp", round(nanos / 1000) * 1000, aware))


def _of_json(value: Any) -> Iterator[tuple[str, tuple[str, Any]]]:
    text = value if isinstance(value, str) else json.dumps(value)
    changes: tuple[tuple[str, Callable[[str], str]], ...] = (
        ("null in JSON", lambda t: t.replace("NaN", "null")),
        ("␀", lambda t: t.replace("\\u0000", "\u2400")),
        ("escape", lambda t: t.replace("\\ud800", "\\\\ud800")),
        ("double in JSON", lambda t: json.dumps(json.loads(t))),
    )
    for name, change in changes:
        if not text.startswith("[[[[[["):
            yield name, ("v", ("json", _json(change(text))))


def _texts(value: Any) -> Iterator[str]:
    """Yield the spellings that a value may have as text."""
    if isinstance(value, pa.TimestampScalar):
        try:
            value = value.as_py()
        except (OverflowError, ValueError):
            return  # after the year 9999, or between microseconds
        yield value.isoformat()
    if isinstance(value, pa.Scalar):
        value = value.as_py() if not pa.types.is_date(value.type) else str(value.value)
    if isinstance(value, Decimal):
        yield f"{value:f}"
    yield str(value)
