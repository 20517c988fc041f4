"""Messages of a COPY as they come: in pieces, of any size, and none at times."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import pytest

from ladle.destinations.postgres_line import Line


class Driver:
    """A connection of the driver's whose messages are these; None is a wait for the next."""

    def __init__(self, messages: list[bytes | None]) -> None:
        self._messages = messages
        self._ends = socket.socketpair()
        self._ends[1].send(b"x")  # there is always something to read
        self.socket = self._ends[0].fileno()
        self.pgconn_ptr = None
        self.pgconn = self

    def get_copy_data(self, asynchronous: int) -> tuple[int, memoryview]:
        assert asynchronous == 1
        if not self._messages:
            return -1, memoryview(b"")
        message = self._messages.pop(0) or b""
        return len(message), memoryview(message)

    def consume_input(self) -> None:
        """Nothing to do."""

    def flush(self) -> int:
        return 0

    def is_busy(self) -> int:
        return 0

    def get_result(self) -> None:
        return None

    def close(self) -> None:
        for end in self._ends:
            end.close()


@pytest.fixture
def drivers() -> Iterator[list[Driver]]:
    made: list[Driver] = []
    yield made
    for driver in made:
        driver.close()


def line(drivers: list[Driver], *messages: bytes | None) -> Line:
    connection: Any = Driver(list(messages))
    drivers.append(connection)
    return Line(connection)


def test_pieces_are_as_long_as_asked(drivers: list[Driver]) -> None:
    found = []
    for data in line(drivers, b"ab", None, b"cd", None, None, b"e", b"fgh").pieces(4):
        found.append(bytes(data))
        data.clear()
    assert found == [b"abcd", b"efgh", b""]


def test_what_is_not_read_stays_and_more_comes(drivers: list[Driver]) -> None:
    found = []
    for data in line(drivers, b"abc", b"de", b"fgh", b"i").pieces(3):
        found.append(bytes(data))
        if len(data) > 6:
            del data[:6]
    assert found == [b"abc", b"abcdefgh", b"ghi"]
