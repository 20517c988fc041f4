"""The rows of one table within one batch, typed, before they are written."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pyarrow as pa
import pyarrow.compute as pc

from ladle.errors import DataError
from ladle.normalize.columns import Typed, check_not_null
from ladle.normalize.names import Named
from ladle.normalize.rows import Rows
from ladle.schema.table import Table


@dataclass(frozen=True, slots=True)
class Fed:
    """Rows of one table in destination types.

    Attributes:
        before: the table as it was before the batch.
        typed: the table since, and the columns' arrays, keys included.
        rows: where the rows come from.
        named: the columns as they came.
        keys: names of the key columns.
        count: rows.
        left: mask of the rows of `rows` that are still in; None for all.
    """

    before: Table
    typed: Typed
    rows: Rows
    named: list[Named]
    keys: list[str]
    count: int
    left: pa.Array | None = None

    def kept(self, mask: pa.Array) -> Fed:
        """Return it with those rows only for which `mask` is true; `rows` and `named` stay as they are."""
        arrays = {name: array.filter(mask) for name, array in self.typed.arrays.items()}
        return replace(self, typed=replace(self.typed, arrays=arrays), count=mask.true_count, left=mask)

    def root_rows(self, first_row: int) -> pa.Array:
        """Return the numbers of the root rows that the rows are in, counted from `first_row`; int64."""
        found = pc.add(self.rows.root_rows(), first_row)
        return found if self.left is None else found.filter(self.left)


def check_nulls(fed: Fed, resource: str, first_row: int) -> None:
    """Refuse nulls where none are allowed.

    Raises:
        DataError: names the column and the item among those of the resource.
    """
    if not fed.count:
        return
    try:
        check_not_null(fed.typed, fed.named, resource)
    except DataError as error:
        error.facts["row"] = first_row + fed.rows.root_row(error.facts["row"])
        raise
