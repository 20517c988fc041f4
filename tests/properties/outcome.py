"""What extract and normalize make of data, without what may differ from run to run."""

from __future__ import annotations

import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ladle.events import silent
from ladle.extract.run import ExtractOptions, declare, extract
from ladle.normalize.background import BackgroundNormalizer
from ladle.normalize.run import Normalizer, Options, normalize
from ladle.package.store import Package, Packages
from ladle.schema.change import Limits
from ladle.schema.schema import Schema
from ladle.sources.hints import Hints
from ladle.sources.resource import Resource
from ladle.sources.source import Source

IDS = ("_dlt_id", "_dlt_parent_id", "_dlt_load_id")
MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
Outcome = dict[str, tuple[dict[str, Any], list[dict[str, Any]]]]


def outcome(
    data: Any,
    *,
    batch_bytes: int = 4 << 20,
    overlap: bool = False,
    options: Options | None = None,
    stored: Schema | None = None,
    **hints: Any,
) -> Outcome:
    """Return types and rows by table; parents as row numbers instead of ids.

    `stored`: what earlier loads left, by default nothing.
    """
    folder = Path(tempfile.mkdtemp(prefix="ladle-property-", dir=MEMORY))
    try:
        how = _How(batch_bytes, overlap, options or Options(), stored)
        return _read(_normalized(folder, data, how, Hints.of(**hints)))
    finally:
        shutil.rmtree(folder)


@dataclass(frozen=True)
class _How:
    batch_bytes: int
    overlap: bool
    options: Options
    stored: Schema | None


def schema_after(data: Any, options: Options | None = None, stored: Schema | None = None) -> Schema:
    """Return the schema as a load of the data leaves it."""
    folder = Path(tempfile.mkdtemp(prefix="ladle-property-", dir=MEMORY))
    try:
        package = _normalized(folder, data, _How(4 << 20, False, options or Options(), stored), Hints())
        return Schema.from_dict(package.manifest.schema)
    finally:
        shutil.rmtree(folder)


def _normalized(folder: Path, data: Any, how: _How, hints: Hints) -> Package:
    source = Source("s", (Resource("t", data),))
    package = declare(source, Packages(folder, silent).create("p"), how.stored or Schema("s"), hints)
    options = ExtractOptions(hints, how.batch_bytes)
    if not how.overlap:
        package = extract(source, package, options, silent)
        return normalize(package, how.stored, Limits(), how.options, silent)
    background = BackgroundNormalizer(Normalizer(package, Limits(), how.options, silent))
    package = extract(source, package, options, silent, background.put)
    background.drain()
    return background.finish(package, how.stored)


def _read(package: Package) -> Outcome:
    schema = Schema.from_dict(package.manifest.schema)
    rows: dict[str, list[dict[str, Any]]] = {}
    for file in package.files("ready"):
        names = [c.name for c in schema.table_map[file.table].typed_columns()]
        for batch in package.read([file]):
            found = batch.to_pylist()
            rows.setdefault(file.table, []).extend({n: row.get(n) for n in names} for row in found)
    assert {n: len(r) for n, r in rows.items()} == package.manifest.counts
    places = _places(rows)
    out: Outcome = {}
    for name, table in rows.items():
        columns = schema.table_map[name].columns
        types = {n: c.data_type for n, c in columns.items() if c.data_type and n not in IDS}
        for row in table:
            row["parent"] = sorted(places[row["_dlt_parent_id"]]) if "_dlt_parent_id" in row else None
        # repr: NaN equals NaN, 1 differs from 1.0 and True
        out[name] = types, [{n: repr(v) for n, v in row.items() if n not in IDS} for row in table]
    return out


def _places(rows: dict[str, list[dict[str, Any]]]) -> dict[str, set[str]]:
    """Return where a row id is: row number of the root, then list positions; ids are unique within tables."""
    places: dict[str, set[str]] = {}
    for name in sorted(rows, key=lambda name: name.count("__")):
        ids = [row["_dlt_id"] for row in rows[name] if "_dlt_id" in row]
        assert len(set(ids)) == len(ids)
        for number, row in enumerate(rows[name]):
            above = sorted(places[row["_dlt_parent_id"]]) if "_dlt_parent_id" in row else [""]
            position = row.get("_dlt_list_idx", number)
            places.setdefault(row.get("_dlt_id", ""), set()).update(f"{a}.{position}" for a in above)
    return places
