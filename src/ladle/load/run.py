"""Bring a normalised package to its destination: diff, plan, write, commit."""

from __future__ import annotations

import contextvars
import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import cast

import pyarrow as pa

from ladle.destinations.base import Destination, LoadRecord, MergingSession, Session, owner_of
from ladle.errors import CommitFailed, CommitUnknown, DestinationError, LadleError, PackageError
from ladle.events import Emit, Notice, Progress, durable
from ladle.load.dispositions import by_disposition, prepare, waiting
from ladle.load.early import EarlySession
from ladle.load.merge import check_merges, fill, merge, notices, root_key_fills
from ladle.load.plan import check_held, plan
from ladle.package.store import Package
from ladle.schema.change import Change, Limits, changed_comments, has_comments
from ladle.schema.change_names import from_plain
from ladle.schema.records import is_record
from ladle.schema.schema import Schema
from ladle.schema.table import Table

_CONFLICT_TRIES = 8
_CONFLICT_PAUSE_S = 0.05


@dataclass(frozen=True, slots=True)
class LoadResult:
    """What one load did. `rows` by table; `already` if an earlier try had committed it.

    `merged`: by root table, rows `inserted`, `updated`, `deleted` and `unchanged` at the destination.
    """

    load_id: str
    rows: Mapping[str, int] = field(default_factory=dict)
    changes: tuple[Change, ...] = ()
    seconds: Mapping[str, float] = field(default_factory=dict)
    already: bool = False
    merged: Mapping[str, Mapping[str, int]] = field(default_factory=dict)


class BehindDestination(CommitFailed):
    """Another run committed a schema or state that this package doesn't know; nothing was written."""


class StateMissing(BehindDestination):
    """The destination has no state of the pipeline, and the package brings none: it seemed unchanged."""


class LoadIdTaken(BehindDestination):
    """The dataset has somebody else's load of the package's load id; nothing was written."""


def load(
    package: Package, destination: Destination, dataset: str, emit: Emit, early: EarlySession | None = None
) -> LoadResult:
    """Load a normalised package and commit it, exactly once where the destination can.

    Looks for the load id first: a package whose commit was applied before is not written again, where the
    load of that id isn't somebody else's. Conflicts with other loads are tried again. `early`: opens the
    session, or has opened it. Memory: O(batch).

    Raises:
        BehindDestination: take schema and state from the destination, normalise anew, and load again.
        StateMissing: give the package the whole state, and load again.
        LoadIdTaken: give the package another load id, normalise anew, and load again.
        CommitFailed: certainly not applied; the package is kept.
        CommitUnknown: the connection was lost while committing and can't be had again to look.
        DestinationError: writing failed; nothing of the package is visible.
        PackageError: files are damaged.
    """
    tries = 0
    while True:
        try:
            return _load_once(package, destination, dataset, emit, early)
        except CommitUnknown as error:
            if was_committed(package, destination, dataset, error):
                return LoadResult(package.load_id, rows=dict(package.manifest.counts), already=True)
            cause = error.__cause__
            raise CommitFailed(
                f"load `{package.load_id}` was not committed: {error.what}",
                load_id=package.load_id,
                hint=(isinstance(cause, LadleError) and cause.hint) or "the package is kept: run again",
            ) from error
        except BehindDestination:
            raise
        except CommitFailed:
            tries += 1
            if tries >= _CONFLICT_TRIES:
                raise
            # Not all after the same time, or they meet again.
            time.sleep(_CONFLICT_PAUSE_S * tries * (50 + secrets.randbelow(100)) / 100)


def was_committed(package: Package, destination: Destination, dataset: str, error: CommitUnknown) -> bool:
    """Look on a new session whether a commit of which nobody knows was applied.

    Raises:
        CommitUnknown: `error`; the destination can't be asked.
        LoadIdTaken: not this package's: another load has its id.
    """
    try:
        with closing(destination.open(dataset)) as session:
            if not session.has_load(package.load_id):
                return False
            _check_own(session, package, destination, dataset)
            return True
    except LoadIdTaken:
        raise
    except DestinationError:
        raise error from None


def _check_own(session: Session, package: Package, destination: Destination, dataset: str) -> None:
    """See to it that a load which has the package's load id is the package's.

    `_dlt_loads` tells the schema, a state that came with the load the pipeline. Where neither does, it is
    taken for the package's: even a new one may have been loaded elsewhere, while this process was stopped.

    Raises:
        LoadIdTaken: it is another one.
    """
    manifest, owner = package.manifest, owner_of(session, package.load_id)
    if owner is None or not owner.is_other(manifest.schema["name"], manifest.pipeline):
        return
    where = f"dataset `{dataset}` of destination `{destination.name}`"
    raise LoadIdTaken(
        f"{where} has another load `{package.load_id}`, of {owner}",
        load_id=package.load_id,
        expected=f"none but that of schema `{manifest.schema['name']}`, pipeline `{manifest.pipeline}`",
        hint="run again: the package is kept, and gets another load id",
    )


