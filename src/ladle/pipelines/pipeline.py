"""Pipeline: run = extract, normalize, load; the only module that knows every phase."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from ladle import dataset as reading
from ladle.config import context
from ladle.destinations.base import Destination
from ladle.destinations.guarantees import GRADES, Guarantee, weakest
from ladle.destinations.registry import resolve
from ladle.errors import LadleError, UsageError
from ladle.events import Emit, Notice
from ladle.governance.notify import Listener
from ladle.governance.reporter import table_events
from ladle.normalize.rejects import Budget
from ladle.package.manifest import Manifest
from ladle.package.store import Packages
from ladle.pipelines.arguments import check_choice, checked_name, checked_staging, schema_name
from ladle.pipelines.backfill import Backfill, load_windows
from ladle.pipelines.drift import SchemaDiff, adopting, drift
from ladle.pipelines.edits import SchemaPlan, losses, planned, schema_of
from ladle.pipelines.fills import FixValue
from ladle.pipelines.info import ExtractInfo, LoadInfo, NormalizeInfo, PackageInfo, PipelineTrace, now
from ladle.pipelines.memory import Memory
from ladle.pipelines.order import Extracted, Order, Remember, accounts_of, extracted_info, normalized_info
from ladle.pipelines.planning import plan_source
from ladle.pipelines.promises import check_promised, is_disposition, promised, promised_of
from ladle.pipelines.refresh import REFRESH, Refresh
from ladle.pipelines.replay import Fix, Open, Wanted, open_rejects, replay_notices, replays
from ladle.pipelines.schemas import SchemaFiles
from ladle.pipelines.steps import Steps
from ladle.pipelines.work import RunningPolicy, Work
from ladle.schema.edits import Edit
from ladle.schema.naming import naming
from ladle.schema.records import is_record
from ladle.schema.schema import Schema
from ladle.sources.current import active_pipeline
from ladle.sources.explained import explained
from ladle.sources.given import sources_of
from ladle.sources.hints import Hints
from ladle.sources.pull import configured
from ladle.sources.resource import Resource
from ladle.sources.source import Source
from ladle.state.folder import PipelineFolder

_FORMATS = ("parquet", "jsonl", "csv")
active: ContextVar[Pipeline | None] = active_pipeline


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
        staging: Destination | None = None,
        dev_mode: bool = False,
        refresh: Refresh | None = None,
        emit: Emit,
        on_running: RunningPolicy = "wait",
        running_wait_s: float = 3600.0,
        schema_files: SchemaFiles | None = None,
        on_schema_change: Listener | None = None,
    ) -> None:
        self.pipeline_name = checked_name(pipeline_name)
        self.pipelines_dir = str(pipelines_dir)
        self.dev_mode = dev_mode
        self.refresh = refresh
        self.staging = staging
        self._steps = Steps(pipeline_name, emit)
        self._folder = PipelineFolder(pipelines_dir / pipeline_name)
        if dev_mode:
            self._folder.remove()
        self._packages = Packages(self._folder.root, emit)
        files = schema_files or SchemaFiles()
        self._memory = Memory(pipeline_name, self._folder, self._packages, self._steps, emit, files)
        self._work = Work(
            self,
            self._memory,
            destination.bound(pipeline_name) if destination else None,
            None,
            on_running,
            running_wait_s,
            listeners=[] if on_schema_change is None else [on_schema_change],
        )
        self._work.dataset_name = self._dataset_name(dataset_name or self._folder.state().get("dataset_name"))

    # -- what it is

    def __repr__(self) -> str:
        where = self.destination.type_name if self.destination else None
        return f"<ladle.Pipeline {self.pipeline_name} destination={where} dataset={self.dataset_name}>"

    @property
    def destination(self) -> Destination | None:
        """Where loads go; None until one is named."""
        return self._work.destination

    @property
    def dataset_name(self) -> str | None:
        """The dataset loads go to, normalised; None for destinations without datasets."""
        return self._work.dataset_name

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
                f"pipeline `{self.pipeline_name}` has no schema yet",
                hint="run it once, then ask for its schema",
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
        return bool(self._packages.waiting())

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

    @explained
    def run(
        self,
        data: Any = None,
        *,
        destination: Any = None,
        staging: Any = None,
        dataset_name: str | None = None,
        credentials: Any = None,
        table_name: str | None = None,
        write_disposition: str | None = None,
        columns: Any = None,
        primary_key: str | Sequence[str] | None = None,
        schema: Schema | str | None = None,
        loader_file_format: str | None = None,
        table_format: str | None = None,
        schema_contract: Any = None,
        max_rejects: int | float | str | None = None,
        refresh: Refresh | None = None,
        guarantee: str | None = None,
    ) -> LoadInfo:
        """Load `data`; first finish packages that an earlier run left.

        Args:
            data: rows (dicts, dataclasses, models, named tuples), pages (lists of rows), generators or
                generator functions of these, frames (Arrow, pandas, polars, anything with
                `__arrow_c_stream__`), resources, sources, or a list of resources and sources. None: only
                finish what is pending.
            destination: name, factory or destination; wins over the pipeline's.
            staging: as for `ladle.pipeline`; wins over the pipeline's.
            dataset_name: wins over the pipeline's.
            credentials: for a destination given by name.
            table_name: of the root table; needed where data brings no name.
            write_disposition: `append`, `replace` or `skip`; wins over the resources' own.
            columns: hints by column.
            primary_key: column name or names.
            schema: a schema to use, or the name of one.
            loader_file_format: `parquet`, `jsonl` or `csv`, for file destinations.
            table_format: for destinations that know several; stored with the table.
            schema_contract: what rows may change: `evolve`, `freeze`, `discard_row` or `discard_value`, or a
                dict of these by `tables`, `columns`, `data_type`. Stored: it holds until another is given.
            max_rejects: how much contracts, rules and models may refuse: a count, or a share of a resource's
                rows such as 0.01 or `1%`; default the setting `normalize.max_rejects`, else any number.
            refresh: drop tables or rows and state first: `drop_sources`, `drop_resources`, `drop_data`.
            guarantee: refuse to read anything unless the destination promises so much of each resource, `G4`
                to `G0`; default the setting `load.guarantee`, else nothing is asked for.

        Returns:
            What was loaded, packages of earlier runs included.

        Raises:
            UsageError: an argument is wrong; nothing was read.
            SourceError, DataError: extract or normalize failed; nothing of this run was loaded.
            DataValidationError: rows break a frozen contract or a rule, or too many were refused.
            DestinationError: the package is kept and loaded by the next run.
            PipelineIsRunning: another run has the pipeline, and the policy is to fail.

        Guarantee: exactly once, where `pipeline.guarantee` says G4 or G3.
        """
        hints = Hints.of(
            table_name=table_name,
            write_disposition=write_disposition,
            columns=columns,
            primary_key=primary_key,
            table_format=table_format,
            schema_contract=schema_contract,
        )
        check_choice("loader_file_format", loader_file_format, _FORMATS)
        check_choice("refresh", refresh, REFRESH)
        self._work.max_rejects = None if max_rejects is None else Budget.of(max_rejects)
        self._set_destination(destination, dataset_name, credentials, staging)
        destination = self._need_destination()
        sources = self._sources(data, hints, schema)
        first_run, since = self.first_run, now()
        self._notice_staging()
        with self._steps.traced(self._packages.release):
            check_promised(destination, sources, hints, guarantee)
            with self._work.turn():
                if self._memory.must_look():
                    self._work.restore()
                loaded = self._work.finish_pending()
                if self._work.on_running != "join":
                    loaded += self._load_new(sources, hints, refresh, loader_file_format)
            if self._work.on_running == "join":
                loaded += self._load_new(sources, hints, refresh, loader_file_format)
            return self._load_info(since, loaded, first_run)

    def guarantee(
        self, data: Any = "append", *, write_disposition: Any = None, schema: Schema | str | None = None
    ) -> Guarantee:
        """Return what the destination promises of a load; nothing is read, and nothing is connected to.

        Args:
            data: as for `run`, or a write disposition: `append`, `replace`, a strategy of merge such as
                `upsert`, or a dict.
            write_disposition: wins over the resources' own.
            schema: as for `run`.

        Returns:
            The guarantee; of data with several resources, the weakest of theirs.

        Raises:
            UsageError: the pipeline has no destination, or that can't do what is asked for.
        """
        destination = self._need_destination()
        if is_disposition(data):
            return promised(destination, data)
        hints = Hints.of(write_disposition=write_disposition)
        found = promised_of(destination, self._sources(data, hints, schema), hints)
        return weakest([one for of_resource in found.values() for one in of_resource])

    def plan(
        self,
        data: Any,
        *,
        table_name: str | None = None,
        write_disposition: str | None = None,
        columns: Any = None,
        primary_key: str | Sequence[str] | None = None,
        schema: Schema | str | None = None,
        refresh: Refresh | None = None,
    ) -> dict[str, dict[str, Any]]:
        """Return what `run` would change at the destination; nothing is loaded, and nothing is kept.

        Reads and normalises all of `data`: resources are called as in a run, and a generator is used up.

        Args:
            data: as for `run`; packages that wait are left alone.
            table_name: as for `run`, like those that follow.
            write_disposition: wins over the resources' own.
            columns: hints by column.
            primary_key: column name or names.
            schema: a schema to use, or the name of one.
            refresh: what to drop first.

        Returns:
            Tables and columns in stored form, by table, as `schema_update` of the load info has them.

        Raises:
            LadleError: as `run` would, also where the destination would refuse a change.
        """
        destination = self._need_destination()
        check_choice("refresh", refresh, REFRESH)
        hints = Hints.of(
            table_name=table_name,
            write_disposition=write_disposition,
            columns=columns,
            primary_key=primary_key,
        )
        sources = self._sources(data, hints, schema)
        with self._steps.traced(self._packages.release), self._work.turn():
            if self._memory.must_look():
                self._work.restore()
            orders = [Order(s, hints, refresh or self.refresh, overlap=False, plans=True) for s in sources]
            changes: dict[str, dict[str, Any]] = {}
            for order in orders:
                changes.update(plan_source(self._work, order, destination))
            return changes

    def backfill(
        self,
        data: Any,
        *,
        start: Any,
        end: Any,
        window: Any,
        workers: int = 1,
        restart: bool = False,
        table_name: str | None = None,
        write_disposition: str | None = None,
    ) -> tuple[LoadInfo, ...]:
        """Load `[start, end)` of a resource's cursor, window by window, each with a commit of its own.

        Called again with the same range and window, it goes on after the windows that are committed. The
        resource's live cursor is neither read nor moved: normal runs may go on beside it.

        Args:
            data: a resource with a cursor (`ladle.sources.incremental`), or a source of one such resource.
            start: of the range, inside it: a number, date or datetime.
            end: of the range, outside it.
            window: length of a window: a number, a timedelta, or text such as `day`, `6 hours`, `month`.
            workers: windows to extract at once; they are committed one after the other.
            restart: forget what an earlier backfill of this cursor committed, and load all windows.
            table_name: wins over the resource's own.
            write_disposition: wins over the resource's own; not `replace`.

        Returns:
            The infos of the windows loaded now, in order of the windows.

        Raises:
            UsageError: no cursor, a range that can't be cut, or another backfill of the cursor is on record.
            SourceError, DataError, DestinationError: as `run`; windows committed before stay.
        """
        hints = Hints.of(table_name=table_name, write_disposition=write_disposition)
        if not isinstance(workers, int) or workers < 1:
            raise UsageError(f"workers can't be `{workers!r}`", expected="a whole number from 1")
        self._need_destination()
        found = self._sources(data, hints, None)
        job = Backfill.of(found, start, end, window, disposition=write_disposition)
        with self._steps.traced(self._packages.release), self._work.turn():
            if self._memory.must_look():
                self._work.restore()
            self._work.finish_pending()
            if restart:
                with self._memory.managed(self._memory.save_only_here) as state:
                    job.forget(state)
            waiting = job.remaining(self._memory.newest())
        pipelines = [self._beside() for _ in range(workers)] if workers > 1 else [self]
        return load_windows(job, waiting, [partial(p._load_window, hints) for p in pipelines])  # noqa: SLF001

    def rejects(
        self,
        table_name: str | None = None,
        resource: str | None = None,
        rule: str | None = None,
        load_id: str | None = None,
    ) -> list[Open]:
        """Return rows and values that were refused and not replayed yet, the oldest first.

        Args:
            table_name: only those of a table, as named at the destination.
            resource: only those of a resource.
            rule: only those that broke this rule: its whole name, or its beginning up to a colon.
            load_id: only those of a load.

        Raises:
            UsageError: the destination only takes data.
        """
        return open_rejects(
            self.dataset(), list(self.schemas.values()), Wanted(table_name, resource, rule, load_id)
        )

    def replay(
        self,
        table_name: str | None = None,
        resource: Any = None,
        rule: str | None = None,
        load_id: str | None = None,
        fix: Fix | None = None,
        fix_value: FixValue | None = None,
        dry_run: bool = False,
    ) -> LoadInfo | None:
        """Feed back what was refused, rows and values; each is replayed once, whatever happens.

        They take the ordinary way: contracts and rules apply again, what is refused again is a new reject.
        Marked as replayed in the same commit. Packages that an earlier run left are finished first.

        Args:
            table_name: only those of a table, as named at the destination.
            resource: only those of a resource; the resource itself has its model check the rows again.
            rule: only those that broke this rule: its whole name, or its beginning up to a colon.
            load_id: only those of a load.
            fix: gets each record as the source gave it, protected as it was stored, and returns it mended;
                None leaves it among the rejects.
            fix_value: the same for values that rows were loaded without: gets path and value, returns the
                value mended, or None. They go into their rows, where these are there still and have none.
            dry_run: only tell how many rows would go where.

        Returns:
            What was loaded; None where there was nothing to do, or nothing was to be done.

        Raises:
            UsageError: no destination, one that only takes data, or `fix` returned something else.
            DataError: a frozen contract refuses a row: nothing was replayed.
            DestinationError: the package is kept and loaded by the next run.

        Guarantee: exactly once, where the destination has G4 or G3. Memory: O(rejects).
        """
        checked = resource if isinstance(resource, Resource) else None
        named = checked.name if checked is not None else resource
        self._work.max_rejects = None
        self._need_destination()
        since, first_run = now(), self.first_run
        with self._steps.traced(self._packages.release), self._work.turn():
            if self._memory.must_look():
                self._work.restore()
            loaded = [] if dry_run else self._work.finish_pending()
            schemas = list(self.schemas.values())
            with self.dataset() as dataset:
                found = open_rejects(dataset, schemas, Wanted(table_name, named, rule, load_id))
                wanted = replays(found, schemas, dataset, fix, checked, fix_value)
            for notice in replay_notices(found, wanted, dry_run):
                self._memory.emit(notice)
            for replay in () if dry_run else (r for r in wanted if r.ids):
                order = Order(replay.source, Hints(), declare=replay.declare, protected=True)
                extracted = self._work.extract_source(order)
                if extracted is not None:
                    loaded.append(self._work.load_package(extracted, early=False))
            return self._load_info(since, loaded, first_run) if loaded else None

    def _load_window(self, hints: Hints, source: Source, remember: Remember) -> LoadInfo:
        since, first_run = now(), self.first_run
        # One that joins holds the pipeline only while it commits.
        turn = nullcontext() if self._work.on_running == "join" else self._work.turn()
        with self._steps.traced(self._packages.release), turn:
            return self._load_info(since, self._load_new([source], hints, None, None, remember), first_run)

    def _beside(self) -> Pipeline:
        """Return the same pipeline once more, for another thread."""
        made = Pipeline(
            self.pipeline_name,
            pipelines_dir=Path(self.pipelines_dir),
            destination=self.destination,
            dataset_name=self.dataset_name,
            emit=self._memory.emit,
            on_running="join",
            running_wait_s=self._work.running_wait_s,
            schema_files=self._memory.files,
        )
        made._work.dataset_name = self.dataset_name
        made._work.listeners = self._work.listeners
        return made

    def _load_new(
        self,
        sources: list[Source],
        hints: Hints,
        refresh: Refresh | None,
        file_format: str | None,
        remember: Remember | None = None,
    ) -> list[PackageInfo]:
        loaded = []
        for source in sources:
            order = Order(source, hints, refresh or self.refresh, file_format, remember=remember)
            extracted = self._work.extract_source(order)
            if extracted is not None:
                with self._work.turn(), self._work.discarding(extracted.package):
                    loaded.append(self._work.load_package(extracted, early=False))
        return loaded

    @explained
    def extract(
        self,
        data: Any,
        *,
        table_name: str | None = None,
        parent_table_name: str | None = None,
        write_disposition: str | None = None,
        columns: Any = None,
        primary_key: str | Sequence[str] | None = None,
        schema: Schema | str | None = None,
        loader_file_format: str | None = None,
        table_format: str | None = None,
        schema_contract: Any = None,
        refresh: Refresh | None = None,
        max_parallel_items: int | None = None,
        workers: int | None = None,
    ) -> ExtractInfo:
        """Pull `data` into packages and stop; `normalize` and `load` go on, in this process or another.

        Arguments and errors as for `run`, `parent_table_name` as for `apply_hints`. `max_parallel_items` and
        `workers` win over their settings (`EXTRACT__MAX_PARALLEL_ITEMS`, 20; `EXTRACT__WORKERS`, 5).
        """
        hints = Hints.of(
            table_name=table_name,
            parent_table_name=parent_table_name,
            write_disposition=write_disposition,
            columns=columns,
            primary_key=primary_key,
            table_format=table_format,
            schema_contract=schema_contract,
        )
        check_choice("loader_file_format", loader_file_format, _FORMATS)
        check_choice("refresh", refresh, REFRESH)
        sources = self._sources(data, hints, schema)
        first_run, since = self.first_run, now()
        with self._steps.traced(self._packages.release), self._work.turn():
            if self.destination is not None and self._memory.must_look():
                self._work.restore()
            self._packages.sweep()
            pull = configured(max_parallel_items, workers)
            orders = [
                Order(s, hints, refresh or self.refresh, loader_file_format, overlap=False, pull=pull)
                for s in sources
            ]
            packages = [self._work.extract_source(order) for order in orders]
        infos = tuple(extracted_info(e.package) for e in packages if e is not None)
        return self._steps.noted("extract", ExtractInfo(self, since, now(), infos, first_run))

    def normalize(self, workers: int = 1, *, max_rejects: int | float | str | None = None) -> NormalizeInfo:
        """Normalise all extracted packages.

        Args:
            workers: accepted and ignored: the work is done by Arrow.
            max_rejects: as for `run`.

        Raises:
            DataValidationError: rows break a frozen contract or a rule, or too many were refused.
            DataError: a value can't be stored. The package is kept, here as above.
        """
        self._work.max_rejects = None if max_rejects is None else Budget.of(max_rejects)
        first_run, since = self.first_run, now()
        done = []
        with self._steps.traced(self._packages.release), self._work.turn():
            self._packages.sweep()
            for package in self._packages.pending():
                if package.stage == "extracted":
                    package = self._work.settle(self._work.normalize_package(package))
                    done.append(normalized_info(package))
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
        with self._steps.traced(self._packages.release), self._work.turn():
            packages = [p for p in self._packages.pending() if p.stage == "normalized"]
            loaded = [self._work.load_package(Extracted(p), early=False) for p in packages]
            return self._load_info(since, loaded, first_run)

    def dataset(self, schema: Schema | str | Sequence[Schema] | None = None) -> reading.Dataset:
        """Return what was loaded, to be read: `pipeline.dataset()["orders"].df()`.

        Args:
            schema: the schema, schemas, or name of one, that tells which tables there are; default all of
                the pipeline's.

        Raises:
            UsageError: no destination is known, or it only takes data.
        """
        known = self.schemas
        if schema is None:
            schema = list(known.values()) or None
        elif isinstance(schema, str):
            schema = known.get(schema, schema)
        return reading.Dataset(self._need_destination(), str(self.dataset_name), schema)

    def lineage(self) -> reading.Lineage:
        """Return where rows and columns come from: loads, sources, code and inputs.

        Raises:
            UsageError: no destination is known, or it only takes data.
        """
        return self.dataset().lineage()

    def lineage_events(self, table_name: str | None = None) -> list[str]:
        """Return OpenLineage events that tell of the tables as they are: each as one line of JSON.

        Args:
            table_name: of one table; default all.

        Raises:
            TableNotFound: there is none of that name.
            MissingDependency: the OpenLineage client isn't installed.
        """
        with context.of_pipeline(self.pipeline_name):
            return table_events(
                self.lineage(),
                self.schemas.values(),
                self._need_destination(),
                str(self.dataset_name),
                table_name,
            )

    def sql_client(self, schema_name: str | None = None) -> reading.SqlClient:
        """Return a client for SQL on the dataset, a context that holds the connection.

        Args:
            schema_name: accepted and not needed: all schemas of a pipeline share the dataset.

        Raises:
            UsageError: no destination is known, or it only takes data.
        """
        return reading.SqlClient(self._need_destination(), str(self.dataset_name))

    def sync_destination(
        self, destination: Any = None, staging: Any = None, dataset_name: str | None = None
    ) -> None:
        """Pull state and schemas from the destination into the working folder.

        Where the dataset is missing, the local state is reset.
        """
        self._set_destination(destination, dataset_name, None, staging)
        self._need_destination()
        with self._steps.traced(self._packages.release), self._work.turn():
            self._work.restore()

    def sync_schema(self, schema_name: str | None = None) -> dict[str, Any]:
        """Create the tables and columns that a schema of the working folder has and the destination lacks.

        Args:
            schema_name: default the pipeline's default schema.

        Returns:
            What was added, by table. Done by a load without rows, in one commit as any other.

        Raises:
            LadleError: there is no such schema.
        """
        self._need_destination()
        names = self.schema_names
        schema = self.schemas.get(schema_name or next(iter(names), ""))
        if schema is None:
            raise UsageError.unknown_choice("schema", schema_name, names)
        with self._steps.traced(self._packages.release), self._work.turn():
            return dict(self._work.load_schema(schema).schema_update)

    def on_schema_change(self, function: Listener) -> Listener:
        """Call a function with each load's `SchemaChanges`, once it is committed; also a decorator.

        An exception in it is logged, and never fails the load. Where a process is killed just after the
        commit, it hears again from the run that finishes the package.
        """
        self._work.listeners.append(function)
        return function

    # -- renaming and dropping

    def rename_table(self, table: str, name: str) -> SchemaPlan:
        """Plan to call a table `name`; what is loaded for it goes there from then on.

        Its child tables are renamed with it, where they are named after it.

        Returns:
            The plan; `print` shows it, `apply()` does it.

        Raises:
            UsageError: no such table, a name that can't be, or a destination that can't rename.
        """
        return self._planned([Edit("rename", table, name=name)])

    def rename_column(self, table: str, column: str, name: str) -> SchemaPlan:
        """Plan to call a column `name`; values that the source has for it go there from then on.

        Its variant columns are renamed with it. Returns and raises as `rename_table`.
        """
        return self._planned([Edit("rename", table, column, name)])

    def drop_table(self, table: str) -> SchemaPlan:
        """Plan to drop a table and those below it, and to leave out their rows from then on.

        Returns and raises as `rename_table`; `apply(confirm=True)` where rows would be lost.
        """
        return self._planned([Edit("drop", table)])

    def drop_column(self, table: str, column: str) -> SchemaPlan:
        """Plan to drop a column with its variants, and to leave out its values from then on.

        Returns and raises as `rename_table`; `apply(confirm=True)` where values would be lost.
        """
        return self._planned([Edit("drop", table, column)])

    def undrop(self, table: str, column: str | None = None) -> SchemaPlan:
        """Plan to load a dropped table or column again: it comes back with the next rows that have it.

        Returns and raises as `rename_table`.
        """
        return self._planned([Edit("undrop", table, column)])

    def schema_diff(self, schema_name: str | None = None) -> SchemaDiff:
        """Compare a stored schema with what the destination has: what was made or dropped there by hand.

        Args:
            schema_name: default the pipeline's default schema.
        """
        destination = self._need_destination()
        with self._steps.traced(self._packages.release), self._work.turn():
            schema = self._committed(schema_name)
            return drift(schema, self.schemas, destination, str(self.dataset_name))

    def adopt_schema(self, schema_name: str | None = None) -> SchemaPlan:
        """Plan to make a stored schema what the destination has.

        What was dropped there by hand isn't loaded again; columns that were added there become columns of
        the schema. Arguments as `schema_diff`; returns and raises as `rename_table`.
        """
        destination, found = self._need_destination(), self.schema_diff(schema_name)
        return self._planned(
            list(adopting(self.schemas[found.schema_name], found, destination)), found.schema_name
        )

    def _committed(self, name: str | None) -> Schema:
        """Return a schema as the destination has it; the working folder has it too then."""
        names = self.schema_names
        name = name or next(iter(names), None)
        if name is not None and name in names:
            self._memory.catch_up(name, self._need_destination(), str(self.dataset_name))
        if name is None or name not in self.schemas:
            raise UsageError.unknown_choice("schema", name, names)
        return self.schemas[name]

    def _planned(self, edits: Sequence[Edit], schema_name: str | None = None) -> SchemaPlan:
        destination, dataset = self._need_destination(), str(self.dataset_name)
        with self._steps.traced(self._packages.release), self._work.turn():
            for name in self.schema_names:
                self._committed(name)
            known, dropped = self.schemas, any(e.kind == "undrop" and e.column is None for e in edits)
            schema = known[schema_name] if schema_name else schema_of(known, edits[0].table, dropped)
            done, run = planned(schema, edits, destination, dataset)
            lost = losses(done.changes, destination, dataset)
        made = (schema.name, dataset, tuple(edits), done.changes, done.notes, run, lost)
        return SchemaPlan(*made, self._applied)

    def _applied(self, plan: SchemaPlan) -> LoadInfo:
        first_run, since = self.first_run, now()
        with self._steps.traced(self._packages.release), self._work.turn():
            again = self._planned(plan.edits, plan.schema_name)
            if (again.changes, again.statements) != (plan.changes, plan.statements):
                raise UsageError(
                    f"what the plan for schema `{plan.schema_name}` was made for has changed since",
                    expected="\n".join(map(str, plan.changes)) or "no change at the destination",
                    hint="make the plan anew",
                )
            loaded = self._work.edit_schema(self.schemas[plan.schema_name], plan.edits)
            return self._load_info(since, [loaded], first_run)

    @contextmanager
    def managed_state(self, *, extract_state: bool = False) -> Iterator[dict[str, Any]]:
        """Hand out the state to be changed in a `with` block; an exception leaves it as it was.

        Args:
            extract_state: True loads the changed state to the destination at once; else the next load with a
                changed state brings it there.
        """
        if extract_state:
            self._need_destination()
        keep = self._work.load_state if extract_state else self._memory.save_only_here
        with (
            self._steps.traced(self._packages.release),
            self._work.turn(),
            self._memory.managed(keep) as state,
        ):
            yield state

    def set_local_state_val(self, key: str, value: Any) -> None:
        """Keep a value in the working folder only; no destination ever sees it."""
        self._memory.save_local({**self._memory.local(), key: value})

    def get_local_state_val(self, key: str) -> Any:
        """Return a value that `set_local_state_val` kept.

        Raises:
            KeyError: there is none.
        """
        return self._memory.local()[key]

    def drop(self, pipeline_name: str | None = None) -> Pipeline:
        """Delete the working folder, unfinished packages included; the destination stays as it is.

        Args:
            pipeline_name: of another pipeline in the same `pipelines_dir`; default this one.
        """
        if pipeline_name not in (None, self.pipeline_name):
            PipelineFolder(Path(self.pipelines_dir) / checked_name(str(pipeline_name))).remove()
            return self
        with self._work.turn():
            self._packages.release()
            self._folder.remove()
        return self

    def drop_pending_packages(self, with_partial_loads: bool = True) -> None:
        """Forget all unfinished packages, damaged ones too; schema and state are again as last committed."""
        with self._steps.traced(self._packages.release), self._work.turn():
            self._work.drop_pending()

    def abort_packages(self, load_id: str | None = None, dry_run: bool = False) -> list[dict[str, Any]]:
        """Forget unfinished packages and return what that means: load id, stage and rows of each.

        Args:
            load_id: of one of them; default all.
            dry_run: only return the plan.

        Raises:
            UsageError: no package with that load id is pending.
        """
        with self._steps.traced(self._packages.release), self._work.turn():
            pending = [p for p in self._packages.pending() if load_id in (None, p.load_id)]
            if load_id is not None and not pending:
                known = [m.load_id for m in self._packages.waiting()]
                raise UsageError.unknown_choice("pending package", load_id, known)
            plan = [_abort_plan(p.manifest) for p in pending]
            if not dry_run:
                self._work.drop_pending(pending)
            return plan

    def get_load_package_info(self, load_id: str) -> PackageInfo:
        """Return what is known of a package, pending or finished.

        Raises:
            UsageError: there is none with that load id.
        """
        found = {m.load_id: m for m in (*self._packages.done(), *self._packages.waiting())}
        if load_id not in found:
            raise UsageError.unknown_choice("load package", load_id, list(found))
        manifest = found[load_id]
        return PackageInfo(
            load_id,
            manifest.stage,
            manifest.schema["name"],
            rows=_rows(manifest),
            **accounts_of(manifest),
        )

    def get_load_package_state(self, load_id: str) -> dict[str, Any]:
        """Return what resources and the destination's code noted with a package.

        Raises:
            UsageError: there is none with that load id.
        """
        self.get_load_package_info(load_id)
        found = {m.load_id: m for m in (*self._packages.done(), *self._packages.waiting())}
        return dict(found[load_id].package_state)

    def list_failed_jobs_in_package(self, load_id: str) -> list[Any]:
        """Return nothing: a load is all or nothing, so that no job of a package fails alone."""
        self.get_load_package_info(load_id)
        return []

    def list_extracted_resources(self) -> list[str]:
        """Names of the resources in packages that wait to be normalised."""
        waiting = (m for m in self._packages.waiting() if m.stage == "extracted")
        return list(dict.fromkeys(r.name for m in waiting for r in m.resources))

    def list_extracted_load_packages(self) -> list[str]:
        """Load ids of packages that wait to be normalised."""
        return [m.load_id for m in self._packages.waiting() if m.stage == "extracted"]

    def list_normalized_load_packages(self) -> list[str]:
        """Load ids of packages that wait to be loaded."""
        return [m.load_id for m in self._packages.waiting() if m.stage == "normalized"]

    def list_completed_load_packages(self) -> list[str]:
        """Load ids of the newest finished packages, at most 50."""
        return [m.load_id for m in self._packages.done() if m.stage == "loaded"]

    def activate(self) -> None:
        """Make this the pipeline that `ladle.pipeline()`, `ladle.run` and look-ups of settings use."""
        active.set(self)
        context.pipeline_name.set(self.pipeline_name)

    def deactivate(self) -> None:
        """Stop being the active pipeline."""
        if active.get() is self:
            active.set(None)
            context.pipeline_name.set(None)

    @property
    def is_active(self) -> bool:
        """Whether `ladle.pipeline()` returns this one."""
        return active.get() is self

    # -- arguments, steps, trace

    def _sources(self, data: Any, hints: Hints, schema: Schema | str | None) -> list[Source]:
        if data is None:
            return []
        name = schema.name if isinstance(schema, Schema) else schema or schema_name(self.pipeline_name)
        default = self.default_schema_name or name if schema is None else name
        with context.of_pipeline(self.pipeline_name):
            found = sources_of(data, default, hints)
        if isinstance(schema, Schema):
            found = [replace(s, given_schema=schema.clone()) for s in found]
        return found

    def _set_destination(
        self, destination: Any, dataset_name: str | None, credentials: Any, staging: Any = None
    ) -> None:
        self.staging = checked_staging(staging) or self.staging
        if destination is not None:
            with context.of_pipeline(self.pipeline_name):
                self._work.destination = resolve(destination, credentials).bound(self.pipeline_name)
        if dataset_name is not None or self.dataset_name is None:
            self._work.dataset_name = self._dataset_name(dataset_name)

    def _notice_staging(self) -> None:
        if self.staging is not None:
            names = f"staging `{self.staging.name}` isn't used: ladle loads `{self._need_destination().name}`"
            self._memory.emit(Notice(f"{names} in bulk without it"))

    def _need_destination(self) -> Destination:
        if self.destination is None:
            raise UsageError(
                f"pipeline `{self.pipeline_name}` has no destination",
                hint='name one: ladle.pipeline(..., destination="duckdb")',
            )
        return self.destination

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
            guarantee=max(
                (g for p in packages for g in p.guarantees.values()),
                key=GRADES.index,
                default=self.destination.guarantee,
            ),
        )
        return self._steps.noted("load", info)


def _abort_plan(manifest: Manifest) -> dict[str, Any]:
    return {"load_id": manifest.load_id, "stage": manifest.stage, "rows": _rows(manifest)}


def _rows(manifest: Manifest) -> dict[str, int]:
    counts = {n: c for n, c in manifest.counts.items() if not is_record(n)}
    return counts or {r.name: r.rows for r in manifest.resources}
