"""Reading back what was loaded. The package is also the function: `ladle.dataset(destination, "name")`."""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ladle.dataset.dataset import Dataset
    from ladle.dataset.history import Lineage
    from ladle.dataset.relation import Relation
    from ladle.dataset.sql_client import SqlClient

__all__ = ["Dataset", "Lineage", "Relation", "SqlClient"]

_WHERE = {
    "Dataset": "ladle.dataset.dataset",
    "Lineage": "ladle.dataset.history",
    "Relation": "ladle.dataset.relation",
    "SqlClient": "ladle.dataset.sql_client",
}


class _Room(ModuleType):
    """This module, which can be called: `ladle.dataset` is a function to those who use it."""

    def __call__(self, destination: Any, dataset_name: str, schema: Any = None) -> Dataset:
        made: Dataset = importlib.import_module("ladle.dataset.dataset").dataset(
            destination, dataset_name, schema
        )
        return made

    def __getattr__(self, name: str) -> Any:
        if name not in _WHERE:
            raise AttributeError(f"module 'ladle.dataset' has no attribute {name!r}")
        return getattr(importlib.import_module(_WHERE[name]), name)


sys.modules[__name__].__class__ = _Room
