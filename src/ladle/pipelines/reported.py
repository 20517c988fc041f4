"""What a load changed about the schema, as it is reported."""

from __future__ import annotations

from ladle.governance.notify import SchemaChanges, changes_of
from ladle.load.plan import as_rows
from ladle.load.run import LoadResult
from ladle.package.store import Package
from ladle.schema.records import CHANGES_TABLE


def schema_changes(package: Package, result: LoadResult, dataset: str) -> SchemaChanges:
    """Return the changes that the load of a package made: those on record, else those of its tables."""
    files = package.files("ready", CHANGES_TABLE)
    rows = [row for batch in package.read(files) for row in batch.to_pylist()]
    manifest = package.manifest
    return SchemaChanges(
        package.load_id,
        manifest.pipeline,
        dataset,
        manifest.schema["name"],
        manifest.schema["version"],
        changes_of(rows or as_rows(result.changes)),
    )
