"""Columns of nested values."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from ladle.extract.columns import column
from ladle.extract.refused import Refused

pytestmark = pytest.mark.usefixtures("way")


@pytest.mark.parametrize(
    "rows",
    [
        [
            {"id": i, "name": f"n{i}", "geo": {"lat": i / 2, "lon": None}, "tags": ["x"] * (i % 3)}
            for i in range(700)
        ],
        [{"a": None if i % 3 else {"b": [i], "c": {"d": "x"}}} for i in range(700)],
        [{"a": None if i % 3 else [{"b": i}, None, {}]} for i in range(700)],
        [[[1, 2], [], None], [[3]], None],
        [{"a": {"b": {}}}, {"a": None}, {}, None],
    ],
)
def test_clean_columns_are_what_pyarrow_makes_of_them(rows: list[Any]) -> None:
    array = column(rows)
    array.validate(full=True)
    assert array.equals(pa.array(rows))


def test_values_may_be_any_sequence() -> None:
    assert column((1, None)).to_pylist() == [1, None]


def test_row_and_path_of_a_refused_value_lead_to_it() -> None:
    rows: list[Any] = [
        {"a": [[], [{"b": 1}]]},
        None,
        {"a": None},
        {"a": [None, [{"b": 1}, {"b": {"c": {1j}}}]]},
    ]
    with pytest.raises(Refused) as caught:
        column(rows)
    assert (caught.value.row, caught.value.path) == (3, ["a", 1, 1, "b", "c", 0])
