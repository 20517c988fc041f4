"""Where ready batches go: into files, or to a load that goes on beside, and nowhere else."""

from __future__ import annotations

from typing import Protocol

import pyarrow as pa

from ladle.package.store import StageWriter
from ladle.schema.table import Table


class Taker(Protocol):
    """A load that takes ready batches before their package is complete."""

    @property
    def began(self) -> bool:
        """Whether it writes what it takes, or is about to."""

    @property
    def gave_up(self) -> bool:
        """Whether it writes nothing, and what it took is nowhere."""

    @property
    def trial_bytes(self) -> int:
        """How much ready data, in bytes of Arrow, to have in files all the same once it has begun.

        What makes a load give up, rows with other columns above all, mostly comes early.
        """

    def put(self, table: Table, batch: pa.RecordBatch) -> None:
        """Take a batch and its table, columns in final order."""


class ReadyOutlet:
    """Writes ready batches to files until a load that has begun takes them, and has taken some.

    What the load takes is written once, at the destination: should the load give up, the raw files, which are
    sealed all the same, are normalised again.

    Args:
        writer: of the ready stage.
        taker: the load, if one may begin; what comes before it has begun is kept in memory.

    Memory: what the load waits for before it begins, and that is held there anyway.
    """

    def __init__(self, writer: StageWriter, taker: Taker | None) -> None:
        self._writer = writer
        self._taker = taker
        self._held: list[tuple[str, pa.RecordBatch]] = []
        self._left_out: set[str] = set()
        self._tried_bytes = 0

    @property
    def left_out(self) -> frozenset[str]:
        """Names of the tables that the load has rows of which are in no file."""
        return frozenset(self._left_out)

    @property
    def is_lost(self) -> bool:
        """Whether rows are in no file, and nowhere else either."""
        return bool(self._left_out) and self._taker is not None and self._taker.gave_up

    def put(self, table: Table, batch: pa.RecordBatch, is_raw: bool, in_files: bool) -> None:
        """Take a ready batch.

        Args:
            table: as it is by now; columns in final order where a load takes it.
            batch: its rows.
            is_raw: a raw file holds just these rows.
            in_files: they have to be in a file whatever the load does.
        """
        taker = self._taker
        if taker is not None:
            taker.put(table, batch)
        if is_raw:
            return
        self._held.append((table.name, batch))
        if taker is None or in_files or taker.gave_up:
            self.settle()
        elif taker.began and self._tried_bytes < taker.trial_bytes:
            self._tried_bytes += batch.nbytes
            self.settle()
        elif taker.began:
            self._left_out.update(name for name, _ in self._held)
            self._held.clear()

    def settle(self) -> None:
        """Write what no load has taken by now."""
        for name, batch in self._held:
            self._writer.append(name, batch)
        self._held.clear()
