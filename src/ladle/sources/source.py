"""Source: resources that share one schema, and the factory that a decorated function becomes."""

from __future__ import annotations

import functools
import importlib
import inspect
from collections.abc import Awaitable, Callable, Iterator, Mapping, MutableMapping
from dataclasses import dataclass, field, replace
from typing import Any, Generic, ParamSpec

from ladle.config import context
from ladle.config.inject import Injector
from ladle.errors import (
    DeletingResourcesNotSupported,
    ExplicitSourceNameInvalid,
    InvalidResourceDataTypeMultiplePipes,
    ResourcesNotFoundError,
    SourceDataIsNone,
    SourceIsAClassTypeError,
    SourceNotAFunction,
    UsageError,
)
from ladle.schema.schema import Schema
from ladle.schema.table import Table
from ladle.schema.tags import source_tags
from ladle.sources import current
from ladle.sources.hints import Hints, check_choice, check_contract
from ladle.sources.lanes import PullOptions, is_instruction
from ladle.sources.names import name_of, section_of
from ladle.sources.pull import pull
from ladle.sources.resource import Resource
from ladle.sources.schema_file import beside

P = ParamSpec("P")


class Resources(MutableMapping[str, Resource]):
    """The resources of a source by name; the very resources: steps and hints added to them hold.

    `selected`: those that a run loads.
    """

    def __init__(self, source: Source) -> None:
        self._source = source

    def __getitem__(self, name: str) -> Resource:
        found = next((r for r in self._source.listed if r.name == name), None)
        if found is None:
            have = ", ".join(self) or "none"
            raise KeyError(f"source `{self._source.name}` has no resource `{name}`; it has {have}")
        return found

    def __setitem__(self, name: str, resource: Resource) -> None:
        kept = [r for r in self._source.listed if r.name != name]
        # A copy: what the caller keeps is nobody's to change. Its parent stays the one in the source.
        made = resource.with_name(name) if resource.name != name else resource.clone()
        self._source.listed = (*kept, made)

    def __delitem__(self, name: str) -> None:
        raise DeletingResourcesNotSupported(
            f"resource `{name}` can't be deleted from source `{self._source.name}`",
            hint=f'deselect it: source.resources["{name}"].selected = False',
        )

    def __iter__(self) -> Iterator[str]:
        return iter({r.name: r for r in self._source.listed})

    def __len__(self) -> int:
        return len({r.name for r in self._source.listed})

    def __repr__(self) -> str:
        return f"{{{', '.join(self)}}}"

    def add(self, *resources: Resource) -> None:
        """Add resources under their names."""
        for resource in resources:
            self[resource.name] = resource

    @property
    def selected(self) -> dict[str, Resource]:
        """Those that a run loads."""
        return {name: r for name, r in self.items() if r.selected}


