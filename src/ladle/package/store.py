"""The load package on disk: create, append, seal, list, resume, discard; a kill anywhere is survived."""

from __future__ import annotations

import itertools
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa

from ladle.errors import PackageError
from ladle.events import Emit, durable
from ladle.package.lock import FileLock
from ladle.package.manifest import DataFile, Manifest, replace_file, sync_folder

Stage = Literal["raw", "ready"]
_IPC = pa.ipc.IpcWriteOptions(compression="lz4")
_MANIFEST = "manifest.json"
_LOCK = "owner.lock"
_KEEP_DONE = 50


class StageWriter:
    """Appends record batches to one stage; one file per key and Arrow schema, closed and flushed by `seal`.

    Memory: O(one batch); at most one open file per key.
    """

    def __init__(self, folder: Path, stage: Stage) -> None:
        self._folder = folder
        self._stage = stage
        self._open: dict[str, tuple[Any, pa.OSFile, list[int], str, pa.Schema]] = {}
        self._done: list[DataFile] = []
        self._numbers = itertools.count()
        (folder / stage).mkdir(exist_ok=True)

    def append(self, key: str, batch: pa.RecordBatch) -> None:
        """Append `batch`; rows keep their order within `key`."""
        current = self._open.get(key)
        if current is not None and not current[4].equals(batch.schema):
            self._close(key)
            current = None
        if current is None:
            name = f"{self._stage}/{next(self._numbers):05d}.arrows"
            sink = pa.OSFile(str(self._folder / name), "wb")
            writer = pa.ipc.new_stream(sink, batch.schema, options=_IPC)
            current = self._open[key] = (writer, sink, [0], name, batch.schema)
        current[0].write_batch(batch)
        current[2][0] += batch.num_rows

    def _close(self, key: str) -> None:
        writer, sink, rows, name, _ = self._open.pop(key)
        writer.close()
        size = sink.tell()
        sink.close()
        self._done.append(DataFile(name, key, rows[0], size))

    def seal(self) -> tuple[DataFile, ...]:
        """Close and flush all files to disk; return them in the order they were begun."""
        for key in list(self._open):
            self._close(key)
        for file in self._done:
            _flush(self._folder / file.name)
        if self._done:
            sync_folder(self._folder / self._stage)
        return tuple(sorted(self._done, key=lambda f: f.name))

    def seal_last(self, key: str) -> DataFile:
        """Close and flush the open file of `key` alone; return it."""
        self._close(key)
        file = self._done[-1]
        _flush(self._folder / file.name)
        return file

    def abandon(self) -> None:
        """Close all files without sealing; what was written is left to `Package.discard`."""
        for writer, sink, *_ in self._open.values():
            writer.close()
            sink.close()
        self._open.clear()


