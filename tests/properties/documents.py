"""Strategies: documents as sources send them, with keys that collide and values of all kinds."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

MOMENTS = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30)).map(lambda m: m.replace(fold=0))
SCALARS: dict[str, st.SearchStrategy[Any]] = {
    "bigint": st.integers(-(2**63), 2**63 - 1),
    "wei": st.integers(-(10**37), 10**37),
    "double": st.floats(allow_nan=False),
    "bool": st.booleans(),
    "text": st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
    "binary": st.binary(max_size=20),
    "date": st.dates(date(1, 1, 2)),
    "time": st.times().map(lambda t: t.replace(fold=0)),
    "timestamp": st.one_of(MOMENTS.map(lambda m: m.replace(tzinfo=UTC)), MOMENTS),
    "decimal": st.decimals(-(10**20), 10**20, places=9),
    "duration": st.timedeltas(timedelta(days=-9999), timedelta(days=9999)),
}
KEYS = st.sampled_from(
    ["a", "A", "aB", "a_b", "a__b", "b", "v", "v__v_text", "v__v_bigint", "", "x", "list", "value"]
)
SPELLINGS = st.sampled_from(["a", "A", "a__b", "b", "B", "list", "value"])
"""Keys of which most name a list, dict or column that others name too."""
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-5, 5),
    st.sampled_from([2**53 + 1, 2**70]),
    st.sampled_from([0.5, 2.0, -1e300]),
    st.sampled_from(["", "x", "12", "2024-01-02T03:04:05Z", "true"]),
    st.sampled_from([b"x", date(2024, 1, 2), datetime(2024, 1, 2, 3), Decimal("1.25")]),
)


def nested(leaves: st.SearchStrategy[Any], keys: st.SearchStrategy[str] = KEYS) -> st.SearchStrategy[Any]:
    return st.recursive(
        leaves,
        lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(keys, inner, max_size=3)),
        max_leaves=6,
    )


def documents(
    leaves: st.SearchStrategy[Any] = LEAVES, keys: st.SearchStrategy[str] = KEYS, max_size: int = 8
) -> st.SearchStrategy[list[dict[str, Any]]]:
    return st.lists(st.dictionaries(keys, nested(leaves, keys), max_size=4), min_size=1, max_size=max_size)


def flat_documents(max_size: int = 8) -> st.SearchStrategy[list[dict[str, Any]]]:
    """Return documents without lists, whose keys collide."""
    inner = st.dictionaries(KEYS, LEAVES, max_size=3)
    return st.lists(st.dictionaries(KEYS, LEAVES | inner, max_size=5), min_size=1, max_size=max_size)


def documents_that_share(max_size: int = 8) -> st.SearchStrategy[list[dict[str, Any]]]:
    """Return documents whose lists share tables, and whose dicts share columns, with values of all kinds."""
    few = st.sampled_from([1, 0.5, "x", True, b"x"])
    lists = st.lists(few, max_size=2)
    inner = st.one_of(few, lists, st.dictionaries(SPELLINGS, few | lists, max_size=2))
    values = st.one_of(lists, st.lists(inner, max_size=2), st.dictionaries(SPELLINGS, inner, max_size=2))
    return st.lists(st.dictionaries(SPELLINGS, values, max_size=3), min_size=1, max_size=max_size)
