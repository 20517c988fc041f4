"""A source that does everything wrong, each fault in a resource of its own."""

from __future__ import annotations

import itertools
import socket
import threading
from collections.abc import Iterator
from typing import Any

import ladle

SECRET = "hunter2-hostile"
HANG_S = 3600.0
RELEASE = threading.Event()
"""Set it to let go of the readers that hang."""

_READINGS = itertools.count()


def raises() -> Iterator[Any]:
    """Two rows, then an error."""
    yield {"id": 1}
    yield {"id": 2}
    raise ConnectionError("the server went away")


def nothing() -> Iterator[Any]:
    """None among the rows, and in a page."""
    yield {"id": 1}
    yield None
    yield [{"id": 2}, None]


def changes() -> Iterator[Any]:
    """One dict for all rows."""
    row: dict[str, Any] = {}
    for number in range(3):
        row["id"] = number
        row["seen"] = list(range(number))
        yield row


def types() -> Iterator[Any]:
    """A column that is a number, a text, a list and a dict."""
    yield {"id": 1, "v": 1}
    yield {"id": 2, "v": "two"}
    yield {"id": 3, "v": [3]}
    yield {"id": 4, "v": {"four": 4}}


def hangs() -> Iterator[Any]:
    """One row, then nothing for an hour."""
    yield {"id": 1}
    RELEASE.wait(HANG_S)


def ignores_close() -> Iterator[Any]:
    """Goes on when its reader leaves."""
    number = 0
    while number < 3:
        try:
            yield {"id": number}
        except GeneratorExit:
            pass
        number += 1


def huge() -> Iterator[Any]:
    """A row of 20 MB."""
    yield {"id": 1, "v": "x" * 20_000_000}


def keys() -> Iterator[Any]:
    """A primary key that is there twice."""
    yield {"id": 1, "v": "first"}
    yield {"id": 1, "v": "second"}


def nulls() -> Iterator[Any]:
    """A column that can't be null, and is."""
    yield {"id": 1, "name": "a"}
    yield {"id": 2, "name": None}


def unstable() -> Iterator[Any]:
    """Other rows with each reading."""
    yield {"id": next(_READINGS)}


def deep() -> Iterator[Any]:
    """A row that contains itself."""
    row: dict[str, Any] = {"id": 1}
    row["me"] = row
    yield row


def objects() -> Iterator[Any]:
    """A value that is no data."""
    yield {"id": 1, "v": object()}


def leaks() -> Iterator[Any]:
    """A secret in its state."""
    ladle.current.resource_state()["token"] = SECRET
    yield {"id": 1}


HINTS: dict[str, dict[str, Any]] = {
    "keys": {"primary_key": "id"},
    "nulls": {"columns": {"name": {"nullable": False}}},
}
FAULTY = (raises, nothing, changes, types, hangs, ignores_close, huge)
RESOURCES = (*FAULTY, keys, nulls, unstable, deep, objects, leaks)


@ladle.source(name="hostile")
def hostile(only: str | None = None, connect: bool = False) -> Any:
    """Return the resources, or one of them.

    Args:
        only: its name.
        connect: fetch something at once, before anything is read.
    """
    if connect:
        with socket.socket() as server, socket.socket() as client:
            server.bind(("127.0.0.1", 0))
            server.listen()
            client.connect(server.getsockname())
    for function in RESOURCES:
        if only in (None, function.__name__):
            name = function.__name__
            yield ladle.resource(function, name=name, **HINTS.get(name, {}))
