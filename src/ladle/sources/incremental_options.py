"""The arguments of an incremental: their defaults, and what is refused."""

from __future__ import annotations

import builtins
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from ladle.errors import UsageError
from ladle.sources.incremental_path import cursor_path
from ladle.sources.incremental_range import LastValueFunc, Range, in_utc

OnMissing = Literal["raise", "include", "exclude"]
Edge = Literal["open", "closed"]
_CHOICES: Mapping[str, tuple[str | None, ...]] = {
    "row_order": (None, "asc", "desc"),
    "on_cursor_value_missing": ("raise", "include", "exclude"),
    "range_start": ("closed", "open"),
    "range_end": ("open", "closed"),
}
DEFAULTS: Mapping[str, Any] = {
    "cursor_path": None,
    "initial_value": None,
    "last_value_func": max,
    "primary_key": None,
    "end_value": None,
    "row_order": None,
    "allow_external_schedulers": None,
    "on_cursor_value_missing": "raise",
    "lag": None,
    "range_start": "closed",
    "range_end": "open",
}


def check(options: Mapping[str, Any]) -> None:
    """Refuse arguments that can't be, when they are given.

    Raises:
        UsageError: names the argument and what was expected.
    """
    for name, choices in _CHOICES.items():
        if options[name] not in choices:
            known = [c for c in choices if c is not None]
            raise UsageError.unknown_choice(name, options[name], known)
    path, lag = options["cursor_path"], options["lag"]
    if path is not None:
        if not isinstance(path, str) or not path.strip():
            raise UsageError(f"cursor_path can't be `{path!r}`", expected="a name or a JSONPath")
        cursor_path(path)
    if lag is not None and (isinstance(lag, bool) or not isinstance(lag, (int, float))):
        raise UsageError(f"lag can't be `{lag!r}`", expected="a number: seconds, days of dates, or units")
    if options["initial_value"] is not None and options["end_value"] is not None:
        _check_bounds(options["initial_value"], options["end_value"], options["last_value_func"])


def _check_bounds(initial: Any, end: Any, func: LastValueFunc) -> None:
    initial, end = in_utc(initial), in_utc(end)
    try:
        fits = Range(func=func).further(initial, end) == end
    except TypeError as exc:
        raise UsageError(
            f"initial_value is `{type(initial).__name__}` and end_value `{type(end).__name__}`",
            expected="both of the cursor's type",
        ) from exc
    if not fits:
        raise UsageError(
            f"initial_value `{initial}` is beyond end_value `{end}`",
            expected="end_value further than initial_value, in the direction of last_value_func",
        )


def function_of(func: Any) -> LastValueFunc:
    """Return the function that is named or given.

    Raises:
        UsageError: it is none.
    """
    if func is None:
        return max
    named = {"max": builtins.max, "min": builtins.min}
    if isinstance(func, str) and func in named:
        return named[func]
    if not callable(func):
        raise UsageError(f"last_value_func can't be `{func!r}`", expected="max, min, or a function")
    found: LastValueFunc = func
    return found


def keys_of(key: Any) -> tuple[str, ...] | None:
    """Return the names of a key, None where none is given.

    Raises:
        UsageError: it is no name and no list of names.
    """
    if key is None:
        return None
    if isinstance(key, str):
        return (key,)
    if isinstance(key, Sequence) and all(isinstance(name, str) for name in key):
        return tuple(key)
    raise UsageError(f"primary_key can't be `{key!r}`", expected="a name, names, or () for none")


def disposition_of(given: Any) -> str | None:
    """Return the name of a write disposition, however it is given."""
    if isinstance(given, Mapping):
        given = given.get("disposition")
    return given if isinstance(given, str) else None
