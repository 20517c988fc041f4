"""Frames against a model, by column: fields it lacks, types, nulls. The model's own rules are for rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ladle.errors import DataError
from ladle.schema.table import Column
from ladle.schema.types import arrow_type, kind_of
from ladle.sources.incremental_frames import without_views

Tell = Callable[..., None]
_CANT = (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError)
_ISO: Mapping[str, Callable[[str], Any]] = {
    "timestamp": datetime.fromisoformat,
    "date": date.fromisoformat,
    "time": time.fromisoformat,
}


@dataclass(frozen=True, slots=True)
class Checked:
    """A frame as far as it fits; `kept` is None where nothing of it does. `rows`: that it had."""

    kept: Any
    rows: int


@dataclass(frozen=True, slots=True)
class Bad:
    """Rows of a column that don't fit: a mask without nulls, and why."""

    column: str
    mask: pa.Array
    problem: str
    reason: str
    wanted: str


class FrameCheck:
    """Checks frames by column.

    Args:
        model: name.
        hints: column hints by source name.
        fields: names of all fields, those without hints too.
        contract: modes by entity.
        resource: name, for errors.
    """

    def __init__(
        self,
        model: str,
        hints: Mapping[str, Any],
        fields: frozenset[str],
        contract: Mapping[str, str],
        resource: str,
    ) -> None:
        self._model = model
        self._fields = fields
        self._resource = resource
        self._on_extra, self._on_unfit = contract["columns"], contract["data_type"]
        self._hints = {n: h for n, h in hints.items() if n in fields and h.get("data_type")}

    def of(self, frame: Any, position: int, tell: Tell) -> Checked:
        """Check a frame.

        Args:
            frame: of any kind. A stream stays one, and is checked as it is read.
            position: number of its first row.
            tell: hears of what is left out: the number of rows, and what a `Refusal` needs.

        Raises:
            DataError: something doesn't fit, and the contract is to freeze.
        """
        if isinstance(frame, pa.RecordBatchReader):
            return Checked(self._stream(frame, position, tell), 0)
        table = _arrow(frame)
        kept = self._table(table, position, tell)
        if kept is table:
            return Checked(frame, table.num_rows)
        return Checked(kept if kept.num_rows else None, table.num_rows)

    def _stream(self, reader: pa.RecordBatchReader, position: int, tell: Tell) -> Any:
        empty = self._table(pa.Table.from_batches([], reader.schema), position, lambda *_, **__: None)

        def batches() -> Iterator[pa.RecordBatch]:
            at = position
            for batch in reader:
                yield from self._table(pa.Table.from_batches([batch]), at, tell).to_batches()
                at += batch.num_rows

        return pa.RecordBatchReader.from_batches(empty.schema, batches())

    def _table(self, table: pa.Table, position: int, tell: Tell) -> pa.Table:
        bad = list(self._extra(table, position, tell)) + list(self._unfit(table, position))
        out = [b for b in bad if self._mode(b) == "discard_row"]
        for found in bad:
            if self._mode(found) == "discard_value":
                table = self._nulled(table, found, position, tell)
        if self._on_extra == "discard_value" and self._fields:
            known = [n for n in table.schema.names if n in self._fields]
            table = table if known == table.schema.names else table.select(known)
        table = self._cast(table)
        if not out:
            return table
        refused = out[0].mask
        for found in out[1:]:
            refused = pc.or_(refused, found.mask)
        first = {i: b for b in reversed(out) for i in pc.indices_nonzero(b.mask).to_pylist()}
        for row, found in sorted(first.items()):
            whole = table.slice(row, 1).to_pylist()[0]
            tell(1, **self._told(found, whole, position + row, whole=True))
        return without_views(table).filter(pc.invert(refused))

    def _mode(self, bad: Bad) -> str:
        return self._on_extra if bad.problem == "extra_forbidden" else self._on_unfit

    def _told(self, bad: Bad, row: Any, position: int, *, whole: bool) -> dict[str, Any]:
        return {
            "rule": f"model {self._model}: {bad.problem}",
            "reason": bad.reason,
            "row": row,
            "path": (bad.column,),
            "wanted": bad.wanted,
            "position": position,
            "whole": whole,
        }

    def _extra(self, table: pa.Table, position: int, tell: Tell) -> Iterator[Bad]:
        for name in table.schema.names:
            if name in self._fields or self._on_extra == "evolve" or not self._fields:
                continue
            if self._on_extra == "freeze":
                raise DataError(
                    f"a frame has a column `{name}` that model `{self._model}` lacks",
                    resource=self._resource,
                    column=name,
                    hint='leave it out, or set schema_contract={"columns": "discard_value"}',
                )
            there = _whole(table.column(name).is_valid())
            reason = "the model has no such field"
            bad = Bad(name, there, "extra_forbidden", reason, "no field of the model")
            if self._on_extra == "discard_row":
                yield bad
            elif there.true_count:
                # A whole column at once: its values are not repeated one by one.
                told = self._told(bad, {}, position, whole=False)
                told["reason"] = f"{reason}: left out of {there.true_count} rows"
                tell(0, **told)

    def _unfit(self, table: pa.Table, position: int) -> Iterator[Bad]:
        if self._on_unfit == "evolve":
            return
        for name, hints in self._hints.items():
            there = name in table.schema.names
            array = _whole(table.column(name)) if there else pa.nulls(table.num_rows)
            wanted = str(hints["data_type"])
            found = []
            if not hints.get("nullable", True) and array.null_count:
                found.append(
                    Bad(name, array.is_null(), "none_forbidden", "it can't be null", f"{wanted}, not null")
                )
            if (unfit := _cant_be(array, name, hints)) is not None:
                found.append(Bad(name, unfit, f"{wanted}_type", f"it is no {wanted}", wanted))
            for bad in found:
                if self._on_unfit == "freeze":
                    raise self._error(bad, position)
                yield bad

    def _error(self, bad: Bad, position: int) -> DataError:
        return DataError(
            f"a frame doesn't fit model `{self._model}`: {bad.reason}",
            resource=self._resource,
            column=bad.column,
            row=position + pc.index(bad.mask, True).as_py(),
            expected=bad.wanted,
            hint='fix the data or the model, or set schema_contract={"data_type": "discard_row"}',
        )

    def _nulled(self, table: pa.Table, bad: Bad, position: int, tell: Tell) -> pa.Table:
        at = table.schema.names.index(bad.column)
        array = _whole(without_views(table).column(at))
        for row in pc.indices_nonzero(bad.mask).to_pylist():
            tell(1, **self._told(bad, {bad.column: array[row].as_py()}, position + row, whole=False))
        nulls = pc.if_else(bad.mask, pa.scalar(None, array.type), array)
        return table.set_column(at, bad.column, nulls)

    def _cast(self, table: pa.Table) -> pa.Table:
        """Give columns the types of the model, those that convert whole."""
        for at, name in enumerate(table.schema.names):
            hints = self._hints.get(name)
            if (
                hints is None
                or hints["data_type"] == "json"
                or kind_of(table.schema.field(at).type) == hints["data_type"]
            ):
                continue
            try:
                made = table.column(at).cast(_target(name, hints))
            except _CANT:
                continue
            table = table.set_column(at, name, made)
        return table


