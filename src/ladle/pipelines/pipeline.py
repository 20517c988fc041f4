"""Pipeline: run = extract, normalize, load; the only module that knows every phase."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from contextvars import ContextVar
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from ladle.config.settings import flag
from ladle.destinations.base import Destination, Session
from ladle.destinations.registry import resolve
from ladle.errors import (
    InvalidPipelineName,
    LadleError,
    PipelineIsRunning,
    UsageError,
)
from ladle.events import Emit
from ladle.extract.run import ExtractOptions, declare, extract
from ladle.load.run import load, schema_update
from ladle.normalize.background import BackgroundNormalizer
from ladle.normalize.run import Normalizer, Options, normalize
from ladle.package.lock import FileLock
from ladle.package.store import Package, Packages
from ladle.pipelines.info import ExtractInfo, LoadInfo, NormalizeInfo, PackageInfo, PipelineTrace, now
from ladle.pipelines.steps import Steps
from ladle.schema.change import Limits
from ladle.schema.naming import naming
from ladle.schema.schema import STATE_TABLE, Schema
from ladle.sources.resource import Hints, Source, sources_of
from ladle.state.folder import PipelineFolder, next_state

RunningPolicy = Literal["wait", "fail", "join"]
Refresh = Literal["drop_sources", "drop_resources", "drop_data"]
REFRESH = ("drop_sources", "drop_resources", "drop_data")
_FORMATS = ("parquet", "jsonl", "csv")
active: ContextVar[Pipeline | None] = ContextVar("ladle_active_pipeline", default=None)


class Pipeline:
    """Moves data to a destination: extract, normalize, load; finishes what a dead process left.

    Made by `ladle.pipeline`. One object may be used from one thread at a time; other processes with the
    same name wait for their turn (see `on_running`).
    """

    def __init__(
        self,
        pipeline_name: str,
        *,
        pipelines_dir: Path,
        destination: Destination | None,
        dataset_name: str | None,
        dev_mode: bool = False,
        refresh: Refresh | None = None,
        emit: Emit,
        on_running: RunningPolicy = "wait",
        running_wait_s: float = 3600.0,
    ) -> None:
        self.pipeline_name = checked_name(pipeline_name)
        self.pipelines_dir = str(pipelines_dir)
        self.dev_mode = dev_mode
        self.refresh = refresh
        self._emit = emit
        self._folder = PipelineFolder(pipelines_dir / pipeline_name)
        self._packages = Packages(self._folder.root, emit)
        self._on_running = on_running
        self._running_wait_s = running_wait_s
        self._steps = Steps(pipeline_name, emit)
        self._lock = FileLock(self._folder.root / "run.lock")
        self._lock_depth = 0
        stored = self._folder.state() if not dev_mode else {}
        self.destination = destination.bound(pipeline_name) if destination else None
        self.dataset_name = self._dataset_name(dataset_name or stored.get("dataset_name"))
        if dev_mode:
            self._folder.remove()

    # -- what it is

    def __repr__(self) -> str:
        where = self.destination.type_name if self.destination else None
        return f"<ladle.Pipeline {self.pipeline_name} destination={where} dataset={self.dataset_name}>"

    @property
    def last_trace(self) -> PipelineTrace | None:
        """Steps of the newest run of this object, failed ones included."""
        return self._steps.last_trace

    @property
    def working_dir(self) -> str:
        """The folder with state, schemas and packages."""
        return str(self._folder.root)

    @property
    def state(self) -> dict[str, Any]:
        """The state as last committed; a copy."""
        return self._folder.state()

    @property
    def first_run(self) -> bool:
        """Whether nothing was ever committed by this pipeline, as far as its folder knows."""
        return not self._folder.exists()

    @property
    def schema_names(self) -> list[str]:
        """Names of the schemas, the default one first."""
        names = self._folder.schema_names()
        return sorted(names, key=lambda n: n != self.default_schema_name)

    @property
    def default_schema_name(self) -> str | None:
        """Name of the schema that bare data goes to."""
        found = self._folder.state().get("default_schema_name")
        return str(found) if found else None

    @property
    def default_schema(self) -> Schema:
        """The schema that bare data goes to.

        Raises:
            LadleError: nothing was loaded yet.
        """
        name = self.default_schema_name
        found = self._folder.schema(name) if name else None
        if found is None:
            raise LadleError(
                f"pipeline `{self.pipeline_name}` has no schema yet", hint="run it once, then ask for its schema"
            )
        return found

    @property
    def schemas(self) -> dict[str, Schema]:
        """All schemas by name."""
        found = {n: self._folder.schema(n) for n in self.schema_names}
        return {n: s for n, s in found.items() if s is not None}

    @property
    def has_pending_data(self) -> bool:
        """Whether packages wait to be normalised or loaded."""
        return bool(self._packages.pending())

    @property
    def has_data(self) -> bool:
        """Whether anything was loaded or waits to be."""
        return not self.first_run or self.has_pending_data

    def _dataset_name(self, given: str | None) -> str | None:
        if self.destination is not None and not self.destination.dataset_named:
            return given
        convention = naming(self.destination.limits.naming if self.destination else "snake_case")
        name = convention.dataset(given or f"{self.pipeline_name}_dataset")
        if self.dev_mode:
            name += datetime.now(UTC).strftime("_%Y%m%d%H%M%S")
        return name

    # -- run and its steps

    def run(
        self,
        data: Any = None,
        *,
        destination: Any = None,
        dataset_name: str | None = None,
        credentials: Any = None,
        table_name: str | None = None,
        write_disposition: str | None = None,
        columns: Any = None,
        primary_key: str | Sequence[str] | None = None,
        schema: Schema | str | None = None,
        loader_file_format: str | None = None,
        refresh: Refresh | None = None,
    ) -> LoadInfo:
        """Load `data`; first finish packages that an earlier run left.

        Args:
            data: rows (dicts, dataclasses, models, named tuples), pages (lists of rows), generators or
                generator functions of these, frames (Arrow, pandas, polars, anything with
                `__arrow_c_stream__`), resources, sources, or a list of resources and sources. None: only
                finish what is pending.
            destination: name, factory or destination; wins over the pipeline's.
            dataset_name: wins over the pipeline's.
            credentials: for a destination given by name.
            table_name: of the root table; needed where data brings no name.
            write_disposition: `append`, `replace` or `skip`; wins over the resources' own.
            columns: hints by column.
            primary_key: column name or names.
            schema: a schema to use, or the name of one.
            loader_file_format: `parquet`, `jsonl` or `csv`, for file destinations.
            refresh: drop tables or rows and state first: `drop_sources`, `drop_resources`, `drop_data`.

        Returns:
            What was loaded, packages of earlier runs included.

        Raises:
            UsageError: an argument is wrong; nothing was read.
            SourceError, DataError: extract or normalize failed; nothing of this run was loaded.
            DestinationError: the package is kept and loaded by the next run.
            PipelineIsRunning: another run has the pipeline, and the policy is to fail.

        Guarantee: exactly once, where the destination has G4 or G3 (`LoadInfo.guarantee`).
        """
        hints = Hints.of(
            table_name=table_name, write_disposition=write_disposition, columns=columns, primary_key=primary_key
        )
        check_choice("loader_file_format", loader_file_format, _FORMATS)
        check_choice("refresh", refresh, REFRESH)
        self._set_destination(destination, dataset_name, credentials)
        self._need_destination()
        sources = self._sources(data, hints, schema)
        first_run, since = self.first_run, now()
        with self._steps.traced(self._packages.release):
            with self._turn():
                self._restore()
                loaded = self._finish_pending(before=since)
                if self._on_running != "join":
                    loaded += self._load_new(sources, hints, refresh, loader_file_format)
            if self._on_running == "join":
                loaded += self._load_new(sources, hints, refresh, loader_file_format)
            return self._load_info(since, loaded, first_run)

    def _load_new(
        self, sources: list[Source], hints: Hints, refresh: Refresh | None, file_format: str | None
    ) -> list[PackageInfo]:
        loaded = []
        for source in sources:
            package = self._extract_source(source, hints, refresh, file_format, overlap=True)
            if package is not None:
                with self._turn():
                    loaded.append(self._load_package(package, early=False))
        return loaded

    def extract(
        self,
        data: Any,
        *,
        table_name: str | None = None,
        write_disposition: str | None = None,
        columns: Any = None,
        primary_key: str | Sequence[str] | None = None,
        schema: Schema | str | None = None,
        loader_file_format: str | None = None,
        refresh: Refresh | None = None,
    ) -> ExtractInfo:
        """Pull `data` into packages and stop; `normalize` and `load` go on, in this process or another.

        Arguments and errors as for `run`.
        """
        hints = Hints.of(
            table_name=table_name, write_disposition=write_disposition, columns=columns, primary_key=primary_key
        )
        check_choice("loader_file_format", loader_file_format, _FORMATS)
        check_choice("refresh", refresh, REFRESH)
        sources = self._sources(data, hints, schema)
        first_run, since = self.first_run, now()
        with self._steps.traced(self._packages.release), self._turn():
            if self.destination is not None:
                self._restore()
            self._packages.sweep()
            packages = [
                self._extract_source(s, hints, refresh, loader_file_format, overlap=False) for s in sources
            ]
        infos = tuple(_extracted(p) for p in packages if p is not None)
        return self._steps.noted("extract", ExtractInfo(self, since, now(), infos, first_run))

    def normalize(self, workers: int = 1) -> NormalizeInfo:
        """Normalise all extracted packages. `workers` is accepted and ignored: the work is done by Arrow.

        Raises:
            DataError: a value can't be stored.
        """
        first_run, since = self.first_run, now()
        done = []
        with self._steps.traced(self._packages.release), self._turn():
            self._packages.sweep()
            for package in self._packages.pending():
                if package.stage == "extracted":
                    done.append(_normalized(self._settle(self._normalize_package(package))))
        return self._steps.noted("normalize", NormalizeInfo(self, since, now(), tuple(done), first_run))

    def load(
        self,
        destination: Any = None,
        dataset_name: str | None = None,
        credentials: Any = None,
        *,
        workers: int = 20,
        raise_on_failed_jobs: bool = True,
    ) -> LoadInfo:
        """Load all normalised packages, oldest first.

        Args:
            destination: name, factory or destination; wins over the pipeline's.
            dataset_name: wins over the pipeline's.
            credentials: for a destination given by name.
            workers: accepted and ignored: the destination's bulk path decides.
            raise_on_failed_jobs: only True: a package with a failed job is never recorded as complete.

        Raises:
            UsageError: `raise_on_failed_jobs` is False, or no destination is known.
            DestinationError: the package is kept and loaded by the next `load` or `run`.
        """
        if not raise_on_failed_jobs:
            raise UsageError(
                "raise_on_failed_jobs can't be False",
                hint="a load is all or nothing: catch the error and go on, the package is kept",
            )
        self._set_destination(destination, dataset_name, credentials)
        self._need_destination()
        first_run, since = self.first_run, now()
        with self._steps.traced(self._packages.release), self._turn():
            packages = [p for p in self._packages.pending() if p.stage == "normalized"]
            loaded = [self._load_package(p, early=False) for p in packages]
            return self._load_info(since, loaded, first_run)

    def _extract_source(
        self, source: Source, hints: Hints, refresh: Refresh | None, file_format: str | None, overlap: bool
    ) -> Package | None:
        """Extract one source; with `overlap` normalise beside it. None where there was nothing to do."""
        since, first_run = now(), self.first_run
        stored = source.schema or self._folder.schema(source.name) or Schema(source.name)
        package = self._packages.create(self.pipeline_name)
        background: BackgroundNormalizer | None = None
        with self._steps.step("extract", package.load_id):
            try:
                package = self._declared(source, package, stored, hints, refresh or self.refresh)
                if overlap:
                    background = BackgroundNormalizer(self._normalizer(package))
                sink = background.put if background else None
                package = extract(source, package, ExtractOptions(hints), self._emit, sink)
                state, changed = self._next_state(source.name)
                if background:
                    background.drain()
                if not changed and self._is_empty(package, stored):
                    if background:
                        background.abandon()
                    self._packages.discard(package)
                    return None
                package = package.save(state=state if changed else None, file_format=file_format)
            except BaseException:
                if background:
                    background.abandon()
                with contextlib.suppress(OSError):
                    self._packages.discard(package)
                raise
        self._steps.noted("extract", ExtractInfo(self, since, now(), (_extracted(package),), first_run))
        if background is None:
            return package
        since = now()
        with self._steps.step("normalize", package.load_id):
            package = background.finish(package, self._folder.schema(source.name))
        self._steps.noted("normalize", NormalizeInfo(self, since, now(), (_normalized(package),), first_run))
        return package

    def _declared(
        self, source: Source, package: Package, stored: Schema, hints: Hints, refresh: Refresh | None
    ) -> Package:
        """Declare the resources; with `refresh` forget the tables that will be dropped first."""
        if refresh is None:
            return declare(source, package, stored, hints)
        declared = Schema.from_dict(declare(source, package, stored, hints).manifest.schema)
        names = {r.hints.table_name or r.name for r in source.resources if r.selected}
        if hints.table_name:
            names.add(hints.table_name)
        roots = {naming(stored.naming).table(n) for n in names}
        if refresh == "drop_sources":
            gone = [t.name for t in stored.table_map.values()]
        else:
            gone = [t.name for root in roots for t in stored.chain(root)]
        if refresh == "drop_data":
            package = declare(source, package, declared, hints)
            return package.with_manifest(empty_tables=tuple(gone))
        package = declare(source, package, stored.without_tables(gone), hints)
        return package.with_manifest(drop_tables=tuple(gone))

    def _is_empty(self, package: Package, stored: Schema) -> bool:
        """Whether loading the package would change nothing: no rows, nothing to replace, drop or empty."""
        manifest = package.manifest
        replaced = any(
            r.write_disposition == "replace" and "x-normalizer" in stored.table_map[r.table].extra
            for r in manifest.resources
            if r.table in stored.table_map
        )
        return not (manifest.raw or manifest.drop_tables or manifest.empty_tables or replaced)

    def _next_state(self, schema_name: str) -> tuple[dict[str, Any], bool]:
        pending = [p.manifest.state for p in self._packages.pending() if p.manifest.state]
        state = dict(pending[-1]) if pending else self._folder.state()
        content: dict[str, Any] = {
            "pipeline_name": self.pipeline_name,
            "dataset_name": self.dataset_name,
            "default_schema_name": state.get("default_schema_name") or schema_name,
            "schema_names": sorted({*state.get("schema_names", ()), schema_name}),
        }
        if self.destination is not None:
            content["destination_type"] = f"dlt.destinations.{self.destination.type_name}"
            content["destination_name"] = self.destination.name
        return next_state(state, **content)

    # -- packages

    def _finish_pending(self, before: datetime) -> list[PackageInfo]:
        """Normalise and load what earlier runs left; their data comes before the new."""
        self._packages.sweep()
        loaded = []
        for package in self._packages.pending():
            if package.manifest.created_at > before.timestamp():
                continue
            if package.stage == "extracted":
                package = self._normalize_package(package)
            loaded.append(self._load_package(package, early=True))
        return loaded

    def _limits(self) -> Limits:
        return self.destination.limits if self.destination else Limits()

    def _options(self) -> Options:
        return Options(
            add_dlt_id=flag("normalize", "parquet_normalizer", "add_dlt_id"),
            add_dlt_load_id=flag("normalize", "parquet_normalizer", "add_dlt_load_id"),
        )

    def _normalizer(self, package: Package) -> Normalizer:
        return Normalizer(package, self._limits(), self._options(), self._emit)

    def _normalize_package(self, package: Package) -> Package:
        name = package.manifest.schema["name"]
        stored = self._folder.schema(name)
        with self._steps.step("normalize", package.load_id):
            if stored is not None and not package.manifest.drop_tables:
                declared = Schema.from_dict(package.manifest.schema)
                package = package.with_manifest(schema=stored.with_hints_of(declared).to_dict())
            return normalize(package, stored, self._limits(), self._options(), self._emit)

    def _settle(self, package: Package) -> Package:
        """Make the package's schema the pipeline's; normalise anew where another run changed it meanwhile."""
        schema = Schema.from_dict(package.manifest.schema)
        stored = self._folder.schema(schema.name)
        if stored is not None and not _follows(package, schema, stored):
            package = self._normalize_package(package)
            schema = Schema.from_dict(package.manifest.schema)
        if stored is None or schema.version_hash not in (stored.version_hash, *stored.previous_hashes):
            self._folder.save_schema(schema)
        return package

    def _load_package(self, package: Package, early: bool) -> PackageInfo:
        assert self.destination is not None
        with self._steps.step("load", package.load_id):
            package = self._settle(package)
            package = self._with_newer_state(package)
            result = load(package, self.destination, str(self.dataset_name), self._emit)
            if package.manifest.state is not None:
                self._folder.save_state(package.manifest.state)
            self._packages.finish(package, "loaded")
        rows = dict(result.rows)
        if package.manifest.state is not None:
            rows[STATE_TABLE] = 1
        return PackageInfo(
            load_id=package.load_id,
            state="loaded",
            schema_name=package.manifest.schema["name"],
            schema_hash=package.manifest.schema["version_hash"],
            package_path=str(package.folder),
            completed_at=now(),
            rows=rows,
            seconds=result.seconds,
            schema_update=schema_update(result.changes),
            from_earlier_run=early,
        )

    def _with_newer_state(self, package: Package) -> Package:
        """Where another run committed meanwhile, put this package's state on top of that one's."""
        state = package.manifest.state
        current = self._folder.state()
        if state is None or state["_state_version"] > current["_state_version"]:
            return package
        content = {k: v for k, v in state.items() if k not in ("_state_version", "_version_hash")}
        content["schema_names"] = sorted({*current.get("schema_names", ()), *state.get("schema_names", ())})
        merged, changed = next_state(current, **content)
        return package.save(state=merged if changed else None)

    # -- the working folder and others who use it

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """Hold the pipeline's lock; nested uses count as one.

        Raises:
            PipelineIsRunning: the policy is to fail, or the wait took too long.
        """
        if self._lock_depth == 0:
            self._folder.make()
            wait_s = 0.0 if self._on_running == "fail" else self._running_wait_s
            if not self._lock.acquire(wait_s):
                raise PipelineIsRunning(
                    f"another run of pipeline `{self.pipeline_name}` is under way",
                    hint='wait for it to end, or pass on_running="wait" to ladle.pipeline',
                    working_dir=self.working_dir,
                )
        self._lock_depth += 1
        try:
            yield
        finally:
            self._lock_depth -= 1
            if self._lock_depth == 0:
                self._lock.release()

    def _restore(self) -> None:
        """Take state and schemas from the destination where it knows more than the working folder."""
        assert self.destination is not None
        local = self._folder.state()
        with self._steps.step("sync", None), closing(self.destination.open(str(self.dataset_name))) as session:
            if not session.exists():
                # The dataset is gone: what the folder remembers of it no longer holds.
                if local["_state_version"] and not self._packages.pending():
                    self._folder.reset()
                return
            stored = session.stored_state(self.pipeline_name)
            if stored is None or stored["_state_version"] <= local["_state_version"]:
                return
            self._take(stored, session)

    def _take(self, state: Mapping[str, Any], session: Session) -> None:
        for name in state.get("schema_names", ()):
            found = session.stored_schema(name)
            if found is not None:
                self._folder.save_schema(Schema.from_dict(found))
        self._folder.save_state(state)

    def sync_destination(
        self, destination: Any = None, staging: Any = None, dataset_name: str | None = None
    ) -> None:
        """Pull state and schemas from the destination into the working folder.

        Where the dataset is missing, the local state is reset.
        """
        self._set_destination(destination, dataset_name, None)
        self._need_destination()
        with self._steps.traced(self._packages.release), self._turn():
            self._restore()

    def drop(self) -> Pipeline:
        """Delete the working folder, unfinished packages included; the destination stays as it is."""
        with self._turn():
            self._packages.release()
            self._folder.remove()
        return self

    def drop_pending_packages(self, with_partial_loads: bool = True) -> None:
        """Forget all unfinished packages; schemas come back from the last finished state."""
        with self._turn():
            for package in self._packages.pending():
                self._packages.finish(package, "aborted")

    def list_extracted_load_packages(self) -> list[str]:
        """Load ids of packages that wait to be normalised."""
        return [p.load_id for p in self._packages.pending() if p.stage == "extracted"]

    def list_normalized_load_packages(self) -> list[str]:
        """Load ids of packages that wait to be loaded."""
        return [p.load_id for p in self._packages.pending() if p.stage == "normalized"]

    def list_completed_load_packages(self) -> list[str]:
        """Load ids of the newest finished packages, at most 50."""
        return [m.load_id for m in self._packages.done() if m.stage == "loaded"]

    def activate(self) -> None:
        """Make this the pipeline that `ladle.pipeline()` and `ladle.run` use."""
        active.set(self)

    def deactivate(self) -> None:
        """Stop being the active pipeline."""
        if active.get() is self:
            active.set(None)

    @property
    def is_active(self) -> bool:
        """Whether `ladle.pipeline()` returns this one."""
        return active.get() is self

    # -- arguments, steps, trace

    def _sources(self, data: Any, hints: Hints, schema: Schema | str | None) -> list[Source]:
        if data is None:
            return []
        name = schema.name if isinstance(schema, Schema) else schema or _schema_name(self.pipeline_name)
        found = sources_of(data, self.default_schema_name or name if schema is None else name, hints)
        if isinstance(schema, Schema):
            found = [replace(s, schema=self._folder.schema(s.name) or schema) for s in found]
        return found

    def _set_destination(self, destination: Any, dataset_name: str | None, credentials: Any) -> None:
        if destination is not None:
            self.destination = resolve(destination, credentials).bound(self.pipeline_name)
        if dataset_name is not None or self.dataset_name is None:
            self.dataset_name = self._dataset_name(dataset_name)

    def _need_destination(self) -> None:
        if self.destination is None:
            raise UsageError(
                f"pipeline `{self.pipeline_name}` has no destination",
                hint='name one: ladle.pipeline(..., destination="duckdb")',
            )

    def _load_info(self, since: datetime, packages: list[PackageInfo], first_run: bool) -> LoadInfo:
        assert self.destination is not None
        info = LoadInfo(
            self,
            since,
            now(),
            tuple(packages),
            first_run,
            destination_type=f"dlt.destinations.{self.destination.type_name}",
            destination_name=self.destination.name,
            destination_displayable_credentials=self.destination.displayable(),
            dataset_name=str(self.dataset_name),
            guarantee=self.destination.guarantee,
        )
        return self._steps.noted("load", info)


def checked_name(name: str) -> str:
    if not isinstance(name, str) or not re.fullmatch(r"[\w.\- ]+", name) or name.strip(". ") == "":
        raise InvalidPipelineName(
            f"`{name}` can't be the name of a pipeline",
            expected="letters, digits, `_`, `-`, `.` and spaces: it becomes a folder name",
        )
    return name


def _schema_name(pipeline_name: str) -> str:
    name = re.sub(r"\W", "_", naming("snake_case").identifier(pipeline_name))
    return name if not name[:1].isdigit() else f"_{name}"


def check_choice(what: str, value: Any, choices: Sequence[str]) -> None:
    if value is not None and value not in choices:
        raise UsageError.unknown_choice(what, value, choices)


def _follows(package: Package, schema: Schema, stored: Schema) -> bool:
    """Whether the package was normalised on the stored schema, or is part of it already."""
    if package.manifest.base_hash == stored.version_hash:
        return True
    return schema.version_hash in (stored.version_hash, *stored.previous_hashes)


def _extracted(package: Package) -> PackageInfo:
    rows = {r.name: r.rows for r in package.manifest.resources}
    return PackageInfo(package.load_id, "extracted", package.manifest.schema["name"], rows=rows)


def _normalized(package: Package) -> PackageInfo:
    rows = dict(package.manifest.counts)
    if package.manifest.state is not None:
        rows[STATE_TABLE] = 1
    return PackageInfo(package.load_id, "normalized", package.manifest.schema["name"], rows=rows)
