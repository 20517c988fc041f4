"""Numbers written as text."""

from __future__ import annotations

from decimal import Decimal, localcontext

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ladle.normalize import numerals

NO_NUMBER = ["", " ", "abc", "1,000", "1 2", "--1", "+", "-", ".", "e5", "1e", "1__0", "_1", "1_", "0x",
"-0x1",
             "0X1f", "0b1", "١٢", "1.2.3", "true", "2024-01-02", "+-1", "1e5.0", "\x00"]  # fmt: skip


@pytest.mark.parametrize("text", NO_NUMBER)
@pytest.mark.parametrize("beside", ["1", "n/a"])
def test_what_is_no_number(text: str, beside: str) -> None:
    array = pa.array([text, beside])
    assert numerals.to_int(array)[0].as_py() is None
    assert numerals.to_double(array)[0].as_py() is None
    assert numerals.to_decimal(array, pa.decimal128(38, 9))[0].as_py() is None


@pytest.mark.parametrize(
    ("text", "value"),
    [("12", 12), (" 12\n", 12), ("\u00a012", 12), ("+12", 12), ("-0012", -12), ("1_000", 1000), ("0x1f", 31),
     ("9223372036854775807", 2**63 - 1), ("9223372036854775808", None), ("-9223372036854775808", -(2**63)),
     ("0xffffffffffffffff", None), ("1.0", None), ("1e3", None), ("1" * 40, None), ("1" * 5000, None)],
)  # fmt: skip
@pytest.mark.parametrize("beside", ["1", "n/a", "0x1"])
def test_integers(text: str, value: int | None, beside: str) -> None:
    assert numerals.to_int(pa.array([text, beside]))[0].as_py() == value


@pytest.mark.parametrize(
    ("text", "value"),
    [("1.5", "1.5"), (".5", "0.5"), ("5.", "5"), ("+1.50000000000", "1.5"), ("00012.10", "12.1"), ("1e3",
     "1000"),
     ("1E-3", "0.001"), ("15e-1", "1.5"), (" 2 ", "2"), ("1_0.5", "10.5"), ("0x10", "16"), ("-.25", "-0.25"),
     ("1.0005", None), ("1e-4", None), ("1234567", None), ("1e7", None), ("1e400", None), ("0e400", "0"),
     ("1." + "0" * 60, "1"), ("0" * 60 + "1", "1"), ("nan", None), ("inf", None), ("1e99999", None)],
)  # fmt: skip
@pytest.mark.parametrize("beside", ["1", "n/a", "1e400"])
def test_decimals(text: str, value: str | None, beside: str) -> None:
    found = numerals.to_decimal(pa.array([text, beside]), pa.decimal128(9, 3))
    assert found[0].as_py() == (None if value is None else Decimal(value))


@pytest.mark.parametrize(
    ("text", "value"),
    [("1.2345", "1.235"), ("-1.2345", "-1.235"), ("1e-4", "0"), ("0." + "3" * 90, "0.333"),
     ("999999.9994", "999999.999"),
     ("999999.9995", None), ("1" * 50 + ".1", None), ("x", None)],
)  # fmt: skip
def test_decimals_rounded(text: str, value: str | None) -> None:
    found = numerals.to_decimal(pa.array([text, "n/a"]), pa.decimal128(9, 3), rounding=True)
    assert found[0].as_py() == (None if value is None else Decimal(value))


@pytest.mark.parametrize(
    ("text", "value"),
    [("1.5", 1.5), ("1.50", 1.5), ("0.1", 0.1), ("1e16", 1e16), ("0x10", 16.0), ("1_000.5", 1000.5),
     ("0.30000000000000004", 0.1 + 0.2), ("0.30000000000000001", None), ("9007199254740993", None),
     ("9007199254740992", 2.0**53), ("1e400", None), ("1e-400", None), ("4.9e-324", None), ("5e-324", 5e-324),
     ("inf", float("inf")), (" -Infinity ", float("-inf")), ("100000000000000000000.0", 1e20),
     ("1.7976931348623157e+308", 1.7976931348623157e308)],
)  # fmt: skip
@pytest.mark.parametrize("beside", ["1", "n/a"])
def test_doubles(text: str, value: float | None, beside: str) -> None:
    assert numerals.to_double(pa.array([text, beside]))[0].as_py() == value


def test_nan_is_a_double() -> None:
    found = numerals.to_double(pa.array(["nan", "NaN", "nano"])).to_pylist()
    assert [str(value) for value in found] == ["nan", "nan", "None"]


@given(st.lists(st.floats(allow_nan=False)))
def test_what_python_writes_is_read_back(values: list[float]) -> None:
    assert numerals.to_double(pa.array([repr(v) for v in values], pa.string())).to_pylist() == values


@given(st.lists(st.decimals(-(10**20), 10**20, places=9)), st.booleans())
def test_decimal_text_is_read_back(values: list[Decimal], rounding: bool) -> None:
    texts = [f"{v:f}" for v in values] + ["x"]
    found = numerals.to_decimal(pa.array(texts), pa.decimal128(38, 9), rounding)
    assert found.to_pylist() == [*values, None]


DIGITS = st.from_regex(r"\A[0-9]{1,80}\Z")
SPELLINGS = st.one_of(
    DIGITS,
    st.tuples(DIGITS, DIGITS).map(".".join),
    st.tuples(st.integers(0, 10**20), st.integers(-80, 80)).map(lambda p: f"{p[0]}e{p[1]}"),
    st.tuples(DIGITS, st.integers(0, 60)).map(lambda p: f"{p[0]}." + "0" * p[1]),
)
TYPES = st.one_of(
    st.tuples(st.integers(1, 38), st.integers(0, 38))
    .filter(lambda t: t[1] <= t[0])
    .map(lambda t: pa.decimal128(*t)),
    st.tuples(st.integers(1, 76), st.integers(0, 76))
    .filter(lambda t: t[1] <= t[0])
    .map(lambda t: pa.decimal256(*t)),
)


@given(st.lists(SPELLINGS, min_size=1, max_size=4), TYPES)
def test_no_digit_is_ever_lost_or_made_up(texts: list[str], target: pa.DataType) -> None:
    # Arrow's own cast from text overflows in silence
    found = numerals.to_decimal(pa.array(texts), target).to_pylist()
    assert found == [exact(text, target) for text in texts]


def exact(text: str, target: pa.DataType) -> Decimal | None:
    value = Decimal(text)
    with localcontext(prec=400):
        unscaled = value.scaleb(target.scale)
        fits = unscaled == unscaled.to_integral_value() and abs(unscaled) < 10**target.precision
    return value if fits else None
