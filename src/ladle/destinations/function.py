"""A function as a destination: `@ladle.destination` on a function that takes a batch and its table."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field, fields, replace
from functools import partial, update_wrapper
from typing import Any

from ladle.config import context
from ladle.config.inject import Injector
from ladle.config.settings import flag, number
from ladle.destinations.base import Session
from ladle.destinations.capabilities import Capabilities, capabilities, overridden
from ladle.destinations.formats import FORMATS
from ladle.destinations.function_session import Calls, FunctionSession
from ladle.errors import UsageError
from ladle.schema.change import Limits

STRATEGIES = ("parallel", "table-sequential", "sequential")
_TYPE = "destination"
_ID = "batch_id"
_TYPED_JSON = "typed-jsonl"
_WORKERS = 20
_TRIES = 5
_LIMITS = Limits(
    wei_digits=76, naming="direct", max_nesting=0, dispositions=False, records=False, renames=True
)
_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


@dataclass(frozen=True, slots=True)
class FunctionOptions:
    """How a function is called: what the decorator takes, under its names.

    Attributes:
        loader_file_format: `jsonl` for lists of dicts, `parquet` for Arrow batches, or of files.
        batch_size: rows of a batch; 0 for the path of a file with all rows.
        skip_dlt_columns_and_tables: whether what ladle adds is left out.
        max_parallel_load_jobs: calls at once, at most; None as the settings say.
        loader_parallelism_strategy: one of `STRATEGIES`; None: tables at once, batches of one table in order.
        spec: of the settings.

    Raises:
        UsageError: a value that can't be.
    """

    loader_file_format: str | None = None
    batch_size: int = 10
    skip_dlt_columns_and_tables: bool = True
    max_parallel_load_jobs: int | None = None
    loader_parallelism_strategy: str | None = None
    spec: Any = None

    def __post_init__(self) -> None:
        _check_choice("loader_file_format", self.loader_file_format, (*FORMATS, _TYPED_JSON))
        _check_choice("loader_parallelism_strategy", self.loader_parallelism_strategy, STRATEGIES)
        _check_number("batch_size", self.batch_size, 0)
        if self.max_parallel_load_jobs is not None:
            _check_number("max_parallel_load_jobs", self.max_parallel_load_jobs, 1)

    @property
    def file_format(self) -> str | None:
        """The format under its own name."""
        return "jsonl" if self.loader_file_format == _TYPED_JSON else self.loader_file_format


_OPTIONS = tuple(f.name for f in fields(FunctionOptions))


@dataclass(frozen=True)
class FunctionDestination:
    """A function that takes the batches of a load.

    Args:
        function: takes items and table; its other parameters are filled from `given` and the settings.
        name: of the destination, and of its section `[destination.<name>]`.
        options: how it is called.
        given: arguments that aren't looked up.
        limits: how names are made and how deep values are unnested.
        pipeline: whose settings go first.

    Guarantee: G1. Each batch is given at least once; twice only where the function fails, or the process dies
    while it works. G2 where it takes `batch_id`, which is the same each time, and keys what it does by it.
    """

    function: Callable[..., Any]
    name: str
    options: FunctionOptions = field(default_factory=FunctionOptions)
    given: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)
    limits: Limits = _LIMITS
    pipeline: str | None = None
    type_name: str = _TYPE
    guarantee: str = "G1"
    dataset_named: bool = False
    streams: bool = False

    @property
    def destination_name(self) -> str:
        """The same as `name`."""
        return self.name

    @property
    def rests_on(self) -> tuple[str, ...]:
        """What its guarantee rests on."""
        given = "a batch is given again where the function failed, or the process died while it worked"
        keyed = "the function does once what it is asked to do under one `batch_id`"
        return (given, keyed) if self.guarantee == "G2" else (given,)

    def capabilities(self) -> Capabilities:
        """Return how names are made and how deep values are unnested."""
        return capabilities(self.limits)

    def bound(self, pipeline: str) -> FunctionDestination:
        """Return the destination with the settings of a pipeline."""
        workers = self.options.max_parallel_load_jobs
        with context.of_pipeline(pipeline):
            workers = workers or max(1, number("load", "workers", default=_WORKERS))
        if self.options.loader_parallelism_strategy == "sequential":
            workers = 1
        return replace(self, pipeline=pipeline, limits=replace(self.limits, writers=workers))

    def displayable(self) -> str:
        """Return the function's import path."""
        known = self.function if hasattr(self.function, "__qualname__") else type(self.function)
        return f"{known.__module__}.{known.__qualname__}"

    def open(self, dataset: str) -> Session:
        """Start a load; looks up what the function needs, once for all its calls.

        Raises:
            ConfigFieldMissingException: a setting is missing; nothing was called.
        """
        injector = Injector(self.function, spec=self.options.spec, skip=_filled(self.function))
        with context.of_pipeline(self.pipeline) if self.pipeline else nullcontext():
            _, arguments = injector.fill((), dict(self.given), ("destination", self.name))
            compressed = not any(
                flag(*path, "data_writer", "disable_compression") for path in ((), ("normalize",))
            )
            tries = number("load", "raise_on_max_retries", default=_TRIES)
        options = self.options
        return FunctionSession(
            Calls(
                self.name,
                partial(self.function, **arguments),
                options.file_format,
                options.batch_size,
                keys=not options.skip_dlt_columns_and_tables,
                compressed=compressed,
                wants_id=_ID in inspect.signature(self.function).parameters,
                at_once=self.limits.writers if options.loader_parallelism_strategy == "parallel" else 1,
                tries=max(1, tries),
            )
        )


