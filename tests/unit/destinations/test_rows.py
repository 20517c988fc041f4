"""Rows of Python values out of Arrow columns: the same by compiled code and without it."""

from __future__ import annotations

import gc
import os
import sqlite3
import sys
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ladle.destinations import rows as both
from ladle.destinations.rows import rows

TYPES: dict[pa.DataType, st.SearchStrategy[Any]] = {
    **{pa_type: st.integers(-(2 ** (n - 1)), 2 ** (n - 1) - 1) for n, pa_type in (
        (8, pa.int8()), (16, pa.int16()), (32, pa.int32()), (64, pa.int64()),
    )},
    pa.float64(): st.floats(allow_nan=False),
    pa.string(): st.text(),
    pa.large_string(): st.text(),
    pa.binary(): st.binary(),
    pa.large_binary(): st.binary(),
    pa.bool_(): st.booleans(),
    pa.null(): st.none(),
}  # fmt: skip


@pytest.fixture(params=["compiled", "interpreted"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "interpreted":
        monkeypatch.setattr(both, "code", None)
    else:
        _need_compiled()


def _need_compiled() -> None:
    if both.code is None:
        assert not os.environ.get("CI"), (
            "ladle.destinations._rows was not compiled: install ladle anew, see what it says"
        )
        pytest.skip("ladle was installed without its compiled part (no C compiler, or LADLE_PURE)")


def _all(columns: Sequence[pa.Array], per: int) -> list[tuple[int, list[tuple[Any, ...]]]]:
    return [(number, [tuple(row) for row in found]) for number, found in rows(columns, per)]


@st.composite
def _columns(draw: st.DrawFn) -> tuple[list[pa.Array], list[list[Any]]]:
    count, skipped = draw(st.integers(0, 40)), draw(st.integers(0, 9))
    arrays, values = [], []
    for kind in draw(st.lists(st.sampled_from(list(TYPES)), min_size=1, max_size=5)):
        cell = st.one_of(st.none(), TYPES[kind])
        cells = draw(st.lists(cell, min_size=count + skipped, max_size=count + skipped))
        arrays.append(pa.array(cells, kind).slice(skipped))
        values.append(cells[skipped:])
    return arrays, values


@pytest.mark.parametrize("compiled", [True, False])
@given(given=_columns(), per=st.integers(1, 9))
def test_rows_have_the_values_of_all_columns(
    compiled: bool, given: tuple[list[pa.Array], list[list[Any]]], per: int
) -> None:
    arrays, values = given
    with pytest.MonkeyPatch.context() as patch:
        if compiled:
            _need_compiled()
        else:
            patch.setattr(both, "code", None)
        found = _all(arrays, per)
    wanted = list(zip(*values, strict=True))
    width = len(arrays)
    flat = [
        row[n * width : (n + 1) * width] for number, tuples in found for row in tuples for n in range(number)
    ]
    assert flat == wanted
    assert [repr(row) for row in flat] == [repr(row) for row in wanted]  # 1 is no True, 0.0 no -0.0
    assert [number for number, _ in found] == [
        n for n, some in ((per, len(wanted) // per), (1, len(wanted) % per)) if some
    ]


@pytest.mark.usefixtures("way")
def test_rows_are_as_many_as_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(both, "_PIECE_ROWS", 10)
    found = _all([pa.array(range(47)), pa.array(map(str, range(47)))], 4)
    assert [(number, len(tuples)) for number, tuples in found] == [(4, 11), (1, 3)]
    assert found[0][1][5] == (20, "20", 21, "21", 22, "22", 23, "23")
    assert found[1][1] == [(44, "44"), (45, "45"), (46, "46")]


@pytest.mark.usefixtures("way")
def test_rows_that_somebody_keeps_stay_what_they_are() -> None:
    ((_, found),) = rows([pa.array([1000, 2000, 3000])], 1)
    assert list(found) == [(1000,), (2000,), (3000,)]


@pytest.mark.usefixtures("way")
def test_text_that_is_no_text_is_an_error() -> None:
    text = pa.Array.from_buffers(
        pa.string(), 2, [None, pa.array([0, 1, 3], pa.int32()).buffers()[1], pa.py_buffer(b"a\xff\xfe")]
    )
    with pytest.raises(UnicodeDecodeError):
        _all([text], 1)


def test_compiled_code_keeps_nothing() -> None:
    _need_compiled()
    marker = object()
    before = sys.getrefcount(marker)
    data = pa.array([2**40 + n for n in range(100)])
    held = data.buffers()[1]
    counts = sys.getrefcount(held)
    assert both.code is not None
    for _ in range(10):
        found = both.code.rows([("q", 0, None, held, None), [marker] * 100], 0, 100, 3)
        next(found)
        del found
    gc.collect()
    assert (sys.getrefcount(marker), sys.getrefcount(held)) == (before, counts)


@pytest.mark.parametrize(
    "arguments",
    [
        ([], 0, 1, 1),
        ([[1]], 0, 2, 1),
        ([[1]], -1, 1, 1),
        ([[1]], 0, 1, 0),
        ([("q", 0, None, b"1234567", None)], 0, 1, 1),
        ([("q", -1, None, b"12345678", None)], 0, 1, 1),
        ([("q", 0, b"", b"12345678", None)], 0, 1, 1),
        ([("q", 0, None, None, None)], 0, 1, 1),
        ([("s", 0, None, bytes(4), b"")], 0, 1, 1),
        ([("x", 0, None, b"12345678", None)], 0, 1, 1),
    ],
)
def test_compiled_code_reads_no_memory_that_is_not_there(arguments: Any) -> None:
    _need_compiled()
    assert both.code is not None
    with pytest.raises(ValueError, match="column|short|kind"):
        both.code.rows(*arguments)


@pytest.mark.parametrize("offsets", [(0, 9), (3, 1), (-1, 1)])
def test_compiled_code_reads_no_text_that_is_not_there(offsets: tuple[int, int]) -> None:
    _need_compiled()
    assert both.code is not None
    data = pa.array(offsets, pa.int32()).buffers()[1]
    with pytest.raises(ValueError, match="outside"):
        next(both.code.rows([("s", 0, None, data, b"text")], 0, 1, 1))


@pytest.mark.usefixtures("way")
def test_sqlite_takes_them() -> None:
    with sqlite3.connect(":memory:") as db:
        db.execute("CREATE TABLE t (a, b)")
        columns = [pa.array([1, None, 3]), pa.array(["x", "é" * 100, None])]
        for number, found in rows(columns, 2):
            db.executemany("INSERT INTO t VALUES " + ", ".join(["(?, ?)"] * number), found)
        assert db.execute("SELECT * FROM t ORDER BY rowid").fetchall() == [
            (1, "x"),
            (None, "é" * 100),
            (3, None),
        ]
    db.close()
