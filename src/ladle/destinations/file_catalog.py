"""What a dataset of files knows of itself: committed loads, schemas, states, and loads under way."""

from __future__ import annotations

import base64
import binascii
import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

import orjson

from ladle.destinations.base import LoadOwner, LoadRecord
from ladle.destinations.files import PRIVATE, Files
from ladle.errors import DestinationError
from ladle.schema.schema import ENGINE_VERSION, LOADS_TABLE, STATE_TABLE, SYSTEM_TABLE_MAP, VERSION_TABLE
from ladle.schema.table import Table
from ladle.state.blob import decode_state, encode_state, state_hash

INIT = "init"
_INIT_CONTENT = {"initial_version": 2, "current_version": 2}
_STATES_READ = 20
"""Runs of one pipeline that may overlap: of so many newest loads the highest state version is taken."""

_LOOKS = 20
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Intent:
    """What a load is about to make visible and to delete; written before it does.

    Attributes:
        load_id: of the package.
        session: unique name of the session that loads it; it says when that began.
        new: files to remove where the load was not committed.
        old: files to remove where it was.
        replaces: tables of which nothing older stays.
        stored_at: unix time in seconds.
        schema: the load's; empty where it isn't known.
        pipeline: whose load it is.
    """

    load_id: str
    session: str
    new: tuple[str, ...] = ()
    old: tuple[str, ...] = ()
    replaces: tuple[str, ...] = ()
    stored_at: float = 0.0
    schema: str = ""
    pipeline: str = ""

    def is_anothers(self, record: LoadRecord) -> bool:
        """Whether it is of somebody else's load with the same id."""
        differs = (self.schema, self.pipeline) != (record.schema["name"], record.pipeline)
        return self.load_id == record.load_id and bool(self.schema) and differs

    @property
    def path(self) -> str:
        """Where it is stored."""
        return f"{PRIVATE}/{self.load_id}.json"


@dataclass(frozen=True, slots=True)
class _Stored:
    """A system file whose name is `<name>__<key>__<hash>.jsonl`; `key` is a load id or a time."""

    path: str
    name: str
    key: str


