"""The load package on disk: create, append, seal, list, resume, discard; a kill anywhere is survived."""

from __future__ import annotations

import itertools
import os
import secrets
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa

from ladle.errors import PackageError
from ladle.events import Emit, durable
from ladle.package.behind import Behind
from ladle.package.flushing import Unflushed
from ladle.package.held import Held
from ladle.package.lock import FileLock
from ladle.package.manifest import DataFile, Manifest, replace_file

Stage = Literal["raw", "ready"]
_MANIFEST = "manifest.json"
_LOCK = "owner.lock"
_KEEP_DONE = 50
_MAX_OPEN = 128
_BEHIND_BYTES = 1 << 18
_BEHIND = 1


@dataclass(slots=True)
class _OpenFile:
    name: str
    schema: pa.Schema
    sink: pa.OSFile
    writer: Any
    rows: int = 0
    batch_bytes: int = 0


class StageWriter:
    """Appends record batches to one stage; a file per key and Arrow schema, closed by `seal`.

    With `behind` a thread of its own writes from the first large batch on: compressing takes no Python.
    Failures come out of a later call. Memory: O(one batch), up to three of them. At most 128 files are open
    at once: the one unused for longest is closed first. `unflushed` gets the files: they are flushed with
    the manifest that names them. `held` keeps rows in memory while there is room: then all go to files.
    """

    def __init__(
        self,
        folder: Path,
        stage: Stage,
        emit: Emit,
        unflushed: Unflushed,
        behind: bool = True,
        held: Held | None = None,
    ) -> None:
        self._unflushed = unflushed
        self._held = held
        self._folder = folder
        self._stage = stage
        self._emit = emit
        self._open: dict[str, _OpenFile] = {}
        self._done: list[DataFile] = []
        self._sealed = 0
        self._names = (f"{stage}/{number:06d}.arrows" for number in itertools.count())
        self._behind = Behind(f"ladle-{stage}", _BEHIND)
        self._least_bytes = _BEHIND_BYTES if behind else sys.maxsize
        # Where all is written by one thread, others help it to compress.
        self._options = _compressed(use_threads=not behind)
        (folder / stage).mkdir(exist_ok=True)

    def append(self, key: str, batch: pa.RecordBatch) -> None:
        """Append `batch`; rows keep their order within `key`."""
        if self._held is None:
            self._write(key, batch)
        elif not self._held.take(key, batch):
            taken, self._held = self._held.let_go(), None
            for one in taken:
                self._write(*one)

    def _write(self, key: str, batch: pa.RecordBatch) -> None:
        if self._behind.began or batch.nbytes >= self._least_bytes:
            self._behind.call(self._append, key, batch)
        else:
            self._append(key, batch)

    def _append(self, key: str, batch: pa.RecordBatch) -> None:
        current = self._open.pop(key, None)
        if current is not None and not current.schema.equals(batch.schema, check_metadata=True):
            self._close(key, current)
            current = None
        if current is None:
            if len(self._open) >= _MAX_OPEN:
                oldest = next(iter(self._open))
                self._close(oldest, self._open.pop(oldest))
            name = next(self._names)
            sink = pa.OSFile(str(self._folder / name), "wb")
            current = _OpenFile(
                name, batch.schema, sink, pa.ipc.new_stream(sink, batch.schema, options=self._options)
            )
        self._open[key] = current
        current.writer.write_batch(batch)
        current.rows += batch.num_rows
        current.batch_bytes = max(current.batch_bytes, batch.nbytes)

    def _close(self, key: str, file: _OpenFile) -> None:
        file.writer.close()
        size = file.sink.tell()
        file.sink.close()
        self._done.append(DataFile(file.name, key, file.rows, size, file.batch_bytes))

    def seal(self) -> tuple[DataFile, ...]:
        """Close all files; return them in the order they were begun."""
        with durable(self._emit, f"package.seal.{self._stage}") if self._held is None else nullcontext():
            self.seal_more()
        return tuple(sorted(self._done, key=lambda f: f.name))

    def seal_more(self) -> tuple[DataFile, ...]:
        """Close what was appended since the last seal; return these files as written."""
        if self._held is not None:
            held = tuple(self._held.seal(self._names))
            self._done += held
            self._sealed = len(self._done)
            return held
        self._behind.settle()
        self._behind.close()
        for key in list(self._open):
            self._close(key, self._open.pop(key))
        files = tuple(self._done[self._sealed :])
        for file in files:
            self._unflushed.add(self._folder / file.name, file.file_bytes)
        self._sealed = len(self._done)
        return files

    def abandon(self) -> None:
        """Close all files without sealing; what was written is left to `Package.discard`.

        Never raises: on a full disk closing fails as well, and the error that led here is the one to tell.
        """
        self._behind.close()
        for file in self._open.values():
            for part in (file.writer, file.sink):
                with suppress(OSError, pa.ArrowException):
                    part.close()
        self._open.clear()


