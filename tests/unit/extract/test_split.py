"""Values grouped by kind."""

from __future__ import annotations

from datetime import date
from typing import Any

import pyarrow as pa
import pytest

from ladle.extract.refused import Refused
from ladle.extract.split import split


def groups(values: list[Any]) -> dict[str, list[Any]]:
    types = {type(v) for v in values if v is not None}
    return {
        kind: group.to_pylist() if isinstance(group, pa.Array) else group
        for kind, group in split(values, types).items()
    }


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        ([1, "a", None], {"bigint": [1, None, None], "text": [None, "a", None]}),
        (
            [{"a": 1}, [1], "x"],
            {"dict": [{"a": 1}, None, None], "list": [None, [1], None], "text": [None, None, "x"]},
        ),
        ([2**64, 1.5], {"wei": [2**64, None], "double": [None, 1.5]}),
        ([date.min, (1,)], {"date": [date.min, None], "list": [None, (1,)]}),
        ([bytearray(b"x")], {"binary": [b"x"]}),
    ],
)
def test_each_group_is_as_long_as_the_values(values: list[Any], wanted: dict[str, list[Any]]) -> None:
    assert groups(values) == wanted


def test_the_row_of_a_refused_value_is_its_index() -> None:
    with pytest.raises(Refused) as caught:
        groups([1, None, "x", 1j])
    assert (caught.value.row, caught.value.type) == (3, complex)
