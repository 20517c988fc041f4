"""`@ladle.resource`, `@ladle.transformer`, `@ladle.source` and `@ladle.defer`."""

from __future__ import annotations

import functools
import inspect
from collections.abc import AsyncIterable, Awaitable, Callable, Iterable, Mapping
from typing import Any, Concatenate, Literal, ParamSpec, Protocol, TypeVar, overload

from ladle.errors import InvalidResourceDataType, UsageError
from ladle.schema.schema import Schema
from ladle.sources.explained import explained
from ladle.sources.hints import Hints
from ladle.sources.names import name_of, section_of
from ladle.sources.resource import (
    Resource,
    ResourceFunction,
)
from ladle.sources.source import Source, SourceFactory, check_source_options
from ladle.sources.steps import Deferred, check_transformer

P = ParamSpec("P")
T = TypeVar("T")
Dynamic = Callable[[Any], Any]
Disposition = Literal["append", "replace", "merge", "skip"]
TableFormat = Literal["iceberg", "delta", "hive", "native"]
FileFormat = Literal["parquet", "jsonl", "csv", "preferred"]
Keys = str | Iterable[str] | Dynamic


class _Frame(Protocol):
    """A table of any library that speaks Arrow."""

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object: ...


# Not `Any`: a function without annotations would match it as well, and its arguments would be lost.
_Data = Iterable[Any] | AsyncIterable[Any] | Awaitable[Any] | _Frame
_OPTIONS = (
    "data",
    "name",
    "selected",
    "spec",
    "parallelized",
    "incremental",
    "section",
    "standalone",
    "data_from",
    "f",
)


