"""Resource: a named stream of items with hints and steps, from a plain function or from data."""

from __future__ import annotations

import copy
import inspect
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Generic, ParamSpec, Self

from ladle.config.inject import Injector
from ladle.errors import (
    InvalidResourceDataType,
    ParametrizedResourceUnbound,
    ResourceNotATransformer,
    UsageError,
)
from ladle.sources import current
from ladle.sources.cursors import takes_cursor, with_cursors
from ladle.sources.explained import explanation
from ladle.sources.hinted import Hinted
from ladle.sources.hints import Hints
from ladle.sources.lanes import PullOptions, is_instruction
from ladle.sources.names import name_of, section_of
from ladle.sources.pipe import Call, is_special
from ladle.sources.pull import pull
from ladle.sources.steps import (
    FilterItem,
    Limit,
    MapItem,
    MetricsItem,
    Step,
    TransformItem,
    YieldMapItem,
    is_cursor,
    takes_meta,
)

P = ParamSpec("P")
ItemFunction = Callable[[Any], Any] | Callable[[Any, Any], Any]
_STARS = inspect.CO_VARARGS | inspect.CO_VARKEYWORDS


@dataclass(eq=False, repr=False)
class Resource(Hinted):
    """A named stream of items with hints. Made by `@ladle.resource` and `@ladle.transformer`.

    Methods that add steps or change hints change the resource and return it; calling it and `with_name`
    return another one.

    Attributes:
        name: also the table's name, unless the hints have one, and the key of its state.
        data: an iterable, or a function that returns one; a function is called anew for every iteration.
        hints: of its tables.
        selected: whether a run loads its rows; what it feeds may be loaded all the same.
        steps: between the function and the table, in order.
        parent: whose items a transformer takes.
        is_transformer: whether its function takes items of another resource.
        parallelized: whether its function runs in worker threads.
        section: of its settings: `sources.<section>.<name>.<argument>`.
        source_name: of the source it belongs to.
        spec: class that describes its settings.
        limit: of what its function may yield.
        incremental: cursor that isn't an argument of the function.
        window: start and end of the only part of the cursor's range to read, whatever its state says.
    """

    name: str
    data: Any
    hints: Hints = field(default_factory=Hints)
    selected: bool = True
    steps: list[Step] = field(default_factory=list)
    parent: Resource | None = None
    is_transformer: bool = False
    parallelized: bool = False
    section: str | None = None
    source_name: str | None = None
    spec: Any = None
    limit: Limit | None = None
    incremental: Any = None
    window: tuple[Any, Any] | None = None
    naming_function: Callable[[dict[str, Any]], str] | None = None
    inputs: list[Any] = field(default_factory=list)
    custom_metrics: dict[str, Any] = field(default_factory=dict)
    _call: Call | None = None
    _injector: Any = None
    _variants: dict[str, Hints] = field(default_factory=dict)
    _validator: Any = None
    _pipes: dict[int, tuple[Resource, Any, Resource]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.steps = list(self.steps)

    # -- calling

    def bind(self, *args: Any, **kwargs: Any) -> Self:
        """Give the function its arguments, once; returns the resource itself.

        Raises:
            TypeError: the arguments don't fit, or were given before.
        """
        if not self._is_function:
            raise TypeError(f"resource `{self.name}` is made of data: it takes no arguments")
        if self._call is not None:
            raise TypeError(f"resource `{self.name}` was given its arguments before")
        signature = self._signature()
        try:
            bound = signature.bind(*args, **kwargs)
        except TypeError as error:
            owner = f"resource `{self.name}`"
            raise explanation(error, signature.parameters, kwargs, owner) from None
        self._call = Call(args, kwargs)
        if self.naming_function is not None:
            bound.apply_defaults()
            self.name = self.naming_function(dict(bound.arguments))
        return self

    def __call__(self, *args: Any, **kwargs: Any) -> Resource:
        """Return the same resource with the arguments of its function given.

        Raises:
            TypeError: the arguments don't fit, or were given before.
        """
        return self.clone().bind(*args, **kwargs)

    @property
    def _is_function(self) -> bool:
        frame = hasattr(self.data, "__arrow_c_stream__")
        return callable(self.data) and not frame and not is_special(type(self.data))

    def _signature(self) -> inspect.Signature:
        signature = inspect.signature(self.data)
        if not self.is_transformer:
            return signature
        given = [p for p in list(signature.parameters.values())[1:] if p.name != "meta"]
        return signature.replace(parameters=given)

    @property
    def requires_args(self) -> bool:
        """Whether the function can't be called without arguments."""
        if not self._is_function or self._call is not None:
            return False
        kinds = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
        parameters = self._signature().parameters.values()
        return any(p.default is p.empty and p.kind not in kinds for p in parameters)

    @property
    def args_bound(self) -> bool:
        """Whether the resource can be read: arguments were given, or none are needed."""
        return not self.requires_args

    @property
    def explicit_args(self) -> dict[str, Any]:
        """The arguments given, by name."""
        if self._call is None:
            return {}
        return dict(self._signature().bind(*self._call.args, **self._call.kwargs).arguments)

    def arguments(self) -> Call:
        """Return the arguments of the function, with settings and defaults that are cursors filled in.

        Raises:
            ParametrizedResourceUnbound: required arguments are missing.
        """
        call = self._call or Call((), {})
        if not self._is_function or _takes_nothing(self.data):
            return call
        signature = self._signature()
        call = self._filled(call)
        call = with_cursors(call, signature, self._injector.hints, self.sections, self.name)
        try:
            signature.bind(*call.args, **call.kwargs)
        except TypeError:
            names = ", ".join(str(p) for p in signature.parameters.values())
            raise ParametrizedResourceUnbound(
                f"resource `{self.name}` needs arguments: ({names})",
                hint=f"call it: {self.name}(...), or {self.name}.bind(...) where it is part of a source",
            ) from None
        return call

    def _filled(self, call: Call) -> Call:
        """Fill in arguments from the settings `sources.<section>.<name>`."""
        if self._injector is None:
            skip = (
                {next(iter(inspect.signature(self.data).parameters)), "meta"} if self.is_transformer else ()
            )
            self._injector = Injector(self.data, spec=self.spec, skip=skip, leaves=takes_cursor)
        place = (None,) if self.is_transformer else ()
        args, kwargs = self._injector.fill((*place, *call.args), dict(call.kwargs), self.sections)
        return Call(args[len(place) :], kwargs)

    def call(self, call: Call) -> Any:
        """Call the function, or return the data."""
        return self.data(*call.args, **call.kwargs) if self._is_function else self.data

    def transform_step(self, call: Call) -> TransformItem:
        """Return the function of a transformer as a step."""
        meta = "meta" in list(inspect.signature(self.data).parameters)[1:]
        return TransformItem(self.data, call.args, call.kwargs, meta, self.parallelized)

    @property
    def runs_beside(self) -> bool:
        """Whether its items are made in threads or on the event loop."""
        if self.is_transformer:
            return False
        data = inspect.unwrap(self.data) if callable(self.data) else self.data
        beside = inspect.isasyncgenfunction(data) or inspect.iscoroutinefunction(data)
        return beside or self.parallelized or isinstance(data, AsyncIterator) or inspect.isawaitable(data)

    @property
    def sections(self) -> tuple[str, ...]:
        """Where the settings of its function are: `sources.<section>.<name>`."""
        module = self.section or (section_of(self.data) if self._is_function else "")
        return ("sources", module, self.name) if module else ("sources", self.name)

    @property
    def source(self) -> Resource | None:
        """The resource that a transformer takes items from."""
        return self.parent

    # -- reading

    def __iter__(self) -> Iterator[Any]:
        """Yield the items; pages (lists) are flattened."""
        for item in self.items():
            if isinstance(item, list):
                yield from item
            else:
                yield item

    def items(self) -> Iterator[Any]:
        """Yield what is left after all steps, pages as they are."""
        around = current.scope.get()
        state = current.peeked(self.source_name) if around.source_state is None else around.source_state
        # Read for themselves, its items go to no table: what its model refuses is of no load.
        scope = replace(
            around,
            metrics={self.name: self.custom_metrics},
            source_state=state,
            accounts={},
            refuse=None,
            hints=None,
        )
        options = PullOptions(scope=scope, from_settings=True)
        return (
            got.item for got in pull([self], options) if got.item is not None and not is_instruction(got.item)
        )

    __ladle_pages__ = items

    # -- steps

    def _insert(self, step: Step, insert_at: int | None) -> None:
        if insert_at is None:
            self.steps.append(step)
            return
        if insert_at == 0:
            raise UsageError(
                f"a step can't stand before the function of resource `{self.name}`",
                expected="insert_at from 1, or below 0 to count from the end",
            )
        self.steps.insert(insert_at - 1 if insert_at > 0 else insert_at, step)

    def add_map(self, item_map: ItemFunction, insert_at: int | None = None) -> Self:
        """Change each item by `item_map(item)` or `item_map(item, meta)`; one that becomes None is dropped.

        Args:
            item_map: gets rows, those of pages one by one; frames as a whole. May be async.
            insert_at: place among the steps; 0 is the resource's function. Default: the end.

        Raises:
            InvalidStepFunctionArguments: it doesn't take an item.
        """
        self._insert(MapItem(item_map), insert_at)
        return self

    def add_yield_map(self, item_map: Callable[..., Iterator[Any]], insert_at: int | None = None) -> Self:
        """Replace each item by all that `item_map(item)` yields. Arguments as for `add_map`."""
        self._insert(YieldMapItem(item_map), insert_at)
        return self

    def add_filter(self, item_filter: ItemFunction, insert_at: int | None = None) -> Self:
        """Keep only the items for which `item_filter` is true. Arguments as for `add_map`."""
        self._insert(FilterItem(item_filter), insert_at)
        return self

    def add_limit(
        self, max_items: int | None = None, max_time: float | None = None, count_rows: bool | None = False
    ) -> Self:
        """Stop the function after so many yields; before any step. Does nothing to a transformer.

        Args:
            max_items: yields: a page or frame counts as one. 0: nothing; below 0 or None: no limit.
            max_time: seconds; looked at after each yield.
            count_rows: count rows; a page is never split.
        """
        limit = Limit(max_items, max_time, count_rows)
        if not self.is_transformer:
            self.limit = limit
        return self

    def add_metrics(
        self, metrics_f: Callable[[Any, Any, dict[str, Any]], None], insert_at: int | None = None
    ) -> Self:
        """Call `metrics_f(items, meta, metrics)` with each item or page; the dict ends up in the trace."""
        self._insert(
            MetricsItem(metrics_f, lambda: current.scope.get().metrics.setdefault(self.name, {})), insert_at
        )
        return self

    def add_step(self, item_transform: Callable[..., Any], insert_at: int | None = None) -> Self:
        """Add a step of one's own: gets each item or page and its meta, returns what becomes of it."""
        meta = takes_meta(item_transform)
        self._insert(item_transform if meta else lambda item, _: item_transform(item), insert_at)
        return self

    def add_pipe(self, data: Any) -> None:
        """Append a function of items, or a transformer, as another stage.

        Raises:
            InvalidResourceDataType: it is neither.
        """
        if isinstance(data, Resource) and data.is_transformer:
            self.steps.extend((data.transform_step(data.arguments()), *data.steps))
        elif callable(data) and not isinstance(data, Resource):
            self.steps.append(TransformItem(data, (), {}, takes_meta(data), False))
        else:
            raise InvalidResourceDataType(
                f"a stage of `{self.name}` can't be a `{type(data).__name__}`",
                expected="a function of an item, or a transformer",
            )

    def parallelize(self) -> Self:
        """Run the function in worker threads, beside those of other resources."""
        self.parallelized = True
        return self

    def select_tables(self, *table_names: str) -> Self:
        """Keep only items for these tables; for resources whose table depends on the item."""
        wanted = set(table_names)
        self.add_filter(lambda item, meta: self._table_of(item, meta) in wanted)
        return self

    def _table_of(self, item: Any, meta: Any) -> str:
        named = getattr(meta, "table_name", None)
        if isinstance(named, str):
            return named
        name = self.hints.table_name
        return str(name(item)) if callable(name) else name or self.name

    # -- pipes

    def pipe_data_from(self, data_from: Any) -> Self:
        """Take items from another resource, or from any iterable; returns the transformer itself.

        Raises:
            ResourceNotATransformer: this resource makes its own items.
        """
        if not self.is_transformer:
            raise ResourceNotATransformer(
                f"resource `{self.name}` is no transformer: it can't take items from another",
                hint="decorate its function with @ladle.transformer",
            )
        self.parent = as_resource(data_from)
        return self

    def __or__(self, transform: Any) -> Resource:
        """Return a transformer with the items of this resource piped into it, or a function as a step."""
        if isinstance(transform, Resource):
            return self._piped_into(transform)
        if inspect.isgeneratorfunction(transform):
            return self.clone().add_yield_map(transform)
        if callable(transform):
            return self.clone().add_map(transform)
        return NotImplemented

    def _piped_into(self, transform: Resource) -> Resource:
        """Return a copy that takes items from here; the same one again, so that it runs once."""
        form = (transform.steps, transform.hints, transform.name, transform.__dict__["_call"])
        known = self._pipes.get(id(transform))
        if known is not None and known[0] is transform and known[1] == form:
            return known[2]
        made = transform.clone().pipe_data_from(self)
        self._pipes[id(transform)] = (transform, (list(form[0]), *form[1:]), made)
        return made

    def __ror__(self, data: Any) -> Resource:
        """Return this transformer with the items of an iterable piped into it."""
        return self.clone().pipe_data_from(data)

    # -- copies

    def clone(self) -> Resource:
        """Return a copy: its own steps and hints, the same data and the same parent."""
        made = Resource.__new__(Resource)
        made.__dict__.update(self.__dict__)
        made.steps = list(self.steps)
        made.inputs = list(self.inputs)
        made.custom_metrics = {}
        made.__dict__.update(_variants=dict(self._variants), _pipes={})
        return made

    def with_name(self, new_name: str, new_section: str | None = None) -> Resource:
        """Return the same resource under another name: another state, and another table unless one is set."""
        made = self.clone()
        made.name = _checked_name(new_name)
        made.section = new_section or self.section
        return made

    def within(self, start: Any, end: Any) -> Resource:
        """Return the same resource, reading only `[start, end)` of its cursor; its state stays out of it."""
        made = self.clone()
        made.window = (start, end)
        return made

    @property
    def cursor(self) -> Any:
        """The cursor it is read by, an argument of its function or not; None without."""
        defaults = (p.default for p in self._signature().parameters.values()) if self._is_function else ()
        given = self._call or Call((), {})
        found = next((v for v in (*given.args, *given.kwargs.values(), *defaults) if is_cursor(v)), None)
        return self.incremental if found is None else found

    @property
    def state(self) -> dict[str, Any]:
        """The resource's state while it is extracted; an empty dict otherwise."""
        if current.scope.get().source_state is None:
            return {}
        return current.resource_state(self.name)

    def add_input(self, location: Any, replace: bool = False) -> Self:
        """Note where the data comes from."""
        self.inputs = [location] if replace else [*self.inputs, location]
        return self

    # -- showing

    def __repr__(self) -> str:
        kind = "transformer" if self.is_transformer else "resource"
        section = f" section={self.section}" if self.section else ""
        feeds = f" from={self.parent.name}" if self.parent is not None else ""
        return f"<ladle.{kind} {self.name}{section} write_disposition={self.write_disposition}{feeds}>"

    @classmethod
    def from_data(
        cls,
        data: Any,
        name: str | None = None,
        section: str | None = None,
        hints: dict[str, Any] | None = None,
        selected: bool = True,
        data_from: Resource | None = None,
        inject_config: bool = False,
    ) -> Resource:
        """Make a resource of data or of a function; with `data_from`, a transformer.

        Raises:
            ResourceNameMissing: data without a name.
        """
        made = Resource(name or name_of(data), data, section=section, selected=selected)
        made.is_transformer = data_from is not None
        made.merge_hints(hints or {})
        return made.pipe_data_from(data_from) if data_from is not None else made

    def __deepcopy__(self, memo: dict[int, Any]) -> Resource:
        made = self.clone()
        made.custom_metrics = copy.copy(self.custom_metrics)
        return made


class ResourceFunction(Resource, Generic[P]):
    """A resource made by a decorator: calling it with the function's arguments returns a `Resource`."""

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Resource:
        """Return the resource with the arguments of its function given."""
        return super().__call__(*args, **kwargs)


def _takes_nothing(func: Any) -> bool:
    code = getattr(func, "__code__", None)
    return code is not None and not (code.co_argcount or code.co_kwonlyargcount or code.co_flags & _STARS)


def as_resource(data: Any) -> Resource:
    """Return a resource for what is piped into a transformer."""
    if isinstance(data, Resource):
        return data
    found = getattr(data, "__name__", None)
    return Resource(found if isinstance(found, str) else "data", data, selected=False)


def _checked_name(name: Any) -> str:
    if not isinstance(name, str) or not name.strip():
        raise UsageError(f"a resource can't have the name `{name!r}`", expected="a text that is not empty")
    return name
