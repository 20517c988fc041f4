"""The verbs a place for files needs: list, read, write, move, delete; for a local folder and for fsspec."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Protocol, cast

from ladle.errors import DestinationError

PRIVATE = "_ladle"
"""Folder of a dataset for what is not data: files being written, and manifests of loads under way."""

_BUFFER_BYTES = 1 << 20


class Files(Protocol):
    """Files below one root. Paths are relative, with `/`. Errors are `OSError`."""

    def list(self, prefix: str) -> list[str]:
        """Return the paths that start with `prefix`, sorted, at any depth; none where nothing is."""

    def read(self, path: str) -> bytes:
        """Return the content of a small file.

        Raises:
            FileNotFoundError: there is none.
        """

    def write(self, path: str, last: bool = False) -> AbstractContextManager[BinaryIO]:
        """Open a file to write: whole and durable after the `with` block, not there if that raised.

        Args:
            path: replaced where it exists; folders are made.
            last: it must not be there unless all that was written and moved before is; durable on return.
        """

    def move(self, source: str, target: str) -> None:
        """Rename a file; the target is there at once and whole.

        Raises:
            FileNotFoundError: no such source.
        """

    def delete(self, paths: Iterable[str]) -> None:
        """Delete files; those that are not there are passed over."""


def unique_name() -> str:
    """Return `<unix time>-<random>`: a name nobody else has, whose age `age_s` tells."""
    return f"{time.time():.0f}-{secrets.token_hex(5)}"


def age_s(name: str) -> float:
    """Return the seconds since `unique_name` made a name; 0 for any other name."""
    made, dash, _ = name.partition("-")
    return time.time() - float(made) if dash and made.isdigit() else 0.0


class LocalFiles:
    """A folder of this machine. A file is written below `_ladle`, flushed to disk and renamed into place.

    Args:
        root: need not exist.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._unflushed: set[Path] = set()

    def list(self, prefix: str) -> list[str]:
        """Return the paths that start with `prefix`."""
        return sorted(self._walk("", prefix))

    def _walk(self, folder: str, prefix: str) -> Iterator[str]:
        try:
            entries = list(os.scandir(self._root / folder))
        except (FileNotFoundError, NotADirectoryError):
            return
        for entry in entries:
            path = folder + entry.name
            if entry.is_dir():
                below = path + "/"
                if below.startswith(prefix) or prefix.startswith(below):
                    yield from self._walk(below, prefix)
            elif path.startswith(prefix):
                yield path

    def read(self, path: str) -> bytes:
        """Return the content of a file."""
        return (self._root / path).read_bytes()

    @contextmanager
    def write(self, path: str, last: bool = False) -> Iterator[BinaryIO]:
        """Open a file to write."""
        # What belongs to one load stays in its folder, where the next try of the load sweeps it up.
        private = path.startswith(f"{PRIVATE}/")
        temp = self._root / (f"{path}.tmp" if private else f"{PRIVATE}/{unique_name()}.tmp")
        self._make_folder(temp.parent)
        try:
            with temp.open("wb", buffering=_BUFFER_BYTES) as stream:
                yield stream
                stream.flush()
                os.fsync(stream.fileno())
            if last:
                self._flush_folders()
            self._rename(temp, self._root / path)
            if last:
                self._flush_folders()
        except BaseException:
            temp.unlink(missing_ok=True)
            raise

    def move(self, source: str, target: str) -> None:
        """Rename a file."""
        self._rename(self._root / source, self._root / target)

    def _rename(self, source: Path, target: Path) -> None:
        self._make_folder(target.parent)
        os.replace(source, target)
        self._unflushed.add(target.parent)

    def _make_folder(self, folder: Path) -> None:
        missing = folder
        while not missing.exists():
            self._unflushed.add(missing.parent)
            missing = missing.parent
        folder.mkdir(parents=True, exist_ok=True)

    def _flush_folders(self) -> None:
        # A rename survives a power cut only when the folder is flushed too; Windows has no such call. Not
        # flushed is what lies below `_ladle`: nothing there counts before it is moved out.
        private = self._root / PRIVATE
        if os.name == "posix":
            for folder in self._unflushed:
                if private not in folder.parents:
                    _flush(folder)
        self._unflushed.clear()

    def delete(self, paths: Iterable[str]) -> None:
        """Delete files, and folders below `_ladle` that this leaves empty."""
        for path in paths:
            (self._root / path).unlink(missing_ok=True)
            folder = Path(path).parent
            while len(folder.parts) > 1 and folder.parts[0] == PRIVATE:
                try:
                    (self._root / folder).rmdir()
                except OSError:
                    break
                folder = folder.parent


