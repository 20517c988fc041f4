"""Normalize within a pipeline: its settings, and packages that it can't or needn't go on with."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from ladle.config.settings import flag, searched, setting
from ladle.destinations.base import Destination
from ladle.errors import ConfigError, DataValidationError, UsageError
from ladle.load.merge import check_boundaries, check_merges
from ladle.load.plan import check_held
from ladle.normalize.checks import Checks
from ladle.normalize.options import Options
from ladle.normalize.rejects import Budget
from ladle.package.manifest import Manifest
from ladle.package.store import Package, Packages
from ladle.pipelines.evolution import null_columns, widens_by_value
from ladle.schema.change import REPLACES
from ladle.schema.contract import Contract
from ladle.schema.given_names import GivenNames
from ladle.schema.lattice import Exact
from ladle.schema.schema import Schema
from ladle.schema.table import LISTING

KEPT = "; the package is kept; pipeline.drop_pending_packages() forgets it"


def options(
    max_rejects: Any, checks: Callable[[], Checks], *, keep_origins: bool, exact: Exact | None = None
) -> Options:
    """Return the options of normalize.

    Args:
        max_rejects: given for the call at work; None as the setting says.
        checks: makes the rules' memory of one package.
        keep_origins: whether where columns came from is kept with the package.
        exact: tells whether doubles hold what a column at the destination has.

    Raises:
        UsageError, ConfigError: a setting, or `max_rejects`, can't be used.
    """
    return Options(
        add_dlt_id=flag("normalize", "parquet_normalizer", "add_dlt_id"),
        add_dlt_load_id=flag("normalize", "parquet_normalizer", "add_dlt_load_id"),
        record_changes=flag("normalize", "record_changes", default=True),
        contract=default_contract(),
        max_rejects=budget(max_rejects),
        reject_root=flag("normalize", "reject_root"),
        checks=checks,
        widen=widens_by_value(),
        null_columns=null_columns(),
        exact=exact,
        keep_origins=keep_origins,
    )


def default_contract() -> Contract:
    """Return the contract of the setting `schema.contract`: a mode, or JSON of modes by entity.

    Raises:
        ConfigError: it is none.
    """
    found = setting("schema", "contract")
    if found is None:
        return Contract()
    try:
        return Contract.of(json.loads(found) if found.lstrip().startswith("{") else found)
    except ValueError as error:
        raise ConfigError(
            f"the setting `SCHEMA__CONTRACT` can't be `{found}`",
            expected='evolve, freeze, discard_row, discard_value, or JSON such as {"columns": "freeze"}',
        ) from error


def budget(given: Any) -> Budget:
    """Return how much may be refused: as given, else as the setting `normalize.max_rejects` says.

    Raises:
        UsageError, ConfigError: it is neither a count nor a share.
    """
    if given is not None:
        return Budget.of(given)
    found = setting("normalize", "max_rejects")
    try:
        return Budget.of(found)
    except UsageError as error:
        what = f"the setting `NORMALIZE__MAX_REJECTS` can't be `{found}`"
        raise ConfigError(what, expected=error.expected) from None


def checked(package: Package, declared: Schema, destination: Destination, dataset: str) -> Package:
    """Return a package that was just declared, with how tables are replaced whose resource doesn't say.

    `DESTINATION__REPLACE_STRATEGY` says it, or the same setting of one destination's section.

    Raises:
        DestinationError: a column is declared that the destination can't hold.
        UsageError: the destination can't merge as it is asked to; a history would begin before what is there.
        ConfigError: the setting names no strategy.
    """
    check_merges(declared, package.manifest.resources, destination)
    check_held(declared, destination)
    check_boundaries(declared, package.manifest.resources, destination, dataset)
    if all(r.write_disposition != "replace" for r in package.manifest.resources):
        return package
    found = searched("replace_strategy", ("destination", destination.name))
    can = destination.limits.replaces or REPLACES
    if found is not None and found not in can:
        raise ConfigError(
            f"the setting `DESTINATION__REPLACE_STRATEGY` can't be `{found}` for `{destination.name}`",
            expected="one of " + ", ".join(can),
        )
    return package.with_manifest(replace_strategy=found)


@contextmanager
def discarding(
    package: Package, packages: Packages, drop: Callable[[Sequence[Package]], None]
) -> Iterator[None]:
    """Forget a package that breaks a contract.

    Args:
        package: at work.
        packages: it is one of them.
        drop: forgets packages, and what the folder took over of them.
    """
    try:
        yield
    except DataValidationError as error:
        if package.stage in ("streamed", "held", "normalized"):
            drop([package])
        else:
            # Nothing of it is in the folder yet, which other runs may be at work in.
            packages.finish(package, "aborted")
        error.hint = f"{str(error.hint).removesuffix(KEPT)}; the package is discarded: run again"
        raise


def lists(manifest: Manifest, table: str) -> bool:
    """Whether rows of a table are deleted that a load doesn't bring: one without rows has a meaning."""
    return bool(manifest.schema["tables"].get(table, {}).get(LISTING))


def is_empty(package: Package, stored: Schema) -> bool:
    """Whether loading the package would change nothing: no rows, nothing to replace, list, drop or empty."""
    manifest, names = package.manifest, GivenNames.of(stored)
    replaced = any(
        stored.table_map[table].loaded
        and (
            r.write_disposition == "replace" or (r.write_disposition == "merge" and lists(manifest, r.table))
        )
        for r in manifest.resources
        if (table := names.table(r.table)) in stored.table_map
    )
    return not (manifest.raw or manifest.drop_tables or manifest.empty_tables or replaced)
