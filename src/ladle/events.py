"""What happens during a run, as values: progress, and the durable steps a kill test can stop at."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Progress:
    """`count` more items of `name` (a resource, table or `packages`) went through `step`.

    `count` is rows for extract, normalize and load.
    """

    step: str
    name: str
    count: int


@dataclass(frozen=True, slots=True)
class StepStarted:
    """A step of a run begins: extract, normalize or load."""

    step: str
    load_id: str | None = None


@dataclass(frozen=True, slots=True)
class StepDone:
    """A step of a run ended without error."""

    step: str
    load_id: str | None = None


@dataclass(frozen=True, slots=True)
class Durable:
    """The run stands before (`done` False) or after (`done` True) a step that survives a kill."""

    name: str
    done: bool


@dataclass(frozen=True, slots=True)
class Notice:
    """Something a user should know that is no error, e.g. a column that only saw nulls."""

    text: str


Event = Progress | StepStarted | StepDone | Durable | Notice
Emit = Callable[[Event], None]


def silent(event: Event) -> None:
    """Drop the event."""


@contextmanager
def durable(emit: Emit, name: str) -> Iterator[None]:
    """Tell `emit` before and after a durable step, so that a test can stop the process at either."""
    emit(Durable(name, done=False))
    yield
    emit(Durable(name, done=True))
