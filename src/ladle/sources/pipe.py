"""The pipes of some resources as a tree, made for one evaluation: who feeds whom, by which steps."""

from __future__ import annotations

import functools
import inspect
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, NoReturn, Protocol

from ladle.config.context import sections
from ladle.errors import LadleError, PipeNotBoundToData, ResourceExtractionError
from ladle.sources.accounts import Account, Counted, Refusal, Refuse, counted
from ladle.sources.arguments import check_cursors
from ladle.sources.current import Scope, scope
from ladle.sources.feeds import is_iterator
from ladle.sources.mark import Marked, MaterializedEmptyList
from ladle.sources.steps import Deferred, Limit, close, is_cursor

PAGES = "__ladle_pages__"


class Readable(Protocol):
    """What a pipe needs of a resource."""

    name: str
    data: Any
    hints: Any
    steps: list[Callable[[Any, Any], Any]]
    is_transformer: bool
    parallelized: bool
    limit: Limit | None
    incremental: Any
    window: tuple[Any, Any] | None

    @property
    def sections(self) -> tuple[str, ...]:
        """Where the settings of its function are."""

    @property
    def source(self) -> Readable | None:
        """The resource that a transformer takes items from."""

    def validator_under(self, over: Any) -> Any:
        """Return the step before the cursor, in a run that was given hints; None without."""

    @property
    def runs_beside(self) -> bool:
        """Whether its items are made in threads or on the event loop."""

    def arguments(self) -> Call:
        """Return the arguments of its function, settings filled in."""

    def transform_step(self, call: Call) -> Callable[[Any, Any], Any]:
        """Return a transformer's function as a step."""

    def call(self, call: Call) -> Any:
        """Call its function, or return its data."""


class Node:
    """One resource in an evaluation.

    Attributes:
        resource: what it is.
        emits: whether its items are wanted, or only its children's.
        children: transformers that take its items.
        scope: what is at work while its code runs.
        sections: of settings that its code looks for.
        cursor: bound to this run; None without.
        steps: all its steps, its own function first where it is a transformer, a cursor last.
    """

    __slots__ = ("_call", "children", "cursor", "emits", "resource", "scope", "sections", "steps")

    def __init__(self, resource: Readable, emits: bool, around: Scope) -> None:
        self.resource = resource
        self.emits = emits
        self.children: list[Node] = []
        self.scope = replace(around, resource=resource)
        self.sections = resource.sections
        self.cursor: Cursor | None = None
        self.steps: tuple[Callable[[Any, Any], Any], ...] = ()
        self._call = Call((), {})

    def enter(self) -> None:
        """Make the resource what is at work, before any of its code runs."""
        scope.set(self.scope)
        sections.set(self.sections)

    def prepare(self) -> None:
        """Fill in arguments and put the steps in order.

        Raises:
            ParametrizedResourceUnbound: a required argument is missing.
            ConfigError: a setting is missing.
        """
        self.enter()
        resource = self.resource
        call = resource.arguments()
        given = next((v for v in (*call.args, *call.kwargs.values()) if is_cursor(v)), resource.incremental)
        if given is not None:
            if resource.window is not None:
                given = given.within(*resource.window)
            self.cursor = self._bound(given)
            call = call.with_cursor(self.cursor.inner)
        account = self.account
        steps = [counted(step, account) for step in resource.steps]
        if resource.is_transformer:
            steps.insert(0, resource.transform_step(call))
        validator = resource.validator_under(self.scope.hints)
        if validator is not None:
            bound = getattr(validator, "bound", None)
            steps.append(bound(account, self._refuse()) if bound else Counted(validator, account))
        if self.cursor is not None:
            steps.append(self.cursor)
        self.steps = tuple(steps)
        self._call = call

    def _bound(self, given: Any) -> Cursor:
        resource, state = self.resource, self.scope.source_state
        own = (state or {}).get("resources", {}).get(resource.name, {})
        path = str(given.cursor_path)
        hints = resource.hints
        inner = given.bound(
            resource.name,
            own.get("incremental", {}).get(path),
            primary_key=hints.primary_key,
            write_disposition=hints.write_disposition,
        )
        return Cursor(inner, path, getattr(inner, "end_value", None) is None)

    def call(self) -> Any:
        """Call the resource's function, or return its data.

        Raises:
            IncrementalUnboundError: it is a generator that was called with a cursor that belongs to no run.
        """
        made = self.resource.call(self._call)
        check_cursors(self.resource.name, made)
        return made

    @property
    def account(self) -> Account:
        """What became of rows that no table gets; resources of one name share it."""
        return self.scope.accounts.setdefault(self.resource.name, Account())

    def _refuse(self) -> Refuse | None:
        """Return what takes refused rows: not those that a cursor would leave out, which come every time."""
        refuse, cursor, account = self.scope.refuse, self.cursor, self.account
        if refuse is None or cursor is None:
            return refuse

        def unless_loaded(refusal: Refusal) -> None:
            if cursor.covers(refusal.item):
                refuse(refusal)
            elif refusal.whole:
                account.rejected -= 1
                account.filtered += 1

        return unless_loaded

    def note_dropped(self, at: int) -> None:
        """Count a row that became None only after step number `at` - 1 was awaited."""
        step = self.steps[at - 1] if at else None
        if isinstance(step, Counted) and step.is_map:
            self.account.filtered += 1

    @property
    def is_linear(self) -> bool:
        """Whether its items go nowhere but out."""
        return self.emits and not self.children

    def keep_state(self) -> None:
        """Store what the cursor saw, for the next run, and count the rows that it left out."""
        if self.cursor is not None:
            repeated, left_out = self.cursor.left_out()
            self.account.deduplicated += repeated
            self.account.filtered += left_out - repeated
        state = self.scope.source_state
        if self.cursor is None or state is None or not self.cursor.can_keep:
            return
        own = state.setdefault("resources", {}).setdefault(self.resource.name, {})
        own.setdefault("incremental", {})[self.cursor.path] = self.cursor.inner.get_state()

    def failed(self, exc: Exception, rows: int | None = None) -> Exception:
        """Return the error to raise for what the resource's code raised."""
        name = self.resource.name
        if isinstance(exc, LadleError):
            return exc.with_facts(resource=name)
        far = "; the row says how far it had come" if rows is not None else ""
        return ResourceExtractionError(
            f"resource `{name}` failed with {type(exc).__name__}: {exc}",
            resource=name,
            row=rows,
            hint="nothing of this run was loaded" + far,
        )

    def reraise(self, exc: Exception, rows: int | None = None) -> NoReturn:
        """Raise what `failed` makes of an error."""
        error = self.failed(exc, rows)
        if error is exc:
            raise exc
        raise error from exc


