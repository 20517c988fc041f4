"""The raw format: canonical nested Arrow, as extract writes it and normalize reads it.

A path whose values have several kinds is a *variant struct*: every field name starts with `PREFIX` and
names a kind, and each row has at most one field that is not null.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

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

MAX_DEPTH = 50
"""Nested types an array may have below itself when stored; Arrow IPC gives up at 64."""

_DEEP = PREFIX + "deep"
_DEEP_TYPE = pa.struct([(_DEEP, pa.binary())])


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
    names = [array.type.field(i).name for i in range(array.type.num_fields)]
    return [(name[len(PREFIX) :], child) for name, child in zip(names, array.flatten(), strict=True)]


def hoist_deep(array: pa.Array) -> pa.Array:
    """Return an array that Arrow IPC can store, whatever its depth.

    Each sub-array more than `MAX_DEPTH` types down becomes a variant struct of the one kind `deep`: binary, whose
    first row holds the whole sub-array as an IPC stream (itself hoisted), the other rows null. Costs a
    walk over the type when nothing is that deep. Don't filter or slice what this returns before
    `restore_deep`: the blob belongs to the first row. A sub-array without rows leaves no blob.
    """
    if _levels(array.type, MAX_DEPTH + 1) <= MAX_DEPTH:
        return array
    return _hoist(array, MAX_DEPTH)


def restore_deep(array: pa.Array) -> pa.Array:
    """Undo `hoist_deep`; values are exactly those hoisted.

    A sub-array that had no rows comes back with type null, as nothing of it was stored.
    """
    if not _has_deep(array.type):
        return array
    if array.type.equals(_DEEP_TYPE):
        return _read_blob(array.field(0))
    return _rebuild(array, restore_deep)


def _levels(type_: pa.DataType, limit: int) -> int:
    """Return how many types are nested below `type_`, counting no further than `limit`."""
    if limit == 0 or type_.num_fields == 0:
        return 0
    return 1 + max(_levels(type_.field(i).type, limit - 1) for i in range(type_.num_fields))


def _has_deep(type_: pa.DataType) -> bool:
    if type_.equals(_DEEP_TYPE):
        return True
    return any(_has_deep(type_.field(i).type) for i in range(type_.num_fields))


def _hoist(array: pa.Array, left: int) -> pa.Array:
    if _levels(array.type, left + 1) <= left:
        return array
    if left == 1:
        return _write_blob(array)
    return _rebuild(array, lambda child: _hoist(child, left - 1))


def _rebuild(array: pa.Array, change: Callable[[pa.Array], pa.Array]) -> pa.Array:
    """Return a struct or list array with its children changed, its own nulls kept."""
    mask = array.is_null() if array.null_count else None
    if pa.types.is_struct(array.type):
        names = [array.type.field(i).name for i in range(array.type.num_fields)]
        children = [change(array.field(i)) for i in range(len(names))]
        return pa.StructArray.from_arrays(children, names=names, mask=mask)
    offsets = array.offsets
    first, last = offsets[0].as_py(), offsets[-1].as_py()
    items = change(array.values.slice(first, last - first))
    # from_arrays takes no mask together with sliced offsets, so they are moved to start at zero
    moved = pc.subtract(offsets, pa.scalar(first, pa.int32()))
    return pa.ListArray.from_arrays(moved, items, mask=mask)


def _write_blob(array: pa.Array) -> pa.StructArray:
    if len(array) == 0:
        return pa.array([], _DEEP_TYPE)
    batch = pa.RecordBatch.from_arrays([hoist_deep(array)], names=["deep"])
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    blob = pa.array([sink.getvalue().to_pybytes()], pa.binary())
    rows = pa.concat_arrays([blob, pa.nulls(len(array) - 1, pa.binary())])
    return pa.StructArray.from_arrays([rows], names=[_DEEP])


def _read_blob(blobs: pa.Array) -> pa.Array:
    if len(blobs) == 0:
        return pa.nulls(0)
    with pa.ipc.open_stream(blobs[0].as_buffer()) as reader:
        return restore_deep(reader.read_next_batch().column(0))


FRAME_METADATA = {b"ladle.frame": b"1"}
"""Schema metadata of raw batches that came as frames: their types are meant as they are."""


def is_frame(schema: pa.Schema) -> bool:
    """Say whether a raw batch came as a frame."""
    return bool(schema.metadata) and b"ladle.frame" in schema.metadata


def kinds_of(array: pa.Array) -> list[tuple[str, pa.Array]]:
    """Return kind and values of a raw array: `dict`, `list` or scalar kinds; nothing for the null type."""
    type_ = array.type
    if is_variant(type_):
        return variant_kinds(array)
    if pa.types.is_struct(type_):
        return [("dict", array)]
    if pa.types.is_list(type_):
        return [("list", array)]
    if pa.types.is_null(type_):
        return []
    kind = kind_of(type_)
    naive = kind == "timestamp" and type_.tz is None
    return [("timestamp_ntz" if naive else str(kind), array)]
