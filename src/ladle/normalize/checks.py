"""Data quality rules, applied to rows in destination types."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import pyarrow as pa

from ladle.schema.table import Table

Severity = Literal["warn", "reject", "fail"]


@dataclass(frozen=True, slots=True)
class Failure:
    """Rows that break one rule.

    Attributes:
        rule: its name, as rejects and messages show it.
        severity: what becomes of the rows.
        column: that the rule is about; None for a condition on rows.
        wanted: what the rule accepts, in words.
        rows: a boolean array without nulls, true where a row breaks the rule.
    """

    rule: str
    severity: Severity
    column: str | None
    wanted: str
    rows: pa.Array


class Checks:
    """The rules of a package. Feed batches in order: rules such as `unique` remember what they saw."""

    def applies_to(self, table: Table) -> bool:
        """Whether the table has rules."""
        return False

    def of_batch(self, table: Table, arrays: Mapping[str, pa.Array]) -> list[Failure]:
        """Return the failures of one batch of a table.

        Args:
            table: with its columns as they are typed.
            arrays: by column name, all of one length; columns that the batch lacks are null.
        """
        return []
