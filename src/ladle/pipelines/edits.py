"""Edits of a schema: planned without touching anything, then applied by a load package without data."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime

import pyarrow as pa

from ladle.destinations import dialect as statements
from ladle.destinations.base import Destination, readable
from ladle.destinations.reading import Reader
from ladle.errors import CommitUnknown, LadleError, UsageError
from ladle.package.manifest import DataFile
from ladle.package.store import Package, Packages
from ladle.pipelines.info import LoadInfo
from ladle.schema.change import Limits
from ladle.schema.change_names import DropColumn, DropTable, NameChange, RenameColumn, RenameTable, to_plain
from ladle.schema.edits import Edit, Edited, Noted, edited
from ladle.schema.given_names import GivenNames
from ladle.schema.records import CHANGES, CHANGES_TABLE
from ladle.schema.schema import Schema
from ladle.schema.types import arrow_type

_ARROW = pa.schema([(c.name, arrow_type(c)) for c in CHANGES.columns.values()])
_WORDS = {
    "undrop_table": "load table `{table}` again",
    "undrop_column": "load column `{column}` of table `{table}` again",
    "adopt_column": "know column `{column}` ({type}) of table `{table}`, which the destination has",
    "drop_table": "leave out table `{table}` from now on",
    "drop_column": "leave out column `{column}` of table `{table}` from now on",
    "rename_table": "rename table `{previous}` to `{table}`",
    "rename_column": "rename column `{previous}` of table `{table}` to `{column}`",
}


@dataclass(frozen=True, slots=True)
class SchemaPlan:
    """What edits of a schema will do. Nothing is touched before `apply`; `print(plan)` shows it.

    Attributes:
        schema_name: of the schema that changes.
        dataset_name: where its tables are.
        edits: that were asked for.
        changes: what the destination has to do.
        notes: what will be on record in `_ladle_changes`.
        statements: that will be run; none where the destination has no statements, or it is done already.
        lost: rows by dropped table, values by dropped column (`table.column`), which can't be had back.
    """

    schema_name: str
    dataset_name: str
    edits: tuple[Edit, ...]
    changes: tuple[NameChange, ...]
    notes: tuple[Noted, ...]
    statements: tuple[str, ...]
    lost: Mapping[str, int] = field(default_factory=dict)
    _apply: Callable[[SchemaPlan], LoadInfo] | None = field(default=None, repr=False, compare=False)

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to do."""
        return not self.edits

    def apply(self, *, confirm: bool = False) -> LoadInfo | None:
        """Do it in one commit: tables, the schema's next version, rows of `_ladle_changes`.

        Args:
            confirm: has to be True where something can't be had back.

        Returns:
            The info of the load; None where there was nothing to do.

        Raises:
            UsageError: it isn't confirmed, or what is there has changed since the plan was made.
            DestinationError: it couldn't be done; nothing was changed.
        """
        if self.is_empty or self._apply is None:
            return None
        if any(self.lost.values()) and not confirm:
            raise UsageError(
                "the plan drops what can't be had back: "
                + ", ".join(f"`{n}` ({c:,})" for n, c in self.lost.items() if c),
                hint="print the plan; if it is what you want: plan.apply(confirm=True)",
            )
        return self._apply(self)

    def __str__(self) -> str:
        if self.is_empty:
            return f"schema `{self.schema_name}`: nothing to do"
        lines = [f"schema `{self.schema_name}`, dataset `{self.dataset_name}`:"]
        lines += [f"  {_in_words(note)}" for note in self.notes]
        lines += [f"    {statement}" for statement in self.statements]
        lines += [
            f"  {count:,} {'values' if '.' in name else 'rows'} of `{name}` are lost; this can't be undone"
            for name, count in self.lost.items()
            if count
        ]
        if not any(self.lost.values()):
            lines.append("  no value is lost")
        return "\n".join(lines)


def _in_words(note: Noted) -> str:
    return _WORDS[note.change].format(
        table=note.table_name, column=note.column_name, previous=note.previous, type=note.data_type
    )


# -- plan


def schema_of(schemas: Mapping[str, Schema], table: str, dropped: bool = False) -> Schema:
    """Return the schema that has a table, by the name it has now, or had before it was dropped.

    Raises:
        UsageError: none has it, or several do.
    """
    found = [s for s in schemas.values() if table in (_dropped_tables(s) if dropped else s.table_map)]
    if len(found) == 1:
        return found[0]
    if found:
        raise UsageError(
            f"table `{table}` belongs to several schemas: {', '.join(f'`{s.name}`' for s in found)}",
            hint="they share one table at the destination, so that none of them can rename or drop it alone",
        )
    known = [t for s in schemas.values() for t in (_dropped_tables(s) if dropped else s.data_table_names())]
    raise UsageError.unknown_choice("dropped table" if dropped else "table", table, known)


