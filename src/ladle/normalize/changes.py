"""What a package changes about the schema, as rows of `_ladle_changes`: loaded in the same commit."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

import pyarrow as pa

from ladle.normalize.keys import LOAD_ID, ROW_ID
from ladle.normalize.unnest import Path
from ladle.schema.provenance import Code
from ladle.schema.records import CHANGES, is_record
from ladle.schema.schema import Schema
from ladle.schema.table import Column, Table
from ladle.schema.types import arrow_type, same_type, type_text


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a column was first seen: the resource, and the path from the root row."""

    resource: str
    path: Path


def kept_origins(origins: Mapping[tuple[str, str], Origin]) -> dict[str, dict[str, tuple[str, str]]]:
    """Return resource and path of each column by table, as a package keeps them."""
    kept: dict[str, dict[str, tuple[str, str]]] = {}
    for (table, column), origin in origins.items():
        kept.setdefault(table, {})[column] = (origin.resource, ".".join(origin.path))
    return kept


Origins = Mapping[tuple[str, str], Origin]
Codes = Mapping[str, Code | None]
_NO_CODES: Codes = MappingProxyType({})
_ARROW = pa.schema([(c.name, arrow_type(c)) for c in CHANGES.columns.values()])


def change_rows(
    stored: Schema | None,
    schema: Schema,
    origins: Origins,
    load_id: str,
    dropped: Collection[str] = (),
    codes: Codes = _NO_CODES,
) -> pa.RecordBatch:
    """Return a row for each table and column that `schema` has and `stored` lacks, or has with another type.

    Args:
        stored: before the package; None for none.
        schema: with it, its version set.
        origins: by table and column, of what the package brought.
        load_id: of the package.
        dropped: tables that the load drops first.
        codes: of the resources, by name.
    """
    before = stored.table_map if stored is not None else {}
    at = datetime.now(UTC)
    found = [{"change": "drop_table", "table_name": n} for n in dropped if _loaded(before.get(n))]
    for table in schema.table_map.values():
        if not is_record(table.name) and _loaded(table):
            known = None if table.name in dropped else _loaded(before.get(table.name))
            found += [{"table_name": table.name, **c} for c in _of_table(known, table, origins)]
    common = {
        "schema_name": schema.name,
        "schema_version": schema.version,
        "source": schema.name,
        "changed_at": at,
        LOAD_ID: load_id,
    }
    rows = [
        {**common, **change, **code_cells(codes.get(change.get("resource") or "")), ROW_ID: f"{load_id}.{n}"}
        for n, change in enumerate(found)
    ]
    return pa.RecordBatch.from_pylist(rows, _ARROW)


def _loaded(table: Table | None) -> Table | None:
    return table if table is not None and table.loaded else None


def _of_table(before: Table | None, table: Table, origins: Origins) -> Iterator[dict[str, Any]]:
    if before is None:
        yield {"change": "add_table", "resource": _resource(table, origins)}
    for column in table.typed_columns():
        known = before.columns.get(column.name) if before is not None else None
        if known is None or known.data_type is None:
            yield {"change": "add_column", **_of_column(table, column, origins)}
            continue
        if not same_type(known, column):
            yield {
                "change": "widen_column",
                **_of_column(table, column, origins),
                "previous": type_text(known),
            }
        if column.nullable and not known.nullable:
            yield {"change": "relax_column", **_of_column(table, column, origins)}


def _resource(table: Table, origins: Origins) -> str | None:
    seen = (origin.resource for (name, _), origin in origins.items() if name == table.name)
    return next(seen, table.resource)


def _of_column(table: Table, column: Column, origins: Origins) -> dict[str, Any]:
    origin = origins.get((table.name, column.name))
    return {
        "column_name": column.name,
        "data_type": type_text(column),
        "resource": origin.resource if origin else _resource(table, origins),
        # not every text can hold NUL
        "path": ".".join(origin.path).replace("\0", "\u2400") if origin else None,
    }


def code_cells(code: Code | None) -> dict[str, Any]:
    """Return the columns that tell of the code."""
    if code is None:
        return {}
    return {"module": code.module, "function": code.function, "code_version": code.version}
