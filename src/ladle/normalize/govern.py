"""Hold the rows of a batch against contracts and rules, before anything of it is written.

New tables and columns come first, as a row that is left out must not bring any; then types; then rules. The
outcome is that of going through the rows one by one, wherever a batch was cut.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import pyarrow as pa
import pyarrow.compute as pc

from ladle.events import Emit, Notice
from ladle.normalize.checks import Checks, Failure
from ladle.normalize.fed import Fed, check_nulls
from ladle.normalize.findings import (
    Finding,
    Law,
    failed_error,
    frozen_error,
    hits,
    mode_rule,
    no_column,
    no_fit,
    no_null,
    no_table,
    rejects_of,
    value_of,
    wanted_of,
)
from ladle.normalize.given import Given
from ladle.normalize.keys import KEY_COLUMNS
from ladle.normalize.names import Kinds
from ladle.normalize.parts import Cut
from ladle.normalize.rejects import plain, to_json
from ladle.normalize.rows import Part
from ladle.schema.contract import Contract, Mode, contract_of, is_new
from ladle.schema.rejects import Reject
from ladle.schema.schema import Schema
from ladle.schema.table import Column, Table

Type = Callable[[Sequence[Part]], list[Fed]]


@dataclass(frozen=True, slots=True)
class Judged:
    """What may pass of a batch, how many rows of each table may not, and what is kept of what may not."""

    fed: list[Fed]
    out: dict[str, int]
    rejects: Sequence[Reject] = ()


@dataclass(frozen=True, slots=True)
class _Hold:
    """What holds for one table: as it was before the package, and its contract for this package."""

    known: Table | None
    new: bool
    contract: Contract

    def knows(self, column: str) -> bool:
        """Whether the column has a type or was declared; one that only ever saw nulls isn't there yet."""
        found = self.known.columns.get(column) if self.known is not None else None
        return found is not None and (found.data_type is not None or not _is_of_nulls(found))

    def types(self, column: str) -> bool:
        """Whether the column has a type already."""
        found = self.known.columns.get(column) if self.known is not None else None
        return found is not None and found.data_type is not None


@dataclass(frozen=True, slots=True)
class _Misfits:
    """Rows of one table, in its order, with something in one column that its contract doesn't allow."""

    fed: Fed
    column: Column
    rows: pa.Array
    null: bool = False

    @property
    def first_row(self) -> int:
        return int(pc.index(self.rows, pa.scalar(True)).as_py())

    @property
    def first_root(self) -> int:
        return self.fed.rows.root_row(self.first_row)

    @property
    def is_settled(self) -> bool:
        """Whether the column had its type before the batch, so that no row of it can have decided."""
        found = self.fed.before.columns.get(self.column.name)
        return found is not None and found.data_type is not None

    @property
    def source_root(self) -> int:
        """The root row that the column has its type from."""
        for name, _, kinds in self.fed.named:
            if name == self.column.name:
                return self.fed.rows.root_row(_first(kinds))
        return 0


def _is_of_nulls(column: Column) -> bool:
    return bool((column.extra.get("x-normalizer") or {}).get("seen-null-first"))


def _first(kinds: Kinds) -> int:
    found = (int(pc.index(a.is_valid(), pa.scalar(True)).as_py()) for _, a in kinds if a.null_count < len(a))
    return min(found, default=0)


@dataclass(slots=True)
class _Case:
    """One batch being judged."""

    cut: Cut
    resource: str
    first_row: int
    rows: dict[tuple[int, int], Finding] = field(default_factory=dict)
    values: dict[tuple[int, int, str], Finding] = field(default_factory=dict)


