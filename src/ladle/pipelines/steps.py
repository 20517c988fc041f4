"""The steps of a run: name them in errors, tell when they begin and end, and gather them into a trace."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import TypeVar

from ladle.config.chain import chain
from ladle.config.context import of_pipeline
from ladle.errors import LadleError, PipelineStepFailed
from ladle.events import Emit, StepDone, StepStarted
from ladle.pipelines.info import ExtractInfo, LoadInfo, NormalizeInfo, PipelineTrace, StepTrace, brief, now

_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_LEFT = {
    "sync": "nothing was read",
    "extract": "nothing of it was loaded, and nothing of it is kept",
    "normalize": "its package is kept, and the next run loads it",
    "load": "its package is kept; the next run loads it, unless it is there already",
}
_Info = TypeVar("_Info", ExtractInfo, NormalizeInfo, LoadInfo)


class Steps:
    """Watches the steps of one pipeline.

    Attributes:
        last_trace: of the newest public call, None before the first.
    """

    def __init__(self, pipeline_name: str, emit: Emit) -> None:
        self._pipeline_name = pipeline_name
        self._emit = emit
        self._done: list[StepTrace] = []
        self.last_trace: PipelineTrace | None = None

    @contextmanager
    def traced(self, at_end: Callable[[], None]) -> Iterator[None]:
        """Gather the steps of one public call into `last_trace`; `at_end` runs whatever happens.

        Raises:
            PipelineStepFailed: the working folder can't be used, e.g. it is read-only.
        """
        since = now()
        self._done = []
        try:
            with chain().hold(), of_pipeline(self._pipeline_name):
                yield
        except OSError as error:
            raise PipelineStepFailed(
                f"the working folder can't be used: {error}",
                step="run",
                pipeline=self._pipeline_name,
                hint=_advice(error),
            ) from error
        finally:
            self.last_trace = PipelineTrace(self._pipeline_name, since, now(), tuple(self._done))
            at_end()

    @contextmanager
    def step(self, step: str, load_id: str | None) -> Iterator[None]:
        """Name step, pipeline and load id in every error that leaves the block.

        Raises:
            PipelineStepFailed: what failed wasn't one of our errors, e.g. a full disk; the cause is kept.
        """
        since = now()
        self._emit(StepStarted(step, load_id))
        try:
            yield
        except LadleError as error:
            # Normalize runs beside extract: its errors know their step.
            self._failed(error.facts.get("step", step), since, error)
            if isinstance(error, PipelineStepFailed):
                error.with_facts(step=step, pipeline=self._pipeline_name, load_id=load_id)
            raise
        except KeyboardInterrupt as stop:
            stop.add_note(f"{step} of pipeline `{self._pipeline_name}` was stopped: {_LEFT[step]}")
            raise
        except Exception as error:
            self._failed(step, since, error)
            raise PipelineStepFailed(
                f"{step} failed with {type(error).__name__}: {error}",
                step=step,
                pipeline=self._pipeline_name,
                load_id=load_id,
                hint=_advice(error),
            ) from error
        finally:
            self._emit(StepDone(step, load_id))

    def _failed(self, step: str, since: datetime, error: BaseException) -> None:
        self._done.append(StepTrace(step, since, now(), None, brief(error)))

    def noted(self, step: str, info: _Info) -> _Info:
        """Put a finished step's info into the trace; returns it."""
        self._done.append(StepTrace(step, info.started_at, info.finished_at, info))
        return info


def _advice(error: Exception) -> str:
    if isinstance(error, OSError) and error.errno in _NO_ROOM:
        return "free disk space and run again; what was sealed is kept, nothing is half-loaded"
    if isinstance(error, PermissionError):
        return "check who may write to the working folder (pipelines_dir), then run again"
    return "the cause is above; nothing is half-loaded, run again once it is mended"
