"""Ready rows that wait in memory for a load that follows at once: neither written, nor flushed, nor read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa

from ladle.package.manifest import DataFile

HELD_BYTES = 64 << 20
"""Ready rows of one package, in bytes of Arrow, that may stay in memory; with more all go to files."""


class Held:
    """The ready rows of one small package, which are in no file.

    A kill loses them and nothing else: the raw files are sealed, and are normalised again. Whoever saves the
    package writes them to files first.

    Args:
        room_bytes: for how many bytes of Arrow there is room.

    Memory: O(room), and one batch.
    """

    def __init__(self, room_bytes: int = HELD_BYTES) -> None:
        self._room_bytes = room_bytes
        self.clear()

    def clear(self) -> None:
        """Forget all rows."""
        self._left_bytes = self._room_bytes
        self._unsealed: list[tuple[str, pa.RecordBatch]] = []
        self._files: dict[str, list[pa.RecordBatch]] = {}

    def __contains__(self, file: DataFile) -> bool:
        return file.name in self._files

    def batches(self, file: DataFile) -> Sequence[pa.RecordBatch]:
        """Return the rows that a file would hold; one batch at least."""
        return self._files[file.name]

    def take(self, key: str, batch: pa.RecordBatch) -> bool:
        """Keep a batch; tell whether there is room for more."""
        self._unsealed.append((key, batch))
        self._left_bytes -= batch.nbytes
        return self._left_bytes >= 0

    def let_go(self) -> list[tuple[str, pa.RecordBatch]]:
        """Return what was taken since the last seal, in its order, and keep it no longer."""
        taken, self._unsealed = self._unsealed, []
        return taken

    def seal(self, names: Iterator[str]) -> list[DataFile]:
        """Return what stands for the files that those rows would have made: one for each key and schema."""
        newest: dict[str, list[pa.RecordBatch]] = {}
        runs: list[tuple[str, list[pa.RecordBatch]]] = []
        for key, batch in self.let_go():
            run = newest.get(key)
            if run is None or not run[0].schema.equals(batch.schema, check_metadata=True):
                run = newest[key] = []
                runs.append((key, run))
            run.append(batch)
        sealed = []
        for key, run in runs:
            rows, largest = sum(b.num_rows for b in run), max(b.nbytes for b in run)
            file = DataFile(next(names), key, rows, file_bytes=0, batch_bytes=largest)
            self._files[file.name] = run
            sealed.append(file)
        return sealed

    def write(self, file: DataFile, folder: Path, options: pa.ipc.IpcWriteOptions) -> int:
        """Write the file after all; return its size in bytes."""
        batches, path = self._files.pop(file.name), str(folder / file.name)
        with (
            pa.OSFile(path, "wb") as sink,
            pa.ipc.new_stream(sink, batches[0].schema, options=options) as writer,
        ):
            for batch in batches:
                writer.write_batch(batch)
        return (folder / file.name).stat().st_size
