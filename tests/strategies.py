"""Destinations and the strategies that each can do, as they declare them: new ones show up by themselves."""

from __future__ import annotations

import contextlib
import tempfile
from typing import Any

import ladle
from ladle.destinations.guarantees import Guarantee, guarantee_of
from ladle.destinations.registry import ENTRIES
from ladle.load.dispositions import MERGES, STRATEGIES

FUNCTION = "function"
WAYS = (*STRATEGIES, *MERGES)
"""All strategies: those of every destination, and those of merge."""

_ARGUMENTS: dict[str, tuple[Any, ...]] = {
    "postgres": ("postgresql://u:p@127.0.0.1:1/d",),
    "mysql": ("mysql://u:p@127.0.0.1:1/d",),
    "sqlite": ("sqlite:///x.db",),
    "sqlalchemy": ("sqlite:///x.db",),
}


def destination_types() -> list[str]:
    """Return the destinations of the registry, and functions."""
    return [*ENTRIES, FUNCTION]


def of_type(kind: str) -> Any:
    """Return a destination of a type; nothing is connected to."""
    if kind == FUNCTION:

        @ladle.destination
        def sink(items: Any, table: Any) -> None:
            """Take rows."""

        return sink()
    if kind == "filesystem":
        return ladle.destinations.filesystem(tempfile.gettempdir())
    with contextlib.suppress(TypeError):
        return getattr(ladle.destinations, kind)(*_ARGUMENTS.get(kind, ()))
    return getattr(ladle.destinations, kind)()


def ways_of(kind: str) -> list[str]:
    """Return the strategies that it can do; a function gets rows, whatever they are."""
    limits = of_type(kind).limits
    return [way for way in WAYS if way in STRATEGIES or way in limits.merges]


def promise(kind: str, way: str) -> Guarantee:
    """Return what it promises of a strategy."""
    return guarantee_of(of_type(kind), way)