class Governor:
    """Knows which contracts and rules hold in a package, and what becomes of the rows that break them.

    Args:
        schema: as declared, before the package brought anything.
        default: contract where nothing else says.
        checks: the rules.
        reject_root: whether a refused row of a child table refuses its root row.
        given: names that tables have at the destination.
    """

    def __init__(
        self,
        schema: Schema,
        default: Contract,
        checks: Checks,
        reject_root: bool,
        given: Given,
    ) -> None:
        self._given = given
        self._schema = schema
        self._default = default
        self._checks = checks
        self._reject_root = reject_root
        self._holds: dict[tuple[str, str], _Hold] = {}
        self._warned: Counter[tuple[str, str, str]] = Counter()

    def declare(self, schema: Schema) -> None:
        """Go by another schema from here on."""
        self._schema = schema
        self._holds.clear()

    def _hold(self, table: str, root: str) -> _Hold:
        found = self._holds.get((table, root))
        if found is None:
            tables = self._schema.table_map
            known = tables.get(table)
            contract = contract_of(known, tables.get(root), self._schema.settings, self._default)
            new = is_new(known)
            found = _Hold(known, new, contract.for_new_table() if new else contract)
            self._holds[table, root] = found
        return found

    def is_free(self, table: str, root: str) -> bool:
        """Whether nothing about the rows of a table has to be looked at."""
        hold = self._hold(table, root)
        if hold.known is not None and self._checks.applies_to(hold.known):
            return False
        if hold.new:
            return hold.contract.tables == "evolve"
        return hold.contract.columns == hold.contract.data_type == "evolve"

    def types_evolve(self, table: str, root: str) -> bool:
        """Whether a table's contract lets data types change; a new table's always may."""
        return self._hold(table, root).contract.data_type == "evolve"

    def judge(self, parts: Sequence[Part], of: tuple[str, int], typed: Type) -> Judged:
        """Return the rows of a batch that may pass, typed, and the others as rejects.

        Args:
            parts: of the batch; the first is the root's.
            of: the resource, and the number of the batch's first row among its rows.
            typed: types the rows of parts, table by table. Has no effect on anything else.

        Raises:
            DataValidationError: a frozen contract or a rule that fails is broken, or too much was refused.
            DataError: a null where none is allowed, and no contract that says what to do with it.
        """
        case = _Case(Cut(parts), *of)
        self._judge_names(case)
        while True:
            fed = typed(case.cut.kept())
            found = [m for one in fed for m in self._misfits(one, parts[0].table)]
            if not found:
                break
            self._take_misfits(_certain(found), found, case)
        for one in fed:
            if self._hold(one.before.name, parts[0].table).contract.data_type == "evolve":
                check_nulls(one, case.resource, case.first_row)
        fed = self._judge_rules(fed, case)
        return Judged(fed, case.cut.counts(), self._rejects(case))

    # -- tables and columns

    def _judge_names(self, case: _Case) -> None:
        frozen: list[tuple[Finding, str]] = []
        for part in case.cut.parts:
            hold = self._hold(part.table, case.cut.parts[0].table)
            if hold.new:
                frozen += self._judge_table(part, hold.contract.tables, case)
            elif hold.contract.columns != "evolve":
                frozen += self._judge_columns(part, hold, case)
        self._raise_first(frozen, case)

    def _judge_table(self, part: Part, mode: Mode, case: _Case) -> list[tuple[Finding, str]]:
        if mode == "evolve" or part.piece.rows == 0:
            return []
        left = _left(case.cut, part)
        rows = range(part.piece.rows) if left is None else hits(left)
        rule, reason = mode_rule("tables", mode), no_table(part.table)
        if mode == "freeze":
            return [(Finding(part, row, rule, reason), "tables") for row in rows[:1]]
        for row in rows:
            self._refuse(Finding(part, row, rule, reason), case)
        return []

    def _judge_columns(self, part: Part, hold: _Hold, case: _Case) -> list[tuple[Finding, str]]:
        mode, frozen = hold.contract.columns, []
        # by name: where a row has several, the one that is told doesn't depend on the batch
        for column, _, kinds in sorted(part.named, key=lambda entry: entry[0]):
            if hold.knows(column) or column in KEY_COLUMNS:
                continue
            case.cut.column(part.index, column)
            rule, reason = mode_rule("columns", mode), no_column(part.table, column)
            rows = _rows_with(kinds, _left(case.cut, part))
            for row in rows[:1] if mode == "freeze" else rows:
                found = Finding(part, row, rule, reason, column, None, value_of(part, row, column))
                if mode == "freeze":
                    frozen.append((found, "columns"))
                elif mode == "discard_row":
                    self._refuse(found, case)
                else:
                    case.values[(*found.place, column)] = found
        return frozen

    # -- types

    def _misfits(self, fed: Fed, root: str) -> list[_Misfits]:
        """Return what doesn't fit its column, and nulls where none are allowed."""
        hold = self._hold(fed.before.name, root)
        if hold.contract.data_type == "evolve":
            return []
        columns = fed.typed.table.columns
        found = [
            _Misfits(fed, columns[name], array.is_valid())
            for name, variant, array in fed.typed.spilled
            if array.null_count < len(array) and not hold.types(variant)
        ]
        for name, column in columns.items():
            array = fed.typed.arrays.get(name)
            if column.nullable or column.data_type is None or not fed.count:
                continue
            if array is None:
                found.append(_Misfits(fed, column, pa.repeat(pa.scalar(True), fed.count), null=True))
            elif array.null_count:
                found.append(_Misfits(fed, column, array.is_null(), null=True))
        return found

    def _take_misfits(self, certain: Sequence[_Misfits], found: Sequence[_Misfits], case: _Case) -> None:
        """Refuse what is certain; of several reasons to leave a row out, the first column by name counts."""
        frozen: list[tuple[Finding, str]] = []
        for misfits in certain:
            mode = self._hold(misfits.fed.before.name, case.cut.parts[0].table).contract.data_type
            rows = hits(misfits.rows)
            for row in rows[:1] if mode == "freeze" else rows:
                first = misfits
                takes_row = mode != "discard_value" or not misfits.column.nullable
                if takes_row:
                    same = (m for m in found if m.fed is misfits.fed and m.rows[row].as_py())
                    first = min(same, key=lambda m: m.column.name)
                finding = self._misfit(first, row, mode)
                if mode == "freeze":
                    frozen.append((finding, "data_type"))
                elif takes_row:
                    self._refuse(finding, case)
                else:
                    index, number = finding.place
                    case.cut.value(index, misfits.column.name, number)
                    case.values[index, number, misfits.column.name] = finding
        self._raise_first(frozen, case)

    def _misfit(self, misfits: _Misfits, row: int, mode: Mode) -> Finding:
        part, number = misfits.fed.rows.place(row)
        column = misfits.column
        value = value_of(part, number, column.name)
        reason = no_null(column) if value is None else no_fit(column)
        return Finding(
            part, number, mode_rule("data_type", mode), reason, column.name, wanted_of(column), value
        )

    # -- rules

    def _judge_rules(self, fed: list[Fed], case: _Case) -> list[Fed]:
        """Apply the rules, parents first; a row that is out takes those below it with it."""
        ruled = [one for one in fed if self._checks.applies_to(one.typed.table)]
        if not ruled:
            return fed
        for one in ruled:
            left = _still_in(one, case.cut)
            now = one if left is None else one.kept(left)
            numbers = range(one.count) if left is None else hits(left)
            if not now.count:
                continue
            for failure in self._checks.of_batch(now.typed.table, now.typed.arrays):
                self._take_failure(failure, now, numbers, case)
        masks = [_still_in(one, case.cut) for one in fed]
        kept = [one if mask is None else one.kept(mask) for one, mask in zip(fed, masks, strict=True)]
        return [one for one in kept if one.count]

    def _take_failure(self, failure: Failure, fed: Fed, numbers: Sequence[int], case: _Case) -> None:
        rows = hits(failure.rows)
        if not rows:
            return
        table = fed.typed.table
        if failure.severity == "warn":
            self._warned[table.name, failure.rule, failure.wanted] += len(rows)
            return
        array = fed.typed.arrays.get(failure.column) if failure.column else None
        reason = f"rule `{failure.rule}` of table `{table.name}` is broken: {failure.wanted}"
        for row in rows:
            part, number = fed.rows.place(numbers[row])
            value = None if array is None else plain(array.slice(row, 1))[0]
            json = None if value is None else to_json(value)
            found = Finding(part, number, failure.rule, reason, failure.column, failure.wanted, json)
            if failure.severity == "fail":
                raise failed_error(found, self._law(part, case), case.first_row + part.root_row(number))
            self._refuse(found, case)

    # -- what becomes of it

    def _law(self, part: Part, case: _Case) -> Law:
        root = case.cut.parts[0].table
        known = self._schema.table_map.get(part.table)
        contract = contract_of(known, self._schema.table_map.get(root), self._schema.settings, self._default)
        return Law(self._schema.name, case.resource, None if is_new(known) else known, contract)

    def _raise_first(self, frozen: Sequence[tuple[Finding, str]], case: _Case) -> None:
        if frozen:
            finding, entity = min(frozen, key=lambda pair: pair[0].part.root_row(pair[0].row))
            row = case.first_row + finding.part.root_row(finding.row)
            raise frozen_error(finding, entity, self._law(finding.part, case), row)

    def _refuse(self, finding: Finding, case: _Case) -> None:
        """Leave a row out, or its root row where that is asked for."""
        index, row = finding.place
        if index and self._refuses_root(finding.part.table, case.cut.parts[0].table):
            index, row = 0, finding.part.root_row(finding.row)
        case.rows.setdefault((index, row), finding)
        case.cut.row(index, row)

    def _refuses_root(self, table: str, root: str) -> bool:
        tables = self._schema.table_map
        for name in (table, root):
            asked = tables[name].extra.get("x-reject-root") if name in tables else None
            if asked is not None:
                return bool(asked)
        return self._reject_root

    def _rejects(self, case: _Case) -> list[Reject]:
        """Return the rejects: of rows that are out, only the topmost; no values of rows that are out."""
        cut = case.cut
        rows = {place: finding for place, finding in case.rows.items() if not _is_below_out(cut, *place)}
        values = [f for (index, row, _), f in case.values.items() if not cut.is_out(index, row)]
        if not (rows or values):
            return []
        made = rejects_of(rows, values, cut.parts, (case.resource, case.first_row))
        called = self._given.names.table
        return [replace(r, table_name=called(r.table_name)) for r in made] if self._given else list(made)

    def tell(self, emit: Emit) -> None:
        """Emit what rules warned of, once for each rule and table."""
        for (table, rule, wanted), count in self._warned.items():
            emit(Notice(f"{count} rows of table `{table}` break rule `{rule}`: {wanted}"))