def _flush(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class FsspecFiles:
    """A folder of an fsspec filesystem. A file is put together on this machine and sent as a whole.

    Args:
        filesystem: an `fsspec.AbstractFileSystem`.
        root: path of the folder there.
    """

    def __init__(self, filesystem: Any, root: str) -> None:
        self._fs = filesystem
        self._root = root.rstrip("/") + "/"

    def list(self, prefix: str) -> list[str]:
        """Return the paths that start with `prefix`."""
        folder = self._root + prefix.rpartition("/")[0]
        try:
            found = self._fs.find(folder)
        except FileNotFoundError:
            return []
        start = len(self._root.strip("/"))
        paths = (path.strip("/")[start:].lstrip("/") for path in found)
        return sorted(path for path in paths if path.startswith(prefix))

    def read(self, path: str) -> bytes:
        """Return the content of a file."""
        return cast(bytes, self._fs.cat_file(self._root + path))

    @contextmanager
    def write(self, path: str, last: bool = False) -> Iterator[BinaryIO]:
        """Open a file to write. `last` needs nothing here: each file is durable when it is sent."""
        with tempfile.TemporaryFile() as spool:
            yield cast(BinaryIO, spool)
            spool.seek(0)
            self._send(path, cast(BinaryIO, spool))

    def _send(self, path: str, spool: BinaryIO) -> None:
        target = self._root + path
        self._fs.makedirs(target.rpartition("/")[0], exist_ok=True)
        content = spool.read(_BUFFER_BYTES)
        if len(content) < _BUFFER_BYTES:
            self._fs.pipe_file(target, content)
            return
        with self._fs.open(target, "wb") as out:
            out.write(content)
            shutil.copyfileobj(spool, out, _BUFFER_BYTES)

    def move(self, source: str, target: str) -> None:
        """Rename a file."""
        to = self._root + target
        self._fs.makedirs(to.rpartition("/")[0], exist_ok=True)
        self._fs.mv(self._root + source, to)

    def delete(self, paths: Iterable[str]) -> None:
        """Delete files."""
        for path in paths:
            try:
                self._fs.rm_file(self._root + path)
            except FileNotFoundError:
                continue


_HINTS = {
    errno.EACCES: "let this user write to the folder, or choose another bucket_url",
    errno.EPERM: "let this user write to the folder, or choose another bucket_url",
    errno.EROFS: "the disk can only be read: choose another bucket_url",
    errno.ENOSPC: "the disk is full: free some space and run again, the package is kept",
    errno.EDQUOT: "the quota is used up: free some space and run again, the package is kept",
    errno.ENOTDIR: "a file stands where a folder is needed: move it, or choose another bucket_url",
    errno.EEXIST: "a file stands where a folder is needed: move it, or choose another bucket_url",
    errno.ENAMETOOLONG: "a name is too long for this disk: shorten the table name or the layout",
}


@contextmanager
def errors(doing: str, where: str) -> Iterator[None]:
    """Turn an `OSError` into ours.

    Args:
        doing: what was done, for the message.
        where: the root, for the message.

    Raises:
        DestinationError: with a hint what to do.
    """
    try:
        yield
    except OSError as exc:
        raise DestinationError(
            f"the files of `{where}` failed while {doing}: {exc}",
            hint=_HINTS.get(exc.errno or 0, "the package is kept: mend the cause and run again"),
        ) from exc
