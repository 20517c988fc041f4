"""Images of SQLite databases made of Arrow columns: SQLite reads the same values as if they had been bound."""

from __future__ import annotations

import gc
import os
import sqlite3
import sys
from collections.abc import Sequence
from contextlib import closing
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ladle.destinations import sqlite_image
from ladle.destinations.sqlite_image import first_page, image, imaged

PAGE = 65_536
TYPES: dict[pa.DataType, st.SearchStrategy[Any]] = {
    **{pa_type: st.integers(-(2 ** (n - 1)), 2 ** (n - 1) - 1) for n, pa_type in (
        (8, pa.int8()), (16, pa.int16()), (32, pa.int32()), (64, pa.int64()),
    )},
    pa.float64(): st.floats(),
    pa.string(): st.text(),
    pa.large_string(): st.text(),
    pa.binary(): st.binary(),
    pa.large_binary(): st.binary(),
}  # fmt: skip
EDGES = [0, 1, 2, -1, *(sign * 2**n + d for n in (7, 15, 23, 31, 47) for sign in (1, -1) for d in (-1, 0, 1))]
Cells = tuple[list[int], list[pa.Array], list[list[Any]]]


@pytest.fixture(autouse=True, scope="module")
def _compiled() -> None:
    if sqlite_image.code is None:
        assert not os.environ.get("CI"), (
            "ladle.destinations._image was not compiled: install ladle anew, see what it says"
        )
        pytest.skip("ladle was installed without its compiled part (no C compiler, or LADLE_PURE)")


def made(columns: Sequence[pa.Array], widths: Sequence[int] = ()) -> bytes | None:
    widths = widths or [1] * len(columns)
    first = first_page(len(widths))
    assert first is not None
    return image(first, widths, columns)