@dataclass(eq=False, repr=False)
class Source:
    """A group of resources that share one schema.

    Attributes:
        name: of the schema, and of the state.
        listed: the resources, in order.
        given_schema: a schema to begin with; None for what is known of the name.
        max_table_nesting: for resources that don't say.
        root_key: whether child tables get `_dlt_root_id`; None for where it is needed.
        section: of the settings.
        schema_contract: what rows may change, for resources that don't say.
        tags: of the source, as `x-annotation-<name>`; kept in the schema's settings.
    """

    name: str
    listed: tuple[Resource, ...]
    given_schema: Schema | None = None
    max_table_nesting: int | None = None
    root_key: bool | None = None
    section: str | None = None
    schema_contract: Any = None
    tags: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.listed = tuple(self.listed)

    @property
    def resources(self) -> Resources:
        """The resources by name."""
        return Resources(self)

    @property
    def selected_resources(self) -> dict[str, Resource]:
        """The resources that a run loads, by name."""
        return self.resources.selected

    def __getattr__(self, name: str) -> Resource:
        found: Resource | None = next((r for r in self.__dict__.get("listed", ()) if r.name == name), None)
        if found is None:
            have = ", ".join(r.name for r in self.__dict__.get("listed", ()))
            raise AttributeError(f"source has no resource `{name}`; it has {have}", name=name, obj=self)
        return found

    def __dir__(self) -> list[str]:
        """Return names of attributes, resources among them: a shell completes them."""
        return [*super().__dir__(), *(r.name for r in self.listed)]

    def __setattr__(self, name: str, value: Any) -> None:
        """Set a field; a resource becomes one of the source's, under that name."""
        if isinstance(value, Resource) and name not in type(self).__dataclass_fields__:
            self.resources[name] = value
        else:
            super().__setattr__(name, value)

    @property
    def schema(self) -> Schema:
        """The source's own schema, without hints of resources; changes in place count for the next run."""
        if self.given_schema is None:
            self.given_schema = Schema(self.name)
        return self.given_schema

    @property
    def own_schema(self) -> Schema | None:
        """The source's own schema; None where it says nothing."""
        given = self.given_schema
        return None if given is None or given == Schema(given.name) else given

    @property
    def exhausted(self) -> bool:
        """Whether an iterator that can be read only once was read."""
        return any(_is_read(r) for r in self.listed)

    @property
    def state(self) -> dict[str, Any]:
        """The source's state while it is extracted; an empty dict otherwise."""
        here = current.scope.get()
        return here.source_state or {} if getattr(here.source, "name", None) == self.name else {}

    # -- reading

    def items(self) -> Iterator[Any]:
        """Yield the items of all selected resources, pages as they are."""
        metrics = {r.name: r.custom_metrics for r in self.listed}
        around = current.scope.get()
        state = current.peeked(self.name) if around.source_state is None else around.source_state
        scope = replace(around, source=self, metrics=metrics, source_state=state)
        selected = [r for r in self.listed if r.selected]
        options = PullOptions(scope=scope, next_item_mode="round_robin", from_settings=True)
        for got in pull(selected, options):
            if got.item is not None and not is_instruction(got.item):
                yield got.item

    __ladle_pages__ = items

    def __iter__(self) -> Iterator[Any]:
        """Yield the items of all selected resources; pages (lists) are flattened."""
        for item in self.items():
            if isinstance(item, list):
                yield from item
            else:
                yield item

    def run(self, **options: Any) -> Any:
        """Load this source: `ladle.run(source, ...)`."""
        # The one way up: the public name, resolved when called.
        return importlib.import_module("ladle").run(self, **options)

    # -- changing

    def clone(self, with_name: str | None = None) -> Source:
        """Return a copy with copies of the resources; pipes between them lead to the copies."""
        copies: dict[int, Resource] = {}
        made = [_copied(r, copies) for r in self.listed]
        return replace(self, name=with_name or self.name, listed=tuple(made))

    def with_resources(self, *resource_names: str) -> Source:
        """Return a copy in which only these resources are selected.

        Raises:
            ResourcesNotFoundError: there is no such resource; names the nearest.
        """
        known = list(self.resources)
        for name in resource_names:
            if name not in known:
                near = UsageError.unknown_choice("resource", name, known)
                raise ResourcesNotFoundError(
                    f"source `{self.name}` has no resource `{name}`",
                    expected="one of " + ", ".join(known),
                    hint=near.hint,
                )
        made = self.clone()
        for resource in made.listed:
            resource.selected = resource.name in resource_names
        return made

    def add_limit(
        self, max_items: int | None = None, max_time: float | None = None, count_rows: bool | None = False
    ) -> Source:
        """Limit each resource that is no transformer; see `Resource.add_limit`."""
        for resource in self.listed:
            resource.add_limit(max_items, max_time, count_rows)
        return self

    def parallelize(self) -> Source:
        """Run the functions of all resources in worker threads."""
        for resource in self.listed:
            resource.parallelize()
        return self

    def decompose(self, strategy: str) -> list[Source]:
        """Split into sources that don't depend on one another.

        Args:
            strategy: `none`: one source; `scc`: resources and the transformers they feed stay together.

        Raises:
            UsageError: another strategy.
        """
        check_choice("strategy", strategy, ("none", "scc"))
        if strategy == "none":
            return [self]
        groups: dict[int, list[Resource]] = {}
        for resource in self.listed:
            if resource.selected:
                groups.setdefault(id(_root_of(resource)), []).append(resource)
        return [replace(self, listed=tuple(group)) for group in groups.values()]

    def discover_schema(self, item: Any = None, meta: Any = None) -> Schema:
        """Return the schema as hints tell, without reading anything.

        Args:
            item: for hints that are functions of the item; resources that have such are left out without.
            meta: of the item.
        """
        schema = self.schema
        names = schema.convention
        for resource in self.listed:
            if not resource.selected or (
                item is None and (resource.has_dynamic_table_name or resource.hints.dynamic)
            ):
                continue
            tables = resource.compute_tables(names, item, meta)
            schema = schema.with_tables(_normalized(t, names) for t in tables)
        return schema

    @classmethod
    def from_data(cls, schema: Schema, section: str, data: Any) -> Source:
        """Make a source of data, a resource or a list of resources."""
        given = (
            data if isinstance(data, (list, tuple)) and any(isinstance(d, Resource) for d in data) else [data]
        )
        listed = tuple(r if isinstance(r, Resource) else Resource(name_of(r), r) for r in given)
        return cls(schema.name, listed, schema, section=section)

    def __repr__(self) -> str:
        return f"<ladle.source {self.name} resources={list(self.resources)}>"


