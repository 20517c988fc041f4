"""What resources noted that they read: kept with the package, where that is wanted."""

from __future__ import annotations

from ladle.config.settings import flag
from ladle.events import Emit, Notice
from ladle.package.store import Package
from ladle.sources.inputs import MAX_INPUTS, Inputs


def with_inputs(package: Package, inputs: Inputs, emit: Emit) -> Package:
    """Return the package with what its resources read; tell where there was more than is kept."""
    for name, count in inputs.left_out.items():
        emit(Notice(f"resource `{name}` noted {count:,} more inputs than are kept ({MAX_INPUTS:,})"))
    # Looked up only where there are some: most loads have none.
    kept = bool(inputs.found) and flag("normalize", "record_inputs", default=True)
    return package.with_manifest(inputs=inputs.found) if kept else package
