"""Sessions that are opened while their load is made ready."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from tests.loading import Site

from ladle.destinations.sql import SqlSession
from ladle.errors import DestinationError
from ladle.events import Durable, Event
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


def test_what_is_given_back_is_closed_meanwhile_and_waited_for() -> None:
    may, place = threading.Event(), Place()
    place.may.set()
    session = early(place)
    taken: Any = session.take()
    close = taken.close
    taken.close = lambda: (may.wait(10), close())
    session.give_back(taken)  # returns at once
    assert taken.closed == 0
    may.set()
    session.close()
    assert taken.closed == 1


def test_a_package_is_cleared_away_while_its_session_closes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site, cleared = Site(tmp_path), threading.Event()

    def watch(event: Event) -> None:
        if isinstance(event, Durable) and event.done and event.name == "package.removed":
            cleared.set()

    site.pipeline().run([{"id": 1}], table_name="t")
    close, waited = SqlSession.close, []
    monkeypatch.setattr(SqlSession, "close", lambda one: (waited.append(cleared.wait(10)), close(one)))
    site.pipeline(progress=watch).run([{"id": 2}], table_name="t")
    assert waited == [True]
    assert site.query("SELECT id FROM ds.t ORDER BY id") == [(1,), (2,)]  # by now the file is closed
