"""Make what a database takes next while it takes what came before."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

_T = TypeVar("_T")


def ahead(pieces: Iterable[_T]) -> Iterator[_T]:
    """Yield pieces; the next one is made on a thread meanwhile. None of them may be None."""
    source = iter(pieces)
    with ThreadPoolExecutor(1, "ladle-spell") as thread:
        coming = thread.submit(next, source, None)
        while (found := coming.result()) is not None:
            coming = thread.submit(next, source, None)
            yield found
