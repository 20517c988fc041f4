"""What became of the rows of a resource, counted by items and pages: numbers that add up."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from operator import length_hint
from typing import Any

from ladle.sources.steps import FilterItem, MapItem, Step, rows_of


@dataclass(slots=True)
class Account:
    """Rows that a resource's function and steps gave, and that didn't become rows of a table.

    Attributes:
        filtered: left out by `add_filter`, by an `add_map` that returned None, or out of the cursor's range.
        deduplicated: at the start of the cursor's range, and loaded before.
        rejected: refused by the model.
    """

    filtered: int = 0
    deduplicated: int = 0
    rejected: int = 0

    @property
    def left_out(self) -> int:
        """All of them."""
        return self.filtered + self.deduplicated + self.rejected

    def of(self, extracted: int) -> dict[str, int]:
        """Return the numbers by name, with the rows that were extracted, and the sum as rows read."""
        return {"read": self.left_out + extracted, **asdict(self), "extracted": extracted}


Refuse = Callable[["Refusal"], None]


@dataclass(frozen=True, slots=True)
class Refusal:
    """A row that a model refused, or a field that it was loaded without.

    Attributes:
        resource: whose row it is.
        rule: what it broke.
        reason: the same in words; says nothing of the value.
        row: the whole row; of a field only what leads to it.
        path: from the row to the value: keys, and positions in lists.
        wanted: what the field accepts.
        position: number of the row among those that came to the model.
        whole: whether the row is left out, and not only the field.
        meta: what was marked on the item.
        extra: whether it is a field that the model lacks.
        item: the whole row, as it came.
    """

    resource: Any
    rule: str
    reason: str
    row: Any
    path: tuple[str | int, ...]
    wanted: str | None
    position: int
    whole: bool
    meta: Any = None
    extra: bool = False
    item: Any = None


class Counted:
    """A step that leaves out rows, with its count."""

    __slots__ = ("_account", "step")

    def __init__(self, step: Step, account: Account) -> None:
        self.step = step
        self._account = account

    def __call__(self, item: Any, meta: Any = None) -> Any:
        """Return what becomes of an item or page."""
        made = self.step(item, meta)
        if made is None:
            self._account.filtered += rows_of(item)
        elif type(item) is list:
            # A map may return an iterator over what is still to be awaited.
            self._account.filtered += len(item) - length_hint(made, len(item))
        return made

    @property
    def is_map(self) -> bool:
        """Whether it may give rows later, which may be None then."""
        return type(self.step) is MapItem


def counted(step: Step, account: Account) -> Step:
    """Return a step that counts what it leaves out; others make rows of their own, and are as they are."""
    return Counted(step, account) if isinstance(step, (MapItem, FilterItem)) else step
