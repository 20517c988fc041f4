"""A pipeline's working folder: state and schemas as last committed; a cache of the destination."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson

from ladle.errors import LadleError
from ladle.schema.schema import Schema
from ladle.state.blob import STATE_ENGINE_VERSION, state_hash
from ladle.state.values import dumps, loads

_STATE = "state.json"


class PipelineFolder:
    """Reads and writes state and schemas. Losing the folder loses nothing that was committed.

    Args:
        root: `<pipelines_dir>/<pipeline name>`.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._shown: dict[str, Schema] = {}

    def make(self) -> None:
        """Create the folder where it is missing."""
        (self.root / "schemas").mkdir(parents=True, exist_ok=True)

    def exists(self) -> bool:
        """Whether a state was ever stored here."""
        return (self.root / _STATE).exists()

    def state(self) -> dict[str, Any]:
        """Return the stored state; a new one, version 0, where there is none.

        Raises:
            LadleError: unreadable; never silently a fresh start.
        """
        stored = _load(self.root / _STATE, loads)
        return stored or {"_state_version": 0, "_state_engine_version": STATE_ENGINE_VERSION}

    def save_state(self, state: Mapping[str, Any]) -> None:
        """Store the state; old or new survives a kill, never a part."""
        self.make()
        _replace(self.root / _STATE, dumps(state))

    def schema(self, name: str) -> Schema | None:
        """Return the stored schema of that name; None where there is none.

        Raises:
            LadleError: unreadable.
        """
        if name in self._shown:
            return self._shown[name]
        stored = _load(self.root / "schemas" / f"{name}.schema.json")
        return Schema.from_dict(stored) if stored else None

    def schema_names(self) -> list[str]:
        """Names of the stored schemas."""
        folder = self.root / "schemas"
        stored = {p.name.removesuffix(".schema.json") for p in folder.glob("*.schema.json")}
        return sorted(stored | self._shown.keys())

    @contextmanager
    def showing(self, schema: Schema) -> Iterator[None]:
        """Let this process see a committed schema that isn't stored yet."""
        self._shown[schema.name] = schema
        try:
            yield
        finally:
            del self._shown[schema.name]

    def save_schema(self, schema: Schema) -> None:
        """Store a schema under its name."""
        self.make()
        path = self.root / "schemas" / f"{schema.name}.schema.json"
        _replace(path, orjson.dumps(schema.to_dict()))

    def forget_schema(self, name: str) -> None:
        """Forget the schema of that name; safe to repeat."""
        (self.root / "schemas" / f"{name}.schema.json").unlink(missing_ok=True)

    def reset(self) -> None:
        """Forget state and schemas; packages stay."""
        (self.root / _STATE).unlink(missing_ok=True)
        shutil.rmtree(self.root / "schemas", ignore_errors=True)

    def remove(self) -> None:
        """Delete the folder with all that is in it."""
        shutil.rmtree(self.root, ignore_errors=True)


def _load(path: Path, read: Callable[[bytes], Any] = orjson.loads) -> dict[str, Any] | None:
    try:
        stored = read(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValueError:
        stored = None
    if not isinstance(stored, dict) or not stored:
        raise LadleError(
            f"the file `{path}` is damaged",
            hint="delete the file: its content comes back from the destination with the next run",
        )
    return stored


def _replace(path: Path, data: bytes) -> None:
    # Not flushed to disk: what a power cut takes from this cache, the destination gives back.
    beside = path.with_name(path.name + ".tmp")
    beside.write_bytes(data)
    beside.replace(path)


def next_state(state: Mapping[str, Any], **content: Any) -> tuple[dict[str, Any], bool]:
    """Return the state with `content` merged in, and whether that changed anything.

    A changed state has the next version and a hash of its content.
    """
    merged = {**state, **content}
    digest = state_hash(merged)
    if digest == state.get("_version_hash"):
        return dict(state), False
    merged["_state_version"] = int(state.get("_state_version", 0)) + 1
    merged["_version_hash"] = digest
    return merged, True
