"""Fold the raw batches of a package, in order, into ready files of destination-shaped tables."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import pyarrow as pa
import pyarrow.compute as pc

from ladle.errors import DataError
from ladle.events import Emit, Notice, Progress
from ladle.normalize.arrays import is_same
from ladle.normalize.changes import Origin
from ladle.normalize.columns import Typing, check_not_null, null_error, type_columns
from ladle.normalize.given import Given
from ladle.normalize.growth import Growing, Grown
from ladle.normalize.keys import (
    KEY_COLUMNS,
    LOAD_ID,
    ROOT_ID,
    ROW_ID,
    child_keys,
    random_ids,
    root_keys,
    with_key_columns,
)
from ladle.normalize.names import Kinds, Names, name_leaves, spelling_tag
from ladle.normalize.nulls import NullColumns, as_there, is_kept, is_null_column
from ladle.normalize.recorded import recorded
from ladle.normalize.rows import Part, Rows, rows_of
from ladle.normalize.unnest import Path, Piece, unnest
from ladle.package.manifest import DataFile
from ladle.package.raw import is_frame
from ladle.package.store import Package
from ladle.schema.change import Limits
from ladle.schema.given_names import GivenNames, in_given_names
from ladle.schema.lattice import Exact
from ladle.schema.naming import naming
from ladle.schema.protection import is_dropped
from ladle.schema.schema import Schema
from ladle.schema.table import Column, Table
from ladle.schema.types import arrow_type, kind_of

Ready = Callable[[Table, pa.RecordBatch], None]
_HINTED = ("primary_key", "merge_key")
_ROOT_KEYS = (LOAD_ID, ROW_ID)


@dataclass(frozen=True, slots=True)
class Options:
    """Settings of normalize.

    `add_dlt_id`, `add_dlt_load_id`: also for flat frames, which have none by default.
    `record_changes`: whether changes of the schema become rows of `_ladle_changes`.
    `widen`: a value that doesn't fit its column widens it, where the lattice has a type for both.
    `null_columns`: what becomes of columns that saw only nulls.
    `exact`: tells whether doubles hold what a column at the destination has.
    `keep_origins`: whether the package keeps where each column's values came from.
    """

    add_dlt_id: bool = False
    add_dlt_load_id: bool = False
    record_changes: bool = False
    widen: bool = False
    null_columns: NullColumns = field(default_factory=NullColumns)
    exact: Exact | None = None
    keep_origins: bool = False


@dataclass(slots=True)
class _Progress:
    """What the fold knows of one table so far. `bare`: rows of frames were written without all keys."""

    rows: int = 0
    bare: bool = False
    fresh: frozenset[str] = frozenset()
    joined: set[str] = field(default_factory=set)


class Normalizer:
    """Turns raw batches into ready files; the fold's outcome doesn't depend on where batches were cut.

    Args:
        package: owns the files; its manifest's schema has the hints that extract collected.
        limits: of the destination: name lengths, digits.
        options: which key columns frames get.
        emit: hears progress in rows of root tables, and notices.
        passing: frames whose columns need no change aren't written again.
        ready: also gets each ready batch, with its table as it is then.
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
        ready: Ready | None = None,
        grown: Grown | None = None,
    ) -> None:
        self._package = package
        self._ready = ready
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
        self._names = Names(naming(self._base.naming), limits.max_table_name, limits.max_column_name)
        self._given = Given(self._base, self._names)
        self._tables = self._given.kept(self._base.table_map.values())
        self._seen: dict[str, _Progress] = {}
        self._root_rows: dict[str, int] = {}
        self._origins: dict[tuple[str, str], Origin] = {}
        self._writer = package.writer("ready")
        self._outdated = False

    def declare(self, tables: Sequence[Table]) -> None:
        """Take tables as they are declared from here on.

        Where rows of one were normalised already, the package is normalised anew once it is sealed: the
        outcome is as if all had been declared at the beginning.
        """
        tables = self._growing.take(tables)
        self._outdated = self._outdated or any(t.name in self._seen for t in tables)
        self._base = self._base.with_tables(tables)
        self._tables.update(self._given.kept(tables))

    def feed(self, resource: str, root: str, batch: pa.RecordBatch) -> None:
        """Normalise one raw batch.

        Args:
            resource: whose rows these are, for errors and new tables.
            root: source name of the root table.
            batch: nested, in the raw format.

        Raises:
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
        fed = [(n, rows_of(parts, self._names)) for n, parts in self._parts(root, pieces).items()]
        for name, rows in fed:
            self._tables[name] = self._table(name, rows, root, resource)
        for name, rows in fed:
            try:
                self._feed_table(self._tables[name], rows, (frame, keyed), resource)
            except DataError as error:
                if (row := error.facts.get("row")) is not None:
                    error.facts["row"] = first_row + rows.root_row(row)
                raise
        self._emit(Progress("normalize", root, batch.num_rows))

    def _parts(self, root: str, pieces: list[Piece]) -> dict[str, list[Part]]:
        """Name and key the pieces; return them by table."""
        parts: list[Part | None] = []
        paths: list[Path] = []
        tables: dict[str, list[Part]] = {}
        for index, piece in enumerate(pieces):
            paths.append((*paths[piece.parent], *piece.path) if index else ())
            table = self._names.table(root, paths[index])
            left_out = index and (parts[piece.parent] is None or self._given.drops_rows(table, piece.rows))
            if left_out or (piece.rows == 0 and index):
                parts.append(None)
                continue
            shared = tables.setdefault(table, [])
            salted = any(part.piece.parent == piece.parent for part in shared)
            salt = spelling_tag("\0".join(piece.path)) + "." if salted else ""
            named = name_leaves(piece.leaves, self._names)
            own = next((_text_of(kinds) for column, _, kinds in named if column == ROW_ID), None)
            above = parts[piece.parent] if index else None
            keys = child_keys(piece, above.keys, own, salt) if above else root_keys(piece, own)
            part = Part(piece, paths[index], named, keys, above)
            parts.append(part)
            shared.append(part)
        return tables

    def _table(self, name: str, rows: Rows, root: str, resource: str) -> Table:
        table = self._tables.get(name) or self._new_table(name, rows.first, root, resource)
        for part in rows.parts:
            if part.above is not None and table.parent is None and table.resource is not None:
                raise _taken_error(table, self._names.table(root, part.above.path), part.piece, resource)
        return table

    def _new_table(self, name: str, first: Part, root: str, resource: str) -> Table:
        if first.above is None:
            return Table(name, resource=resource, write_disposition="append")
        # of several possible parents, that of the first row, wherever a batch was cut
        return Table(name, parent=self._names.table(root, first.above.path))

    def _feed_table(self, table: Table, rows: Rows, mode: tuple[bool, bool], resource: str) -> None:
        frame, keyed = mode
        named = rows.named()
        seen = self._seen.setdefault(table.name, _Progress())
        child = rows.parts[0].above is not None
        key_names = self._key_names(table, child, keyed, {column for column, _, _ in named})
        data = [entry for entry in named if entry[0] not in key_names]
        if self._given:
            data = self._given.kept_values(table.name, data)
        typing = Typing(
            self._names,
            wei_digits=self._limits.wei_digits,
            holds_nul=self._limits.holds_nul,
            timestamp_digits=self._limits.timestamp_digits,
            detections=tuple(self._base.settings.get("detections") or ()),
            frame=frame,
            fresh=seen.fresh,
            joined=frozenset(seen.joined),
            growth=self._growing.of(table.name),
        )
        typed = type_columns(data, table, typing)
        self._growing.note(table.name, typed.grown, seen.rows)
        if self._given:
            typed = self._given.kept_variants(typed)
        arrays = typed.arrays
        made = rows.keys(self._package.load_id, ROOT_ID in key_names)
        arrays.update((n, made[n]) for n in key_names)
        table = with_key_columns(typed.table, key_names)
        if rows.count:
            check_not_null(replace(typed, table=table), named, resource)
        self._tables[table.name] = table
        if typed.fresh:
            self._note_origins(table.name, typed.fresh, rows, resource)
        if self._options.keep_origins:
            self._note_origins(table.name, frozenset(arrays).difference(key_names), rows, resource)
        seen.fresh |= typed.fresh
        seen.joined |= typed.joined
        seen.rows += rows.count
        seen.bare |= not child and len(key_names) < len(_ROOT_KEYS)
        self._write(table.name, arrays)

    def _note_origins(self, table: str, fresh: frozenset[str], rows: Rows, resource: str) -> None:
        paths = {column: path for column, path, _ in rows.named()}
        for name in fresh:
            # a variant comes from where its column does
            path = paths.get(name) or paths.get(name.rpartition(f"{self._names.naming.separator}v_")[0], ())
            self._origins.setdefault((table, name), Origin(resource, (*rows.first.path, *path)))

    def _kept_origins(self) -> dict[str, dict[str, tuple[str, str]]]:
        kept: dict[str, dict[str, tuple[str, str]]] = {}
        origins = self._given.origins(self._origins) if self._options.keep_origins else {}
        for (table, column), origin in origins.items():
            kept.setdefault(table, {})[column] = (origin.resource, ".".join(origin.path))
        return kept

    def _write(self, name: str, arrays: dict[str, pa.Array]) -> None:
        if self._growing.anew:
            return  # a column grew: all is written anew, once all batches were seen
        table = self._tables[name]
        if self._given or self._ready is not None:
            table = self._in_order(table)
        if self._given:
            table, arrays = self._given.table(table, self._tables), self._given.arrays(table.name, arrays)
        if self._unchanged is not None and is_same(self._unchanged, arrays):
            # Nothing changed: the raw file serves as the ready file.
            rows = self._passed.get(self._part, ("", 0))[1]
            self._passed[self._part] = (table.name, rows + self._unchanged.num_rows)
            made = self._unchanged
        elif arrays:
            made = pa.RecordBatch.from_arrays(list(arrays.values()), names=list(arrays))
            self._writer.append(table.name, made)
        else:
            return
        if self._ready is not None:
            self._ready(table, made)

    def _key_names(self, table: Table, child: bool, keyed: bool, present: set[str]) -> list[str]:
        if child:
            root = [ROOT_ID] if self._wants_root_key(table) else []
            return [*root, "_dlt_parent_id", "_dlt_list_idx", ROW_ID]
        if keyed:
            return [LOAD_ID, ROW_ID]
        # A frame: keys only where asked for, or where the table has or the frame brings them.
        wanted = []
        if self._options.add_dlt_load_id or LOAD_ID in table.columns or LOAD_ID in present:
            wanted.append(LOAD_ID)
        if self._options.add_dlt_id or ROW_ID in table.columns or ROW_ID in present:
            wanted.append(ROW_ID)
        return wanted

    def _wants_root_key(self, table: Table) -> bool:
        if ROOT_ID in table.columns:
            return True
        while table.parent is not None and table.parent in self._tables:
            table = self._tables[table.parent]
        return table.write_disposition == "merge" or bool(table.extra.get("x-root-key"))

    def check(self) -> None:
        """Check what only shows once all batches were seen.

        Raises:
            DataError: a key column had no value in any row.
        """
        if self._outdated:
            return
        for table in self._tables.values():
            seen = self._seen.get(table.name)
            for column in table.columns.values():
                keyed = not column.nullable and any(getattr(column, hint) for hint in _HINTED)
                if seen is not None and seen.rows and column.data_type is None and keyed:
                    raise null_error(table.name, column.name, None, table.resource or table.name)

    def finish(self, package: Package, stored: Schema | None) -> Package:
        """Seal the ready files and the schema.

        Args:
            package: as extract sealed it.
            stored: the pipeline's schema before this package, for the version.

        Raises:
            DataError: as `check`.
        """
        self.check()
        again = self._outdated or self._growing.anew
        passed = None if again else self._passed_files(package)
        if passed is None:
            self.abandon()
            grown = None if self._outdated else self._growing.grown
            return normalize(package, stored, self._limits, self._options, self._emit, again, grown)
        files = self._conform((*passed, *self._writer.seal()))
        tables = [self._final(t) for t in self._tables.values()]
        schema = replace(self._base, table_map={t.name: t for t in tables}, stored_hash=None)
        schema = as_there(self._given.schema(schema), stored, package.manifest.drop_tables)
        schema, recorded = self._record(package, schema.bumped(stored), stored)
        names, resources = self._given.names, package.manifest.resources
        counts = {name: seen.rows for name, seen in self._seen.items()}
        if names:
            counts = {names.table(name): rows for name, rows in counts.items()}
            resources = tuple(replace(r, table=names.table(r.table)) for r in resources)
            for text in self._given.notices():
                self._emit(Notice(text))
        return package.save(
            stage="normalized",
            ready=(*files, *recorded),
            resources=resources,
            schema=schema.to_dict(),
            base_hash=stored.version_hash if stored else None,
            counts={**counts, **{file.table: file.rows for file in recorded}},
            origins=self._kept_origins(),
        )

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
        self._writer.abandon()

    def _final(self, table: Table) -> Table:
        seen = self._seen.get(table.name)
        known = self._base.table_map.get(table.name)
        kept = {}
        separator = self._names.naming.separator
        for column in table.columns.values():
            hinted = known is not None and column.name in known.columns
            if column.data_type is None and seen is not None and seen.rows and not is_dropped(column):
                column = self._of_nulls(table, column, hinted)
            if column.data_type is not None or is_kept(column, hinted, table, self._tables, separator):
                kept[column.name] = column
        table = self._in_order(replace(table, columns=kept))
        if seen is not None and seen.rows:
            table = table.with_extra(**{"x-normalizer": {"seen-data": True}})
        return table

    def _in_order(self, table: Table) -> Table:
        """Return a new table with data columns first, then the keys, wherever a batch was cut."""
        known = self._base.table_map.get(table.name)
        if known is not None and known.typed_columns():
            return table
        columns = table.columns
        names = [*(n for n in columns if n not in KEY_COLUMNS), *(n for n in KEY_COLUMNS if n in columns)]
        return replace(table, columns={n: columns[n] for n in names})

    def _of_nulls(self, table: Table, column: Column, hinted: bool) -> Column:
        """Return a column that has no type yet as it is kept."""
        settled = self._options.null_columns.settled(column, hinted)
        if settled.data_type is None and not is_null_column(column):
            self._emit(
                Notice(
                    f"column `{column.name}` of table `{table.name}` saw only nulls: "
                    "it has no type and isn't created"
                )
            )
        return settled

    def _conform(self, files: tuple[DataFile, ...]) -> tuple[DataFile, ...]:
        """Rewrite files of tables whose fresh columns grew, or that got keys, after they were written."""
        return tuple(made for file in files for made in self._rewritten(file))

    def _rewritten(self, file: DataFile) -> tuple[DataFile, ...]:
        name = self._given.names.source_table(file.table)
        table, seen = self._tables[name], self._seen[name]
        if not seen.joined and not (seen.bare and any(n in table.columns for n in _ROOT_KEYS)):
            return (file,)
        there = self._given.source_schema(name, self._package.schema_of(file))
        wanted = {n: arrow_type(table.columns[n], self._limits.wei_digits) for n in seen.joined}
        grown = [n for n, t in wanted.items() if n in there.names and not there.field(n).type.equals(t)]
        missing = [n for n in _ROOT_KEYS if n in table.columns and n not in there.names]
        if not grown and not (seen.bare and missing):
            return (file,)
        typing = Typing(self._names, wei_digits=self._limits.wei_digits)
        for batch in self._package.read([file]):
            arrays = dict(zip(there.names, batch.columns, strict=True))
            named = [(n, (n,), ((str(kind_of(arrays[n].type)), arrays[n]),)) for n in grown]
            typed = type_columns(named, self._tables[name], typing)
            self._tables[name] = typed.table
            arrays.update(typed.arrays)
            keys = {
                LOAD_ID: pa.repeat(pa.scalar(self._package.load_id), batch.num_rows),
                ROW_ID: random_ids(batch.num_rows),
            }
            arrays.update((n, keys[n]) for n in missing)
            arrays = self._given.arrays(name, arrays)
            made = pa.RecordBatch.from_arrays(list(arrays.values()), names=list(arrays))
            self._writer.append(file.table, made)
        return self._writer.seal_more()


def _taken_error(table: Table, parent: str, piece: Piece, resource: str) -> DataError:
    key = ".".join(piece.path)
    return DataError(
        f"the list `{key}` of table `{parent}` would go to `{table.name}`, the table of `{table.resource}`",
        resource=resource,
        table=parent,
        column=key,
        expected="a table for each of them",
        hint=f"give resource `{table.resource}` another table_name, or rename the key with add_map",
    )


def _text_of(kinds: Kinds) -> pa.Array | None:
    arrays = [values.cast(pa.string()) for _, values in kinds]
    return pc.coalesce(*arrays) if arrays else None


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
        DataError: a value can't be stored, or a null stands where none is allowed.
    """
    fold = Normalizer(package, limits, options, emit, passing, grown=grown)
    roots = {key: (r.name, table) for r in package.manifest.resources for key, table in r.parts.items()}
    try:
        for file in package.files("raw"):
            resource, root = roots[file.table]
            for batch in package.read([file]):
                fold.feed(resource, root, batch)
        return fold.finish(package, stored)
    except BaseException:
        fold.abandon()
        raise
