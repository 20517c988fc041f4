"""The state of the boundary stays small, whatever shares a cursor value."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from tests.unit.sources.cursors import Runs, ids

from ladle.sources.incremental import Incremental
from ladle.state.blob import encode_state
from ladle.state.cursor import MAX_CONTENTS, MAX_HASHES


@pytest.mark.parametrize("form", ["rows", "arrow", "pandas"])
@pytest.mark.parametrize("key", [None, "id"])
def test_a_million_rows_at_one_value_do_not_grow_the_state(
    form: str, key: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    runs = Runs(Incremental("c", primary_key=key))
    page = ids(*((n, 5) for n in range(MAX_HASHES * 2)))
    assert len(runs(page, page, form=form)) == 4 * MAX_HASHES
    assert len(encode_state(runs.state)) < 300
    assert [r.message for r in caplog.records if "share the last value" in r.message]
    # Twice rather than never: the next run takes them again, until the cursor moves on.
    assert len(runs([*page[:10], {"id": -1, "c": 6}], form=form)) == 11
    assert runs(page[:10], form=form) == []
    assert len(runs.stored()["unique_hashes"]) == 1


@pytest.mark.parametrize("key", [None, "id"])
def test_up_to_the_limit_every_row_is_known(key: str | None) -> None:
    runs = Runs(Incremental("c", primary_key=key))
    pages = [ids(*((n, 5) for n in range(start, start + 500))) for start in range(0, MAX_HASHES, 500)]
    runs(*pages)
    assert len(runs.stored()["unique_hashes"]) == MAX_HASHES
    assert len(encode_state(runs.state)) < 75_000
    assert runs(*reversed(pages), ids((-1, 5))) == ids((-1, 5))  # one more: too many to store
    assert runs.stored()["unique_hashes"] == []


def test_contents_are_held_of_few_rows() -> None:
    runs = Runs(Incremental("c", primary_key="id"))
    runs(ids(*((n, 5) for n in range(MAX_CONTENTS + 1))))
    assert "row_hashes" not in runs.stored()
    few = Runs(Incremental("c", primary_key="id"))
    few(ids((1, 5), (2, 5)))
    assert list(few.stored()["row_hashes"]) == few.stored()["unique_hashes"]


def test_repeated_rows_count_once() -> None:
    runs = Runs(Incremental("c"))
    runs(ids((1, 5)) * MAX_HASHES, ids((1, 5)) * MAX_HASHES)
    assert len(runs.stored()["unique_hashes"]) == 1


def test_many_rows_at_one_value_are_warned_of_once(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        bound = Incremental("c").bound("events")
        bound(ids(*((n, 5) for n in range(200))))
        bound.get_state()
        bound.get_state()
    (record,) = caplog.records
    assert record.message.startswith("resource `events`: 200 rows share the last value of the cursor")


BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize("form", ["rows", "singles", "arrow"])
@pytest.mark.parametrize(
    "moments",
    [
        [datetime(2024, 10, 27, 2, 30, fold=fold, tzinfo=BERLIN) for fold in (0, 1)],  # comes twice
        [datetime(2024, 3, 31, 2, 30, tzinfo=BERLIN), datetime(2024, 3, 31, 3, 31, tzinfo=BERLIN)],  # never
    ],
)
def test_hours_that_a_clock_has_twice_or_never_are_instants(moments: list[datetime], form: str) -> None:
    first, second = ({"id": at, "c": moment} for at, moment in enumerate(moments))
    runs = Runs(Incremental("c", initial_value=moments[0] - timedelta(hours=3)))
    assert len(runs([first], form=form)) == 1
    assert runs([first], form=form) == []
    assert [row["id"] for row in runs([second, first], form=form)] == [1]
    assert runs([first, second], form=form) == []
