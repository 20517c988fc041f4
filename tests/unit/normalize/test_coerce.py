"""The coercion matrix: every cell of the golden file, and what must hold for all values."""

from __future__ import annotations

import csv
import math
import uuid
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ladle.normalize.coerce import coerce, kind_data_type
from ladle.normalize.detect import is_iso_timestamp
from ladle.schema.table import Column
from ladle.schema.types import WEI_RAW, arrow_type

GOLDEN = Path(__file__).parents[2] / "golden" / "coercion.csv"
COLUMNS = {
    "text": Column("v", "text"),
    "bigint": Column("v", "bigint"),
    "bigint(8)": Column("v", "bigint", precision=8),
    "double": Column("v", "double"),
    "bool": Column("v", "bool"),
    "timestamp": Column("v", "timestamp"),
    "timestamp(naive)": Column("v", "timestamp", timezone=False),
    "timestamp(3,naive)": Column("v", "timestamp", precision=3, timezone=False),
    "date": Column("v", "date"),
    "time": Column("v", "time"),
    "decimal": Column("v", "decimal"),
    "decimal(10,2)": Column("v", "decimal", precision=10, scale=2),
    "wei": Column("v", "wei"),
    "binary": Column("v", "binary"),
    "json": Column("v", "json"),
}


class Wei(int):
    """Stands for what the raw stage keeps as `wei`."""


NAMES: dict[str, Any] = {
    "Decimal": Decimal, "Wei": Wei, "date": date, "datetime": datetime, "float": float, "time": time,
    "timedelta": timedelta, "timezone": timezone, "uuid": uuid,
}  # fmt: skip


def raw(value: Any) -> tuple[pa.Array, str]:
    """Return the raw array of one value and its kind, as extract makes them."""
    match value:
        case Wei():
            return pa.array([Decimal(value)], WEI_RAW), "wei"
        case bool():
            return pa.array([value]), "bool"
        case int():
            return pa.array([value]), "bigint"
        case float():
            return pa.array([value]), "double"
        case datetime() if value.tzinfo:
            return pa.array([value.astimezone(UTC)], pa.timestamp("us", "UTC")), "timestamp"
        case datetime():
            return pa.array([value], pa.timestamp("us")), "timestamp_ntz"
        case time():
            return pa.array([value.replace(tzinfo=None)], pa.time64("us")), "time"
        case Decimal() | bytes() | date():
            return pa.array([value]), {Decimal: "decimal", bytes: "binary", date: "date"}[type(value)]
    return pa.array([str(value)]), "text"


def outcome(column: str, value: Any) -> str:
    """Return what becomes of a value: its new spelling, or `V:` and the type of its variant column."""
    if column == "none":
        return "timestamp" if is_iso_timestamp(value) else "text"
    array, kind = raw(value)
    values, failed = coerce(array, kind, COLUMNS[column])
    assert values.type == arrow_type(COLUMNS[column])
    if failed is not None:
        assert (values.to_pylist(), failed.to_pylist()) == ([None], [True])
        return f"V:{kind_data_type(kind)}"
    return spelled(values[0].as_py())


def spelled(value: Any) -> str:
    if isinstance(value, datetime):
        return f"datetime {value.isoformat()}"
    return f"Decimal('{value:f}')" if isinstance(value, Decimal) else repr(value)


def golden() -> list[dict[str, str]]:
    with GOLDEN.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("column", [*COLUMNS, "none"])
def test_every_cell_of_the_golden_file(column: str) -> None:
    cells = {row["value"]: row["ladle"] for row in golden() if row["column"] == column}
    assert cells
    found = {value: outcome(column, eval(value, NAMES)) for value in cells}  # noqa: S307 - our own file
    assert found == cells


def test_every_difference_from_the_reference_has_a_reason() -> None:
    unexplained = [row for row in golden() if (row["reference"] != row["ladle"]) != bool(row["reason"])]
    assert unexplained == []


