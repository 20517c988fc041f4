"""Load ahead: write ready batches into the destination's open transaction while extract still goes on."""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import cast

import pyarrow as pa

from ladle.destinations.base import Destination, MergingSession, Session, Strategy
from ladle.errors import CommitUnknown, LadleError
from ladle.events import Emit, Progress, durable
from ladle.load.dispositions import STRATEGIES, prepare, waiting
from ladle.load.early import EarlySession
from ladle.load.merge import check_merges, root_key_fills
from ladle.load.plan import stored_tables, wanted
from ladle.load.run import (
    LoadIdTaken,
    LoadResult,
    apply_comments,
    bring_in,
    check_newest,
    conformed,
    record_of,
    union_schema,
    was_committed,
)
from ladle.load.strategies.append import append
from ladle.package.store import Package
from ladle.schema.change import AddTable, RelaxColumn, WidenColumn, diff
from ladle.schema.records import CHANGES, CHANGES_TABLE, is_record
from ladle.schema.schema import SYSTEM_TABLE_MAP, Schema
from ladle.schema.table import Table
from ladle.schema.types import arrow_type

BEGIN_BYTES = 4 << 20
"""Ready data, in bytes of Arrow, with which a load begins ahead; less is loaded when extract has ended."""

_CHUNK_BYTES = 4 << 20
_WAITING_BYTES = 32 << 20
_PATIENCE_S = 2.0
_IDLE_RATIO = 2.0
_LINGER_S = 0.05
"""How long a statement waits for the next batch of its table before it ends."""


class _GaveUp(Exception):
    """Loading ahead isn't possible any more; the package's files are."""


@dataclass(slots=True)
class _Waiting:
    """Batches of one table on their way, oldest first, with the table as it was at the newest of them."""

    table: Table
    batches: list[pa.RecordBatch] = field(default_factory=list)
    size: int = 0


