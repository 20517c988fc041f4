"""Values of every class come back from DuckDB as they went in; two runs give what one gives."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.loading import Landed, Site
from tests.properties.documents import SCALARS, documents
from tests.properties.outcome import MEMORY

TYPES = {
    "bigint": "BIGINT",
    "wei": "DECIMAL(38,0)",
    "double": "DOUBLE",
    "bool": "BOOLEAN",
    "text": "VARCHAR",
    "binary": "BLOB",
    "date": "DATE",
    "time": "TIME",
    "timestamp": "TIMESTAMP WITH TIME ZONE",
    "decimal": "DECIMAL(38,9)",
    "duration": "BIGINT",
}


def as_read(value: Any) -> Any:
    return value // timedelta(microseconds=1) if isinstance(value, timedelta) else value


def stored(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.replace(tzinfo=UTC)
    return Decimal(value) if isinstance(value, int) and not isinstance(value, bool) else value


@pytest.mark.parametrize("kind", TYPES)
@given(data=st.data())
@settings(max_examples=3)
def test_values_come_back(kind: str, data: st.DataObject) -> None:
    values = data.draw(st.lists(st.none() | SCALARS[kind], min_size=1, max_size=40))
    hints = {"columns": {"v": {"data_type": kind}}} if kind in ("wei", "text") else {}
    with TemporaryDirectory(dir=MEMORY) as folder:
        table = Site.in_memory(Path(folder)).load([{"n": i, "v": v} for i, v in enumerate(values)], **hints)[
            "t"
        ]
    if all(v is None for v in values) and not hints:
        assert "v" not in table.types
        return
    assert table.types["v"] == TYPES[kind]
    assert set(table.types) == {"n", "v"}
    assert [repr(v) for v in map(stored, table.values("v"))] == [
        repr(v) for v in map(stored, map(as_read, values))
    ]


LEAVES = st.one_of(
    st.none(), st.integers(-5, 5), st.booleans(), st.sampled_from(["x", "12", "2024-01-02T03:04:05Z"])
)


def rows_of(table: Landed) -> Any:
    """Return rows without ids; rows of child tables by their place."""
    data = [{n: v for n, v in row.items() if n in table.types and v is not None} for row in table.rows]
    return table.types, data


@given(rows=documents(LEAVES, st.sampled_from(["a", "aB", "b", "v"]), max_size=6), cut=st.integers(0, 6))
@settings(max_examples=6)
def test_two_runs_give_what_one_gives(rows: list[Any], cut: int) -> None:
    with TemporaryDirectory(dir=MEMORY) as folder:
        once, twice = Site.in_memory(Path(folder) / "once"), Site.in_memory(Path(folder) / "twice")
        found = once.load(rows)
        twice.load(rows[:cut])
        again = twice.load(rows[cut:])
    assert {n: rows_of(t) for n, t in again.items()} == {n: rows_of(t) for n, t in found.items()}
