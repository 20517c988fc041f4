"""Steps of a resource: what happens to an item between the generator and the table.

A step is called with an item (a row, a page, a frame) and its meta, and returns what becomes of it: an item,
None to drop it, or something that yields items now (a generator) or later (an awaitable, a deferred call).
"""

from __future__ import annotations

import functools
import inspect
import time
from collections.abc import AsyncIterator, Callable, Generator, Iterable, Iterator, Sequence
from typing import Any, Protocol

from ladle.errors import InvalidStepFunctionArguments, InvalidTransformerGeneratorFunction, UsageError

Step = Callable[[Any, Any], Any]


class CursorStep(Protocol):
    """What a pipe needs of an incremental cursor: its last step."""

    def bound(self, resource_name: str, state: dict[str, Any] | None, **options: Any) -> CursorStep:
        """Return a copy for this run, which knows where to start."""

    def __call__(self, item: Any, meta: Any = None) -> Any:
        """Return what of the item is new."""

    def can_close(self) -> bool:
        """Whether nothing new can come any more."""

    def get_state(self) -> Any:
        """Return what to remember until the next run."""


def is_cursor(value: Any) -> bool:
    """Whether `value` is an incremental cursor."""
    kind = type(value)
    return hasattr(kind, "can_close") and hasattr(kind, "bound") and hasattr(kind, "get_state")


class Deferred:
    """A call to be made in a worker thread; what it returns takes its place.

    `spread`: what it returns is iterated in the worker too.
    """

    __slots__ = ("call", "spread")

    def __init__(self, call: Callable[[], Any], spread: bool = False) -> None:
        self.call = call
        self.spread = spread

    def __call__(self) -> Any:
        """Make the call here and now."""
        return self.call()


def takes_meta(func: Callable[..., Any], what: str = "a step's function", items: int = 1) -> bool:
    """Whether `func` wants the item's meta as well.

    Raises:
        InvalidStepFunctionArguments: it takes no item, or needs more arguments.
    """
    try:
        parameters = list(inspect.signature(func).parameters.values())
    except (TypeError, ValueError):
        return False  # builtins say little about themselves
    given = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    if any(p.kind is p.VAR_POSITIONAL for p in parameters):
        return False
    rest = [p for p in given[items:] if p.name == "meta" or p.default is p.empty]
    keyword = any(p.name == "meta" and p.kind is p.KEYWORD_ONLY for p in parameters)
    others = [p for p in rest if p.name != "meta"]
    if len(given) < items or others:
        raise InvalidStepFunctionArguments(
            f"{what} can't have the signature `{getattr(func, '__name__', func)}{inspect.signature(func)}`",
            expected="an item, or an item and `meta`",
        )
    return bool(rest) or keyword


def check_transformer(func: Any) -> None:
    """Check that a function can be a transformer's.

    Raises:
        InvalidTransformerGeneratorFunction: it takes no item.
    """
    if not callable(func):
        raise InvalidTransformerGeneratorFunction(
            f"a transformer can't be made of a `{type(func).__name__}`", expected="a function of an item"
        )
    parameters: Sequence[inspect.Parameter] = list(inspect.signature(func).parameters.values())
    kinds = (
        inspect.Parameter.POSITIONAL_ONLY,
        inspect.Parameter.POSITIONAL_OR_KEYWORD,
        inspect.Parameter.VAR_POSITIONAL,
    )
    if not parameters or parameters[0].kind not in kinds or parameters[0].name == "meta":
        raise InvalidTransformerGeneratorFunction(
            f"the function of transformer `{getattr(func, '__name__', func)}` takes no item",
            expected="the item as its first argument",
        )


def _with_meta(func: Callable[..., Any]) -> Callable[[Any, Any], Any] | None:
    if not callable(func):
        raise InvalidStepFunctionArguments(
            f"a step can't be `{func!r}`", expected="a function of an item, or of an item and `meta`"
        )
    if takes_meta(func):
        return lambda item, meta: func(item, meta=meta)
    return None


class MapItem:
    """1 to 1; rows of a page one by one, a frame as a whole. None drops the item."""

    def __init__(self, func: Callable[..., Any]) -> None:
        self.func = func
        self._full = _with_meta(func)
        self._is_async = inspect.iscoroutinefunction(func)

    def __call__(self, item: Any, meta: Any = None) -> Any:
        """Return what becomes of an item or page."""
        if type(item) is not list:
            return self._full(item, meta) if self._full else self.func(item)
        if self._full:
            made = [r for row in item if (r := self._full(row, meta)) is not None]
        else:
            func = self.func
            made = [r for row in item if (r := func(row)) is not None]
        if made and (self._is_async or isinstance(made[0], (Deferred, Generator))):
            return iter(made)
        return made or None