@dataclass(frozen=True, slots=True)
class Package:
    """One load package: its folder and its manifest. A value: `save` returns the next.

    `unflushed`: what its stages have written since the last one. `behind`: whether threads of their own write
    its stages. An engine that loads beside has the processor and the memory to itself without them. `held`:
    where ready rows may stay in memory, as its load follows at once; None where all go to files.
    """

    folder: Path
    manifest: Manifest
    emit: Emit
    unflushed: Unflushed = field(default_factory=Unflushed, compare=False, repr=False)
    behind: bool = field(default=True, compare=False, repr=False)
    held: Held | None = field(default=None, compare=False, repr=False)

    @property
    def load_id(self) -> str:
        """Unix time in seconds with fraction, as text."""
        return self.manifest.load_id

    @property
    def stage(self) -> str:
        """new, extracted, streamed, held, normalized, loaded or aborted."""
        return self.manifest.stage

    def writer(self, stage: Stage) -> StageWriter:
        """Begin a stage anew: files of an attempt that was never sealed are removed."""
        shutil.rmtree(self.folder / stage, ignore_errors=True)
        held = self.held if stage == "ready" else None
        if held is not None:
            held.clear()
        return StageWriter(self.folder, stage, self.emit, self.unflushed, self.behind, held)

    def with_manifest(self, **changes: Any) -> Package:
        """Return the package with `changes` in its manifest; nothing is stored yet."""
        return replace(self, manifest=replace(self.manifest, **changes))

    def save(self, **changes: Any) -> Package:
        """Store the manifest with `changes` in one atomic step; returns the package as it is then.

        All files that were sealed are flushed to disk before; ready rows that are held go to files.
        """
        manifest = self._all_in_files(replace(self.manifest, **changes))
        with durable(self.emit, f"package.{manifest.stage}"):
            replace_file(self.folder / _MANIFEST, manifest.to_bytes(), self.unflushed)
        return replace(self, manifest=manifest)

    @property
    def holds_rows(self) -> bool:
        """Whether some of its ready rows are in no file."""
        return self.held is not None and any(file in self.held for file in self.manifest.ready)

    def _all_in_files(self, manifest: Manifest) -> Manifest:
        held = self.held
        if held is None or not any(file in held for file in manifest.ready):
            return manifest
        ready, options = [], _compressed(use_threads=True)
        with durable(self.emit, "package.seal.ready"):
            for file in manifest.ready:
                if file in held:
                    file = replace(file, file_bytes=held.write(file, self.folder, options))
                    self.unflushed.add(self.folder / file.name, file.file_bytes)
                ready.append(file)
        return replace(manifest, ready=tuple(ready))

    def read(self, files: Sequence[DataFile]) -> Iterator[pa.RecordBatch]:
        """Yield the batches of `files` in order. Memory: O(one batch).

        Raises:
            PackageError: a file is missing or has another size than the manifest says.
        """
        for file in files:
            if self.held is not None and file in self.held:
                yield from self.held.batches(file)
                continue
            with self._reading(file) as reader:
                yield from reader

    def schema_of(self, file: DataFile) -> pa.Schema:
        """Return the Arrow schema of one file.

        Raises:
            PackageError: as `read`.
        """
        if self.held is not None and file in self.held:
            return self.held.batches(file)[0].schema
        with self._reading(file) as reader:
            return reader.schema

    @contextmanager
    def _reading(self, file: DataFile) -> Iterator[Any]:
        path = self.folder / file.name
        size = path.stat().st_size if path.exists() else -1
        if size != file.file_bytes:
            problem = "missing" if size < 0 else "damaged"
            raise self._damage(file, problem, f"{file.file_bytes} bytes, found {max(size, 0)}")
        try:
            # Not memory-mapped: the pages of a large file would count as memory of the process.
            with pa.OSFile(str(path), "rb") as source, pa.ipc.open_stream(source) as reader:
                yield reader
        except (pa.ArrowException, OSError) as exc:
            raise self._damage(file, "damaged", f"an Arrow stream; {exc}") from exc

    def _damage(self, file: DataFile, problem: str, expected: str) -> PackageError:
        return PackageError(
            f"the package file `{file.name}` is {problem}",
            expected=expected,
            hint="its data is lost: discard it with pipeline.drop_pending_packages(), then run again",
            load_id=self.load_id,
            **self._whose(file),
        )

    def _whose(self, file: DataFile) -> dict[str, str]:
        if not file.name.startswith("raw/"):
            return {"table": file.table}
        found = next((r.name for r in self.manifest.resources if file.table in r.parts), file.table)
        return {"resource": found}

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
        with durable(self._emit, "package.new"):
            created_at, load_id = self._new_folder()
        manifest = Manifest(load_id=load_id, pipeline=pipeline, created_at=created_at)
        return Package(self._pending / load_id, manifest, self._emit)

    def another_id(self) -> str:
        """Return a load id that no package of the pipeline has, for one that has its folder already."""
        while (self._pending / (load_id := _load_id(time.time()))).exists() or self.is_done(load_id):
            time.sleep(1e-6)
        return load_id

    def _new_folder(self) -> tuple[float, str]:
        while True:
            now = time.time()
            load_id = _load_id(now)
            # The record of a load of that id may be there where the clock was set back.
            with suppress(FileExistsError):
                (self._pending / load_id).mkdir()
                # Another run may sweep the empty folder before it is owned: then try the next id.
                if not self.is_done(load_id) and self._own(load_id):
                    return now, load_id
            time.sleep(1e-6)

    def _own(self, load_id: str) -> bool:
        if load_id in self._owned:
            return True
        lock = FileLock(self._pending / load_id / _LOCK)
        try:
            held = lock.acquire(timeout_s=0)
        except FileNotFoundError:
            return False  # its owner has just removed the folder
        if held:
            self._owned[load_id] = lock
        return held

    def release(self) -> None:
        """Give up the ownership of all packages, so that another run can finish them."""
        for lock in self._owned.values():
            lock.release()
        self._owned.clear()

    def pending(self) -> list[Package]:
        """Take the sealed packages that are not loaded yet, oldest first, and own them until `release`.

        Those that another living process works on are left out.

        Raises:
            PackageError: a manifest is damaged.
        """
        return [self._read(folder) for folder in self._owned_folders()]

    def waiting(self) -> list[Manifest]:
        """Look at the sealed packages that are not loaded yet, whoever works on them; owns none.

        Raises:
            PackageError: a manifest is damaged.
        """
        found = []
        for folder in self._folders():
            with suppress(FileNotFoundError):
                if not self.is_done(folder.name):
                    found.append(self._read(folder).manifest)
        return found

    def sweep(self) -> None:
        """Remove what dead processes left that was never sealed, or that is loaded already."""
        self._owned_folders()

    def drop_damaged(self) -> int:
        """Discard packages whose manifest can't be read; return how many."""
        dropped = 0
        for folder in self._owned_folders():
            try:
                self._read(folder)
            except PackageError:
                self._remove(folder)
                dropped += 1
        return dropped

    def again(self, package: Package) -> Package:
        """Return a package as it is stored now.

        Raises:
            PackageError: its manifest is damaged.
            FileNotFoundError: it is there no more.
        """
        return self._read(package.folder)

    def _read(self, folder: Path) -> Package:
        path = folder / _MANIFEST
        return Package(folder, Manifest.from_bytes(path.read_bytes(), path), self._emit)

    def _folders(self) -> list[Path]:
        if not self._pending.exists():
            return []
        return sorted(self._pending.iterdir(), key=lambda p: _number(p.name))

    def _owned_folders(self) -> list[Path]:
        """Own what no other living process does; clear away what is loaded or was never sealed."""
        found = []
        for folder in self._folders():
            mine = folder.name in self._owned
            if not self._own(folder.name):
                continue
            # Only now nobody else changes it.
            if self.is_done(folder.name):
                self._remove(folder)
            elif (folder / _MANIFEST).exists():
                found.append(folder)
            elif not mine:
                self._remove(folder)
        return found

    def finish(self, package: Package, stage: Literal["loaded", "aborted"], **changes: Any) -> Package:
        """Move the package's manifest to the finished ones, then drop its data. Safe to repeat."""
        manifest = replace(package.manifest, stage=stage, declared={}, **changes)
        self._done.mkdir(parents=True, exist_ok=True)
        path = self._done / f"{package.load_id}.json"
        with durable(self._emit, f"package.{stage}"):
            replace_file(path, manifest.to_bytes())
        self._remove(package.folder)
        self._prune()
        return replace(package, manifest=manifest)

    def _remove(self, folder: Path) -> None:
        # The manifest goes first: a folder without one is swept, never loaded.
        with durable(self._emit, "package.unsealed"):
            (folder / _MANIFEST).unlink(missing_ok=True)
        with durable(self._emit, "package.removed"):
            # Owned until it is gone: the folder may be another run's, just made, who takes what nobody owns.
            shutil.rmtree(folder, ignore_errors=True)
            lock = self._owned.pop(folder.name, None)
            if lock is not None:
                lock.release()
            if os.name == "nt":  # where a file that is open can't be removed
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


def _compressed(use_threads: bool) -> pa.ipc.IpcWriteOptions:
    return pa.ipc.IpcWriteOptions(compression="lz4", use_threads=use_threads)


def _load_id(now_s: float) -> str:
    # The last digits tell it from those of other folders, whose loads may begin in the same microsecond.
    return f"{now_s:.6f}{secrets.randbelow(9_999) + 1:04d}".rstrip("0")


def _number(load_id: str) -> float:
    try:
        return float(load_id)
    except ValueError:
        return 0.0
