"""Rules that are functions of the user: over a batch, or over each row."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ladle.errors import DataError
from ladle.schema.rule import Check
from ladle.schema.rule_values import function_of


def broken_by_function(rule: Check, batch: pa.RecordBatch, table: str) -> pa.Array:
    """Return a boolean array without nulls, true where a function says that a row breaks the rule.

    Raises:
        UsageError: the function isn't there.
        DataError: it failed, or returned something else.
    """
    function = function_of(rule.function)
    try:
        if rule.each == "row":
            kept = [function(row) for row in batch.to_pylist()]
        else:
            kept = function(batch)
    except Exception as exc:
        raise _error(rule, table, f"failed with {type(exc).__name__}") from exc
    return pc.fill_null(pc.invert(_flags(rule, kept, batch.num_rows, table)), False)


def _flags(rule: Check, kept: Any, rows: int, table: str) -> pa.Array:
    try:
        array = kept.combine_chunks() if isinstance(kept, pa.ChunkedArray) else kept
        flags = array if isinstance(array, pa.Array) else pa.array(array, from_pandas=True)
        flags = flags.cast(pa.bool_()) if pa.types.is_null(flags.type) else flags
    except (pa.ArrowException, TypeError):
        raise _error(rule, table, f"returned a `{type(kept).__name__}`") from None
    if not pa.types.is_boolean(flags.type) or len(flags) != rows:
        raise _error(rule, table, f"returned {len(flags)} values of type {flags.type} for {rows} rows")
    return flags


def _error(rule: Check, table: str, what: str) -> DataError:
    each = "True, False or None" if rule.each == "row" else "a boolean array with a value for each row"
    return DataError(
        f"the function of rule `{rule.label}` {what}",
        table=table,
        function=rule.function,
        expected=each,
        hint="try it on a few rows by itself",
    )
