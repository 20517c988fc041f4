"""Results of Postgres as plain Arrow: numbers by their digits, JSON, which statements COPY can't run."""

from __future__ import annotations

from decimal import Decimal

import pyarrow as pa
import pytest

from ladle.destinations.postgres_kinds import NUMBER
from ladle.destinations.postgres_read import NUMERIC, as_decimal, decode, needs_no_copy, target
from ladle.errors import DataError


def typmod(digits: int, scale: int) -> int:
    """Return how Postgres says numeric(digits,scale)."""
    return (digits << 16 | scale) + 4


@pytest.mark.parametrize(
    ("kind", "more", "arrow"),
    [
        (NUMBER, typmod(38, 9), pa.decimal128(38, 9)),
        (NUMBER, typmod(50, 10), pa.decimal256(50, 10)),
        (NUMBER, typmod(156, 78), pa.decimal256(76, 0)),
        (NUMBER, typmod(100, 10), pa.string()),
        (NUMBER, -1, pa.string()),
        (pa.int64(), -1, pa.int64()),
        (pa.json_(), -1, pa.string()),
        (pa.uuid(), -1, pa.uuid()),
        (pa.opaque(pa.binary(), "inet", "PostgreSQL"), -1, pa.binary()),
    ],
)
def test_types(kind: pa.DataType, more: int, arrow: pa.DataType) -> None:
    assert target(kind, more, "n")[0] == arrow


def test_numbers_without_bounds_are_marked() -> None:
    assert target(NUMBER, -1, "n") == (pa.string(), None, NUMERIC)


def test_a_batch() -> None:
    arrow, step, _ = target(NUMBER, typmod(38, 9), "n")
    batch = pa.RecordBatch.from_arrays([pa.array(["1.500000000", None])], ["n"])
    found = decode(batch, pa.schema([pa.field("n", arrow)]), [step])
    assert found.column(0).to_pylist() == [Decimal("1.500000000"), None]


def test_digits_behind_the_point_that_are_zero_do_not_count() -> None:
    texts = pa.array(["1" + "0" * 60 + "." + "0" * 78, "-20", "0.0"])
    found = as_decimal(texts, pa.decimal256(76, 0), "w").to_pylist()
    assert found == [Decimal(10**60), Decimal(-20), Decimal(0)]


@pytest.mark.parametrize("text", ["NaN", "1.5", "1" + "0" * 80])
def test_a_number_that_does_not_fit_is_named(text: str) -> None:
    with pytest.raises(DataError, match="column `w`"):
        as_decimal(pa.array([text]), pa.decimal256(76, 0), "w")


@pytest.mark.parametrize(("sql", "answer"), [("SHOW x", True), (" explain select 1", True), ("select 1", False), ("", False)])  # fmt: skip
def test_statements_without_copy(sql: str, answer: bool) -> None:
    assert needs_no_copy(sql) is answer
