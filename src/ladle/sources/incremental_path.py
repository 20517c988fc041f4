"""Cursor paths: how the cursor's value is found in a row. Names and dotted names don't need JSONPath."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from ladle.errors import UsageError


class Missing:
    """The type of `MISSING`: a row that has nothing at the path."""


MISSING = Missing()

Reader = Callable[[Sequence[Any]], list[Any]]
_DOTTED = re.compile(r"(?:\$\.)?[^\W\d][\w-]*(?:\.[^\W\d][\w-]*)*")


class CursorPath:
    """A compiled cursor path.

    Args:
        text: a name, dotted names, `$` for the whole row, or any JSONPath; its first match counts.

    Raises:
        UsageError: not a JSONPath.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self.names = _names(text)
        self.is_whole = text == "$"
        self._read = _reader(text, self.names)

    @property
    def column(self) -> str | None:
        """The name of the column it reads, if it is one of the row's own."""
        return self.names[0] if len(self.names) == 1 else None

    def __reduce__(self) -> tuple[Any, ...]:
        return cursor_path, (self.text,)

    def values(self, rows: Sequence[Any]) -> list[Any]:
        """Return the cursor of each row; `MISSING` where there is none."""
        return self._read(rows)


@lru_cache(maxsize=256)
def cursor_path(text: str) -> CursorPath:
    """Return the path compiled, once for all that use it."""
    return CursorPath(text)


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.removeprefix("$.").split(".")) if _DOTTED.fullmatch(text) else ()


def _reader(text: str, names: tuple[str, ...]) -> Reader:
    if text == "$":
        return list
    if len(names) == 1:
        return _by_name(names[0])
    if names:
        return _by_names(names)
    return _by_json_path(text)


def _by_name(name: str) -> Reader:
    def read(rows: Sequence[Any]) -> list[Any]:
        try:
            return [row[name] for row in rows]
        except (KeyError, TypeError, IndexError):
            return [field(row, name) for row in rows]

    return read


def _by_names(names: tuple[str, ...]) -> Reader:
    def read(rows: Sequence[Any]) -> list[Any]:
        found = list(rows)
        for name in names:
            try:
                found = [row[name] for row in found]
            except (KeyError, TypeError, IndexError):
                found = [field(row, name) for row in found]
        return found

    return read


def field(row: Any, name: str) -> Any:
    """Return a field of a dict or of an object with named fields; `MISSING` where it has none."""
    if isinstance(row, Mapping):
        return row.get(name, MISSING)
    if row is MISSING or row is None or isinstance(row, (str, bytes, list, int, float)):
        return MISSING
    found = getattr(row, name, MISSING)
    if found is MISSING and hasattr(row, "keys"):  # such as sqlite3.Row
        return row[name] if name in row.keys() else MISSING  # noqa: SIM118
    if found is MISSING and hasattr(row, "model_dump"):
        return row.model_dump(by_alias=True).get(name, MISSING)
    return found


def is_frame(item: Any) -> bool:
    """Whether `item` is a frame: Arrow, pandas, polars, or anything that streams Arrow."""
    kind = type(item)
    if kind is dict or kind is list:
        return False
    return (
        hasattr(item, "__arrow_c_stream__")
        or hasattr(item, "__arrow_c_array__")
        or hasattr(item, "collect_schema")
        or (kind.__module__.partition(".")[0] == "pandas" and hasattr(item, "columns"))
    )


def _by_json_path(text: str) -> Reader:
    from jsonpath_ng.exceptions import JSONPathError
    from jsonpath_ng.parser import parse

    try:
        path = parse(text)
    except (JSONPathError, TypeError, ValueError) as exc:
        raise UsageError(
            f"the cursor path `{text}` is not a JSONPath: {str(exc).strip()}",
            expected="a name, dotted names such as `item.updated_at`, or a JSONPath",
            hint="put names with other characters in quotes: \"'updated at'\"",
        ) from exc

    def read(rows: Sequence[Any]) -> list[Any]:
        return [next((match.value for match in path.find(row)), MISSING) for row in rows]

    return read