@overload
def resource(
    data: None = None,
    name: str | Dynamic | None = None,
    table_name: str | Dynamic | None = None,
    max_table_nesting: int | None = None,
    write_disposition: Disposition | Mapping[str, Any] | Dynamic | None = None,
    columns: Any = None,
    primary_key: Keys | None = None,
    merge_key: Keys | None = None,
    schema_contract: Any = None,
    table_format: TableFormat | Dynamic | None = None,
    file_format: FileFormat | Dynamic | None = None,
    references: Any = None,
    nested_hints: Any = None,
    selected: bool = True,
    spec: Any = None,
    parallelized: bool = False,
    incremental: Any = None,
    section: str | Dynamic | None = None,
    _base_spec: Any = None,
    standalone: bool | None = None,
    data_from: Any = None,
    tags: Mapping[str, Any] | None = None,
    rules: Any = None,
) -> Callable[[Callable[P, Any]], ResourceFunction[P]]: ...
@overload
def resource(
    data: Callable[P, Any],
    name: str | Dynamic | None = None,
    table_name: str | Dynamic | None = None,
    max_table_nesting: int | None = None,
    write_disposition: Disposition | Mapping[str, Any] | Dynamic | None = None,
    columns: Any = None,
    primary_key: Keys | None = None,
    merge_key: Keys | None = None,
    schema_contract: Any = None,
    table_format: TableFormat | Dynamic | None = None,
    file_format: FileFormat | Dynamic | None = None,
    references: Any = None,
    nested_hints: Any = None,
    selected: bool = True,
    spec: Any = None,
    parallelized: bool = False,
    incremental: Any = None,
    section: str | Dynamic | None = None,
    _base_spec: Any = None,
    standalone: bool | None = None,
    data_from: Any = None,
    tags: Mapping[str, Any] | None = None,
    rules: Any = None,
) -> ResourceFunction[P]: ...
@overload
def resource(
    data: _Data,
    name: str | None = None,
    table_name: str | Dynamic | None = None,
    max_table_nesting: int | None = None,
    write_disposition: Disposition | Mapping[str, Any] | Dynamic | None = None,
    columns: Any = None,
    primary_key: Keys | None = None,
    merge_key: Keys | None = None,
    schema_contract: Any = None,
    table_format: TableFormat | Dynamic | None = None,
    file_format: FileFormat | Dynamic | None = None,
    references: Any = None,
    nested_hints: Any = None,
    selected: bool = True,
    spec: Any = None,
    parallelized: bool = False,
    incremental: Any = None,
    section: str | Dynamic | None = None,
    _base_spec: Any = None,
    standalone: bool | None = None,
    data_from: Any = None,
    tags: Mapping[str, Any] | None = None,
    rules: Any = None,
) -> Resource: ...
@explained
def resource(
    data: Any = None,
    name: Any = None,
    table_name: Any = None,
    max_table_nesting: int | None = None,
    write_disposition: Any = None,
    columns: Any = None,
    primary_key: Any = None,
    merge_key: Any = None,
    schema_contract: Any = None,
    table_format: Any = None,
    file_format: Any = None,
    references: Any = None,
    nested_hints: Any = None,
    selected: bool = True,
    spec: Any = None,
    parallelized: bool = False,
    incremental: Any = None,
    section: Any = None,
    _base_spec: Any = None,
    standalone: bool | None = None,
    data_from: Any = None,
    tags: Mapping[str, Any] | None = None,
    rules: Any = None,
) -> Any:
    """Make a resource of a function or of data; as a decorator with or without arguments.

    A hint may be a function of the item, where nothing else is said.

    Args:
        data: a generator function, a function that returns items, async or not; or any iterable, dict, frame
            or Arrow object, another resource, an awaitable.
        name: default: the function's name; also the table's name unless `table_name` is given. May be a
            function of the call's arguments, given as a dict.
        table_name: where rows go.
        max_table_nesting: levels of nesting that become columns and tables; deeper values are kept as JSON.
        write_disposition: `append` (default), `replace` or `skip`; or a dict with `disposition`.
        columns: hints by name, a list of dicts with `name`, or a model (pydantic, dataclass, TypedDict).
        primary_key: column name or names; not null.
        merge_key: column name or names; not null.
        schema_contract: what rows may change: `evolve`, `freeze`, `discard_row`, `discard_value`, or a dict
            of these by `tables`, `columns`, `data_type`.
        table_format: `iceberg`, `delta`, `hive` or `native`; noted in the schema.
        file_format: for file destinations: `parquet`, `jsonl`, `csv` or `preferred`.
        references: dicts with `columns`, `referenced_table` and `referenced_columns`; noted in the schema.
        nested_hints: by path, for child tables.
        selected: False leaves the rows out of a run; transformers get them all the same.
        spec: class that describes the settings of the function's arguments.
        parallelized: run the function in a worker thread, beside others.
        incremental: a cursor, where no argument of the function is one.
        section: of the settings; default: the function's module.
        _base_spec: accepted and not needed.
        standalone: accepted and not needed: every resource may stand alone.
        data_from: a resource to take items from: makes this a transformer.
        tags: what the table is, whose, and so on: kept in the schema, shown as the table's comment.
        rules: of `ladle.rules`, that rows have to keep.

    Raises:
        UsageError: a hint is wrong; raised here, not at run time.
        ResourceNameMissing: data without a name.
    """
    given = _hints_in(locals())
    hints = Hints.of(**given)

    def decorate(wrapped: Any) -> Resource:
        if data_from is not None:
            check_transformer(wrapped)
        made = _make(wrapped, name, section, hints)
        made.selected, made.parallelized, made.spec = selected, parallelized, spec
        made.set_incremental(incremental)
        if data_from is not None:
            made.is_transformer = True
            made.pipe_data_from(data_from)
        return made

    return decorate if data is None else decorate(data)


