"""Every kind to text, and text to booleans and JSON."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, time

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ladle.normalize import text


def test_booleans() -> None:
    assert text.bool_to_text(pa.array([True, False, None])).to_pylist() == ["True", "False", None]


EDGES = [1e-7, 9.999e-5, 1e-4, 1e-5, 1.5e-6, 999999.5, 1e9, 1e10, 12345678901.5, 1e14, 1e15, 1e16,
         1234567890123456.7, 9007199254740993.0, 100.0, 120.0, -0.0, 5e-324, 1.7976931348623157e308,
         float("nan"), float("inf")]  # fmt: skip


@given(
    st.lists(st.one_of(st.floats(), st.floats(-1e17, 1e17), st.floats(-1e-3, 1e-3), st.sampled_from(EDGES)))
)
def test_doubles_are_written_as_python_does(values: list[float]) -> None:
    assert text.double_to_text(pa.array(values, pa.float64())).to_pylist() == [repr(v) for v in values]


@pytest.mark.parametrize("value", [*EDGES, *(-v for v in EDGES)])
def test_edges_of_double_notation(value: float) -> None:
    assert text.double_to_text(pa.array([value])).to_pylist() == [repr(value)]


@given(st.lists(st.datetimes()))
def test_timestamps_are_iso_text(values: list[datetime]) -> None:
    naive = pa.array(values, pa.timestamp("us"))
    assert text.timestamp_to_text(naive).to_pylist() == [v.isoformat() for v in values]
    aware = naive.cast(pa.timestamp("us", "UTC"))
    assert text.timestamp_to_text(aware).to_pylist() == [v.replace(tzinfo=UTC).isoformat() for v in values]


@pytest.mark.parametrize(
    ("unit", "count", "expected"),
    [("s", 1, "1970-01-01T00:00:01"), ("ms", 1500, "1970-01-01T00:00:01.500000"),
     ("ms", 1000, "1970-01-01T00:00:01"),
     ("ns", 1, "1970-01-01T00:00:00.000000001"), ("ns", 1000, "1970-01-01T00:00:00.000001"),
     ("ns", -(10**9), "1969-12-31T23:59:59")],
)  # fmt: skip
def test_timestamps_of_other_units(unit: str, count: int, expected: str) -> None:
    assert text.timestamp_to_text(pa.array([count]).view(pa.timestamp(unit))).to_pylist() == [expected]
    aware = pa.array([count]).view(pa.timestamp(unit, "UTC"))
    assert text.timestamp_to_text(aware).to_pylist() == [expected + "+00:00"]


@given(st.lists(st.times()))
def test_times_are_iso_text(values: list[time]) -> None:
    assert text.time_to_text(pa.array(values, pa.time64("us"))).to_pylist() == [v.isoformat() for v in values]


@given(st.lists(st.one_of(st.none(), st.binary())))
def test_bytes_are_base64(values: list[bytes | None]) -> None:
    found = text.binary_to_text(pa.array(values, pa.binary())).to_pylist()
    assert found == [None if v is None else base64.b64encode(v).decode() for v in values]


@pytest.mark.parametrize(
    ("words", "value"),
    [
        ("yes true y t 1 YES True T", True),
        ("no false n f 0 NO False F", False),
        ("on off 12 2 ja yess tru", None),
    ],
)
def test_words_for_booleans(words: str, value: bool | None) -> None:
    found = text.text_to_bool(pa.array(words.split())).to_pylist()
    assert found == [value] * len(found)


def test_padded_words_are_no_booleans() -> None:
    assert text.text_to_bool(pa.array([" yes", "true ", "", None])).to_pylist() == [None] * 4


@pytest.mark.parametrize("value", ["{}", "[]", ' {"a": [1, null]} ', "[1]\n", '{"a":1,"a":2}'])
def test_objects_and_arrays_are_json_as_they_are_written(value: str) -> None:
    assert text.text_to_json(pa.array([value, None])).to_pylist() == [value, None]


@pytest.mark.parametrize(
    "value", ["12", "true", "null", '"x"', "", "{", "[1,]", "{a:1}", "[NaN]", "[1]x", "['a']", "\u00a0[]"]
)
def test_other_text_is_no_json(value: str) -> None:
    assert text.text_to_json(pa.array([value])).to_pylist() == [None]
