"""Replay: rejects that are fed back into their tables, each once, marked in the commit that loads them."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import orjson
from sqlglot import exp

from ladle.errors import UsageError
from ladle.events import Notice
from ladle.normalize.keys import ROOT_ID, ROW_ID
from ladle.package.manifest import ResourceInfo
from ladle.package.store import Package
from ladle.pipelines.fills import FixValue, Lost, filled
from ladle.schema.given_names import GivenNames, derived_form
from ladle.schema.naming import Naming, naming
from ladle.schema.records import REJECTS, REJECTS_TABLE, REPLAYS, REPLAYS_TABLE
from ladle.schema.scd2 import BOUNDARY
from ladle.schema.schema import LOADS_TABLE, Schema
from ladle.schema.table import Column, Table
from ladle.sources.hints import Hints
from ladle.sources.models import protected_fields
from ladle.sources.resource import Resource
from ladle.sources.source import Source

if TYPE_CHECKING:
    from ladle.dataset import Dataset

Fix = Callable[[dict[str, Any]], dict[str, Any] | None]
_PAGE_ROWS = 1000


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which rejects; None takes all of them.

    Attributes:
        table_name: where the rows would have gone, as named at the destination.
        resource: whose they are.
        rule: that they broke, whole or its beginning up to a colon.
        load_id: of the load that refused them.
        ids: `_dlt_id` of single ones.
    """

    table_name: str | None = None
    resource: str | None = None
    rule: str | None = None
    load_id: str | None = None
    ids: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Open:
    """A reject that wasn't replayed yet. Fields as in `_ladle_rejects`; `id` is its `_dlt_id`.

    `schema_name`: of the load that refused it.
    """

    id: str
    load_id: str
    resource: str
    table_name: str
    column_path: str | None
    rule: str
    action: str
    reason: str
    value: str | None
    position: int | None
    parent_id: str | None
    row_id: str | None
    list_index: int | None
    record: str | None
    schema_name: str = ""

    @property
    def obstacle(self) -> str | None:
        """Why it can't be replayed; None where it can."""
        if self.action != "row":
            return None if self.row_id and self.column_path and self.value else "a value: its row isn't known"
        return None if self.record is not None else "no record of the row was kept"


_LOADS = exp.select(exp.column("load_id", quoted=True), exp.column("schema_name", quoted=True)).from_(
    exp.to_table(LOADS_TABLE)
)
_COLUMNS = {"id": ROW_ID, "load_id": "_dlt_load_id"}


def open_rejects(dataset: Dataset, schemas: Sequence[Schema], wanted: Wanted) -> list[Open]:
    """Return rejects of these schemas that weren't replayed, the oldest first. Memory: O(rejects + loads).

    Raises:
        UsageError: the destination only takes data.
    """
    known = {name for schema in schemas for name in schema.table_map}
    if REJECTS_TABLE not in known:
        return []
    names = [_COLUMNS.get(n, n) for n in Open.__dataclass_fields__ if n != "schema_name"]
    there = schemas_columns(schemas)
    query = exp.select(
        *(exp.column(n, quoted=True) if n in there else exp.null().as_(n, quoted=True) for n in names)
    )
    query = query.from_(exp.to_table(REJECTS_TABLE)).where(*_conditions(wanted))
    if REPLAYS_TABLE in known:
        done = exp.select(exp.column("reject_id", quoted=True)).from_(exp.to_table(REPLAYS_TABLE))
        query = query.where(exp.not_(exp.column(ROW_ID, quoted=True).isin(query=done)))
    # A dataset may have rejects of other pipelines' loads, too.
    own = {schema.name for schema in schemas}
    loads = dict(dataset.query(_LOADS).fetchall())
    rows = ((*row, loads.get(row[1])) for row in dataset.query(query).fetchall())
    found = [Open(*row) for row in rows if row[-1] in own]
    return sorted(found, key=lambda r: (float(r.load_id), int(r.id.rpartition(".")[2])))


def schemas_columns(schemas: Sequence[Schema]) -> frozenset[str]:
    """Return the columns that the table of rejects has, in any of the schemas."""
    tables = [s.table_map[REJECTS_TABLE] for s in schemas if REJECTS_TABLE in s.table_map]
    return frozenset(REJECTS.columns) | {c for t in tables for c in t.columns}


def _conditions(wanted: Wanted) -> Iterator[Any]:
    for column in ("table_name", "resource"):
        value = getattr(wanted, column)
        if value is not None:
            yield exp.column(column, quoted=True).eq(value)
    if wanted.load_id is not None:
        yield exp.column("_dlt_load_id", quoted=True).eq(wanted.load_id)
    if wanted.ids is not None:
        yield exp.column(ROW_ID, quoted=True).isin(*wanted.ids)
    if wanted.rule is not None:
        rule = exp.column("rule", quoted=True)
        begins = exp.func("SUBSTR", rule, exp.Literal.number(1), exp.Literal.number(len(wanted.rule) + 1))
        yield exp.or_(rule.eq(wanted.rule), begins.eq(f"{wanted.rule}:"))


