"""Data quality rules, applied to rows in destination types, batch by batch and at the end of a package."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ladle.errors import DataError
from ladle.events import Emit, Notice
from ladle.normalize.quality.engine import Engine, NotComputed
from ladle.normalize.quality.functions import broken_by_function
from ladle.normalize.quality.masks import broken_rows, column_rule
from ladle.normalize.quality.typed import Misfit
from ladle.normalize.quality.whole import EndFailure, Loaded, Whole, root_of
from ladle.package.manifest import Manifest
from ladle.schema.given_names import GivenNames
from ladle.schema.rule import Check, Condition, Rule, Severity, Unique
from ladle.schema.rule_forms import from_dict
from ladle.schema.schema import Schema
from ladle.schema.table import Table
from ladle.schema.types import arrow_type, kind_of

RULES = "x-rules"


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


@dataclass(slots=True)
class _Tally:
    """How often a rule was kept and broken.

    `out`: rows that were left out for it at the end. `found`: what broke one about the table, in words.
    """

    rule: Rule
    checked: int = 0
    failed: int = 0
    out: int = 0
    found: str = ""


@dataclass(slots=True)
class _Ruled:
    """The rules of a table, read from their stored form once."""

    stored: Any
    tallies: list[_Tally] = field(default_factory=list)


class Checks:
    """The rules of a package. Feed batches in order: rules such as `unique` remember what they saw.

    Begin with what is declared. For each batch ask `of_batch`, and tell `written` what of it goes in. Ask
    `at_end` once all batches were seen; then `results` and `notices` are complete. Where the batches were cut
    decides nothing.

    Args:
        loaded: gives the rows of a table that earlier loads brought, some columns of them; None where
            nobody can tell.

    Memory: O(batch), and what `Engine` remembers of `unique` and `exists_in`.
    """

    def __init__(self, loaded: Loaded | None = None) -> None:
        self._engine = Engine()
        self._whole = Whole(self._engine, loaded)
        self._ruled: dict[str, _Ruled] = {}
        self._due: set[str] = set()

    def begin(self, schema: Schema, manifest: Manifest, names: GivenNames | None = None) -> None:
        """Take what is declared before the first batch.

        Args:
            schema: rules of all its tables are known from here on.
            manifest: of the package; the results of the tables of its resources show without rows, too.
            names: what tables and columns are called at the destination; all else here has derived names.
        """
        for table in schema.table_map.values():
            self._rules(table)
        roots = {r.table for r in manifest.resources}
        self._due = {name for name in self._ruled if root_of(schema, name) in roots}
        self._whole.begin(schema, manifest, names or GivenNames.of(schema))

    def declare(self, tables: Iterable[Table]) -> bool:
        """Take tables as they are declared from here on.

        Returns:
            whether a rule came too late: what it looks at was written already, so normalise anew.
        """
        late = False
        for table in tables:
            self._rules(table)
            self._due.add(table.name)
            late = late or self._whole.is_late(table.name)
        return late

    def applies_to(self, table: Table) -> bool:
        """Whether the table has rules."""
        return RULES in table.extra

    def _rules(self, table: Table) -> list[_Tally]:
        stored = table.extra.get(RULES)
        if stored is None:
            return []
        known = self._ruled.get(table.name)
        if known is None or known.stored is not stored:
            known = _Ruled(stored, [_Tally(from_dict(rule)) for rule in stored])
            self._ruled[table.name] = known
            self._whole.watch(table.name, [t.rule for t in known.tallies])
        return known.tallies

    def of_batch(self, table: Table, arrays: Mapping[str, pa.Array]) -> list[Failure]:
        """Return the failures of one batch of a table.

        First the rules about a row by itself. Then `unique`, one after the other: for them, rows that a rule
        with severity `reject` refused before don't count.

        Args:
            table: with its columns as they are typed.
            arrays: by column name, all of one length; columns that the batch lacks are null.

        Raises:
            DataError: a rule can't be applied to a column of its type, or can't be computed.
            UsageError: a function isn't there.
        """
        rows = len(next(iter(arrays.values()))) if arrays else 0
        if not rows:
            return []
        failures = []
        refused: pa.Array | None = None
        tallies = [t for t in self._rules(table) if not self._whole.judges(t.rule)]
        for tally in sorted(tallies, key=lambda t: isinstance(t.rule, Unique)):
            rule = tally.rule
            broken, skipped = self._broken(rule, table, arrays, rows, refused)
            tally.checked += rows - skipped
            failed = pc.sum(broken).as_py() or 0
            if not failed:
                continue
            tally.failed += failed
            failures.append(Failure(rule.label, rule.severity, rule.column, rule.wanted, broken))
            if rule.severity == "reject":
                refused = broken if refused is None else pc.or_(refused, broken)
        return failures

    def _broken(
        self, rule: Rule, table: Table, arrays: Mapping[str, pa.Array], rows: int, refused: pa.Array | None
    ) -> tuple[pa.Array, int]:
        """Return where rows break a rule, and how many rows it didn't look at."""
        if isinstance(rule, Unique):
            skipped = pc.sum(refused).as_py() if refused is not None else 0
            key = [arrays.get(name) for name in rule.columns]
            if any(values is None for values in key):
                return pa.repeat(pa.scalar(False), rows), skipped
            return self._engine.repeats(f"unique {table.name} {rule.label}", key, refused), skipped
        if column_rule(rule):
            return _of_column(rule, table, arrays, rows), 0
        if isinstance(rule, Check):
            return broken_by_function(rule, _whole_batch(table, arrays, rows), table.name), 0
        assert isinstance(rule, Condition)
        try:
            return self._engine.broken(rule.sql, arrays, rule.about, rows), 0
        except NotComputed as exc:
            raise DataError(
                f"rule `{rule.label}` can't be computed: {exc}",
                table=table.name,
                expected="columns of the types that the condition needs",
                hint="cast in the condition, with TRY_CAST where a value may not fit",
            ) from None

    def written(self, table: Table, arrays: Mapping[str, pa.Array], rows: int) -> None:
        """Take note of rows that go in, in their order: those of a batch that nothing refused.

        Args:
            table: as for `of_batch`.
            arrays: the same columns, the rows left out that were refused.
            rows: how many.
        """
        self._whole.written(table.name, arrays, rows)

    def at_end(self) -> list[EndFailure]:
        """Return what breaks rules that only all rows show: `fresh`, `row_count`, `exists_in`.

        Safe to ask again, after `rewritten`.

        Raises:
            DataError: a rule can't be applied to a column of its type.
        """
        failures = []
        for name, ruled in self._ruled.items():
            if name not in self._due and not self._whole.has_rows(name):
                continue
            for tally in ruled.tallies:
                if not self._whole.judges(tally.rule):
                    continue
                found = self._whole.judge(name, tally.rule)
                tally.checked = max(tally.checked, self._whole.rows(name))
                tally.failed = tally.out + (found.count if found is not None else 0)
                if found is not None:
                    tally.found = found.found
                    failures.append(found)
        return failures

    def may_leave_out(self, table: str) -> bool:
        """Whether rows of a table may be left out at the end: its ready files must be files of their own."""
        return self._whole.may_refuse(table)

    def may_leave_out_any(self) -> bool:
        """Whether rows of any table may be left out at the end."""
        return any(map(self._whole.may_refuse, self._ruled))

    def came_from(self, table: str, resource: str, positions: pa.Array) -> None:
        """Take note where the rows just written come from, if they may be left out at the end.

        Args:
            table: they were written to.
            resource: whose items they are of.
            positions: int64, numbers of the items among those of the resource.
        """
        self._whole.came_from(table, resource, positions)

    def origins(self, table: str, rows: pa.Array) -> list[tuple[str | None, int | None]]:
        """Return resource and position of rows by their numbers, as `came_from` noted them."""
        return self._whole.origins(table, rows)

    def rewritten(self, table: str, batches: Iterable[pa.RecordBatch], kept: pa.Array) -> None:
        """Look at a table anew after rows of it were left out at the end.

        Args:
            table: its name.
            batches: its rows.
            kept: int64, the numbers that they had before.
        """
        self._whole.forget(table, kept)
        for tally in self._ruled[table].tallies if table in self._ruled else ():
            if tally.rule.severity == "reject":
                tally.out = tally.failed
        for batch in batches:
            arrays = dict(zip(batch.schema.names, batch.columns, strict=True))
            self._whole.written(table, arrays, batch.num_rows)

    def results(self, names: GivenNames | None = None) -> list[dict[str, Any]]:
        """Return what became of each rule of the package's tables, those included that no row broke.

        Args:
            names: that tables and columns have at the destination.

        As plain values: `table`, `rule` (its name), `kind`, `columns`, `severity`, `checked`, `failed`.
        """
        return [
            {
                "table": names.table(name) if names else name,
                "rule": tally.rule.label,
                "kind": tally.rule.kind,
                "columns": [names.column(name, c) if names else c for c in tally.rule.about],
                "severity": tally.rule.severity,
                "checked": tally.checked,
                "failed": tally.failed,
            }
            for name, ruled in self._ruled.items()
            if name in self._due or any(t.checked for t in ruled.tallies)
            for tally in ruled.tallies
        ]

    def notices(self, tables: Mapping[str, Table]) -> list[Notice]:
        """Return what people should know: what whole tables break with severity `warn`, and misspelt columns.

        Rows that break a rule are told with the other rejects and warnings of rows.

        Args:
            tables: as they are at the end.
        """
        found = []
        for name, ruled in self._ruled.items():
            for tally in ruled.tallies:
                rule = tally.rule
                if tally.found and rule.severity == "warn":
                    found.append(f"table `{name}` breaks rule `{rule.label}`: {tally.found}")
                there = tables[name].columns if name in tables else {}
                unknown = [c for c in rule.about if c not in there]
                if unknown and self._whole.has_rows(name, tally.checked):
                    found.append(
                        f"rule `{rule.label}` of table `{name}` names `{unknown[0]}`, which it has not"
                    )
        return [Notice(text) for text in found]

    def tell(self, emit: Emit, tables: Mapping[str, Table]) -> None:
        """Emit the notices, and forget all rows: the package is done."""
        for notice in self.notices(tables):
            emit(notice)
        self.close()

    def close(self) -> None:
        """Forget all rows."""
        self._engine.close()


