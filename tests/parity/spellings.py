"""Which keys of the records are behind each table and column: several where names come out equal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.parity.documents import TABLE

from ladle.schema.naming import naming

Keys = tuple[str, ...]
NAMES = naming("snake_case")


@dataclass(frozen=True)
class Spellings:
    """Paths of keys by `(table, column)`, and paths of lists by table name."""

    columns: dict[tuple[str, str], set[Keys]] = field(default_factory=dict)
    tables: dict[str, set[Keys]] = field(default_factory=dict)

    def shared_column(self, table: str, column: str) -> bool:
        """Whether keys of several spellings come out as this column."""
        return len(self.columns.get((table, column), ())) > 1

    def shared_table(self, table: str) -> bool:
        """Whether lists of several spellings come out as this table or as one above it."""
        return any(
            len(paths) > 1 and f"{table}__".startswith(f"{name}__") for name, paths in self.tables.items()
        )


def spellings(records: Sequence[Any]) -> Spellings:
    """Collect the spellings of records; lists in lists have the key `list`, scalars in lists `value`."""
    found = Spellings()
    for record in records:
        for table, column in _leaves(record, (), ()):
            name = NAMES.join(TABLE, *table) if table else TABLE
            found.tables.setdefault(name, set()).add(table)
            if column is not None:
                found.columns.setdefault((name, NAMES.join(*(column or ("value",)))), set()).add(column)
    return found


def _leaves(value: Any, table: Keys, column: Keys) -> Iterator[tuple[Keys, Keys | None]]:
    """Every scalar below a value: the keys of its list from the root, and its own keys from the list's item.

    A list is told too, without a column, as an item without values makes a row as well.
    """
    if isinstance(value, dict):
        for key, below in value.items():
            yield from _leaves(below, table, (*column, key))
    elif isinstance(value, list):
        inner = (*table, *(column or ("list",)))
        for below in value:
            yield inner, None
            yield from _leaves(below, inner, ())
    else:
        yield table, column
