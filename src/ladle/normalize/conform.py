"""Ready files that were written before their table was what it became; and raw files that may stay."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import pyarrow as pa

from ladle.errors import DataError
from ladle.normalize.columns import Typing, type_columns
from ladle.normalize.given import Given
from ladle.normalize.keys import LOAD_ID, ROW_ID, random_ids
from ladle.normalize.unnest import Piece
from ladle.package.manifest import DataFile
from ladle.package.store import Package, StageWriter
from ladle.schema.table import Table
from ladle.schema.types import arrow_type, kind_of

ROOT_KEYS = (LOAD_ID, ROW_ID)


@dataclass(frozen=True, slots=True)
class Since:
    """What a table has become since its first file was written.

    `joined`: fresh columns whose type grew. `bare`: rows of frames were written without all keys.
    `given`: names under which it is written.
    """

    table: Table
    joined: Collection[str]
    bare: bool
    given: Given


def rewritten(
    file: DataFile, since: Since, package: Package, writer: StageWriter, typing: Typing
) -> tuple[tuple[DataFile, ...], Table]:
    """Return the files that stand for one, itself where its table is as it was; and the table."""
    table = since.table
    if not since.joined and not (since.bare and any(n in table.columns for n in ROOT_KEYS)):
        return (file,), table
    there = since.given.source_schema(table.name, package.schema_of(file))
    wanted = {n: arrow_type(table.columns[n], typing.wei_digits) for n in since.joined}
    grown = [n for n, t in wanted.items() if n in there.names and not there.field(n).type.equals(t)]
    missing = [n for n in ROOT_KEYS if n in table.columns and n not in there.names]
    if not grown and not (since.bare and missing):
        return (file,), table
    for batch in package.read([file]):
        arrays = dict(zip(there.names, batch.columns, strict=True))
        named = [(n, (n,), ((str(kind_of(arrays[n].type)), arrays[n]),)) for n in grown]
        typed = type_columns(named, table, typing)
        table = typed.table
        arrays.update(typed.arrays)
        keys = {
            LOAD_ID: pa.repeat(pa.scalar(package.load_id), batch.num_rows),
            ROW_ID: random_ids(batch.num_rows),
        }
        arrays.update((n, keys[n]) for n in missing)
        arrays = since.given.arrays(table.name, arrays)
        writer.append(file.table, pa.RecordBatch.from_arrays(list(arrays.values()), names=list(arrays)))
    return writer.seal_more(), table


def is_same(batch: pa.RecordBatch, arrays: dict[str, pa.Array]) -> bool:
    """Whether the arrays are the very columns of the batch: same names, types and memory."""
    if list(arrays) != batch.schema.names:
        return False
    return all(
        a.type.equals(b.type) and a.offset == b.offset and _addresses(a) == _addresses(b)
        for a, b in zip(arrays.values(), batch.columns, strict=True)
    )


def _addresses(array: pa.Array) -> list[int]:
    return [buffer.address for buffer in array.buffers() if buffer is not None]


def taken_error(table: Table, parent: str, piece: Piece, resource: str) -> DataError:
    """The error for a list whose table is another resource's."""
    key = ".".join(piece.path)
    return DataError(
        f"the list `{key}` of table `{parent}` would go to `{table.name}`, the table of `{table.resource}`",
        resource=resource,
        table=parent,
        column=key,
        expected="a table for each of them",
        hint=f"give resource `{table.resource}` another table_name, or rename the key with add_map",
    )
