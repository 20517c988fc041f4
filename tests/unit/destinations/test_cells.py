"""Arrow columns as text of CSV and JSON lines."""

from __future__ import annotations

import base64
import json
import math
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ladle.destinations import cells
from ladle.errors import DataError
from ladle.schema.table import Column

TEXT = st.text(st.characters(exclude_categories=["Cs"]))


def lines(array: pa.Array, data_type: str = "text") -> bytes:
    batch = pa.RecordBatch.from_arrays([array], ["v"])
    return cells.json_lines(batch, [Column("v", data_type)]).to_pybytes()


def values(array: pa.Array, data_type: str = "text") -> list[Any]:
    return [json.loads(line).get("v") for line in lines(array, data_type).split(b"\n")[:-1]]


def csv(array: pa.Array) -> bytes:
    return cells.csv_lines(pa.RecordBatch.from_arrays([array], ["v"]), []).to_pybytes()


@settings(deadline=None)
@given(st.lists(st.none() | TEXT))
def test_any_text_survives_json(texts: list[str | None]) -> None:
    assert values(pa.array(texts, pa.string())) == texts


def test_every_control_character_survives_json() -> None:
    assert values(pa.array(["".join(map(chr, range(0x80))) + "\u2028"])) == [
        "".join(map(chr, range(0x80))) + "\u2028"
    ]


@settings(deadline=None)
@given(st.lists(st.none() | st.floats()))
def test_doubles_survive_json_but_for_what_json_has_not(floats: list[float | None]) -> None:
    found = values(pa.array(floats, pa.float64()))
    assert [repr(v) for v in found] == [
        repr(v if v is not None and math.isfinite(v) else None) for v in floats
    ]
    assert not any(isinstance(v, int) for v in found)


def test_not_a_number_and_infinity_are_named_in_csv() -> None:
    assert csv(pa.array([math.nan, math.inf, -math.inf, 2.0, None])) == b"nan\ninf\n-inf\n2.0\n\n"


@settings(deadline=None)
@given(
    st.lists(
        st.none()
        | st.decimals(allow_nan=False, allow_infinity=False, places=9, min_value=-(10**28), max_value=10**28)
    )
)
def test_decimals_are_exact_and_have_no_exponent(decimals: list[Decimal | None]) -> None:
    found = cells.decimal_text(pa.array(decimals, pa.decimal128(38, 9))).to_pylist()
    assert found == [
        None if d is None else f"{d:.9f}".replace("-0.000000000", "0.000000000") for d in decimals
    ]


@pytest.mark.parametrize(
    ("arrow", "value", "text"),
    [
        (pa.decimal128(38, 0), 10**38 - 1, "9" * 38),
        (pa.decimal256(76, 0), -(10**76 - 1), "-" + "9" * 76),
        (pa.decimal256(76, 40), Decimal("-1e-40"), "-0." + "0" * 39 + "1"),
        (pa.timestamp("us"), datetime(2024, 1, 2, 3, 4, 5), "2024-01-02T03:04:05"),
        (pa.timestamp("us", "UTC"), datetime(2024, 1, 2, 3, 4, 5, 678), "2024-01-02T03:04:05.000678+00:00"),
        (pa.timestamp("us", "UTC"), datetime(1, 1, 1), "0001-01-01T00:00:00+00:00"),
        (pa.timestamp("us"), datetime(9999, 12, 31, 23, 59, 59, 999999), "9999-12-31T23:59:59.999999"),
        (pa.timestamp("s"), datetime(1969, 12, 31, 23, 59, 59), "1969-12-31T23:59:59"),
        (pa.timestamp("ns"), 1, "1970-01-01T00:00:00.000000001"),
        (pa.date32(), date(1, 1, 1), "0001-01-01"),
        (pa.time64("us"), time(1, 2, 3), "01:02:03"),
        (pa.time64("us"), time(23, 59, 59, 100), "23:59:59.000100"),
        (pa.binary(), bytes(range(256)), base64.b64encode(bytes(range(256))).decode()),
        (pa.binary(), b"", ""),
    ],
)
def test_other_types_are_text_as_the_reference_writes_it(arrow: pa.DataType, value: Any, text: str) -> None:
    array = pa.array([None, value, None], arrow)
    assert values(array) == [None, text, None]
    assert values(array.slice(1, 1)) == [text]
    quote = "" if pa.types.is_decimal(arrow) else '"'
    assert csv(array) == f"\n{quote}{text}{quote}\n\n".encode()


@pytest.mark.parametrize("value", [2**62, -(2**62)])
def test_a_year_that_has_no_spelling_is_an_error(value: int) -> None:
    with pytest.raises(DataError, match="too far from today"):
        csv(pa.array([value], pa.timestamp("us")))


def test_nulls_are_left_out_of_json_and_nothing_in_csv() -> None:
    batch = pa.RecordBatch.from_pydict(
        {"a": ["", None], "b": pa.array([None, None], pa.int64()), "c": [True, None]}
    )
    columns = [Column("a", "text"), Column("b", "bigint"), Column("c", "bool")]
    assert cells.json_lines(batch, columns).to_pybytes() == b'{"a":"","c":true}\n{}\n'
    assert cells.csv_lines(batch, columns).to_pybytes() == b'"",,true\n,,\n'


def test_json_columns_are_json_not_text() -> None:
    array = pa.array(['{"a":\n [1,null]}', "null", None, '"x\\n"'])
    assert lines(array, "json") == b'{"v":{"a":  [1,null]}}\n{"v":null}\n{}\n{"v":"x\\n"}\n'


def test_names_are_escaped() -> None:
    batch = pa.RecordBatch.from_arrays([pa.array([1])], ['a"b\n'])
    assert cells.json_lines(batch, [Column('a"b\n', "bigint")]).to_pybytes() == b'{"a\\"b\\n":1}\n'
    assert cells.csv_header(['a"b', "c"]) == b'"a""b","c"\n'


@pytest.mark.parametrize("arrow", [pa.string(), pa.large_string()])
def test_characters_are_looked_for_in_the_slice_alone(arrow: pa.DataType) -> None:
    text = pa.array(["a\tb", None, "", "c", "d\n"], arrow)
    assert [cells.has_any(text, chars) for chars in (b"\t", b"\n", b"x", b"xn\n")] == [
        True,
        True,
        False,
        True,
    ]
    middle = text.slice(1, 3)
    assert [cells.has_any(middle, chars) for chars in (b"\t", b"\n", b"c", b"\t\n")] == [
        False,
        False,
        True,
        False,
    ]
    assert not cells.has_any(text.slice(5), b"c")
    assert not cells.has_any(pa.array([], arrow), b"c")
