"""Between whole numbers, doubles and decimals."""

from __future__ import annotations

from decimal import Decimal

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ladle.normalize import numeric

INT64 = st.integers(-(2**63), 2**63 - 1)


@given(
    st.lists(st.integers(-(2**17), 2**17)), st.sampled_from([pa.int8(), pa.int16(), pa.int32(), pa.int64()])
)
def test_integers_are_kept_where_the_width_holds_them(values: list[int], target: pa.DataType) -> None:
    limit = 2 ** (target.bit_width - 1)
    found = numeric.int_to_int(pa.array(values, pa.int64()), target)
    assert found.to_pylist() == [v if -limit <= v < limit else None for v in values]


@given(st.lists(INT64))
def test_integers_become_doubles_up_to_two_to_the_53(values: list[int]) -> None:
    found = numeric.int_to_double(pa.array(values, pa.int64()))
    assert found.to_pylist() == [float(v) if abs(v) <= 2**53 else None for v in values]


@given(st.lists(st.one_of(st.floats(), INT64.map(float))))
def test_doubles_become_integers_only_exactly(values: list[float]) -> None:
    found = numeric.double_to_int(pa.array(values, pa.float64()), pa.int64()).to_pylist()
    expected = [int(v) if v.is_integer() and -(2.0**63) <= v < 2.0**63 else None for v in values]
    assert found == expected


@pytest.mark.parametrize(
    ("double", "decimal"),
    [(0.1, "0.1"), (1.5, "1.5"), (1e22, str(10**22)), (1e-9, "0.000000001"), (1e-10, None), (5e-324, None),
     (1e300, None), (float("nan"), None), (float("-inf"), None), (-0.0, "0")],
)  # fmt: skip
def test_a_double_is_the_decimal_it_is_written_as(double: float, decimal: str | None) -> None:
    found = numeric.double_to_decimal(pa.array([double, 1.0]), pa.decimal128(38, 9)).to_pylist()
    assert found == [None if decimal is None else Decimal(decimal), Decimal(1)]


@given(st.lists(st.decimals(-(10**20), 10**20, places=17)))
def test_decimals_become_doubles_that_are_written_the_same(values: list[Decimal]) -> None:
    found = numeric.decimal_to_double(pa.array(values, pa.decimal128(38, 17))).to_pylist()
    assert found == [float(v) if Decimal(repr(float(v))) == v else None for v in values]


def test_a_short_decimal_becomes_the_nearest_double() -> None:
    # Arrow's own cast misses this one
    assert numeric.decimal_to_double(pa.array([Decimal("0.3")])).to_pylist() == [0.3]


def test_decimals_become_integers_without_fraction_and_in_range() -> None:
    array = pa.array(
        [Decimal("2.0"), Decimal("2.5"), Decimal(2**63), Decimal(-(2**63))], pa.decimal128(30, 1)
    )
    assert numeric.decimal_to_int(array, pa.int64()).to_pylist() == [2, None, None, -(2**63)]


def test_only_0_and_1_are_booleans() -> None:
    assert numeric.int_to_bool(pa.array([0, 1, 2, -1, None])).to_pylist() == [False, True, None, None, None]


@given(st.lists(INT64))
def test_integers_become_their_bytes(values: list[int]) -> None:
    found = numeric.int_to_binary(pa.array(values, pa.int64()))
    expected = [v.to_bytes((v.bit_length() + 7) // 8, "little") if v >= 0 else None for v in values]
    assert found.to_pylist() == expected


def test_integers_become_decimals_where_the_digits_fit() -> None:
    found = numeric.int_to_decimal(pa.array([99, 100]), pa.decimal128(4, 2))
    assert found.to_pylist() == [Decimal(99), None]