def _dropped_tables(schema: Schema) -> set[str]:
    names = GivenNames.of(schema)
    return {*names.dropped_tables, *(names.table(t) for t in names.dropped_tables)}


def planned(
    stored: Schema, edits: Sequence[Edit], destination: Destination, dataset: str
) -> tuple[Edited, tuple[str, ...]]:
    """Return what edits do to a schema, and the statements that the destination has to run.

    Raises:
        UsageError: they can't be made.
    """
    done = edited(stored, edits, destination.limits)
    renamed = [c for c in done.changes if isinstance(c, RenameTable | RenameColumn)]
    if renamed and not destination.limits.renames:
        raise UsageError(
            f"cannot {renamed[0]}: the destination `{destination.name}` can't rename what is there",
            expected="a destination that changes tables in place, such as DuckDB or Postgres",
            hint="files keep the names they were written with: load into a new table or column instead",
        )
    with closing(destination.open(dataset)) as session:
        return done, tuple(session.altering(done.changes)) if done.changes else ()


def losses(changes: Sequence[NameChange], destination: Destination, dataset: str) -> dict[str, int]:
    """Count the rows of tables and the values of columns that changes drop."""
    dropped = [c for c in changes if isinstance(c, DropTable | DropColumn)]
    if not dropped or not hasattr(destination, "reader"):
        return {}
    with closing(readable(destination).reader(dataset)) as reader:
        there = set(reader.tables()) if reader.exists() else set()
        return {_named(c): _count(reader, dataset, c) for c in dropped if c.table in there}


def _named(change: DropTable | DropColumn) -> str:
    return change.table if isinstance(change, DropTable) else f"{change.table}.{change.column}"


def _count(reader: Reader, dataset: str, change: DropTable | DropColumn) -> int:
    sql = reader.dialect.sql
    what = "*" if isinstance(change, DropTable) else sql(statements.column_ref(change.column))
    ref = sql(statements.table_ref(dataset, change.table))
    try:
        with reader.stream(f"SELECT count({what}) FROM {ref}") as rows:
            return int(next(rows.batches).column(0)[0].as_py())
    except LadleError:
        return 0  # dropped by hand: there is nothing to lose


# -- apply


def prepared(
    package: Package, stored: Schema, edits: Sequence[Edit], limits: Limits, record: bool
) -> Package:
    """Return the package, normalised, that makes edits on top of the stored schema.

    Args:
        package: new, or made on an older schema.
        stored: as the destination has it.
        edits: to make.
        limits: of the destination.
        record: whether the changes become rows of `_ladle_changes`.
    """
    done = edited(stored, edits, limits)
    schema, rows = done.schema, tuple[DataFile, ...]()
    if record and limits.records and CHANGES_TABLE not in schema.table_map:
        schema = schema.with_tables([CHANGES.with_extra(**{"x-normalizer": {"seen-data": True}})])
    schema = schema.bumped(stored)
    writer = package.writer("ready")
    if record and limits.records:
        writer.append(CHANGES_TABLE, _rows(done.notes, schema, package.load_id))
        rows = writer.seal()
    return package.save(
        stage="normalized",
        schema=schema.to_dict(),
        base_hash=stored.version_hash,
        ready=rows,
        counts={CHANGES_TABLE: len(done.notes)} if rows else {},
        edits=tuple(edit.to_plain() for edit in edits),
        alters=tuple(to_plain(change) for change in done.changes),
    )


def edits_of(package: Package) -> list[Edit]:
    """Return the edits that a package makes; none for one with data."""
    return [Edit(**edit) for edit in package.manifest.edits]


def _rows(notes: Sequence[Noted], schema: Schema, load_id: str) -> pa.RecordBatch:
    common = {"schema_name": schema.name, "schema_version": schema.version, "changed_at": datetime.now(UTC)}
    rows = [
        {
            **common,
            **asdict(note),
            "source": schema.name,
            "_dlt_load_id": load_id,
            "_dlt_id": f"{load_id}.{n}",
        }
        for n, note in enumerate(notes)
    ]
    return pa.RecordBatch.from_pylist(rows, _ARROW)


@contextmanager
def whole(packages: Packages, package: Package) -> Iterator[None]:
    """See to it that edits which couldn't be made are forgotten: the next run must not stumble over them.

    Where nobody knows whether they were committed, the package is kept, and the next run looks.
    """
    try:
        yield
    except CommitUnknown:
        raise
    except LadleError as error:
        if package.manifest.edits:
            packages.discard(package)
            error.hint = "nothing was changed and nothing is kept: mend the cause and make the plan anew"
        raise
