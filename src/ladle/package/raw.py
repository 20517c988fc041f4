"""The raw format: canonical nested Arrow, as extract writes it and normalize reads it.

A path whose values have several kinds is a *variant struct*: every field name starts with `PREFIX` and
names a kind, and each row has at most one field that is not null.
"""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa
import pyarrow.compute as pc

from ladle.schema.types import kind_of

PREFIX = "\ue0f0"
"""First character of the field names of variant structs; user keys never start with it."""

KINDS = (
    "bool",
    "bigint",
    "wei",
    "double",
    "decimal",
    "text",
    "binary",
    "date",
    "time",
    "timestamp",
    "timestamp_ntz",
    "json",
    "dict",
    "list",
    "deep",
)
"""Every kind a variant struct may hold, in the order of its fields."""

FRAME_METADATA: Mapping[bytes, bytes] = {b"ladle": b"frame"}
"""Metadata of the schema of batches that came from frames."""

MAX_DEPTH = 50
"""Nested types an array may have below itself when stored; Arrow IPC gives up at 64."""

_DEEP = PREFIX + "deep"


def is_variant(type_: pa.DataType) -> bool:
    """Say whether a type is a variant struct."""
    if not pa.types.is_struct(type_) or type_.num_fields == 0:
        return False
    return all(type_.field(i).name.startswith(PREFIX) for i in range(type_.num_fields))


def make_variant(kinds: Mapping[str, pa.Array]) -> pa.StructArray:
    """Return the variant struct of arrays of one length, one per kind.

    Args:
        kinds: kind name to array; in each row at most one of them is not null.
    """
    names = [kind for kind in KINDS if kind in kinds]
    return pa.StructArray.from_arrays([kinds[n] for n in names], names=[PREFIX + n for n in names])


def variant_kinds(array: pa.StructArray) -> list[tuple[str, pa.Array]]:
    """Return kind and array of each field of a variant struct; nulls of the struct are applied."""
    return [
        (name.removeprefix(PREFIX), child) for name, child in zip(_names(array), array.flatten(), strict=True)
    ]


def kinds_of(array: pa.Array) -> dict[str, pa.Array]:
    """Return the arrays of one raw array by kind: several of a variant struct, none of nulls, else one."""
    type_ = array.type
    if is_variant(type_):
        return dict(variant_kinds(array))
    if pa.types.is_struct(type_):
        return {"dict": array}
    if pa.types.is_list(type_):
        return {"list": array}
    kind = kind_of(type_)
    if kind == "timestamp" and type_.tz is None:
        kind = "timestamp_ntz"
    return {} if kind is None else {kind: array}


def is_frame(schema: pa.Schema) -> bool:
    """Say whether a batch came from a frame, whose types are meant, and not from Python values."""
    return (schema.metadata or {}).items() >= FRAME_METADATA.items()


def hoist_deep(array: pa.Array) -> pa.Array:
    """Return an array that Arrow IPC can store, whatever its depth.

    Each sub-array more than `MAX_DEPTH` types down becomes a variant struct of the one kind `deep`: binary,
    whose first row that no null hides holds the whole sub-array as an IPC stream (itself hoisted), the other
    rows null. Free when nothing is that deep, but for a walk over the type. Don't filter or slice
    what this returns before `restore_deep`: the blob stands for all rows of its batch.
    """
    if _levels(array.type, MAX_DEPTH + 1) <= MAX_DEPTH:
        return array
    return _hoist(array, MAX_DEPTH, None)


def restore_deep(array: pa.Array) -> pa.Array:
    """Undo `hoist_deep`; the values are exactly those hoisted.

    Args:
        array: what `hoist_deep` returned, or the binary array of a kind `deep` within it. A sub-array of
            which no row could be seen has no blob and comes back as nulls.
    """
    return _read_blob(array) if pa.types.is_binary(array.type) else _restore(array)


def _levels(type_: pa.DataType, limit: int) -> int:
    """Return how many types are nested below `type_`, counting no further than `limit`."""
    deepest, below = 0, [(type_, 0)]
    while below and deepest < limit:
        type_, level = below.pop()
        deepest = max(deepest, level)
        below.extend((type_.field(i).type, level + 1) for i in range(type_.num_fields))
    return deepest


