"""What a history leaves, in pure Python: an oracle for the SQL of `ladle.load.strategies.scd2`, and batches to feed both.

An old row is its content with `since` and `until`, numbers of loads; one that holds has None as `until`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

Row = dict[str, Any]
COLUMNS = ("id", "k", "d", "v", "h")


@dataclass(frozen=True)
class Way:
    """How a history is kept: merge key, the column that tells versions, whether rows delete, what holds ends at."""

    key: tuple[str, ...] = ()
    version: str = ""
    flag: bool = False
    active: str = ""

    @property
    def hints(self) -> Row:
        """Arguments of a resource."""
        strategy: Row = {"disposition": "merge", "strategy": "scd2"}
        if self.version:
            strategy["row_version_column_name"] = self.version
        if self.active:
            strategy["active_record_timestamp"] = self.active
        columns: dict[str, Row] = {name: {"nullable": True} for name in self.key}
        if self.flag:
            columns["gone"] = {"hard_delete": True, "data_type": "bool"}
        hints: Row = {"write_disposition": strategy, "columns": columns}
        return {**hints, "merge_key": list(self.key)} if self.key else hints


def stored(row: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return what is stored of a row: neither nulls nor empty lists."""
    kids = tuple(kid["x"] for kid in row.get("kids") or ())
    return (*((n, row[n]) for n in sorted(row) if n != "kids" and row[n] is not None), ("kids", kids))


def _version(row: Mapping[str, Any], way: Way) -> Any:
    if not way.version:
        return stored(row)
    return (row[way.version], *(row.get(name) for name in way.key))


def key_of(row: Mapping[str, Any], way: Way) -> tuple[Any, ...] | None:
    """Return a row's key; None where a part of it is missing, which equals nothing."""
    key = tuple(row.get(name) for name in way.key)
    return None if None in key else key


def kept(old: Sequence[Row], batch: Sequence[Row], way: Way, load: int) -> list[Row]:
    """Return what is there after a load; each row has its content as `row`."""
    if not batch:
        return list(old)
    new = [row for row in batch if not row.get("gone")]
    versions = {_version(row, way) for row in new}
    keys = {key_of(row, way) for row in batch} - {None}
    left = []
    for one in old:
        may_end = one["until"] is None and (not way.key or key_of(one["row"], way) in keys)
        ends = may_end and _version(one["row"], way) not in versions
        left.append({**one, "until": load} if ends else one)
    holding = {_version(one["row"], way) for one in left if one["until"] is None}
    added = [row for row in new if _version(row, way) not in holding]
    return [*left, *({"row": row, "since": load, "until": None} for row in added)]


def plain(rows: Sequence[Row]) -> list[str]:
    """Return rows to compare, sorted."""
    return sorted(repr((stored(one["row"]), one["since"], one["until"])) for one in rows)


@st.composite
def histories(draw: Any) -> tuple[Way, list[list[Row]]]:
    """Draw a way of keeping a history, and batches."""
    way = Way(
        draw(st.sampled_from([(), ("id",), ("id", "k"), ("d",)])),
        draw(st.sampled_from(["", "", "h"])),
        draw(st.booleans()),
        draw(st.sampled_from(["", "9999-12-31"])),
    )
    few = st.integers(0, 2)
    row = {
        "id": st.none() | few if way.key else few,
        "k": st.sampled_from(["a", "ab", "b", "bc", "c", ""]),
        "d": st.none() | few,
        "v": st.none() | st.sampled_from(["", "a", "ab", "c", "é\n"]),
        "h": few,
        "kids": st.none() | st.lists(st.fixed_dictionaries({"x": few}), max_size=2),
    }
    if way.flag:
        row["gone"] = st.sampled_from([None, False, True])
    batches = st.lists(st.fixed_dictionaries(row), max_size=5)
    return way, draw(st.lists(batches, min_size=1, max_size=5))