@dataclass(frozen=True, slots=True)
class Replay:
    """The rows of one schema's tables that are fed back.

    Attributes:
        schema: that has the tables, in derived names.
        rows: by resource and table.
        ids: of the rejects.
        checked: a resource whose model checks its rows again.
        fills: values for rows that are there, in the manifest's form.
        left: how many values can't be put in, by reason.
    """

    schema: Schema
    rows: Mapping[tuple[str, str], list[dict[str, Any]]]
    ids: Sequence[str]
    checked: Resource | None = None
    fills: tuple[Mapping[str, str], ...] = ()
    left: Mapping[str, int] = field(default_factory=dict)

    @property
    def source(self) -> Source:
        """What to extract: a resource for each table, and one for the marks of what was replayed."""
        at = datetime.now(UTC)
        marks = [{"reject_id": i, "replayed_at": at, ROW_ID: i} for i in self.ids]
        listed = [self._resource(name, table, rows) for (name, table), rows in self.rows.items()]
        return Source(self.schema.name, (*listed, _resource(REPLAYS_TABLE, REPLAYS_TABLE, marks)))

    def _resource(self, name: str, table: str, rows: list[dict[str, Any]]) -> Resource:
        made = _resource(name, table, rows)
        checked = self.checked
        if checked is not None and checked.name == name and self._is_root(table):
            made.validator = checked.validator
        return made

    def _is_root(self, table: str) -> bool:
        known = self.schema.table_map.get(table)
        return known is None or known.parent is None

    def declare(self, package: Package, stored: Schema) -> Package:
        """Declare a package: tables are as stored; rows are merged where they are, else they are added."""
        marked = stored if REPLAYS_TABLE in stored.table_map else stored.with_tables([REPLAYS])
        targets = [*self.rows, (REPLAYS_TABLE, REPLAYS_TABLE)]
        missing = [
            Table(t, resource=r, write_disposition="append") for r, t in targets if t not in marked.table_map
        ]
        # a moment that the last run was to count from is none for this one
        bounded = [t.with_extra(**{BOUNDARY: None}) for t in marked.table_map.values() if BOUNDARY in t.extra]
        schema = marked.with_tables([*missing, *bounded])
        infos = tuple(
            ResourceInfo(
                name, table, _disposition(schema.table_map[table]), parts={str(n): table}, again=True
            )
            for n, (name, table) in enumerate(targets)
        )
        return package.with_manifest(schema=schema.to_dict(), resources=infos, fills=self.fills)


def _disposition(table: Table) -> str:
    return "merge" if table.parent is None and table.write_disposition == "merge" else "append"


def _resource(name: str, table: str, rows: list[dict[str, Any]]) -> Resource:
    pages = [rows[n : n + _PAGE_ROWS] for n in range(0, len(rows), _PAGE_ROWS)]
    return Resource(name, pages, hints=Hints(table_name=table))


def replays(
    found: Sequence[Open],
    schemas: Sequence[Schema],
    dataset: Dataset,
    fix: Fix | None = None,
    checked: Resource | None = None,
    fix_value: FixValue | None = None,
) -> list[Replay]:
    """Return what to feed back, by package; rows for which `fix` returns None are left as they are.

    Raises:
        UsageError: `fix` returned something that is no dict.
    """
    made: dict[tuple[bool, str], Replay] = {}
    by_name = {schema.name: derived_form(schema) for schema in schemas}
    for reject in found:
        if reject.obstacle is not None or reject.action != "row":
            continue
        schema = by_name[reject.schema_name]
        reject = replace(reject, table_name=GivenNames.of(schema).source_table(reject.table_name))
        record = _fixed(Places.binary(schema).bytes_in(reject), reject, schema, fix)
        if record is None:
            continue
        table = schema.table_map.get(reject.table_name)
        is_child = table is not None and table.parent is not None
        # Rows of root tables may be merged, with all below them; others are added to their parents.
        replay = made.setdefault((is_child, schema.name), Replay(schema, {}, [], checked))
        if table is not None and is_child:
            record = {**record, **_place(reject, table, schema, dataset)}
        rows: Any = replay.rows
        rows.setdefault((reject.resource, reject.table_name), []).append(record)
        replay.ids.append(reject.id)  # type: ignore[attr-defined]
    return [*(made[key] for key in sorted(made)), *_fills(found, schemas, dataset, fix_value)]


def _fills(
    found: Sequence[Open], schemas: Sequence[Schema], dataset: Dataset, fix: FixValue | None
) -> Iterator[Replay]:
    """Yield a replay for the values of each schema."""
    for schema in schemas:
        lost = [
            Lost(r.id, r.table_name, str(r.column_path), str(r.row_id), str(r.value))
            for r in found
            if r.schema_name == schema.name and r.action != "row" and r.obstacle is None
        ]
        if lost:
            done = filled(lost, schema, dataset, fix)
            yield Replay(derived_form(schema), {}, done.ids, None, done.fills, done.left)


