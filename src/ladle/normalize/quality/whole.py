"""Rules that only all rows of a package show: `fresh`, `row_count` and `exists_in`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ladle.errors import DataError, DataValidationError
from ladle.normalize.quality.engine import Engine, NotComputed
from ladle.package.manifest import Manifest
from ladle.schema.given_names import GivenNames
from ladle.schema.rule import ExistsIn, Fresh, RowCount, Rule, Severity
from ladle.schema.schema import Schema

Loaded = Callable[[str, tuple[str, ...]], Iterable[pa.RecordBatch]]
"""Gives columns of the rows that earlier loads brought to a table."""


_ORIGIN = ["resource", "position"]


@dataclass(frozen=True, slots=True)
class EndFailure:
    """A table that breaks a rule, or rows of it that do.

    Attributes:
        table: its name.
        rule: name of the rule.
        severity: what becomes of it.
        column: that the rule is about, where it is one.
        wanted: what the rule accepts, in words.
        found: what was found instead, in words.
        rows: int64 array, ascending: numbers of the rows among those written; None for the whole table.
    """

    table: str
    rule: str
    severity: Severity
    column: str | None
    wanted: str
    found: str
    rows: pa.Array | None = None

    @property
    def count(self) -> int:
        """Rows that break it; 1 for the whole table."""
        return 1 if self.rows is None else len(self.rows)

    def error(self) -> DataValidationError:
        """The error for severity `fail`."""
        return DataValidationError(
            f"table `{self.table}` breaks rule `{self.rule}`: {self.found}",
            table=self.table,
            column=self.column,
            row=None if self.rows is None else self.rows[0].as_py(),
            expected=self.wanted,
            hint="mend the data, or give the rule severity `warn`",
            table_name=self.table,
            column_name=self.column,
            schema_entity="rules",
            contract_mode="fail",
        )


@dataclass(slots=True)
class _Seen:
    """What is known of a table that a rule looks at. `newest`: by column."""

    rows: int = 0
    newest: dict[str, datetime] = field(default_factory=dict)


class Whole:
    """Keeps of the rows what these rules need, and judges.

    Args:
        engine: holds the keys of `exists_in`.
        loaded: see `Checks`; asked only for keys that aren't in this load.
    """

    def __init__(self, engine: Engine, loaded: Loaded | None = None) -> None:
        self._engine = engine
        self._loaded = loaded
        self._schema: Schema | None = None
        self._manifest: Manifest | None = None
        self._names: GivenNames | None = None
        self._looked_up: set[str] = set()
        self._types: dict[tuple[str, tuple[str, ...]], list[pa.DataType]] = {}
        self._now = datetime.now(UTC)
        self._origins: dict[str, list[pa.Table]] = {}
        self._rules: dict[str, list[Rule]] = {}
        self._referenced: dict[str, set[tuple[str, ...]]] = {}
        self._seen: dict[str, _Seen] = {}

    @staticmethod
    def judges(rule: Rule) -> bool:
        """Whether a rule is one of these."""
        return isinstance(rule, (Fresh, RowCount, ExistsIn))

    def watch(self, table: str, rules: Iterable[Rule]) -> None:
        """Take the rules of a table."""
        self._rules[table] = [rule for rule in rules if self.judges(rule)]
        for rule in self._rules[table]:
            if isinstance(rule, ExistsIn):
                self._referenced.setdefault(rule.table, set()).add(rule.referenced_columns)

    def begin(self, schema: Schema, manifest: Manifest, names: GivenNames) -> None:
        """Take what is declared, and the package; one that waits gets no staler."""
        self._schema, self._manifest, self._names = schema, manifest, names
        if manifest.created_at:
            self._now = datetime.fromtimestamp(manifest.created_at, UTC)

    def _given(self, table: str) -> str:
        return self._names.table(table) if self._names else table

    def _has_earlier(self, name: str, columns: Iterable[str]) -> bool:
        """Whether a table has rows of earlier loads, with these columns, that don't go with this load."""
        if self._schema is None or self._manifest is None or name not in self._schema.table_map:
            return False
        table, root = self._schema.table_map[name], root_of(self._schema, name)
        replaced = any(r.table == root and r.write_disposition == "replace" for r in self._manifest.resources)
        if not table.loaded or replaced or self._given(name) in self._manifest.empty_tables:
            return False
        return {c.name for c in table.typed_columns()} >= set(columns)

    def is_late(self, table: str) -> bool:
        """Whether a rule of the table looks at rows that were written before it was known."""
        rules = self._rules.get(table, ())
        looked_at = {table, *(rule.table for rule in rules if isinstance(rule, ExistsIn))}
        return bool(rules) and any(self.rows(name) for name in looked_at)

    def may_refuse(self, table: str) -> bool:
        """Whether rows of a table may turn out to break a rule that rejects."""
        return any(r.of_rows and r.severity == "reject" for r in self._rules.get(table, ()))

    def rows(self, table: str) -> int:
        """Rows of a table that were written."""
        return self._seen[table].rows if table in self._seen else 0

    def has_rows(self, table: str, checked: int = 0) -> bool:
        """Whether rows of a table were written, or checked."""
        return bool(checked or self.rows(table))

    def came_from(self, table: str, resource: str, positions: pa.Array) -> None:
        """Take note where rows just written come from."""
        resources = pa.repeat(pa.scalar(resource), len(positions)).dictionary_encode()
        self._origins.setdefault(table, []).append(pa.table([resources, positions], _ORIGIN))

    def origins(self, table: str, rows: pa.Array) -> list[tuple[str | None, int | None]]:
        """Return resource and position of some rows, by their numbers; None where nobody noted them."""
        if table not in self._origins:
            return [(None, None)] * len(rows)
        found = pa.concat_tables(self._origins[table]).unify_dictionaries().take(rows)
        return list(zip(*(found[name].to_pylist() for name in _ORIGIN), strict=True))

    def forget(self, table: str, kept: pa.Array) -> None:
        """Forget the rows of a table, to see those with the numbers `kept` anew."""
        if table in self._origins:
            self._origins[table] = [pa.concat_tables(self._origins[table]).unify_dictionaries().take(kept)]
        self._seen.pop(table, None)
        for rule in self._rules.get(table, ()):
            self._engine.forget(_own(table, rule))
        for columns in self._referenced.get(table, ()):
            self._engine.forget(_there(table, columns))
            self._looked_up.discard(_there(table, columns))

    def written(self, table: str, arrays: Mapping[str, pa.Array], rows: int) -> None:
        """Take note of rows, in their order."""
        seen = self._seen.setdefault(table, _Seen())
        first_row, seen.rows = seen.rows, seen.rows + rows
        for rule in self._rules.get(table, ()):
            if isinstance(rule, Fresh):
                _note_newest(seen, rule, table, arrays.get(rule.column_name))
            elif isinstance(rule, ExistsIn):
                types = self._note(_own(table, rule), arrays, rule.columns, first_row)
                self._types.update({(table, rule.columns): types} if types else {})
        for columns in self._referenced.get(table, ()):
            self._note(_there(table, columns), arrays, columns, None)

    def _note(
        self, name: str, arrays: Mapping[str, pa.Array], columns: tuple[str, ...], first_row: int | None
    ) -> list[pa.DataType] | None:
        key = [arrays[n] for n in columns if n in arrays]
        if len(key) == len(columns) and not any(pa.types.is_null(values.type) for values in key):
            self._engine.note(name, key, first_row)
            return [values.type for values in key]
        return None

    def judge(self, table: str, rule: Rule) -> EndFailure | None:
        """Return the failure of one rule, None where it is kept.

        Raises:
            DataError: the keys of `exists_in` can't be compared.
        """
        if isinstance(rule, RowCount):
            rows = self.rows(table)
            kept = (rule.low or 0) <= rows and (rule.high is None or rows <= rule.high)
            return None if kept else _failure(table, rule, f"it has {rows:,} rows in this load")
        if isinstance(rule, Fresh):
            newest = self._seen[table].newest.get(rule.column_name) if table in self._seen else None
            age = self._now - newest if newest is not None else timedelta(0)
            kept = age.total_seconds() <= rule.within_s
            return (
                None if kept else _failure(table, rule, f"the newest value is {newest:%Y-%m-%d %H:%M:%S} UTC")
            )
        assert isinstance(rule, ExistsIn)
        try:
            rows = self._missing(table, rule)
        except NotComputed as exc:
            raise DataError(
                f"rule `{rule.label}` can't be checked: {exc}",
                table=table,
                column=rule.column,
                expected=f"columns of the type that those of `{rule.table}` have",
                hint="declare the data_type of one of them",
            ) from None
        found = f"{len(rows):,} of {self.rows(table):,} rows have no counterpart"
        return _failure(table, rule, found, rows) if len(rows) else None

    def _missing(self, table: str, rule: ExistsIn) -> pa.Array:
        there = _there(rule.table, rule.referenced_columns)
        rows = self._engine.missing(_own(table, rule), there)
        is_open = len(rows) and self._has_earlier(rule.table, rule.referenced_columns)
        if not is_open or there in self._looked_up:
            return rows
        if self._loaded is None:
            raise DataError(
                f"rule `{rule.label}` can't be checked: `{rule.table}` has rows of earlier loads",
                table=table,
                expected="a destination that can be read",
                hint="name it before normalize, or load the other table with `replace`",
            )
        names = self._names
        columns = [names.column(rule.table, c) if names else c for c in rule.referenced_columns]
        for batch in self._loaded(self._given(rule.table), tuple(columns)):
            key = zip(batch.columns, self._types[table, rule.columns], strict=True)
            self._engine.note(there, [_as_own(values, own) for values, own in key])
        self._looked_up.add(there)
        return self._engine.missing(_own(table, rule), there)


