"""One refused row or value, and many of them as Arrow, on their way to `_ladle_rejects`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Literal

import pyarrow as pa

from ladle.schema.records import REJECTS
from ladle.schema.types import arrow_type

REJECTS_KEY = "rejects"
"""The raw stream of a package that holds what extract refused."""

MAX_VALUE_CHARS = 1000

_KEYS = ("_dlt_load_id", "_dlt_id")
RAW_REJECTS = pa.schema([(c.name, arrow_type(c)) for c in REJECTS.columns.values() if c.name not in _KEYS])
"""Arrow form of rejects within a package: the columns of `_ladle_rejects` without its keys."""


@dataclass(frozen=True, slots=True)
class Reject:
    """A row that was left out, or a value that a row was loaded without. Fields as in `_ladle_rejects`.

    `value` and `record` are JSON, and hold nothing that a tag wants protected.
    """

    resource: str
    table_name: str
    rule: str
    action: Literal["row", "value"]
    reason: str
    column_path: str | None = None
    value: str | None = None
    wanted: str | None = None
    position: int | None = None
    parent_id: str | None = None
    row_id: str | None = None
    list_index: int | None = None
    record: str | None = None


def rejects_batch(rejects: Iterable[Reject]) -> pa.RecordBatch:
    """Return rejects as Arrow, `RAW_REJECTS`; values longer than `MAX_VALUE_CHARS` are cut."""
    at = datetime.now(UTC)
    rows = []
    for reject in rejects:
        row = {**asdict(reject), "rejected_at": at}
        if reject.value is not None and len(reject.value) > MAX_VALUE_CHARS:
            row["value"] = reject.value[: MAX_VALUE_CHARS - 1] + "…"
        rows.append(row)
    return pa.RecordBatch.from_pylist(rows, RAW_REJECTS)
