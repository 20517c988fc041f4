"""Cursors over rows: chapter 5 of the spec, line by line; I.. are the rows of its feature table."""

from __future__ import annotations

import copy
import pickle
from collections import namedtuple
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel
from tests.unit.sources.cursors import Runs, cs, ids

import ladle
from ladle.errors import (
    DataError,
    IncrementalCursorInvalidCoercion,
    IncrementalCursorPathHasValueNone,
    IncrementalCursorPathMissing,
    IncrementalPrimaryKeyMissing,
    IncrementalUnboundError,
    LadleError,
    UsageError,
)
from ladle.sources.incremental import Incremental

incremental = ladle.sources.incremental


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


# -- 5.1


def test_i09_partial_cursors_merge() -> None:
    merged = incremental("c", lag=2, row_order="asc").merge(incremental(initial_value=5, end_value=9))
    assert (merged.cursor_path, merged.initial_value, merged.end_value) == ("c", 5, 9)
    assert (merged.lag, merged.row_order) == (2, "asc")
    assert incremental().is_partial()
    assert not merged.is_partial()
    assert incremental[int]("c").merge(incremental(initial_value=5)).get_incremental_value_type() is int


def test_the_name_is_a_class_that_can_be_typed_and_the_module_does_not_hide_it() -> None:
    import ladle.sources.incremental

    assert ladle.sources.incremental is Incremental
    assert incremental[int]("c").get_incremental_value_type() is int
    assert incremental("c", initial_value=2.5).get_incremental_value_type() is float
    assert incremental("c").get_incremental_value_type() is Any


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"row_order": "ascending"}, r"unknown row_order[\s\S]*one of asc, desc"),
        ({"on_cursor_value_missing": "drop"}, "one of raise, include, exclude"),
        ({"range_start": "close"}, "did you mean `closed`"),
        ({"range_end": ""}, "one of open, closed"),
        ({"cursor_path": ""}, "cursor_path can't be"),
        ({"cursor_path": 5}, "cursor_path can't be"),
        ({"cursor_path": "$["}, "not a JSONPath"),
        ({"lag": "1"}, "lag can't be"),
        ({"last_value_func": 3}, "last_value_func can't be"),
        ({"primary_key": 5}, "primary_key can't be"),
        ({"initial_value": 1, "end_value": "a"}, "initial_value is `int` and end_value `str`"),
        ({"initial_value": 9, "end_value": 6}, "beyond end_value"),
        ({"initial_value": 6, "end_value": 9, "last_value_func": min}, "beyond end_value"),
    ],
)
def test_wrong_arguments_are_refused_when_given(options: dict[str, Any], match: str) -> None:
    with pytest.raises(UsageError, match=match):
        incremental(**{"cursor_path": "c", **options})


def test_an_end_needs_a_start_and_a_run_a_path() -> None:
    with pytest.raises(UsageError, match="end_value and no initial_value"):
        incremental("c", end_value=6).bound("r")
    with pytest.raises(UsageError, match=r"no cursor_path[\s\S]*resource=`r`"):
        incremental(initial_value=6).bound("r")


def test_a_cursor_outside_of_a_run_says_what_to_do() -> None:
    unbound = incremental("c", initial_value=3)
    for use in (lambda: unbound([{"c": 1}]), lambda: unbound.last_value, unbound.get_state):
        with pytest.raises(
            IncrementalUnboundError, match=r"outside of a run[\s\S]*ladle.resource\(func\)\(arg\)"
        ):
            use()
    assert not unbound.can_close()
    assert unbound.get_current_range() == (3, None)


def test_attributes_inside_a_run() -> None:
    bound = incremental("c", initial_value=1, end_value=9).bound("r")
    bound(cs(3, 1))
    assert (bound.initial_value, bound.start_value, bound.last_value, bound.end_value) == (1, 1, 3, 9)
    assert not bound.start_out_of_range
    assert not bound.end_out_of_range
    bound(cs(5, 9, 0))
    assert (bound.start_value, bound.last_value) == (1, 5)
    assert bound.start_out_of_range
    assert bound.end_out_of_range


