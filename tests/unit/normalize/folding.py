"""A package with raw batches, normalised; and its ready stage read back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa

from ladle.events import Emit, silent
from ladle.extract.arrow import Where, to_batch
from ladle.extract.frames import frame_batches
from ladle.normalize.run import Options, normalize
from ladle.package.manifest import ResourceInfo
from ladle.package.store import Package, Packages
from ladle.schema.change import Limits
from ladle.schema.schema import Schema

WHERE = Where("r", "t")


def raw(*batches: Any, resource: str = "r", table: str = "t") -> tuple[str, str, list[pa.RecordBatch]]:
    made: list[pa.RecordBatch] = []
    for batch in batches:
        made.extend([to_batch(batch, WHERE)] if isinstance(batch, list) else frame_batches(batch, WHERE))
    return resource, table, made


def extracted(
    root: Path, *parts: tuple[str, str, list[pa.RecordBatch]], schema: Schema | None = None
) -> Package:
    package = Packages(root, silent).create("p")
    writer = package.writer("raw")
    infos = []
    for index, (resource, table, batches) in enumerate(parts):
        for batch in batches:
            writer.append(str(index), batch)
        rows = sum(b.num_rows for b in batches)
        infos.append(ResourceInfo(resource, table, "append", rows, {str(index): table}))
    schema = schema or Schema("s")
    return package.save(stage="extracted", raw=writer.seal(), resources=tuple(infos), schema=schema.to_dict())


def normalized(
    root: Path,
    *parts: tuple[str, str, list[pa.RecordBatch]],
    schema: Schema | None = None,
    options: Options | None = None,
    emit: Emit = silent,
    limits: Limits | None = None,
    stored: Schema | None = None,
) -> Package:
    package = extracted(root, *parts, schema=schema)
    return normalize(package, stored, limits or Limits(), options or Options(), emit)


def ready(package: Package) -> dict[str, list[dict[str, Any]]]:
    """Return rows by table; every column of the schema, and no other, is in each row."""
    schema = Schema.from_dict(package.manifest.schema)
    tables: dict[str, list[dict[str, Any]]] = {}
    for file in package.files("ready"):
        names = [c.name for c in schema.table_map[file.table].typed_columns()]
        for batch in package.read([file]):
            assert set(batch.schema.names) <= set(names)
            rows = tables.setdefault(file.table, [])
            rows.extend({n: row.get(n) for n in names} for row in batch.to_pylist())
    return tables


def data(
    package: Package, drop: Callable[[str], bool] = lambda n: n.startswith("_dlt_")
) -> dict[str, list[Any]]:
    return {
        table: [{n: v for n, v in row.items() if not drop(n)} for row in rows]
        for table, rows in ready(package).items()
    }
