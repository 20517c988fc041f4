"""What a user writes in a rule, checked and turned into what JSON and YAML can hold."""

from __future__ import annotations

import difflib
import importlib
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from ladle.errors import UsageError, shorten

_INT64 = 1 << 63


def text(what: str, value: Any) -> str:
    """Return a text that isn't empty."""
    if not isinstance(value, str) or not value.strip():
        raise UsageError(f"{what} can't be `{shorten(value)}`", expected="a text that is not empty")
    return value


def texts(what: str, value: Any) -> tuple[str, ...]:
    """Return one or more texts as a tuple without repeats."""
    listed = [value] if isinstance(value, str) else value
    if not isinstance(listed, Sequence) or not listed:
        raise UsageError(f"{what} can't be `{shorten(value)}`", expected="a column name, or some")
    named = tuple(text(what, v) for v in listed)
    if len(set(named)) < len(named):
        raise UsageError(f"{what} names a column twice: {', '.join(named)}", expected="each once")
    return named


def plain_value(what: str, value: Any) -> bool | int | float | str:
    """Return a value as JSON can hold it; dates, times, decimals and integers beyond 64 bits as text."""
    if isinstance(value, (datetime, date, time)):
        return value.isoformat()
    finite = not isinstance(value, (float, Decimal)) or math.isfinite(value)
    if isinstance(value, Decimal) and finite:
        return str(value)
    if isinstance(value, int) and not isinstance(value, bool) and not -_INT64 <= value < _INT64:
        return str(value)
    if isinstance(value, (bool, int, float, str)) and finite:
        return value
    raise UsageError(
        f"{what} can't be `{shorten(value)}`", expected="a bool, number, text, date, time or timestamp"
    )


def plain_values(what: str, value: Any) -> tuple[Any, ...]:
    """Return at least one value, each once."""
    if isinstance(value, (str, bytes, Mapping)) or not hasattr(value, "__iter__"):
        raise UsageError(f"{what} can't be `{shorten(value)}`", expected="a list of values")
    # a set has no order of its own, and the stored form is compared
    listed = sorted(value, key=repr) if isinstance(value, (set, frozenset)) else list(value)
    if not listed:
        raise UsageError(f"{what} is empty", expected="at least one value")
    plain = [plain_value(what, v) for v in listed]
    # True equals 1 in Python, but isn't the same value
    return tuple({(type(v), v): v for v in plain}.values())


def whole_number(what: str, value: Any) -> int:
    """Return a whole number from 0."""
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise UsageError(f"{what} can't be `{shorten(value)}`", expected="a whole number from 0")
    return value


def seconds(what: str, value: Any) -> float:
    """Return a span of time in seconds."""
    found = value.total_seconds() if isinstance(value, timedelta) else value
    if isinstance(found, bool) or not isinstance(found, (int, float)) or not 0 < found < math.inf:
        raise UsageError(
            f"{what} can't be `{shorten(value)}`", expected="a timedelta, or seconds, more than none"
        )
    return float(found)


def one_of(choices: Sequence[str]) -> Callable[[str, Any], str]:
    """Return a check that a value is one of the choices."""

    def check(what: str, value: Any) -> str:
        if not isinstance(value, str) or value not in choices:
            near = difflib.get_close_matches(str(value), choices, n=1)
            raise UsageError(
                f"{what} can't be `{shorten(value)}`",
                expected="one of " + ", ".join(choices),
                hint=f"did you mean `{near[0]}`?" if near else None,
            )
        return value

    return check


def pattern(what: str, value: Any) -> str:
    """Return a regular expression that Arrow's engine (RE2) knows."""
    import pyarrow as pa
    import pyarrow.compute as pc

    found = getattr(value, "pattern", value)
    if getattr(value, "flags", 32) != 32:  # re.UNICODE alone, which is Python's default
        raise UsageError(f"{what} can't have flags of Python", hint="write them into the expression: (?i)abc")
    found = text(what, found)
    try:
        pc.match_substring_regex(pa.array([""]), found)
    except pa.ArrowInvalid as exc:
        raise UsageError(
            f"{what} can't be `{shorten(found)}`",
            expected="a regular expression of RE2, which has no look-around and no back references",
            hint=shorten(str(exc).rpartition(": ")[2]),
        ) from None
    return found


def check_bounds(kind: str, low: Any, high: Any) -> None:
    """Refuse two limits that no value keeps, or none at all."""
    if low is None and high is None:
        raise UsageError(f"rule `{kind}` has no limit", expected="`low`, `high` or both")
    if low is None or high is None:
        return
    numbers = all(isinstance(v, (int, float)) and not isinstance(v, bool) for v in (low, high))
    if (numbers or (isinstance(low, str) and isinstance(high, str) and _ordered_alike(low, high))) and (
        _value(low) > _value(high)
    ):
        raise UsageError(
            f"rule `{kind}` accepts nothing: low is {shorten(low)}, high is {shorten(high)}",
            expected="the low limit first",
        )


def _ordered_alike(low: str, high: str) -> bool:
    return type(_value(low)) is type(_value(high))


def _value(given: Any) -> Any:
    """Return a number for text that is one: `9` is less than `10`; other text as it is."""
    try:
        return Decimal(given) if isinstance(given, str) else given
    except ArithmeticError:
        return given


def function_path(what: str, function: Any) -> str:
    """Return `module:name` of a function, from which another process finds it.

    Raises:
        UsageError: a lambda, or a function within a function, or what can't be called.
    """
    if isinstance(function, str):
        module, _, name = function.partition(":")
        if not module or not name:
            raise UsageError(
                f"{what} can't be `{shorten(function)}`", expected="a function, or `module:name`"
            )
        return function
    name, module = getattr(function, "__qualname__", ""), getattr(function, "__module__", "")
    if not callable(function) or not name or not module:
        raise UsageError(f"{what} can't be `{shorten(function)}`", expected="a function, or `module:name`")
    if "<" in name or not _is_found(module, name, function):
        raise UsageError(
            f"{what} can't be `{name}`: another process couldn't find it again",
            expected="a function at the top of a module",
            hint="define it with `def` outside of other functions; what it closes over can be a global",
        )
    return f"{module}:{name}"


def _is_found(module: str, name: str, function: Any) -> bool:
    found: Any = sys.modules.get(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    return found is function


def function_of(path: str) -> Callable[[Any], Any]:
    """Return the function of a path.

    Raises:
        UsageError: it isn't there.
    """
    module, _, name = path.partition(":")
    try:
        found: Any = importlib.import_module(module)
        for part in name.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError) as exc:
        raise UsageError(
            f"the function `{path}` of a rule isn't there: {exc}",
            hint="keep it importable for the process that normalises, under the name it was declared with",
        ) from exc
    if not callable(found):
        raise UsageError(f"`{path}`, which a rule calls, is no function", expected="`module:function`")
    return found  # type: ignore[no-any-return]