def test_copies_and_other_cursors() -> None:
    bound = incremental("c", initial_value=1).bound("r")
    bound(cs(3))
    with pytest.raises(IncrementalUnboundError):
        _ = bound.copy().last_value
    carried = bound.copy(with_transient_state=True)
    carried(cs(7))
    assert (bound.last_value, carried.last_value) == (3, 7)
    other = bound.with_cursor("d")
    other([{"d": 0}, {"d": 4}])
    assert (other.last_value, other.start_value, bound.last_value) == (4, 1, 3)
    for again in (copy.deepcopy(bound), pickle.loads(pickle.dumps(bound))):
        assert (again.last_value, again.get_state()) == (3, bound.get_state())


def test_advance_lets_rows_pass_and_takes_the_value() -> None:
    bound = incremental("c", initial_value=5).bound("r")
    assert bound.advance(10) is bound
    assert bound(cs(1, 99)) == cs(1, 99)
    assert bound.get_current_range() == (5, 10)
    assert bound.get_state()["last_value"] == 10
    assert incremental("c", initial_value=3).advance(10).get_current_range() == (3, 10)


def test_from_existing_state() -> None:
    runs = Runs(incremental("c", initial_value=1))
    runs(cs(4))
    assert incremental.from_existing_state("r", "c", runs.state).last_value == 4
    with pytest.raises(IncrementalUnboundError, match="no state of cursor `d`"):
        incremental.from_existing_state("r", "d", runs.state)


def test_keys() -> None:
    assert incremental("c", primary_key="c").is_unique_cursor()
    assert not incremental("c", primary_key=["c", "d"]).is_unique_cursor()
    own = incremental("c", primary_key="id")
    own.set_deduplication_key("x", from_hints=True)
    assert own.primary_key == ("id",)
    own.set_deduplication_key("x", from_hints=False)
    assert own.primary_key == ("x",)
    runs = Runs(incremental("c", primary_key="c"))
    assert not runs.bound().unique_boundary_consumed()
    runs(cs(1))
    assert runs.bound().unique_boundary_consumed()
    assert incremental("a.b").get_cursor_column_name() is None
    assert incremental("$.a").get_cursor_column_name() == "a"
    assert own.cursor_value_hash(2) == "Tp44cKMYfAuJ"
    assert own.cursor_value_hash("a", legacy=True) == "HXVczKyPrzLoPDkJtIV8"


# -- 5.2


def test_i01_i04_rows_at_the_boundary_are_known_by_their_hash() -> None:
    runs = Runs(incremental("c"))
    assert runs(ids((1, 1), (2, 2), (3, 2))) == ids((1, 1), (2, 2), (3, 2))
    assert runs(ids((2, 2), (4, 2), (5, 3))) == ids((4, 2), (5, 3))


def test_i05_a_changed_row_of_a_known_key_is_left_out_and_counted() -> None:
    runs = Runs(incremental("c", primary_key="id"))
    runs(ids((1, 1), (2, 2)))
    bound = runs.bound()
    assert bound([{"id": 2, "c": 2, "x": "changed"}, {"id": 3, "c": 2}]) == ids((3, 2))
    assert bound.custom_metrics == {"repeated_rows": 1, "changed_rows": 1}


def test_i05_a_changed_row_of_a_known_key_is_merged() -> None:
    runs = Runs(incremental("c", primary_key="id"), write_disposition="merge")
    runs(ids((1, 1), (2, 2)))
    changed = [{"id": 2, "c": 2, "x": "changed"}]
    assert runs([*ids((1, 1), (2, 2)), *changed]) == changed
    assert runs(changed) == []


def test_the_key_of_the_resource_is_used_unless_the_cursor_has_one() -> None:
    for cursor, key in ((incremental("c"), "id"), (incremental("c", primary_key="id"), "c")):
        runs = Runs(cursor, primary_key=key)
        runs(ids((2, 2)))
        assert runs([{"id": 2, "c": 2, "x": 1}, {"id": 3, "c": 2}]) == ids((3, 2))


def test_no_key_is_no_search_for_repeated_rows() -> None:
    runs = Runs(incremental("c", primary_key=()), primary_key="id")
    runs(ids((1, 1), (2, 2)))
    assert runs.stored()["unique_hashes"] == []
    assert runs(ids((2, 2), (3, 2))) == ids((2, 2), (3, 2))


