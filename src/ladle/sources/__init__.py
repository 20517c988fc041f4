"""Sources: what people read data with. Names are resolved when first used."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ladle.sources.rate_limit import RateLimit
    from ladle.sources.resource import Resource as DltResource
    from ladle.sources.source import Source as DltSource
    from ladle.sources.source import SourceFactory as AnySourceFactory

TDataItem = Any
TDataItems = Any

__all__ = [
    "AnySourceFactory",
    "DltResource",
    "DltSource",
    "RateLimit",
    "TDataItem",
    "TDataItems",
    "incremental",
]

_WHERE = {
    "AnySourceFactory": ("ladle.sources.source", "SourceFactory"),
    "DltResource": ("ladle.sources.resource", "Resource"),
    "DltSource": ("ladle.sources.source", "Source"),
    "RateLimit": ("ladle.sources.rate_limit", "RateLimit"),
    "incremental": ("ladle.sources.incremental", "Incremental"),
}


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module 'ladle.sources' has no attribute {name!r}")
    module, found = _WHERE[name]
    return getattr(importlib.import_module(module), found)
