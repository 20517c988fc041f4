"""Python items to canonical nested Arrow, the raw format of `ladle.package.raw`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import pyarrow as pa

from ladle.errors import DataError
from ladle.extract.columns import MAX_LEVELS, column
from ladle.extract.plain import Reader, plain
from ladle.extract.refused import Refused, Where, to_error
from ladle.extract.scalars import PLAIN

__all__ = ["Where", "as_rows", "to_array", "to_batch"]


def to_array(values: Sequence[Any], *, where: Where) -> pa.Array:
    """Return the raw array of Python values.

    A value's outcome depends on the value alone: cutting the input in two gives the same values, only types may
    differ (a kind or key that one half lacks).

    Args:
        values: any Python objects; None is null.
        where: for errors; `first_row` is the number of `values[0]`.

    Returns:
        An array of `len(values)` rows with types of the raw format only. Its size is about that of
        the values; keys are stored for every row, so memory grows with rows times distinct keys.

    Raises:
        DataError: a value can't be stored, or is nested deeper than `MAX_LEVELS`.
    """
    try:
        return column(values)
    except Refused as refused:
        raise to_error(refused, where) from refused.__cause__
    except RecursionError as exc:
        raise DataError(
            f"cannot store values nested this deep (the limit is {MAX_LEVELS} levels)",
            hint="call with fewer Python frames on the stack, or raise sys.setrecursionlimit",
            resource=where.resource,
            table=where.table,
        ) from exc


def to_batch(rows: Sequence[dict[Any, Any]], where: Where) -> pa.RecordBatch:
    """Return the raw batch of rows, one column per key in first-seen order.

    Args:
        rows: dicts, as `as_rows` gives them.
        where: for errors; `first_row` is the number of `rows[0]`.

    Raises:
        DataError: a value can't be stored.
    """
    array = to_array(rows, where=where) if rows else pa.array([], pa.struct([]))
    return pa.RecordBatch.from_struct_array(array)


def as_rows(items: Iterable[Any]) -> list[dict[Any, Any]]:
    """Return what a resource yielded as dicts, one per row.

    Dicts stay. Objects with named fields (mappings, data classes, pydantic models by alias, named tuples, attrs
    and msgspec classes) become dicts. A list is a page of rows. None is dropped, anything else,
    lists inside pages too, becomes `{"value": item}`.
    """
    given = items if isinstance(items, list) else list(items)
    if set(map(type, given)) <= {dict}:
        return given
    rows: list[dict[Any, Any]] = []
    readers: dict[type, Reader | None] = {}
    for item in given:
        page = item if isinstance(item, list) else (item,)
        rows.extend(_row(value, readers) for value in page if value is not None)
    return rows


def _row(value: Any, readers: dict[type, Reader | None]) -> dict[Any, Any]:
    if type(value) is dict:
        return value
    if type(value) in PLAIN:
        return {"value": value}
    try:
        read = plain(value, readers)
    except Refused:  # to_array meets it again and knows the row
        return {"value": value}
    return read if type(read) is dict else {"value": value}
