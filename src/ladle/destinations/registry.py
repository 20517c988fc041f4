"""Which destinations there are: name to import path and install hint; only what is named is imported."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ladle.config.settings import setting
from ladle.destinations.base import Destination
from ladle.errors import MissingDependency, UsageError


@dataclass(frozen=True, slots=True)
class Entry:
    """Where a destination lives. `extra`: the extra of ladle that installs what it needs."""

    module: str
    factory: str
    extra: str | None = None


ENTRIES: Mapping[str, Entry] = {
    "duckdb": Entry("ladle.destinations.duckdb", "duckdb_destination"),
    "postgres": Entry("ladle.destinations.postgres", "postgres_destination", extra="postgres"),
    "filesystem": Entry("ladle.destinations.filesystem", "filesystem_destination"),
}


def factory(name: str) -> Any:
    """Return the function that makes a destination of that name.

    Raises:
        UsageError: no such destination; names the nearest.
        MissingDependency: a package it needs isn't installed; the hint has the command.
    """
    short = name.removeprefix("dlt.destinations.").removeprefix("ladle.destinations.")
    entry = ENTRIES.get(short)
    if entry is None:
        raise UsageError.unknown_choice("destination", name, list(ENTRIES))
    try:
        return getattr(importlib.import_module(entry.module), entry.factory)
    except ModuleNotFoundError as exc:
        if entry.extra is None or (exc.name or "").startswith("ladle"):
            raise
        raise MissingDependency(
            f"the destination `{short}` needs the package `{exc.name}`",
            hint=f'pip install "ladle[{entry.extra}]"',
        ) from exc


def resolve(destination: Any, credentials: Any = None) -> Destination:
    """Return a destination from what a user gives: a name, a factory, or a destination.

    A name that isn't a type has its type in the configuration: `[destination.<name>] destination_type`, or
    `DESTINATION__<NAME>__DESTINATION_TYPE`.

    Raises:
        UsageError: unknown.
    """
    if isinstance(destination, str):
        kind = setting("destination", destination, "destination_type") or destination
        options = {} if kind == destination else {"destination_name": destination}
        made: Destination = factory(kind)(credentials=credentials, **options)
        return made
    if callable(destination) and not hasattr(destination, "open"):
        destination = destination() if credentials is None else destination(credentials=credentials)
    if not hasattr(destination, "open") or not hasattr(destination, "limits"):
        raise UsageError(
            f"a destination can't be a `{type(destination).__name__}`",
            expected=f'a name ({", ".join(ENTRIES)}) or a factory: ladle.destinations.duckdb("x.duckdb")',
        )
    found: Destination = destination
    return found
