"""Frames and rows have one result: the same rows kept, the same state; I11 of the spec's feature table."""

from __future__ import annotations

import operator
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pandas
import polars
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.sources.cursors import FORMS, Runs, as_rows, cs, ids

from ladle.errors import (
    IncrementalCursorInvalidCoercion,
    IncrementalCursorPathHasValueNone,
    IncrementalCursorPathMissing,
    IncrementalPrimaryKeyMissing,
)
from ladle.sources.incremental import Incremental
from ladle.sources.incremental_path import is_frame

FRAMES = [form for form in FORMS if form not in ("rows", "singles")]


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


@pytest.mark.parametrize("form", FORMS)
def test_two_runs(form: str) -> None:
    runs = Runs(Incremental("c"))
    assert runs(ids((1, 1), (2, 2), (3, 2)), form=form) == ids((1, 1), (2, 2), (3, 2))
    assert sorted(runs.stored()["unique_hashes"]) == ["iOJG2tLJhrrC", "pIY9NBilOlYd"]
    assert runs(ids((2, 2), (4, 2), (5, 3)), form=form) == ids((4, 2), (5, 3))


@pytest.mark.parametrize(
    ("first", "second", "kept"),
    [
        (cs("a", "b"), cs("a", "b", "c"), cs("c")),
        (cs(1.5, 2.5), cs(2.0, 2.5, 3.5), cs(3.5)),
        (cs(Decimal("1.50"), Decimal("2.50")), cs(Decimal("2.50"), Decimal("2.51")), cs(Decimal("2.51"))),
        (cs(date(2024, 1, 1)), cs(date(2024, 1, 1), date(2024, 1, 2)), cs(date(2024, 1, 2))),
        (cs(at("2024-01-01")), cs(at("2024-01-01"), at("2024-01-02")), cs(at("2024-01-02"))),
        (
            cs(at("2024-01-01T00:00+00:00")),
            cs(at("2024-01-01T00:00+00:00"), at("2024-01-01T00:00:00.000001+00:00")),
            cs(at("2024-01-01T00:00:00.000001+00:00")),
        ),
        (cs(2**60), cs(2**60, 2**60 + 1), cs(2**60 + 1)),
        (cs(False), cs(False, True), cs(True)),
    ],
    ids=lambda rows: type(rows[0]["c"]).__name__,
)
@pytest.mark.parametrize("form", FORMS)
def test_types(form: str, first: list[Any], second: list[Any], kept: list[Any]) -> None:
    runs = Runs(Incremental("c"))
    runs(first, form=form)
    assert runs(second, form=form) == kept
    last = runs.stored()["last_value"]
    assert (last, type(last)) == (kept[-1]["c"], type(kept[-1]["c"]))


def test_runs_can_change_form() -> None:
    rows = [{"c": at(f"2024-01-0{n}T00:00+00:00"), "v": n / 2, "t": "x"} for n in range(1, 6)]
    for one in FORMS:
        for other in FORMS:
            runs = Runs(Incremental("c"))
            runs(rows[:3], form=one)
            assert runs(rows, form=other) == rows[3:], (one, other)


def test_rows_without_cursor_beside_repeated_rows_only() -> None:
    for form in FORMS:
        runs = Runs(Incremental("c", on_cursor_value_missing="include"))
        runs([{"c": 0, "id": 1}], form=form)
        assert runs([{"c": None, "id": 2}, {"c": 0, "id": 1}], form=form) == [{"c": None, "id": 2}], form


values = st.integers(0, 6) | st.none()
cursors = st.builds(
    lambda options, bounds: Incremental("c", **options, **bounds),
    st.fixed_dictionaries(
        {
            "on_cursor_value_missing": st.sampled_from(["include", "exclude"]),
            "range_start": st.sampled_from(["open", "closed"]),
            "range_end": st.sampled_from(["open", "closed"]),
            "primary_key": st.sampled_from([None, "id", ["id", "c"], ()]),
            "lag": st.sampled_from([None, 0, 1, 2.5]),
        }
    ),
    st.sampled_from(
        [
            {},
            {"initial_value": 2},
            {"initial_value": 2.5},
            {"initial_value": Decimal("1.5")},
            {"initial_value": 1, "end_value": 5},
            {"initial_value": 1.5, "end_value": 4.5},
            {"last_value_func": min},
            {"last_value_func": min, "initial_value": 5},
            {"last_value_func": min, "initial_value": 5, "end_value": 2},
        ]
    ),
)
kinds = st.sampled_from(
    [
        lambda v: v,
        float,
        lambda v: Decimal(v),
    ]
)
histories = st.lists(
    st.lists(st.lists(st.tuples(st.integers(0, 3), values), max_size=5), max_size=3), max_size=4
)


