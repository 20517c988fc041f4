"""Pull many resources at once: one thread drives, workers and an event loop make items beside it.

Each root resource is a lane. A lane whose items are there when asked for is plain: its iterator is handed out
as it is, so that nothing is paid per row. Feeds make items elsewhere; the number at work at once is limited.
"""

from __future__ import annotations

import queue
import sys
import time
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from functools import cached_property
from typing import Any, NoReturn

from ladle.config.context import sections
from ladle.config.settings import setting
from ladle.errors import UsageError
from ladle.sources.current import scope
from ladle.sources.feeds import END, WAIT, Crew, Feed
from ladle.sources.hints import check_choice
from ladle.sources.lanes import Lane, Pulled, PullOptions
from ladle.sources.pipe import Readable, Special, build, is_special


class Plain:
    """A turn of a resource whose items are there: take `items` until they end.

    An item that is a `Special`, or of a type that `is_special`, isn't settled: `divert` it, then stop.
    """

    __slots__ = ("_lane", "items", "resource")

    def __init__(self, lane: Lane, items: Iterator[Any]) -> None:
        self._lane = lane
        self.resource = lane.root.resource
        self.items = items

    def divert(self, item: Any) -> None:
        """Give back an item that isn't settled; the resource goes on as one with branches."""
        self._lane.divert(item)

    def reraise(self, exc: Exception, rows: int | None = None) -> NoReturn:
        """Raise the error for what the items' code raised."""
        self._lane.root.reraise(exc, rows)


class Ended:
    """Nothing more comes of these resources."""

    __slots__ = ("resources",)

    def __init__(self, resources: list[Readable]) -> None:
        self.resources = resources


def configured(max_parallel_items: int | None = None, workers: int | None = None) -> PullOptions:
    """Return how to pull as the settings say: `EXTRACT__MAX_PARALLEL_ITEMS`, `__WORKERS`, `__NEXT_ITEM_MODE`.

    Args:
        max_parallel_items: wins over the setting.
        workers: wins over the setting.

    Raises:
        UsageError: a setting is no number above 0, or an unknown mode.
    """
    mode: Any = setting("extract", "next_item_mode")
    if mode is not None:
        check_choice("next_item_mode", mode, ("round_robin", "fifo"))
    default = PullOptions()
    return PullOptions(
        max_parallel_items=_number("max_parallel_items", max_parallel_items, default.max_parallel_items),
        workers=_number("workers", workers, default.workers),
        next_item_mode=mode,
    )


def _number(name: str, given: int | None, default: int) -> int:
    value: Any = given if given is not None else setting("extract", name)
    if value is None:
        return default
    try:
        number = int(value)
    except (TypeError, ValueError):
        number = 0
    if number < 1 or isinstance(value, bool):
        raise UsageError(f"{name} can't be `{value!r}`", expected="a whole number above 0")
    return number


def pull(resources: Sequence[Readable], options: PullOptions | None = None) -> Iterator[Pulled]:
    """Yield the items of `resources`, of each resource in order. See `turns`."""
    with closing(turns(resources, options)) as given:
        for got in given:
            if type(got) is Pulled:
                yield got
            elif type(got) is Plain:
                yield from _settled(got)


def _settled(turn: Plain) -> Iterator[Pulled]:
    try:
        for item in turn.items:
            if is_special(type(item)) or type(item) is Special:
                turn.divert(item)
                return
            yield Pulled(turn.resource, item, None)
    except Exception as exc:  # noqa: BLE001 - told as an error of the resource
        turn.reraise(exc)


def turns(
    resources: Sequence[Readable], options: PullOptions | None = None
) -> Generator[Pulled | Plain | Ended]:
    """Pull resources and the transformers among them; each is read once.

    Args:
        resources: whose items are wanted. What they take items from is read too.
        options: limits and order.

    Yields:
        Items of one resource in order, of different resources in any order; and what has ended.

    Raises:
        ResourceExtractionError: the code of a resource raised; the cause is what it raised. All generators
            are closed and all threads ended by then, as after Ctrl-C. A second Ctrl-C doesn't wait for them.
    """
    puller = Puller(resources, options or PullOptions())
    before = scope.get(), sections.get()
    try:
        yield from puller.turns()
    finally:
        scope.set(before[0])
        sections.set(before[1])
        puller.close()


