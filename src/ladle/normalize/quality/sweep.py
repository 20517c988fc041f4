"""Leave out rows that break a rule which only the end shows, such as `exists_in`, and rows below them."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ladle.normalize.checks import Checks
from ladle.normalize.given import Given
from ladle.normalize.keys import PARENT_ID, POSITION, ROW_ID
from ladle.normalize.quality.whole import EndFailure
from ladle.package.manifest import DataFile
from ladle.package.store import Package, StageWriter
from ladle.schema.records import is_record
from ladle.schema.rejects import Reject
from ladle.schema.row_ids import final_id
from ladle.schema.table import Table

_KEY = "_dlt_"
_NUMBER = "_dlt_row"  # of the row, beside its columns
_Below = dict[tuple[str, str | None], list[tuple[str, dict[str, Any]]]]
_NO_ROWS = pa.array([], pa.int64())


@dataclass(slots=True)
class _Lost:
    """Rows that a table lost, with their numbers, and the numbers of those it kept."""

    rows: list[pa.RecordBatch] = field(default_factory=list)
    kept: list[pa.Array] = field(default_factory=list)


@dataclass(slots=True)
class Swept:
    """What was left out at the end.

    Attributes:
        replaced: names of ready files that others stand for now.
        rejects: one for each row that broke a rule and isn't below another such row.
        out: rows left out, by table.
    """

    replaced: set[str] = field(default_factory=set)
    rejects: list[Reject] = field(default_factory=list)
    out: dict[str, int] = field(default_factory=dict)

    def files(self, written: Iterable[DataFile]) -> list[DataFile]:
        """Return those of the written files that count."""
        return [f for f in written if f.name not in self.replaced]


@dataclass(frozen=True, slots=True)
class ReadyStage:
    """The ready files of a package: who has them, who writes them, and what is called how in them."""

    package: Package
    writer: StageWriter
    given: Given

    def read(self, files: Iterable[DataFile], table: str) -> Iterator[tuple[DataFile, pa.RecordBatch]]:
        """Yield the batches of a table, by its derived name, as they are."""
        for file in files:
            if self.given.names.source_table(file.table) == table:
                for batch in self.package.read([file]):
                    yield file, batch

    def derived(self, table: str, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Return a batch of a table with derived names."""
        return pa.RecordBatch.from_arrays(batch.columns, schema=self.given.source_schema(table, batch.schema))


def sweep(checks: Checks, stage: ReadyStage, tables: Mapping[str, Table]) -> Swept:
    """Judge the rules about whole tables; write the ready files anew without the rows that must stay out.

    Rows that referred to a row that is out go with it, until nothing is left to refuse.

    Args:
        checks: has seen all rows.
        stage: holds all rows of tables from which rows may be left out.
        tables: as they are at the end, by derived name.

    Raises:
        DataError: a rule with severity `fail` is broken; nothing was changed.

    Memory: O(rows that are left out); nothing is read where there are none.
    """
    swept = Swept()
    while refusals := _refusals(checks.at_end()):
        files = [f for f in swept.files(stage.writer.seal()) if not is_record(f.table)]
        lost = _leave_out(stage, files, tables, refusals)
        swept.replaced.update(f.name for f in files if stage.given.names.source_table(f.table) in lost)
        for name, table in lost.items():
            if table.rows:
                swept.out[name] = swept.out.get(name, 0) + sum(b.num_rows for b in table.rows)
        names = stage.given.names
        swept.rejects += [
            replace(reject, table_name=names.table(reject.table_name))
            for reject in _rejects(refusals, lost, tables, checks)
        ]
        written = [f for f in swept.files(stage.writer.seal()) if not is_record(f.table)]
        for name, table in lost.items():
            left = (stage.derived(name, batch) for _, batch in stage.read(written, name))
            checks.rewritten(name, left, pa.concat_arrays([_NO_ROWS, *table.kept]))
    return swept


def _refusals(failures: Sequence[EndFailure]) -> list[EndFailure]:
    for failure in failures:
        if failure.severity == "fail":
            raise failure.error()
    return [f for f in failures if f.severity == "reject"]


