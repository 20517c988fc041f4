"""Writers of data files: Parquet, CSV and JSON lines, from a stream of Arrow batches."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, BinaryIO, Protocol, cast

import pyarrow as pa
import pyarrow.parquet as pq

from ladle.destinations.cells import csv_header, csv_lines, json_lines
from ladle.errors import UsageError
from ladle.schema.change import column_comment, table_comment
from ladle.schema.table import Column, Table
from ladle.schema.tags import PREFIX, tags_of

_DICTIONARY_BYTES = 128 << 10  # at Parquet's 1 MB, most of a column whose values differ would go through one
_BUFFER_BYTES = 1 << 20
_GZIP_LEVEL = 4
_GZIP_WINDOW = 31  # zlib's way to ask for a gzip header


class Writer(Protocol):
    """One file being written."""

    def write(self, rows: pa.Table) -> None:
        """Add rows, at least one."""

    def close(self) -> None:
        """Write what ends the file; the stream stays open."""


@dataclass(frozen=True, slots=True)
class Format:
    """A kind of data file.

    Attributes:
        name: as in `loader_file_format`; the extension too.
        open: returns a writer to a stream for columns in an Arrow schema.
        gzipped: whether the files are compressed as a whole, unless that's switched off.
        chunk_rows: rows handed to the writer at once, at most.
        chunk_bytes: Arrow bytes of these rows, about; bounds the memory.
    """

    name: str
    open: Callable[[BinaryIO, pa.Schema, Sequence[Column]], Writer]
    gzipped: bool
    chunk_rows: int
    chunk_bytes: int


class _ParquetWriter:
    """Each chunk becomes a row group. A column's dictionary ends where its values turn out not to repeat."""

    def __init__(self, stream: BinaryIO, schema: pa.Schema, columns: Sequence[Column]) -> None:
        self._sink = _native(stream)
        self._writer = pq.ParquetWriter(
            self._sink,
            schema,
            compression="snappy",  # as in the reference: everything that reads Parquet reads it
            dictionary_pagesize_limit=_DICTIONARY_BYTES,
        )

    def write(self, rows: pa.Table) -> None:
        self._writer.write_table(rows, row_group_size=rows.num_rows)

    def close(self) -> None:
        try:
            self._writer.close()
        finally:
            if isinstance(self._sink, pa.NativeFile):
                self._sink.close()


def _native(stream: BinaryIO) -> BinaryIO | pa.NativeFile:
    """Return a way into a stream's file without Python, where the stream has written nothing and has a path.

    Each page would wait for Python's lock otherwise, while rows are being gathered.
    """
    name = getattr(stream, "name", None)
    return pa.BufferedOutputStream(pa.OSFile(name, "wb"), _BUFFER_BYTES) if isinstance(name, str) else stream


class _TextWriter:
    def __init__(
        self,
        stream: BinaryIO,
        columns: Sequence[Column],
        lines: Callable[..., pa.Buffer],
        header: bytes = b"",
    ) -> None:
        self._stream = stream
        self._columns = list(columns)
        self._lines = lines
        if header:
            stream.write(header)

    def write(self, rows: pa.Table) -> None:
        (batch,) = rows.combine_chunks().to_batches()
        self._stream.write(memoryview(self._lines(batch, self._columns)))

    def close(self) -> None:
        """Nothing ends a text file."""


def _open_jsonl(stream: BinaryIO, schema: pa.Schema, columns: Sequence[Column]) -> Writer:
    return _TextWriter(stream, columns, json_lines)


def _open_csv(stream: BinaryIO, schema: pa.Schema, columns: Sequence[Column]) -> Writer:
    return _TextWriter(stream, columns, csv_lines, csv_header(schema.names))


FORMATS = {
    "jsonl": Format("jsonl", _open_jsonl, gzipped=True, chunk_rows=1 << 15, chunk_bytes=8 << 20),
    "parquet": Format("parquet", _ParquetWriter, gzipped=False, chunk_rows=1 << 16, chunk_bytes=32 << 20),
    "csv": Format("csv", _open_csv, gzipped=True, chunk_rows=1 << 15, chunk_bytes=8 << 20),
}
"""The first is the default: what the reference prefers."""


def described(schema: pa.Schema, table: Table) -> pa.Schema:
    """Return an Arrow schema with descriptions and tags as metadata of the fields, and of the whole.

    The same schema where there are none.
    """
    texts = {name: column_comment(table.columns[name]) for name in schema.names}
    whole = table_comment(table)
    if whole is None and not any(texts.values()):
        return schema
    fields = [_described(field, table.columns[field.name], texts[field.name]) for field in schema]
    return pa.schema(fields, _metadata(whole, tags_of(table.extra)))