def _normalized(table: dict[str, Any], names: Any) -> Table:
    columns = {names.fit(n, max_length=None): c for n, c in table["columns"].items()}
    return Table.from_dict(
        names.table(names.fit(table["name"], max_length=None)), {**table, "columns": columns}
    )


def _root_of(resource: Resource) -> Resource:
    while resource.parent is not None:
        resource = resource.parent
    return resource


def _copied(resource: Resource, copies: dict[int, Resource]) -> Resource:
    made = copies.get(id(resource))
    if made is None:
        made = copies[id(resource)] = resource.clone()
        if resource.parent is not None:
            made.parent = _copied(resource.parent, copies)
    return made


def _is_read(resource: Resource) -> bool:
    state = getattr(_root_of(resource).data, "gi_frame", resource)
    return state is None


class SourceFactory(Generic[P]):
    """What a function decorated by `@ladle.source` becomes: call it with its arguments to get a `Source`."""

    def __init__(self, func: Callable[P, Any], options: Mapping[str, Any]) -> None:
        _check_function(func)
        self._func = func
        self._options = dict(options)
        schema = options.get("schema")
        self.name: str = options.get("name") or (schema.name if schema else func.__name__)
        self.section: str = options.get("section") or section_of(func)
        _check_source_name(self.name)
        self._injector = Injector(func, spec=options.get("spec"))
        functools.update_wrapper(self, func)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> Source:
        """Call the function and return its resources as a source.

        Raises:
            TypeError: arguments that don't fit.
            SourceDataIsNone: the function returned nothing.
            ResourceNameMissing: it returned data without a name.
        """
        before = current.scope.get()
        blank = self._source(())
        token = current.scope.set(replace(before, source=blank, source_state=None))
        place = context.sections.set(("sources", self.section, self.name))
        try:
            made = self._called(args, kwargs)
            if inspect.isawaitable(made):
                return self._awaited(made, blank)  # type: ignore[return-value]
            return self._filled(blank, made)
        finally:
            current.scope.reset(token)
            context.sections.reset(place)

    def _called(self, args: Any, kwargs: Any) -> Any:
        args, kwargs = self._injector.fill(args, kwargs, context.sections.get())
        return self._func(*args, **kwargs)

    async def _awaited(self, made: Awaitable[Any], blank: Source) -> Source:
        return self._filled(blank, await made)

    def _filled(self, blank: Source, made: Any) -> Source:
        found = list(made) if inspect.isgenerator(made) or isinstance(made, (list, tuple)) else [made]
        if all(r is None for r in found):
            raise SourceDataIsNone(
                f"source `{self.name}` returned no resource", hint="return or yield resources"
            )
        listed: list[Resource] = []
        for part in found:
            if isinstance(part, Source):
                listed.extend(part.listed)
            elif part is not None:
                listed.append(part if isinstance(part, Resource) else Resource(name_of(part), part))
        self._check_names(listed)
        copies: dict[int, Resource] = {}
        listed = list(
            {id(r): _copied(r, copies) for r in listed}.values()
        )  # what a module keeps is nobody's to change
        for resource in copies.values():
            resource.source_name = self.name
            resource.section = self._options.get("section") or resource.section or self.section
            resource.parallelized = resource.parallelized or bool(self._options.get("parallelized"))
        blank.listed = tuple(listed)
        return blank

    def _check_names(self, listed: list[Resource]) -> None:
        seen: dict[str, Resource] = {}
        for resource in listed:
            if seen.setdefault(resource.name, resource) is not resource:
                raise InvalidResourceDataTypeMultiplePipes(
                    f"source `{self.name}` has two resources named `{resource.name}`",
                    hint=f'rename one: {resource.name}.with_name("...")',
                )

    def _source(self, listed: tuple[Resource, ...]) -> Source:
        given = {k: self._options.get(k) for k in ("max_table_nesting", "root_key", "schema_contract")}
        return Source(
            self.name,
            listed,
            self._schema(),
            section=self.section,
            tags=source_tags(self._options.get("tags") or {}),
            **given,
        )

    def _schema(self) -> Schema | None:
        """Return a schema for one source: a copy of the one given, or of the file beside the function."""
        given: Schema | None = self._options.get("schema")
        return given.clone() if given is not None else beside(self._func, self.name)

    def clone(
        self,
        *,
        name: str | None = None,
        section: str | None = None,
        max_table_nesting: int | None = None,
        root_key: bool | None = None,
        schema: Schema | None = None,
        schema_contract: Any = None,
        spec: Any = None,
        parallelized: bool | None = None,
        tags: Mapping[str, Any] | None = None,
    ) -> SourceFactory[P]:
        """Return the same source under other names or with other options; None leaves one as it is."""
        given = {k: v for k, v in locals().items() if k != "self" and v is not None}
        check_source_options(given)
        return SourceFactory(self._func, {**self._options, **given})

    with_args = clone