class FileCatalog:
    """Reads and writes the system files of a dataset, in the reference's layout.

    Args:
        files: of the dataset's folder.
    """

    def __init__(self, files: Files) -> None:
        self._files = files

    # -- loads

    def committed(self) -> set[str]:
        """Return the ids of all committed loads."""
        return {_stem(path).rpartition("__")[2] for path in self._files.list(f"{LOADS_TABLE}/")}

    def load_owner(self, load_id: str) -> LoadOwner:
        """Return whose committed load has the load id."""
        named = [_stem(path).rpartition("__") for path in self._files.list(f"{LOADS_TABLE}/")]
        states = {f.name for f in self._stored(STATE_TABLE) if f.key == load_id}
        return LoadOwner(tuple(schema for schema, _, key in named if key == load_id), tuple(states))

    def exists(self) -> bool:
        """Whether the dataset is there."""
        try:
            self._files.read(INIT)
        except (FileNotFoundError, IsADirectoryError):
            return bool(self._files.list(f"{LOADS_TABLE}/"))
        return True

    def is_legacy(self) -> bool:
        """Whether the reference began the dataset before it gave compressed files the ending `.gz`."""
        try:
            found = orjson.loads(self._files.read(INIT) or b"{}")
        except (FileNotFoundError, ValueError):
            return False
        return not isinstance(found, dict) or found.get("initial_version", 1) == 1

    def write_init(self) -> None:
        """Make the dataset, where it is missing."""
        if not self.exists():
            self._write(INIT, orjson.dumps(_INIT_CONTENT))

    def write_load(self, record: LoadRecord) -> None:
        """Write the marker that makes a load committed: the one atomic step."""
        schema = record.schema
        row = {
            "load_id": record.load_id,
            "schema_name": schema["name"],
            "status": 0,
            "inserted_at": _iso(record.inserted_at),
            "schema_version_hash": schema["version_hash"],
        }
        path = f"{LOADS_TABLE}/{schema['name']}__{record.load_id}.jsonl"
        self._write(path, orjson.dumps(row), last=True)

    # -- loads under way

    def intents(self) -> Iterator[Intent]:
        """Yield the intents of loads that are under way, dead, or committed and not yet tidied up."""
        for path in self._files.list(f"{PRIVATE}/"):
            if path.count("/") == 1 and path.endswith(".json"):
                intent = self.intent(path)
                if intent is not None:
                    yield intent

    def intent(self, path: str) -> Intent | None:
        """Return the intent stored at `path`; None where it is gone."""
        try:
            found = orjson.loads(self._files.read(path))
            new, old, replaced = (tuple(found.get(name, ())) for name in ("new", "old", "replaces"))
            whose = (found.get("schema", ""), found.get("pipeline", ""))
            stored_at = found.get("stored_at", 0.0)
            return Intent(found["load_id"], found["session"], new, old, replaced, stored_at, *whose)
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError) as exc:
            raise _damaged(path, "the manifest of a load") from exc

    def write_intent(self, intent: Intent) -> None:
        """Store an intent, durably."""
        self._write(intent.path, orjson.dumps(asdict(intent)), last=True)

    def invisible(self) -> set[str]:
        """Return files that don't count: of loads not committed, and replaced ones not yet deleted."""
        intents = list(self.intents())
        committed = self.committed() if intents else set()
        return {p for i in intents for p in (i.old if i.load_id in committed else i.new)}

    # -- schemas

    def schema_files(self) -> dict[str, str]:
        """Return the path of the newest committed version of each schema by its name."""
        found = self._stored(VERSION_TABLE)
        hidden = self.invisible() if found else set()
        visible = [file for file in found if file.path not in hidden]
        return {file.name: file.path for file in sorted(visible, key=_time)}

    def schema(self, name: str) -> Mapping[str, Any] | None:
        """Return the newest committed version of a schema; None where there is none."""

        def look() -> Mapping[str, Any] | None:
            path = self.schema_files().get(name)
            return None if path is None else self._schema_of(path)

        return _settled(look)

    def _schema_of(self, path: str) -> Mapping[str, Any]:
        stored: Mapping[str, Any] = orjson.loads(self._row(path, "a schema version")["schema"])
        return stored

    def version_path(self, record: LoadRecord) -> str | None:
        """Return where the schema of a load has to be stored; None where it is the newest already."""
        schema = record.schema
        digest = _hex(schema["version_hash"])
        newest = self.schema_files().get(schema["name"], "")
        if newest.endswith(f"__{digest}.jsonl"):
            return None
        return f"{VERSION_TABLE}/{schema['name']}__{record.inserted_at}__{digest}.jsonl"

    def write_version(self, path: str, record: LoadRecord) -> None:
        """Store the schema of a load."""
        schema = record.schema
        row = {
            "version_hash": schema["version_hash"],
            "schema_name": schema["name"],
            "version": schema["version"],
            "engine_version": ENGINE_VERSION,
            "inserted_at": _iso(record.inserted_at),
            "schema": orjson.dumps(schema).decode(),
        }
        self._write(path, orjson.dumps(row))

    def stored_tables(self) -> list[tuple[str, Table]]:
        """Return what the newest committed schemas say was loaded, each with its schema's name."""
        return _settled(
            lambda: [
                (schema, Table.from_dict(name, hints))
                for schema, path in self.schema_files().items()
                for name, hints in self._schema_of(path)["tables"].items()
                if name not in SYSTEM_TABLE_MAP and Table.from_dict(name, hints).loaded
            ]
        )

    def system_files(self, table: str) -> list[str]:
        """Return the committed files of a table of the system."""
        found = [path for path in self._files.list(f"{table}/") if path.endswith(".jsonl")]
        hidden = self.invisible() if found else set()
        if table == STATE_TABLE:
            committed = self.committed()
            hidden |= {f.path for f in self._stored(table) if f.key not in committed}
        return [path for path in found if path not in hidden]

    def tables(self) -> dict[str, dict[str, str]]:
        """Return data types by column by table: what the newest committed schemas say was loaded."""
        found: dict[str, dict[str, str]] = {}
        for _, table in self.stored_tables():
            found.setdefault(table.name, {}).update(_types(table))
        if self.exists():
            found.update((name, _types(table)) for name, table in SYSTEM_TABLE_MAP.items())
        return found

    # -- states

    def state(self, pipeline: str) -> Mapping[str, Any] | None:
        """Return the newest committed state of a pipeline, decoded; None where there is none."""
        newest = _settled(lambda: self._newest_state(pipeline))
        return None if newest is None else decode_state(newest["state"])

    def _newest_state(self, pipeline: str) -> dict[str, Any] | None:
        """Return the row with the highest version among the states of the newest committed loads."""
        found = self._states(pipeline)
        committed = self.committed() if found else set()
        read = [f for f in found if f.key in committed][-_STATES_READ:]
        rows = [self._row(f.path, "a pipeline state") for f in read]
        return max(rows, key=lambda row: (row["version"], row["created_at"]), default=None)

    def newest(self, schema: str, pipeline: str) -> tuple[str | None, int]:
        """Return hash of the newest committed version of a schema, and newest state version of a pipeline."""
        return _settled(lambda: self._newest(schema, pipeline))

    def _newest(self, schema: str, pipeline: str) -> tuple[str | None, int]:
        path = self.schema_files().get(schema)
        state = self._newest_state(pipeline)
        digest = None if path is None else self._row(path, "a schema version")["version_hash"]
        return digest, 0 if state is None else state["version"]

    def _states(self, pipeline: str) -> list[_Stored]:
        found = [f for f in self._stored(STATE_TABLE) if f.name == pipeline]
        return sorted(found, key=_time)

    def state_path(self, record: LoadRecord) -> str:
        """Return where the state of a load is stored."""
        digest = _hex(record.schema["version_hash"])
        return f"{STATE_TABLE}/{record.pipeline}__{record.load_id}__{digest}.jsonl"

    def write_state(self, path: str, record: LoadRecord) -> None:
        """Store the state of a load."""
        state = record.state
        assert state is not None
        row = {
            "version": state["_state_version"],
            "engine_version": state["_state_engine_version"],
            "pipeline_name": record.pipeline,
            "state": encode_state(state),
            "created_at": _iso(record.inserted_at),
            "version_hash": state_hash(state),
            "_dlt_load_id": record.load_id,
        }
        self._write(path, orjson.dumps(row))

    def surplus_states(self, pipeline: str, keep: int) -> list[str]:
        """Return the state files of a pipeline but for the newest `keep`."""
        return [f.path for f in self._states(pipeline)[: -max(keep, _STATES_READ)]]

    # -- files

    def _stored(self, table: str) -> list[_Stored]:
        parts = [(path, _stem(path).rsplit("__", 2)) for path in self._files.list(f"{table}/")]
        return [_Stored(path, p[0], p[1]) for path, p in parts if len(p) == 3]

    def _row(self, path: str, what: str) -> dict[str, Any]:
        try:
            row: dict[str, Any] = orjson.loads(self._files.read(path))
        except ValueError as exc:
            raise _damaged(path, what) from exc
        return row

    def _write(self, path: str, content: bytes, last: bool = False) -> None:
        with self._files.write(path, last) as stream:
            stream.write(content)


def _settled(look: Callable[[], T]) -> T:
    """Look once more where a file went meanwhile: another load took back what it had begun to commit."""
    for _ in range(_LOOKS):
        with contextlib.suppress(FileNotFoundError):
            return look()
    return look()


def _damaged(path: str, what: str) -> DestinationError:
    return DestinationError(
        f"the file `{path}` should hold {what}, but can't be read", hint="restore it, or delete it"
    )


def _stem(path: str) -> str:
    return path.rpartition("/")[2].removesuffix(".jsonl")


def _time(file: _Stored) -> float:
    with contextlib.suppress(ValueError):
        return float(file.key)
    return 0.0


def _iso(unix_s: float) -> str:
    return datetime.fromtimestamp(unix_s, UTC).isoformat()


def _hex(version_hash: str) -> str:
    try:
        return base64.b64decode(version_hash, validate=True).hex()
    except (binascii.Error, ValueError):
        return version_hash.encode().hex()


def _types(table: Table) -> dict[str, str]:
    return {c.name: c.data_type for c in table.typed_columns() if c.data_type is not None}
