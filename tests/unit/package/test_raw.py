"""The raw format: variant structs, and nesting deeper than Arrow IPC can store."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.extract.reading import WHERE, read_back

from ladle.extract.arrow import to_array
from ladle.package.raw import (
    FRAME_METADATA,
    MAX_DEPTH,
    PREFIX,
    hoist_deep,
    is_frame,
    is_variant,
    kinds_of,
    make_variant,
    restore_deep,
    variant_kinds,
)

VARIANT = make_variant({"text": pa.array([None, "a"]), "bigint": pa.array([1, None])})


def test_variant_fields_have_the_order_of_the_kinds_and_the_prefix() -> None:
    assert [f.name for f in VARIANT.type] == [PREFIX + "bigint", PREFIX + "text"]
    assert is_variant(VARIANT.type)


@pytest.mark.parametrize(
    "type_",
    [pa.struct([]), pa.struct([("a", pa.int64())]), pa.int64(), pa.list_(VARIANT.type)],
)
def test_other_types_are_no_variants(type_: pa.DataType) -> None:
    assert not is_variant(type_)


def test_one_json_kind_may_stand_alone() -> None:
    array = make_variant({"json": pa.array(["{}"])})
    assert is_variant(array.type)
    assert [kind for kind, _ in variant_kinds(array)] == ["json"]


def test_nulls_of_a_variant_reach_its_kinds() -> None:
    masked = pa.StructArray.from_arrays(
        [pa.array([1, 2]), pa.array(["x", None])],
        names=[PREFIX + "bigint", PREFIX + "text"],
        mask=pa.array([True, False]),
    )
    assert [(k, a.to_pylist()) for k, a in variant_kinds(masked)] == [
        ("bigint", [None, 2]),
        ("text", [None, None]),
    ]
    assert [(k, a.to_pylist()) for k, a in variant_kinds(VARIANT.slice(1))] == [
        ("bigint", [None]),
        ("text", ["a"]),
    ]


@pytest.mark.parametrize(
    ("array", "kinds"),
    [
        (VARIANT, ["bigint", "text"]),
        (pa.array([{"a": 1}]), ["dict"]),
        (pa.array([[1]]), ["list"]),
        (pa.array([1]), ["bigint"]),
        (pa.array([0], pa.timestamp("us")), ["timestamp_ntz"]),
        (pa.array([0], pa.timestamp("us", "UTC")), ["timestamp"]),
        (pa.array([1], pa.decimal256(76, 0)), ["wei"]),
        (pa.nulls(1), []),
    ],
)
def test_kinds_of_any_raw_array(array: pa.Array, kinds: list[str]) -> None:
    assert list(kinds_of(array)) == kinds


def test_batches_of_frames_are_marked() -> None:
    schema = pa.schema([("a", pa.int64())])
    assert not is_frame(schema)
    assert is_frame(schema.with_metadata(FRAME_METADATA))


def store(array: pa.Array) -> pa.Array:
    """Write an array by Arrow IPC and read it back."""
    batch = pa.RecordBatch.from_arrays([array], names=["c"])
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return pa.ipc.open_stream(sink.getvalue()).read_all()["c"].combine_chunks()


def nested(levels: int, leaf: Any, as_list: bool) -> Any:
    for _ in range(levels):
        leaf = [leaf] if as_list else {"a": leaf}
    return leaf


@pytest.mark.parametrize("as_list", [False, True])
@pytest.mark.parametrize("levels", [49, 50, 51, 52, 63, 64, 99, 100, 101, 150, 249])
def test_any_depth_survives_storage(levels: int, as_list: bool) -> None:
    rows = [None, nested(levels, 1, as_list), nested(3, None, as_list), nested(levels, "x", as_list)]
    array = to_array(rows, where=WHERE)
    hoisted = hoist_deep(array)
    assert restore_deep(store(hoisted)).equals(array)
    assert (hoisted is array) == (levels + 1 <= MAX_DEPTH)


def test_shallow_arrays_are_not_touched() -> None:
    array = to_array([{"a": [{"b": b"blob"}]}], where=WHERE)
    assert hoist_deep(array) is array
    assert restore_deep(array) is array


@pytest.mark.parametrize("as_list", [False, True])
def test_slices_are_hoisted_alone(as_list: bool) -> None:
    rows = [nested(70, i, as_list) if i % 3 else None for i in range(10)]
    array = to_array([{"v": v} for v in rows], where=WHERE)
    part = array.slice(3, 4)
    assert restore_deep(store(hoist_deep(part))).to_pylist() == part.to_pylist()


@pytest.mark.parametrize("as_list", [False, True])
def test_arrays_without_rows_are_fine(as_list: bool) -> None:
    array = to_array([nested(70, 1, as_list)], where=WHERE).slice(0, 0)
    assert restore_deep(store(hoist_deep(array))).to_pylist() == []


def test_the_blob_is_seen_where_parents_are_null() -> None:
    inner = nested(60, 1, as_list=False)
    array = to_array([{"v": None}, {"v": None}, {"v": inner}, {"v": inner}], where=WHERE)
    hoisted, names = store(hoist_deep(array)), 0
    while not is_variant(hoisted.type):
        # as normalize goes down: nulls of the parent applied to the child
        hoisted, names = hoisted.flatten()[0], names + 1
    ((kind, blobs),) = variant_kinds(hoisted)
    assert kind == "deep"
    assert blobs.is_valid().to_pylist() == [False, False, True, False]
    below = restore_deep(blobs)
    assert below.to_pylist()[2:] == [nested(61 - names, 1, as_list=False)] * 2


def test_items_under_null_lists_are_left_out() -> None:
    deep = to_array([nested(60, i, as_list=False) for i in range(4)], where=WHERE)
    lists = pa.ListArray.from_arrays(
        pa.array([0, 2, 3, 4], pa.int32()), deep, mask=pa.array([True, False, False])
    )
    restored = restore_deep(store(hoist_deep(lists)))
    assert restored.to_pylist() == lists.to_pylist()
    assert len(restored.values) == 2


LEAVES = st.one_of(st.none(), st.integers(0, 5), st.text(max_size=2))
WRAPS = st.lists(st.sampled_from(["dict", "list", "two"]), min_size=45, max_size=110)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(WRAPS, LEAVES), min_size=1, max_size=4))
def test_deep_values_of_any_shape_survive(specs: list[tuple[list[str], Any]]) -> None:
    rows = []
    for wraps, leaf in specs:
        value = leaf
        for wrap in wraps:
            value = {"dict": {"a": value}, "list": [value], "two": [None, value]}[wrap]
        rows.append({"v": value})
    array = to_array(rows, where=WHERE)
    assert read_back(restore_deep(store(hoist_deep(array)))) == read_back(array)