def _arrow(frame: Any) -> pa.Table:
    if isinstance(frame, pa.Table):
        return frame
    if isinstance(frame, pa.RecordBatch):
        return pa.Table.from_batches([frame])
    if hasattr(frame, "collect_schema") and hasattr(frame, "collect"):
        frame = frame.collect()  # a polars LazyFrame
    if type(frame).__module__.partition(".")[0] == "pandas":
        return pa.Table.from_pandas(frame, preserve_index=False)
    return pa.table(frame)


def _whole(column: Any) -> pa.Array:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def _target(name: str, hints: Mapping[str, Any]) -> pa.DataType:
    return arrow_type(
        Column.from_dict(
            name, {k: hints[k] for k in ("data_type", "precision", "scale", "timezone") if k in hints}
        )
    )


def _cant_be(array: pa.Array, name: str, hints: Mapping[str, Any]) -> pa.Array | None:
    """Return a mask of the values that can't become the column's type; None where all can."""
    wanted = hints["data_type"]
    if wanted == "json" or array.null_count == len(array) or kind_of(array.type) == wanted:
        return None
    target = _target(name, hints)
    try:
        array.cast(target)
    except _CANT:
        pass
    else:
        return None
    # It failed as a whole: look for the values.
    mask = [value.is_valid and not _converts(value, target, wanted) for value in array]
    return pa.array(mask, pa.bool_()) if any(mask) else None


def _converts(value: pa.Scalar, target: pa.DataType, wanted: str) -> bool:
    try:
        value.cast(target)
    except _CANT:
        text = value.as_py()
        parse = _ISO.get(wanted)
        if parse is None or not isinstance(text, str):
            return False
        try:
            parse(text)
        except ValueError:
            return False
    return True
