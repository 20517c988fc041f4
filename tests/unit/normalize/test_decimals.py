"""Decimals to other decimals and to text."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal, localcontext

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ladle.normalize.decimals import count_of, decimal_text, rescale


def decimals(*values: str, arrow: pa.DataType | None = None) -> pa.Array:
    return pa.array([Decimal(v) for v in values], arrow)


@pytest.mark.parametrize(
    ("values", "target", "expected"),
    [
        (["1.50", "1.55"], pa.decimal128(3, 1), ["1.5", None]),
        (["99", "100", "-100"], pa.decimal128(3, 1), ["99.0", None, None]),
        (["0.25"], pa.decimal128(2, 0), [None]),
        (["0.00"], pa.decimal128(2, 0), ["0"]),
        (["1"], pa.decimal256(76, 75), ["1"]),
        (["123"], pa.decimal256(76, 74), [None]),
    ],
)
def test_without_rounding_no_digit_is_lost(
    values: list[str], target: pa.DataType, expected: list[str | None]
) -> None:
    found = rescale(decimals(*values), target)
    assert found.type == target
    assert found.to_pylist() == [None if v is None else Decimal(v) for v in expected]


@given(st.lists(st.decimals(-1000, 1000, places=6), min_size=1), st.integers(0, 5))
def test_rounding_is_half_away_from_zero_and_never_overflows(values: list[Decimal], scale: int) -> None:
    found = rescale(pa.array(values, pa.decimal128(12, 6)), pa.decimal128(3 + scale, scale), rounding=True)
    rounded = [v.quantize(Decimal(1).scaleb(-scale), ROUND_HALF_UP) for v in values]
    assert found.to_pylist() == [v if abs(v) < 1000 else None for v in rounded]


def test_rounding_at_the_edge_of_the_widest_type() -> None:
    widest = decimals("9." + "9" * 75, arrow=pa.decimal256(76, 75))
    assert rescale(widest, pa.decimal128(2, 0), rounding=True).to_pylist() == [Decimal(10)]
    assert rescale(widest, pa.decimal128(1, 0), rounding=True).to_pylist() == [None]


@pytest.mark.parametrize(
    ("value", "text"),
    [("1.50", "1.5"), ("2.00", "2"), ("0", "0"), ("-0.010", "-0.01"), ("0.000000001", "0.000000001"),
     ("100", "100"), ("-120.0", "-120")],
)  # fmt: skip
@pytest.mark.parametrize("arrow", [pa.decimal128(38, 9), pa.decimal256(60, 12)])
def test_text_has_plain_digits_whatever_the_scale(value: str, text: str, arrow: pa.DataType) -> None:
    assert decimal_text(decimals(value, arrow=arrow)).to_pylist() == [text]


@pytest.mark.parametrize("arrow", [pa.decimal128(38, 14), pa.decimal256(76, 38)])
@pytest.mark.parametrize("value", [2**64 - 1, 9223372036547871461, -(2**63), 2**32 - 1])
def test_values_that_arrow_divides_wrongly(value: int, arrow: pa.DataType) -> None:
    array = pa.array([Decimal(value)], arrow)
    for rounding in (True, False):
        assert rescale(array, pa.decimal128(21, 0), rounding).to_pylist() == [Decimal(value)]


BINARY_EDGES = st.builds(
    lambda bits, less, zeros, sign: sign * ((1 << bits) - less) * 10**zeros,
    st.integers(1, 250), st.integers(0, 2**40), st.integers(0, 60), st.sampled_from([1, -1]),
)  # fmt: skip
TYPES = st.one_of(
    st.builds(
        lambda whole, scale: pa.decimal128(whole + scale, scale), st.integers(1, 19), st.integers(0, 19)
    ),
    st.builds(
        lambda whole, scale: pa.decimal256(whole + scale, scale), st.integers(1, 38), st.integers(0, 38)
    ),
)


@given(BINARY_EDGES, TYPES, TYPES, st.booleans())
@settings(max_examples=300)
def test_rescaling_is_exact_whatever_the_bits(
    count: int, source: pa.DataType, target: pa.DataType, rounding: bool
) -> None:
    with localcontext(prec=100):
        value = Decimal(count % 10**source.precision).scaleb(-source.scale)
        wanted = value.quantize(Decimal(1).scaleb(-target.scale), ROUND_HALF_UP)
        fits = abs(wanted) < Decimal(10) ** (target.precision - target.scale)
    found = rescale(pa.array([value], source), target, rounding).to_pylist()
    assert found == [wanted if fits and (rounding or wanted == value) else None]


def test_text_of_integers_and_nulls() -> None:
    array = pa.array([Decimal(10**70), None, Decimal(-7)], pa.decimal256(76, 0))
    assert decimal_text(array).to_pylist() == [str(10**70), None, "-7"]


def test_count_of_last_digits() -> None:
    assert count_of(decimals("1.50", "-0.01")).to_pylist() == [150, -1]
