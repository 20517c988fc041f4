"""The state of the boundary stays small, whatever shares a cursor value."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from tests.unit.sources.cursors import Runs, ids

from ladle.sources.incremental import Incremental
from ladle.state.blob import encode_state
from ladle.state.cursor import MAX_CONTENTS, MAX_HASHES, hash_of, json_of, value_of


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


@pytest.mark.parametrize("form", ["rows", "arrow", "polars"])
@pytest.mark.parametrize("key", [None, "id", "d"])
@pytest.mark.parametrize("dlts", [False, True])
def test_a_decimal_is_one_value_whatever_its_scale(dlts: bool, key: str | None, form: str) -> None:
    runs = Runs(Incremental("c", primary_key=key))
    row = {"id": 1, "c": 5, "d": Decimal("1.50")}
    if dlts:  # a state of dlt has the hash of the decimal as it is written
        stored = {"initial_value": None, "last_value": 5, "start_value": None}
        seen = hash_of(json_of(row if key is None else row[key]))
        runs.state = {**runs.state, "incremental": {"c": {**stored, "unique_hashes": [seen]}}}
        assert runs([row], form=form) == []
        return
    assert len(runs([row], form=form)) == 1
    for d in ("1.500", "1.5", "1.50"):
        assert runs([{**row, "d": Decimal(d)}], form=form) == []
    other = {**row, "d": Decimal("1.51")}
    assert len(runs([other], form=form)) == (key != "id")


@pytest.mark.parametrize(
    ("one", "other"), [("0E-10", "0.00"), ("1E+2", "100.0"), ("-2.50", "-2.5"), ("10", "10.0")]
)
def test_zeros_at_the_end_of_a_decimal_are_not_hashed(one: str, other: str) -> None:
    same = value_of({"d": [Decimal(one)]}) == value_of({"d": [Decimal(other)]})
    assert same == (one != "1E+2")  # as the reference spells it: no column of Arrow has such a scale
    assert value_of(Decimal(f"0.{'7' * 37}1")) != value_of(Decimal(f"0.{'7' * 37}2"))
