"""Sessions that are opened while their load is made ready."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from ladle.errors import DestinationError
from ladle.load.early import EarlySession


class Opened:
    def __init__(self) -> None:
        self.closed = 0

    def close(self) -> None:
        self.closed += 1


class Place:
    """A destination that opens once it may."""

    def __init__(self, *, error: Exception | None = None) -> None:
        self.may = threading.Event()
        self.error = error
        self.made: list[Opened] = []

    def open(self, dataset: str) -> Any:
        assert self.may.wait(10)
        error, self.error = self.error, None
        if error is not None:
            raise error
        self.made.append(Opened())
        return self.made[-1]


def early(place: Any) -> EarlySession:
    return EarlySession(place, "ds")


def test_it_is_given_away_once_and_then_opened_anew() -> None:
    place = Place()
    place.may.set()
    session = early(place)
    first, second = session.take(), session.take()
    assert first is not second
    session.close()
    assert [one.closed for one in place.made] == [0, 0]


def test_what_nobody_takes_is_closed() -> None:
    place = Place()
    place.may.set()
    session = early(place)
    session.close()
    session.close()
    assert [one.closed for one in place.made] == [1]


def test_an_error_is_raised_where_it_is_taken_and_once() -> None:
    place = Place(error=DestinationError("no such server"))
    place.may.set()
    session = early(place)
    with pytest.raises(DestinationError, match="no such server"):
        session.take()
    assert session.take() is place.made[0]


def test_closing_does_not_wait_for_a_file_that_stays_locked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ladle.load.early._PATIENCE_S", 0.01)
    place = Place()
    session = early(place)
    session.close()
    assert place.made == []
    place.may.set()
    session._thread.join(10)
    assert [one.closed for one in place.made] == [1]