def _described(field: pa.Field, column: Column, text: str | None) -> pa.Field:
    return field.with_metadata(_metadata(text, tags_of(column.extra))) if text else field


def _metadata(text: str | None, tags: Mapping[str, Any]) -> dict[str, str] | None:
    if text is None:
        return None
    shown = {PREFIX + name: v if isinstance(v, str) else json.dumps(v) for name, v in tags.items()}
    return {"comment": text, **shown}


def file_format(asked_by_run: str | None, asked_by_table: str | None) -> Format:
    """Return the format of a table's files: what the run asks for wins, as in the reference.

    Raises:
        UsageError: unknown.
    """
    name = asked_by_run or asked_by_table
    if name in (None, "preferred"):
        return next(iter(FORMATS.values()))
    if name not in FORMATS:
        raise UsageError.unknown_choice("file format:", name, list(FORMATS))
    return FORMATS[name]


class _Gzip:
    """Compresses in a thread of its own, while the next rows are put into text.

    No time stamp is written, so that same rows are the same bytes.
    """

    def __init__(self, stream: BinaryIO, worker: ThreadPoolExecutor) -> None:
        self._stream = stream
        self._worker = worker
        self._deflate = zlib.compressobj(_GZIP_LEVEL, zlib.DEFLATED, _GZIP_WINDOW)
        self._pending: Future[None] | None = None

    def write(self, data: bytes | memoryview) -> int:
        self._wait()
        self._pending = self._worker.submit(self._compress, data)
        return len(data)

    def _compress(self, data: bytes | memoryview) -> None:
        self._stream.write(self._deflate.compress(data))

    def _wait(self) -> None:
        if self._pending is not None:
            self._pending.result()

    def finish(self) -> None:
        self._wait()
        self._stream.write(self._deflate.flush())


def write_file(
    stream: BinaryIO,
    kind: Format,
    compressed: bool,
    schema: pa.Schema,
    columns: Sequence[Column],
    chunks: Iterable[pa.Table],
    max_bytes: int,
) -> int:
    """Write chunks to one file until they are out or it has enough; returns the number of rows.

    Args:
        stream: open for binary writing.
        kind: the format.
        compressed: whether to gzip a text format.
        schema: of the chunks.
        columns: the table's columns, one per field of `schema`.
        chunks: taken one by one; what is left after `max_bytes` stays for the next file.
        max_bytes: Arrow bytes after which the file is full.
    """
    if not (compressed and kind.gzipped):
        return _fill(kind.open(stream, schema, columns), chunks, max_bytes)
    with ThreadPoolExecutor(1, "ladle-gzip") as worker:
        gzip = _Gzip(stream, worker)
        rows = _fill(kind.open(cast(BinaryIO, gzip), schema, columns), chunks, max_bytes)
        gzip.finish()
    return rows


def _fill(writer: Writer, chunks: Iterable[pa.Table], max_bytes: int) -> int:
    rows = size = 0
    try:
        for chunk in chunks:
            writer.write(chunk)
            rows += chunk.num_rows
            size += chunk.nbytes
            if size >= max_bytes:
                break
    except BaseException:
        with suppress(OSError, pa.ArrowException):
            writer.close()  # lets go of the file, which the caller takes away
        raise
    writer.close()
    return rows


def chunked(batches: Iterable[pa.RecordBatch], schema: pa.Schema, kind: Format) -> Iterator[pa.Table]:
    """Cut and join batches to chunks of the format's size, without empty ones. Memory: O(batch + chunk)."""
    pending: list[pa.RecordBatch] = []
    rows = size = 0
    for batch in batches:
        for piece in _cut(batch, kind):
            if pending and (
                rows + piece.num_rows > kind.chunk_rows or size + piece.nbytes > kind.chunk_bytes
            ):
                yield pa.Table.from_batches(pending, schema)
                pending, rows, size = [], 0, 0
            pending.append(piece)
            rows += piece.num_rows
            size += piece.nbytes
    if pending:
        yield pa.Table.from_batches(pending, schema)


def _cut(batch: pa.RecordBatch, kind: Format) -> Iterator[pa.RecordBatch]:
    if batch.num_rows == 0:
        return
    parts = max(-(-batch.nbytes // kind.chunk_bytes), -(-batch.num_rows // kind.chunk_rows), 1)
    step = -(-batch.num_rows // min(parts, batch.num_rows))
    for start in range(0, batch.num_rows, step):
        yield batch.slice(start, step)