class FunctionFactory:
    """A decorated function: call it with arguments of its own to make a destination of it.

    `__wrapped__` is the function.

    Args:
        function: as it was decorated.
        name: of the destination.
        options: how it is called.
        limits: how names are made.
        given: arguments that win over the settings.

    Raises:
        UsageError: it doesn't take items and table.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        name: str | None,
        options: FunctionOptions,
        limits: Limits,
        given: Mapping[str, Any],
    ) -> None:
        if isinstance(function, FunctionFactory):
            function = function.function
        update_wrapper(self, function)
        self.function: Callable[..., Any] = function
        self.name = name or getattr(function, "__name__", _TYPE).strip("<>")
        self.options = options
        self.limits = limits
        self.given = given
        self._parameters = _checked_parameters(function, self.name)

    def __call__(self, *, destination_name: str | None = None, **given: Any) -> FunctionDestination:
        """Return the destination.

        Args:
            destination_name: another name than the function's.
            given: arguments of the function, of the decorator, or capabilities; they win over the settings.

        Raises:
            UsageError: an argument that nothing takes, or one is missing that has no default.
        """
        given = {**self.given, **given}
        own = {n: v for n, v in given.items() if n in self._parameters}
        options = {n: v for n, v in given.items() if n in _OPTIONS and n not in own}
        rest = {n: v for n, v in given.items() if n not in own and n not in options}
        if any(p.kind is inspect.Parameter.VAR_KEYWORD for p in _parameters(self.function)):
            own, rest = {**own, **rest}, {}
        name = destination_name or self.name
        limits = overridden(self.limits, rest, name, (*self._parameters, *_OPTIONS))
        made = replace(self.options, **options)
        self._check_complete(own, made.spec)
        grade = "G2" if _ID in inspect.signature(self.function).parameters else "G1"
        return FunctionDestination(self.function, name, made, own, limits, guarantee=grade)

    def _check_complete(self, own: Mapping[str, Any], spec: Any) -> None:
        empty = inspect.Parameter.empty
        missing = [n for n, p in self._parameters.items() if p.default is empty and n not in own]
        if missing and spec is None:
            raise UsageError(
                f"the function of destination `{self.name}` has no value for `{missing[0]}`",
                expected="an argument, or a default",
                hint=f"{self.name}({missing[0]}=...), or let it be looked up: "
                f"def {self.name}(items, table, {missing[0]}=ladle.config.value)",
            )


def _parameters(function: Callable[..., Any]) -> list[inspect.Parameter]:
    return list(inspect.signature(function).parameters.values())


def _filled(function: Callable[..., Any]) -> tuple[str, ...]:
    """Return the parameters that a call fills: items, table, and the batch id."""
    return (*(p.name for p in _parameters(function)[:2]), _ID)


def _checked_parameters(function: Callable[..., Any], name: str) -> dict[str, inspect.Parameter]:
    """Return the parameters that are arguments or settings."""
    found = _parameters(function)
    first = [p for p in found if p.kind in _POSITIONAL][:2]
    if len(first) < 2 and not any(p.kind is inspect.Parameter.VAR_POSITIONAL for p in found):
        raise UsageError(
            f"the function of destination `{name}` can't take a batch and its table",
            expected=f"def {name}(items, table, ...)",
        )
    kinds = (*_POSITIONAL, inspect.Parameter.KEYWORD_ONLY)
    return {p.name: p for p in found if p not in first and p.name != _ID and p.kind in kinds}


def _check_choice(what: str, value: Any, choices: tuple[str, ...]) -> None:
    if value is not None and value not in choices:
        raise UsageError.unknown_choice(f"{what}:", value, choices)


def _check_number(what: str, value: Any, lowest: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < lowest:
        raise UsageError(f"{what} can't be `{value!r}`", expected=f"a whole number from {lowest}")


def function_factory(
    function: Callable[..., Any],
    name: str | None,
    options: FunctionOptions,
    naming_convention: str | None,
    max_table_nesting: int | None,
    given: Mapping[str, Any],
) -> FunctionFactory:
    """Return the factory of a function's destinations.

    Args:
        function: takes items and table.
        name: None for the function's own.
        options: how it is called.
        naming_convention: None for `direct`: names stay as they are.
        max_table_nesting: levels that become tables and columns, None for all.
        given: arguments of the function.

    Raises:
        UsageError: an argument is wrong.
    """
    limits = overridden(_LIMITS, {"naming_convention": naming_convention}, _TYPE)
    if max_table_nesting is not None:
        _check_number("max_table_nesting", max_table_nesting, 0)
    return FunctionFactory(function, name, options, replace(limits, max_nesting=max_table_nesting), given)
