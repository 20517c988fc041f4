"""What is at work right now: `ladle.current.*`, for code of sources, resources and steps.

The scope is a context variable, so it holds in worker threads and on the event loop too: they run with a copy
of the context of the resource they work for.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from datetime import UTC, tzinfo
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from ladle.errors import (
    CurrentLoadPackageStateNotAvailable,
    CurrentSourceNotAvailable,
    CurrentSourceSchemaNotAvailable,
    PipelineNotActive,
    ResourceNameNotAvailable,
    SourceSectionNotAvailable,
)
from ladle.sources.accounts import Account, Refuse
from ladle.sources.inputs import Inputs
from ladle.sources.interval import interval as interval_in_force

__all__ = [
    "destination_state",
    "get_resource",
    "get_resource_metrics",
    "interval",
    "load_package_state",
    "note_input",
    "pipe",
    "pipeline",
    "resource",
    "resource_metrics",
    "resource_name",
    "resource_state",
    "run_context",
    "source",
    "source_schema",
    "source_state",
    "state",
    "timezone",
]


@dataclass(frozen=True, slots=True)
class Scope:
    """What code that runs now belongs to; None where there is no such thing.

    Attributes:
        pipeline: that runs.
        source: that is extracted, or whose function runs.
        resource: whose item is made or changed.
        source_state: the mutable dict that becomes `state["sources"][source.name]`.
        package_state: the mutable dict stored with the load package.
        interval: start and end that a scheduler asked for.
        metrics: by resource name, mutable; end up in the trace.
        inputs: mutable; what resources say they read.
        accounts: by resource name, mutable; what became of rows that no table gets.
        refuse: takes what models refuse; None where nobody keeps it.
        hints: given to the run, which win over the resources'.
    """

    pipeline: Any = None
    source: Any = None
    resource: Any = None
    source_state: dict[str, Any] | None = None
    package_state: dict[str, Any] | None = None
    interval: tuple[Any, Any] | None = None
    metrics: dict[str, dict[str, Any]] = field(default_factory=dict)
    inputs: Inputs | None = None
    accounts: dict[str, Account] = field(default_factory=dict)
    refuse: Refuse | None = None
    hints: Any = None


NOWHERE = Scope()
scope: ContextVar[Scope] = ContextVar("ladle_scope", default=NOWHERE)
active_pipeline: ContextVar[Any] = ContextVar("ladle_active_pipeline", default=None)


@contextmanager
def at_work(pipeline: Any, package_state: dict[str, Any]) -> Iterator[None]:
    """Run a block for a pipeline and one of its packages."""
    token = scope.set(replace(scope.get(), pipeline=pipeline, package_state=package_state))
    try:
        yield
    finally:
        scope.reset(token)


def pipeline() -> Any:
    """Return the pipeline that runs, else the active one.

    Raises:
        PipelineNotActive: there is none.
    """
    found = scope.get().pipeline or active_pipeline.get()
    if found is None:
        raise PipelineNotActive("no pipeline is active", hint="make one: ladle.pipeline(...)")
    return found


def source() -> Any:
    """Return the source that is extracted.

    Raises:
        CurrentSourceNotAvailable: none is.
    """
    found = scope.get().source
    if found is None:
        raise CurrentSourceNotAvailable(
            "no source is being read", hint="call this from a resource or transformer while it is extracted"
        )
    return found


def source_schema() -> Any:
    """Return the schema of the source that is extracted, or whose function runs.

    Raises:
        CurrentSourceSchemaNotAvailable: there is none.
    """
    found = scope.get().source
    if found is None:
        raise CurrentSourceSchemaNotAvailable(
            "no source is at work", hint="call this from the function of a source or a resource"
        )
    return found.schema


def resource() -> Any:
    """Return the resource whose code runs.

    Raises:
        CurrentSourceNotAvailable: none does.
    """
    found = scope.get().resource
    if found is None:
        raise CurrentSourceNotAvailable(
            "no resource is being read", hint="call this from a resource or transformer while it is extracted"
        )
    return found


def resource_name() -> str:
    """Return the name of the resource whose code runs.

    Raises:
        ResourceNameNotAvailable: none does.
    """
    return str(_resource_or_name_error().name)


def pipe() -> Any:
    """Return the steps of the resource whose code runs: the resource itself.

    Raises:
        ResourceNameNotAvailable: none does.
    """
    return _resource_or_name_error()


def _resource_or_name_error() -> Any:
    found = scope.get().resource
    if found is None:
        raise ResourceNameNotAvailable(
            "no resource is being read", hint="call this from a resource, or give its name where you can"
        )
    return found


def source_state(source_state_key: str | None = None) -> dict[str, Any]:
    """Return the state that all resources of the source share; a dict kept from run to run.

    In the function of a source, and where resources are read without a pipeline, changes to it are lost.

    Args:
        source_state_key: only its own source's name is there to ask for.

    Raises:
        SourceSectionNotAvailable: no source is being read.
    """
    here = scope.get()
    name = getattr(here.source, "name", None)
    if here.source_state is None and name is not None and source_state_key in (None, name):
        return peeked(name)
    if here.source_state is None or source_state_key not in (None, name):
        raise SourceSectionNotAvailable(
            "state was asked for where no source is being read",
            hint="ask for it in the function of a resource or transformer, while it is extracted",
        )
    return here.source_state


state = source_state


def peeked(source_name: str | None) -> dict[str, Any]:
    """Return a copy of the state that the active pipeline keeps of a source; empty without.

    Args:
        source_name: None: of the source that bare resources belong to.
    """
    known = active_pipeline.get()
    if known is None:
        return {}
    name = source_name or known.default_schema_name or known.pipeline_name
    found: dict[str, Any] = known.state.get("sources", {}).get(name, {})
    return found


def resource_state(
    resource_name: str | None = None, source_state_: dict[str, Any] | None = None
) -> dict[str, Any]:
    """Return the state of one resource; a dict kept from run to run.

    Args:
        resource_name: default: the resource whose code runs, also in threads and async code.
        source_state_: look in this state of a source.

    Raises:
        SourceSectionNotAvailable: no source is being read.
        ResourceNameNotAvailable: no resource is, and no name is given.
    """
    shared = source_state() if source_state_ is None else source_state_
    name = resource_name or str(_resource_or_name_error().name)
    found: dict[str, Any] = shared.setdefault("resources", {}).setdefault(name, {})
    return found


def resource_metrics() -> dict[str, Any]:
    """Return the custom metrics of the resource whose code runs; a dict that ends up in the trace.

    Raises:
        CurrentSourceNotAvailable: no resource is being read.
    """
    return scope.get().metrics.setdefault(resource().name, {})


get_resource = resource
get_resource_metrics = resource_metrics


def note_input(name: str, namespace: str | None = None, *, rows: int | None = None, **facets: Any) -> None:
    """Note what the resource whose code runs has read; it is stored with the load, see `Dataset.lineage`.

    Of each resource the first 1,000 are kept. The same one noted again adds to its rows. Where resources are
    read without a pipeline, nothing is noted.

    Args:
        name: a URL, a path, or a name in `namespace`. A login in it, and values of its query that are secret
            by their names, are left out.
        namespace: where it is; default: scheme and host of a URL, or `file`.
        rows: read from it.
        facets: plain values that describe it; those that are secret by their names are masked.

    Raises:
        CurrentSourceNotAvailable: no resource is being read.
        UsageError: a name that is no text, or a facet that JSON can't hold.
    """
    reader = resource()
    noted = scope.get().inputs
    if noted is not None:
        noted.add(str(reader.name), name, namespace, rows, facets)


def load_package_state() -> dict[str, Any]:
    """Return the dict that is stored with the load package.

    Raises:
        CurrentLoadPackageStateNotAvailable: no package is at work.
    """
    found = scope.get().package_state
    if found is None:
        raise CurrentLoadPackageStateNotAvailable("no load package is at work here")
    return found


def destination_state() -> dict[str, Any]:
    """Return the part of the load package's state that belongs to the destination.

    Raises:
        CurrentLoadPackageStateNotAvailable: no package is at work.
    """
    found: dict[str, Any] = load_package_state().setdefault("destination_state", {})
    return found


def interval() -> tuple[Any, Any] | None:
    """Return start and end that a scheduler asked for, or None.

    Raises:
        ConfigError: one that can't be read.
    """
    return scope.get().interval or interval_in_force()


def timezone() -> tzinfo:
    """Return the time zone of intervals: `LADLE_INTERVAL_TIMEZONE`, else UTC."""
    name = os.environ.get("LADLE_INTERVAL_TIMEZONE") or os.environ.get("DLT_INTERVAL_TIMEZONE")
    return ZoneInfo(name) if name else UTC


@dataclass(frozen=True, slots=True)
class RunContext:
    """Where this process works. `run_dir`: the working directory, where settings are looked for."""

    name: str
    run_dir: str
    settings_dir: str


def run_context() -> RunContext:
    """Return where this process works."""
    here = Path.cwd()
    settings = here / ".ladle"
    return RunContext(here.name, str(here), str(settings if settings.exists() else here / ".dlt"))