def test_a_row_without_key_is_refused() -> None:
    with pytest.raises(IncrementalPrimaryKeyMissing, match=r"primary key `zz`[\s\S]*resource=`r`"):
        Runs(incremental("c", primary_key="zz"))(ids((1, 1)))


def test_i02_ranges() -> None:
    assert Runs(incremental("c", initial_value=5))(cs(4, 5, 6)) == cs(5, 6)
    assert Runs(incremental("c", initial_value=1, end_value=6))(cs(0, 1, 5, 6)) == cs(1, 5)
    both = incremental("c", initial_value=1, end_value=6, range_start="open", range_end="closed")
    assert Runs(both)(cs(1, 2, 6, 7)) == cs(2, 6)
    assert Runs(incremental("c", initial_value=6, end_value=6))(cs(5, 6, 7)) == []


def test_i02_an_open_start() -> None:
    runs = Runs(incremental("c", range_start="open", initial_value=1))
    assert runs(cs(1, 2, 3)) == cs(2, 3)
    assert runs.stored()["unique_hashes"] == []
    assert runs(cs(3, 4)) == cs(4)


def test_i13_with_an_end_state_is_neither_read_nor_written() -> None:
    runs = Runs(incremental("c"))
    runs(cs(1, 5))
    before = runs.stored()
    backfill = incremental("c", initial_value=1, end_value=6)
    assert runs(cs(1, 5, 6), cursor=backfill) == cs(1, 5)
    assert runs.stored() == before
    fresh = Runs(backfill)
    fresh(cs(1))
    assert fresh.state == {}


def test_i13_two_ranges_load_each_row_once() -> None:
    rows = cs(*range(1, 9))
    parts = [incremental("c", initial_value=a, end_value=b) for a, b in ((1, 6), (6, 9))]
    assert [row for part in parts for row in Runs(part)(rows)] == rows


def test_i03_going_down() -> None:
    runs = Runs(incremental("c", last_value_func="min"))
    assert runs(cs(5, 4, 4)) == cs(5, 4, 4)
    assert runs(cs(4, 3, 9)) == cs(3)
    down = incremental("c", last_value_func=min, initial_value=5, end_value=2)
    assert Runs(down)(cs(6, 5, 4, 2, 1)) == cs(5, 4)


def test_i03_own_function() -> None:
    runs = Runs(incremental("c", last_value_func=lambda event: max(event)))
    assert runs(cs(1, 3, 2)) == cs(1, 3, 2)
    assert runs(cs(3, 2, 4)) == cs(4)
    assert runs.stored()["last_value"] == 4


def last_per_key(event: Any) -> Any:
    row, last = event[0], event[1] if len(event) > 1 else {}
    return {**last, row["k"]: max(row["c"], last.get(row["k"], 0))}


def test_i03_i10_own_function_of_the_whole_row_with_a_dict_as_state() -> None:
    runs = Runs(incremental("$", last_value_func=last_per_key))
    assert len(runs([{"k": "a", "c": 1}, {"k": "b", "c": 5}])) == 2
    assert runs.stored()["last_value"] == {"a": 1, "b": 5}
    assert runs([{"k": "a", "c": 1}, {"k": "b", "c": 6}, {"k": "a", "c": 0}]) == [{"k": "b", "c": 6}]
    assert runs.stored()["last_value"] == {"a": 1, "b": 6}


def test_no_initial_value_is_no_start() -> None:
    bound = incremental("c").bound("r")
    assert (bound.start_value, bound.last_value) == (None, None)
    assert bound(cs(-5, 3)) == cs(-5, 3)


