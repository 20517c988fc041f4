"""Events: a durable step is told before and after, or before only where it failed."""

from __future__ import annotations

import pytest

from ladle.events import Durable, Event, durable


def test_a_durable_step_is_told_before_and_after() -> None:
    told: list[Event] = []
    with durable(told.append, "seal"):
        assert told == [Durable("seal", done=False)]
    assert told[1:] == [Durable("seal", done=True)]


def test_a_step_that_failed_is_not_told_as_done() -> None:
    told: list[Event] = []
    with pytest.raises(OSError), durable(told.append, "seal"):
        raise OSError
    assert told == [Durable("seal", done=False)]
