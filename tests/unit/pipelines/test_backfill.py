"""Backfill: each window is committed and recorded; it goes on where it ended, beside the live cursor."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from tests.loading import Site

import ladle
from ladle.errors import SourceError, UsageError
from ladle.state.scopes import rebased


def numbers(read: list[tuple[Any, Any]] | None = None, fails_at: int | None = None) -> Any:
    """Return a resource over 0..9; `read` hears the windows asked for."""

    @ladle.resource(name="numbers")
    def rows(n: Any = ladle.sources.incremental("n", initial_value=0)) -> Iterator[Any]:
        if read is not None:
            read.append((n.initial_value, n.end_value))
        if fails_at is not None and n.end_value is not None and n.initial_value <= fails_at < n.end_value:
            raise OSError("source gone")
        yield [{"n": i} for i in range(10)]

    return rows


def landed(site: Site) -> list[int]:
    return [row[0] for row in site.query("select n from ds.numbers order by n")]


def test_each_window_is_read_alone_and_committed_by_itself(tmp_path: Path) -> None:
    site, read = Site.in_memory(tmp_path), list[tuple[Any, Any]]()
    infos = site.pipeline().backfill(numbers(read), start=0, end=9, window=4)
    assert read == [(0, 4), (4, 8), (8, 9)]
    assert [info.row_counts["numbers"] for info in infos] == [4, 4, 1]
    assert landed(site) == list(range(9))
    assert site.query("select count(*) from ds._dlt_loads") == [(3,)]


def test_it_goes_on_after_the_windows_that_are_committed(tmp_path: Path) -> None:
    site, read = Site.in_memory(tmp_path), list[tuple[Any, Any]]()
    with pytest.raises(SourceError, match="source gone"):
        site.pipeline().backfill(numbers(fails_at=5), start=0, end=9, window=3)
    assert landed(site) == [0, 1, 2]
    p = site.pipeline()
    p.drop()  # another machine: the record comes from the destination
    p.backfill(numbers(read), start=0, end=9, window=3)
    assert read == [(3, 6), (6, 9)]
    assert landed(site) == list(range(9))
    assert p.backfill(numbers(read), start=0, end=9, window=3) == ()


def test_the_live_cursor_is_neither_read_nor_moved(tmp_path: Path) -> None:
    site = Site.in_memory(tmp_path)
    p = site.pipeline()
    p.run(numbers().within(5, 6))  # a first row, so that the table is there
    p.run(numbers().add_filter(lambda row: row["n"] >= 7))
    before = p.state["sources"]["p"]["resources"]["numbers"]["incremental"]
    p.backfill(numbers(), start=0, end=5, window=2)
    after = p.state["sources"]["p"]["resources"]["numbers"]
    assert after["incremental"] == before
    record = {"start": 0, "end": 5, "of": 3, "done": {"0": True, "1": True, "2": True}}
    assert after["backfill"]["n"] == {"0..5 by 2": record}
    assert landed(site) == [0, 1, 2, 3, 4, 5, 7, 8, 9]
    assert p.run(numbers()).is_empty


def test_windows_are_read_at_once_and_all_are_recorded(tmp_path: Path) -> None:
    site, together = Site(tmp_path), threading.Barrier(3)

    @ladle.resource(name="numbers")
    def rows(n: Any = ladle.sources.incremental("n")) -> Iterator[Any]:
        together.wait(20)  # breaks unless three windows are read at once
        yield [{"n": i, "l": [i]} for i in range(12)]

    p = site.pipeline()
    p.run([{"n": -1, "l": [1]}], table_name="numbers")
    infos = p.backfill(rows, start=0, end=12, window=2, workers=3)
    assert [info.row_counts["numbers"] for info in infos] == [2] * 6
    assert landed(site) == list(range(-1, 12))
    assert p.backfill(rows, start=0, end=12, window=2, workers=3) == ()
    assert site.query("select count(distinct _dlt_load_id) from ds.numbers") == [(7,)]


def test_after_a_failure_the_others_are_brought_to_their_end(tmp_path: Path) -> None:
    site = Site(tmp_path)
    p = site.pipeline()
    with pytest.raises(SourceError, match="source gone"):
        p.backfill(numbers(fails_at=5), start=0, end=9, window=3, workers=2)
    assert 0 in landed(site)
    assert 5 not in landed(site)
    p.backfill(numbers(), start=0, end=9, window=3, workers=2)
    assert landed(site) == list(range(9))


def test_dates_and_calendar_windows(tmp_path: Path) -> None:
    site, read = Site.in_memory(tmp_path), list[tuple[Any, Any]]()

    @ladle.resource(name="days")
    def days(day: Any = ladle.sources.incremental("day")) -> Iterator[Any]:
        read.append((day.initial_value, day.end_value))
        yield [{"day": date(2024, month, 15)} for month in (1, 2, 3)]

    site.pipeline().backfill(days, start=date(2024, 1, 1), end=date(2024, 3, 1), window="month")
    assert read == [(date(2024, 1, 1), date(2024, 2, 1)), (date(2024, 2, 1), date(2024, 3, 1))]
    assert site.query("select count(*) from ds.days") == [(2,)]


def test_other_windows_than_those_on_record_are_refused_until_told_to_restart(tmp_path: Path) -> None:
    site = Site.in_memory(tmp_path)
    p = site.pipeline()
    p.backfill(numbers(), start=0, end=4, window=2)
    with pytest.raises(UsageError, match=r"on record with other windows: 0\.\.4 by 2") as caught:
        p.backfill(numbers(), start=0, end=4, window=1)
    assert "restart=True" in str(caught.value)
    p.backfill(numbers(), start=0, end=4, window=1, restart=True)
    assert landed(site) == [0, 0, 1, 1, 2, 2, 3, 3]
    assert list(p.state["sources"]["p"]["resources"]["numbers"]["backfill"]["n"]) == ["0..4 by 1"]


@pytest.mark.parametrize(
    ("data", "options", "message"),
    [
        (
            lambda: ladle.resource([{"n": 1}], name="plain"),
            {},
            "needs one resource with a cursor, not `plain`",
        ),
        (lambda: [numbers(), numbers().with_name("b")], {}, "needs one resource with a cursor"),
        (numbers, {"write_disposition": "replace"}, "replaces its table"),
        (numbers, {"window": 0}, "step `0`"),
        (numbers, {"end": -1}, "ends before it starts"),
        (numbers, {"workers": 0}, "workers can't be `0`"),
        (numbers, {"workers": "two"}, "workers can't be `'two'`"),
    ],
)
def test_what_can_not_be_cut_is_refused(
    tmp_path: Path, data: Any, options: dict[str, Any], message: str
) -> None:
    p = Site.in_memory(tmp_path).pipeline()
    with pytest.raises(UsageError, match=message):
        p.backfill(data(), **{"start": 0, "end": 4, "window": 2, **options})


def test_states_of_two_runs_are_joined_by_what_each_has_changed() -> None:
    base = {"a": 1, "r": {"x": 1, "gone": 1}, "d": 1}
    ours = {"a": 2, "r": {"x": 1, "own": 5}, "d": 1}
    theirs = {"a": 1, "r": {"x": 7, "gone": 1, "other": 6}, "d": 1, "new": 3}
    assert rebased(base, ours, theirs) == {"a": 2, "r": {"x": 7, "own": 5, "other": 6}, "d": 1, "new": 3}
    assert rebased(None, {"a": 1}, {"b": 2}) == {"a": 1, "b": 2}
    assert rebased({"a": [1]}, {"a": [1]}, {"a": [1, 2]}) == {"a": [1, 2]}


def test_a_range_beside_one_that_is_finished_is_loaded_one_beside_an_unfinished_is_not(
    tmp_path: Path,
) -> None:
    site = Site.in_memory(tmp_path)
    p = site.pipeline()
    p.backfill(numbers(), start=0, end=4, window=2)
    p.backfill(numbers(), start=4, end=6, window=1)
    assert landed(site) == [0, 1, 2, 3, 4, 5]
    with pytest.raises(UsageError, match="on record"):
        p.backfill(numbers(), start=5, end=7, window=1)
    with pytest.raises(SourceError):
        p.backfill(numbers(fails_at=8), start=6, end=9, window=1)
    with pytest.raises(UsageError, match=r"on record with other windows: 6\.\.9 by 1"):
        p.backfill(numbers(), start=9, end=10, window=1)
