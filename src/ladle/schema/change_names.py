"""Changes that rename and drop what a destination has; unlike others, only ever made because a user asks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class RenameTable:
    """Call the table `table` `name` from now on."""

    table: str
    name: str

    def __str__(self) -> str:
        return f"rename table `{self.table}` to `{self.name}`"


@dataclass(frozen=True, slots=True)
class RenameColumn:
    """Call the column `column` of `table` `name` from now on."""

    table: str
    column: str
    name: str

    def __str__(self) -> str:
        return f"rename column `{self.column}` of table `{self.table}` to `{self.name}`"


@dataclass(frozen=True, slots=True)
class DropTable:
    """Drop `table` with its rows."""

    table: str

    def __str__(self) -> str:
        return f"drop table `{self.table}`"


@dataclass(frozen=True, slots=True)
class DropColumn:
    """Drop the column `column` of `table` with its values."""

    table: str
    column: str

    def __str__(self) -> str:
        return f"drop column `{self.column}` of table `{self.table}`"


NameChange = RenameTable | RenameColumn | DropTable | DropColumn
_KINDS: Mapping[str, type[NameChange]] = {
    "rename_table": RenameTable,
    "rename_column": RenameColumn,
    "drop_table": DropTable,
    "drop_column": DropColumn,
}
_NAMES = {cls: name for name, cls in _KINDS.items()}

There = Mapping[str, Mapping[str, str]]
"""Types by column by table."""


def to_plain(change: NameChange) -> dict[str, Any]:
    """Return a change as JSON holds it."""
    return {"change": _NAMES[type(change)], **asdict(change)}


def from_plain(plain: Mapping[str, Any]) -> NameChange:
    """Return what `to_plain` was given."""
    return _KINDS[plain["change"]](**{k: v for k, v in plain.items() if k != "change"})


def due(change: NameChange, there: There) -> bool:
    """Whether a change is still to be made: what it changes is there, under its old name."""
    columns = there.get(change.table)
    if columns is None:
        return False
    return isinstance(change, RenameTable | DropTable) or change.column in columns


def blocked(change: NameChange, there: There) -> bool:
    """Whether the name that a change gives is taken at the destination."""
    if isinstance(change, RenameTable):
        return due(change, there) and change.name in there
    return isinstance(change, RenameColumn) and due(change, there) and change.name in there[change.table]


def after(there: There, change: NameChange) -> dict[str, dict[str, str]]:
    """Return what is there once a change is made."""
    made = {table: dict(columns) for table, columns in there.items()}
    if not due(change, there):
        return made
    if isinstance(change, RenameTable):
        made[change.name] = made.pop(change.table)
    elif isinstance(change, DropTable):
        del made[change.table]
    elif isinstance(change, RenameColumn):
        columns = made[change.table]
        made[change.table] = {change.name if n == change.column else n: t for n, t in columns.items()}
    else:
        del made[change.table][change.column]
    return made
