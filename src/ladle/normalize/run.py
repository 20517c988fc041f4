"""Fold the raw batches of a package, in order, into ready files of destination-shaped tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import pyarrow as pa

from ladle.events import Emit, Notice, Progress
from ladle.normalize.accounts import Accounts
from ladle.normalize.changes import Origin, kept_origins
from ladle.normalize.columns import Typing, null_error, type_columns
from ladle.normalize.conform import ROOT_KEYS, Since, is_same, rewritten, taken_error
from ladle.normalize.fed import Fed, check_nulls
from ladle.normalize.given import Given
from ladle.normalize.govern import Governor, Judged
from ladle.normalize.growth import Growing, Grown, Growth
from ladle.normalize.keyed_ids import KeyedIds
from ladle.normalize.keys import ROOT_ID, ROW_ID, RowIds, in_order, with_key_columns
from ladle.normalize.names import Named, Names
from ladle.normalize.nulls import as_there, is_kept, settled
from ladle.normalize.options import Options
from ladle.normalize.outlet import ReadyOutlet, Taker
from ladle.normalize.parts import by_table, parts_of
from ladle.normalize.propagate import with_propagated
from ladle.normalize.quality.sweep import ReadyStage, sweep
from ladle.normalize.recorded import recorded
from ladle.normalize.rejects import RejectLog, counted
from ladle.normalize.rows import Part, Rows, rows_of
from ladle.normalize.unnest import Path, unnest
from ladle.normalize.versions import Versions
from ladle.normalize.wanted_keys import WantedKeys
from ladle.package.manifest import DataFile
from ladle.package.raw import is_frame
from ladle.package.store import Package
from ladle.schema.change import Limits
from ladle.schema.given_names import GivenNames, in_given_names
from ladle.schema.protection import is_dropped
from ladle.schema.records import is_record
from ladle.schema.rejects import REJECTS_KEY
from ladle.schema.schema import Schema
from ladle.schema.stored import NO_COERCION
from ladle.schema.table import Table

__all__ = ["Normalizer", "Options", "normalize"]


@dataclass(slots=True)
class _Progress:
    """What the fold knows of one table so far. `lacks`: keys without which rows of frames were written."""

    rows: int = 0
    fresh: frozenset[str] = frozenset()
    joined: set[str] = field(default_factory=set)
    lacks: set[str] = field(default_factory=set)


class Normalizer:
    """Turns raw batches into ready files; the fold's outcome doesn't depend on where batches were cut.

    Args:
        package: owns the files; its manifest's schema has the hints that extract collected.
        limits: of the destination: name lengths, digits.
        options: which key columns frames get.
        emit: hears progress in rows of root tables, and notices.
        passing: frames whose columns need no change aren't written again.
        taker: a load that goes on beside; what it takes isn't written to files.
        grown: types that columns grew to in an earlier pass over the package.

    Memory: O(one batch). Feed batches of one resource in their order, from one thread.
    """

    def __init__(
        self,
        package: Package,
        limits: Limits,
        options: Options,
        emit: Emit,
        passing: bool = True,
        taker: Taker | None = None,
        grown: Grown | None = None,
    ) -> None:
        self._package = package
        self._taken = taker is not None
        self._passing = passing
        self._passed: dict[tuple[str, str], tuple[str, int]] = {}
        self._part = ("", "")
        self._unchanged: pa.RecordBatch | None = None
        self._limits = limits
        self._options = options
        self._emit = emit
        base = Schema.from_dict(package.manifest.schema)
        exact = options.exact and in_given_names(options.exact, GivenNames.of(base))
        self._growing = Growing(options.widen, limits, exact, grown)
        self._base = base.with_tables(self._growing.take(base.table_map.values()))
        self._names = Names(base.convention, limits.max_table_name, limits.max_column_name)
        self._rules, self._propagation = base.rules, base.propagation
        self._coerces = base.normalizer_module != NO_COERCION
        self._given = Given(self._base, self._names)
        self._tables = self._given.kept(self._base.table_map.values())
        self._wanted = WantedKeys(options, self._propagation, self._tables)
        self._seen: dict[str, _Progress] = {}
        self._root_rows: dict[str, int] = {}
        self._origins: dict[tuple[str, str], Origin] = {}
        self._writer = package.writer("ready")
        self._outlet = ReadyOutlet(self._writer, taker)
        self._log = RejectLog(self._writer, package.load_id, options.max_rejects, limits.records)
        self._checks = options.checks()
        self._checks.begin(self._base, package.manifest, self._given.names)
        self._governor = Governor(
            self._base, options.contract, self._checks, options.reject_root, self._given
        )
        self._swept: set[str] = set()
        self._keyed = KeyedIds(bool(limits.merges))
        self._fresh = RowIds()
        self._books = Accounts()
        self._versions = Versions()
        self._outdated = False
        self.is_anew = False

    def declare(self, tables: Sequence[Table]) -> None:
        """Take tables as they are declared from here on.

        Where rows of one were normalised already, the package is normalised anew once it is sealed: the
        outcome is as if all had been declared at the beginning.
        """
        tables = self._growing.take(tables)
        self._outdated |= self._checks.declare(tables) or any(t.name in self._seen for t in tables)
        self._base = self._base.with_tables(tables)
        self._governor.declare(self._base)
        self._tables.update(self._given.kept(tables))

    def feed(self, resource: str, root: str, batch: pa.RecordBatch) -> None:
        """Normalise one raw batch.

        Args:
            resource: whose rows these are, for errors and new tables.
            root: source name of the root table.
            batch: nested, in the raw format.

        Raises:
            DataValidationError: a frozen contract or a rule that fails is broken, or too much was refused.
            DataError: a null where none is allowed.
        """
        if self._outdated or self._given.drops_rows(self._names.table(root, ()), batch.num_rows):
            return
        pieces = unnest(batch.to_struct_array())
        first_row = self._root_rows.get(resource, 0)
        self._root_rows[resource] = first_row + batch.num_rows
        frame = is_frame(batch.schema)
        # A frame needs keys for its child tables, and where it has no other column.
        keyed = not (frame and len(pieces) == 1 and any(leaf.kinds for leaf in pieces[0].leaves))
        self._part = (resource, root)
        self._unchanged = batch if self._passing and not keyed else None
        with_above, ids = partial(self._with_above, root), partial(self._ids, root, (frame, keyed))
        parts = parts_of(root, pieces, self._names, self._given, with_above, ids, self._fresh.make)
        typed = partial(self._typed, resource, root, (frame, keyed))
        judged = self._judged(parts, (resource, first_row), typed)
        fed = self._versions.of(judged.fed, resource)
        self._log.add(self._versions.renamed(judged.rejects))
        for one in fed:
            self._take(one, resource, first_row)
        self._books.add(parts, {one.before.name: one.count for one in judged.fed}, judged.out)
        self._emit(Progress("normalize", root, batch.num_rows))

    def _judged(
        self, parts: list[Part], of: tuple[str, int], typed: Callable[[Sequence[Part]], list[Fed]]
    ) -> Judged:
        """Return the rows of a batch that may pass, typed."""
        if any(not self._governor.is_free(part.table, parts[0].table) for part in parts):
            return self._governor.judge(parts, of, typed)
        fed = typed(parts)
        for one in fed:
            check_nulls(one, *of)
        return Judged(fed, {})

    def _with_above(self, root: str, part: Part) -> Part:
        """Return a part of a child table with what it takes over from the rows above it."""
        if part.above is None or not self._propagation.values:
            return part
        return with_propagated(part, self._propagation, self._table_of(root), self._package.load_id)

    def _table(self, name: str, rows: Rows, root: str, resource: str) -> Table:
        table = self._tables.get(name) or self._new_table(name, rows.first, root, resource)
        for part in rows.parts:
            if part.above is not None and table.parent is None and table.resource is not None:
                raise taken_error(table, self._names.table(root, part.above.path), part.piece, resource)
        return table

    def _new_table(self, name: str, first: Part, root: str, resource: str) -> Table:
        if first.above is None:
            return Table(name, resource=resource, write_disposition="append")
        # of several possible parents, that of the first row, wherever a batch was cut
        return Table(name, parent=self._names.table(root, first.above.path))

    def _typed(self, resource: str, root: str, mode: tuple[bool, bool], parts: Sequence[Part]) -> list[Fed]:
        """Type the rows of each table; changes nothing."""
        rows = {name: rows_of(of_table, self._names) for name, of_table in by_table(parts).items()}
        tables = {name: self._table(name, of, root, resource) for name, of in rows.items()}
        return [
            self._typed_table(tables[name], of, tables, mode, self._growth(name, root))
            for name, of in rows.items()
        ]

    def _typed_table(
        self,
        table: Table,
        rows: Rows,
        made: Mapping[str, Table],
        mode: tuple[bool, bool],
        growth: Growth | None,
    ) -> Fed:
        named = rows.named()
        child = rows.parts[0].above is not None
        if child:
            key_names = self._wanted.of_child(table, made)
        else:
            key_names = self._wanted.of_root(table, mode[1], {column for column, _, _ in named})
        data = [entry for entry in named if entry[0] not in key_names]
        typed = type_columns(data, table, self._typing(table.name, mode[0], growth))
        if key_names:
            keys = rows.keys(self._package.load_id, ROOT_ID in key_names)
            typed.arrays.update((n, keys[n]) for n in key_names)
        typed = replace(typed, table=with_key_columns(typed.table, key_names))
        return Fed(table, typed, rows, named, key_names, rows.count)

    def _typing(self, name: str, frame: bool, growth: Growth | None) -> Typing:
        seen = self._seen.get(name) or _Progress()
        return Typing(
            self._names,
            wei_digits=self._limits.wei_digits,
            holds_nul=self._limits.holds_nul,
            timestamp_digits=self._limits.timestamp_digits,
            detections=tuple(self._base.settings.get("detections") or ()),
            frame=frame,
            fresh=seen.fresh,
            joined=frozenset(seen.joined),
            growth=growth,
            rules=self._rules,
            coerces=self._coerces,
        )

    def _ids(self, root: str, mode: tuple[bool, bool], named: Sequence[Named]) -> pa.Array | None:
        """Return ids that are made of a key; None where the table's aren't, or it has none."""
        table = self._tables.get(self._names.table(root, ()))
        if table is None or not self._keyed.makes(table):
            return None
        if ROW_ID not in self._wanted.of_root(table, mode[1], set()):
            return None
        return self._keyed.of(table, named, self._typing(table.name, mode[0], self._growth(table.name, root)))

    def _growth(self, table: str, root: str) -> Growth | None:
        """Return what decides how a table's columns grow; None where they don't, or the contract says no."""
        if not self._coerces or not self._governor.types_evolve(table, self._names.table(root, ())):
            return None
        return self._growing.of(table)

    def _take(self, fed: Fed, resource: str, first_row: int) -> None:
        """Note what a batch brought to a table, and write it."""
        typed, name = fed.typed, fed.before.name
        if self._given:
            typed = self._given.kept_variants(typed)
        seen = self._seen.setdefault(name, _Progress())
        self._growing.note(name, typed.grown, seen.rows)
        self._tables[name] = typed.table
        if typed.fresh:
            self._note_origins(name, typed.fresh, fed.rows, resource)
        if self._options.keep_origins:
            self._note_origins(name, frozenset(typed.arrays).difference(fed.keys), fed.rows, resource)
        seen.fresh |= typed.fresh
        seen.joined |= typed.joined
        seen.rows += fed.count
        if fed.rows.parts[0].above is None:
            seen.lacks.update(key for key in ROOT_KEYS if key not in fed.keys)
        if self._growing.anew:
            return  # a column grew: all is written anew, once all batches were seen
        self._write(name, typed.arrays)
        self._checks.written(typed.table, typed.arrays, fed.count)
        if self._checks.may_leave_out(name):
            self._checks.came_from(name, resource, fed.root_rows(first_row))

    def _note_origins(self, table: str, fresh: frozenset[str], rows: Rows, resource: str) -> None:
        paths = {column: path for column, path, _ in rows.named()}
        for name in fresh:
            # a variant comes from where its column does
            path = paths.get(name) or paths.get(name.rpartition(f"{self._names.naming.separator}v_")[0], ())
            self._origins.setdefault((table, name), Origin(resource, (*rows.first.path, *path)))

    def _write(self, name: str, arrays: dict[str, pa.Array]) -> None:
        table = self._tables[name]
        if self._given or self._taken:
            table = self._in_order(table)
        if self._given:
            table, arrays = self._given.table(table, self._tables), self._given.arrays(table.name, arrays)
        swept = self._checks.may_leave_out(name)
        unchanged = None if swept else self._unchanged
        if unchanged is not None and is_same(unchanged, arrays):
            # Nothing changed: the raw file serves as the ready file.
            rows = self._passed.get(self._part, ("", 0))[1]
            self._passed[self._part] = (table.name, rows + unchanged.num_rows)
            self._outlet.put(table, unchanged, is_raw=True, in_files=False)
        elif arrays:
            made = pa.RecordBatch.from_arrays(list(arrays.values()), names=list(arrays))
            self._outlet.put(table, made, is_raw=False, in_files=self._checks.may_leave_out_any())

    def _table_of(self, root: str) -> Callable[[Path], str]:
        return lambda path: self._names.table(root, path)

    def check(self, package: Package | None = None) -> None:
        """Check what only shows once all batches were seen.

        Args:
            package: as extract made it; default as it was in the beginning.

        Raises:
            DataValidationError: a rule is broken that only all rows show.
            TooManyRejects: more was refused than is allowed.
            DataError: a key column had no value in any row.
        """
        if self._outdated:
            return
        self._outlet.settle()
        if not self._growing.anew:
            self._sweep()
        self._log.check(self._root_rows, package or self._package)
        for table in self._tables.values():
            seen = self._seen.get(table.name)
            for column in table.columns.values():
                keyed = not column.nullable and (column.primary_key or column.merge_key)
                if seen is not None and seen.rows and column.data_type is None and keyed:
                    raise null_error(table.name, column.name, None, table.resource or table.name)

    def _sweep(self) -> None:
        """Leave out rows that break a rule as only all rows show."""
        swept = sweep(self._checks, ReadyStage(self._package, self._writer, self._given), self._tables)
        self._swept |= swept.replaced
        for name, rows in swept.out.items():
            self._seen[name].rows -= rows
        self._books.leave_out(swept.out)
        self._log.add(swept.rejects)

    def finish(self, package: Package, stored: Schema | None) -> Package:
        """Seal the ready files and the schema.

        Args:
            package: as extract sealed it.
            stored: the pipeline's schema before this package, for the version.

        Returns:
            The package, stored as `normalized`; not stored where rows are in no ready file, as `streamed`
            where a load has them, as `held` where they wait in memory.

        Raises:
            DataError: as `check`.
        """
        self.check(package)
        again = self._outdated or self._growing.anew or self._must_write()
        passed = None if again else self._passed_files(package)
        if passed is None:
            self.abandon()
            self.is_anew = True
            grown = None if self._outdated else self._growing.grown
            return normalize(package, stored, self._limits, self._options, self._emit, again, grown)
        self._log.add_of_extract(package)
        written = [f for f in self._writer.seal() if f.name not in self._swept]
        files = [
            f for file in (*passed, *written) if not is_record(file.table) for f in self._rewritten(file)
        ]
        streamed = bool(self._outlet.left_out)
        rejects = tuple(file for file in written if is_record(file.table))
        tables = [self._wanted.completed(self._final(t)) for t in self._tables.values()]
        schema = replace(self._base, table_map={t.name: t for t in tables}, stored_hash=None)
        schema = self._given.schema(self._log.with_table(schema))
        schema = as_there(schema, stored, package.manifest.drop_tables)
        schema, records = self._record(package, schema.bumped(stored), stored)
        names, resources = self._given.names, package.manifest.resources
        counts = {name: seen.rows for name, seen in self._seen.items()}
        self._books.check(counts)
        if names:
            counts = {names.table(name): rows for name, rows in counts.items()}
            resources = tuple(replace(r, table=names.table(r.table)) for r in resources)
            for text in self._given.notices():
                self._emit(Notice(text))
        self._log.tell(self._emit)
        self._governor.tell(self._emit)
        self._checks.tell(self._emit, self._tables)
        made = package.with_manifest(
            stage="streamed" if streamed else "held",
            ready=(*(() if streamed else files), *rejects, *records),
            resources=resources,
            schema=schema.to_dict(),
            declared=package.manifest.schema,
            base_hash=stored.version_hash if stored else None,
            counts={**counts, **counted((*rejects, *records))},
            accounts={names.table(name): account for name, account in self._books.by_table().items()},
            checks=tuple(self._checks.results(names)),
            origins=kept_origins(self._given.origins(self._origins) if self._options.keep_origins else {}),
        )
        return made if streamed or made.holds_rows else made.save(stage="normalized")

    def _must_write(self) -> bool:
        """Whether rows that a load has taken must be written to files all the same."""
        if self._outlet.is_lost:
            return True
        for name in map(self._given.names.source_table, self._outlet.left_out):
            seen, columns = self._seen[name], self._tables[name].columns
            if seen.joined or any(key in columns for key in seen.lacks):
                return True
        return False

    def _record(
        self, package: Package, schema: Schema, stored: Schema | None
    ) -> tuple[Schema, tuple[DataFile, ...]]:
        """Write what ladle keeps beside the data; return the schema with those tables, and their files."""
        if not self._limits.records:
            return schema, ()
        origins = self._given.origins(self._origins)
        changes = self._options.record_changes
        schema, found = recorded(package.manifest, schema, stored, origins, changes=changes)
        for table, rows in found.items():
            self._writer.append(table, rows)
        return schema, self._writer.seal_more() if found else ()

    def _passed_files(self, package: Package) -> list[DataFile] | None:
        """Return raw files that serve as ready files; None where only some of a resource's batches could."""
        files: list[DataFile] = []
        for resource in package.manifest.resources:
            for key, root in resource.parts.items():
                table, rows = self._passed.get((resource.name, root), ("", 0))
                raw = package.files("raw", key)
                if rows and rows != sum(f.rows for f in raw):
                    return None
                files.extend(replace(f, table=table) for f in raw if rows)
        return files

    def abandon(self) -> None:
        """Close files after a failure; nothing is sealed."""
        self._checks.close()
        self._writer.abandon()

    def _final(self, table: Table) -> Table:
        seen = self._seen.get(table.name)
        known = self._base.table_map.get(table.name)
        kept = {}
        separator = self._names.naming.separator
        for column in table.columns.values():
            hinted = known is not None and column.name in known.columns
            if column.data_type is None and seen is not None and seen.rows and not is_dropped(column):
                column = settled(table.name, column, hinted, self._options.null_columns, self._emit)
            if column.data_type is not None or is_kept(column, hinted, table, self._tables, separator):
                kept[column.name] = column
        table = self._in_order(replace(table, columns=kept))
        if seen is not None and seen.rows:
            table = table.noting(**{"seen-data": True})
        return table

    def _in_order(self, table: Table) -> Table:
        return in_order(table, self._base.table_map.get(table.name))

    def _rewritten(self, file: DataFile) -> tuple[DataFile, ...]:
        """Rewrite a file whose table's fresh columns grew, or that got keys, after it was written."""
        name = self._given.names.source_table(file.table)
        seen = self._seen[name]
        typing = Typing(self._names, wei_digits=self._limits.wei_digits)
        since = Since(self._tables[name], seen.joined, bool(seen.lacks), self._given)
        files, self._tables[name] = rewritten(file, since, self._package, self._writer, typing)
        return files


def normalize(
    package: Package,
    stored: Schema | None,
    limits: Limits,
    options: Options,
    emit: Emit,
    passing: bool = True,
    grown: Grown | None = None,
) -> Package:
    """Normalise a whole extracted package. Safe to repeat: an attempt that didn't finish leaves nothing.

    Raises:
        DataValidationError: a frozen contract or a rule is broken, or more was refused than is allowed.
        DataError: a value can't be stored, or a null stands where none is allowed.
    """
    fold = Normalizer(package, limits, options, emit, passing, grown=grown)
    roots = {key: (r.name, table) for r in package.manifest.resources for key, table in r.parts.items()}
    try:
        for file in package.files("raw"):
            if file.table == REJECTS_KEY:
                continue
            resource, root = roots[file.table]
            for batch in package.read([file]):
                fold.feed(resource, root, batch)
        return fold.finish(package, stored)
    except BaseException:
        fold.abandon()
        raise
