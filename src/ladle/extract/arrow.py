"""Python items to canonical nested Arrow, the raw format of `ladle.package.raw`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pyarrow as pa

from ladle.errors import DataError
from ladle.extract.columns import MAX_LEVELS, column
from ladle.extract.plain import as_mapping
from ladle.extract.refused import Hiding, Refused, Where, to_error

__all__ = ["Where", "as_mapping", "as_rows", "located", "to_array", "to_batch"]


def to_array(values: Sequence[Any], *, where: Where) -> pa.Array:
    """Return the raw array of Python values.

    What becomes of a value depends on the value alone: cutting the input in two gives the same values, only
    the types may differ by a kind or a key that one half lacks.

    Args:
        values: any Python objects; None is null.
        where: for errors; `first_row` is the number of `values[0]`.

    Returns:
        An array of `len(values)` rows with types of the raw format only. Its size is about that of
        the values; keys are stored for every row, so memory grows with rows times distinct keys.

    Raises:
        DataError: a value can't be stored, or is nested deeper than `MAX_LEVELS`.
    """
    with located(where):
        return column(values)


@contextmanager
def located(where: Where) -> Iterator[None]:
    """Turn what a conversion raises into an error that says where the value came from.

    Raises:
        DataError: a value can't be stored, or is nested deeper than `MAX_LEVELS`.
    """
    try:
        yield
    except Refused as refused:
        error = to_error(refused, where)
        raise error from refused.__cause__
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


def as_rows(items: Iterable[Any], guard: Hiding | None = None) -> list[dict[Any, Any]]:
    """Return the items of a page as dicts, one per row.

    Dicts stay. Objects with named fields (mappings, data classes, pydantic models by alias, named tuples,
    attrs and msgspec classes) become dicts. None is dropped; anything else, lists too, becomes
    `{"value": item}`, masked in a table with protected columns: it may have been meant as a row.
    """
    given = items if isinstance(items, list) else list(items)
    if set(map(type, given)) <= {dict}:
        return given
    mapped = [as_mapping(item) for item in given if item is not None]
    if guard is None:
        return [item if type(item) is dict else {"value": item} for item in mapped]
    return [item if type(item) is dict else {"value": guard.item(item)} for item in mapped]