def test_i06_rows_without_cursor() -> None:
    missing, none = [{"c": 1}, {"x": 1}, {"c": 2}], cs(1, None, 2)
    with pytest.raises(
        IncrementalCursorPathMissing, match=r"cursor path `c`[\s\S]*resource=`r`[\s\S]*row=`1`"
    ):
        Runs(incremental("c"))(missing)
    with pytest.raises(IncrementalCursorPathHasValueNone, match=r"is None[\s\S]*row=`4`"):
        Runs(incremental("c"))(cs(1, 2, 3), none)
    for rows in (missing, none):
        for policy, kept in (("include", rows), ("exclude", cs(1, 2))):
            runs = Runs(incremental("c", on_cursor_value_missing=policy))
            assert runs(rows) == kept
            assert runs.stored()["last_value"] == 2
            assert runs(rows) == ([rows[1]] if policy == "include" else [])
    assert issubclass(IncrementalCursorPathMissing, DataError)


def test_nan_is_no_value() -> None:
    rows = cs(1.0, float("nan"), 2.0)
    with pytest.raises(IncrementalCursorPathHasValueNone, match="is nan"):
        Runs(incremental("c"))(rows)
    runs = Runs(incremental("c", on_cursor_value_missing="exclude"))
    assert runs(rows) == cs(1.0, 2.0)
    assert runs.stored()["last_value"] == 2.0


def test_an_unknown_cursor_path_names_what_rows_have() -> None:
    with pytest.raises(IncrementalCursorPathMissing, match="expected: one of id, c"):
        Runs(incremental("updated"))(ids((1, 1)))


@pytest.mark.parametrize(
    ("initial", "rows"),
    [
        (1, cs("a")),
        (None, cs(1, "a")),
        ("2024-01-01", cs(at("2024-01-02"))),
        (at("2024-01-01"), cs("2024-01-02")),
        (date(2024, 1, 1), cs(at("2024-01-02"))),
        (at("2024-01-01"), cs(date(2024, 1, 2))),
        (None, cs(1, [2])),
    ],
)
def test_mixed_types_are_refused(initial: Any, rows: list[Any]) -> None:
    match = r"the cursor `c` is `\w+` in one row, and `\w+` before it[\s\S]*resource=`r`[\s\S]*row=`\d`[\s\S]*add_map"
    for pages in ([rows], [[row] for row in rows]):
        with pytest.raises(IncrementalCursorInvalidCoercion, match=match):
            Runs(incremental("c", initial_value=initial))(*pages)


def test_mixed_types_from_run_to_run_are_refused_and_the_state_stays() -> None:
    runs = Runs(incremental("c"))
    runs(cs(1))
    with pytest.raises(IncrementalCursorInvalidCoercion):
        runs(cs("a"))
    assert runs.stored()["last_value"] == 1


def test_numbers_compare_with_each_other() -> None:
    runs = Runs(incremental("c"))
    runs(cs(1, 2.5, Decimal("2.25")))
    assert runs(cs(2, 2.5, 3)) == cs(3)


def test_without_zone_is_utc() -> None:
    runs = Runs(incremental("c", initial_value=at("2024-01-02T00:00+00:00")))
    assert runs(cs(at("2024-01-01"), at("2024-01-03"))) == cs(at("2024-01-03"))
    plus_2 = timezone(timedelta(hours=2))
    rows = cs(
        datetime(2024, 1, 3, 1, tzinfo=plus_2), datetime(2024, 1, 3, 3, tzinfo=plus_2), at("2024-01-03T00:30")
    )
    assert runs(rows) == rows[1:]
    assert runs.stored()["last_value"] == at("2024-01-03T01:00+00:00")
    # The same row is the same, with and without zone.
    repeated = Runs(incremental("c"))
    repeated(cs(at("2024-01-01")))
    assert repeated(cs(at("2024-01-01T00:00+00:00"), at("2024-01-02T00:00+00:00"))) == cs(
        at("2024-01-02T00:00+00:00")
    )


def test_a_cursor_that_goes_backwards_moves_nothing_back() -> None:
    runs = Runs(incremental("c"))
    assert runs(cs(5), cs(3), cs(5, 4)) == cs(5, 3, 5, 4)
    assert runs(cs(5, 6, 2), cs(4)) == cs(6)
    assert runs.stored()["last_value"] == 6


def test_i17_replace_starts_over() -> None:
    runs = Runs(incremental("c", initial_value=1), write_disposition="replace")
    runs(cs(1, 2))
    assert runs(cs(1, 2, 3)) == cs(1, 2, 3)
    assert runs.stored() == {
        "initial_value": 1,
        "last_value": 3,
        "unique_hashes": ["WQrXThZETRuK"],
        "start_value": 1,
    }


