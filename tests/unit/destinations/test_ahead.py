"""Pieces for a database: the next one is made while it takes the one before."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from ladle.destinations.ahead import ahead


def test_the_next_piece_is_made_while_the_one_before_is_used() -> None:
    began = threading.Event()

    def pieces() -> Iterator[str]:
        yield "1"
        began.set()
        yield "2"

    coming = ahead(pieces())
    assert next(coming) == "1"
    assert began.wait(30)
    assert list(coming) == ["2"]


def test_what_goes_wrong_with_a_piece_comes_where_it_is_wanted() -> None:
    def pieces() -> Iterator[str]:
        yield "1"
        raise ValueError("the second")

    coming = ahead(pieces())
    assert next(coming) == "1"
    with pytest.raises(ValueError, match="the second"):
        next(coming)
