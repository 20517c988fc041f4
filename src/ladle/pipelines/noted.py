"""What code of users notes with a package: what resources read, and what the destination keeps there."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ladle.config.settings import flag
from ladle.errors import PackageError
from ladle.events import Emit, Notice
from ladle.package.store import Package, Packages
from ladle.sources.current import at_work
from ladle.sources.inputs import MAX_INPUTS, Inputs


def with_inputs(package: Package, inputs: Inputs, emit: Emit) -> Package:
    """Return the package with what its resources read; tell where there was more than is kept."""
    for name, count in inputs.left_out.items():
        emit(Notice(f"resource `{name}` noted {count:,} more inputs than are kept ({MAX_INPUTS:,})"))
    # Looked up only where there are some: most loads have none.
    kept = bool(inputs.found) and flag("normalize", "record_inputs", default=True)
    return package.with_manifest(inputs=inputs.found) if kept else package


@contextmanager
def noting(owner: Any, packages: Packages, package: Package, notes: dict[str, Any]) -> Iterator[None]:
    """Let the destination's code note something with the package; it is kept where the load fails too.

    Args:
        owner: the pipeline.
        packages: the package is one of them.
        package: being loaded.
        notes: mutable.
    """
    try:
        with at_work(owner, notes):
            yield
    except BaseException:
        with contextlib.suppress(OSError, PackageError):
            kept = packages.again(package)
            if notes != dict(kept.manifest.package_state):
                kept.save(package_state=notes)
        raise
