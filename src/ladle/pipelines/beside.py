"""Which loads may begin beside the extract of their package."""

from __future__ import annotations

from ladle.config.settings import number
from ladle.destinations.base import Destination
from ladle.events import Emit
from ladle.load.ahead import BEGIN_BYTES, LoadAhead
from ladle.load.dispositions import waiting
from ladle.load.early import EarlySession
from ladle.package.manifest import Manifest
from ladle.package.store import Package
from ladle.pipelines.named import in_given_names
from ladle.schema.change import Limits
from ladle.schema.schema import Schema


def load_ahead(
    package: Package, destination: Destination, dataset: str, emit: Emit, early: EarlySession | None
) -> LoadAhead | None:
    """Return a load that may begin before the package is complete; None where it has to be complete.

    Args:
        package: declared, of a run that holds the pipeline alone.
        destination: to load to.
        dataset: to load to.
        emit: hears of the load.
        early: opens its session, or has opened it.
    """
    manifest, begin_bytes = package.manifest, number("load", "ahead_bytes", default=BEGIN_BYTES)
    changes = manifest.drop_tables or manifest.empty_tables or manifest.fills
    if not destination.streams or begin_bytes < 0 or changes or not _may_wait(manifest, destination.limits):
        return None
    return LoadAhead(in_given_names(package), destination, dataset, emit, begin_bytes, early)


def _may_wait(manifest: Manifest, limits: Limits) -> bool:
    """Whether no rows wait until all are there, or may do so at the destination."""
    waits = waiting(manifest, Schema.from_dict(manifest.schema), limits)
    built = any(strategy.builds for _, strategy in waits.values())
    return not waits or (limits.waits_ahead and not built)