class FilterItem:
    """Keeps what the function calls true."""

    def __init__(self, func: Callable[..., Any]) -> None:
        self.func = func
        self._full = _with_meta(func)

    def __call__(self, item: Any, meta: Any = None) -> Any:
        """Return what becomes of an item or page."""
        if type(item) is list:
            if self._full:
                return [row for row in item if self._full(row, meta)] or None
            return list(filter(self.func, item)) or None
        keep = self._full(item, meta) if self._full else self.func(item)
        return item if keep else None


class YieldMapItem:
    """1 to n: what the function yields or returns as a list."""

    def __init__(self, func: Callable[..., Any]) -> None:
        self.func = func
        self._full = _with_meta(func)

    def __call__(self, item: Any, meta: Any = None) -> Any:
        """Return what becomes of an item or page."""
        if type(item) is list:
            return self._spread(item, meta)
        return self._full(item, meta) if self._full else self.func(item)

    def _spread(self, page: list[Any], meta: Any) -> Iterator[Any]:
        for row in page:
            yield self._full(row, meta) if self._full else self.func(row)


class MetricsItem:
    """Shows items to a function that counts what it likes in a dict."""

    def __init__(
        self, func: Callable[[Any, Any, dict[str, Any]], None], metrics: Callable[[], dict[str, Any]]
    ) -> None:
        self.func = func
        self._metrics = metrics

    def __call__(self, item: Any, meta: Any = None) -> Any:
        """Return what becomes of an item or page."""
        self.func(item, meta, self._metrics())
        return item


class TransformItem:
    """The function of a transformer with its arguments: gets each item or page as its parent yields it."""

    def __init__(
        self,
        func: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        meta: bool,
        parallel: bool,
    ) -> None:
        self.func = functools.partial(_call_item_first, func, args, kwargs)
        self._meta = meta
        self._parallel = parallel

    def __call__(self, item: Any, meta: Any = None) -> Any:
        """Return what becomes of an item or page."""
        given = {"meta": meta} if self._meta else {}
        if self._parallel:
            return Deferred(functools.partial(self.func, item, given), spread=True)
        return self.func(item, given)


def _call_item_first(
    func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], item: Any, more: dict[str, Any]
) -> Any:
    return func(item, *args, **kwargs, **more)


class Limit:
    """How much a generator may yield.

    Args:
        max_items: yields (pages count as one); None or below 0: no limit.
        max_time: seconds.
        count_rows: count rows instead; a page is never split.

    Raises:
        UsageError: not a number.
    """

    def __init__(self, max_items: int | None, max_time: float | None, count_rows: bool | None) -> None:
        for name, value, kinds in (("max_items", max_items, int), ("max_time", max_time, (int, float))):
            if value is not None and (isinstance(value, bool) or not isinstance(value, kinds)):
                raise UsageError(f"{name} can't be `{value!r}`", expected="a number, or None for no limit")
        self.max_items = max_items if max_items is not None and max_items >= 0 else None
        self.max_time = max_time
        self.count_rows = bool(count_rows)

    @property
    def is_nothing(self) -> bool:
        """Whether nothing at all may be yielded."""
        return self.max_items == 0

    def _is_over(self, count: int, began: float) -> bool:
        if self.max_items is not None and count >= self.max_items:
            return True
        return self.max_time is not None and time.monotonic() - began >= self.max_time

    def over(self, items: Iterable[Any]) -> Iterator[Any]:
        """Yield items until the limit, then close their generator."""
        count, began = 0, time.monotonic()
        iterator = iter(items)
        try:
            for item in iterator:
                yield item
                count += rows_of(item) if self.count_rows else 1
                if self._is_over(count, began):
                    break
        finally:
            close(iterator)

    async def over_async(self, items: AsyncIterator[Any]) -> AsyncIterator[Any]:
        """Yield items until the limit, then close their generator."""
        count, began = 0, time.monotonic()
        try:
            async for item in items:
                yield item
                count += rows_of(item) if self.count_rows else 1
                if self._is_over(count, began):
                    break
        finally:
            if hasattr(items, "aclose"):
                await items.aclose()


def rows_of(item: Any) -> int:
    """Return how many rows an item is: a page or a frame counts its rows."""
    if isinstance(item, (list, tuple)):
        return len(item)
    rows = getattr(item, "num_rows", None)
    if isinstance(rows, int):
        return rows
    return len(item) if hasattr(item, "__arrow_c_stream__") and hasattr(item, "__len__") else 1


def close(iterator: Any) -> None:
    """Close a generator; other iterators have nothing to close."""
    if isinstance(iterator, Generator):
        iterator.close()
