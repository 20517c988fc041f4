"""Reads a resource as a distrustful reader does: on a thread of its own, with a copy of each item."""

from __future__ import annotations

import copy
import functools
import inspect
import queue
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from ladle.sources.resource import Resource

_END = object()
_FETCHES = ("socket.connect", "socket.getaddrinfo", "subprocess.Popen", "sqlite3.connect", "urllib.Request")
_MAX_ROWS = 100_000


@dataclass
class Reading:
    """What reading a resource once gave.

    Attributes:
        rows: as they were when they were yielded; pages flattened.
        nothings: numbers of the rows before which None was yielded.
        changed: numbers of the rows that were changed after they were yielded.
        error: that it raised, if it did.
        hung: whether nothing came for too long.
    """

    rows: list[Any] = field(default_factory=list)
    nothings: list[int] = field(default_factory=list)
    changed: list[int] = field(default_factory=list)
    error: BaseException | None = None
    hung: bool = False


def read(resource: Resource, patience_s: float) -> Reading:
    """Read a resource to its end, or to row 100,000. Memory: O(rows).

    Args:
        resource: of a source that was just made.
        patience_s: seconds to wait for an item; a thread that hangs is left behind.
    """
    items: queue.Queue[Any] = queue.Queue(maxsize=1)
    found = Reading()

    def work() -> None:
        rows = [0]  # yielded so far: those that were taken may be fewer
        try:
            for item in _raw(resource, lambda: found.nothings.append(rows[0])):
                rows[0] += len(item) if isinstance(item, list) else 1
                items.put((item, copy.deepcopy(item)))
            items.put(_END)
        except BaseException as exc:  # noqa: BLE001 - whatever it is, it is told
            items.put(exc)

    threading.Thread(target=work, daemon=True).start()
    kept: list[tuple[int, Any, Any]] = []
    while len(found.rows) < _MAX_ROWS:
        try:
            got = items.get(timeout=patience_s)
        except queue.Empty:
            found.hung = True
            break
        if isinstance(got, BaseException):
            found.error = got
            break
        if got is _END:
            break
        _add(found, kept, *got)
    found.changed = [number for number, item, before in kept if _differs(item, before)]
    return found


def _add(found: Reading, kept: list[tuple[int, Any, Any]], item: Any, before: Any) -> None:
    kept.append((len(found.rows), item, before))
    for row in before if isinstance(before, list) else [before]:
        if row is None:
            found.nothings.append(len(found.rows))
        else:
            found.rows.append(row)


def _differs(item: Any, before: Any) -> bool:
    try:
        return bool(item != before)
    except (ValueError, TypeError, RecursionError):
        return False  # frames, which don't change, and what contains itself


def _raw(resource: Resource, nothings: Callable[[], None]) -> Iterator[Any]:
    """Yield the items as ladle reads them; tell of each None, which ladle passes over."""
    function = resource.data
    if not inspect.isgeneratorfunction(function) or resource.is_transformer:
        yield from resource.items()
        return

    @functools.wraps(function)
    def watched(*args: Any, **kwargs: Any) -> Iterator[Any]:
        for item in function(*args, **kwargs):
            if item is None:
                nothings()
            yield item

    resource.data = watched
    yield from resource.items()


def closes(resource: Resource) -> bool:
    """Whether the resource ends when its reader has enough after the first item."""
    if resource.is_transformer or resource.runs_beside:
        return True
    made = resource.call(resource.arguments())
    if not hasattr(made, "close"):
        return True
    try:
        next(made, None)
        made.close()
    except RuntimeError:
        deque(islice(made, _MAX_ROWS), maxlen=0)  # Python would complain about it later, somewhere else
        return False
    except Exception:  # noqa: BLE001 - that it raises, `read` tells
        return True
    return True


class _Watch:
    """Hears of connections and processes while it is on; Python never takes such a hook off again."""

    def __init__(self) -> None:
        self.heard: list[str] | None = None
        self.thread = 0
        self.installed = False

    def __call__(self, event: str, args: tuple[Any, ...]) -> None:
        if self.heard is not None and event in _FETCHES and threading.get_ident() == self.thread:
            self.heard.append(f"{event}{args[1:2] if event == 'socket.connect' else args[:1]}")


_WATCH = _Watch()


def fetches(make: Callable[[], Any]) -> list[str]:
    """Return the connections and processes that a function starts on this thread."""
    if not _WATCH.installed:
        sys.addaudithook(_WATCH)
        _WATCH.installed = True
    _WATCH.heard, _WATCH.thread = [], threading.get_ident()
    try:
        make()
        return _WATCH.heard
    finally:
        _WATCH.heard = None
