"""Results of Postgres as plain Arrow: numbers by their digits, JSON, which statements COPY can't run."""

from __future__ import annotations

from decimal import Decimal

import pyarrow as pa
import pytest

from ladle.destinations.postgres_read import NUMERIC, as_decimal, decode, decoded, needs_no_copy
from ladle.errors import DataError


def numeric(digits: int | None, scale: int = 0) -> pa.Field:
    """Return a field as the driver has it."""
    typmod = -1 if digits is None else (digits << 16 | scale) + 4
    metadata = {"POSTGRESQL:type": "numeric", "POSTGRESQL:typmod": str(typmod)}
    return pa.field("n", pa.opaque(pa.string(), "numeric", "PostgreSQL"), metadata=metadata)


@pytest.mark.parametrize(
    ("field", "arrow"),
    [
        (numeric(38, 9), pa.decimal128(38, 9)),
        (numeric(50, 10), pa.decimal256(50, 10)),
        (numeric(156, 78), pa.decimal256(76, 0)),
        (numeric(100, 10), pa.string()),
        (numeric(None), pa.string()),
        (pa.field("n", pa.int64()), pa.int64()),
        (pa.field("n", pa.json_()), pa.string()),
        (
            pa.field(
                "n", pa.opaque(pa.string(), "money", "PostgreSQL"), metadata={"POSTGRESQL:type": "money"}
            ),
            pa.string(),
        ),
    ],
)
def test_types(field: pa.Field, arrow: pa.DataType) -> None:
    schema, _ = decoded(pa.schema([field]))
    assert schema.field("n").type == arrow


def test_numbers_without_bounds_are_marked() -> None:
    schema, _ = decoded(pa.schema([numeric(None)]))
    assert schema.field("n").metadata == NUMERIC


def test_a_batch() -> None:
    field = numeric(38, 9)
    storage = pa.array(["1.500000000", None])
    batch = pa.RecordBatch.from_arrays(
        [pa.ExtensionArray.from_storage(field.type, storage)], schema=pa.schema([field])
    )
    schema, steps = decoded(batch.schema)
    assert decode(batch, schema, steps).column(0).to_pylist() == [Decimal("1.500000000"), None]


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