class Puller:
    """Gives lanes their turns and feeds their slots."""

    def __init__(self, resources: Sequence[Readable], options: PullOptions) -> None:
        self._given = options
        roots = build(resources, options.scope)
        self.mode = self.options.next_item_mode if len(roots) > 1 else None
        self.news: queue.SimpleQueue[tuple[Lane, Feed | None]] = queue.SimpleQueue()
        self.dropped: list[Feed] = []
        self._lanes = [Lane(self, root) for root in roots]
        self._ready: deque[Lane] = deque()
        self._unopened: deque[Lane] = deque()
        self._live = len(self._lanes)
        self._taken = 0
        self._wanting: deque[Feed] = deque()
        self._listed: set[int] = set()
        self._opened: dict[int, Lane] = {}
        self._going = 0
        for lane in self._lanes:
            at_once = lane.is_beside or self.mode is not None
            (self._ready if at_once else self._unopened).append(lane)

    @cached_property
    def options(self) -> PullOptions:
        """Limits, settings read."""
        if not self._given.from_settings:
            return self._given
        found = configured()
        mode = found.next_item_mode or self._given.next_item_mode
        return replace(found, scope=self._given.scope, next_item_mode=mode)

    @cached_property
    def _crew(self) -> Crew:
        return Crew(self.options.workers)

    def want(self, feed: Feed) -> None:
        """Let a feed work as soon as there is a slot; one that goes on comes before one that begins."""
        if not feed.wants_slot() or id(feed) in self._listed:
            return
        if self._taken < self.options.max_parallel_items:
            self._taken += 1
            feed.start(self._crew)
            return
        self._listed.add(id(feed))
        (self._wanting.appendleft if feed.resumes else self._wanting.append)(feed)

    def _release(self, stopped: Feed) -> None:
        self._taken -= 1
        while self._wanting and self._taken < self.options.max_parallel_items:
            feed = self._wanting.popleft()
            self._listed.discard(id(feed))
            if feed.wants_slot():
                self._taken += 1
                feed.start(self._crew)

    def turns(self) -> Iterator[Pulled | Plain | Ended]:
        """Give each lane its turns until all are done."""
        while (lane := self._next_lane()) is not None:
            if lane.branch is None and lane.plain is None:
                self._opened[id(lane)] = lane
                lane.open()
            if lane.plain is not None:
                yield from self._plain_turn(lane)
            else:
                yield from self._branch_turn(lane)

    def _plain_turn(self, lane: Lane) -> Iterator[Plain | Ended]:
        alone = self._live - len(self._unopened) == 1 and self.mode is None
        began = time.monotonic()
        yield Plain(lane, lane.plain_turn(alone))
        if lane.plain is None:
            self._ready.append(lane)
            return
        lane.turn_took(time.monotonic() - began)
        try:
            over = alone or lane.plain_is_over()
        except Exception as exc:  # noqa: BLE001 - told as an error of the resource
            lane.root.reraise(exc)
        if over:
            yield self._finish(lane)
        else:
            self._again(lane)

    def _branch_turn(self, lane: Lane) -> Iterator[Pulled | Ended]:
        assert lane.branch is not None
        got = lane.branch.take()
        if got is END:
            yield self._finish(lane)
        elif got is WAIT:
            lane.parked = True
            self._going -= lane.counted
        else:
            self._again(lane)
            yield got

    def _again(self, lane: Lane) -> None:
        (self._ready.appendleft if self.mode == "fifo" else self._ready.append)(lane)

    def _finish(self, lane: Lane) -> Ended:
        self._live -= 1
        self._going -= lane.counted
        ended = Ended(lane.finished())
        lane.close()
        del self._opened[id(lane)]
        return ended

    def _next_lane(self) -> Lane | None:
        self._hear()
        while not self._ready:
            if self._may_open():
                return self._open()
            if self._live == 0:
                return None
            self._note(*self.news.get())
            self._hear()
        if self._may_open() and self._going == 0:
            # While the lanes that are open wait for others, one more goes on.
            return self._open()
        return self._ready.popleft()

    def _may_open(self) -> bool:
        few = not self._wanting or len(self._wanting) < self.options.max_parallel_items
        return bool(self._unopened) and few

    def _open(self) -> Lane:
        lane = self._unopened.popleft()
        lane.counted = True
        self._going += 1
        return lane

    def _hear(self) -> None:
        while not self.news.empty():
            self._note(*self.news.get())

    def _note(self, lane: Lane, stopped: Feed | None) -> None:
        lane.told = False
        if stopped is not None:
            self._release(stopped)
        if lane.parked:
            lane.parked = False
            self._going += lane.counted
            self._ready.append(lane)

    def close(self) -> None:
        """Stop all that runs elsewhere, then close all generators, also where closing one of them fails.

        Such a failure is raised unless another error is on its way already: that one is to be told.
        """
        feeds = [f for lane in self._opened.values() if lane.branch is not None for f in lane.branch.feeds()]
        for feed in (*feeds, *self.dropped):
            feed.cancel()
        if "_crew" in self.__dict__:
            self._crew.stop()
        failed: list[Exception] = []
        for close_one in [part.close for part in self._opened.values()] + [f.close for f in self.dropped]:
            try:
                close_one()
            except Exception as exc:  # noqa: BLE001 - of the resources' own code; the others are closed first
                failed.append(exc)
        if failed and sys.exc_info()[0] is None:
            raise failed[0]