@dataclass(frozen=True, slots=True)
class Places:
    """Finds the values of some columns in records, which have the keys of the source."""

    names: Naming
    columns: frozenset[tuple[str, str]]

    @classmethod
    def binary(cls, schema: Schema) -> Places:
        """Return those of bytes."""
        return cls._where(schema, lambda column: column.data_type == "binary")

    @classmethod
    def protected(cls, schema: Schema) -> Places:
        """Return those of which the records hold protected values."""
        return cls._where(schema, lambda column: bool(protected_fields({column.name: column.extra})))

    @classmethod
    def _where(cls, schema: Schema, wanted: Callable[[Column], bool]) -> Places:
        tables = schema.table_map.values()
        found = {(t.name, c.name) for t in tables for c in t.columns.values() if wanted(c)}
        return cls(naming(schema.naming), frozenset(found))

    def bytes_in(self, reject: Open) -> dict[str, Any]:
        """Return the record of a reject with bytes where its columns have them: JSON has none."""
        record: dict[str, Any] = orjson.loads(reject.record or "{}")
        return dict(self.changed(record, reject.table_name, _from_base64)) if self.columns else record

    def changed(
        self, value: Any, table: str, change: Callable[[Any], Any], path: tuple[str, ...] = ()
    ) -> Any:
        """Return a record of a table with the values in these columns changed."""
        if path and (table, self.names.fit(*path, max_length=None)) in self.columns:
            return change(value)
        if isinstance(value, dict):
            return {key: self.changed(v, table, change, (*path, key)) for key, v in value.items()}
        if isinstance(value, list):
            below = self.names.table(self.names.fit(table, *path, max_length=None))
            return [self.changed(v, below, change, () if isinstance(v, dict) else ("value",)) for v in value]
        return value

    def values(self, record: dict[str, Any], table: str) -> list[str]:
        """Return the values in these columns, each as text."""
        found: list[str] = []
        self.changed(record, table, lambda value: found.append(repr(value)))
        return found


def _from_base64(value: Any) -> Any:
    if isinstance(value, str):
        with suppress(ValueError):
            return base64.b64decode(value, validate=True)
    return value


def replay_notices(found: Sequence[Open], wanted: Sequence[Replay], dry_run: bool) -> Iterator[Notice]:
    """Yield what a user should know: what would be done, and what can't be."""
    obstacles: dict[str, int] = {}
    for replay in wanted:
        for obstacle, count in replay.left.items():
            obstacles[obstacle] = obstacles.get(obstacle, 0) + count
        if dry_run and replay.fills:
            yield Notice(f"would put {len(replay.fills)} values into rows of their tables")
    if dry_run:
        for replay in wanted:
            for (resource, table), rows in replay.rows.items():
                yield Notice(
                    f"would feed {len(rows)} rows of resource `{resource}` back into table `{table}`"
                )
    for reject in found:
        if reject.obstacle is not None:
            obstacles[reject.obstacle] = obstacles.get(reject.obstacle, 0) + 1
    for obstacle, count in obstacles.items():
        yield Notice(f"{count} rejects can't be replayed: {obstacle}")


def _fixed(record: dict[str, Any], reject: Open, schema: Schema, fix: Fix | None) -> dict[str, Any] | None:
    if fix is None:
        return record
    protected, table = Places.protected(schema), reject.table_name
    before = protected.values(record, table) if protected.columns else []
    try:
        made = fix(record)
    except Exception as error:
        error.add_note(
            f"fix failed for reject `{reject.id}` of table `{reject.table_name}`; nothing was replayed"
        )
        raise
    if made is not None and not isinstance(made, dict):
        raise UsageError(
            f"fix returned a `{type(made).__name__}`",
            table=reject.table_name,
            expected="the record as it should be, or None to leave it among the rejects",
        )
    if made is not None and protected.columns and set(protected.values(made, table)) - {*before, "None"}:
        raise UsageError(
            "fix set the value of a protected column: what it returns is loaded as it is",
            table=table,
            expected="protected values as they were, or None in their place",
        )
    return made


def _place(reject: Open, table: Table, schema: Schema, dataset: Dataset) -> dict[str, Any]:
    """Return the keys that join a row of a child table to its parent."""
    keys = {"_dlt_parent_id": reject.parent_id, "_dlt_list_idx": reject.list_index, ROW_ID: reject.row_id}
    if ROOT_ID in table.columns:
        keys[ROOT_ID] = _root_id(reject.parent_id, str(table.parent), schema, dataset)
    return {name: value for name, value in keys.items() if value is not None}


def _root_id(parent_id: str | None, parent: str, schema: Schema, dataset: Dataset) -> str | None:
    if schema.table_map[parent].parent is None:
        return parent_id
    own = exp.column(ROW_ID, quoted=True).eq(parent_id)
    there = exp.Table(this=exp.to_identifier(GivenNames.of(schema).table(parent), quoted=True))
    query = exp.select(exp.column(ROOT_ID, quoted=True)).from_(there).where(own)
    found = dataset.query(query).fetchone()
    return found[0] if found else None