def check_source_options(options: Mapping[str, Any]) -> None:
    """Check the arguments of `@ladle.source`.

    Raises:
        UsageError: one is wrong.
    """
    if options.get("max_table_nesting") is not None:
        Hints.of(max_table_nesting=options["max_table_nesting"])
    if options.get("schema_contract") is not None:
        check_contract(options["schema_contract"])
    if options.get("tags") is not None:
        source_tags(options["tags"])
    for name in ("root_key", "parallelized"):
        if not isinstance(options.get(name), (bool, type(None))):
            raise UsageError(f"{name} can't be `{options[name]!r}`", expected="True, False or None")
    if not isinstance(options.get("schema"), (Schema, type(None))):
        raise UsageError(f"schema can't be `{options['schema']!r}`", expected="a ladle.Schema")


def _check_function(func: Any) -> None:
    if inspect.isclass(func):
        raise SourceIsAClassTypeError(
            f"a source can't be made of the class `{func.__name__}`", expected="a function"
        )
    if not callable(func):
        raise SourceNotAFunction(
            f"a source can't be made of a `{type(func).__name__}`", expected="a function"
        )


def _check_source_name(name: str) -> None:
    try:
        Schema(name)
    except UsageError as exc:
        raise ExplicitSourceNameInvalid(
            f"`{name}` can't be the name of a source",
            expected=exc.expected,
            hint='name it: @ladle.source(name="...")',
        ) from None
