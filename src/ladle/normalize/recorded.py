"""What ladle keeps of a package beside its data: rows of `_ladle_inputs` and `_ladle_changes`."""

from __future__ import annotations

import pyarrow as pa

from ladle.normalize.changes import Origins, change_rows
from ladle.normalize.inputs import input_rows
from ladle.package.manifest import Manifest
from ladle.schema.records import CHANGES, INPUTS
from ladle.schema.schema import Schema
from ladle.schema.table import Table


def recorded(
    manifest: Manifest, schema: Schema, stored: Schema | None, origins: Origins, *, changes: bool
) -> tuple[Schema, dict[str, pa.RecordBatch]]:
    """Return the schema with the tables of records that get rows, and those rows by table.

    Args:
        manifest: of the package.
        schema: with the package, its version set.
        stored: before it; None for none.
        origins: by table and column, of what the package brought.
        changes: whether changes of the schema are to be recorded.
    """
    inputs, dropped = manifest.inputs, manifest.drop_tables
    is_same = stored is not None and schema.version_hash == stored.version_hash and not dropped
    codes = {resource.name: resource.code for resource in manifest.resources}
    found: dict[str, pa.RecordBatch] = {}
    if inputs:
        schema = _with_record(schema, INPUTS, stored)
        found[INPUTS.name] = input_rows(inputs, schema.name, manifest.load_id, codes)
    if changes and not is_same:
        longer = _with_record(schema, CHANGES, stored)
        rows = change_rows(stored, longer, origins, manifest.load_id, dropped, codes)
        if rows.num_rows:
            schema = longer
            found[CHANGES.name] = rows
    return schema, found


def _with_record(schema: Schema, table: Table, stored: Schema | None) -> Schema:
    """Return the schema with a table of ladle's own, marked as one that has rows."""
    if table.name in schema.table_map:
        return schema
    return schema.with_tables([table.with_extra(**{"x-normalizer": {"seen-data": True}})]).bumped(stored)
