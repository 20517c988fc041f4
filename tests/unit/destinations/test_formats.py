"""Writers: what a file of each format holds, how rows are cut into chunks and files."""

from __future__ import annotations

import errno
import gzip
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, cast

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ladle.destinations.formats import FORMATS, chunked, file_format, write_file
from ladle.errors import UsageError
from ladle.schema.table import Column

SCHEMA = pa.schema([("a", pa.int64()), ("b", pa.string())])
COLUMNS = [Column("a", "bigint"), Column("b", "text")]


def one(rows: pa.RecordBatch) -> pa.Table:
    return pa.Table.from_batches([rows])


def batch(*rows: int) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays(
        [pa.array(rows, pa.int64()), pa.array([f"r{i}" for i in rows])], schema=SCHEMA
    )


def written(kind: str, *batches: pa.RecordBatch, compressed: bool = True, max_bytes: int = 1 << 30) -> bytes:
    stream = io.BytesIO()
    write_file(stream, FORMATS[kind], compressed, SCHEMA, COLUMNS, map(one, batches), max_bytes)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("by_run", "by_table", "name"),
    [
        (None, None, "jsonl"), (None, "preferred", "jsonl"), (None, "parquet", "parquet"),
        ("csv", "parquet", "csv"), ("csv", "preferred", "csv"),
    ],
)  # fmt: skip
def test_the_run_chooses_the_format_then_the_table(
    by_run: str | None, by_table: str | None, name: str
) -> None:
    assert file_format(by_run, by_table).name == name


def test_an_unknown_format_is_named() -> None:
    with pytest.raises(UsageError, match="did you mean `parquet`"):
        file_format(None, "parket")


def test_a_dictionary_goes_no_further_in_parquet_than_values_repeat() -> None:
    count = 65_536
    table = pa.table({"differ": range(count), "repeat": [f"kind {n % 3_000}" for n in range(count)]})
    stream = io.BytesIO()
    write_file(stream, FORMATS["parquet"], True, table.schema, [], [table], 1 << 30)
    group = pq.read_metadata(stream).row_group(0)
    differ, repeat = (group.column(n).total_uncompressed_size for n in range(2))
    assert differ < 1.1 * table["differ"].nbytes  # a whole dictionary, and numbers into it: 1.25
    assert repeat < table["repeat"].nbytes / 4
    assert pq.read_table(stream).equals(table)


def test_parquet_is_written_without_python_where_the_stream_has_a_path(tmp_path: Path) -> None:
    class Watched(io.FileIO):
        calls = 0

        def write(self, data: Any) -> int:
            Watched.calls += 1
            return super().write(data)

    with Watched(str(tmp_path / "t.parquet"), "wb") as stream:
        write_file(
            cast(BinaryIO, stream), FORMATS["parquet"], True, SCHEMA, COLUMNS, [one(batch(1))], 1 << 30
        )
    assert pq.read_table(tmp_path / "t.parquet").to_pylist() == [{"a": 1, "b": "r1"}]
    assert Watched.calls == 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device here that is always full")
def test_a_full_disk_is_told_by_its_number_in_parquet() -> None:
    rows = pa.table({"a": range(400_000)})
    with open("/dev/full", "wb") as stream, pytest.raises(OSError) as caught:  # noqa: PTH123 - a device
        write_file(stream, FORMATS["parquet"], True, rows.schema, [], [rows], 1 << 30)
    assert caught.value.errno == errno.ENOSPC


def test_jsonl() -> None:
    text = b'{"a":1,"b":"r1"}\n{"a":2,"b":"r2"}\n'
    assert written("jsonl", batch(1), batch(2), compressed=False) == text
    assert gzip.decompress(written("jsonl", batch(1), batch(2))) == text


def test_csv_has_a_header_also_without_rows() -> None:
    assert gzip.decompress(written("csv", batch(1, 2))) == b'"a","b"\n1,"r1"\n2,"r2"\n'
    assert written("csv", compressed=False) == b'"a","b"\n'


def test_parquet_has_a_row_group_per_chunk_and_a_schema_without_rows() -> None:
    file = pq.ParquetFile(io.BytesIO(written("parquet", batch(1, 2), batch(3))))
    assert file.num_row_groups == 2
    assert file.read().to_pylist() == [{"a": i, "b": f"r{i}"} for i in (1, 2, 3)]
    assert pq.read_schema(io.BytesIO(written("parquet"))).equals(SCHEMA)


@pytest.mark.parametrize("kind", FORMATS)
def test_same_rows_are_same_bytes(kind: str) -> None:
    assert written(kind, batch(1, 2)) == written(kind, batch(1, 2))


def test_a_file_that_is_full_leaves_the_rest() -> None:
    chunks = map(one, [batch(1), batch(2), batch(3)])
    stream = io.BytesIO()
    rows = write_file(stream, FORMATS["jsonl"], False, SCHEMA, COLUMNS, chunks, batch(1).nbytes + 1)
    assert rows == 2
    assert next(chunks).column("a").to_pylist() == [3]


def test_a_stream_that_fails_while_compressing_is_told() -> None:
    class Full(io.BytesIO):
        def write(self, data: object) -> int:
            raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        write_file(Full(), FORMATS["csv"], True, SCHEMA, COLUMNS, [one(batch(1))], 1 << 30)


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("cut", [[], [0], [5], [1, 0, 1], [100_000, 3, 200_000], [1] * 1000])
def test_chunks_are_sized_by_the_format_whatever_the_batches(kind: str, cut: list[int]) -> None:
    def batches() -> Iterator[pa.RecordBatch]:
        start = 0
        for rows in cut:
            yield batch(*range(start, start + rows))
            start += rows

    limits = FORMATS[kind]
    chunks = list(chunked(batches(), SCHEMA, limits))
    assert pa.concat_tables(chunks or [SCHEMA.empty_table()]).column("a").to_pylist() == list(range(sum(cut)))
    assert all(0 < c.num_rows <= limits.chunk_rows for c in chunks)
    small = [c for c in chunks if c.num_rows < limits.chunk_rows / 4]
    assert len(small) <= max(1, len([n for n in cut if n > limits.chunk_rows]))


def test_a_batch_of_big_values_is_cut_by_bytes() -> None:
    big = pa.RecordBatch.from_pydict({"b": ["x" * (1 << 20)] * 20})
    chunks = list(chunked([big], big.schema, FORMATS["jsonl"]))
    assert max(c.nbytes for c in chunks) <= FORMATS["jsonl"].chunk_bytes
    assert sum(c.num_rows for c in chunks) == 20
