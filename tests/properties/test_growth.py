"""Columns that grow by their values: where batches are cut, and what runs beside what, decides nothing."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

import pyarrow as pa
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.properties.documents import documents, flat_documents
from tests.properties.outcome import outcome, schema_after

from ladle.normalize.run import Options

WIDEN = Options(widen=True)
VALUES = st.sampled_from(
    [
        None,
        1,
        2,
        2**60,
        2**70,
        True,
        1.5,
        2.0,
        1e300,
        Decimal("1.5"),
        Decimal("1.123456789012"),
        Decimal(10) ** 30,
        "abc",
        " 12 ",
        "7.5",
        "2024-01-02",
        "2024-01-02T03:04:05Z",
        b"x",
        date(2024, 1, 2),
        datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC),
        time(1, 2, 3),
        {"a": 1},
        [1, "x"],
    ]
)
COLUMNS = st.lists(VALUES, min_size=1, max_size=8).map(lambda values: [{"v": value} for value in values])


@given(rows=COLUMNS)
@example(rows=[{"v": 1}, {"v": Decimal("1.5")}, {"v": 2.5}])
@example(rows=[{"v": 1}, {"v": "7.5"}, {"v": 2.5}])
@example(rows=[{"v": 1}, {"v": True}, {"v": "abc"}])
@example(rows=[{"v": 2**60}, {"v": 1.5}, {"v": "abc"}])
@settings(max_examples=20)
def test_cuts_of_one_column(rows: list[Any]) -> None:
    expected = outcome(rows, options=WIDEN)
    assert outcome(rows, batch_bytes=1, options=WIDEN) == expected
    assert outcome([rows[:1], rows[1:]], batch_bytes=1, options=WIDEN) == expected
    assert outcome(rows, batch_bytes=1, overlap=True, options=WIDEN) == expected


@given(before=COLUMNS, rows=COLUMNS)
@settings(max_examples=12)
def test_cuts_of_a_column_that_is_there(before: list[Any], rows: list[Any]) -> None:
    stored = schema_after(before, WIDEN)
    expected = outcome(rows, options=WIDEN, stored=stored)
    assert outcome(rows, batch_bytes=1, options=WIDEN, stored=stored) == expected


@given(rows=documents() | flat_documents(), before=st.integers(55, 70))
def test_cuts_of_documents(rows: list[Any], before: int) -> None:
    data = [{"n": i} for i in range(before)] + rows
    assert outcome(data, batch_bytes=1, options=WIDEN) == outcome(data, options=WIDEN)


WIDTHS = st.lists(
    st.sampled_from([pa.int8(), pa.int32(), pa.int64(), pa.decimal128(10, 2), pa.decimal128(12, 4)]),
    min_size=1,
    max_size=4,
)


def frame(number: int, width: pa.DataType) -> pa.Table:
    values = pa.array([number, None], pa.int8())
    return pa.table(
        {
            "v": values.cast(pa.decimal128(5, 0)).cast(width)
            if pa.types.is_decimal(width)
            else values.cast(width)
        }
    )


@given(before=st.sampled_from([pa.int16(), pa.decimal128(11, 3)]), widths=WIDTHS, widen=st.booleans())
def test_digits_of_frames_reach_a_column_that_is_there(before: Any, widths: list[Any], widen: bool) -> None:
    """The policy doesn't matter: frames mean their digits."""
    options = Options(widen=widen)
    kind = pa.types.is_decimal(before)
    same = [width for width in (before, *widths) if pa.types.is_decimal(width) == kind]
    frames = [frame(number, width) for number, width in enumerate(widths) if width in same]
    stored = schema_after(frame(0, before), options)
    data = list(frames) or [frame(0, before)]
    after = schema_after(data, options, stored)
    column = after.table_map["t"].columns["v"]
    if kind:
        scale = max(width.scale for width in same)
        whole = max(width.precision - width.scale for width in same)
        assert (column.precision, column.scale) == (whole + scale, scale)
    else:
        assert (column.precision or 64) == max(width.bit_width for width in same)
    pieces = [table.slice(row, 1) for table in data for row in range(2)]
    assert outcome(pieces, options=options, stored=stored) == outcome(data, options=options, stored=stored)
