"""What passes between the phases of a run: an order for an extract, what goes on beside it, its outcome."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sized
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from ladle.load.ahead import LoadAhead
from ladle.load.early import EarlySession
from ladle.load.plan import schema_update
from ladle.load.run import LoadResult
from ladle.normalize.background import BackgroundNormalizer
from ladle.package.manifest import Manifest
from ladle.package.store import Package
from ladle.pipelines.info import PackageInfo, now
from ladle.pipelines.refresh import Refresh
from ladle.schema.records import is_record
from ladle.schema.schema import STATE_TABLE, Schema
from ladle.sources.hints import Hints
from ladle.sources.lanes import PullOptions
from ladle.sources.source import Source

Remember = Callable[[dict[str, Any]], None]


@dataclass(frozen=True, slots=True)
class Order:
    """What one extract is asked for.

    Attributes:
        source: is read once.
        hints: given to the run; they win over the resources'.
        refresh: what to forget first.
        file_format: for file destinations.
        overlap: normalise and load beside it.
        remember: changes the source's state once all was read.
        pull: how many resources and items at once; None as the settings say.
        declare: declares the package's tables and resources, where the resources' hints don't.
        protected: rows were protected before, as they are rejects that come again.
        plans: nothing of it is to be kept, no files of schemas either.
    """

    source: Source
    hints: Hints
    refresh: Refresh | None = None
    file_format: str | None = None
    overlap: bool = True
    remember: Remember | None = None
    pull: PullOptions | None = None
    declare: Callable[[Package, Schema], Package] | None = None
    protected: bool = False
    plans: bool = False

    @property
    def in_memory(self) -> bool:
        """Whether all rows are there already, and no function has to be waited for."""
        read = [r for r in self.source.listed if r.selected]
        return all(isinstance(r.data, Sized) and not r.steps and r.parent is None for r in read)


@dataclass(slots=True)
class Beside:
    """What goes on beside an extract, as far as it was begun. `metrics`: what resources count, by name."""

    background: BackgroundNormalizer | None = None
    ahead: LoadAhead | None = None
    early: EarlySession | None = None
    metrics: dict[str, dict[str, Any]] = field(default_factory=dict)

    def abandon(self) -> None:
        """Give all of it up."""
        # The load first: the normaliser may wait for it to take a batch.
        if self.ahead is not None:
            self.ahead.abandon()
        if self.background is not None:
            self.background.abandon()
        if self.early is not None:
            self.early.close()


@dataclass(frozen=True, slots=True)
class Extracted:
    """A sealed package, and its load that began ahead; a context that gives that load up unless committed.

    `early`: a session that was opened for it.
    """

    package: Package
    ahead: LoadAhead | None = None
    early: EarlySession | None = None

    def give_up(self) -> None:
        """Give up the load that began ahead, so that another one can begin."""
        if self.ahead is not None:
            self.ahead.abandon()

    def close(self) -> None:
        """Give up what wasn't used."""
        self.give_up()
        if self.early is not None:
            self.early.close()

    def __enter__(self) -> Extracted:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def extracted_info(
    package: Package, metrics: Mapping[str, Mapping[str, Any]] = MappingProxyType({})
) -> PackageInfo:
    """Return what extract tells of a package: rows by resource, and what resources counted."""
    rows: dict[str, int] = {}
    for resource in package.manifest.resources:
        if is_record(resource.name):
            continue
        rows[resource.name] = rows.get(resource.name, 0) + resource.rows
    name = package.manifest.schema["name"]
    counted = {resource: dict(found) for resource, found in metrics.items() if found}
    return PackageInfo(
        package.load_id, "extracted", name, rows=rows, custom_metrics=counted, **accounts_of(package.manifest)
    )


def normalized_info(package: Package) -> PackageInfo:
    """Return what normalize tells of a package: rows by table."""
    rows = {n: c for n, c in package.manifest.counts.items() if not is_record(n)}
    if package.manifest.state is not None:
        rows[STATE_TABLE] = 1
    manifest = package.manifest
    return PackageInfo(
        package.load_id,
        "normalized",
        manifest.schema["name"],
        rows=rows,
        checks=manifest.checks,
        **accounts_of(manifest),
    )


def loaded_info(package: Package, result: LoadResult, grades: Mapping[str, str], early: bool) -> PackageInfo:
    """Return what load tells of a package; `grades`: of guarantee, by table; `early`: left by another."""
    manifest = package.manifest
    rows = {n: c for n, c in result.rows.items() if not is_record(n)}
    if manifest.state is not None:
        rows[STATE_TABLE] = 1
    return PackageInfo(
        load_id=package.load_id,
        state="loaded",
        schema_name=manifest.schema["name"],
        schema_hash=manifest.schema["version_hash"],
        package_path=str(package.folder),
        completed_at=now(),
        rows=rows,
        seconds=result.seconds,
        schema_update=schema_update(result.changes),
        merged=result.merged,
        from_earlier_run=early,
        checks=manifest.checks,
        guarantees=grades,
        **accounts_of(manifest),
    )


def accounts_of(manifest: Manifest) -> dict[str, Any]:
    """Return what became of the rows, by table and by resource, as arguments of `PackageInfo`.

    What normalize left out is counted by it; else every row that was extracted is one of its table.
    """
    tables = {t: dict(a) for t, a in manifest.accounts.items() if not is_record(t)}
    resources = {r: dict(a) for r, a in manifest.resource_accounts.items() if not is_record(r)}
    return {"accounts": tables, "resource_accounts": resources}
