"""Where the interval of a scheduler comes from; 5.7 of the spec."""

from __future__ import annotations

import asyncio
import sys
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from types import ModuleType
from typing import Any

import pytest
from tests.unit.sources.cursors import Runs, cs

import ladle
from ladle.errors import ConfigError, ExternalSchedulerNotAvailable, JoinSchedulerError
from ladle.sources.incremental import Incremental
from ladle.sources.interval import TimeIntervalContext, interval

DAY, NEXT = datetime(2024, 1, 15, tzinfo=UTC), datetime(2024, 1, 16, tzinfo=UTC)
SECONDS = cs(1705276790, 1705276800, 1705276805, 1705363200)


def context(**options: Any) -> TimeIntervalContext:
    return TimeIntervalContext(interval=(DAY, NEXT), **options)


def test_i15_the_middle_two_and_nothing_stored() -> None:
    runs = Runs(Incremental[int]("c", allow_external_schedulers=True))
    with context():
        assert runs(SECONDS) == SECONDS[1:3]
    assert runs.state == {}


def test_i15_a_context_for_all_and_none_for_who_refuses() -> None:
    with context(allow_external_schedulers=True):
        assert Runs(Incremental[int]("c"))(SECONDS) == SECONDS[1:3]
        assert Runs(Incremental[int]("c", allow_external_schedulers=False))(SECONDS) == SECONDS
    with context():
        assert Runs(Incremental[int]("c"))(SECONDS) == SECONDS


@pytest.mark.parametrize("prefix", ["LADLE", "DLT"])
def test_i15_the_environment(prefix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"{prefix}_INTERVAL_START", "2024-01-15T00:00:00Z")
    monkeypatch.setenv(f"{prefix}_INTERVAL_END", "2024-01-16T00:00:00Z")
    assert interval() == (DAY, NEXT)
    assert Runs(Incremental[int]("c", allow_external_schedulers=True))(SECONDS) == SECONDS[1:3]
    with TimeIntervalContext(interval=(NEXT, NEXT)):
        assert interval() == (NEXT, NEXT)


def test_i15_the_zone_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LADLE_INTERVAL_START", "2024-01-15")
    monkeypatch.setenv("LADLE_INTERVAL_END", "2024-01-16T00:00:00+00:00")
    monkeypatch.setenv("LADLE_INTERVAL_TIMEZONE", "Europe/Berlin")
    found = interval()
    assert found == (DAY - timedelta(hours=1), NEXT)


@pytest.mark.parametrize(
    ("variables", "match"),
    [
        ({"START": "2024-01-15"}, "only one end of the interval"),
        ({"START": "x", "END": "2024-01-15"}, "LADLE_INTERVAL_START: `x` is no datetime"),
        ({"START": "2024-01-15", "END": "2024-01-14"}, "ends before it starts"),
        ({"START": "2024-01-15", "END": "2024-01-16", "TIMEZONE": "Mars"}, "`Mars` is no time zone"),
    ],
)
def test_an_interval_that_can_not_be_read(
    variables: dict[str, str], match: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(f"LADLE_INTERVAL_{name}", value)
    with pytest.raises(ConfigError, match=match):
        interval()


@pytest.mark.parametrize("name", ["airflow.sdk", "airflow.operators.python"])
def test_i15_airflow(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType(name)
    module.get_current_context = lambda: {"data_interval_start": DAY, "data_interval_end": NEXT}  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, name, module)
    assert Runs(Incremental[int]("c", allow_external_schedulers=True))(SECONDS) == SECONDS[1:3]


def test_airflow_outside_of_a_task(monkeypatch: pytest.MonkeyPatch) -> None:
    def outside() -> Any:
        raise RuntimeError("Current context was requested but no context was found")

    module = ModuleType("airflow.sdk")
    module.get_current_context = outside  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "airflow.sdk", module)
    assert interval() is None


def test_i16_no_interval() -> None:
    assert interval() is None
    with pytest.raises(ExternalSchedulerNotAvailable, match=r"resource=`r`[\s\S]*LADLE_INTERVAL_START"):
        Incremental[int]("c", allow_external_schedulers=True).bound("r")


def test_contexts_nest_and_end_and_are_seen_by_tasks_only() -> None:
    outer, inner = context(), TimeIntervalContext(interval=(NEXT, NEXT))
    with outer:
        with inner, inner:
            assert interval() == (NEXT, NEXT)
        assert interval() == (DAY, NEXT)

        async def task() -> Any:
            with inner:
                return interval()

        assert asyncio.run(task()) == (NEXT, NEXT)
        assert interval() == (DAY, NEXT)
    assert interval() is None
    assert ladle.sources.TimeIntervalContext is TimeIntervalContext


@pytest.mark.parametrize(
    ("kind", "start", "end"),
    [
        (int, 1705276800, 1705363200),
        (float, 1705276800.0, 1705363200.0),
        (Decimal, Decimal("1705276800.0"), Decimal("1705363200.0")),
        (date, date(2024, 1, 15), date(2024, 1, 16)),
        (datetime, DAY, NEXT),
        (None, DAY, NEXT),
    ],
)
def test_the_interval_in_the_type_of_the_cursor(kind: Any, start: Any, end: Any) -> None:
    cursor = Incremental[kind] if kind else Incremental
    with context(allow_external_schedulers=True):
        bound = cursor("c").bound("r")
    assert (bound.initial_value, bound.end_value) == (start, end)
    assert type(bound.initial_value) is type(start)
    assert bound.is_stateless


def test_the_interval_is_cut_to_the_cursors_own_bounds() -> None:
    noon, later = DAY + timedelta(hours=12), NEXT + timedelta(days=1)
    naive = noon.replace(tzinfo=None)
    with context(allow_external_schedulers=True):
        for options, expected in (
            ({"initial_value": noon, "end_value": later}, (noon, NEXT)),
            ({"initial_value": DAY - timedelta(1), "end_value": noon}, (DAY, noon)),
            ({"initial_value": later}, (later, later)),
            ({"initial_value": naive}, (naive, NEXT.replace(tzinfo=None))),
        ):
            bound = Incremental("c", **options).bound("r")
            assert (bound.initial_value, bound.end_value) == expected
    assert Runs(Incremental("c", initial_value=DAY, end_value=DAY))(cs(DAY)) == []


@pytest.mark.parametrize(
    "cursor",
    [Incremental[str]("c"), Incremental("c", initial_value="2024"), Incremental("c", last_value_func=min)],
)
def test_cursors_that_no_time_converts_to(cursor: Any) -> None:
    with (
        context(allow_external_schedulers=True),
        pytest.raises(JoinSchedulerError, match="can't be turned into"),
    ):
        cursor.bound("r")