def outcome(cursor: Incremental[Any], history: Any, form: str, kind: Any) -> Any:
    runs = Runs(cursor)
    kept: list[Any] = []
    for pages in history:
        made = [[{"id": i, "c": None if v is None else kind(v)} for i, v in page] for page in pages]
        kept.append(runs(*made, form=form))
    state = runs.state.get("incremental", {}).get("c", {})
    return kept, {**state, "unique_hashes": sorted(state.get("unique_hashes", ()))}


@given(cursors, histories, kinds, st.sampled_from([f for f in FORMS if f != "rows"]))
@settings(max_examples=300, deadline=None)
def test_every_form_gives_the_same(cursor: Incremental[Any], history: Any, kind: Any, form: str) -> None:
    assert outcome(cursor, history, form, kind) == outcome(cursor, history, "rows", kind)


@given(cursors, histories, st.sampled_from(FORMS))
@settings(max_examples=200, deadline=None)
def test_cuts_of_pages_do_not_matter(cursor: Incremental[Any], history: Any, form: str) -> None:
    whole = [[[row for page in pages for row in page]] for pages in history]
    single = [[[row] for page in pages for row in page] for pages in history]
    expected = outcome(cursor, whole, "rows", int)
    assert outcome(cursor, history, form, int) == expected
    assert outcome(cursor, single, form, int) == expected


