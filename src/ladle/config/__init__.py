"""Configuration and secrets. The package is the accessor too: `ladle.config["a.b"]`, `ladle.config.value`."""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import Any

_PUBLIC = ("value", "get", "writable_provider", "config_providers", "register_provider")


class _Config(ModuleType):
    """This module. What `Accessor` does is on the module too; importing the room imports nothing else."""

    def __getattr__(self, name: str) -> Any:
        if name in _PUBLIC:
            return getattr(_accessor(), name)
        raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")

    def __getitem__(self, key: str) -> Any:
        return _accessor()[key]

    def __setitem__(self, key: str, value: Any) -> None:
        _accessor()[key] = value

    def __contains__(self, key: object) -> bool:
        return key in _accessor()


def _accessor() -> Any:
    return importlib.import_module("ladle.config.access").config


sys.modules[__name__].__class__ = _Config
