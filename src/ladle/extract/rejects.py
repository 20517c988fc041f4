"""What models refuse, on its way to the package: turned to Arrow and protected as rows are, then written."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pyarrow as pa

from ladle.errors import DataError
from ladle.events import silent
from ladle.extract.arrow import as_mapping
from ladle.extract.refused import column_path
from ladle.extract.stream import Outlet, Stream
from ladle.package.records import json_text, records
from ladle.package.store import StageWriter
from ladle.schema.rejects import REJECTS_KEY, Reject, rejects_batch
from ladle.sources.accounts import Refusal
from ladle.sources.mark import NewHints, TableName

MAX_PER_FIELD = 1000
"""Rejects of one field that a model lacks, in one load; of what comes after, the number is told."""

_CHUNK = 500

StreamOf = Callable[[Any, str, Any, Outlet], Stream]
"""Makes a stream as that of a resource's rows for one table, by source name and item, into another outlet."""


class Rejects:
    """Takes what models refuse during one extract.

    Args:
        writer: of the raw stage.
        stream_of: makes streams that treat rows as those of their table are treated.
        table_of: returns the name of the root table at the destination by source name.
        hints_of: returns the hints of a resource in this run.

    Memory: O(500 rows), and the names of fields.
    """

    def __init__(
        self,
        writer: StageWriter,
        stream_of: StreamOf,
        table_of: Callable[[str], str],
        hints_of: Callable[[Any], Any],
    ) -> None:
        self._writer = writer
        self._stream_of = stream_of
        self._table_of = table_of
        self._hints_of = hints_of
        self._waiting: dict[tuple[int, str], list[Refusal]] = {}
        self._streams: dict[tuple[int, str], tuple[Stream, _Sealed]] = {}
        self._of_field: dict[tuple[str, str, str, tuple[str | int, ...]], int] = {}

    def take(self, refusal: Refusal) -> None:
        """Take one; it may be written later."""
        name = self._table_named(refusal)
        if refusal.extra:
            field = (refusal.resource.name, name, refusal.rule, refusal.path)
            self._of_field[field] = count = self._of_field.get(field, 0) + 1
            if count > MAX_PER_FIELD:
                return
        key = (id(refusal.resource), name)
        waiting = self._waiting.setdefault(key, [])
        waiting.append(refusal)
        if len(waiting) >= _CHUNK:
            self._write(key)

    def flush(self) -> None:
        """Write all that waits, and how much was only counted."""
        for key in self._waiting:
            self._write(key)
        more = [
            Reject(
                resource,
                self._table_of(name),
                rule,
                "value",
                f"left out of {count - MAX_PER_FIELD} more rows",
                column_path=column_path(path),
            )
            for (resource, name, rule, path), count in self._of_field.items()
            if count > MAX_PER_FIELD
        ]
        self._of_field.clear()
        if more:
            self._writer.append(REJECTS_KEY, rejects_batch(more))

    def _table_named(self, refusal: Refusal) -> str:
        meta, resource = refusal.meta, refusal.resource
        if isinstance(meta, TableName):
            return str(meta.table_name)
        if isinstance(meta, NewHints) and isinstance((meta.hints or {}).get("table_name"), str):
            return str(meta.hints["table_name"])
        name = self._hints_of(resource).table_name
        if callable(name):
            try:
                name = name(refusal.item)
            except Exception:  # noqa: BLE001 - the row is one that doesn't fit
                name = None
        return name if isinstance(name, str) else str(resource.name)

    def _write(self, key: tuple[int, str]) -> None:
        refusals, self._waiting[key] = self._waiting[key], []
        if not refusals:
            return
        if key not in self._streams:
            sealed = _Sealed(self._writer, self._table_of(key[1]))
            self._streams[key] = self._stream(key[1], refusals[0], sealed), sealed
        stream, sealed = self._streams[key]
        sealed.expect(refusals)
        try:
            stream.take_page([r.row for r in refusals])
            stream.flush()
        except DataError:
            # A row may be refused because there is something in it that can't be stored at all.
            stream = self._stream(key[1], refusals[0], sealed)
            self._streams[key] = stream, sealed
            stream.take_page([_storable(r.row) for r in sealed.waiting])
            stream.flush()

    def _stream(self, name: str, first: Refusal, sealed: _Sealed) -> Stream:
        outlet: Any = Outlet(sealed, silent, None)  # type: ignore[arg-type]
        return self._stream_of(first.resource, name, first.item, outlet)


class _Sealed:
    """Takes the batches that rows of refusals became, and writes them as rejects."""

    def __init__(self, writer: StageWriter, table: str) -> None:
        self._writer = writer
        self._table = table
        self.waiting: list[Refusal] = []

    def expect(self, refusals: Sequence[Refusal]) -> None:
        """Hear of refusals whose rows will come, in this order."""
        self.waiting = list(refusals)

    def append(self, key: str, batch: pa.RecordBatch) -> None:
        """Take rows in the raw format, protected."""
        told, self.waiting = self.waiting[: batch.num_rows], self.waiting[batch.num_rows :]
        made = [self._reject(r, row) for r, row in zip(told, records(batch), strict=True)]
        self._writer.append(REJECTS_KEY, rejects_batch(made))

    def _reject(self, refusal: Refusal, row: dict[str, Any]) -> Reject:
        found, value = _at(row, refusal.path)
        return Reject(
            resource=refusal.resource.name,
            table_name=self._table,
            rule=refusal.rule,
            action="row" if refusal.whole else "value",
            reason=refusal.reason,
            column_path=column_path(refusal.path) or None,
            value=json_text(value) if found else None,
            wanted=refusal.wanted,
            position=refusal.position,
            record=json_text(row) if refusal.whole else None,
        )


def _at(row: Any, path: Sequence[str | int]) -> tuple[bool, Any]:
    """Return whether there is something at a path, and what."""
    for part in path:
        try:
            row = row[part]
        except (KeyError, IndexError, TypeError):
            return False, None
    return bool(path), row


def _storable(row: Any) -> Any:
    """Return a row with all that no column could hold as text; of an odd object only what it is.

    An object's own text may hold anything, also what is protected by name.
    """
    found = as_mapping(row)
    if not isinstance(found, dict):
        return found if isinstance(found, (bool, int, float, str)) else {"value": type(found).__name__}
    return {str(k): _simple(v) for k, v in found.items()}


def _simple(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(k): _simple(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_simple(v) for v in value]
    return value if value is None or isinstance(value, (bool, int, float, str, bytes)) else str(value)
