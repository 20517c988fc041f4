"""`ladle.destination`: a function as a destination, or a destination with a name of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, overload

from ladle.destinations.base import Destination
from ladle.destinations.function import FunctionFactory, FunctionOptions, function_factory
from ladle.destinations.registry import imported, named

_Function = Callable[..., Any]


@overload
def destination(func_or_name: str, **kwargs: Any) -> Destination: ...


@overload
def destination(func_or_name: _Function, **kwargs: Any) -> FunctionFactory: ...


@overload
def destination(
    func_or_name: None = None,
    *,
    loader_file_format: str | None = None,
    batch_size: int = 10,
    name: str | None = None,
    naming_convention: str | None = None,
    skip_dlt_columns_and_tables: bool = True,
    max_table_nesting: int | None = 0,
    spec: Any = None,
    max_parallel_load_jobs: int | None = None,
    loader_parallelism_strategy: str | None = None,
    **kwargs: Any,
) -> Callable[[_Function], FunctionFactory]: ...


def destination(
    func_or_name: _Function | str | None = None,
    *,
    loader_file_format: str | None = None,
    batch_size: int = 10,
    name: str | None = None,
    naming_convention: str | None = None,
    skip_dlt_columns_and_tables: bool = True,
    max_table_nesting: int | None = 0,
    spec: Any = None,
    max_parallel_load_jobs: int | None = None,
    loader_parallelism_strategy: str | None = None,
    **kwargs: Any,
) -> Any:
    """Make a destination of a function that takes a batch and its table, or give a destination a name.

    `@ladle.destination` above `def sink(items, table)` makes `sink` a factory: pass it as `destination=sink`,
    or `sink(key="...")` with arguments of the function. Parameters after the first two are filled from the
    settings in `[destination.<name>]`, as those of sources are. `table` is the stored form of the table:
    name, columns, hints. A parameter `batch_id` gets a text that is the same each time a batch is given.

    `ladle.destination("wh", destination_type="duckdb")` returns a destination named `wh`; its type may come
    from `[destination.wh] destination_type`. `destination_callable=` takes a function, or its import path.

    Args:
        func_or_name: the function, or the name; None where the decorator has arguments.
        loader_file_format: `jsonl` (items are dicts) or `parquet` (items are `pyarrow.RecordBatch`); with
            `batch_size=0` the format of the file, `csv` too.
        batch_size: rows of a batch; 0: items is the path of a file with all rows of the table.
        name: of the destination; default the function's.
        naming_convention: default `direct` for functions: names stay as they are.
        skip_dlt_columns_and_tables: leave out the columns and tables that ladle adds.
        max_table_nesting: of a function: levels that become columns and tables; deeper values stay lists and
            dicts. None for all.
        spec: a spec of the settings that the function needs.
        max_parallel_load_jobs: calls at once, at most; default `LOAD__WORKERS`, else 20.
        loader_parallelism_strategy: `sequential`: one call at a time. `table-sequential`, the default: tables
            at once, the batches of a table in order. `parallel`: batches of one table at once too.
        kwargs: arguments of the function, or of the named destination's factory.

    Returns:
        A decorator, a factory, or for a name the destination.

    Raises:
        UsageError: an argument is wrong.

    Guarantee: at least once per batch (G1). What is done is noted in the load package, so that a load that
    failed or was killed goes on with the first batch that isn't. A batch that fails is tried up to five times
    (`LOAD__RAISE_ON_MAX_RETRIES`), unless the function raises `DestinationTerminalException`.
    """
    options = FunctionOptions(
        loader_file_format,
        batch_size,
        skip_dlt_columns_and_tables,
        max_parallel_load_jobs,
        loader_parallelism_strategy,
        spec,
    )

    def made(function: _Function, called: str | None) -> FunctionFactory:
        return function_factory(function, called, options, naming_convention, max_table_nesting, kwargs)

    if isinstance(func_or_name, str):
        function = kwargs.pop("destination_callable", None)
        if function is not None:
            found = imported(function) if isinstance(function, str) else function
            return made(found, func_or_name)()
        if naming_convention is not None:
            kwargs["naming_convention"] = naming_convention
        if max_table_nesting != 0:
            kwargs["max_table_nesting"] = max_table_nesting
        return named(func_or_name, kwargs.pop("destination_type", None), **kwargs)
    if func_or_name is None:
        return lambda function: made(function, name)
    return made(func_or_name, name)