# ---- more than one row

KINDS: dict[str, tuple[pa.DataType, st.SearchStrategy[Any]]] = {
    "bool": (pa.bool_(), st.booleans()),
    "bigint": (
        pa.int64(),
        st.one_of(
            st.integers(-(2**63), 2**63 - 1),
            st.integers(-1, 2),
            st.integers(-400, 400).map(lambda days: days * 86400),
        ),
    ),
    "wei": (WEI_RAW, st.integers(-(10**76) + 1, 10**76 - 1).map(Decimal)),
    "double": (
        pa.float64(),
        st.one_of(st.floats(), st.integers(-(10**6), 10**6).map(lambda n: n / 1000), st.floats(1e-8, 1e18)),
    ),
    "decimal": (
        pa.decimal128(38, 12),
        st.one_of(
            st.decimals(-(10**9), 10**9, places=12),
            st.decimals(-99, 99, places=2),
            st.integers(-(10**25), 10**25).map(Decimal),
        ),
    ),
    "timestamp": (
        pa.timestamp("us", "UTC"),
        st.one_of(
            st.datetimes(timezones=st.just(UTC)),
            st.dates().map(lambda day: datetime.combine(day, time(), UTC)),
        ),
    ),
    "timestamp_ntz": (pa.timestamp("us"), st.datetimes()),
    "date": (pa.date32(), st.dates()),
    "time": (pa.time64("us"), st.times()),
    "binary": (pa.binary(), st.binary(max_size=6)),
    "json": (pa.string(), st.sampled_from(["{}", "[1]", '{"a": null}'])),
}
NUMERALS = st.from_regex(r"\A ?[+-]?0{0,2}[0-9]{0,19}\.?[0-9]{0,20}([eE][+-]?[0-9]{1,3})? ?\Z")
STAMPS = st.from_regex(
    r"\A(19|20)[0-9]{2}-?[01][0-9]-?[0-3][0-9]([T ][0-2][0-9](:?[0-5][0-9](:?[0-5][0-9]([.,][0-9]{1,9})?)?)?"
    r"(Z|[+-]0[0-9]:?[0-5]0)?)?\Z"
)
WORDS = [
    *[
        "",
        "nan",
        "inf",
        "-Infinity",
        "yes",
        "No",
        "1",
        "0",
        "true",
        "{}",
        "[]",
        "[1,]",
        "{a}",
        "0x1f",
        "1_000",
    ],
    *["12", "2024", "2024-W01-1", "20240102", "03:04:05", "3:4", "T0304", "00:00", "1e400", "2024-02-29"],
    *["2023-02-29", "9999-12-31T23:59:59Z", "0000-01-01"],
]
TEXT = st.one_of(
    NUMERALS,
    STAMPS,
    st.sampled_from(WORDS),
    st.floats().map(repr),
    st.datetimes().map(datetime.isoformat),
    st.text(max_size=8),
)
KINDS["text"] = (pa.string(), TEXT)
TARGETS = {
    **COLUMNS,
    "bigint(32)": Column("v", "bigint", precision=32),
    "timestamp(9)": Column("v", "timestamp", precision=9),
    "timestamp(0)": Column("v", "timestamp", precision=0),
    "decimal(4,4)": Column("v", "decimal", precision=4, scale=4),
    "decimal(76,38)": Column("v", "decimal", precision=76, scale=38),
}


@st.composite
def arrays(draw: st.DrawFn) -> tuple[pa.Array, str]:
    kind = draw(st.sampled_from(sorted(KINDS)))
    arrow, values = KINDS[kind]
    return pa.array(draw(st.lists(st.one_of(st.none(), values), max_size=7)), arrow), kind


columns = st.sampled_from(list(TARGETS.values()))


def pairs(array: pa.Array, kind: str, column: Column) -> list[tuple[Any, bool]]:
    values, failed = coerce(array, kind, column)
    flags = [False] * len(array) if failed is None else failed.to_pylist()
    # NaN is not equal to itself
    return [(repr(value), flag) for value, flag in zip(ticks(values), flags, strict=True)]


