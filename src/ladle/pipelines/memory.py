"""What a pipeline remembers between runs: state and schemas, which the destination has, the folder caches."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any

from ladle.config.settings import number
from ladle.destinations.base import Destination, Session, is_missing
from ladle.events import Emit, durable
from ladle.package.store import Package, Packages
from ladle.pipelines.schemas import SchemaFiles
from ladle.pipelines.steps import Steps
from ladle.schema.schema import Schema
from ladle.state.folder import PipelineFolder, next_state
from ladle.state.scopes import MAX_STATE_BYTES, check_size, rebased, source_state, with_source_state

_NO_FILES = SchemaFiles()


@dataclass(frozen=True, slots=True)
class NextState:
    """The state after an extract.

    `changed`: whether it is another than before. `base`: the source's part of the one before.
    """

    state: dict[str, Any]
    changed: bool
    base: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Memory:
    """State and schemas of one pipeline, as last committed.

    Attributes:
        pipeline_name: whose.
        folder: the cache of what the destination has.
        packages: those on their way bring newer states.
        steps: where looking at the destination is noted.
        emit: hears of durable steps.
        files: where schemas come from and go to as files.
    """

    pipeline_name: str
    folder: PipelineFolder
    packages: Packages
    steps: Steps
    emit: Emit
    files: SchemaFiles = _NO_FILES

    def newest(self) -> dict[str, Any]:
        """Return the state that the next package builds on: the folder's, or that of a package on its way."""
        pending = [p.manifest.state for p in self.packages.pending() if p.manifest.state]
        return dict(pending[-1]) if pending else self.folder.state()

    def source_state(self, source: str) -> dict[str, Any]:
        """Return a copy of a source's state, to be changed while it is extracted."""
        return source_state(self.newest(), source)

    def next(
        self,
        source: str,
        base: Mapping[str, Any],
        content: Mapping[str, Any],
        destination: Destination | None,
        dataset: str | None,
    ) -> NextState:
        """Return the state after an extract of `source`.

        Args:
            source: its name, which is its schema's.
            base: the source's state that extract began with; another run may have committed since.
            content: what extract made of it.
            destination: where it will be loaded, if that is known.
            dataset: name of the dataset.

        Raises:
            StateTooLarge: names the resource.
        """
        state = self.newest()
        entries: dict[str, Any] = {
            "pipeline_name": self.pipeline_name,
            "dataset_name": dataset,
            "default_schema_name": state.get("default_schema_name") or source,
            "schema_names": sorted({*state.get("schema_names", ()), source}),
        }
        if destination is not None:
            entries["destination_type"] = f"dlt.destinations.{destination.type_name}"
            entries["destination_name"] = destination.name
        check_size(source, content, number("extract", "max_state_bytes", default=MAX_STATE_BYTES))
        newest = source_state(state, source)
        sources = with_source_state(state, source, rebased(base, content, newest))
        if sources or "sources" in state:
            entries["sources"] = sources
        merged, changed = next_state(state, **entries)
        return NextState(merged, changed, newest)

    def overtaken(self, package: Package) -> bool:
        """Whether another run committed a state meanwhile which this package's doesn't come after."""
        state = package.manifest.state
        return state is not None and state["_state_version"] <= self.folder.state()["_state_version"]

    def with_newer(self, package: Package) -> Package:
        """Put the state of a package that was overtaken on top of the newer one."""
        state = package.manifest.state or {}
        current = self.folder.state()
        source = package.manifest.schema["name"]
        content = {k: v for k, v in state.items() if k not in ("_state_version", "_version_hash", "sources")}
        content["schema_names"] = sorted({*current.get("schema_names", ()), *state.get("schema_names", ())})
        # Only its own source was extracted, and of that only what it changed is newer than what they have.
        ours, theirs = (s.get("sources", {}).get(source, {}) for s in (state, current))
        sources = with_source_state(current, source, rebased(package.manifest.state_base, ours, theirs))
        if sources or "sources" in current:
            content["sources"] = sources
        merged, changed = next_state(current, **content)
        return package.save(state=merged if changed else None)

    # -- the destination's side

    def must_look(self) -> bool:
        """Whether extract depends on what the destination knows: no folder yet, or resources with state.

        Otherwise the load itself looks whether another run was faster: a connection less for small runs.
        """
        state = self.folder.state()
        return not state["_state_version"] or bool(state.get("sources"))

    def restore(self, destination: Destination, dataset: str) -> None:
        """Take state and schemas from the destination where it knows more than the working folder."""
        local = self.folder.state()
        with self.steps.step("sync", None):
            if is_missing(destination, dataset):
                self._forget(local)
                return
            with closing(destination.open(dataset)) as session:
                self._take_state(local, destination, session)

    def _forget(self, local: Mapping[str, Any]) -> None:
        """Forget what the folder remembers of a dataset that is gone: it no longer holds."""
        if local["_state_version"] and not self.packages.waiting():
            with durable(self.emit, "folder.reset"):
                self.folder.reset()

    def _take_state(self, local: Mapping[str, Any], destination: Destination, session: Session) -> None:
        if not session.exists():
            self._forget(local)
            return
        stored = session.stored_state(self.pipeline_name)
        if stored is None or stored["_state_version"] <= local["_state_version"]:
            return
        for name in stored.get("schema_names", ()):
            self._take_schema(name, session)
        self.save(stored, destination)

    def catch_up(
        self, schema_name: str, destination: Destination, dataset: str, forget: bool = False
    ) -> None:
        """Take what is committed: the newest state, and the schema, which can change without the state.

        `forget`: whether a schema that the destination doesn't have goes: a package made it, and will again.
        """
        self.restore(destination, dataset)
        with closing(destination.open(dataset)) as session:
            if not self._take_schema(schema_name, session) and forget:
                with durable(self.emit, "folder.schema"):
                    self.folder.forget_schema(schema_name)

    def _take_schema(self, name: str, session: Session) -> bool:
        found = session.stored_schema(name)
        if found is not None:
            schema = Schema.from_dict(found)
            with durable(self.emit, "folder.schema"):
                self.folder.save_schema(schema)
            self.files.export(schema)
        return found is not None

    def save(self, state: Mapping[str, Any], destination: Destination) -> None:
        """Make a committed state the folder's; what is local stays."""
        local = {**self.folder.state().get("_local", {}), "location": destination.displayable()}
        with durable(self.emit, "folder.state"):
            self.folder.save_state({**state, "_local": local})

    # -- changes that belong to no source

    @contextmanager
    def managed(self, keep: Callable[[dict[str, Any]], object]) -> Iterator[dict[str, Any]]:
        """Hand out a copy of the state; give what became of it to `keep`, unless the block raises."""
        before = self.folder.state()
        changed = copy.deepcopy(before)
        yield changed
        content = {k: v for k, v in changed.items() if k not in ("_state_version", "_version_hash")}
        merged, is_new = next_state(before, **content)
        if is_new:
            keep(merged)

    def save_only_here(self, state: Mapping[str, Any]) -> None:
        """Store a state that no destination has yet; the next load with a changed state brings it there."""
        with durable(self.emit, "folder.state"):
            self.folder.save_state(state)

    def local(self) -> dict[str, Any]:
        """Return the values that stay on this machine."""
        values: dict[str, Any] = self.folder.state().get("_local", {}).get("values", {})
        return dict(values)

    def save_local(self, values: Mapping[str, Any]) -> None:
        """Store the values that stay on this machine."""
        state = self.folder.state()
        local = {**state.get("_local", {}), "values": dict(values)}
        self.folder.save_state({**state, "_local": local})
