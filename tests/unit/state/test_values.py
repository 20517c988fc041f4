"""Values that JSON has no type for come back from state as they were, and look as the reference stores them."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ladle.errors import UsageError
from ladle.state.blob import decode_state, encode_state
from ladle.state.values import dumps, from_json, loads, to_json

# Left, as the reference wrote them to `_dlt_pipeline_state`.
STORED = {
    "\uf0272024-01-02T03:04:05": datetime(2024, 1, 2, 3, 4, 5),
    "\uf0272024-01-02T03:04:05.000678": datetime(2024, 1, 2, 3, 4, 5, 678),
    "\uf0272024-01-02T03:04:05+00:00": datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC),
    "\uf0272024-01-02T03:04:05+05:30": datetime(2024, 1, 2, 3, 4, 5, tzinfo=timezone(timedelta(minutes=330))),
    "\uf0282024-01-02": date(2024, 1, 2),
    "\uf02d01:02:03": time(1, 2, 3),
    "\uf0261.50": Decimal("1.50"),
    "\uf0261E+2": Decimal("1E+2"),
    "\uf02bYWIA": b"ab\x00",
}


@pytest.mark.parametrize(("stored", "value"), STORED.items(), ids=lambda v: repr(v)[:40])
def test_the_stored_form_is_the_references(stored: str, value: Any) -> None:
    assert to_json(value) == stored
    back = from_json(stored)
    assert (back, type(back), str(back)) == (value, type(value), str(value))
    for data in (dumps({"a": [value]}), json.dumps({"a": [stored]}).encode()):
        assert str(loads(data)) == str({"a": [value]})
    assert loads(b'{"a": 1}') == {"a": 1}


def test_uuids_come_back() -> None:
    assert from_json(to_json(UUID(int=5))) == UUID(int=5)


@pytest.mark.parametrize("text", ["\uf027abc", "\uf026x", "\uf02b!!", "\uf02c", "\uf026", "x\uf027"])
def test_text_that_only_looks_marked_stays_text(text: str) -> None:
    assert from_json(text) == text


@pytest.mark.parametrize("value", [{1, 2}, timedelta(1), 1j, object()])
def test_what_would_not_come_back_is_refused(value: Any) -> None:
    with pytest.raises(UsageError, match=f"type `{type(value).__name__}` can't be kept in state"):
        encode_state({"sources": {"s": {"v": value}}})


def test_integers_of_more_than_64_bits_are_refused() -> None:
    with pytest.raises(UsageError, match="64"):
        dumps({"v": 2**70})


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs", "Co"]))
    | st.datetimes(timezones=st.sampled_from([None, UTC, timezone(timedelta(hours=-3))]))
    | st.dates()
    | st.times()
    | st.decimals(allow_nan=False)
    | st.binary()
    | st.uuids(),
    lambda below: st.lists(below, max_size=3) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), below, max_size=3),
    max_leaves=6,
)  # fmt: skip


@given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), values, max_size=3))
def test_state_comes_back_exactly(state: dict[str, Any]) -> None:
    back = decode_state(encode_state({"sources": state}))["sources"]
    assert back == state
    assert repr(back) == repr({k: back[k] for k in back})
    assert json.loads(dumps({"s": back})) == json.loads(dumps({"s": state}))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_numbers_that_json_has_not_are_refused_not_lost(value: float) -> None:
    with pytest.raises(UsageError, match="state can't hold"):
        dumps({"sources": {"s": {"x": [value]}}})