def _load_once(
    package: Package, destination: Destination, dataset: str, emit: Emit, early: EarlySession | None
) -> LoadResult:
    manifest = package.manifest
    schema = Schema.from_dict(manifest.schema)
    check_merges(schema, manifest.resources, destination)
    if manifest.base_hash != schema.version_hash:
        check_held(schema, destination)
    with _opened(destination, dataset, early) as session:
        if session.has_load(package.load_id):
            _check_own(session, package, destination, dataset)
            return LoadResult(package.load_id, rows=dict(manifest.counts), already=True)
        record = record_of(package, schema)
        with durable(emit, "load.begin"):
            session.begin(record)
        newest = check_newest(session, package, schema)
        if manifest.drop_tables:
            with durable(emit, "load.drop"):
                session.drop(manifest.drop_tables)
        if manifest.alters:
            with durable(emit, "load.alter"):
                session.alter([from_plain(change) for change in manifest.alters])
        changes = plan(session, package, schema, newest, destination.limits)
        with durable(emit, "load.apply"):
            session.apply(changes)
        apply_comments(session, package, schema)
        root_key_fills(session, schema, changes)
        if manifest.empty_tables:
            with durable(emit, "load.clear"):
                session.clear(manifest.empty_tables)
        rows, staged, seconds = _write(session, package, schema, emit, destination.limits)
        merged = bring_in(session, package, schema, staged, destination.limits, emit)
        if manifest.fills:
            with durable(emit, "load.fill"):
                fill(cast(MergingSession, session), schema, manifest.fills)
        with durable(emit, "load.commit"):
            session.commit()
    return LoadResult(package.load_id, rows, tuple(changes), seconds, merged=merged)


@contextmanager
def _opened(destination: Destination, dataset: str, early: EarlySession | None) -> Iterator[Session]:
    """Open a session, and close it at the end: one of `early` while the package is cleared away."""
    session = early.take() if early else destination.open(dataset)
    try:
        yield session
    except BaseException:
        session.close()
        raise
    if early:
        early.give_back(session)
    else:
        session.close()


def check_newest(session: Session, package: Package, schema: Schema) -> str | None:
    """Return the hash of the schema as the destination has it, None for none.

    Raises:
        BehindDestination: the package isn't built on what the destination has.
    """
    manifest = package.manifest
    newest, version = session.newest(schema.name, manifest.pipeline)
    known = (None, manifest.base_hash, schema.version_hash, *schema.previous_hashes)
    # No version at all: the state lives in the working folder only, nobody else can have changed it.
    if manifest.state is None and version == 0:
        raise StateMissing(f"the destination has no state of `{manifest.pipeline}`", load_id=package.load_id)
    stale = manifest.state is not None and (version or 0) >= manifest.state["_state_version"]
    if newest not in known or stale:
        raise BehindDestination(
            f"another run of `{manifest.pipeline}` committed since package `{package.load_id}` was made",
            load_id=package.load_id,
            hint="run again: the package is kept and brought up to date first",
        )
    return newest


def record_of(package: Package, schema: Schema) -> LoadRecord:
    """Return what makes the load of a package complete."""
    manifest = package.manifest
    replaced = tuple(
        table.name
        for resource in manifest.resources
        for table in by_disposition(schema, resource).get("replace", ())
    )
    formats = {t.name: t.extra["file_format"] for t in schema.table_map.values() if "file_format" in t.extra}
    return LoadRecord(
        load_id=package.load_id,
        schema=manifest.schema,
        pipeline=manifest.pipeline,
        state=manifest.state,
        inserted_at=time.time(),
        replaced=replaced,
        batch_bytes=max((f.batch_bytes for f in manifest.ready), default=0),
        file_format=manifest.file_format,
        formats=formats,
        folder=str(package.folder),
    )


def apply_comments(session: Session, package: Package, schema: Schema) -> None:
    """Change the comments of tables that were there before, where the schema changed since it was stored."""
    if package.manifest.base_hash == schema.version_hash or not has_comments(schema.table_map.values()):
        return
    stored = session.stored_schema(schema.name)
    before = Schema.from_dict(stored).table_map if stored is not None else {}
    if before:
        session.comment(changed_comments(before, schema.table_map, session.tables()))