@dataclass(frozen=True, slots=True)
class Call:
    """The arguments of one call, all filled in."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any]

    def with_cursor(self, bound: Any) -> Call:
        """Return the call with `bound` in place of the first cursor among the arguments."""
        swap = next((v for v in (*self.args, *self.kwargs.values()) if is_cursor(v)), None)
        args = tuple(bound if v is swap and swap is not None else v for v in self.args)
        return Call(args, {k: bound if v is swap and swap is not None else v for k, v in self.kwargs.items()})


class Cursor:
    """A bound cursor as the last step of a pipe."""

    __slots__ = ("can_keep", "inner", "path")

    def __init__(self, inner: Any, path: str, can_keep: bool) -> None:
        self.inner = inner
        self.path = path
        self.can_keep = can_keep

    def __call__(self, item: Any, meta: Any) -> Any:
        """Return what of the item is new."""
        return self.inner(item, meta)

    def can_close(self) -> bool:
        """Whether nothing new can come any more."""
        return bool(self.inner.can_close())

    def covers(self, row: Any) -> bool:
        """Whether a row is in the cursor's range, as far as that can be told."""
        covers = getattr(self.inner, "covers", None)
        return covers is None or bool(covers(row))

    def left_out(self) -> tuple[int, int]:
        """Return how many rows were repeated, and how many were left out, these included."""
        return getattr(self.inner, "left_out", (0, 0))


def build(resources: Sequence[Readable], around: Scope) -> list[Node]:
    """Return the roots of the tree that yields the items of `resources`, and of no others.

    Raises:
        PipeNotBoundToData: a transformer has nothing to take items from.
    """
    nodes: dict[int, Node] = {}
    roots: list[Node] = []
    wanted = {id(r) for r in resources}
    for resource in resources:
        _add(resource, wanted, nodes, roots, around)
    return roots


