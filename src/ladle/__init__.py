"""ladle: load data from anywhere, typed and relational. Public names, each imported when first used."""

from __future__ import annotations

import importlib
import os
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ladle import dataset, destinations, errors, governance, sources
    from ladle.config.access import config, secrets
    from ladle.config.markers import TSecretStrValue, TSecretValue
    from ladle.config.spec import TCredentials
    from ladle.dataset.dataset import Dataset
    from ladle.dataset.relation import Relation
    from ladle.destinations.decorator import destination
    from ladle.governance.policy import unprotect
    from ladle.governance.slack import send_slack_message
    from ladle.pipelines.entry import attach, pipeline, run
    from ladle.pipelines.info import LoadInfo
    from ladle.pipelines.pipeline import Pipeline
    from ladle.schema import rules
    from ladle.schema.schema import Schema
    from ladle.schema.tags import tag
    from ladle.sources import current, mark
    from ladle.sources.current import source_state as state
    from ladle.sources.decorators import defer, resource, source, transformer

if sys.platform == "linux" and os.uname().machine == "x86_64" and "pyarrow" not in sys.modules:
    # Arrow reads it when it is imported. By itself it takes memory in huge pages, more than it fills, and the
    # kernel clears them all: processor time that a load then lacks.
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "jemalloc")

__version__ = "0.1.0"
__all__ = [
    "Dataset",
    "LoadInfo",
    "Pipeline",
    "Relation",
    "Schema",
    "TCredentials",
    "TSecretStrValue",
    "TSecretValue",
    "attach",
    "config",
    "current",
    "dataset",
    "defer",
    "destination",
    "destinations",
    "errors",
    "governance",
    "mark",
    "pipeline",
    "resource",
    "rules",
    "run",
    "secrets",
    "send_slack_message",
    "source",
    "sources",
    "state",
    "tag",
    "transformer",
    "unprotect",
]

_WHERE = {
    "Dataset": "ladle.dataset.dataset",
    "LoadInfo": "ladle.pipelines.info",
    "Pipeline": "ladle.pipelines.pipeline",
    "Relation": "ladle.dataset.relation",
    "Schema": "ladle.schema.schema",
    "TCredentials": "ladle.config.spec",
    "TSecretStrValue": "ladle.config.markers",
    "TSecretValue": "ladle.config.markers",
    "attach": "ladle.pipelines.entry",
    "defer": "ladle.sources.decorators",
    "destination": "ladle.destinations.decorator",
    "pipeline": "ladle.pipelines.entry",
    "resource": "ladle.sources.decorators",
    "run": "ladle.pipelines.entry",
    "secrets": "ladle.config.access",
    "send_slack_message": "ladle.governance.slack",
    "source": "ladle.sources.decorators",
    "tag": "ladle.schema.tags",
    "transformer": "ladle.sources.decorators",
    "unprotect": "ladle.governance.policy",
}
_MODULES = {
    "config": "ladle.config",
    "current": "ladle.sources.current",
    "dataset": "ladle.dataset",
    "destinations": "ladle.destinations",
    "errors": "ladle.errors",
    "governance": "ladle.governance",
    "mark": "ladle.sources.mark",
    "rules": "ladle.schema.rules",
    "sources": "ladle.sources",
    "state": "ladle.state",
}


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(_MODULES[name])
    if name not in _WHERE:
        here = sys.modules[__name__]  # for "did you mean" below a traceback
        raise AttributeError(f"module 'ladle' has no attribute {name!r}", name=name, obj=here)
    found = getattr(importlib.import_module(_WHERE[name]), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