def _hints_in(arguments: Mapping[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in arguments.items() if k not in _OPTIONS and not k.startswith("_")}


def _make(wrapped: Any, name: Any, section: Any, hints: Hints) -> Resource:
    if inspect.isclass(wrapped):
        raise InvalidResourceDataType(
            f"a resource can't be made of the class `{wrapped.__name__}`", expected="a function or data"
        )
    for what, value in (("name", name), ("section", section)):
        if value is not None and not callable(value) and not (isinstance(value, str) and value.strip()):
            raise UsageError(
                f"{what} can't be `{value!r}`", expected="a text that is not empty, or a function"
            )
    plain_name = name if isinstance(name, str) else name_of(wrapped)
    plain_section = (
        section if isinstance(section, str) else section_of(wrapped) if callable(wrapped) else None
    )
    kind = ResourceFunction if callable(wrapped) and not isinstance(wrapped, Resource) else Resource
    made: Resource = kind(plain_name, wrapped, hints, section=plain_section)
    made.naming_function = name if callable(name) else None
    if inspect.isfunction(wrapped):
        made.__doc__ = wrapped.__doc__
        made.__wrapped__ = wrapped  # type: ignore[attr-defined]
    return made


@overload
def transformer(
    f: None = None,
    data_from: Any = None,
    name: str | Dynamic | None = None,
    table_name: str | Dynamic | None = None,
    max_table_nesting: int | None = None,
    write_disposition: Disposition | Mapping[str, Any] | Dynamic | None = None,
    columns: Any = None,
    primary_key: Keys | None = None,
    merge_key: Keys | None = None,
    schema_contract: Any = None,
    table_format: TableFormat | Dynamic | None = None,
    file_format: FileFormat | Dynamic | None = None,
    references: Any = None,
    nested_hints: Any = None,
    selected: bool = True,
    spec: Any = None,
    parallelized: bool = False,
    section: str | Dynamic | None = None,
    standalone: bool | None = None,
    tags: Mapping[str, Any] | None = None,
    rules: Any = None,
) -> Callable[[Callable[Concatenate[Any, P], Any]], ResourceFunction[P]]: ...
@overload
def transformer(
    f: Callable[Concatenate[Any, P], Any],
    data_from: Any = None,
    name: str | Dynamic | None = None,
    table_name: str | Dynamic | None = None,
    max_table_nesting: int | None = None,
    write_disposition: Disposition | Mapping[str, Any] | Dynamic | None = None,
    columns: Any = None,
    primary_key: Keys | None = None,
    merge_key: Keys | None = None,
    schema_contract: Any = None,
    table_format: TableFormat | Dynamic | None = None,
    file_format: FileFormat | Dynamic | None = None,
    references: Any = None,
    nested_hints: Any = None,
    selected: bool = True,
    spec: Any = None,
    parallelized: bool = False,
    section: str | Dynamic | None = None,
    standalone: bool | None = None,
    tags: Mapping[str, Any] | None = None,
    rules: Any = None,
) -> ResourceFunction[P]: ...
@explained
def transformer(
    f: Any = None,
    data_from: Any = None,
    name: Any = None,
    table_name: Any = None,
    max_table_nesting: int | None = None,
    write_disposition: Any = None,
    columns: Any = None,
    primary_key: Any = None,
    merge_key: Any = None,
    schema_contract: Any = None,
    table_format: Any = None,
    file_format: Any = None,
    references: Any = None,
    nested_hints: Any = None,
    selected: bool = True,
    spec: Any = None,
    parallelized: bool = False,
    section: Any = None,
    standalone: bool | None = None,
    tags: Mapping[str, Any] | None = None,
    rules: Any = None,
) -> Any:
    """Make a transformer: a resource whose function gets each item (or page) that another resource yields.

    Args:
        f: takes the item first; an argument named `meta` gets the item's meta; the rest is given by calling.
            It may return or yield, and be async or deferred.
        data_from: the resource to take items from; or pipe one into it: `resource | transformer`.
        name: as for `resource`, as all other arguments.
        table_name: where rows go.
        max_table_nesting: levels of nesting that become columns and tables.
        write_disposition: `append` (default), `replace` or `skip`.
        columns: hints by name, a list of dicts with `name`, or a model (pydantic, dataclass, TypedDict).
        primary_key: column name or names.
        merge_key: column name or names.
        schema_contract: what rows may change, as for `run`.
        table_format: noted in the schema.
        file_format: for file destinations.
        references: noted in the schema.
        nested_hints: by path, for child tables.
        selected: False leaves the rows out of a run.
        spec: class that describes the settings of the function's arguments.
        parallelized: make each call in a worker thread.
        section: of the settings.
        standalone: accepted and not needed.
        tags: what the table is, whose, and so on: kept in the schema, shown as the table's comment.
        rules: of `ladle.rules`, that rows have to keep.

    Raises:
        InvalidTransformerGeneratorFunction: the function takes no item.
        UsageError: a hint is wrong.
    """
    hints = Hints.of(**_hints_in({k: v for k, v in locals().items() if k != "data_from"}))

    def decorate(func: Any) -> Resource:
        check_transformer(func)
        made = _make(func, name, section, hints)
        made.is_transformer = True
        made.selected, made.parallelized, made.spec = selected, parallelized, spec
        return made if data_from is None else made.pipe_data_from(data_from)

    return decorate if f is None else decorate(f)


@overload
def source(
    func: None = None,
    name: str | None = None,
    section: str | None = None,
    max_table_nesting: int | None = None,
    root_key: bool | None = None,
    schema: Schema | None = None,
    schema_contract: Any = None,
    spec: Any = None,
    parallelized: bool = False,
    tags: Mapping[str, Any] | None = None,
) -> Callable[[Callable[P, Any]], SourceFactory[P]]: ...
@overload
def source(
    func: Callable[P, Any],
    name: str | None = None,
    section: str | None = None,
    max_table_nesting: int | None = None,
    root_key: bool | None = None,
    schema: Schema | None = None,
    schema_contract: Any = None,
    spec: Any = None,
    parallelized: bool = False,
    tags: Mapping[str, Any] | None = None,
) -> SourceFactory[P]: ...
@explained
def source(
    func: Any = None,
    name: str | None = None,
    section: str | None = None,
    max_table_nesting: int | None = None,
    root_key: bool | None = None,
    schema: Schema | None = None,
    schema_contract: Any = None,
    spec: Any = None,
    parallelized: bool = False,
    tags: Mapping[str, Any] | None = None,
) -> Any:
    """Make a source of a function that returns or yields resources; as a decorator with or without arguments.

    The function runs when the source is called, not when it is loaded; it should not read data itself.

    Args:
        func: the function; may be async: then calling it gives an awaitable.
        name: schema name, and name of the state; default: the function's name.
        section: of the settings; default: the function's module.
        max_table_nesting: levels of nesting that become columns and tables, for resources that don't say.
        root_key: True gives child tables `_dlt_root_id`.
        schema: a schema to begin with.
        schema_contract: what rows may change, for resources that don't say.
        spec: class that describes the settings of the function's arguments.
        parallelized: run the functions of all resources in worker threads.
        tags: of the source: owner, domain and so on; kept in the schema's settings.

    Raises:
        UsageError: an argument is wrong.
        SourceNotAFunction, SourceIsAClassTypeError: it is put on something else.
    """
    options = {k: v for k, v in locals().items() if k != "func"}
    check_source_options(options)

    def decorate(wrapped: Any) -> SourceFactory[Any]:
        return SourceFactory(wrapped, options)

    return decorate if func is None else decorate(func)


def defer(f: Callable[P, T]) -> Callable[P, Callable[[], T]]:
    """Make calls of a function happen in a worker thread: calling it returns something to be yielded.

    At most `EXTRACT__WORKERS` (5) calls run at once, and `EXTRACT__MAX_PARALLEL_ITEMS` (20) are on their way.
    Results take the place of what was yielded, in order.
    """

    @functools.wraps(f)
    def deferred(*args: P.args, **kwargs: P.kwargs) -> Callable[[], T]:
        return Deferred(functools.partial(f, *args, **kwargs))

    return deferred


__all__ = ["Source", "defer", "resource", "source", "transformer"]
