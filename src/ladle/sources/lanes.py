"""Lanes of a pull: a root resource with all that hangs below it, and the branches its items take.

A lane whose items are there when asked for is plain: its iterator is handed out as it is. Any other lane
keeps what it yields in order in branches: an item, or a branch that will yield items (a feed at work
elsewhere), which is drained before what comes after it.
"""

from __future__ import annotations

import queue
from collections import deque
from collections.abc import Iterator
from contextvars import copy_context
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import Any, Literal, Protocol

from ladle.errors import UsageError
from ladle.sources.current import NOWHERE, Scope
from ladle.sources.feeds import END, WAIT, AsyncFeed, Feed, ThreadFeed
from ladle.sources.mark import FileImport, Marked, MaterializedEmptyList
from ladle.sources.pipe import PAGES, Head, Node, Readable, Special, is_special, open_head, stepped
from ladle.sources.steps import Deferred, close

_MAX_NESTED_GENERATORS = 20
_TURN_S = 0.02
_FIRST_SLICE, _MAX_SLICE = 16, 4096
NextItemMode = Literal["round_robin", "fifo"]


@dataclass(frozen=True, slots=True)
class PullOptions:
    """How resources are pulled.

    Attributes:
        max_parallel_items: most awaitables, async generators and deferred calls at work at once.
        workers: most threads.
        next_item_mode: `round_robin`: one item of each resource in turn; `fifo`: from the first that has one.
            None: plain resources one after the other, and what comes from elsewhere in turn with them.
        scope: what is at work around the resources.
        from_settings: settings win over these limits and this mode; they are read when first needed.
    """

    max_parallel_items: int = 20
    workers: int = 5
    next_item_mode: NextItemMode | None = None
    scope: Scope = field(default=NOWHERE)
    from_settings: bool = False


class Pulled:
    """One item (a row, page or frame), or an instruction, of one resource."""

    __slots__ = ("item", "meta", "resource")

    def __init__(self, resource: Readable, item: Any, meta: Any) -> None:
        self.resource = resource
        self.item = item
        self.meta = meta


class Office(Protocol):
    """What lanes need of who gives them their turns."""

    mode: NextItemMode | None
    news: queue.SimpleQueue[tuple[Lane, Feed | None]]
    dropped: list[Feed]

    @property
    def options(self) -> PullOptions:
        """Limits, settings read."""

    def want(self, feed: Feed) -> None:
        """Let a feed work as soon as there is a slot."""


