"""Resource and source: named data with hints, from plain functions by decorators."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ladle.errors import ResourceNameMissing, UsageError
from ladle.schema.schema import Schema
from ladle.schema.table import WRITE_DISPOSITIONS

Columns = Mapping[str, Mapping[str, Any]]
Step = Callable[[Any], Any]
_FORMATS = ("parquet", "jsonl", "csv", "preferred")


@dataclass(frozen=True, slots=True)
class Hints:
    """What is declared of a resource's table; None leaves it to the data or to what is known already."""

    table_name: str | None = None
    write_disposition: str | None = None
    columns: Columns = field(default_factory=dict)
    primary_key: tuple[str, ...] | None = None
    merge_key: tuple[str, ...] | None = None
    max_table_nesting: int | None = None
    file_format: str | None = None

    @classmethod
    def of(
        cls, *, columns: Any = None, primary_key: Any = None, merge_key: Any = None, **hints: Any
    ) -> Hints:
        """Check hints as a user writes them and return them in one form.

        Raises:
            UsageError: an unknown choice, or a hint of the wrong type; names what was expected.
        """
        _check_choice("write_disposition", hints.get("write_disposition"), WRITE_DISPOSITIONS)
        _check_choice("file_format", hints.get("file_format"), _FORMATS)
        nesting = hints.get("max_table_nesting")
        if nesting is not None and (not isinstance(nesting, int) or isinstance(nesting, bool) or nesting < 0):
            raise UsageError(
                f"max_table_nesting can't be `{nesting!r}`", expected="a whole number from 0, or None"
            )
        name = hints.get("table_name")
        if name is not None and (not isinstance(name, str) or not name.strip()):
            raise UsageError(f"table_name can't be `{name!r}`", expected="a name that is not empty")
        return cls(
            columns=columns_of(columns), primary_key=_names(primary_key), merge_key=_names(merge_key), **hints
        )

    def over(self, other: Hints) -> Hints:
        """Return these hints, and those of `other` where these say nothing; columns merge."""
        merged = {name: getattr(self, name) for name in _MERGED}
        merged = {k: v if v is not None else getattr(other, k) for k, v in merged.items()}
        return Hints(columns={**other.columns, **self.columns}, **merged)


_MERGED = ("table_name", "write_disposition", "primary_key", "merge_key", "max_table_nesting", "file_format")


def _check_choice(what: str, value: Any, choices: Sequence[str]) -> None:
    if value is not None and value not in choices:
        raise UsageError.unknown_choice(what, value, [c for c in choices if c != "merge"])
    if value == "merge":
        raise UsageError(
            "write_disposition `merge` is not part of this version",
            expected="append, replace or skip",
            hint="load with `replace`, or append and deduplicate with a query",
        )


def _names(keys: Any) -> tuple[str, ...] | None:
    if keys is None:
        return None
    if isinstance(keys, str):
        return (keys,)
    if isinstance(keys, Sequence) and all(isinstance(k, str) for k in keys):
        return tuple(keys)
    raise UsageError(f"a key can't be `{keys!r}`", expected="a column name or a list of column names")


def columns_of(columns: Any) -> Columns:
    """Return column hints by name from a dict of dicts or a list of dicts with `name`.

    Raises:
        UsageError: any other shape.
    """
    if columns is None:
        return {}
    if isinstance(columns, Mapping) and all(isinstance(c, Mapping) for c in columns.values()):
        return {str(n): dict(c) for n, c in columns.items()}
    if isinstance(columns, Sequence) and all(isinstance(c, Mapping) and "name" in c for c in columns):
        return {str(c["name"]): {k: v for k, v in c.items() if k != "name"} for c in columns}
    raise UsageError(
        f"columns can't be a `{type(columns).__name__}`",
        expected='{"price": {"data_type": "decimal"}} or [{"name": "price", "data_type": "decimal"}]',
    )


@dataclass(eq=False)
class Resource:
    """A named stream of items with hints. Made by `@ladle.resource`; call it to bind arguments.

    `data`: an iterable, or a function that returns one; a function is called anew for every iteration.
    """

    name: str
    data: Any
    hints: Hints = field(default_factory=Hints)
    selected: bool = True
    steps: tuple[Step, ...] = ()

    def __call__(self, *args: Any, **kwargs: Any) -> Resource:
        """Bind call arguments; returns a resource that can be iterated."""
        return replace(self, data=functools.partial(self.data, *args, **kwargs))

    def __iter__(self) -> Iterator[Any]:
        """Yield the items; pages (lists) are flattened."""
        for item in self.items():
            if isinstance(item, list):
                yield from item
            else:
                yield item

    def items(self) -> Iterable[Any]:
        """Return what the data yields, pages as they are; a single value counts as one item."""
        items = self._pulled()
        return _stepped(items, self.steps) if self.steps else items

    def add_map(self, item_map: Callable[[Any], Any]) -> Resource:
        """Change each item by `item_map`, in place; one that becomes None is dropped. Returns itself."""
        self.steps = (*self.steps, item_map)
        return self

    def add_filter(self, item_filter: Callable[[Any], Any]) -> Resource:
        """Keep only the items for which `item_filter` is true, in place. Returns the resource."""
        return self.add_map(lambda item: item if item_filter(item) else None)

    def _pulled(self) -> Iterable[Any]:
        data = (
            self.data() if callable(self.data) and not hasattr(self.data, "__arrow_c_stream__") else self.data
        )
        if isinstance(data, (list, tuple)) or hasattr(data, "__next__"):
            return data  # type: ignore[no-any-return]
        if is_one_item(data):
            return (data,)
        return data  # type: ignore[no-any-return]

    def with_name(self, new_name: str) -> Resource:
        """Return the same resource under another name."""
        return replace(self, name=new_name)


