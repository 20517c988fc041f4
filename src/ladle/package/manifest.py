"""The manifest of a package: stage, files, schema and state; one JSON file, replaced atomically."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import orjson

from ladle.errors import PackageError
from ladle.package.flushing import Unflushed, sync_folder
from ladle.schema.provenance import Code, Input
from ladle.state.values import from_json, to_json

FORMAT = 1
STAGES = ("new", "extracted", "streamed", "held", "normalized", "loaded", "aborted")


@dataclass(frozen=True, slots=True)
class DataFile:
    """One sealed Arrow IPC stream file of a package.

    `name`: path below the package folder. `table`: the resource for raw files, else the table.
    `rows`, `file_bytes`: what it must hold; checked before it is read. `batch_bytes`: its largest batch.
    """

    name: str
    table: str
    rows: int
    file_bytes: int
    batch_bytes: int = 0


@dataclass(frozen=True, slots=True)
class ResourceInfo:
    """One resource of a package: where its rows go, and how they meet what is there.

    `parts` maps each raw stream's key to the root table it feeds. `code`: that makes its rows; None for data.
    `again`: its rows are rejects that come again; tables below have no dispositions of their own for them.
    """

    name: str
    table: str
    write_disposition: str
    rows: int = 0
    parts: Mapping[str, str] = field(default_factory=dict)
    code: Code | None = None
    again: bool = False

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> ResourceInfo:
        """Build from the stored form."""
        code = stored.get("code")
        return cls(**{**stored, "code": Code(**code) if code else None})


_STATES = ("state", "state_base")


@dataclass(frozen=True, slots=True)
class Manifest:
    """All that is known of a package.

    Attributes:
        load_id: unix time in seconds with fraction, as text; unique for the pipeline.
        stage: one of `STAGES`; `streamed` and `held` are never stored: what is there then is an extracted
            package. Rows that are in no ready file have gone to a load, or wait in memory for one.
        schema: stored form; hints after extract, complete after normalize.
        declared: the schema as it was after extract, once normalize has made it complete; empty before.
        base_hash: hash of the schema that normalize started from, to see whether it is still the newest.
        state: pipeline state to commit with the data, or None where it didn't change.
        state_base: the source's part of the state that extract began with, to tell what it changed.
        package_state: what resources and the destination's code noted for this package alone.
        counts: rows by table, as normalize made them.
        accounts: by table, rows `extracted`, `loaded` and `rejected`; the first is the sum of the others.
        resource_accounts: by resource, what became of its items.
        checks: what became of each data quality rule, as `Checks.results` gives it.
        edits: of the schema, that a user asked for, in plain form; such a package has no rows of data.
        alters: what they rename and drop at the destination, in plain form.
        fills: values put into rows that are there: `table`, `column`, `row_id` and `value` as text.
        replace_strategy: how tables are replaced whose resource doesn't say; None for the default.
        refresh: tables to drop and tables to empty just before the load.
        inputs: what the resources said they read.
        origins: resource and path that each column's values came from, by table; empty unless asked for.
    """

    load_id: str
    pipeline: str
    stage: str = "new"
    created_at: float = 0.0
    schema: Mapping[str, Any] = field(default_factory=dict)
    declared: Mapping[str, Any] = field(default_factory=dict)
    base_hash: str | None = None
    resources: tuple[ResourceInfo, ...] = ()
    raw: tuple[DataFile, ...] = ()
    ready: tuple[DataFile, ...] = ()
    state: Mapping[str, Any] | None = None
    state_base: Mapping[str, Any] | None = None
    package_state: Mapping[str, Any] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)
    accounts: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    resource_accounts: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    drop_tables: tuple[str, ...] = ()
    empty_tables: tuple[str, ...] = ()
    file_format: str | None = None
    replace_strategy: str | None = None
    checks: tuple[Mapping[str, Any], ...] = ()
    inputs: tuple[Input, ...] = ()
    origins: Mapping[str, Mapping[str, tuple[str, str]]] = field(default_factory=dict)
    edits: tuple[Mapping[str, Any], ...] = ()
    alters: tuple[Mapping[str, Any], ...] = ()
    fills: tuple[Mapping[str, str], ...] = ()

    def to_bytes(self) -> bytes:
        """Return the JSON that `write` stores."""
        # Values of state that JSON has no type for.
        typed = {name: to_json(getattr(self, name)) for name in _STATES}
        # Not `asdict`: orjson knows dataclasses, and copying a schema costs more than all the rest.
        own = {f.name: getattr(self, f.name) for f in fields(self)}
        return orjson.dumps({"format": FORMAT, **own, **typed}, default=dict)

    @classmethod
    def from_bytes(cls, data: bytes, where: Path) -> Manifest:
        """Parse what `to_bytes` gave.

        Raises:
            PackageError: damaged, or of another version.
        """
        try:
            stored = orjson.loads(data)
            found = stored.pop("format")
        except (ValueError, KeyError, TypeError, AttributeError) as exc:
            raise _damaged(where) from exc
        if found != FORMAT:
            raise PackageError(
                f"the package `{where.parent.name}` has format {found}, this ladle reads {FORMAT}",
                hint="finish it with the version that wrote it, or pipeline.drop_pending_packages()",
            )
        try:
            stored["raw"] = tuple(DataFile(**f) for f in stored["raw"])
            stored["ready"] = tuple(DataFile(**f) for f in stored["ready"])
            stored["resources"] = tuple(ResourceInfo.from_dict(r) for r in stored["resources"])
            stored["inputs"] = tuple(Input(**i) for i in stored.get("inputs", ()))
            stored["drop_tables"] = tuple(stored["drop_tables"])
            stored["empty_tables"] = tuple(stored["empty_tables"])
            stored |= {name: tuple(stored.get(name) or ()) for name in ("edits", "alters", "checks", "fills")}
            stored |= {name: from_json(stored.get(name)) for name in _STATES}
            return cls(**stored)
        except (KeyError, TypeError) as exc:
            raise _damaged(where) from exc


def _damaged(where: Path) -> PackageError:
    return PackageError(
        f"the manifest `{where}` is damaged",
        hint="its data is lost: discard it with pipeline.drop_pending_packages(), then run again",
    )


def replace_file(path: Path, data: bytes, needed: Unflushed | None = None) -> None:
    """Replace `path` by `data` so that a kill or power cut leaves the old or the new, never a part.

    Written beside it, flushed to disk, renamed, and the folder flushed. `needed`: what the file tells of; it
    is flushed before the rename.
    """
    beside = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    fd = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        _write_all(fd, data)
        if needed is not None:
            needed.flush()
        os.fsync(fd)
    finally:
        os.close(fd)
    os.replace(beside, path)
    sync_folder(path.parent)


def _write_all(fd: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]
