from __future__ import annotations

import re
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from ladle.destinations.postgres_types import Encoder, column_type
from ladle.errors import DataError, DestinationError
from ladle.schema.table import Column, Table
from ladle.schema.types import arrow_type

_TYPES: list[tuple[dict[str, Any], str]] = [
    ({"data_type": "text"}, "varchar"),
    ({"data_type": "text", "precision": 20}, "varchar(20)"),
    ({"data_type": "bigint"}, "bigint"),
    ({"data_type": "bigint", "precision": 64}, "bigint"),
    ({"data_type": "bigint", "precision": 32}, "integer"),
    ({"data_type": "bigint", "precision": 16}, "smallint"),
    ({"data_type": "bigint", "precision": 8}, "smallint"),
    ({"data_type": "double"}, "double precision"),
    ({"data_type": "bool"}, "boolean"),
    ({"data_type": "date"}, "date"),
    ({"data_type": "time"}, "time without time zone"),
    ({"data_type": "timestamp"}, "timestamp with time zone"),
    ({"data_type": "timestamp", "precision": 6}, "timestamp with time zone"),
    ({"data_type": "timestamp", "precision": 9}, "timestamp with time zone"),
    ({"data_type": "timestamp", "precision": 3}, "timestamp(3) with time zone"),
    ({"data_type": "timestamp", "timezone": False}, "timestamp without time zone"),
    ({"data_type": "timestamp", "timezone": False, "precision": 0}, "timestamp(0) without time zone"),
    ({"data_type": "decimal"}, "numeric(38,9)"),
    ({"data_type": "decimal", "precision": 10}, "numeric(10,0)"),
    ({"data_type": "decimal", "precision": 10, "scale": 2}, "numeric(10,2)"),
    ({"data_type": "wei"}, "numeric(156,78)"),
    ({"data_type": "binary"}, "bytea"),
    ({"data_type": "binary", "precision": 5}, "bytea"),
    ({"data_type": "json"}, "jsonb"),
]


@pytest.mark.parametrize(("hints", "expected"), _TYPES)
def test_a_new_column_has_the_type_of_the_table(hints: dict[str, Any], expected: str) -> None:
    assert column_type(Column("c", **hints)) == expected


def _encoded(hints: dict[str, Any], there: str, values: list[Any]) -> pa.Array:
    column = Column("c", **hints)
    arrow = arrow_type(column, wei_digits=76)
    batch = pa.record_batch({"c": pa.array(values, arrow)})
    encoder = Encoder(Table("t", columns={"c": column}), batch.schema, {"c": there})
    (piece,) = encoder.encoded([batch])
    assert piece.schema == encoder.schema
    return piece.column("c")


def _at(microsecond: int) -> datetime:
    return datetime(1969, 12, 31, 23, 59, 59, microsecond, tzinfo=UTC)


_DECIMAL = {"data_type": "decimal", "precision": 60, "scale": 9}
_UTC = pa.timestamp("us", "UTC")
_AWARE = "timestamp with time zone"
_PUT: list[tuple[dict[str, Any], str, Any, pa.DataType, Any]] = [
    ({"data_type": "text"}, "character varying", "x", pa.string(), "x"),
    ({"data_type": "text"}, "character varying(3)", "x", pa.string(), "x"),
    ({"data_type": "text"}, "text", "x", pa.string(), "x"),
    ({"data_type": "json"}, "jsonb", '{"a":1}', pa.string(), '{"a":1}'),
    ({"data_type": "json"}, "json", '{"a":1}', pa.string(), '{"a":1}'),
    ({"data_type": "json"}, "text", '{"a":1}', pa.string(), '{"a":1}'),
    ({"data_type": "bigint"}, "bigint", -1, pa.int64(), -1),
    ({"data_type": "bigint"}, "integer", -1, pa.int32(), -1),
    ({"data_type": "bigint", "precision": 32}, "bigint", -1, pa.int64(), -1),
    ({"data_type": "bigint", "precision": 8}, "smallint", -1, pa.int16(), -1),
    ({"data_type": "bigint"}, "double precision", 2, pa.float64(), 2.0),
    ({"data_type": "bigint"}, "numeric", -(2**63), pa.decimal128(19, 0), Decimal(-(2**63))),
    ({"data_type": "double"}, "double precision", 0.1, pa.float64(), 0.1),
    ({"data_type": "bool"}, "boolean", True, pa.bool_(), True),
    ({"data_type": "date"}, "date", date(1, 1, 1), pa.date32(), date(1, 1, 1)),
    ({"data_type": "time"}, "time without time zone", time(1, 2), pa.time64("us"), time(1, 2)),
    ({"data_type": "binary"}, "bytea", b"\0", pa.binary(), b"\0"),
    ({"data_type": "decimal"}, "numeric(38,9)", Decimal("1.5"), pa.decimal128(38, 9), Decimal("1.5")),
    ({"data_type": "decimal"}, "numeric(5,2)", Decimal("1.5"), pa.decimal128(31, 2), Decimal("1.5")),
    (_DECIMAL, "numeric(60,2)", Decimal("1.5"), pa.decimal256(53, 2), Decimal("1.5")),
    ({"data_type": "wei"}, "numeric(156,78)", 2**250, pa.decimal256(76, 0), Decimal(2**250)),
    ({"data_type": "timestamp"}, _AWARE, _at(999_999), _UTC, _at(999_999)),
    ({"data_type": "timestamp"}, "timestamp(3) with time zone", _at(999_999), _UTC, _at(999_000)),
    ({"data_type": "timestamp"}, "timestamp(2) with time zone", _at(999_999), _UTC, _at(990_000)),
    ({"data_type": "timestamp", "precision": 3}, _AWARE, _at(5_000), _UTC, _at(5_000)),
]  # fmt: skip


