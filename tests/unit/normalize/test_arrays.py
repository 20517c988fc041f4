"""The moves all coercions share."""

from __future__ import annotations

import pyarrow as pa
import pytest

from ladle.normalize.arrays import between, by_distinct, has_byte, keep, matching, missing


def test_keep_makes_null_of_what_is_not_true() -> None:
    kept = keep(pa.array([1, 2, 3, None]), pa.array([True, False, None, True]))
    assert kept.to_pylist() == [1, None, None, None]


def test_keep_of_a_slice() -> None:
    kept = keep(pa.array(["nan", "0.0", "x"]).slice(1), pa.array([True, False]))
    kept.validate(full=True)
    assert kept.to_pylist() == ["0.0", None]


@pytest.mark.parametrize("arrow", [pa.int64(), pa.float64(), pa.decimal128(9, 2)])
def test_between_takes_both_limits(arrow: pa.DataType) -> None:
    values = pa.array([0, 1, 2, 3, None]).cast(pa.decimal128(19, 0)).cast(arrow)
    assert between(values, 1, 2).to_pylist() == [False, True, True, False, None]


def test_matching_and_missing_are_parts_of_a_text() -> None:
    text = pa.array(["1", "x", None])
    digits = matching(text, "^[0-9]$")
    assert digits.to_pylist() == ["1", None, None]
    assert missing(text, digits).to_pylist() == [None, "x", None]


def test_by_distinct_parses_every_value_once() -> None:
    seen: list[str] = []

    def parse(value: str) -> int | None:
        seen.append(value)
        return int(value) if value.isdigit() else None

    out = by_distinct(pa.array(["7", None, "7", "x", "x"]), parse, pa.int64())
    assert out.to_pylist() == [7, None, 7, None, None]
    assert seen == ["7", "x"]


def test_by_distinct_of_nothing_calls_nothing() -> None:
    out = by_distinct(pa.nulls(2, pa.string()), lambda _: pytest.fail("called"), pa.int64())
    assert out.equals(pa.nulls(2, pa.int64()))


@pytest.mark.parametrize("type_", [pa.string(), pa.large_string()])
def test_a_byte_is_found_wherever_it_is(type_: pa.DataType) -> None:
    long = "x" * 300_000
    text = pa.array(["a\0", long, None, "", long + "\0", "b"], pa.string()).cast(type_)
    assert has_byte(text, b"\0")
    assert not has_byte(text.slice(1, 3), b"\0")
    assert has_byte(text.slice(1, 4), b"\0")
    assert not has_byte(text.slice(5), b"\0")
    assert not has_byte(text.slice(0, 0), b"\0")
    assert not has_byte(pa.nulls(3, type_), b"\0")


def test_a_byte_that_a_null_hides_is_not_found() -> None:
    text = pa.array(["a\0", "b"])
    hidden = pa.Array.from_buffers(pa.string(), 2, [pa.py_buffer(b"\x02"), *text.buffers()[1:]])
    assert hidden.to_pylist() == [None, "b"]
    assert not has_byte(hidden, b"\0")
