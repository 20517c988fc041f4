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


_PREFIXES = ("dlt.destinations.", "ladle.destinations.")

ENTRIES: Mapping[str, Entry] = {
    "duckdb": Entry("ladle.destinations.duckdb", "duckdb_destination"),
    "postgres": Entry("ladle.destinations.postgres", "postgres_destination", extra="postgres"),
    "mysql": Entry("ladle.destinations.mysql", "mysql_destination", extra="mysql"),
    "mariadb": Entry("ladle.destinations.mysql", "mariadb_destination", extra="mysql"),
    "filesystem": Entry("ladle.destinations.filesystem", "filesystem_destination"),
    "sqlite": Entry("ladle.destinations.sqlite", "sqlite_destination"),
    "sqlalchemy": Entry("ladle.destinations.sqlalchemy", "sqlalchemy_destination", extra="sqlalchemy"),
}


def factory(name: str) -> Any:
    """Return the function that makes a destination of that name.

    Raises:
        UsageError: no such destination; names the nearest.
        MissingDependency: a package it needs isn't installed; the hint has the command.
    """
    short = name
    for prefix in _PREFIXES:
        short = short.removeprefix(prefix)
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


def named(name: str, destination_type: str | None = None, **arguments: Any) -> Destination:
    """Return a destination with a name of its own.

    Args:
        name: what the user calls it.
        destination_type: its type; None: that of the configuration, `[destination.<name>] destination_type`,
            else the name itself.
        arguments: of the type's factory.

    Raises:
        UsageError: unknown.
    """
    kind = destination_type or setting("destination", name, "destination_type") or name
    if kind != name:
        arguments["destination_name"] = name.rpartition(".")[2]
    if "." in kind and not kind.startswith(_PREFIXES):
        given = {n: v for n, v in arguments.items() if n != "credentials" or v is not None}
        found: Destination = _made(imported(kind), given)
        return found
    made: Destination = factory(kind)(**arguments)
    return made


def imported(path: str) -> Any:
    """Return what an import path names: `module.attribute`.

    Raises:
        UsageError: there is no such thing.
    """
    module, _, attribute = path.rpartition(".")
    try:
        return getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as exc:
        raise UsageError(
            f"`{path}` can't be imported: {exc}",
            expected="the path of a destination, such as `my_module.my_sink`",
        ) from exc


def resolve(destination: Any, credentials: Any = None) -> Destination:
    """Return a destination from what a user gives: a name, a factory, an import path, or a destination.

    A name that isn't a type has its type in the configuration: `[destination.<name>] destination_type`, or
    `DESTINATION__<NAME>__DESTINATION_TYPE`.

    Raises:
        UsageError: unknown.
    """
    if isinstance(destination, str):
        return named(destination, credentials=credentials)
    destination = _made(destination, {} if credentials is None else {"credentials": credentials})
    if not hasattr(destination, "open") or not hasattr(destination, "limits"):
        raise UsageError(
            f"a destination can't be a `{type(destination).__name__}`",
            expected=f'a name ({", ".join(ENTRIES)}) or a factory: ladle.destinations.duckdb("x.duckdb")',
        )
    found: Destination = destination
    return found


def _made(destination: Any, arguments: Mapping[str, Any]) -> Any:
    """Call a factory, a function or a class; what isn't one stays as it is."""
    if callable(destination) and (isinstance(destination, type) or not hasattr(destination, "open")):
        return destination(**arguments)
    return destination