def _certain(found: Sequence[_Misfits]) -> list[_Misfits]:
    """Return the misfits that hold whatever becomes of the others.

    A row that is left out no longer gives a new column its type, and then others fit or don't. Where a column
    had its type before, or from a row above the first that isn't right, nothing can change any more.
    """
    settled = [m for m in found if m.is_settled]
    if settled:
        return settled
    first = min(found, key=lambda m: m.first_root)
    limit = first.first_root
    return [m for m in found if m is first or m.source_root < limit]


def _left(cut: Cut, part: Part) -> pa.Array | None:
    out = cut.out(part.index)
    return None if out is None else pc.invert(out)


def _rows_with(kinds: Kinds, left: pa.Array | None) -> list[int]:
    """Return the rows that have a value and aren't out."""
    masks = [values.is_valid() for _, values in kinds if values.null_count < len(values)]
    if not masks:
        return []
    mask = masks[0]
    for other in masks[1:]:
        mask = pc.or_(mask, other)
    return hits(mask if left is None else pc.and_(mask, left))


def _still_in(fed: Fed, cut: Cut) -> pa.Array | None:
    """Return a mask of the rows that aren't out, in the order of the table; None where all are in."""
    masks, some = [], False
    for part in fed.rows.parts:
        left = _left(cut, cut.parts[part.index])
        if left is not None and part.numbers is not None:
            left = left.take(part.numbers)
        some = some or (left is not None and left.false_count > 0)
        masks.append(pa.repeat(pa.scalar(True), part.piece.rows) if left is None else left)
    return fed.rows.in_order(masks) if some else None


def _is_below_out(cut: Cut, index: int, row: int) -> bool:
    part = cut.parts[index]
    if part.above is None or part.piece.parent_rows is None:
        return False
    return cut.is_out(part.above.index, part.piece.parent_rows[row].as_py())
