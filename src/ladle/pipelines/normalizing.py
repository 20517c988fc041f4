"""How packages are normalised: settings, whether there is anything to do, and whether it is up to date."""

from __future__ import annotations

from functools import partial
from typing import Any

from ladle.config.settings import flag
from ladle.destinations.base import Destination
from ladle.normalize.run import Options
from ladle.package.store import Package
from ladle.pipelines.arguments import budget, default_contract
from ladle.pipelines.lookup import checks_for
from ladle.schema.given_names import GivenNames
from ladle.schema.schema import Schema


def normalize_options(
    destination: Destination | None, dataset: str | None, max_rejects: Any, keep_origins: bool
) -> Options:
    """Return what settings and arguments say of normalize.

    Args:
        destination: asked by rules that look beyond the load.
        dataset: there.
        max_rejects: of the call at work; None as the setting says.
        keep_origins: whether the package keeps where each column's values came from.
    """
    return Options(
        add_dlt_id=flag("normalize", "parquet_normalizer", "add_dlt_id"),
        add_dlt_load_id=flag("normalize", "parquet_normalizer", "add_dlt_load_id"),
        record_changes=flag("normalize", "record_changes", default=True),
        contract=default_contract(),
        max_rejects=budget(max_rejects),
        reject_root=flag("normalize", "reject_root"),
        checks=partial(checks_for, destination, dataset),
        keep_origins=keep_origins,
    )


def is_empty(package: Package, stored: Schema) -> bool:
    """Whether loading the package would change nothing: no rows, nothing to replace, drop or empty."""
    manifest, names = package.manifest, GivenNames.of(stored)
    replaced = any(
        r.write_disposition == "replace" and "x-normalizer" in stored.table_map[table].extra
        for r in manifest.resources
        if (table := names.table(r.table)) in stored.table_map
    )
    return not (manifest.raw or manifest.drop_tables or manifest.empty_tables or replaced)


def follows(package: Package, schema: Schema, stored: Schema) -> bool:
    """Whether the package was normalised on the stored schema, or is part of it already."""
    if package.manifest.base_hash == stored.version_hash:
        return True
    return schema.version_hash in (stored.version_hash, *stored.previous_hashes)