def test_a_run_without_new_rows_leaves_the_state() -> None:
    runs = Runs(incremental("c", initial_value=0))
    runs()
    first = {"initial_value": 0, "last_value": 0, "unique_hashes": [], "start_value": 0}
    assert runs.stored() == first
    runs(cs(1))
    after = runs.stored()
    for pages in ((), ([],), (cs(1),)):
        assert runs(*pages) == []
        assert runs.stored() == after


# -- 5.3


def test_the_state_is_the_references() -> None:
    runs = Runs(incremental("c"))
    runs(ids((1, 1), (2, 2)))
    assert runs.stored() == {
        "initial_value": None,
        "last_value": 2,
        "unique_hashes": ["iOJG2tLJhrrC"],
        "start_value": None,
    }
    keyed = Runs(incremental("c", primary_key="id"))
    keyed(ids((1, 1), (2, 2)))
    assert keyed.stored()["unique_hashes"] == ["Tp44cKMYfAuJ"]
    lagging = Runs(incremental("c", lag=1))
    lagging(ids((1, 1)))
    assert lagging.stored()["unique_hashes"] == []


@pytest.mark.parametrize(
    ("key", "hashes"),
    [
        (None, ["iOJG2tLJhrrC"]),
        ("id", ["Tp44cKMYfAuJ"]),
        ("id", ["y/yGik6NApHV"]),  # of a key that was given as a list of one
        (("id", "c"), ["uXtbMN9EOGQ2"]),
    ],
)
def test_a_state_of_the_reference_is_carried_on(key: Any, hashes: list[str]) -> None:
    stored = {"initial_value": None, "last_value": 2, "unique_hashes": hashes, "start_value": None}
    bound = incremental("c", primary_key=key).bound("r", stored)
    assert bound(ids((2, 2), (3, 2))) == ids((3, 2))


def test_a_state_of_the_reference_before_its_version_1_29_is_carried_on() -> None:
    stored = {
        "last_value": 1,
        "unique_hashes": ["QQuEAJrbeOZPXhsOsqOm"],
        "initial_value": None,
        "start_value": None,
    }
    bound = incremental("c", primary_key="at").bound("r", stored)
    new = {"c": 1, "at": at("2024-01-04")}
    assert bound([{"c": 1, "at": at("2024-01-03T00:00+00:00")}, new]) == [new]


def test_unreadable_state_is_an_error_never_a_full_reload() -> None:
    with pytest.raises(LadleError, match="stored state of cursor `c` can't be read"):
        incremental("c").bound("r", {"last": 5})


# -- 5.4


def read(cursor: Incremental[Any], values: list[int]) -> tuple[list[int], list[int]]:
    """Return which values of a source of pages of one were read, and which were let through."""
    produced: list[int] = []

    def pages() -> Any:
        for value in values:
            produced.append(value)
            yield cs(value)

    kept = Runs(cursor)(*[]) if not values else None
    bound = cursor.bound("r")
    kept = []
    for page in pages():
        kept += [row["c"] for row in bound(page) or []]
        if bound.can_close():
            break
    return produced, kept


@pytest.mark.parametrize(
    ("options", "values", "produced", "kept"),
    [
        ({"initial_value": 0, "end_value": 5, "row_order": "asc"}, range(10), range(6), range(5)),
        ({"initial_value": 7, "row_order": "desc"}, range(10, 0, -1), range(10, 5, -1), range(10, 6, -1)),
        ({"initial_value": 0, "end_value": 5, "row_order": "asc", "range_end": "closed"}, range(10), range(7), range(6)),
        ({"initial_value": 7, "row_order": "desc", "range_start": "open"}, range(10, 0, -1), range(10, 6, -1), range(10, 7, -1)),
        ({"initial_value": 4, "row_order": "asc"}, range(10), range(10), range(4, 10)),
        # With min, `asc` is against the cursor's direction: rows before the start come last.
        ({"initial_value": 8, "end_value": 4, "row_order": "asc", "last_value_func": min}, range(12), range(10), range(5, 9)),
        ({"initial_value": 8, "end_value": 4, "row_order": "desc", "last_value_func": min}, range(10, 0, -1), range(10, 3, -1), range(8, 4, -1)),
    ],
)  # fmt: skip
def test_i07_reading_stops_where_nothing_more_can_come(
    options: Any, values: Any, produced: Any, kept: Any
) -> None:
    assert read(incremental("c", **options), list(values)) == (list(produced), list(kept))