def _leave_out(
    stage: ReadyStage,
    files: Sequence[DataFile],
    tables: Mapping[str, Table],
    refusals: Sequence[EndFailure],
) -> dict[str, _Lost]:
    """Write tables that may lose rows anew; return the rows lost of each of them, parents first."""
    lost: dict[str, _Lost] = {}
    for table in _parents_first(tables):
        numbers = [f.rows for f in refusals if f.table == table.name and f.rows is not None]
        above = lost[table.parent].rows if table.parent in lost else []
        if not numbers and not above:
            continue
        ids = [b.column(ROW_ID) for b in above if ROW_ID in b.schema.names]
        parents = pa.concat_arrays(ids) if ids else pa.array([], pa.string())
        refused = pa.concat_arrays(numbers) if numbers else _NO_ROWS
        found = lost[table.name] = _Lost()
        first_row = 0
        for file, batch in stage.read(files, table.name):
            numbered = pa.arange(first_row, first_row + batch.num_rows)
            out = pc.is_in(numbered, value_set=refused)
            first_row += batch.num_rows
            if PARENT_ID in batch.schema.names:
                out = pc.or_(out, pc.is_in(batch.column(PARENT_ID), value_set=parents))
            if out.false_count:
                stage.writer.append(file.table, batch.filter(pc.invert(out)))
            if out.true_count:
                named = stage.derived(table.name, batch)
                found.rows.append(named.append_column(_NUMBER, numbered).filter(out))
            found.kept.append(numbered.filter(pc.invert(out)))
    return lost


def _parents_first(tables: Mapping[str, Table]) -> list[Table]:
    def depth(table: Table) -> int:
        above = tables.get(table.parent or "")
        return 0 if above is None else 1 + depth(above)

    return sorted(tables.values(), key=depth)


def _rejects(
    refusals: Sequence[EndFailure], lost: Mapping[str, _Lost], tables: Mapping[str, Table], checks: Checks
) -> Iterator[Reject]:
    """Yield a reject for each topmost row; what is below it is in its record."""
    rows = {
        n: [r for batch in found.rows for r in _plain_rows(batch, tables[n])] for n, found in lost.items()
    }
    out = {(name, row.get(ROW_ID)) for name, found in rows.items() for row in found}
    below: _Below = {}
    for name, found in rows.items():
        for row in found:
            below.setdefault((str(tables[name].parent), row.get(PARENT_ID)), []).append((name, row))
    for name, found in rows.items():
        # of several rules that a row breaks, the first
        ours = [(f, f.rows) for f in reversed(refusals) if f.table == name]
        broken = {int(n): f for f, numbers in ours if numbers is not None for n in numbers.to_pylist()}
        top = [row for row in found if (tables[name].parent, row.get(PARENT_ID)) not in out]
        if top:
            origins = checks.origins(name, pa.array([row[_NUMBER] for row in top]))
            for row, origin in zip(top, origins, strict=True):
                yield _reject(broken[row[_NUMBER]], row, _whole(name, row, below), tables, origin)


def _reject(
    failure: EndFailure,
    row: Mapping[str, Any],
    record: Mapping[str, Any],
    tables: Mapping[str, Table],
    origin: tuple[str | None, int | None],
) -> Reject:
    resource, position = origin
    value = row.get(failure.column) if failure.column else None
    return Reject(
        resource=resource or _resource(tables[failure.table], tables),
        table_name=failure.table,
        rule=failure.rule,
        action="row",
        reason=f"rule `{failure.rule}` of table `{failure.table}` is broken: {failure.wanted}",
        column_path=failure.column,
        value=None if value is None else _json(value),
        wanted=failure.wanted,
        position=position,
        parent_id=final_id(row[PARENT_ID]) if row.get(PARENT_ID) else None,
        row_id=final_id(row[ROW_ID]) if row.get(ROW_ID) else None,
        list_index=row.get(POSITION),
        record=_json(record),
    )


def _resource(table: Table, tables: Mapping[str, Table]) -> str:
    while table.parent is not None and table.parent in tables:
        table = tables[table.parent]
    return table.resource or table.name


def _whole(name: str, row: Mapping[str, Any], below: _Below) -> dict[str, Any]:
    """Return a row with the rows below it as lists, without keys; in the names that the tables have."""
    made = {n: v for n, v in row.items() if not n.startswith(_KEY) and v is not None}
    for child, found in below.get((name, row.get(ROW_ID)), ()):
        made.setdefault(child.removeprefix(name).lstrip("_"), []).append(_whole(child, found, below))
    return made


def _plain_rows(batch: pa.RecordBatch, table: Table) -> list[dict[str, Any]]:
    nested = [n for n in batch.schema.names if n in table.columns and table.columns[n].data_type == "json"]
    rows: list[dict[str, Any]] = batch.to_pylist()
    for row in rows:
        row.update((n, json.loads(row[n])) for n in nested if row[n] is not None)
    return rows


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=_spelled)


def _spelled(value: Any) -> str:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, Decimal):
        return format(value.normalize(), "f")
    return str(value.isoformat()) if hasattr(value, "isoformat") else str(value)
