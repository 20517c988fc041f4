"""Settings of normalize, as a value."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from ladle.normalize.checks import Checks
from ladle.normalize.nulls import NullColumns
from ladle.normalize.rejects import Budget
from ladle.schema.contract import Contract
from ladle.schema.lattice import Exact


@dataclass(frozen=True, slots=True)
class Options:
    """Settings of normalize.

    `add_dlt_id`, `add_dlt_load_id`: also for flat frames, which have none by default.
    `record_changes`: whether changes of the schema become rows of `_ladle_changes`.
    `widen`: a value that doesn't fit its column widens it, where the lattice has a type for both.
    `null_columns`: what becomes of columns that saw only nulls.
    `exact`: tells whether doubles hold what a column at the destination has.
    `contract`: where neither table nor schema says. `max_rejects`: how much may be refused.
    `reject_root`: whether a refused row of a child table refuses its root row.
    `checks`: makes the rules' memory of one package.
    `keep_origins`: whether the package keeps where each column's values came from.
    """

    add_dlt_id: bool = False
    add_dlt_load_id: bool = False
    record_changes: bool = False
    widen: bool = False
    null_columns: NullColumns = field(default_factory=NullColumns)
    exact: Exact | None = None
    contract: Contract = field(default_factory=Contract)
    max_rejects: Budget = field(default_factory=Budget)
    reject_root: bool = False
    checks: Callable[[], Checks] = Checks
    keep_origins: bool = False