def read(found: bytes | None) -> list[tuple[Any, ...]]:
    """Return what SQLite reads, all of it and row by row, after it looked whether all is well."""
    assert found is not None
    with closing(sqlite3.connect(":memory:")) as db:
        db.deserialize(found)
        assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        rows = db.execute("SELECT * FROM t").fetchall()
        ids = [n for (n,) in db.execute("SELECT _rowid_ FROM t")]
        assert ids == list(range(1, len(rows) + 1))
        for number in {1, len(rows) // 2 + 1, len(rows)}:
            assert db.execute("SELECT * FROM t WHERE _rowid_ = ?", [number]).fetchone() == rows[number - 1]
    return rows


def bound(values: Sequence[Sequence[Any]]) -> list[tuple[Any, ...]]:
    """Return what SQLite reads of values that were bound."""
    with closing(sqlite3.connect(":memory:")) as db:
        db.execute(f"CREATE TABLE t ({', '.join(f'c{n}' for n in range(len(values)))})")
        db.executemany(f"INSERT INTO t VALUES ({', '.join('?' * len(values))})", zip(*values, strict=True))
        return db.execute("SELECT * FROM t").fetchall()


@st.composite
def _columns(draw: st.DrawFn) -> Cells:
    count, skipped = draw(st.integers(1, 40)), draw(st.integers(0, 9))
    widths, arrays, values = [], [], []
    for parts in draw(st.lists(st.integers(1, 3), min_size=1, max_size=4)):
        widths.append(parts)
        for kind in draw(st.lists(st.sampled_from(list(TYPES)), min_size=parts, max_size=parts)):
            cell = st.one_of(st.none(), TYPES[kind])
            cells = draw(st.lists(cell, min_size=count + skipped, max_size=count + skipped))
            arrays.append(pa.array(cells, kind).slice(skipped))
            values.append(cells[skipped:])
    return widths, arrays, values


def _first(cells: Sequence[Any]) -> Any:
    return next((cell for cell in cells if cell is not None and cell == cell), None)


@given(_columns())
@example(([1], [pa.array(EDGES)], [EDGES]))
def test_sqlite_reads_the_values_of_all_columns(given: Cells) -> None:
    widths, arrays, values = given
    ends = [sum(widths[: n + 1]) for n in range(len(widths))]
    parts = [values[end - n : end] for end, n in zip(ends, widths, strict=True)]
    wanted = bound([[_first(cells) for cells in zip(*part, strict=True)] for part in parts])
    found = read(made(arrays, widths))
    assert [repr(row) for row in found] == [repr(row) for row in wanted]  # 0.0 is no -0.0


@pytest.mark.parametrize("size", [1, 57, 58, 8_000, 30_000, 65_490])
def test_rows_lie_on_as_many_pages_as_they_need(size: int) -> None:
    count = 200
    values = [f"{n:05d}" * (size // 5 + 1) for n in range(count)]
    values = [value[:size] for value in values]
    found = made([pa.array(values), pa.array(range(count))])
    assert read(found) == [(value, n) for n, value in enumerate(values)]
    assert found is not None
    assert len(found) <= PAGE * (2 + 2 * count * (size + 20) // PAGE + 1)


def test_a_row_of_many_columns() -> None:
    values = [None if n % 3 == 0 else n if n % 3 == 1 else "x" * 60 for n in range(900)]
    columns = [pa.array([v, v], pa.string() if isinstance(v, str) else pa.int64()) for v in values]
    assert read(made(columns)) == [tuple(values)] * 2


@pytest.mark.parametrize("more", [0, 1])
def test_a_row_that_is_longer_than_a_page_makes_no_image(more: int) -> None:
    longest = PAGE - 35 - 4  # its size, and the text's, in the row
    found = made([pa.array(["a", "x" * (longest + more), "b"])])
    assert found is None if more else [len(text) for (text,) in read(found)] == [1, longest, 1]


def test_more_pages_than_one_tells_of_make_no_image() -> None:
    rows = [b"x" * 33_000] * 9_000
    assert made([pa.array(rows)]) is None
    assert len(read(made([pa.array(rows[:2_000])]))) == 2_000


@pytest.mark.parametrize("columns", [[pa.array([True])], [pa.array([], pa.int64())], [pa.nulls(2)]])
def test_what_is_no_number_text_or_bytes_makes_no_image(columns: list[pa.Array]) -> None:
    assert made(columns) is None


def test_pieces_come_with_their_image_where_it_can_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    pieces = [
        ([1], [pa.array([1])]),
        ([1], [pa.array(["x" * PAGE])]),
        ([2], [pa.array([None, 2]), pa.array([3, 4])]),
    ]
    images = [found for _, _, found in imaged(pieces)]
    assert [None if found is None else read(found) for found in images] == [[(1,)], None, [(3,), (2,)]]
    assert list(imaged([])) == []
    monkeypatch.setattr(sqlite_image, "code", None)
    assert [found for _, _, found in imaged(pieces)] == [None] * 3


def test_a_table_of_more_columns_than_sqlite_takes_makes_no_image() -> None:
    assert first_page(40_000) is None


def test_compiled_code_keeps_nothing() -> None:
    assert sqlite_image.code is not None
    first = first_page(1)
    held = pa.array([2**40 + n for n in range(100)]).buffers()[1]
    counts = sys.getrefcount(held), sys.getrefcount(first)
    for _ in range(10):
        assert sqlite_image.code.image(first, [("q", 0, None, held, None)], b"\1", 100) is not None
        with pytest.raises(ValueError, match="outside"):
            sqlite_image.code.image(first, [("s", 0, None, held, b"")], b"\1", 100)
    gc.collect()
    assert (sys.getrefcount(held), sys.getrefcount(first)) == counts


@pytest.mark.parametrize(
    "arguments",
    [
        ([], b"", 1),
        ([("q", 0, None, b"12345678", None)], b"", 1),
        ([("q", 0, None, b"12345678", None)], b"\0", 1),
        ([("q", 0, None, b"12345678", None)], b"\2", 1),
        ([("q", 0, None, b"12345678", None)], b"\1", 0),
        ([("q", 0, None, b"12345678", None)], b"\1", -1),
        ([("q", 0, None, b"1234567", None)], b"\1", 1),
        ([("q", -1, None, b"12345678", None)], b"\1", 1),
        ([("q", 0, b"", b"12345678", None)], b"\1", 1),
        ([("q", 0, None, None, None)], b"\1", 1),
        ([("s", 0, None, bytes(4), b"")], b"\1", 1),
        ([("x", 0, None, b"12345678", None)], b"\1", 1),
    ],
)
def test_compiled_code_reads_no_memory_that_is_not_there(arguments: Any) -> None:
    assert sqlite_image.code is not None
    with pytest.raises(ValueError, match="column|short|kind"):
        sqlite_image.code.image(first_page(1), *arguments)
    with pytest.raises(ValueError, match="page"):
        sqlite_image.code.image(b"", *arguments)


@pytest.mark.parametrize("offsets", [(0, 9), (3, 1), (-1, 1)])
def test_compiled_code_reads_no_text_that_is_not_there(offsets: tuple[int, int]) -> None:
    assert sqlite_image.code is not None
    data = pa.array(offsets, pa.int32()).buffers()[1]
    with pytest.raises(ValueError, match="outside"):
        sqlite_image.code.image(first_page(1), [("s", 0, None, data, b"text")], b"\1", 1)