def test_i07_a_new_row_at_the_boundary_is_found_behind_the_known_ones() -> None:
    runs = Runs(incremental("c", row_order="desc"))
    runs(ids((1, 10), (2, 10)))
    assert runs(ids((9, 12)), ids((1, 10)), ids((3, 10)), ids((4, 9)), ids((5, 11))) == ids((9, 12), (3, 10))


def test_i12_a_transformer_asks_itself() -> None:
    bound = incremental("c", initial_value=0, end_value=3, row_order="asc").bound("r")
    seen = []
    for value in range(10):
        if bound.can_close():
            break
        bound({"c": value})
        seen.append(value)
    assert seen == [0, 1, 2, 3]


# -- 5.5


def test_i08_lag() -> None:
    runs = Runs(incremental("c", lag=5))
    runs(cs(10, 20))
    assert runs.stored()["last_value"] == 20
    bound = runs.bound()
    assert (bound.start_value, bound.get_current_range(apply_lag=False)) == (15, (20, None))
    assert runs(cs(12, 17, 20, 25)) == cs(17, 20, 25)
    assert runs.stored() == {"initial_value": None, "last_value": 25, "unique_hashes": [], "start_value": 20}


@pytest.mark.parametrize(
    ("options", "first", "start"),
    [
        ({"lag": 5, "initial_value": 8}, cs(8, 10), 8),
        ({"lag": 5, "last_value_func": min}, cs(10, 20), 15),
        ({"lag": 1}, cs(date(2024, 1, 5)), date(2024, 1, 4)),
        ({"lag": 1}, cs("2024-01-05"), "2024-01-04"),
        ({"lag": 3600}, cs(at("2024-01-05T00:00+00:00")), at("2024-01-04T23:00+00:00")),
        ({"lag": 3600}, cs("2024-01-05T00:00:00Z"), "2024-01-04T23:00:00Z"),
        ({"lag": 0.5}, cs(10.0), 9.5),
        ({"lag": 0.5}, cs(10), 9.5),
        ({"lag": 0.5}, cs(Decimal(10)), Decimal("9.5")),
        ({"lag": 5}, cs(0), -5),
    ],
)
def test_i08_the_start_of_the_next_run(options: dict[str, Any], first: list[Any], start: Any) -> None:
    runs = Runs(incremental("c", **options))
    runs(first)
    found = runs.bound().start_value
    assert (found, type(found)) == (start, type(start))


def test_i08_lag_without_effect() -> None:
    for options in ({"lag": 0}, {"lag": 5, "last_value_func": lambda event: max(event)}):
        runs = Runs(incremental("c", **options))
        runs(cs(10, 20))
        assert runs(cs(17, 20, 25)) == cs(25)
    assert Runs(incremental("c", lag=5, initial_value=15, end_value=25))(cs(12, 17, 25)) == cs(17)


def test_i08_what_can_not_lag_says_so() -> None:
    runs = Runs(incremental("c", lag=5))
    runs(cs("hello"))
    with pytest.raises(UsageError, match="can't have a lag"):
        runs(cs("hello"))


def merged(cursor: Incremental[Any], committed: list[tuple[int, int]], every: int) -> set[int]:
    """Load a source whose rows are (timestamp, when it was committed), by runs at even times; return the keys."""
    runs = Runs(cursor, write_disposition="merge")
    table: dict[int, Any] = {}
    for now in range(0, max(seen for _, seen in committed) + every, every):
        visible = [{"id": key, "c": at} for key, (at, seen) in enumerate(committed) if seen <= now]
        start = runs.bound().start_value
        asked = [row for row in visible if start is None or row["c"] >= start]  # as a query would
        table |= {row["id"]: row for row in runs(asked)}
    return set(table)


