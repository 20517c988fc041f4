"""Public names of sources, imported when first used: `ladle.sources.incremental(...)`."""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ladle.errors import UnknownSourceReference
    from ladle.sources.incremental import Incremental as incremental  # noqa: N813 - called like a function
    from ladle.sources.interval import TimeIntervalContext
    from ladle.sources.rate_limit import HostRateLimits, RateLimit
    from ladle.sources.reference import SourceReference
    from ladle.sources.resource import Resource as DltResource
    from ladle.sources.source import Source as DltSource
    from ladle.sources.source import SourceFactory as AnySourceFactory

TDataItem = Any
TDataItems = Any

__all__ = [
    "AnySourceFactory",
    "DltResource",
    "DltSource",
    "HostRateLimits",
    "RateLimit",
    "SourceReference",
    "TDataItem",
    "TDataItems",
    "TimeIntervalContext",
    "UnknownSourceReference",
    "incremental",
]

_WHERE = {
    "AnySourceFactory": ("ladle.sources.source", "SourceFactory"),
    "DltResource": ("ladle.sources.resource", "Resource"),
    "DltSource": ("ladle.sources.source", "Source"),
    "HostRateLimits": ("ladle.sources.rate_limit", "HostRateLimits"),
    "SourceReference": ("ladle.sources.reference", "SourceReference"),
    "UnknownSourceReference": ("ladle.errors", "UnknownSourceReference"),
    "RateLimit": ("ladle.sources.rate_limit", "RateLimit"),
    "TimeIntervalContext": ("ladle.sources.interval", "TimeIntervalContext"),
}


class _Sources(ModuleType):
    """This module. `incremental` is a class with its file's name; importing the file must not hide it."""

    def __getattribute__(self, name: str) -> Any:
        if name == "incremental":
            return importlib.import_module("ladle.sources.incremental").Incremental
        return super().__getattribute__(name)


sys.modules[__name__].__class__ = _Sources


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        here = sys.modules[__name__]
        raise AttributeError(f"module 'ladle.sources' has no attribute {name!r}", name=name, obj=here)
    module, found = _WHERE[name]
    return getattr(importlib.import_module(module), found)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
