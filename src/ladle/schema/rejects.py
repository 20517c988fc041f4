"""One refused row or value, and many of them as Arrow, on their way to `_ladle_rejects`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
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


_FIELDS = [f.name for f in fields(Reject)]


def rejects_batch(rejects: Iterable[Reject]) -> pa.RecordBatch:
    """Return rejects as Arrow, `RAW_REJECTS`; values longer than `MAX_VALUE_CHARS` are cut."""
    at = datetime.now(UTC)
    given = list(rejects)
    columns: dict[str, list[object]] = {name: [getattr(r, name) for r in given] for name in _FIELDS}
    columns["value"] = [_cut(r.value) for r in given]
    columns["rejected_at"] = [at] * len(given)
    return pa.RecordBatch.from_pydict(columns, RAW_REJECTS)


def _cut(value: str | None) -> str | None:
    if value is None or len(value) <= MAX_VALUE_CHARS:
        return value
    return value[: MAX_VALUE_CHARS - 1] + "…"