@given(
    st.lists(st.tuples(st.integers(0, 40), st.integers(0, 6)), min_size=1, max_size=30),
    st.integers(1, 5),
)
@settings(deadline=None)
def test_old_timestamps_that_are_committed_late_are_found_by_lag_and_key(
    rows: list[tuple[int, int]], every: int
) -> None:
    committed = [(at, at + delay) for at, delay in rows]
    cursor = incremental("c", primary_key="id", lag=6)
    assert merged(cursor, committed, every) == set(range(len(rows)))


def test_without_lag_old_timestamps_that_are_committed_late_are_lost() -> None:
    committed = [(0, 0), (1, 5), (3, 3)]
    assert merged(incremental("c", primary_key="id"), committed, 1) == {0, 2}
    assert merged(incremental("c", primary_key="id", lag=4), committed, 1) == {0, 1, 2}


# -- 5.8


def test_i09_from_settings() -> None:
    cursor = incremental.from_mapping({"cursor_path": "idAfter", "initial_value": 10})
    assert Runs(cursor)([{"idAfter": v} for v in (5, 10, 15)]) == [{"idAfter": 10}, {"idAfter": 15}]
    typed = incremental.from_mapping(
        {"cursor_path": "at", "initial_value": "2024-01-01T00:00:00Z", "lag": "60"}, datetime
    )
    assert (typed.initial_value, typed.lag) == (at("2024-01-01T00:00+00:00"), 60.0)
    assert incremental.from_mapping({"initial_value": "7"}, int).initial_value == 7
    assert incremental.from_mapping({"last_value_func": "min"}).last_value_func is min
    with pytest.raises(UsageError, match="did you mean `cursor_path`"):
        incremental.from_mapping({"cursor": "x"})
    with pytest.raises(UsageError, match="initial_value of an incremental can't be `'x'`"):
        incremental.from_mapping({"initial_value": "x"}, int)


def test_from_init_value() -> None:
    assert incremental.from_init_value("c").cursor_path == "c"
    assert incremental.from_init_value({"cursor_path": "c"}).cursor_path == "c"
    assert incremental.from_init_value(incremental("c")).cursor_path == "c"
    assert incremental.from_init_value().is_partial()


# -- rows of all kinds


class Model(BaseModel):
    c: int


@dataclass
class Record:
    c: int


Named = namedtuple("Named", "c")


@pytest.mark.parametrize("make", [Model, Record, Named], ids=["model", "dataclass", "named tuple"])
def test_objects_are_rows(make: Any) -> None:
    runs = Runs(incremental("c"))
    assert runs([make(c=1), make(c=2)]) == [make(c=1), make(c=2)]
    assert runs([make(c=1), make(c=2), make(c=3)]) == [make(c=3)]


@pytest.mark.parametrize(
    ("path", "make"),
    [
        ("a.b", lambda v: {"a": {"b": v}}),
        ("$.a.b", lambda v: {"a": {"b": v}}),
        ("a[0].b", lambda v: {"a": [{"b": v}, {"b": 99}]}),
        ("'a.b'", lambda v: {"a.b": v}),
        ("ts-utc", lambda v: {"ts-utc": v}),
        ("$", lambda v: v),
    ],
)
def test_i10_paths(path: str, make: Any) -> None:
    runs = Runs(incremental(path))
    assert runs([make(1), make(2)]) == [make(1), make(2)]
    assert runs([make(2), make(3)]) == [make(3)]
    assert runs.stored()["last_value"] == 3


def test_i10_a_path_into_nothing() -> None:
    for row in ({"a": None}, {"a": 5}, {}):
        with pytest.raises(IncrementalCursorPathMissing):
            Runs(incremental("a.b"))([row])


def test_a_row_that_is_changed_after_it_left_was_remembered_as_it_was() -> None:
    runs = Runs(incremental("c"))
    row: dict[str, Any] = {"c": 1, "x": [1]}
    bound = runs.bound()
    bound([row])
    row["x"].append(2)
    bound.store(runs.state)
    assert runs([{"c": 1, "x": [1]}]) == []
