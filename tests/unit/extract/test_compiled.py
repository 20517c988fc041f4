"""Compiled code makes of any values what interpreted code makes of them, and leaves them as they were."""

from __future__ import annotations

import gc
import json
import sys
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.properties.documents import SCALARS, documents, nested

from ladle.extract import compiled
from ladle.extract.columns import column
from ladle.extract.refused import Refused

pytestmark = pytest.mark.usefixtures("compiled_code")

NAIVE, ZONED = datetime(2024, 2, 29, 23, 59, 59, 999_999), datetime(1, 1, 1, tzinfo=UTC)
PLUS = timezone(timedelta(hours=2))
LIST: list[Any] = []
LIST.append(LIST)

COLUMNS: dict[str, list[Any]] = {
    "nothing": [],
    "nulls": [None] * 9,
    "bools": [True, None, False] * 7,
    "ints": [0, -1, 2**63 - 1, -(2**63), None],
    "ints beyond 64 bits": [1, 2**63],
    "floats": [0.0, -0.0, float("inf"), float("nan"), 5e-324, None],
    "texts": ["", "ascii", "Zürich", "日本", "🙂" * 40, "nul\0", None, "x" * 10_000],
    "a lone surrogate": ["a", "\ud800"],
    "a pair of surrogates": ["a", "\ud83d\ude42"],
    "naive": [NAIVE, datetime.min, datetime.max, None],
    "utc": [ZONED, datetime.max.replace(tzinfo=UTC), datetime(1969, 12, 31, 23, tzinfo=UTC), None],
    "naive and utc": [NAIVE, ZONED],
    "another zone": [NAIVE.replace(tzinfo=PLUS), ZONED],
    "dates": [date.min, date.max, date(1970, 1, 1), date(2024, 2, 29), date(1900, 3, 1), None],
    "dates and datetimes": [date(2024, 1, 1), NAIVE],
    "a subclass of int": [1, type("Int", (int,), {})(2)],
    "a type late": [None] * 100 + [1] * 100 + ["x"],
    "a type that Python looks at": [Decimal("1.5"), None, b"x"],
    "dicts": [{"a": 1}, {}, None, {"b": [1]}, {"a": 2}],
    "dicts of one key order after another": [{"a": 1, "b": 2}, {"b": 3, "a": 4}, {"c": 5}] * 50,
    "keys that are no text": [{1: 2}, {"a": 1}],
    "keys that look like a variant": [{"\x00text": 2, "a": 1}],
    "empty dicts": [{}, None],
    "lists": [[1, 2], [], None, [None, 3]],
    "lists of several kinds": [[1], ["x"], [{"a": 1}], [[2]]],
    "lists and tuples": [[1], (2, 3)],
    "lists in lists": [[[1], []], None, [None, [2, 3]]],
    "five levels": [{"a": [{"b": [{"c": 1}]}]}],
    "what can't be stored": [{"a": [{"b": [1]}, {"b": [1, 1j]}]}],
    "a list in itself": [1, LIST],
    "a list in itself, among lists": [[[1]], LIST],
}


def told(values: list[Any]) -> tuple[Any, ...]:
    """Return what becomes of values, as something that can be compared."""
    try:
        array = column(values)
    except Refused as refused:
        return (refused.row, refused.path, refused.reason)
    array.validate(full=True)
    return (
        array.type,
        json.dumps(array.to_pylist(), default=str),
        [array.slice(n, 1).null_count for n in range(len(array))],
    )


def both(values: list[Any]) -> tuple[Any, Any]:
    with pytest.MonkeyPatch.context() as patch:
        fast = told(values)
        patch.setattr(compiled, "code", None)
        return fast, told(values)


@pytest.mark.parametrize("name", COLUMNS)
def test_columns_are_the_same(name: str) -> None:
    fast, slow = both(COLUMNS[name])
    assert fast == slow


@given(st.one_of(st.lists(strategy | st.none(), max_size=70) for strategy in SCALARS.values()))
def test_columns_of_any_scalars_are_the_same(values: list[Any]) -> None:
    fast, slow = both(values)
    assert fast == slow


@given(documents(leaves=st.one_of(st.none(), *SCALARS.values()), max_size=20))
def test_rows_of_any_values_are_the_same(rows: list[Any]) -> None:
    fast, slow = both(rows)
    assert fast == slow


@given(st.lists(nested(st.integers(0, 3) | st.none()), max_size=12))
def test_nested_values_are_the_same(values: list[Any]) -> None:
    fast, slow = both(values)
    assert fast == slow


def test_many_sparse_keys_are_the_same() -> None:
    rows = [{f"k{(i * 37 + j) % 900}": i if j % 3 else str(i) for j in range(3)} for i in range(1_000)]
    fast, slow = both(rows)
    assert fast == slow


def test_every_type_but_plain_ones_is_left_to_python() -> None:
    assert compiled.code is not None
    for values in ([Decimal(1)], [b"x"], [(1,)], [{1}], [1, "x"], [2**64], ["\ud800"], [NAIVE, ZONED]):
        assert compiled.code.cells(values) == ("other", 0, None, values, None)


def test_what_is_no_list_is_refused() -> None:
    assert compiled.code is not None
    for function in (compiled.code.cells, compiled.code.gather):
        with pytest.raises(TypeError, match="takes a list"):
            function((1,))
    assert compiled.code.gather([1]) is None


def test_values_are_neither_lost_nor_kept() -> None:
    text, number, inner = "Zürich " * 3, 2**40, {"k": 2**41}
    rows = [
        {"text": text, "number": number, "inner": inner, "list": [inner, None], "mixed": n % 2 or text}
        for n in range(50)
    ]
    column(rows)
    gc.collect()
    before = [sys.getrefcount(value) for value in (text, number, inner, None)]
    for _ in range(20):
        column(rows)
    gc.collect()
    after = [sys.getrefcount(value) for value in (text, number, inner, None)]
    assert before[:3] == after[:3]
    assert abs(before[3] - after[3]) < 20


def test_an_array_outlives_the_values() -> None:
    array = column([{"a": f"text {n}", "b": n} for n in range(500)])
    gc.collect()
    assert array.to_pylist() == [{"a": f"text {n}", "b": n} for n in range(500)]
    assert isinstance(array, pa.StructArray)
