"""What dispositions leave, in pure Python: rows are dicts, each with its children below `kids`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ladle.schema.change import REPLACES

Row = dict[str, Any]
History = Sequence[Sequence[Row]]


@dataclass(frozen=True)
class Way:
    """How the rows of a resource meet what is there.

    Attributes:
        disposition: `append`, `replace` or `merge`.
        strategy: of a merge, or of a replace.
        primary: columns of the primary key.
        other: columns of the merge key.
        sort: column whose least value wins among rows of one key.
        deletes: column that marks rows which delete.
    """

    disposition: str
    strategy: str = ""
    primary: tuple[str, ...] = ()
    other: tuple[str, ...] = ()
    sort: str = ""
    deletes: str = ""

    @property
    def hints(self) -> dict[str, Any]:
        """Arguments of `ladle.resource`."""
        columns: dict[str, Row] = {name: {"nullable": True} for name in (*self.primary, *self.other)}
        if self.sort:
            columns[self.sort] = {"dedup_sort": "asc", "data_type": "bigint"}
        if self.deletes:
            columns[self.deletes] = {"hard_delete": True, "data_type": "bool"}
        written: Any = self.disposition
        if self.strategy:
            written = {"disposition": self.disposition, "strategy": self.strategy}
        keys = {"primary_key": list(self.primary), "merge_key": list(self.other)}
        return {"write_disposition": written, "columns": columns, **{n: k for n, k in keys.items() if k}}


def after(old: Sequence[Row], new: Sequence[Row], way: Way) -> list[Row]:
    """Return the rows that are there after a load."""
    if way.disposition == "append":
        return [*old, *new]
    if way.disposition == "replace":
        return list(new)
    one_each = _one_each(new, way)
    added = [row for row in one_each if not row.get(way.deletes)]
    if way.strategy == "insert-only":
        known = {_key(row, way.primary) for row in old}
        return [*old, *(row for row in added if _key(row, way.primary) not in known)]
    others = () if way.strategy == "upsert" else way.other
    gone = [(names, {_key(row, names) for row in new} - {None}) for names in (way.primary, others)]
    left = [row for row in old if not any(_key(row, names) in keys for names, keys in gone)]
    return [*left, *added]


def _key(row: Mapping[str, Any], names: Sequence[str]) -> tuple[Any, ...] | None:
    """Return a row's key; None where a part of it is null, which equals nothing."""
    key = tuple(row.get(name) for name in names)
    return None if not names or None in key else key


def _one_each(rows: Sequence[Row], way: Way) -> list[Row]:
    """Return of the rows with one key the first by `sort`, nulls last, else the first that came."""
    if way.sort:
        rows = sorted(rows, key=lambda row: (row.get(way.sort) is None, row.get(way.sort) or 0))
    kept: dict[Any, Row] = {}
    for number, row in enumerate(rows):
        key = _key(row, way.primary)
        kept.setdefault(("none", number) if key is None else key, row)
    return list(kept.values())


@dataclass(frozen=True)
class Story:
    """A way of loading, and what is loaded one after the other."""

    name: str
    way: Way
    loads: History = field(default_factory=tuple)

    @property
    def table(self) -> str:
        """The table that it is loaded to."""
        return self.name.replace(" ", "_").replace("-", "_")

    def expected(self) -> list[Row]:
        """Return the rows that are there in the end."""
        rows: list[Row] = []
        for new in self.loads:
            rows = after(rows, new, self.way)
        return [{k: v for k, v in row.items() if v is not None} for row in rows]


def _row(key: int | None, text: str | None, *kids: int, **more: Any) -> Row:
    return {"id": key, "v": text, "kids": [{"x": kid} for kid in kids], **more}


_KEYED: History = (
    [_row(1, "a", 1, 2), _row(2, "b"), _row(3, "c", 3)],
    [_row(2, "b2", 4, 5), _row(4, "d", 6), _row(4, "d2", 7)],
    [_row(1, None), _row(3, "c3", 8), _row(5, "")],
)
_COMPOUND: History = (
    [
        {"k": "ab", "l": "c", "v": "1", "kids": [{"x": 1}]},
        {"k": "a", "l": "bc", "v": "2", "kids": [{"x": 2}]},
    ],
    [{"k": "a", "l": "bc", "v": "3", "kids": []}, {"k": "", "l": "abc", "v": "4", "kids": [{"x": 3}]}],
    [
        {"k": "abc", "l": "", "v": "5", "kids": [{"x": 4}]},
        {"k": "ab", "l": "c", "v": "6", "kids": [{"x": 5}]},
    ],
)
_SORTED: History = (
    [_row(1, "late", 1, s=9), _row(1, "early", 2, s=3), _row(2, "none", 3, s=None), _row(2, "some", s=4)],
    [_row(1, "new", 4, s=2), _row(1, "newer", 5, s=1)],
)
_DELETED: History = (
    [_row(1, "a", 1, gone=None), _row(2, "b", 2, gone=False), _row(3, "c", 3, gone=True)],
    [_row(1, "a2", 4, gone=True), _row(2, "b2", 5, gone=False), _row(9, "z", gone=True)],
)
_PARTS: History = (
    [_row(1, "a", 1, day=1), _row(2, "b", 2, day=1), _row(3, "c", 3, day=2)],
    [_row(4, "d", 4, day=1), _row(5, "e", 5, day=3)],
)
_BARE: History = ([_row(1, "a", 1), _row(None, "b", 2)], [_row(None, "c", 3), _row(1, "d", 4)])


def merges(strategy: str) -> list[Story]:
    """Return the stories of a merge by a strategy."""

    def story(name: str, loads: History, *primary: str, **more: Any) -> Story:
        return Story(name, Way("merge", strategy, primary, **more), loads)

    found = [
        story("key", _KEYED, "id"),
        story("compound key", _COMPOUND, "k", "l"),
        story("dedup_sort", _SORTED, "id", sort="s"),
        story("hard_delete", _DELETED, "id", deletes="gone"),
    ]
    if strategy == "delete-insert":
        found += [
            story("merge key", _PARTS, other=("day",)),
            story("both keys", _PARTS, "id", other=("day",)),
            story("keys that are null", _BARE, "id"),
            story("no key", _BARE),
        ]
    return found


PLAIN = (
    Story("append", Way("append"), _KEYED),
    Story("replace", Way("replace"), _KEYED),
    *(Story(f"replace by {name}", Way("replace", name), _KEYED) for name in REPLACES),
)
"""Stories of the dispositions that need no keys."""
MERGED = ("delete-insert", "upsert", "insert-only")
"""Strategies that `merges` has stories of."""

SNAPSHOTS: History = (
    [_row(1, "a", 1), _row(2, "b", 2), _row(3, "c")],
    [_row(1, "a", 1), _row(2, "b2", 3, 4)],
    [_row(1, "a", 1), _row(2, "b", 2), _row(3, "c")],
)
"""What a table says on three days: a row that stays, one that changes and back, one that goes and comes."""


def versions(snapshots: History) -> list[tuple[Row, int, int | None]]:
    """Return what a history (`scd2`) keeps: each content with the day from which, and to which, it held."""
    kept: list[tuple[Row, int, int | None]] = []
    for day, rows in enumerate(snapshots, 1):
        kept = [(r, since, day if to is None and r not in rows else to) for r, since, to in kept]
        current = [r for r, _, to in kept if to is None]
        kept += [(row, day, None) for row in rows if row not in current]
    return kept