def root_of(schema: Schema, name: str) -> str:
    """Return the name of the root table that a table is below."""
    tables = schema.table_map
    while name in tables and (parent := tables[name].parent) is not None:
        name = parent
    return name


def _failure(table: str, rule: Rule, found: str, rows: pa.Array | None = None) -> EndFailure:
    return EndFailure(table, rule.label, rule.severity, rule.column, rule.wanted, found, rows)


def _own(table: str, rule: Rule) -> str:
    return f"own {table} {rule.label}"


def _there(table: str, columns: tuple[str, ...]) -> str:
    return f"there {table} {' '.join(columns)}"


def _as_own(values: pa.Array, own: pa.DataType) -> pa.Array:
    """Return values that were read back in the type of those to compare with: drivers spell decimals."""
    values = values.storage if isinstance(values, pa.ExtensionArray) else values
    spelled = pa.types.is_string(values.type) and not pa.types.is_string(own)
    try:
        return values.cast(own) if spelled else values
    except pa.ArrowInvalid:
        return values


def _note_newest(seen: _Seen, rule: Fresh, table: str, values: pa.Array | None) -> None:
    if values is None or values.null_count == len(values):
        return
    if not (pa.types.is_timestamp(values.type) or pa.types.is_date(values.type)):
        raise DataError(
            f"rule `{rule.label}` can't be checked: column `{rule.column_name}` is no time",
            table=table,
            column=rule.column_name,
            expected="a column of type timestamp or date",
            hint="declare its data_type",
        )
    newest: Any = pc.max(values).cast(pa.timestamp("us"), safe=False).as_py().replace(tzinfo=UTC)
    before = seen.newest.get(rule.column_name)
    seen.newest[rule.column_name] = newest if before is None else max(before, newest)