@pytest.mark.parametrize(("hints", "there", "value", "arrow", "expected"), _PUT)
def test_values_are_put_as_the_column_wants_them(
    hints: dict[str, Any], there: str, value: Any, arrow: pa.DataType, expected: Any
) -> None:
    found = _encoded(hints, there, [value, None])
    assert found.type == arrow
    assert found.to_pylist() == [expected, None]


def test_nanoseconds_are_cut_towards_the_past() -> None:
    column = Column("c", data_type="timestamp", precision=9)
    batch = pa.record_batch({"c": pa.array([-1, 1_999], pa.timestamp("ns", "UTC"))})
    encoder = Encoder(Table("t", columns={"c": column}), batch.schema, {"c": "timestamp with time zone"})
    (piece,) = encoder.encoded([batch])
    assert piece.column("c").cast(pa.int64()).to_pylist() == [-1, 1]


_REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"data_type": "text"}, "integer"),
    ({"data_type": "text"}, "text[]"),
    ({"data_type": "text"}, "jsonb"),
    ({"data_type": "text"}, "ds.some_enum"),
    ({"data_type": "text"}, "uuid"),
    ({"data_type": "text"}, ""),
    ({"data_type": "double"}, "bigint"),
    ({"data_type": "double"}, "real"),
    ({"data_type": "double"}, "numeric(38,9)"),
    ({"data_type": "bigint"}, "boolean"),
    ({"data_type": "wei"}, "bigint"),
    ({"data_type": "timestamp"}, "timestamp without time zone"),
    ({"data_type": "timestamp", "timezone": False}, "timestamp with time zone"),
    ({"data_type": "timestamp"}, "date"),
    ({"data_type": "date"}, "timestamp with time zone"),
    ({"data_type": "json"}, "bytea"),
]


@pytest.mark.parametrize(("hints", "there"), _REFUSED)
def test_a_column_of_another_kind_is_refused_before_anything_is_read(
    hints: dict[str, Any], there: str
) -> None:
    column = Column("c", **hints)
    schema = pa.schema([("c", arrow_type(column, 76))])
    with pytest.raises(DestinationError, match=re.escape(f"is `{there}`")) as caught:
        Encoder(Table("t", columns={"c": column}), schema, {"c": there})
    assert (caught.value.facts["table"], caught.value.facts["column"]) == ("t", "c")
    assert caught.value.expected


_TOO_MUCH: list[tuple[dict[str, Any], str, Any]] = [
    ({"data_type": "bigint"}, "integer", 2**31),
    ({"data_type": "bigint"}, "smallint", -(2**15) - 1),
    ({"data_type": "bigint"}, "double precision", 2**53 + 1),
    ({"data_type": "decimal"}, "numeric(5,2)", Decimal("1.001")),
]


@pytest.mark.parametrize(("hints", "there", "value"), _TOO_MUCH)
def test_a_value_that_would_lose_something_is_an_error(hints: dict[str, Any], there: str, value: Any) -> None:
    with pytest.raises(DataError, match="doesn't fit") as caught:
        _encoded(hints, there, [value])
    assert caught.value.facts["column"] == "c"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (r'{"a":"\u0000"}', '{"a":"\u2400"}'),
        (r'"\u0000\u0000\u0000x\u0000"', '"\u2400\u2400\u2400x\u2400"'),
        (r'"\\u0000"', r'"\\u0000"'),
        (r'"\\\u0000"', '"\\\\\u2400"'),
        (r'"\\\\u0000\u0000"', '"\\\\\\\\u0000\u2400"'),
        (r'{"\u0000":1}', '{"\u2400":1}'),
    ],
)
def test_nul_in_json_becomes_its_symbol(text: str, expected: str) -> None:
    assert _encoded({"data_type": "json"}, "jsonb", [text]).to_pylist() == [expected]


def test_batches_are_cut_small_and_keep_their_rows() -> None:
    batch = pa.record_batch({"c": pa.array(range(25_000), pa.int64())})
    encoder = Encoder(
        Table("t", columns={"c": Column("c", data_type="bigint")}), batch.schema, {"c": "bigint"}
    )
    pieces = list(encoder.encoded([batch, batch.slice(0, 0), batch.slice(0, 1)]))
    assert [piece.num_rows for piece in pieces] == [10_000, 10_000, 5_000, 1]
    assert pa.Table.from_batches(pieces).column("c").to_pylist() == [*range(25_000), 0]
