"""ladle: load data from anywhere, typed and relational. Public names, each imported when first used."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ladle import dataset, destinations, errors
    from ladle.dataset.dataset import Dataset
    from ladle.dataset.relation import Relation
    from ladle.pipelines.entry import attach, pipeline, run
    from ladle.pipelines.info import LoadInfo
    from ladle.pipelines.pipeline import Pipeline
    from ladle.schema.schema import Schema
    from ladle.sources.resource import resource, source

__version__ = "0.1.0"
__all__ = [
    "Dataset",
    "LoadInfo",
    "Pipeline",
    "Relation",
    "Schema",
    "attach",
    "dataset",
    "destinations",
    "errors",
    "pipeline",
    "resource",
    "run",
    "source",
]

_WHERE = {
    "Dataset": "ladle.dataset.dataset",
    "LoadInfo": "ladle.pipelines.info",
    "Pipeline": "ladle.pipelines.pipeline",
    "Relation": "ladle.dataset.relation",
    "Schema": "ladle.schema.schema",
    "attach": "ladle.pipelines.entry",
    "pipeline": "ladle.pipelines.entry",
    "resource": "ladle.sources.resource",
    "run": "ladle.pipelines.entry",
    "source": "ladle.sources.resource",
}


def __getattr__(name: str) -> Any:
    if name in ("dataset", "destinations", "errors"):
        return importlib.import_module(f"ladle.{name}")
    if name not in _WHERE:
        raise AttributeError(f"module 'ladle' has no attribute {name!r}")
    found = getattr(importlib.import_module(_WHERE[name]), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