def _flush(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


@dataclass(frozen=True, slots=True)
class Package:
    """One load package: its folder and its manifest. A value: `save` returns the next."""

    folder: Path
    manifest: Manifest
    emit: Emit

    @property
    def load_id(self) -> str:
        """Unix time in seconds with fraction, as text."""
        return self.manifest.load_id

    @property
    def stage(self) -> str:
        """new, extracted, normalized, loaded or aborted."""
        return self.manifest.stage

    def writer(self, stage: Stage) -> StageWriter:
        """Begin a stage anew: files of an attempt that was never sealed are removed."""
        shutil.rmtree(self.folder / stage, ignore_errors=True)
        return StageWriter(self.folder, stage)

    def with_manifest(self, **changes: Any) -> Package:
        """Return the package with `changes` in its manifest; nothing is stored yet."""
        return replace(self, manifest=replace(self.manifest, **changes))

    def save(self, **changes: Any) -> Package:
        """Store the manifest with `changes` in one atomic step; returns the package as it is then."""
        manifest = replace(self.manifest, **changes)
        with durable(self.emit, f"package.{manifest.stage}"):
            replace_file(self.folder / _MANIFEST, manifest.to_bytes())
        return replace(self, manifest=manifest)

    def read(self, files: Sequence[DataFile]) -> Iterator[pa.RecordBatch]:
        """Yield the batches of `files` in order. Memory: O(one batch); the file is memory-mapped.

        Raises:
            PackageError: a file is missing or has another size than the manifest says.
        """
        for file in files:
            path = self.folder / file.name
            size = path.stat().st_size if path.exists() else -1
            if size != file.file_bytes:
                raise PackageError(
                    f"the package file `{file.name}` is " + ("missing" if size < 0 else "damaged"),
                    expected=f"{file.file_bytes} bytes, found {max(size, 0)}",
                    hint="discard the package: `ladle discard PIPELINE`, and run again",
                    load_id=self.load_id,
                    table=file.table,
                )
            with pa.memory_map(str(path)) as source, pa.ipc.open_stream(source) as reader:
                yield from reader

    def schema_of(self, file: DataFile) -> pa.Schema:
        """Return the Arrow schema of one file."""
        with pa.memory_map(str(self.folder / file.name)) as source, pa.ipc.open_stream(source) as reader:
            return reader.schema

    def files(self, stage: Stage, key: str | None = None) -> list[DataFile]:
        """The sealed files of a stage, of one resource or table or of all."""
        found = self.manifest.raw if stage == "raw" else self.manifest.ready
        return [f for f in found if key is None or f.table == key]


class Packages:
    """The packages of one pipeline. Unfinished ones are folders, finished ones a single file each.

    Args:
        root: the pipeline's working folder.
        emit: hears of durable steps.
    """

    def __init__(self, root: Path, emit: Emit) -> None:
        self._pending = root / "packages"
        self._done = root / "loaded"
        self._emit = emit
        self._owned: dict[str, FileLock] = {}

    def create(self, pipeline: str) -> Package:
        """Begin a package with a new load id; it is owned by this process until finished or released."""
        self._pending.mkdir(parents=True, exist_ok=True)
        while True:
            now = time.time()
            load_id = f"{now:.7f}".rstrip("0").rstrip(".")
            try:
                (self._pending / load_id).mkdir()
                # Another run may sweep the empty folder before it is owned: then try the next id.
                if self._own(load_id):
                    break
            except (FileExistsError, FileNotFoundError):
                time.sleep(1e-6)
        manifest = Manifest(load_id=load_id, pipeline=pipeline, created_at=now)
        return Package(self._pending / load_id, manifest, self._emit)

    def _own(self, load_id: str) -> bool:
        if load_id in self._owned:
            return True
        lock = FileLock(self._pending / load_id / _LOCK)
        if not lock.acquire(timeout_s=0):
            return False
        self._owned[load_id] = lock
        return True

    def release(self) -> None:
        """Give up the ownership of all packages, so that another run can finish them."""
        for lock in self._owned.values():
            lock.release()
        self._owned.clear()

    def pending(self) -> list[Package]:
        """Sealed packages that are not loaded yet, oldest first; none that another process owns."""
        found: list[Package] = []
        if not self._pending.exists():
            return found
        for folder in sorted(self._pending.iterdir(), key=lambda p: _number(p.name)):
            path = folder / _MANIFEST
            if self.is_done(folder.name) and self._own(folder.name):
                self._remove(folder)
            elif path.exists() and self._own(folder.name):
                manifest = Manifest.from_bytes(path.read_bytes(), path)
                found.append(Package(folder, manifest, self._emit))
        return found

    def sweep(self) -> None:
        """Remove what dead processes left that was never sealed: nothing of it can be loaded."""
        if not self._pending.exists():
            return
        for folder in self._pending.iterdir():
            if (
                not (folder / _MANIFEST).exists()
                and folder.name not in self._owned
                and self._own(folder.name)
            ):
                self._remove(folder)

    def finish(self, package: Package, stage: Literal["loaded", "aborted"], **changes: Any) -> Package:
        """Move the package's manifest to the finished ones, then drop its data. Safe to repeat."""
        manifest = replace(package.manifest, stage=stage, **changes)
        self._done.mkdir(parents=True, exist_ok=True)
        path = self._done / f"{package.load_id}.json"
        with durable(self._emit, f"package.{stage}"):
            replace_file(path, manifest.to_bytes())
        self._remove(package.folder)
        self._prune()
        return replace(package, manifest=manifest)

    def _remove(self, folder: Path) -> None:
        # The manifest goes first: a folder without one is swept, never loaded.
        with durable(self._emit, "package.removed"):
            (folder / _MANIFEST).unlink(missing_ok=True)
            lock = self._owned.pop(folder.name, None)
            if lock is not None:
                lock.release()
            shutil.rmtree(folder, ignore_errors=True)

    def _prune(self) -> None:
        done = sorted(self._done.glob("*.json"), key=lambda p: _number(p.stem))
        for path in done[:-_KEEP_DONE]:
            path.unlink(missing_ok=True)

    def discard(self, package: Package) -> None:
        """Forget the package: its data is removed, nothing is kept."""
        self._remove(package.folder)

    def is_done(self, load_id: str) -> bool:
        """Whether the package is among the finished ones."""
        return (self._done / f"{load_id}.json").exists()

    def done(self) -> list[Manifest]:
        """Manifests of the newest finished packages, oldest first; at most 50 are kept."""
        if not self._done.exists():
            return []
        paths = sorted(self._done.glob("*.json"), key=lambda p: _number(p.stem))
        return [Manifest.from_bytes(p.read_bytes(), p) for p in paths]


def _number(load_id: str) -> float:
    try:
        return float(load_id)
    except ValueError:
        return 0.0