def ticks(values: pa.Array) -> list[Any]:
    return values.view(pa.int64()).to_pylist() if pa.types.is_timestamp(values.type) else values.to_pylist()


@given(arrays(), columns)
@settings(max_examples=400, deadline=None)
def test_rows_do_not_influence_each_other(sample: tuple[pa.Array, str], column: Column) -> None:
    array, kind = sample
    alone = [pair for row in range(len(array)) for pair in pairs(array.slice(row, 1), kind, column)]
    assert pairs(array, kind, column) == alone


@given(arrays(), columns)
@settings(max_examples=200, deadline=None)
def test_a_row_is_null_coerced_or_marked(sample: tuple[pa.Array, str], column: Column) -> None:
    array, kind = sample
    values, failed = coerce(array, kind, column)
    assert values.type == arrow_type(column)
    assert failed is None or True in failed.to_pylist()
    flags = [False] * len(array) if failed is None else failed.to_pylist()
    for had, has, flag in zip(array.is_valid(), values.is_valid(), flags, strict=True):
        assert flag is (had.as_py() and not has.as_py())


# kind: the types from which there is a way back
WAYS_BACK = {
    "bool": ["text"],
    "bigint": ["text", "bigint(8)", "double", "decimal"],
    "wei": ["text", "double", "decimal", "decimal(76,38)"],
    "double": ["text", "decimal", "decimal(10,2)", "wei"],
    "decimal": ["text", "bigint", "double", "wei", "decimal"],
    "timestamp": ["text", "date", "timestamp(naive)", "timestamp(9)"],
    "timestamp_ntz": ["text", "date", "timestamp"],
    "date": ["text", "timestamp", "timestamp(3,naive)"],
    "time": ["text"],
}


@pytest.mark.parametrize(("kind", "target"), [(k, t) for k, targets in WAYS_BACK.items() for t in targets])
@given(data=st.data())
@settings(max_examples=30, deadline=None)
def test_what_is_coerced_can_be_coerced_back(kind: str, target: str, data: st.DataObject) -> None:
    arrow, values = KINDS[kind]
    array = pa.array(data.draw(st.lists(values, max_size=6)), arrow)
    there, failed = coerce(array, kind, TARGETS[target])
    kept = array if failed is None else array.filter(pc.invert(failed))
    back, lost = coerce(there.drop_null(), str(TARGETS[target].data_type), column_like(kind, arrow))
    assert lost is None
    assert [comparable(v) for v in ticks(back)] == [comparable(v) for v in ticks(kept)]


def column_like(kind: str, arrow: pa.DataType) -> Column:
    if kind in ("decimal", "wei"):
        return Column("v", "decimal", precision=76, scale=arrow.scale)
    return Column("v", kind_data_type(kind), timezone=False if kind == "timestamp_ntz" else None)


def comparable(value: Any) -> Any:
    return "nan" if isinstance(value, float) and math.isnan(value) else value


# ---- cells with a story

