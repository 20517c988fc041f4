"""Keys of dicts to names of struct fields."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ladle.extract.scalars import settle
from ladle.package.raw import PREFIX

Row = dict[Any, Any]


def are_names(keys: Iterable[Any]) -> bool:
    """Say whether all keys can be names as they are: str, fit for UTF-8, and not like a variant's field."""
    if set(map(type, keys)) - {str}:
        return False
    text = "".join(keys)
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return PREFIX not in text or not any(key.startswith(PREFIX) for key in keys)


def named(row: Row) -> dict[str, Any]:
    """Return a dict with names for keys: bytes as UTF-8, others by `str`, private prefix dropped.

    Where two keys become one name, one that is that name already keeps it and the others get a number.
    """
    taken = {key for key in row if type(key) is str and _name(key) == key}
    result: dict[str, Any] = {}
    for key, value in row.items():
        name = _name(key)
        if name != key or type(key) is not str:
            name = _free(name, taken)
            taken.add(name)
        result[name] = value
    return result


def distinct(names: Iterable[str]) -> list[str]:
    """Return names of which none is there twice: the first keeps its spelling, others get a number."""
    given = [_name(name) for name in names]
    spelled = set(given)
    seen: set[str] = set()
    result = []
    for name in given:
        result.append(_free(name, spelled) if name in seen else name)
        seen.add(name)
        spelled.add(result[-1])
    return result


def _name(key: Any) -> str:
    if isinstance(key, bytes):
        key = key.decode("utf-8", "backslashreplace")
    text: str = settle(str.__str__(key) if isinstance(key, str) else str(key))[1]
    return text.lstrip(PREFIX)


def _free(name: str, taken: set[str]) -> str:
    free, number = name, 2
    while free in taken:
        free, number = f"{name}_{number}", number + 1
    return free
