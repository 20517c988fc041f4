"""Batches: cut at the same rows however Arrow came, without what is done; as dicts, Arrow, or files."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ladle.destinations.formats import FORMATS
from ladle.destinations.function_batches import Shape, batches_of, dicts, due, files_of, rows_of
from ladle.errors import DataError
from ladle.schema.table import Column, Table


def arrow(rows: int, cut: int) -> list[pa.RecordBatch]:
    whole = pa.record_batch({"n": list(range(rows)), "_dlt_id": [f"r{i}" for i in range(rows)]})
    return [whole.slice(i, cut) for i in range(0, rows, cut)]


TABLE = Table("t", {"n": Column("n", "bigint"), "_dlt_id": Column("_dlt_id", "text")})
JSONL, PARQUET = FORMATS["jsonl"], FORMATS["parquet"]


@pytest.mark.parametrize("cut", [1, 2, 3, 7, 10])
@pytest.mark.parametrize(
    ("done", "size", "expected"),
    [
        ([], 3, [(0, 3), (3, 3), (6, 3), (9, 1)]),
        ([], 100, [(0, 10)]),
        ([(0, 3)], 3, [(3, 3), (6, 3), (9, 1)]),
        ([(3, 6)], 3, [(0, 3), (6, 3), (9, 1)]),
        ([(0, 2), (4, 5)], 3, [(2, 2), (5, 3), (8, 2)]),
        ([(0, 10)], 3, []),
        ([(9, 10)], 100, [(0, 9)]),
    ],
)
def test_batches_begin_where_nothing_is_done(
    cut: int, done: list[tuple[int, int]], size: int, expected: list[tuple[int, int]]
) -> None:
    found = list(rows_of(due(arrow(10, cut), done), size))
    assert [(first, rows.num_rows) for first, rows in found] == expected
    assert [v for _, rows in found for v in rows["n"].to_pylist()] == [
        n for first, rows in expected for n in range(first, first + rows)
    ]


@pytest.mark.parametrize(("keys", "first"), [(False, {"n": 0}), (True, {"n": 0, "_dlt_id": "r0"})])
def test_as_dicts_or_arrow_with_and_without_keys(keys: bool, first: dict[str, Any]) -> None:
    lists = list(batches_of(TABLE, arrow(3, 3), [], Shape(2, JSONL, True, keys)))
    assert [(b.first, b.rows) for b in lists] == [(0, 2), (2, 1)]
    assert lists[0].items[0] == first
    frames = list(batches_of(TABLE, arrow(3, 3), [], Shape(2, PARQUET, True, keys)))
    assert isinstance(frames[0].items, pa.RecordBatch)
    assert frames[0].items.to_pylist()[0] == first


def test_values_are_pythons_own_and_nulls_are_left_out() -> None:
    values: dict[str, tuple[Column, pa.Array, Any]] = {
        "j": (Column("j", "json"), pa.array(['{"a":[123456789012345678901]}', None]),
              {"a": [123456789012345678901]}),
        "w": (Column("w", "wei"), pa.array([Decimal(2**100), None], pa.decimal256(76, 0)), 2**100),
        "d": (Column("d", "decimal"), pa.array([Decimal("1.5"), None], pa.decimal128(38, 9)), Decimal("1.5")),
        "at": (Column("at", "timestamp"), pa.array([datetime(2024, 1, 1), None], pa.timestamp("us", "UTC")),
               datetime(2024, 1, 1, tzinfo=UTC)),
        "ns": (Column("ns", "timestamp", precision=9), pa.array([1_001, None], pa.timestamp("ns")),
               datetime(1970, 1, 1, 0, 0, 0, 1)),
        "day": (Column("day", "date"), pa.array([date(2024, 1, 2), None]), date(2024, 1, 2)),
        "hour": (Column("hour", "time"), pa.array([time(1, 2), None], pa.time64("us")), time(1, 2)),
        "b": (Column("b", "binary"), pa.array([b"x", None]), b"x"),
    }  # fmt: skip
    batch = pa.record_batch({n: array for n, (_, array, _) in values.items()})
    columns = {n: column for n, (column, _, _) in values.items()}
    assert dicts(batch, columns, 2) == [{n: value for n, (_, _, value) in values.items()}, {}]
    assert dicts(batch.select([]), columns, 2) == [{}, {}]


def test_a_file_has_all_rows_that_are_due_and_all_columns(tmp_path: Path) -> None:
    table, schema = Table("a/b▶c", dict(TABLE.columns)), arrow(1, 1)[0].schema

    def files(kind: Any, compressed: bool, done: list[tuple[int, int]]) -> list[Any]:
        shape = Shape(0, kind, compressed, False)
        return list(files_of(table, schema, due(arrow(5, 2), done), shape, tmp_path / "f"))

    (whole,) = files(PARQUET, True, [])
    assert (whole.first, whole.rows) == (0, 5)
    assert Path(whole.items).parent == tmp_path / "f"
    assert whole.items.endswith(".parquet")
    assert pq.read_table(whole.items).to_pylist() == pa.Table.from_batches(arrow(5, 5)).to_pylist()
    (left,) = files(JSONL, True, [(0, 2)])
    assert left.items.endswith(".2.jsonl.gz")
    lines = gzip.decompress(Path(left.items).read_bytes()).splitlines()
    assert [json.loads(line)["n"] for line in lines] == [2, 3, 4]
    (plain,) = files(JSONL, False, [])
    assert json.loads(Path(plain.items).read_text().splitlines()[0]) == {"n": 0, "_dlt_id": "r0"}
    assert files(PARQUET, True, [(0, 5)]) == []
    assert [(b.first, b.rows) for b in files(PARQUET, True, [(2, 3)])] == [(0, 2), (3, 2)]


def test_a_date_that_python_has_not_is_named() -> None:
    batch = pa.RecordBatch.from_arrays([pa.array([5_000_000], pa.date32())], ["d"])
    with pytest.raises(DataError, match="column `d`"):
        dicts(batch, {"d": Column("d", "date")}, 1)