def _stepped(items: Iterable[Any], steps: tuple[Step, ...]) -> Iterator[Any]:
    for item in items:
        if isinstance(item, list):
            page = [changed for row in item if (changed := _change(row, steps)) is not None]
            if page:
                yield page
        elif (changed := _change(item, steps)) is not None:
            yield changed


def _change(item: Any, steps: tuple[Step, ...]) -> Any:
    for step in steps:
        if item is None:
            return None
        item = step(item)
    return item


def is_one_item(data: Any) -> bool:
    """Whether `data` is itself one item (a row, a frame, a scalar), not a stream of items."""
    if isinstance(data, (Mapping, str, bytes)) or data is None:
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


@dataclass(frozen=True, eq=False)
class Source:
    """A group of resources that share one schema, named `name`."""

    name: str
    resources: tuple[Resource, ...]
    schema: Schema | None = None
    max_table_nesting: int | None = None
    root_key: bool | None = None


def resource(
    data: Any = None,
    *,
    name: str | None = None,
    table_name: str | None = None,
    max_table_nesting: int | None = None,
    write_disposition: str | None = None,
    columns: Any = None,
    primary_key: str | Sequence[str] | None = None,
    merge_key: str | Sequence[str] | None = None,
    file_format: str | None = None,
    selected: bool = True,
) -> Any:
    """Make a resource of a function or of data; as a decorator with or without arguments.

    Args:
        data: a generator function, or any iterable, dict, frame or Arrow object.
        name: default the function's name; also the table's name unless `table_name` is given.
        table_name: where rows go.
        max_table_nesting: levels of nesting that become columns and tables; deeper values are kept as JSON.
        write_disposition: `append` (default), `replace` or `skip`.
        columns: hints by column name, or a list of dicts with `name`.
        primary_key: column name or names; not null.
        merge_key: column name or names; not null.
        file_format: for file destinations: `parquet`, `jsonl` or `csv`.
        selected: False leaves the resource out of a run.

    Raises:
        UsageError: a hint is wrong; raised here, not at run time.
        ResourceNameMissing: data without a name.
    """
    hints = Hints.of(
        columns=columns,
        primary_key=primary_key,
        merge_key=merge_key,
        table_name=table_name,
        max_table_nesting=max_table_nesting,
        write_disposition=write_disposition,
        file_format=file_format,
    )

    def decorate(wrapped: Any) -> Resource:
        return Resource(name or name_of(wrapped), wrapped, hints, selected)

    return decorate if data is None else decorate(data)


def name_of(data: Any) -> str:
    """Return the name a function or generator brings along.

    Raises:
        ResourceNameMissing: it has none.
    """
    found = getattr(data, "__name__", None)
    if not isinstance(found, str):
        raise ResourceNameMissing(
            f"data of type `{type(data).__name__}` has no name to use for its table",
            hint='name it: table_name="..." in run, or ladle.resource(data, name="...")',
        )
    return found


def source(func: Callable[..., Any] | None = None, *, name: str | None = None, **options: Any) -> Any:
    """Make a source of a function that returns or yields resources; as a decorator with or without arguments.

    Args:
        func: the function.
        name: schema name; default the function's name.
        options: `schema`, `max_table_nesting`, `root_key`.

    Raises:
        UsageError: the function gave no resource.
    """

    def decorate(wrapped: Callable[..., Any]) -> Callable[..., Source]:
        @functools.wraps(wrapped)
        def build(*args: Any, **kwargs: Any) -> Source:
            made = wrapped(*args, **kwargs)
            found = list(made) if inspect.isgenerator(made) or isinstance(made, (list, tuple)) else [made]
            resources = [r for r in found if r is not None]
            if not resources:
                raise UsageError(
                    f"source `{wrapped.__name__}` returned no resource", hint="return or yield resources"
                )
            built = tuple(r if isinstance(r, Resource) else resource(r) for r in resources)
            return Source(name or wrapped.__name__, built, **options)

        return build

    return decorate if func is None else decorate(func)


def sources_of(data: Any, default_name: str, hints: Hints) -> list[Source]:
    """Sort what was given to `run` into sources: bare data and resources go to one named `default_name`.

    Raises:
        ResourceNameMissing: bare data came without a name.
    """
    if isinstance(data, Source):
        return [data]
    if isinstance(data, (list, tuple)) and any(
        isinstance(d, (Resource, Source)) or _is_function(d) for d in data
    ):
        parts = [source for d in data for source in sources_of(d, default_name, hints)]
        merged: dict[str, Source] = {}
        for part in parts:
            known = merged.get(part.name)
            merged[part.name] = replace(known, resources=known.resources + part.resources) if known else part
        return list(merged.values())
    if isinstance(data, Resource):
        return [Source(default_name, (data,))]
    if inspect.isfunction(data) and getattr(data, "__wrapped__", None) is not None:
        return sources_of(data(), default_name, hints)
    name = hints.table_name or name_of(data)
    return [Source(default_name, (Resource(name, data),))]


def _is_function(data: Any) -> bool:
    return inspect.isfunction(data) or inspect.isgenerator(data)
