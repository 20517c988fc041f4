"""Values as providers give them, turned into what a type hint asks for."""

from __future__ import annotations

import ast
import collections.abc
import enum
import os
from collections.abc import Callable, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, is_typeddict

import orjson

from ladle.config.hints import alternatives, bare, is_optional, is_secret

_TRUE = ("true", "1", "yes", "on", "t", "y")
_FALSE = ("false", "0", "no", "off", "f", "n")
_LISTS: Mapping[Any, Callable[[Any], Any]] = {
    list: list,
    tuple: tuple,
    set: set,
    frozenset: frozenset,
    collections.abc.Sequence: list,
    collections.abc.MutableSequence: list,
    collections.abc.Iterable: list,
    collections.abc.Collection: list,
    collections.abc.Set: set,
}
_DICTS = (dict, collections.abc.Mapping, collections.abc.MutableMapping)


class Mismatch(Exception):
    """A value isn't of a type. Says nothing of the value, which may be secret."""


def coerce(value: Any, hint: Any) -> Any:
    """Return `value` as `hint` wants it.

    Args:
        value: text of the environment, or what TOML, JSON or code gave.
        hint: a type; unknown ones take any value.

    Raises:
        Mismatch: it can't be.
    """
    members = alternatives(hint)
    if value is None and is_optional(hint):
        return None
    if len(members) == 1:
        return _as(value, members[0], is_secret(hint))
    for member in members:  # what fits as it is goes first; but text may stand for anything
        plain = get_origin(member) or member
        if isinstance(plain, type) and type(value) is plain and plain is not str:
            return _as(value, member, is_secret(hint))
    for member in members:
        try:
            return _as(value, member, is_secret(hint))
        except Mismatch:
            continue
    raise Mismatch


def _as(value: Any, hint: Any, secret: bool) -> Any:
    origin = get_origin(hint)
    if hint is Any or hint is object:
        return guessed(value, secret) if isinstance(value, str) else value
    if origin is Literal:
        return _choice(value, get_args(hint))
    kind = origin or hint
    if kind in _LISTS:
        return _listed(value, kind, get_args(hint))
    if kind in _DICTS or is_typeddict(kind):
        return _mapped(value, get_args(hint))
    if kind in _PLAIN:
        try:
            return _PLAIN[kind](value)
        except (ValueError, TypeError, AttributeError, InvalidOperation, OverflowError):
            pass
        raise Mismatch  # not in the handler: the error that it would keep shows the value
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return _member(value, kind)
    if isinstance(kind, type) and isinstance(value, str) and kind.__module__ in ("builtins", "uuid"):
        return _called(kind, value)
    return value


def guessed(value: str, secret: bool) -> Any:
    """Return what text means where no type is known: JSON, a number, true or false, else the text.

    A secret stays text unless it is a list or an object: `007` may be a password.
    """
    text = value.strip()
    if not text or (secret and text[0] not in "[{"):
        return value
    try:
        found = orjson.loads(text.lower() if text.lower() in ("true", "false") else text)
    except orjson.JSONDecodeError:
        return value
    return value if found is None or isinstance(found, str) else found


def _called(kind: type, value: str) -> Any:
    try:
        return kind(value)
    except (ValueError, TypeError):
        pass
    raise Mismatch


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, (date, datetime, time)):
        return value.isoformat()
    if isinstance(value, (int, float, Decimal, os.PathLike)):
        return str(value)
    raise ValueError


def _bytes(value: Any) -> bytes:
    return value if isinstance(value, bytes) else _text(value).encode()


def _int(value: Any) -> int:
    if isinstance(value, bool):
        raise TypeError
    if isinstance(value, str):
        return int(value.strip())
    if isinstance(value, (int, float, Decimal)) and value == int(value):
        return int(value)
    raise ValueError


def _float(value: Any) -> float:
    if isinstance(value, bool):
        raise TypeError
    return float(value)


def _bool(value: Any) -> bool:
    text = str(value).strip().lower()
    if not isinstance(value, (bool, int, str)) or text not in (*_TRUE, *_FALSE):
        raise ValueError
    return text in _TRUE


def _decimal(value: Any) -> Decimal:
    if isinstance(value, bool):
        raise TypeError
    return value if isinstance(value, Decimal) else Decimal(str(value).strip())


def _datetime(value: Any) -> datetime:
    if isinstance(value, datetime):
        return value
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day)  # noqa: DTZ001 - a date has no zone
    return datetime.fromisoformat(value.strip())


def _date(value: Any) -> date:
    if isinstance(value, datetime):
        return value.date()
    if isinstance(value, date):
        return value
    text = value.strip()
    try:
        return date.fromisoformat(text)
    except ValueError:
        return datetime.fromisoformat(text).date()


def _time(value: Any) -> time:
    return value if isinstance(value, time) else time.fromisoformat(value.strip())


def _timedelta(value: Any) -> timedelta:
    return value if isinstance(value, timedelta) else timedelta(seconds=_float(value))


def _none(value: Any) -> None:
    if value not in (None, "", "null", "None"):
        raise ValueError


_PLAIN: Mapping[Any, Callable[[Any], Any]] = {
    str: _text,
    bytes: _bytes,
    int: _int,
    float: _float,
    bool: _bool,
    Decimal: _decimal,
    datetime: _datetime,
    date: _date,
    time: _time,
    timedelta: _timedelta,
    Path: Path,
    os.PathLike: Path,
    type(None): _none,
}
SCALARS = frozenset(_PLAIN)


def _choice(value: Any, choices: tuple[Any, ...]) -> Any:
    for choice in choices:
        if type(choice) is type(value) and choice == value:
            return choice
    for choice in choices:
        try:
            if choice is not None and _as(value, type(choice), secret=False) == choice:
                return choice
        except Mismatch:
            continue
    raise Mismatch


def _member(value: Any, kind: type[enum.Enum]) -> Any:
    if isinstance(value, kind):
        return value
    for member in kind:
        if value in (member.value, member.name) or str(value) == str(member.value):
            return member
    raise Mismatch


def parsed(text: str) -> Any:
    """Return the list or object in text: JSON, or a Python literal.

    Raises:
        Mismatch: it is neither.
    """
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        pass
    try:
        return ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        pass
    raise Mismatch


def _listed(value: Any, kind: Any, arguments: tuple[Any, ...]) -> Any:
    found = parsed(value) if isinstance(value, str) else value
    if not isinstance(found, (list, tuple, set, frozenset)):
        raise Mismatch
    make = _LISTS[kind]
    if kind is tuple and arguments and arguments[-1] is not Ellipsis:
        if len(arguments) != len(found):
            raise Mismatch
        return tuple(coerce(v, a) for v, a in zip(found, arguments, strict=True))
    if not arguments or bare(arguments[0]) is Any:
        return make(found)
    return make(coerce(v, arguments[0]) for v in found)


def _mapped(value: Any, arguments: tuple[Any, ...]) -> Any:
    found = parsed(value) if isinstance(value, str) else value
    if not isinstance(found, Mapping):
        raise Mismatch
    if len(arguments) != 2 or bare(arguments[1]) is Any:
        return dict(found)
    return {coerce(k, arguments[0]): coerce(v, arguments[1]) for k, v in found.items()}


def takes_tables(hint: Any) -> bool:
    """Whether a table of a file may be a value of the hint; else a table of that name is only a section."""
    for member in alternatives(hint):
        kind = get_origin(member) or member
        if kind in SCALARS or kind in _LISTS or kind is Literal:
            continue
        return True
    return False
