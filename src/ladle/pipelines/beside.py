"""What may go on beside the extract of a package: its load, connecting, rows that wait in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from ladle.config.settings import number
from ladle.destinations.base import Destination
from ladle.errors import LadleError
from ladle.events import Emit
from ladle.load.ahead import BEGIN_BYTES, LoadAhead
from ladle.load.dispositions import waiting
from ladle.load.early import EarlySession
from ladle.package.held import HELD_BYTES, Held
from ladle.package.manifest import Manifest
from ladle.package.store import Package, Packages
from ladle.pipelines.named import in_given_names
from ladle.schema.change import Limits
from ladle.schema.schema import Schema


def load_ahead(
    package: Package, destination: Destination | None, dataset: str, emit: Emit, early: EarlySession | None
) -> LoadAhead | None:
    """Return a load that may begin before the package is complete; None where it has to be complete.

    Args:
        package: declared.
        destination: of a run that holds the pipeline alone; None for others.
        dataset: to load to.
        emit: hears of the load.
        early: opens its session, or has opened it.
    """
    manifest, begin_bytes = package.manifest, number("load", "ahead_bytes", default=BEGIN_BYTES)
    if destination is None or not destination.streams or begin_bytes < 0:
        return None
    changes = manifest.drop_tables or manifest.empty_tables or manifest.fills
    if changes or not _may_wait(manifest, destination.limits):
        return None
    return LoadAhead(in_given_names(package), destination, dataset, emit, begin_bytes, early)


def connected(
    destination: Destination | None, dataset: str, known: Schema | None, ahead: LoadAhead | None
) -> EarlySession | None:
    """Connect meanwhile; not for a first load, which may be refused: connecting makes some files.

    Args:
        destination: of a run that holds the pipeline alone; None for others.
        dataset: to load to.
        known: the schema of earlier loads.
        ahead: the load, which connects by itself once it has begun.
    """
    began = ahead is not None and ahead.began
    if destination is None or not destination.streams or known is None or began:
        return None
    return EarlySession(destination, dataset)


def _may_wait(manifest: Manifest, limits: Limits) -> bool:
    """Whether no rows wait until all are there, or may do so at the destination."""
    waits = waiting(manifest, Schema.from_dict(manifest.schema), limits)
    built = any(strategy.builds for _, strategy in waits.values())
    return not waits or (limits.waits_ahead and not built)


def held_for(destination: Destination | None) -> Held | None:
    """Return where ready rows may wait for a load that follows at once; None where they go to files.

    A kill makes them anew, with other ids: so it is only for loads of which then nothing counts.

    Args:
        destination: of a run that holds the pipeline alone; None for others.
    """
    if destination is None or not (destination.streams or destination.guarantee == "G4"):
        return None
    room_bytes = number("load", "held_bytes", default=HELD_BYTES)
    return Held(room_bytes) if room_bytes > 0 else None


@contextmanager
def keeping(package: Package, packages: Packages, write: Callable[[Package], Package]) -> Iterator[None]:
    """See to it that rows which wait in memory go to files where their load fails.

    Args:
        package: about to be loaded.
        packages: it is one of them.
        write: returns a package that is all in files.
    """
    try:
        yield
    except Exception:
        with suppress(LadleError, OSError):
            if package.stage == "held" and packages.again(package).stage == "extracted":
                write(package)
        raise
