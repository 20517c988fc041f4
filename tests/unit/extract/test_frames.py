"""Frames to raw batches: types, cuts, and what can't be stored. Types and values by type: tests/golden/arrow.tsv."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any
from uuid import UUID

import pandas
import polars
import pyarrow as pa
import pytest

from ladle.errors import DataError
from ladle.extract.arrow import Where
from ladle.extract.frames import canonical, frame_batches, is_frame
from ladle.package.raw import is_frame as came_from_frame
from ladle.schema.types import WEI_RAW

WHERE = Where("r", "t", 0)
TABLE = pa.table({"a": [1, 2, 3], "b": ["x", None, "z"]})


class Capsule:
    """Anything with the stream protocol."""

    def __arrow_c_stream__(self, requested: Any = None) -> Any:
        return TABLE.__arrow_c_stream__(requested)


FRAMES = {
    "table": lambda: TABLE,
    "batch": lambda: TABLE.to_batches()[0],
    "reader": lambda: TABLE.to_reader(),
    "pandas": lambda: TABLE.to_pandas(),
    "polars": lambda: polars.from_arrow(TABLE),
    "lazy polars": lambda: polars.from_arrow(TABLE).lazy(),
    "stream capsule": lambda: Capsule(),
    "chunked": lambda: pa.concat_tables([TABLE.slice(0, 1), TABLE.slice(1)]),
    "slice": lambda: pa.concat_tables([TABLE, TABLE]).combine_chunks().slice(3),
}


@pytest.mark.parametrize("name", FRAMES)
def test_every_frame_gives_the_same_rows(name: str) -> None:
    frame = FRAMES[name]()
    assert is_frame(frame)
    batches = list(frame_batches(frame, WHERE))
    assert (
        pa.Table.from_batches([b.replace_schema_metadata() for b in batches]).to_pylist() == TABLE.to_pylist()
    )
    assert all(came_from_frame(b.schema) for b in batches)


@pytest.mark.parametrize("item", [{"a": 1}, [1], "a", None, 5, (1,), pandas.Series([1]).tolist()])
def test_what_is_no_frame(item: Any) -> None:
    assert not is_frame(item)


def test_the_index_of_pandas_is_no_column() -> None:
    frame = pandas.DataFrame({"a": [1]}, index=pandas.Index([7], name="i"))
    assert next(iter(frame_batches(frame, WHERE))).schema.names == ["a"]


def test_streams_are_read_batch_by_batch() -> None:
    read = []

    def stream() -> Iterator[pa.RecordBatch]:
        for number in range(3):
            read.append(number)
            yield pa.record_batch({"a": [number]})

    reader = pa.RecordBatchReader.from_batches(pa.schema([("a", pa.int64())]), stream())
    next(frame_batches(reader, WHERE))
    assert read == [0]


def test_large_frames_are_cut_by_rows_and_bytes() -> None:
    by_rows = list(frame_batches(pa.table({"a": pa.nulls(600_000, pa.int8())}), WHERE))
    assert [b.num_rows for b in by_rows] == [250_000, 250_000, 100_000]
    by_bytes = list(frame_batches(pa.table({"a": ["x" * (1 << 20)] * 70}), WHERE))
    assert max(b.nbytes for b in by_bytes) <= 33 << 20
    assert sum(b.num_rows for b in by_bytes) == 70


def test_types_that_are_raw_already_are_not_copied() -> None:
    batch = next(iter(frame_batches(TABLE, WHERE)))
    for ours, theirs in zip(batch.columns, TABLE.columns, strict=True):
        assert ours.buffers()[1].address == theirs.chunk(0).buffers()[1].address


NESTED = pa.array([{"u": 1, "l": [{"d": Decimal("1.5")}]}, None])
CANONICAL: list[tuple[pa.Array, pa.DataType, list[Any]]] = [
    (pa.array([1], pa.uint8()), pa.int16(), [1]),
    (pa.array([2**63], pa.uint64()), WEI_RAW, [Decimal(2**63)]),
    (pa.array([None], pa.uint64()), pa.int64(), [None]),
    (NESTED, NESTED.type, NESTED.to_pylist()),
    (pa.array([{"u": 1}, None], pa.struct([("u", pa.uint8())])), pa.struct([("u", pa.int16())]), [{"u": 1}, None]),
    (pa.array([[1], None, []], pa.large_list(pa.uint8())), pa.list_(pa.int16()), [[1], None, []]),
    (pa.array([[1, 2], None], pa.list_(pa.int64(), 2)), pa.list_(pa.int64()), [[1, 2], None]),
    (pa.array([[1], [2, 3]], pa.list_(pa.uint8())).slice(1), pa.list_(pa.int16()), [[2, 3]]),
    (pa.array([[("k", 1)], None], pa.map_(pa.string(), pa.int64())), pa.list_(pa.struct([("key", pa.string()), ("value", pa.int64())])), [[{"key": "k", "value": 1}], None]),
    (pa.array([UUID(int=1).bytes], pa.uuid()), pa.string(), [str(UUID(int=1))]),
]  # fmt: skip


@pytest.mark.parametrize(("array", "type_", "values"), CANONICAL, ids=lambda v: str(v)[:30])
def test_nested_and_wide_types_become_raw_ones(
    array: pa.Array, type_: pa.DataType, values: list[Any]
) -> None:
    found = canonical(array, WHERE)
    found.validate(full=True)
    assert (found.type, found.to_pylist()) == (type_, values)


def test_values_that_would_lose_digits_are_refused() -> None:
    with pytest.raises(DataError) as caught:
        list(frame_batches(pa.table({"ok": [1], "t": pa.array([1], pa.time64("ns"))}), WHERE.at(7)))
    assert (caught.value.column, caught.value.resource, caught.value.row) == ("t", "r", 7)
    assert str(caught.value).count("\n") <= 3


def test_columns_of_one_name_keep_all_values() -> None:
    frame = pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["a", "a"])
    assert next(iter(frame_batches(frame, WHERE))).to_pylist() == [{"a": 1, "a_2": 2}]


def test_decimals_of_negative_scale_become_whole_numbers() -> None:
    given = pa.array([Decimal("1E+5"), None, Decimal("-1.2345E+9")], pa.decimal128(5, -5))
    found = canonical(given, Where("r", "t"))
    assert found.type == pa.decimal128(10, 0)
    assert found.to_pylist() == [Decimal(100_000), None, Decimal(-1234500000)]


@pytest.mark.parametrize("unit", ["s", "ms"])
def test_timestamps_that_no_destination_holds_are_refused(unit: str) -> None:
    far = pa.table({"v": pa.array([10**18], pa.timestamp(unit))})
    with pytest.raises(DataError, match=f"cannot store Arrow type `timestamp.{unit}.` of column `v`"):
        list(frame_batches(far, Where("r", "t")))
