"""What a merge leaves, in pure Python: an oracle for the SQL of `ladle.load.strategies`, and histories to feed both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

Row = dict[str, Any]
STRATEGIES = ("delete-insert", "upsert", "insert-only")
REPLACES = ("truncate-and-insert", "insert-from-staging", "staging-optimized")


@dataclass(frozen=True)
class Way:
    """How rows are merged: strategy and keys; `sort`: `asc`, `desc` or nothing; `flag`: a hard_delete column.

    `missing`: what happens to rows that a batch lacks: `hard`, `soft` or nothing, in all of the table or `within`
    columns; `skips`: rows that are the same aren't touched.
    """

    strategy: str
    primary: tuple[str, ...] = ()
    other: tuple[str, ...] = ()
    sort: str = ""
    flag: bool = False
    missing: str = ""
    within: tuple[str, ...] = ()
    skips: bool = False

    @property
    def hints(self) -> Row:
        """Arguments of a resource."""
        columns: dict[str, Row] = {name: {"nullable": True} for name in (*self.primary, *self.other)}
        if self.sort:
            columns["s"] = {"dedup_sort": self.sort, "data_type": "bigint"}
        if self.flag:
            columns["gone"] = {"hard_delete": True, "data_type": "bool"}
        keys = {"primary_key": self.primary, "merge_key": self.other}
        disposition = "replace" if self.strategy in REPLACES else "merge"
        merge: Row = {"disposition": disposition, "strategy": self.strategy}
        if self.missing:
            merge |= {"delete_missing": self.missing, "max_missing": 1.0, "missing_within": list(self.within)}
        if self.skips:
            merge["skip_unchanged_rows"] = True
        return {
            "write_disposition": merge,
            "columns": columns,
            **{name: list(key) for name, key in keys.items() if key},
        }


def key_of(row: Mapping[str, Any], names: Sequence[str]) -> tuple[Any, ...] | None:
    """Return a row's key; None where a part of it is missing, which equals nothing."""
    key = tuple(row.get(name) for name in names)
    return None if not names or None in key else key


def _one_each(rows: Sequence[Row], way: Way) -> list[Row]:
    """Of the rows with one key the first by `sort`, nulls last, else the first that came."""
    if way.sort:
        sign = -1 if way.sort == "desc" else 1
        rows = sorted(rows, key=lambda r: (r.get("s") is None, sign * (r.get("s") or 0)))
    kept: dict[Any, Row] = {}
    for number, row in enumerate(rows):
        key = key_of(row, way.primary)
        kept.setdefault(("none", number) if key is None else key, row)
    return list(kept.values())


def _is_missing(row: Row, new: Sequence[Row], way: Way) -> bool:
    """Whether an old row isn't among those of a listing that is about it."""
    if not way.missing or row.get("lost"):
        return False
    if way.within and key_of(row, way.within) not in {key_of(n, way.within) for n in new} - {None}:
        return False
    return key_of(row, way.primary) not in {key_of(n, way.primary) for n in new} - {None}


def compared(old: Sequence[Row], new: Sequence[Row], way: Way) -> list[Row]:
    """Return the old rows after those that are missing have gone, or are marked as lost."""
    lost = [_is_missing(row, new, way) for row in old]
    if way.missing == "soft":
        return [{**row, "lost": True} if gone else row for row, gone in zip(old, lost, strict=True)]
    return [row for row, gone in zip(old, lost, strict=True) if not gone]


