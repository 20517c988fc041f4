"""Destination factories by name: `ladle.destinations.duckdb(...)`; imported when first used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ladle.destinations.duckdb import duckdb_destination as duckdb
    from ladle.destinations.filesystem import filesystem_destination as filesystem
    from ladle.destinations.postgres import postgres_destination as postgres

__all__ = ["duckdb", "filesystem", "postgres"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return importlib.import_module("ladle.destinations.registry").factory(name)
