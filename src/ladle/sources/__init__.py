"""Public names of sources, imported when first used: `ladle.sources.incremental(...)`."""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ladle.sources.incremental import Incremental as incremental  # noqa: N813 - called like a function
    from ladle.sources.interval import TimeIntervalContext

__all__ = ["TimeIntervalContext", "incremental"]

_WHERE = {
    "TimeIntervalContext": ("ladle.sources.interval", "TimeIntervalContext"),
    "incremental": ("ladle.sources.incremental", "Incremental"),
}


class _Names(ModuleType):
    """This module. A public name can be its file's name; importing the file must not hide it."""

    def __getattribute__(self, name: str) -> Any:
        where = _WHERE.get(name)
        if where is not None:
            return getattr(importlib.import_module(where[0]), where[1])
        return super().__getattribute__(name)


sys.modules[__name__].__class__ = _Names
