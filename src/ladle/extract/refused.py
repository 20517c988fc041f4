"""The signal that a value can't be stored, and the error it becomes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from ladle.errors import DataError, shorten

EXPECTED = "null, bool, number, text, bytes, date, time, list or dict"

_CONVERT = "return {target}, or map it: {resource}.add_map(lambda r: {{**r, {key}: {call}(r[{key}])}})"
_CONVERT_NESTED = "convert it before it is yielded, for instance in a function given to {resource}.add_map"


class Hiding(Protocol):
    """Knows which values must not show."""

    def cover(self, path: Sequence[str | int]) -> list[str | int] | None:
        """Return the part of a path that ends at a protected column; None outside of one."""

    def hides(self, path: Sequence[str | int]) -> bool:
        """Whether what a message tells of a value at a path may hold protected ones."""

    def item(self, item: Any) -> Any:
        """Return what may be written of an item that is no row."""


@dataclass(frozen=True, slots=True)
class Where:
    """Where rows come from, for errors.

    Attributes:
        resource: name of the resource.
        table: name of the table the rows go to.
        first_row: number of the first row, as errors should show it.
        guard: knows what must not show; None where nothing is protected.
    """

    resource: str
    table: str
    first_row: int = 0
    guard: Hiding | None = field(default=None, compare=False, repr=False)

    def at(self, first_row: int) -> Where:
        """Return the same place, beginning at another row."""
        return replace(self, first_row=first_row)


class Refused(Exception):
    """A value can't be stored; raised where it was met, located on the way up.

    Attributes:
        row: index in the values of the level that caught it last.
        path: keys (str) and list positions (int), innermost last.
    """

    def __init__(self, row: int, type_: type, reason: str | None = None, hint: str | None = None) -> None:
        super().__init__(reason or type_.__name__)
        self.row = row
        self.type = type_
        self.reason = reason
        self.hint = hint
        self.path: list[str | int] = []

    def forget(self, path: list[str | int] | None) -> None:
        """Forget what was said of the value, and by whom: it may hold what must not show.

        Args:
            path: what may be shown of the path; None for all of it.
        """
        self.args = (self.type.__name__,)
        self.reason = "why can't be shown, as the column is protected" if self.reason else None
        self.hint = None
        self.__cause__ = self.__context__ = None
        self.path = self.path if path is None else path

    def under_key(self, key: str) -> None:
        """Add the key of the dict that the value is in."""
        self.path.insert(0, key)

    def under_list(self, row: int, position: int) -> None:
        """Add the position in the list at `row` that the value is in."""
        self.path.insert(0, position)
        self.row = row


def to_error(refused: Refused, where: Where) -> DataError:
    """Return the error for the user: resource, table, column path and row number, no protected value."""
    if where.guard is not None and where.guard.hides(refused.path):
        refused.forget(where.guard.cover(refused.path))
    column = column_path(refused.path)
    place = f" in column `{shorten(column)}`" if column else ""
    what = f"cannot store a value of type `{refused.type.__name__}`{place}"
    if refused.reason:
        what += f": {refused.reason}"
    return DataError(
        what,
        expected=None if refused.reason else EXPECTED,
        hint=_hint(refused, where),
        resource=where.resource,
        table=where.table,
        column=column or None,
        row=where.first_row + refused.row,
    )


def column_path(path: Iterable[str | int]) -> str:
    """Return a path as people write it: `a.b[2].c`."""
    parts = [f"[{p}]" if isinstance(p, int) else f".{p}" for p in path]
    return "".join(parts).removeprefix(".")


def _hint(refused: Refused, where: Where) -> str:
    if refused.hint:
        return refused.hint
    if hasattr(refused.type, "__await__"):
        return "await it before the row is yielded, or make the whole row in the coroutine and yield that"
    if refused.reason or len(refused.path) != 1 or not isinstance(refused.path[0], str):
        return _CONVERT_NESTED.format(resource=where.resource)
    iterable = hasattr(refused.type, "__iter__")
    return _CONVERT.format(
        target="a list" if iterable else "text",
        call="list" if iterable else "str",
        resource=where.resource,
        key='"' + refused.path[0].replace('"', '\\"') + '"',
    )