class LoadAhead:
    """One load that begins before its package is complete. Only speed hangs on it.

    The package's raw files are sealed as ever, and nothing of the load is visible before `commit`. Rows that
    are merged wait in tables of the load's own. It gives up, rolls back, and leaves the load to the package's
    files, normalised anew, when a table's columns change after they were made, when an existing table lacks a
    column or one of its columns changes (changing it would lock out readers, the source perhaps among them),
    when rows turn out to be merged in another way, when the destination fails, and when it has waited for the
    source for 2 s and twice as long as it worked: a slow source must not hold the destination's locks. For
    one that brings not even `begin_bytes` in 2 s it doesn't begin.

    Args:
        package: declared, not read yet.
        destination: one that streams.
        dataset: to load to.
        emit: hears of durable steps, and progress once it is certain.
        begin_bytes: ready data to wait for before connecting.
        early: opens the session, or has opened it.

    Memory: 32 MB of batches wait at most; then `put` blocks.
    """

    def __init__(
        self,
        package: Package,
        destination: Destination,
        dataset: str,
        emit: Emit,
        begin_bytes: int = BEGIN_BYTES,
        early: EarlySession | None = None,
    ) -> None:
        self._package = package
        self._declared = Schema.from_dict(package.manifest.schema)
        self._destination = destination
        self._dataset = dataset
        self._emit = emit
        self._begin_bytes = begin_bytes
        self._early = early
        self._changed = threading.Condition()
        self._waiting: dict[str, _Waiting] = {}
        self._size = 0
        self._largest = 0
        self._closed = False
        self._gave_up = False
        self._thread: threading.Thread | None = None
        self._session: Session | None = None
        self._there: dict[str, dict[str, str]] = {}
        self._made: dict[str, Table] = {}
        self._tables: dict[str, Table] = {}
        self._staged: dict[str, tuple[str, Strategy]] = {}
        self._came: dict[str, set[str]] = {}
        self._first_put_s: float | None = None
        self._rows: dict[str, int] = {}
        self._seconds: dict[str, float] = {}
        self._lingered_s: dict[str, float] = {}
        self._lanes = destination.limits.lanes

    @property
    def began(self) -> bool:
        """Whether it has, or is about to."""
        return self._thread is not None

    @property
    def gave_up(self) -> bool:
        """Whether it has: then nothing of what it took is at the destination."""
        return self._gave_up

    @property
    def trial_bytes(self) -> int:
        """How much ready data to have in files although it has begun: it may soon give up."""
        return 2 * self._begin_bytes

    def put(self, table: Table, batch: pa.RecordBatch) -> None:
        """Hand over a ready batch and its table, columns in final order. Blocks while too much waits."""
        if is_record(table.name):
            return  # written last, see `_write_records`
        with self._changed:
            while self._size > _WAITING_BYTES and not self._gave_up:
                self._changed.wait()
            if self._gave_up:
                return
            self._tables[table.name] = table
            if self._first_put_s is None:
                self._first_put_s = time.monotonic()
            waiting = self._waiting.setdefault(table.name, _Waiting(table))
            waiting.table = table
            waiting.batches.append(batch)
            waiting.size += batch.nbytes
            self._size += batch.nbytes
            self._largest = max(self._largest, batch.nbytes)
            # Once the next batch would have to wait, there must be somebody who makes room.
            if self._thread is None and self._size >= min(self._begin_bytes, _WAITING_BYTES):
                self._start()
            self._changed.notify_all()

    def _start(self) -> None:
        """Begin, with the lock held, unless the source is slow."""
        if self._first_put_s is not None and time.monotonic() - self._first_put_s > _PATIENCE_S:
            # It would only be given up later, and all that was written be made anew.
            self._gave_up = True
            self._waiting.clear()
            return
        self._thread = threading.Thread(target=self._work, name="ladle-load", daemon=True)
        self._thread.start()

    # -- on its thread

    def _work(self) -> None:
        try:
            self._begin()
            if self._lanes:
                self._write_in_lanes()
            while (chunk := self._next()) is not None:
                self._write(chunk)
        except Exception:  # noqa: BLE001 - whatever it is, the load from files meets it too, and tells it
            self._stop()

    def _begin(self) -> None:
        with self._changed:
            schema, largest = (
                self._declared.with_tables(w.table for w in self._waiting.values()),
                self._largest,
            )
        opening = replace(
            record_of(self._package, schema), schema=schema.to_dict(), batch_bytes=max(largest, _CHUNK_BYTES)
        )
        early = self._early
        self._session = early.take() if early else self._destination.open(self._dataset)
        if self._session.has_load(opening.load_id):
            raise _GaveUp  # the load from files tells whose it is
        with durable(self._emit, "load.begin"):
            self._session.begin(opening)
        self._there = {name: dict(columns) for name, columns in self._session.tables().items()}
        if self._destination.limits.tables_first:
            self._make_first(schema)
        waits = self._waits(self._package, self._declared)
        for resource in self._package.manifest.resources:
            prepare(self._session, self._declared, resource, self._declared.table_map, waits)

    def _make_first(self, schema: Schema) -> None:
        """Make the tables that are known by now: to make one later would commit the rows before it."""
        assert self._session is not None
        with self._changed:
            came = {name: schema.table_map[name] for name in self._waiting if name not in self._there}
        records = {CHANGES_TABLE: CHANGES} if came and self._destination.limits.records else {}
        records = {name: table for name, table in records.items() if name not in self._there}
        with durable(self._emit, "load.apply"):
            self._session.apply(diff(self._there, {**SYSTEM_TABLE_MAP, **records, **came}, {}))
        self._made.update(came)

    def _waits(self, package: Package, schema: Schema) -> dict[str, tuple[str, Strategy]]:
        return waiting(package.manifest, schema, self._destination.limits)

    def _next(self) -> _Waiting | None:
        """Return the table of which most waits, once it is worth a statement; None when all is written.

        Many tables may fill the space with little of each: then the largest goes, whatever its size.
        """
        with self._changed:
            worked_s = sum(self._seconds.values())
            deadline = time.monotonic() + max(_PATIENCE_S, _IDLE_RATIO * worked_s)
            while not self._gave_up:
                largest = max(self._waiting.values(), key=lambda w: w.size, default=None)
                if self._closed and largest is None:
                    return None
                full = self._size > _WAITING_BYTES
                if largest is not None and (self._closed or full or largest.size >= _CHUNK_BYTES):
                    self._size -= largest.size
                    self._changed.notify_all()
                    return self._waiting.pop(largest.table.name)
                if not self._changed.wait(deadline - time.monotonic()):
                    break
            raise _GaveUp

    def _write_in_lanes(self) -> None:
        """Write each table by one call that lasts until all its rows are there."""
        lanes: dict[str, Future[None]] = {}
        with ThreadPoolExecutor(self._lanes, "ladle-load") as pool:
            try:
                while (chunk := self._next_lane(lanes)) is not None:
                    lanes[chunk.table.name] = pool.submit(self._write_lane, chunk)
                for lane in lanes.values():
                    lane.result()
            except BaseException:
                self._give_up()  # so that the other lanes end
                raise

    def _next_lane(self, lanes: Collection[str]) -> _Waiting | None:
        """Return the first rows of a table that has no lane yet; None when all tables are known."""
        with self._changed:
            while not self._gave_up:
                found = next((w for name, w in self._waiting.items() if name not in lanes), None)
                if found is not None:
                    if len(lanes) == self._lanes:
                        break  # nobody would take its rows, and `put` wait for ever
                    self._size -= found.size
                    self._changed.notify_all()
                    return self._waiting.pop(found.table.name)
                if self._closed:
                    return None
                self._changed.wait()
            raise _GaveUp

    def _write_lane(self, chunk: _Waiting) -> None:
        try:
            self._write(chunk)
        except BaseException:
            self._give_up()
            raise

    def _write(self, chunk: _Waiting) -> None:
        assert self._session is not None
        name, began = chunk.table.name, time.perf_counter()
        lingered_s = self._lingered_s.get(name, 0.0)
        table = self._settled(chunk.table)
        schema = union_schema((batch.schema for batch in chunk.batches), table)
        if not set(schema.names) <= set(self._columns(name)):
            raise _GaveUp
        with durable(self._emit, f"load.ahead.{name}"):
            rows = self._put(table, schema, self._batches(chunk, frozenset(schema.names)))
        self._rows[name] = self._rows.get(name, 0) + rows
        worked_s = time.perf_counter() - began - (self._lingered_s.get(name, 0.0) - lingered_s)
        self._seconds[name] = self._seconds.get(name, 0.0) + worked_s

    def _batches(self, chunk: _Waiting, columns: frozenset[str]) -> Iterator[pa.RecordBatch]:
        """Yield a table's batches, and those that come while they are written.

        One long statement instead of many short ones: an engine with threads fills whole row groups at once.
        """
        while chunk.batches:
            yield chunk.batches.pop(0)  # what is written is kept no longer
        while (batch := self._following(chunk.table, columns)) is not None:
            yield batch

    def _following(self, table: Table, columns: frozenset[str]) -> pa.RecordBatch | None:
        """Return the next batch of a table; None where its statement had better end.

        So it does when no batch comes soon, when the batch needs another statement, and when enough waits of
        another table. In a lane it ends with the source.
        """
        with self._changed:
            began = now = time.monotonic()
            while not self._gave_up:
                waiting = self._waiting.get(table.name)
                if waiting is not None:
                    if _goes_with(waiting, table, columns):
                        return self._taken(waiting)
                    break
                left_s = None if self._lanes else _LINGER_S - (now - began)
                if self._closed or (left_s is not None and (left_s <= 0 or self._is_wanted_elsewhere())):
                    return None
                self._changed.wait(left_s)
                before, now = now, time.monotonic()
                self._lingered_s[table.name] = self._lingered_s.get(table.name, 0.0) + now - before
            if self._lanes:
                raise _GaveUp
            return None

    def _is_wanted_elsewhere(self) -> bool:
        """Whether enough waits of other tables to end a statement that waits for more rows."""
        return self._size > _WAITING_BYTES or any(w.size >= _CHUNK_BYTES for w in self._waiting.values())

    def _taken(self, waiting: _Waiting) -> pa.RecordBatch:
        batch = waiting.batches.pop(0)
        waiting.size -= batch.nbytes
        self._size -= batch.nbytes
        if not waiting.batches:
            del self._waiting[waiting.table.name]
        self._changed.notify_all()
        return batch

    def _put(self, table: Table, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> int:
        """Write rows to their table, or to where they wait."""
        assert self._session is not None
        with self._changed:
            known = self._declared.with_tables(self._tables.values())
        waits = self._waits(self._package, known).get(table.name)
        if waits is None:
            return self._session.append(table, schema, conformed(batches, schema))
        # With all columns: those that these rows lack may come later.
        there = set(self._columns(table.name))
        types = {c.name: c for c in table.typed_columns() if c.name in there}
        digits = self._destination.limits.wei_digits
        whole = pa.schema(
            schema.field(n) if n in schema.names else pa.field(n, arrow_type(c, digits))
            for n, c in types.items()
        )
        self._staged[table.name] = waits
        self._came.setdefault(table.name, set()).update(schema.names)
        return cast(MergingSession, self._session).stage(table, whole, conformed(batches, whole))

    def _columns(self, name: str) -> Iterable[str]:
        if name in self._made:
            return [c.name for c in self._made[name].typed_columns()]
        return self._there.get(name, ())

    def _settled(self, table: Table) -> Table:
        """Return the table as it has been or is now made; give up where its columns have changed since."""
        assert self._session is not None
        if table.name in self._there:
            return table
        made = self._made.get(table.name)
        if made is None:
            with durable(self._emit, "load.apply"):
                self._session.apply([AddTable(table)])
            self._made[table.name] = table
        elif made.typed_columns() != table.typed_columns():
            raise _GaveUp
        return table

    def _give_up(self) -> None:
        with self._changed:
            self._gave_up = True
            self._waiting.clear()
            self._size = 0
            self._changed.notify_all()

    def _stop(self) -> None:
        self._give_up()
        session, self._session = self._session, None
        if session is not None:
            with suppress(LadleError):
                session.close()

    # -- its end

    def _join(self) -> None:
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def abandon(self) -> None:
        """Roll back. Safe to repeat."""
        with self._changed:
            self._gave_up = True
            self._changed.notify_all()
        self._join()
        self._stop()

    def commit(self, package: Package) -> LoadResult | None:
        """Write what still waits and commit; None where the package has to be loaded from its files.

        Args:
            package: the same one, normalised and sealed.

        Raises:
            CommitUnknown: the connection was lost while committing and can't be had again to look.
        """
        self._join()
        try:
            return self._commit(package)
        except CommitUnknown as error:
            self._stop()
            with suppress(LoadIdTaken):
                if was_committed(package, self._destination, self._dataset, error):
                    return LoadResult(package.load_id, rows=dict(package.manifest.counts), already=True)
            return None
        except (LadleError, _GaveUp):
            return None
        finally:
            self._stop()

    def _commit(self, package: Package) -> LoadResult | None:
        session = self._session
        if session is None or self._gave_up:
            return None
        schema = Schema.from_dict(package.manifest.schema)
        self._check_complete(package, schema)
        check_merges(schema, package.manifest.resources, self._destination)
        newest = check_newest(session, package, schema)
        changes = diff(self._there, wanted(package, schema), stored_tables(session, package, schema, newest))
        if any(isinstance(change, WidenColumn | RelaxColumn) for change in changes):
            # Rows that were written before would have met another table.
            raise _GaveUp
        with durable(self._emit, "load.apply"):
            session.apply(changes)
        apply_comments(session, package, schema)
        root_key_fills(session, schema, changes)
        self._write_records(session, package, schema)
        limits = self._destination.limits
        merged = bring_in(session, package, schema, self._staged_columns(schema), limits, self._emit)
        with durable(self._emit, "load.commit"):
            session.commit(record_of(package, schema))
        for name, rows in self._rows.items():
            self._emit(Progress("load", name, rows))
        counts = dict(package.manifest.counts)
        return LoadResult(package.load_id, counts, tuple(changes), self._seconds, merged=merged)

    def _staged_columns(self, schema: Schema) -> dict[str, Sequence[str]]:
        """Return which columns waiting rows have, by table, in the table's order."""
        return {
            name: [column for column in schema.table_map[name].columns if column in came]
            for name, came in self._came.items()
        }

    def _write_records(self, session: Session, package: Package, schema: Schema) -> None:
        """Write ladle's own tables: their rows are known once the package is complete."""
        for name in filter(is_record, package.manifest.counts):
            files = package.files("ready", name)
            arrow = union_schema((package.schema_of(file) for file in files), schema.table_map[name])
            session.append(schema.table_map[name], arrow, conformed(package.read(files), arrow))

    def _check_complete(self, package: Package, schema: Schema) -> None:
        """Give up unless exactly the package's rows were written, to tables as its schema has them."""
        counts = package.manifest.counts
        own = {n for n in counts if is_record(n)}
        due = {n: c for n, c in counts.items() if schema.table_map[n].typed_columns() and n not in own}
        final = schema.table_map
        known = {(r.table, r.write_disposition) for r in self._package.manifest.resources}
        late = {(r.table, r.write_disposition) for r in package.manifest.resources} - known
        late |= {(n, d) for n, t in final.items() if t.parent and (d := t.write_disposition)} - {
            (n, t.write_disposition) for n, t in self._declared.table_map.items()
        }
        as_made = all(t.typed_columns() == final[n].typed_columns() for n, t in self._made.items())
        # Tables named by their items: rows that are only added need no preparation, others would have.
        prepared = all(STRATEGIES.get(disposition) is append for _, disposition in late)
        waits = self._waits(package, schema)
        as_staged = self._staged == {name: waits[name] for name in self._rows if name in waits}
        if due != self._rows or not as_made or not prepared or not as_staged:
            raise _GaveUp


def _goes_with(waiting: _Waiting, table: Table, columns: frozenset[str]) -> bool:
    """Whether the oldest batch can be written by the statement that writes these columns of the table."""
    same = waiting.table == table or waiting.table.typed_columns() == table.typed_columns()
    return same and columns.issuperset(waiting.batches[0].schema.names)