class Lane:
    """A root resource and all that hangs below it."""

    def __init__(self, puller: Office, root: Node) -> None:
        self.puller = puller
        self.root = root
        self.told = False
        self.parked = False
        self.counted = False
        self.branch: Branch | None = None
        self.plain: Iterator[Any] | None = None
        self._raw: Iterator[Any] | None = None
        self._slice = 1 if puller.mode else _FIRST_SLICE

    @property
    def is_beside(self) -> bool:
        """Whether its head runs elsewhere, as far as that can be told before it is opened."""
        return self.root.resource.runs_beside

    def open(self) -> None:
        """Call the resource's function; prepare the nodes below."""
        head = open_head(self.root)
        todo = list(self.root.children)
        while todo:
            node = todo.pop()
            node.prepare()
            todo.extend(node.children)
        if head.items is not None and self.root.is_linear:
            self._raw = head.items
            self.plain = stepped(head.items, self.root) if self.root.steps else head.items
            return
        self.branch = self._branch_of(head)

    def _branch_of(self, head: Head) -> Branch:
        branch = Branch(self, self.root, 0)
        if head.items is not None:
            branch.stack.append((head.items, self.root, 0))
        else:
            branch.feed = self.feed(head.deferred if head.deferred is not None else head.later, self.root)
        return branch

    def feed(self, work: Any, node: Node) -> Feed:
        """Make a feed of something that gives items later."""
        node.enter()
        make: Any = ThreadFeed if isinstance(work, Deferred) else AsyncFeed
        feed: Feed = make(work, copy_context(), self._news)
        self.puller.want(feed)
        return feed

    def _news(self, feed: Feed, stopped: bool) -> None:
        """Hear from another thread that there are items."""
        if stopped:
            self.told = True
            self.puller.news.put((self, feed))
        elif not self.told:
            self.told = True
            self.puller.news.put((self, None))

    def plain_turn(self, alone: bool) -> Iterator[Any]:
        """Return items for one turn; all of them where nothing else is to be done."""
        self.root.enter()
        assert self.plain is not None
        return self.plain if alone else islice(self.plain, self._slice)

    def turn_took(self, seconds: float) -> None:
        """Make the next turn as long as the others can bear."""
        if self.puller.mode is None:
            self._slice = min(self._slice * 2, _MAX_SLICE) if seconds < _TURN_S else max(1, self._slice // 4)

    def plain_is_over(self) -> bool:
        """Whether nothing is left; looks at the next item, which stays."""
        assert self.plain is not None
        following = next(self.plain, END)
        if following is END:
            return True
        self.plain = chain((following,), self.plain)
        return False

    def divert(self, item: Any) -> None:
        """Go on with branches, beginning with an item that isn't settled."""
        assert self._raw is not None
        self.plain = None
        self.branch = Branch(self, self.root, 0)
        self.branch.stack.append((self._raw, self.root, 0))
        given = item if type(item) is Special else Special(item, len(self.root.steps))
        self.branch.push(given.item, None, self.root, given.at)

    def finished(self) -> list[Readable]:
        """Keep the state of all cursors; return the resources that have ended."""
        todo, ended = [self.root], []
        while todo:
            node = todo.pop()
            node.keep_state()
            ended.append(node.resource)
            todo.extend(node.children)
        return ended

    def close(self) -> None:
        """Close all generators."""
        if self.plain is not None and self.plain is not self._raw:
            close(self.plain)
        if self._raw is not None:
            close(self._raw)
        if self.branch is not None:
            self.branch.close()


class Branch:
    """Items in order, some of them still being made."""

    __slots__ = ("_at", "_lane", "_node", "feed", "out", "stack")

    def __init__(self, lane: Lane, node: Node, at: int) -> None:
        self._lane = lane
        self._node = node
        self._at = at
        self.feed: Feed | None = None
        self.stack: list[tuple[Iterator[Any], Node, int]] = []
        self.out: deque[Pulled | Branch] = deque()

    def take(self) -> Any:
        """Return the next item, WAIT or END."""
        width = self._lane.puller.options.max_parallel_items
        while True:
            while self.out:
                head = self.out[0]
                if type(head) is Pulled:
                    return self.out.popleft()
                got = head.take()  # type: ignore[union-attr]
                if got is END:
                    self.out.popleft()
                elif got is WAIT:
                    break
                else:
                    return got
            if not self.stack and self.feed is None:
                return WAIT if self.out else END
            if len(self.out) >= width or not self.fill():
                self.look_ahead()
                return WAIT

    def look_ahead(self) -> None:
        """Let branches behind one that isn't done go on, as far as they can."""
        width = self._lane.puller.options.max_parallel_items
        for later in list(self.out):
            if type(later) is Branch:
                while len(later.out) < width and later.fill():
                    pass
                later.look_ahead()

    def fill(self) -> bool:
        """Pull one more item from where this branch begins; False where there is none now."""
        if self.stack:
            iterator, node, at = self.stack[-1]
            node.enter()
            try:
                item = next(iterator, END)
            except Exception as exc:  # noqa: BLE001 - told as an error of the resource
                node.reraise(exc)
            if item is END:
                self.stack.pop()
            else:
                if item is None:
                    node.note_dropped(at)
                self.push(item, None, node, at)
                self._stop_if_done(node)
            return True
        return self.feed is not None and self._fill_from(self.feed)

    def _fill_from(self, feed: Feed) -> bool:
        try:
            item = feed.take()
        except Exception as exc:  # noqa: BLE001 - told as an error of the resource
            self._node.reraise(exc)
        if item is WAIT:
            self._lane.puller.want(feed)
            return False
        if item is END:
            self.feed = None
        else:
            self._lane.puller.want(feed)
            if item is None:
                self._node.note_dropped(self._at)
            self.push(item, None, self._node, self._at)
            self._stop_if_done(self._node)
        return True

    def _stop_if_done(self, node: Node) -> None:
        if node.cursor is None or not node.cursor.can_close() or node.resource.is_transformer:
            return
        for iterator, _, _ in reversed(self.stack):
            close(iterator)
        self.stack.clear()
        if self.feed is not None:
            self.feed.cancel()
            self._lane.puller.dropped.append(self.feed)
            self.feed = None

    def push(self, item: Any, meta: Any, node: Node, at: int) -> None:
        """Take an item through the steps from number `at` on; keep what comes out, or what will."""
        node.enter()
        steps = node.steps
        while True:
            kind = type(item)
            if kind is not dict and kind is not list and item is not None and is_special(kind):
                if kind is Marked:
                    item, meta = item.item, item.meta
                    if item is None or is_instruction(item):
                        self.out.append(Pulled(node.resource, item, meta))
                        return
                    continue
                if kind is MaterializedEmptyList:
                    self.out.append(Pulled(node.resource, item, meta))
                else:
                    self._wait_for(item, node, at)
                return
            if item is None:
                return
            if at == len(steps):
                break
            try:
                item = steps[at](item, meta)
            except Exception as exc:  # noqa: BLE001 - told as an error of the resource
                node.reraise(exc)
            at += 1
        if node.emits:
            self.out.append(Pulled(node.resource, item, meta))
        for child in node.children:
            self.push(item, meta, child, 0)

    def _wait_for(self, work: Any, node: Node, at: int) -> None:
        if hasattr(work, PAGES):
            work = iter(getattr(work, PAGES)())
        if hasattr(work, "__next__"):
            if len(self.stack) > _MAX_NESTED_GENERATORS:
                name = node.resource.name
                raise UsageError(
                    f"resource `{name}` yields generators nested deeper than {_MAX_NESTED_GENERATORS}",
                    hint="yield items, not the generator itself",
                )
            self.stack.append((work, node, at))
            return
        branch = Branch(self._lane, node, at)
        branch.feed = self._lane.feed(work, node)
        self.out.append(branch)

    def close(self) -> None:
        """Close all generators, the innermost first."""
        for later in self.out:
            if type(later) is Branch:
                later.close()
        for iterator, _, _ in reversed(self.stack):
            close(iterator)
        if self.feed is not None:
            self.feed.close()

    def feeds(self) -> Iterator[Feed]:
        """Yield the feeds that are left."""
        if self.feed is not None:
            yield self.feed
        for later in self.out:
            if type(later) is Branch:
                yield from later.feeds()


def is_instruction(item: Any) -> bool:
    """Whether this stands for rows that only extract can make."""
    return isinstance(item, (MaterializedEmptyList, FileImport))
