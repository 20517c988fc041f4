"""State. The package is what `ladle.state()` calls too: the state of the source that is being read."""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import Any


class _State(ModuleType):
    """This module; importing the room imports nothing else."""

    def __call__(self, source_state_key: str | None = None) -> Any:
        return importlib.import_module("ladle.sources.current").source_state(source_state_key)


sys.modules[__name__].__class__ = _State