Story = tuple[str, pa.Array, Column, list[Any]]
UTC_US = pa.timestamp("us", "UTC")
STORIES: dict[str, Callable[[], Story]] = {
    "nanoseconds of a frame are not cut without a hint": lambda: (
        "timestamp", pa.array([1_000, 1_001], pa.timestamp("ns", "UTC")), Column("v", "timestamp"),
        [datetime(1970, 1, 1, 0, 0, 0, 1, UTC), None],
    ),
    "a precision hint cuts towards the past": lambda: (
        "timestamp_ntz", pa.array([-1, 1_999_999], pa.timestamp("us")),
        Column("v", "timestamp", precision=0, timezone=False), [datetime(1969, 12, 31, 23, 59, 59),
        datetime(1970, 1, 1, 0, 0, 1)],
    ),
    "beyond the reach of nanoseconds": lambda: (
        "timestamp", pa.array([datetime(2300, 1, 1, tzinfo=UTC)], UTC_US), Column("v",
        "timestamp", precision=9), [None],
    ),
    "Decimals are rounded half up by a hint, not beyond its digits": lambda: (
        "decimal", pa.array([Decimal("1.225"), Decimal("-1.225"), Decimal("99.994"), Decimal("99.995")]),
        Column("v", "decimal", precision=4, scale=2),
        [Decimal("1.23"), Decimal("-1.23"), Decimal("99.99"), None],
    ),
    "decimal text is rounded by a hint": lambda: (
        "text", pa.array(["1.239", "99.995", "1e-3", "0." + "3" * 60, "x"]), Column("v",
        "decimal", precision=4, scale=2),
        [Decimal("1.24"), None, Decimal("0.00"), Decimal("0.33"), None],
    ),
    "only a scale is a hint too": lambda: (
        "decimal", pa.array([Decimal("1.26")]), Column("v", "decimal", scale=1), [Decimal("1.3")],
    ),
    "digits that fill the widest decimal": lambda: (
        "decimal", pa.array([Decimal("0." + "9" * 76)], pa.decimal256(76, 76)), Column("v",
        "decimal", precision=3, scale=2),
        [Decimal("1.00")],
    ),
    "wei is as wide as the destination": lambda: (
        "wei", pa.array([Decimal(10**38 - 1), Decimal(10**38)], WEI_RAW), Column("v", "wei"),
        [Decimal(10**38 - 1), None],
    ),
    "narrow integers of a frame": lambda: (
        "bigint", pa.array([-128, None, 127], pa.int8()), Column("v", "bigint"), [-128, None, 127],
    ),
    "integers a narrow column doesn't hold": lambda: (
        "bigint", pa.array([-129, -128, 127, 128]), Column("v", "bigint", precision=8),
        [None, -128, 127, None],
    ),
    "a JSON value is text in a text column": lambda: (
        "json", pa.array(['{"a":1}', None]), Column("v", "text"), ['{"a":1}', None],
    ),
    "large strings": lambda: (
        "text", pa.array(["1", "x"], pa.large_string()), Column("v", "bigint"), [1, None],
    ),
}  # fmt: skip


@pytest.mark.parametrize("story", STORIES)
def test_cells_with_a_story(story: str) -> None:
    kind, array, column, expected = STORIES[story]()
    values, failed = coerce(array, kind, column)
    assert values.to_pylist() == expected
    assert (failed is None) == (values.null_count == array.null_count)


def test_a_kind_without_a_cell_stays_out_whole() -> None:
    values, failed = coerce(pa.array([b"x", None]), "binary", Column("v", "bigint"))
    assert values.equals(pa.nulls(2, pa.int64()))
    assert failed is not None
    assert failed.to_pylist() == [True, False]


def test_wei_digits_of_the_destination() -> None:
    values, failed = coerce(pa.array([Decimal(10**60)], WEI_RAW), "wei", Column("v", "wei"), wei_digits=76)
    assert failed is None
    assert values.type == pa.decimal256(76, 0)


def test_long_arrays_are_coerced_in_pieces_without_a_seam() -> None:
    rows = [f"2024-01-02T03:04:{n % 60:02}Z" for n in range(40_000)]
    rows[20_000] = "n/a"
    values, failed = coerce(pa.array(rows), "text", Column("v", "timestamp"))
    assert failed is not None
    assert failed.to_pylist() == [n == 20_000 for n in range(40_000)]
    assert values[39_999].as_py() == datetime(2024, 1, 2, 3, 4, 39_999 % 60, tzinfo=UTC)


@pytest.mark.parametrize(
    ("kind", "data_type"), [("timestamp_ntz", "timestamp"), ("wei", "wei"), ("json", "json")]
)
def test_kind_data_type(kind: str, data_type: str) -> None:
    assert kind_data_type(kind) == data_type
