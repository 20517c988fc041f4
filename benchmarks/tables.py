"""The benchmark rows as prepared Arrow tables: what a bare bulk load, without any library, starts from."""

from __future__ import annotations

import base64
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from data import NESTED_TABLES, Row, flat_rows, nested_rows, write_jsonl


def _keys(count: int) -> pa.Array:
    """Return `count` random 16-character keys: as long and as incompressible as a loader's row ids."""
    text = base64.b64encode(os.urandom(12 * count))
    offsets = pa.array(range(0, 16 * count + 1, 16), pa.int32())
    return pa.StringArray.from_buffers(count, offsets.buffers()[1], pa.py_buffer(text))


def _flatten(array: pa.StructArray, prefix: str = "") -> dict[str, pa.Array]:
    columns: dict[str, pa.Array] = {}
    for field, child in zip(array.type, array.flatten(), strict=True):
        if pa.types.is_struct(field.type):
            columns |= _flatten(child, f"{prefix}{field.name}__")
        else:
            columns[prefix + field.name] = child
    return columns


def _child(lists: pa.ListArray, parent_ids: pa.Array) -> dict[str, pa.Array]:
    parents = pc.list_parent_indices(lists)
    first = lists.offsets.slice(0, len(lists)).take(parents)
    values = lists.flatten()
    columns = _flatten(values) if pa.types.is_struct(values.type) else {"value": values}
    index = pc.subtract(pa.array(range(len(values)), pa.int64()), pc.cast(first, pa.int64()))
    return columns | {"_dlt_parent_id": parent_ids.take(parents), "_dlt_list_idx": index}


def nested_tables(rows: list[Row]) -> dict[str, pa.Table]:
    """Return root, `items` and `tags` as a loader would write them, with row, parent and load ids."""
    root = _flatten(pa.array(rows))
    lists = {name: root.pop(name) for name in ("items", "tags")}
    for name in ("created_at", "closed_at"):
        naive = pc.cast(pc.replace_substring(root[name], "Z", ""), pa.timestamp("us"))
        root[name] = pc.assume_timezone(naive, "UTC")
    ids = _keys(len(rows))
    load_id = pa.array(["1795401053.1234567"] * len(rows))
    tables = {"t": pa.table(root | {"_dlt_load_id": load_id, "_dlt_id": ids})}
    for name, values in lists.items():
        columns = _child(values, ids)
        count = len(columns["_dlt_list_idx"])
        tables[f"t__{name}"] = pa.table(columns | {"_dlt_id": _keys(count)})
    return tables


def frame(rows: Sequence[Row]) -> pa.Table:
    """Return flat rows as an Arrow table, timestamps as timestamps."""
    whole = pa.Table.from_pylist(rows)
    naive = pc.cast(pc.replace_substring(whole["at"], "Z", ""), pa.timestamp("us"))
    return whole.set_column(whole.schema.get_field_index("at"), "at", pc.assume_timezone(naive, "UTC"))


def with_version(table: pa.Table) -> pa.Table:
    """Return a table with a column that tells versions of its rows apart, as the peer wants for SCD2."""
    cells = [column.cast(pa.string()) for column in (table["id"], table["name"])]
    return table.append_column("row_version", pc.binary_join_element_wise(*cells, "-"))


def flat_table(count: int, chunk_rows: int = 100_000) -> pa.Table:
    """Return the flat rows as one Arrow table of `count` rows in chunks, timestamps as timestamps."""
    whole = frame(flat_rows(min(count, chunk_rows)))
    parts = []
    for start in range(0, count, chunk_rows):
        part = whole.slice(0, min(chunk_rows, count - start))
        parts.append(part.set_column(0, "id", pc.add(part["id"], start)))
    return pa.concat_tables(parts)


def write_ipc(tables: dict[str, pa.Table], folder: Path) -> None:
    """Write each table as `folder/<name>.arrow`, so that a fresh process can start from it."""
    for name, table in tables.items():
        with pa.ipc.new_file(folder / f"{name}.arrow", table.schema) as writer:
            writer.write_table(table, max_chunksize=50_000)


def read_ipc(folder: Path, names: tuple[str, ...] = NESTED_TABLES) -> dict[str, pa.Table]:
    """Read the tables back into memory (not mapped: the clock must not pay for the first touch)."""
    tables = {}
    for name in names:
        with pa.OSFile(str(folder / f"{name}.arrow"), "rb") as file:
            tables[name] = pa.ipc.open_file(file).read_all()
    return tables


def prepare(folder: Path, counts: dict[str, int]) -> None:
    """Write the input files: `nested` rows as JSON lines and Arrow, `flat` rows as Arrow and Parquet."""
    if "nested" in counts:
        rows = nested_rows(counts["nested"])
        write_jsonl(folder / "nested.jsonl", rows)
        write_ipc(nested_tables(rows), folder)
    if "flat" in counts:
        table = flat_table(counts["flat"])
        write_ipc({"flat": table}, folder)
        pq.write_table(table, folder / "flat.parquet")


if __name__ == "__main__":
    prepare(Path(sys.argv[1]), json.loads(sys.argv[2]))
