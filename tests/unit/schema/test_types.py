"""Logical types and Arrow types, each way."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from ladle.schema.table import DATA_TYPES, Column
from ladle.schema.types import WEI_RAW, arrow_type, column_of, kind_of

TO_ARROW: list[tuple[dict[str, Any], pa.DataType]] = [
    ({"data_type": "text", "precision": 5}, pa.string()),
    ({"data_type": "bigint"}, pa.int64()),
    ({"data_type": "bigint", "precision": 8}, pa.int8()),
    ({"data_type": "bigint", "precision": 16}, pa.int16()),
    ({"data_type": "bigint", "precision": 32}, pa.int32()),
    ({"data_type": "bigint", "precision": 128}, pa.int64()),
    ({"data_type": "double"}, pa.float64()),
    ({"data_type": "bool"}, pa.bool_()),
    ({"data_type": "date"}, pa.date32()),
    ({"data_type": "time"}, pa.time64("us")),
    ({"data_type": "binary"}, pa.binary()),
    ({"data_type": "json"}, pa.string()),
    ({"data_type": "timestamp"}, pa.timestamp("us", "UTC")),
    ({"data_type": "timestamp", "timezone": False}, pa.timestamp("us")),
    ({"data_type": "timestamp", "precision": 0}, pa.timestamp("s", "UTC")),
    ({"data_type": "timestamp", "precision": 2}, pa.timestamp("ms", "UTC")),
    ({"data_type": "timestamp", "precision": 3}, pa.timestamp("ms", "UTC")),
    ({"data_type": "timestamp", "precision": 6}, pa.timestamp("us", "UTC")),
    ({"data_type": "timestamp", "precision": 9}, pa.timestamp("ns", "UTC")),
    ({"data_type": "decimal"}, pa.decimal128(38, 9)),
    ({"data_type": "decimal", "precision": 10}, pa.decimal128(10, 0)),
    ({"data_type": "decimal", "precision": 10, "scale": 2}, pa.decimal128(10, 2)),
    ({"data_type": "decimal", "scale": 2}, pa.decimal128(38, 2)),
    ({"data_type": "decimal", "precision": 50, "scale": 5}, pa.decimal256(50, 5)),
    ({"data_type": "wei"}, pa.decimal128(38, 0)),
]
KINDS = [
    (pa.bool_(), "bool"),
    (pa.int8(), "bigint"),
    (pa.uint64(), "bigint"),
    (pa.float32(), "double"),
    (pa.string(), "text"),
    (pa.large_string(), "text"),
    (pa.string_view(), "text"),
    (pa.binary(4), "binary"),
    (pa.decimal128(5, 2), "decimal"),
    (pa.decimal256(76, 1), "decimal"),
    (WEI_RAW, "wei"),
    (pa.timestamp("ns"), "timestamp"),
    (pa.date64(), "date"),
    (pa.time32("s"), "time"),
    (pa.null(), None),
    (pa.list_(pa.int8()), None),
    (pa.struct([]), None),
    (pa.duration("s"), None),
]
FROM_FRAMES: list[tuple[pa.DataType, dict[str, Any]]] = [
    (pa.int8(), {"data_type": "bigint", "precision": 8}),
    (pa.int32(), {"data_type": "bigint", "precision": 32}),
    (pa.int64(), {"data_type": "bigint"}),
    (pa.timestamp("s", "UTC"), {"data_type": "timestamp", "precision": 0}),
    (pa.timestamp("ms"), {"data_type": "timestamp", "precision": 3}),
    (pa.timestamp("us"), {"data_type": "timestamp"}),
    (pa.timestamp("ns"), {"data_type": "timestamp", "precision": 9}),
    (pa.decimal128(10, 2), {"data_type": "decimal", "precision": 10, "scale": 2}),
    (pa.string(), {"data_type": "text"}),
]


@pytest.mark.parametrize(("hints", "arrow"), TO_ARROW, ids=str)
def test_column_to_arrow(hints: dict[str, Any], arrow: pa.DataType) -> None:
    assert arrow_type(Column.from_dict("c", hints)) == arrow


def test_every_data_type_has_an_arrow_type_of_its_kind() -> None:
    kinds = {t: kind_of(arrow_type(Column("c", data_type=t))) for t in DATA_TYPES}
    assert kinds == {t: {"json": "text", "wei": "decimal"}.get(t, t) for t in DATA_TYPES}


@pytest.mark.parametrize(("digits", "arrow"), [(38, pa.decimal128(38, 0)), (76, pa.decimal256(76, 0))])
def test_wei_has_the_digits_of_the_destination(digits: int, arrow: pa.DataType) -> None:
    assert arrow_type(Column("c", data_type="wei"), digits) == arrow


@pytest.mark.parametrize(("arrow", "kind"), KINDS, ids=str)
def test_arrow_to_kind(arrow: pa.DataType, kind: str | None) -> None:
    assert kind_of(arrow) == kind


@pytest.mark.parametrize(("arrow", "hints"), FROM_FRAMES, ids=str)
def test_types_of_frames_are_meant_those_of_python_values_are_not(
    arrow: pa.DataType, hints: dict[str, Any]
) -> None:
    assert column_of("c", arrow, from_frame=True) == Column.from_dict("c", hints)
    assert column_of("c", arrow) == Column("c", data_type=hints["data_type"])
