"""Tables that ladle keeps beside the data: what was refused and replayed, what was read, and what changed.

They are tables of the schema like others, made once they have rows; the reference sees plain tables. Their
names begin with `_ladle_`, which no resource may use.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from ladle.schema.table import Column, Table

RECORD_PREFIX = "_ladle_"
REJECTS_TABLE = "_ladle_rejects"
CHANGES_TABLE = "_ladle_changes"
INPUTS_TABLE = "_ladle_inputs"
REPLAYS_TABLE = "_ladle_replays"


def _table(name: str, description: str, /, **columns: tuple[str, str]) -> Table:
    keys: dict[str, dict[str, Any]] = {
        "_dlt_load_id": {"data_type": "text", "nullable": False},
        "_dlt_id": {"data_type": "text", "nullable": False, "row_key": True},
    }
    built = {n: Column(n, data_type=data_type, description=text) for n, (data_type, text) in columns.items()}
    built.update((n, Column.from_dict(n, hints)) for n, hints in keys.items())
    return Table(name, columns=built, write_disposition="append").with_extra(description=description)


REJECTS = _table(
    REJECTS_TABLE,
    "Rows and values that were refused, with the reason; one row for each.",
    resource=("text", "whose item it was"),
    table_name=("text", "where it would have gone"),
    column_path=("text", "keys of the source from the row to the value, joined by dots; null for a row"),
    rule=("text", "what it broke: an entity and mode of the contract, a data quality rule, or a model"),
    action=("text", "`row`: the row is missing; `value`: the row was loaded without it"),
    reason=("text", "the same in words"),
    value=("text", "the value as JSON, shortened; what is tagged as personal is masked"),
    wanted=("text", "the data type that the column has, or what the rule accepts"),
    position=("bigint", "number of the item among those of its resource in this load, from 0"),
    parent_id=("text", "`_dlt_id` of the row above, where a row of a child table was refused alone"),
    row_id=("text", "`_dlt_id` of the row, or of the row that a value is missing from"),
    list_index=("bigint", "position within its list, for a row of a child table"),
    record=("text", "the whole row as JSON, what is below it included; null for a value"),
    rejected_at=("timestamp", "when"),
)

CHANGES = _table(
    CHANGES_TABLE,
    "Changes of tables and columns: which load made them, and where each column comes from.",
    schema_name=("text", "the schema"),
    schema_version=("bigint", "the schema's version since"),
    change=("text", "add_table, add_column, widen_column, relax_column, rename_* or drop_*"),
    table_name=("text", "the table"),
    column_name=("text", "the column; null where the change is the table's"),
    data_type=("text", "the type since, with precision and scale"),
    previous=("text", "the type or name before; null for what is new"),
    resource=("text", "the resource whose rows brought it"),
    source=("text", "the source of the resource"),
    path=("text", "keys of the source from the root row to the value, joined by dots"),
    module=("text", "module of the resource's code"),
    function=("text", "qualified name of the resource's function"),
    code_version=("text", "version of the package that the code is in, or its git commit"),
    changed_at=("timestamp", "when"),
)

INPUTS = _table(
    INPUTS_TABLE,
    "What each load read, as far as resources told; one row for each input.",
    resource=("text", "the resource that read it"),
    source=("text", "the source of the resource"),
    namespace=("text", "where it is: a database, a bucket, a host, or `file`"),
    name=("text", "which it is, there"),
    row_count=("bigint", "rows read from it; null where that isn't known"),
    facets=("text", "what else was noted of it, as JSON; without secrets"),
    module=("text", "module of the resource's code"),
    function=("text", "qualified name of the resource's function"),
    code_version=("text", "version of the package that the code is in, or its git commit"),
    noted_at=("timestamp", "when"),
)

REPLAYS = _table(
    REPLAYS_TABLE,
    "Rejects that were fed back: a row for each, in the commit of the load that did it.",
    reject_id=("text", "`_dlt_id` of the reject"),
    replayed_at=("timestamp", "when"),
).with_extra(schema_contract="evolve")
"""A resource of a replay feeds it: what is frozen for the data isn't for the marks."""

RECORDS = {
    REJECTS_TABLE: REJECTS,
    CHANGES_TABLE: CHANGES,
    INPUTS_TABLE: INPUTS,
    REPLAYS_TABLE: REPLAYS,
}

_SEEN = {n: t.with_extra(**{"x-normalizer": {"seen-data": True}}) for n, t in RECORDS.items()}
_STORED = {n: t.to_dict() for n, t in _SEEN.items()}
_JSON = {n: orjson.dumps(stored) for n, stored in _STORED.items()}


def seen_record(table: str, stored: Mapping[str, Any]) -> Table | None:
    """Return one of these tables, with rows, where the stored form is exactly its own."""
    return _SEEN[table] if table in _SEEN and stored == _STORED[table] else None


def stored_record(table: Table) -> dict[str, Any] | None:
    """Return a copy of the stored form of a table that `seen_record` gave; None for any other."""
    if _SEEN.get(table.name) is not table:
        return None
    stored: dict[str, Any] = orjson.loads(_JSON[table.name])
    return stored


def is_record(table: str) -> bool:
    """Whether a table is one of those that ladle keeps."""
    return table.startswith(RECORD_PREFIX)