def _write(
    session: Session, package: Package, schema: Schema, emit: Emit, limits: Limits
) -> tuple[dict[str, int], dict[str, Sequence[str]], dict[str, float]]:
    rows: dict[str, int] = {}
    seconds: dict[str, float] = {}
    waits = waiting(package.manifest, schema, limits)
    staged: dict[str, Sequence[str]] = {}

    def write(table: Table) -> int:
        files = package.files("ready", table.name)
        if not files:
            return 0
        began = time.perf_counter()
        arrow = union_schema((package.schema_of(file) for file in files), table)
        with durable(emit, f"load.write.{table.name}"):
            put = session.append
            if table.name in waits:
                merging, staged[table.name] = cast(MergingSession, session), arrow.names
                put = merging.build if waits[table.name][1].builds else merging.stage
            count = put(table, arrow, conformed(package.read(files), arrow))
        if count != package.manifest.counts[table.name]:
            raise DestinationError(
                f"table `{table.name}` took {count:,} rows of {package.manifest.counts[table.name]:,}",
                table=table.name,
                hint="nothing was committed; please report this as a fault of the destination",
            )
        if not is_record(table.name):
            emit(Progress("load", table.name, count))
        seconds[table.name] = time.perf_counter() - began
        return count

    due: dict[str, Table] = {}
    for resource in package.manifest.resources:
        tables = [t for t in schema.chain(resource.table) if t.name not in rows and t.name not in due]
        if limits.dispositions:
            prepare(session, schema, resource, {table.name for table in tables}, waits)
        if limits.writers > 1:
            due.update((table.name, table) for table in tables)
        else:
            rows.update((table.name, write(table)) for table in tables)
    own = filter(is_record, package.manifest.counts)
    kept = [schema.table_map[name] for name in own if name not in rows and name not in due]
    rows.update((table.name, write(table)) for table in kept)
    if due:
        rows.update(_at_once(write, due, limits.writers, session))
    _check_all_written(package, schema, rows)
    return {name: n for name, n in rows.items() if name in package.manifest.counts}, staged, seconds


def bring_in(
    session: Session,
    package: Package,
    schema: Schema,
    staged: Mapping[str, Sequence[str]],
    limits: Limits,
    emit: Emit,
) -> dict[str, dict[str, int]]:
    """Merge what waits, whose columns by table are `staged`; return what became of it, as `merge` does."""
    manifest = package.manifest
    for text in notices(manifest, schema, limits):
        emit(Notice(text))
    with durable(emit, "load.merge") if staged else nullcontext():
        return merge(cast(MergingSession, session), schema, manifest, staged, limits)


def _at_once(
    write: Callable[[Table], int], tables: Mapping[str, Table], writers: int, session: Session
) -> dict[str, int]:
    """Write tables on threads, a single one on this; a failure, or Ctrl-C, closes the session to end all."""
    if len(tables) == 1:
        return {name: write(table) for name, table in tables.items()}
    with ThreadPoolExecutor(writers, "ladle-load") as pool:
        calls = {
            name: pool.submit(contextvars.copy_context().run, write, table) for name, table in tables.items()
        }
        try:
            for call in wait(calls.values(), return_when=FIRST_EXCEPTION).done:
                call.result()
            return {name: call.result() for name, call in calls.items()}
        except BaseException:
            session.close()
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _check_all_written(package: Package, schema: Schema, rows: Mapping[str, int]) -> None:
    # A table of nothing but nulls has no columns to write.
    counts = {n: c for n, c in package.manifest.counts.items() if schema.table_map[n].typed_columns()}
    lost = {n: c for n, c in counts.items() if c != rows.get(n, 0)}
    if lost:
        raise PackageError(
            f"not all rows of package `{package.load_id}` were written",
            load_id=package.load_id,
            expected=", ".join(f"{c} rows in `{n}` instead of {rows.get(n, 0)}" for n, c in lost.items()),
            hint="nothing was committed and the package is kept; this is a fault of ladle, please report it",
        )


def union_schema(schemas: Iterable[pa.Schema], table: Table) -> pa.Schema:
    """Return the Arrow schema that holds all of a table's `schemas`, columns in the table's order."""
    types: dict[str, pa.DataType] = {}
    for schema in schemas:
        types.update((f.name, f.type) for f in schema)
    return pa.schema([(name, types[name]) for name in table.columns if name in types])


def conformed(batches: Iterable[pa.RecordBatch], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """Yield batches with all columns of `schema`; columns that a batch lacks are null."""
    for batch in batches:
        if batch.schema.equals(schema):
            yield batch
            continue
        names = set(batch.schema.names)
        arrays = [
            batch.column(f.name) if f.name in names else pa.nulls(batch.num_rows, f.type) for f in schema
        ]
        yield pa.RecordBatch.from_arrays(arrays, schema=schema)