def _add(
    resource: Readable, wanted: set[int], nodes: dict[int, Node], roots: list[Node], around: Scope
) -> Node:
    known = nodes.get(id(resource))
    if known is not None:
        return known
    node = nodes[id(resource)] = Node(resource, id(resource) in wanted, around)
    if not resource.is_transformer:
        roots.append(node)
    elif resource.source is None:
        raise PipeNotBoundToData(
            f"transformer `{resource.name}` has no resource to take items from",
            hint=f"pipe one into it: resource | {resource.name}, or give data_from",
        )
    else:
        _add(resource.source, wanted, nodes, roots, around).children.append(node)
    return node


@dataclass(frozen=True, slots=True)
class Head:
    """Where the items of a resource come from: exactly one is given."""

    items: Iterator[Any] | None = None
    later: Any = None
    deferred: Deferred | None = None


def open_head(node: Node) -> Head:
    """Call the resource's function and return where its items come from.

    Raises:
        ResourceExtractionError: the function raised.
    """
    resource = node.resource
    limit = resource.limit
    node.prepare()
    if limit is not None and limit.is_nothing:
        return Head(items=iter(()))
    if resource.parallelized and (callable(resource.data) or is_iterator(resource.data)):
        return Head(deferred=Deferred(functools.partial(_opened, node, limit), spread=True))
    try:
        made = node.call()
        return _head_of(made, limit)
    except Exception as exc:  # noqa: BLE001 - told as an error of the resource
        node.reraise(exc, 0)


def _opened(node: Node, limit: Limit | None) -> Iterator[Any]:
    made = items_of(node.call())
    return limit.over(made) if limit is not None else iter(made)


def _head_of(made: Any, limit: Limit | None) -> Head:
    if isinstance(made, AsyncIterator):
        return Head(later=limit.over_async(made) if limit is not None else made)
    if inspect.isawaitable(made):
        return Head(later=made)
    if isinstance(made, Deferred):
        return Head(deferred=Deferred(made.call, spread=True))
    items = items_of(made)
    return Head(items=limit.over(items) if limit is not None else iter(items))


def items_of(made: Any) -> Iterable[Any]:
    """Return what a resource's data yields, pages as they are; a single value counts as one item."""
    if isinstance(made, (list, tuple)) and not hasattr(made, "_fields"):
        return made
    if hasattr(made, PAGES):
        return getattr(made, PAGES)()  # type: ignore[no-any-return]
    if hasattr(made, "__next__"):
        return made  # type: ignore[no-any-return]
    return (made,) if is_one_item(made) else made


def is_one_item(data: Any) -> bool:
    """Whether `data` is itself one item (a row, a frame, a scalar), not a stream of items."""
    if hasattr(data, "keys") or isinstance(data, (str, bytes)) or data is None:
        return True
    if (
        hasattr(data, "__arrow_c_stream__")
        or hasattr(data, "__arrow_c_array__")
        or hasattr(data, "collect_schema")
    ):
        return True
    if hasattr(data, "_fields") or hasattr(data, "model_dump") or hasattr(data, "__dataclass_fields__"):
        return True
    return not isinstance(data, Iterable)


def _is_special(kind: Any) -> bool:
    """Whether values of this type aren't items yet: they yield some, now or later, or carry instructions."""
    if issubclass(kind, (Marked, MaterializedEmptyList, Deferred)) or hasattr(kind, PAGES):
        return True
    if hasattr(kind, "__await__") or hasattr(kind, "__anext__"):
        return True
    return hasattr(kind, "__next__") and not hasattr(kind, "__arrow_c_stream__")


is_special: Callable[[Any], bool] = functools.lru_cache(maxsize=1024)(_is_special)


class Special:
    """An item that isn't settled yet, with the number of the step that waits for it."""

    __slots__ = ("at", "item")

    def __init__(self, item: Any, at: int) -> None:
        self.item = item
        self.at = at


def stepped(items: Iterator[Any], node: Node) -> Iterator[Any]:
    """Yield items with all steps of a linear node done; one that isn't settled comes as Special."""
    steps = tuple(enumerate(node.steps))
    for item in items:
        if item is None:
            continue  # as where there are branches: steps get rows, and None is none
        for at, step in steps:
            kind = type(item)
            if kind is not dict and kind is not list and is_special(kind):
                yield Special(item, at)
                break
            item = step(item, None)
            if item is None:
                break
        else:
            yield item
        if node.cursor is not None and node.cursor.can_close():
            close(items)
            return