def _has_deep(type_: pa.DataType) -> bool:
    below = [type_]
    while below:
        type_ = below.pop()
        if _is_deep(type_):
            return True
        below.extend(type_.field(i).type for i in range(type_.num_fields))
    return False


def _is_deep(type_: pa.DataType) -> bool:
    return is_variant(type_) and [type_.field(i).name for i in range(type_.num_fields)] == [_DEEP]


def _hoist(array: pa.Array, left: int, visible: pa.Array | None) -> pa.Array:
    """Hoist what is more than `left` types down; `visible` is false in rows where a parent is null."""
    if _levels(array.type, left + 1) <= left:
        return array
    if array.null_count:
        visible = array.is_valid() if visible is None else pc.and_(visible, array.is_valid())
    if left == 1:
        return _write_blob(array, visible)
    if pa.types.is_struct(array.type):
        children = []
        for i in range(array.type.num_fields):  # no comprehension: at this depth each frame counts
            children.append(_hoist(array.field(i), left - 1, visible))  # noqa: PERF401
        return pa.StructArray.from_arrays(children, names=_names(array), mask=_nulls(array))
    if visible is not None:
        # null lists may have items, which a reader would not see: leave them out
        array = pc.if_else(visible, array, None)
        lengths = pc.fill_null(array.value_lengths(), 0)
        ends = pc.cumulative_sum(lengths)
        offsets = pa.concat_arrays([pa.array([0], pa.int32()), ends])
        items = _hoist(array.flatten(), left - 1, None)
        return pa.ListArray.from_arrays(offsets, items, mask=pc.invert(visible))
    offsets, items = _own_items(array)
    return pa.ListArray.from_arrays(offsets, _hoist(items, left - 1, None))


def _restore(array: pa.Array) -> pa.Array:
    if _is_deep(array.type):
        return _read_blob(array.field(0))
    if not _has_deep(array.type):
        return array
    if pa.types.is_struct(array.type):
        children = []
        for i in range(array.type.num_fields):  # no comprehension: at this depth each frame counts
            children.append(_restore(array.field(i)))  # noqa: PERF401
        return pa.StructArray.from_arrays(children, names=_names(array), mask=_nulls(array))
    offsets, items = _own_items(array)
    return pa.ListArray.from_arrays(offsets, _restore(items), mask=_nulls(array))


def _own_items(array: pa.ListArray) -> tuple[pa.Array, pa.Array]:
    """Return offsets from zero and the items they point to, also of a slice: `from_arrays` needs that."""
    first, last = array.offsets[0].as_py(), array.offsets[-1].as_py()
    return pc.subtract(array.offsets, pa.scalar(first, pa.int32())), array.values.slice(first, last - first)


def _names(array: pa.StructArray) -> list[str]:
    return [array.type.field(i).name for i in range(array.type.num_fields)]


def _nulls(array: pa.Array) -> pa.Array | None:
    return array.is_null() if array.null_count else None


def _write_blob(array: pa.Array, visible: pa.Array | None) -> pa.StructArray:
    rows = len(array)
    first = 0 if visible is None else pc.index(visible, pa.scalar(True)).as_py()
    parts = [pa.nulls(rows, pa.binary())]
    if rows and first >= 0:
        batch = pa.RecordBatch.from_arrays([hoist_deep(array)], names=["deep"])
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, batch.schema) as writer:
            writer.write_batch(batch)
        blob = pa.array([sink.getvalue().to_pybytes()], pa.binary())
        parts = [pa.nulls(first, pa.binary()), blob, pa.nulls(rows - first - 1, pa.binary())]
    return pa.StructArray.from_arrays([pa.concat_arrays(parts)], names=[_DEEP])


def _read_blob(blobs: pa.Array) -> pa.Array:
    found = blobs.drop_null()
    if len(found) == 0:
        return pa.nulls(len(blobs))
    with pa.ipc.open_stream(found[0].as_buffer()) as reader:
        return _restore(reader.read_next_batch().column(0))
