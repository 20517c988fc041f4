"""What is written and not yet flushed: small files wait for each other, the disk is waited for once."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

LARGE_BYTES = 1 << 20
"""Files of this size are flushed as soon as they are closed: their data takes longer than the wait."""


class Unflushed:
    """Files and folders of a package that a kill leaves as they are, and a power cut could still take.

    They are flushed before the manifest that names them. Flushed one right after the other, most find that
    the first one's flush has written them too.
    """

    def __init__(self) -> None:
        self._files: dict[Path, None] = {}
        self._folders: dict[Path, None] = {}

    def add(self, path: Path, file_bytes: int) -> None:
        """Take a file that was closed."""
        self._folders[path.parent] = None
        if file_bytes < LARGE_BYTES:
            self._files[path] = None
        else:
            _flush(path)

    def flush(self) -> None:
        """Flush all of it; safe to repeat. What was removed meanwhile is passed over."""
        for path in self._files:
            with suppress(FileNotFoundError):
                _flush(path)
        self._files.clear()
        for folder in self._folders:
            with suppress(FileNotFoundError):
                sync_folder(folder)
        self._folders.clear()


def sync_folder(folder: Path) -> None:
    """Flush the folder's entries, so that a rename survives a power cut; a no-op where not supported."""
    if os.name != "nt":
        _flush(folder)


def _flush(path: Path) -> None:
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
