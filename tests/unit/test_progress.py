"""Progress: whatever a user gives as collector hears what it can."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from ladle.errors import UsageError
from ladle.events import Event, Notice, Progress, StepDone, StepStarted
from ladle.progress import LogProgress, RichProgress, collector

RUN: list[Event] = [
    StepStarted("extract"),
    Progress("extract", "t", 2),
    Progress("extract", "t", 3),
    StepStarted("load"),
    Progress("load", "t", 5),
    StepDone("load"),
    Notice("look"),
    StepDone("extract"),
]


class Updated:
    def __init__(self) -> None:
        self.calls: list[Any] = []

    def update(self, name: str, inc: int) -> None:
        self.calls.append((name, inc))


def play(progress: Any, caplog: pytest.LogCaptureFixture) -> list[str]:
    emit = collector(progress)
    with caplog.at_level(logging.INFO, "ladle"):
        for event in RUN:
            emit(event)
    return [record.getMessage() for record in caplog.records]


def test_without_a_collector_only_notices_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    assert play(None, caplog) == ["look"]


def test_a_function_hears_every_event(caplog: pytest.LogCaptureFixture) -> None:
    heard: list[Event] = []
    assert play(heard.append, caplog) == []
    assert heard == RUN


def test_an_object_with_update_hears_rows(caplog: pytest.LogCaptureFixture) -> None:
    updated = Updated()
    assert play(updated, caplog) == ["look"]
    assert updated.calls == [("t", 2), ("t", 3), ("t", 5)]


def test_log_sums_rows_and_tells_each_step(caplog: pytest.LogCaptureFixture) -> None:
    said = play("log", caplog)
    assert "extract t: 5 rows" in said
    assert "load t: 5 rows" in said
    assert [line for line in said if line.endswith("done")] == ["load done", "extract done"]
    assert "look" in said


def test_log_keeps_quiet_between_periods(caplog: pytest.LogCaptureFixture) -> None:
    log = LogProgress(period_s=3600)
    with caplog.at_level(logging.INFO, "ladle"):
        for _ in range(1000):
            log(Progress("extract", "t", 1))
        log(StepDone("extract"))
    said = [record.getMessage() for record in caplog.records]
    assert len(said) <= 3
    assert said[-2:] == ["extract t: 1,000 rows", "extract done"]


@pytest.mark.parametrize("name", ["rich", "tqdm", "enlighten", "alive_progress"])
def test_bars_end_with_the_last_step_and_can_begin_again(name: str, caplog: pytest.LogCaptureFixture) -> None:
    emit = collector(name)
    assert isinstance(emit, RichProgress)
    for _ in range(2):
        for event in RUN[:-1]:
            emit(event)
        assert emit._display is not None
        assert [task.completed for task in emit._display.tasks] == [5, 5]
        emit(RUN[-1])
        assert emit._display is None


@pytest.mark.parametrize("progress", ["logs", 5])
def test_anything_else_is_refused(progress: Any) -> None:
    with pytest.raises(UsageError, match="unknown progress"):
        collector(progress)
