"""Steps: errors get the step's name, the trace has every step."""

from __future__ import annotations

import errno
from typing import Any

import pytest

from ladle.errors import DataError, PipelineStepFailed, UsageError
from ladle.events import Event, StepDone, StepStarted, silent
from ladle.pipelines.info import ExtractInfo, now
from ladle.pipelines.steps import Steps


def failed(error: BaseException, step: str = "load") -> tuple[Any, Steps]:
    steps = Steps("pipe", silent)
    with pytest.raises(BaseException) as caught, steps.traced(lambda: None), steps.step(step, "1.5"):
        raise error
    return caught.value, steps


def test_errors_of_ours_learn_step_pipeline_and_load_id() -> None:
    error, steps = failed(DataError("what"))
    assert (error.step, error.pipeline, error.load_id) == ("load", "pipe", "1.5")
    assert steps.last_trace is not None
    assert [(s.step, s.step_exception) for s in steps.last_trace.steps] == [("load", "what")]


def test_an_error_that_knows_its_step_keeps_it_in_the_trace_too() -> None:
    error, steps = failed(DataError("what", step="normalize"), step="extract")
    assert error.step == "normalize"
    assert steps.last_trace is not None
    assert steps.last_trace.steps[0].step == "normalize"


def test_wrong_calls_stay_plain() -> None:
    error, _ = failed(UsageError("wrong"))
    assert str(error) == "wrong"


@pytest.mark.parametrize(
    ("error", "hint"),
    [
        (ValueError("x"), "the cause is above"),
        (OSError(errno.ENOSPC, "No space left on device"), "free disk space"),
        (PermissionError(errno.EACCES, "Permission denied"), "check who may write"),
    ],
)
def test_other_errors_become_ours_with_advice(error: Exception, hint: str) -> None:
    found, _ = failed(error)
    assert type(found) is PipelineStepFailed
    assert (found.__cause__, found.exception) == (error, error)
    assert found.what == f"load failed with {type(error).__name__}: {error}"
    assert str(found.hint).startswith(hint)


def test_interrupts_pass_unchanged() -> None:
    error, _ = failed(KeyboardInterrupt())
    assert type(error) is KeyboardInterrupt


def test_a_folder_that_cannot_be_used_is_told_as_such() -> None:
    steps = Steps("pipe", silent)
    with (
        pytest.raises(PipelineStepFailed, match="the working folder can't be used") as caught,
        steps.traced(lambda: None),
    ):
        raise PermissionError("read-only")
    assert caught.value.step == "run"


def test_events_frame_every_step_also_a_failed_one() -> None:
    told: list[Event] = []
    steps = Steps("pipe", told.append)
    with pytest.raises(ValueError), steps.step("load", "1.5"):
        raise UsageError("x")
    assert told == [StepStarted("load", "1.5"), StepDone("load", "1.5")]


def test_a_trace_is_of_one_call_and_the_end_is_always_told() -> None:
    ended: list[bool] = []
    steps = Steps("pipe", silent)
    info = ExtractInfo(None, now(), now(), (), True)
    for _ in range(2):
        with steps.traced(lambda: ended.append(True)):
            assert steps.noted("extract", info) is info
    with pytest.raises(ZeroDivisionError), steps.traced(lambda: ended.append(True)):
        raise ZeroDivisionError
    assert len(ended) == 3
    assert steps.last_trace is not None
    assert steps.last_trace.steps == ()
