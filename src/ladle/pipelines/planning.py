"""What a run would change: extract and normalise as for a run, in a folder of its own, and look."""

from __future__ import annotations

import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any

from ladle.destinations.base import Destination
from ladle.events import silent
from ladle.load.plan import plan, schema_update
from ladle.normalize.run import normalize
from ladle.package.store import Package, Packages
from ladle.pipelines.order import Beside, Order
from ladle.pipelines.work import Work
from ladle.schema.change import Change
from ladle.schema.schema import Schema


def plan_source(work: Work, order: Order, destination: Destination) -> dict[str, dict[str, Any]]:
    """Extract and normalise one source as for a run, and return what loading it would change.

    Nothing of it is kept, wherever it ends.
    """
    limits = destination.limits
    known = work.folder.schema(order.source.name)
    with tempfile.TemporaryDirectory(prefix="ladle-plan-") as folder:
        package = Packages(Path(folder), silent).create(work.pipeline_name)
        with work.steps.step("extract", package.load_id):
            sealed = work.extract_into(order, package, known, Beside())
        if sealed is None:
            return {}
        with work.steps.step("normalize", package.load_id):
            sealed = normalize(sealed, known, limits, work.options(), work.emit)
        with work.steps.step("load", package.load_id):
            return schema_update(planned(sealed, destination, str(work.dataset_name)))


def planned(package: Package, destination: Destination, dataset: str) -> list[Change]:
    """Return what loading a normalised package would change; nothing is written.

    Raises:
        DestinationError: it would be refused.
    """
    if not destination.limits.records:
        return []  # a function: nothing is there that could change
    schema = Schema.from_dict(package.manifest.schema)
    with closing(destination.open(dataset)) as session:
        newest, _ = session.newest(schema.name, package.manifest.pipeline)
        return plan(session, package, schema, newest, destination.limits)