def _of_column(rule: Rule, table: Table, arrays: Mapping[str, pa.Array], rows: int) -> pa.Array:
    assert rule.column is not None
    values = arrays.get(rule.column)
    if values is None or pa.types.is_null(values.type):
        return pa.repeat(pa.scalar(rule.kind == "not_null"), rows)
    column = table.columns.get(rule.column)
    kind = (column.data_type if column is not None else None) or kind_of(values.type) or str(values.type)
    try:
        return broken_rows(rule, values, kind)
    except Misfit:
        raise misfit_error(rule, table.name, rule.column, kind) from None


def misfit_error(rule: Rule, table: str, column: str, kind: str) -> DataError:
    """The error for a rule that doesn't go with the type of its column."""
    return DataError(
        f"rule `{rule.label}` can't be checked: column `{column}` is of type `{kind}`",
        table=table,
        column=column,
        expected=f"a column that can hold {rule.wanted}",
        hint="declare the column's data_type, or mend the rule",
    )


def _whole_batch(table: Table, arrays: Mapping[str, pa.Array], rows: int) -> pa.RecordBatch:
    """Return a batch with all columns of the table, those included that these rows lack."""
    lacking = {c.name: pa.nulls(rows, arrow_type(c)) for c in table.typed_columns() if c.name not in arrays}
    found = {**arrays, **lacking}
    names = [n for n in table.columns if n in found]
    return pa.RecordBatch.from_arrays([found[n] for n in names], names=names)