def told(old: Sequence[Row], new: Sequence[Row], way: Way) -> dict[str, int]:
    """Return what a merge says of its rows."""
    missed = sum(_is_missing(row, new, way) for row in old)
    old, kept = compared(old, new, way), _one_each(new, way)
    live = [row for row in kept if not row.get("gone")]
    known = {key: row for row in old if (key := key_of(row, way.primary)) is not None}
    again = [row for row in live if key_of(row, way.primary) in known]
    marked = sum(bool(row.get("gone")) and key_of(row, way.primary) in known for row in kept)
    counts = {"inserted": len(live) - len(again), "updated": len(again), "deleted": missed, "unchanged": 0}
    # A key of which a part is null in all new rows is none.
    if way.other and all(any(row.get(name) is not None for row in new) for name in way.other):
        left = len(merged(old, new, way)) - len(live)
        return {**counts, "inserted": len(live), "updated": 0, "deleted": missed + len(old) - left}
    if way.strategy == "insert-only":
        return {**counts, "updated": 0, "unchanged": len(again)}
    if way.skips:
        same = sum(plain([row]) == plain([known[key_of(row, way.primary)]]) for row in again)
        counts |= {"updated": len(again) - same, "unchanged": same}
    return {**counts, "deleted": missed + marked}


def check_told(found: Mapping[str, int], old: Sequence[Row], new: Sequence[Row], way: Way) -> None:
    """Check what a merge says; by a merge key it counts what its statements found, which nulls change."""
    if not way.other:
        assert found == told(old, new, way), (way, old, new)


def merged(old: Sequence[Row], new: Sequence[Row], way: Way) -> list[Row]:
    """Return the rows, each with its children, that are there after a merge."""
    if way.strategy in REPLACES:
        return list(new)
    old = compared(old, new, way)
    kept = _one_each(new, way)
    added = [row for row in kept if not row.get("gone")]
    known = {key_of(row, way.primary) for row in old} - {None}
    if way.strategy == "insert-only":
        return [*old, *(row for row in added if key_of(row, way.primary) not in known)]
    found = [{key_of(row, names) for row in new} - {None} for names in (way.primary, way.other)]
    if way.strategy == "upsert":
        found[1] = set()
    left = [
        row
        for row in old
        if not any(
            key_of(row, names) in keys for names, keys in zip((way.primary, way.other), found, strict=True)
        )
    ]
    return [*left, *added]


def rows(draw: Any, way: Way) -> list[Row]:
    """Draw one batch."""
    few = st.integers(0, 3)
    letters = st.sampled_from(["a", "ab", "b", "bc", "c", ""])
    row = {
        "id": st.none() | few if "id" in way.primary and way.strategy == "delete-insert" else few,
        "k": letters,
        "d": st.none() | st.integers(0, 2),
        "v": st.none() | st.text(max_size=2).filter(lambda t: "\0" not in t),
        "s": st.none() | st.integers(0, 3),
        "kids": st.lists(st.fixed_dictionaries({"x": few}), max_size=2),
    }
    if way.flag:
        row["gone"] = st.sampled_from([None, False, True])
    found: list[Row] = draw(st.lists(st.fixed_dictionaries(row), min_size=1, max_size=6))
    return found


@st.composite
def histories(draw: Any) -> tuple[Way, list[list[Row]]]:
    """Draw a way of merging, and batches."""
    strategy = draw(st.sampled_from(STRATEGIES))
    primary = draw(
        st.sampled_from(
            [("id",), ("id", "k"), ("k", "v")]
            if strategy != "delete-insert"
            else [
                ("id",),
                ("id", "k"),
                (),
            ]
        )
    )
    other = draw(st.sampled_from([(), ("d",), ("d", "k")])) if strategy == "delete-insert" else ()
    sort = draw(st.sampled_from(["", "asc", "desc"])) if primary else ""
    missing = draw(st.sampled_from(["", "hard", "soft"])) if primary and strategy != "insert-only" else ""
    within = draw(st.sampled_from([(), ("d",), ("d", "s")])) if missing else ()
    skips = strategy == "upsert" and draw(st.booleans())
    way = Way(strategy, primary, other, sort, draw(st.booleans()), missing, within, skips)
    return way, [rows(draw, way) for _ in range(draw(st.integers(1, 4)))]


def plain(found: Sequence[Row]) -> list[str]:
    """Return rows to compare: without nulls, sorted."""
    return sorted(
        repr(
            sorted(
                (k, v if k != "kids" else [kid["x"] for kid in v]) for k, v in row.items() if v is not None
            )
        )
        for row in found
    )