@given(
    st.lists(st.tuples(st.integers(0, 30), st.integers(0, 5)), unique_by=operator.itemgetter(0), max_size=15),
    st.randoms(use_true_random=False),
    st.sampled_from(FORMS),
)
@settings(max_examples=150, deadline=None)
def test_overlapping_runs_load_each_keyed_row_once_in_any_order(rows: Any, random: Any, form: str) -> None:
    """New rows come at the last value or after it; every run reads everything again, in another order."""
    rows = sorted(({"id": i, "c": c} for i, c in rows), key=lambda row: row["c"])
    runs = Runs(Incremental("c", primary_key="id"))
    loaded: list[Any] = []
    for end in (len(rows) // 3, len(rows) // 2, len(rows)):
        seen = list(rows[:end])
        random.shuffle(seen)
        cut = random.randint(0, len(seen))
        loaded += runs(seen[:cut], seen[cut:], form=form)
    assert sorted(loaded, key=lambda row: row["id"]) == sorted(rows, key=lambda row: row["id"])


@pytest.mark.parametrize("form", FRAMES)
def test_i06_rows_without_cursor(form: str) -> None:
    with pytest.raises(IncrementalCursorPathHasValueNone, match=r"resource=`r`[\s\S]*row=`3`"):
        Runs(Incremental("c"))(ids((1, 1), (2, 2)), ids((3, 3), (4, None)), form=form)
    with pytest.raises(IncrementalCursorPathMissing, match=r"expected: one of id, c"):
        Runs(Incremental("zzz"))(ids((1, 1)), form=form)
    include = Runs(Incremental("zzz", on_cursor_value_missing="include"))
    assert include(ids((1, 1)), form=form) == ids((1, 1))
    assert Runs(Incremental("zzz", on_cursor_value_missing="exclude"))(ids((1, 1)), form=form) == []


@pytest.mark.parametrize("form", FRAMES)
@pytest.mark.parametrize(
    ("initial", "value"),
    [
        (1, "a"),
        ("a", 1),
        (at("2024-01-01"), "a"),
        (date(2024, 1, 1), at("2024-01-02")),
        (at("2024-01-01"), date(2024, 1, 2)),
    ],
)
def test_mixed_types_are_refused(form: str, initial: Any, value: Any) -> None:
    with pytest.raises(IncrementalCursorInvalidCoercion, match=r"resource=`r`[\s\S]*row=`0`"):
        Runs(Incremental("c", initial_value=initial))(cs(value), form=form)


def test_a_row_without_key_is_refused() -> None:
    with pytest.raises(IncrementalPrimaryKeyMissing):
        Runs(Incremental("c", primary_key="zz"))(ids((1, 1)), form="arrow")


@pytest.mark.parametrize("form", ["arrow", "polars"])
def test_without_zone_is_utc(form: str) -> None:
    runs = Runs(Incremental("c", initial_value=at("2024-01-02T00:00+00:00")))
    assert runs(cs(at("2024-01-01"), at("2024-01-03")), form=form) == cs(at("2024-01-03"))
    assert runs.stored()["last_value"] == at("2024-01-03T00:00+00:00")
    assert runs(cs(at("2024-01-03"), at("2024-01-04")), form="rows") == cs(at("2024-01-04"))


def test_zones_are_kept_and_compared_as_instants() -> None:
    berlin = pa.array([at("2024-01-01"), at("2024-01-02")], pa.timestamp("us", "Europe/Berlin"))
    runs = Runs(Incremental("c", initial_value=at("2024-01-01T12:00+00:00")))
    (row,) = runs(pa.table({"c": berlin}))
    assert row["c"] == at("2024-01-02T00:00+00:00")
    last = runs.stored()["last_value"]
    assert (last, last.utcoffset()) == (at("2024-01-02T00:00+00:00"), timedelta(0))
    assert runs(cs(at("2024-01-02T02:00").replace(tzinfo=timezone(timedelta(hours=2))))) == []


def test_nanoseconds_are_compared_as_microseconds() -> None:
    table = pa.table(
        {"c": pa.array([1_700_000_000_123_456_789, 1_700_000_000_123_456_001], pa.timestamp("ns"))}
    )
    runs = Runs(Incremental("c"))
    bound = runs.bound()
    assert bound(table) is table
    bound.store(runs.state)
    assert runs.stored()["last_value"] == datetime(2023, 11, 14, 22, 13, 20, 123456)
    assert runs.bound()(table) is None


@pytest.mark.parametrize(
    "column",
    [
        pa.array(["a", "b"]).dictionary_encode(),
        pa.array(["a", "b"], pa.large_string()),
        pa.array(["a", "b"], pa.string_view()),
        pa.array([1, 2], pa.uint64()),
        pa.array([1, 2], pa.int8()),
        pa.array([1, 2], pa.float32()),
        pa.array([Decimal("1.0"), Decimal("2.0")], pa.decimal256(60, 1)),
        pa.array([date(2024, 1, 1), date(2024, 1, 2)], pa.date64()),
        pa.array([1, 2], pa.timestamp("s")),
        pa.array([1, 2], pa.timestamp("ms", "UTC")),
        pa.array([1, 2], pa.duration("us")),
        pa.array([1, 2], pa.time64("us")),
    ],
    ids=lambda column: str(column.type),
)
def test_arrow_types(column: pa.Array) -> None:
    bound = Incremental("c").bound("r")
    table = pa.table({"c": column})
    assert bound(table) is table
    last = bound.last_value
    assert bound.get_state()["unique_hashes"]
    again = Incremental("c").bound("r", bound.get_state())
    assert again(table) is None
    below = Incremental("c", initial_value=last).bound("r")
    assert below(table).num_rows == 1


@pytest.mark.parametrize("rows", [[{"a": {"b": 1}}, {"a": {"b": 2}}, {"a": None}]])
@pytest.mark.parametrize("form", ["rows", "arrow", "polars"])
@pytest.mark.parametrize("path", ["a.b", "$.a.b", "a['b']"])
def test_i10_nested_paths(path: str, form: str, rows: list[Any]) -> None:
    runs = Runs(Incremental(path, initial_value=2, on_cursor_value_missing="include"))
    assert runs(rows, form=form) == rows[1:]
    assert runs.stored()["last_value"] == 2


@pytest.mark.parametrize("form", FORMS)
def test_i03_own_function_on_frames(form: str) -> None:
    runs = Runs(Incremental("c", last_value_func=lambda event: max(event)))
    runs(cs(1, 3, 2), form=form)
    assert runs(cs(3, 2, 4), form=form) == cs(4)


@pytest.mark.parametrize("form", ["arrow", "pandas", "polars"])
def test_i07_row_order_on_frames(form: str) -> None:
    cursor = Incremental("c", initial_value=2, end_value=5, row_order="asc")
    assert Runs(cursor)(cs(1, 2), cs(4, 5), cs(3), form=form) == cs(2, 4)


def test_a_frame_keeps_its_kind_and_is_not_copied_when_it_passes_whole() -> None:
    table = pa.table({"id": [1, 2, 3], "c": [1, 2, 3]})
    frames = [table, table.to_batches()[0], table.to_pandas(), polars.from_arrow(table)]
    for frame in frames:
        assert Incremental("c").bound("r")(frame) is frame
        kept = Incremental("c", initial_value=2).bound("r")(frame)
        assert type(kept) is type(frame)
        assert as_rows(kept) == ids((2, 2), (3, 3))
        assert Incremental("c", initial_value=9).bound("r")(frame) is None
    lazy = Incremental("c", initial_value=2).bound("r")(polars.from_arrow(table).lazy())
    assert as_rows(lazy) == ids((2, 2), (3, 3))


def test_sorted_rows_are_cut_without_a_copy() -> None:
    table = pa.table({"c": list(range(1000))})
    kept = Incremental("c", initial_value=10, end_value=900).bound("r")(table)
    assert kept.column("c").chunk(0).buffers()[1].address == table.column("c").chunk(0).buffers()[1].address


def test_a_stream_is_filtered_as_it_is_read() -> None:
    read: list[int] = []

    def batches() -> Any:
        for n in range(3):
            read.append(n)
            yield pa.record_batch({"c": [n]})

    reader = pa.RecordBatchReader.from_batches(pa.schema({"c": pa.int64()}), batches())
    bound = Incremental("c", initial_value=1).bound("r")
    kept = bound(reader)
    assert read == []
    assert kept.read_all().to_pylist() == cs(1, 2)
    assert bound.last_value == 2


def test_an_error_in_a_stream_comes_out_as_it_is() -> None:
    reader = pa.table({"c": [1, None]}).to_reader()
    with pytest.raises(IncrementalCursorPathHasValueNone):
        Incremental("c").bound("r")(reader).read_all()


def test_a_list_of_frames() -> None:
    bound = Incremental("c", initial_value=2).bound("r")
    kept = bound(
        [pa.table({"c": [1, 2]}), pandas.DataFrame({"c": [1]}), {"c": 1}, {"c": 3}, pa.table({"c": [3]})]
    )
    assert [as_rows(part) for part in kept] == [cs(2), cs(3), cs(3)]
    assert bound([pa.table({"c": [1]})]) is None


def test_pandas_keeps_its_index() -> None:
    frame = pandas.DataFrame({"c": [1, 2, 3]}, index=["x", "y", "z"])
    assert list(Incremental("c", initial_value=2).bound("r")(frame).index) == ["y", "z"]


def test_what_is_a_frame() -> None:
    table = pa.table({"c": [1]})
    for frame in (
        table,
        table.to_reader(),
        table.to_pandas(),
        polars.from_arrow(table),
        polars.from_arrow(table).lazy(),
    ):
        assert is_frame(frame)
    for row in ({"c": 1}, [1], 5, "text"):
        assert not is_frame(row)


@pytest.mark.parametrize("form", FORMS)
def test_rows_without_a_cursor_beside_one_that_is_repeated(form: str) -> None:
    runs = Runs(Incremental("c", on_cursor_value_missing="include"))
    assert runs(ids((1, 0)), form=form) == ids((1, 0))
    assert runs(ids((0, None), (1, 0)), form=form) == ids((0, None))


@pytest.mark.parametrize(("on_missing", "kept"), [("include", [None]), ("exclude", [])])
@pytest.mark.parametrize("form", FORMS)
def test_rows_without_a_cursor_beside_rows_that_are_known(
    form: str, on_missing: Any, kept: list[Any]
) -> None:
    runs = Runs(Incremental("c", on_cursor_value_missing=on_missing))
    assert runs([{"id": 0, "c": 0}], form=form) == [{"id": 0, "c": 0}]
    again = runs([{"id": 0, "c": None}, {"id": 0, "c": 0}], form=form)
    assert [row["c"] for row in again] == kept
    assert runs.stored()["last_value"] == 0
