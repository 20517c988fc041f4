"""Which rows a function destination has taken, line by line in a file of the load package."""

from __future__ import annotations

import threading
from pathlib import Path

import orjson


class Journal:
    """Rows by table that are done; a killed process leaves all it has noted.

    One line per batch, written when the function has taken it. It isn't flushed to disk each time: after a
    power cut the newest lines may be missing, and their batches are given once more.

    Args:
        path: of the file; made with the first line.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._whole = False
        self._done: dict[str, list[tuple[int, int]]] = {}
        for table, first, rows in _entries(path):
            self._done.setdefault(table, []).append((first, first + rows))

    def done(self, table: str) -> list[tuple[int, int]]:
        """Return first row and end of what is done, in order, apart from each other."""
        merged: list[tuple[int, int]] = []
        for first, end in sorted(self._done.get(table, ())):
            if merged and first <= merged[-1][1]:
                merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
            else:
                merged.append((first, end))
        return merged

    def add(self, table: str, first: int, rows: int) -> None:
        """Note that rows of a table are done. May be called from several threads."""
        line = orjson.dumps([table, first, rows]) + b"\n"
        with self._lock:
            if not self._whole:
                line = b"\n" + line  # the process before may have died within a line
                self._whole = True
            with self._path.open("ab") as file:
                file.write(line)
            self._done.setdefault(table, []).append((first, first + rows))


def _entries(path: Path) -> list[tuple[str, int, int]]:
    found = []
    for line in path.read_bytes().splitlines() if path.exists() else ():
        try:
            table, first, rows = orjson.loads(line)
        except ValueError:
            continue  # empty, or cut off by a kill: not done
        found.append((table, first, rows))
    return found
