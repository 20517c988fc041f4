"""What a pipeline does with its packages: make them, normalise them, load them, finish what was left."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Literal

from ladle.destinations.base import Destination
from ladle.errors import DataError, DestinationError, PipelineIsRunning
from ladle.events import Emit, Notice, durable
from ladle.extract.declare import Can
from ladle.extract.run import ExtractOptions, declare, extract
from ladle.governance.notify import Listener, notify
from ladle.governance.openlineage import Run
from ladle.governance.policy import policy
from ladle.governance.reporter import Reporter, reporter
from ladle.load.early import EarlySession
from ladle.load.run import BehindDestination, LoadIdTaken, LoadResult, StateMissing, load
from ladle.normalize.background import BackgroundNormalizer
from ladle.normalize.findings import check_root_tables
from ladle.normalize.run import Normalizer, Options, normalize
from ladle.package.lock import FileLock
from ladle.package.store import Package, Packages
from ladle.pipelines.arguments import schema_name
from ladle.pipelines.beside import connected, held_for, keeping, load_ahead
from ladle.pipelines.edits import edits_of, prepared, whole
from ladle.pipelines.evolution import exact_doubles
from ladle.pipelines.info import ExtractInfo, NormalizeInfo, PackageInfo, now
from ladle.pipelines.lookup import checks_for
from ladle.pipelines.memory import Memory
from ladle.pipelines.named import in_derived_names, on_top, renamed
from ladle.pipelines.normalizing import KEPT, checked, default_contract, discarding, is_empty, options
from ladle.pipelines.noted import noting, with_inputs
from ladle.pipelines.order import Beside, Extracted, Order, extracted_info, loaded_info, normalized_info
from ladle.pipelines.promises import grades_of
from ladle.pipelines.refresh import Reset, plan, roots_of
from ladle.pipelines.reported import schema_changes
from ladle.pipelines.schemas import begun, follows, is_same
from ladle.pipelines.steps import Steps
from ladle.schema.change import Limits
from ladle.schema.edits import Edit
from ladle.schema.protection import Policy
from ladle.schema.records import CHANGES_TABLE
from ladle.schema.schema import Schema
from ladle.sources.inputs import Inputs
from ladle.sources.provenance import tree_of
from ladle.state.folder import PipelineFolder

RunningPolicy = Literal["wait", "fail", "join"]
_BEHIND_TRIES = 8


@dataclass(slots=True)
class Work:
    """The working folder, the packages and the destination of one pipeline.

    Attributes:
        owner: the pipeline, for the infos.
        memory: its state and schemas, and where its packages and steps are.
        destination: bound; None until one is named.
        dataset_name: where tables go.
        on_running: what to do while another run is under way.
        running_wait_s: how long to wait for it, in seconds.
        listeners: hear of changes of the schema.
        max_rejects: how much may be refused, for the call at work; None as the setting says.
    """

    owner: Any
    memory: Memory
    destination: Destination | None
    dataset_name: str | None
    on_running: RunningPolicy
    running_wait_s: float
    listeners: list[Listener] = field(default_factory=list)
    max_rejects: Any = None
    _lock: FileLock = field(init=False)
    _lock_depth: int = 0
    _reporter: Reporter | None = None

    def __post_init__(self) -> None:
        self._lock = FileLock(self.memory.folder.root / "run.lock")

    @property
    def pipeline_name(self) -> str:
        """The pipeline's name."""
        return self.memory.pipeline_name

    @property
    def folder(self) -> PipelineFolder:
        """State and schemas as last committed."""
        return self.memory.folder

    @property
    def packages(self) -> Packages:
        """Unfinished and finished ones."""
        return self.memory.packages

    @property
    def steps(self) -> Steps:
        """Where steps are noted."""
        return self.memory.steps

    @property
    def emit(self) -> Emit:
        """Hears events."""
        return self.memory.emit

    def extract_source(self, order: Order) -> Extracted | None:
        """Extract one source, and normalise and load beside it where that is asked for.

        Returns:
            None where there was nothing to do.
        """
        since, first_run = now(), not self.folder.exists()
        known = self.folder.schema(order.source.name)
        package = self.packages.create(self.pipeline_name)
        beside = Beside()
        with self.reporter().telling(Run(package.load_id, self.pipeline_name, order.source.name)) as told:
            with self.steps.step("extract", package.load_id):
                try:
                    sealed = self.extract_into(order, package, known, beside)
                except BaseException:
                    beside.abandon()
                    with contextlib.suppress(OSError):
                        self.packages.discard(package)
                    raise
            if sealed is None:
                beside.abandon()
                self.packages.discard(package)
                told()
                return None
            infos = (extracted_info(sealed, beside.metrics),)
            self.steps.noted("extract", ExtractInfo(self.owner, since, now(), infos, first_run))
            return self._normalized(sealed, beside, known, first_run)

    def reporter(self) -> Reporter:
        """Return who tells others of loads, as the settings say when a run begins."""
        if self._reporter is None:
            self._reporter = reporter(self.destination, str(self.dataset_name), self.emit, tree_of)
        return self._reporter

    def extract_into(
        self, order: Order, package: Package, known: Schema | None, beside: Beside
    ) -> Package | None:
        """Pull the source and seal the package; None where loading it would change nothing."""
        name = order.source.name
        base = self.memory.source_state(name)
        loaded = known or Schema(name, naming=self._limits().naming)
        reset = self._reset(order, loaded, base)
        if order.in_memory and order.overlap:
            beside.early = connected(self._at_once, str(self.dataset_name), known, None)
        content = copy.deepcopy(reset.state if reset else base)
        protect = policy()
        package = self._declared(order, package, known, reset, protect)
        package = package.with_manifest(file_format=order.file_format)
        if order.overlap:
            dataset = str(self.dataset_name)
            beside.ahead = load_ahead(package, self._at_once, dataset, self.emit, beside.early)
            behind = beside.ahead is None or self._limits().lanes > 0
            package = replace(package, behind=behind, held=held_for(self._at_once))
            normalizer = Normalizer(package, self._limits(), self.options(), self.emit, taker=beside.ahead)
            beside.background = BackgroundNormalizer(normalizer)
        notes: dict[str, Any] = {}
        inputs = Inputs()
        asked = ExtractOptions(
            order.hints,
            limits=self._limits(),
            pull=order.pull,
            pipeline=self.owner,
            source_state=content,
            package_state=notes,
            metrics=beside.metrics,
            exact=self._can(loaded).exact,
            inputs=inputs,
            policy=protect,
            protected=order.protected,
        )
        package = extract(order.source, package, asked, self.emit, beside.background)
        if order.overlap and not beside.early and any(r.rows for r in package.manifest.resources):
            # Not sooner: the destination may be a file, which others can't open meanwhile.
            beside.early = connected(self._at_once, str(self.dataset_name), known, beside.ahead)
        package = with_inputs(package, inputs, self.emit)
        if order.remember is not None:
            order.remember(content)
        after = self.memory.next(name, base, content, self.destination, self.dataset_name)
        if beside.background:
            beside.background.drain(package)
        else:
            check_root_tables(package.manifest, default_contract())
        if not after.changed and is_empty(package, loaded):
            return None
        return package.save(
            state=after.state if after.changed else None,
            state_base=after.base if after.changed else None,
            package_state=notes,
        )

    def _normalized(
        self, package: Package, beside: Beside, known: Schema | None, first_run: bool
    ) -> Extracted:
        """Seal what was normalised beside extract."""
        if beside.background is None:
            return Extracted(package)
        since = now()
        try:
            with self.steps.step("normalize", package.load_id), self.discarding(package):
                # Not the folder's schema of now: a run beside this one may have changed it since.
                package = beside.background.finish(package, known)
        except BaseException:
            beside.abandon()
            raise
        if beside.background.is_anew and beside.ahead is not None:
            beside.ahead.abandon()  # its rows have other ids, and were found wanting
        infos = (normalized_info(package),)
        self.steps.noted("normalize", NormalizeInfo(self.owner, since, now(), infos, first_run))
        return Extracted(package, beside.ahead, beside.early)

    @property
    def _at_once(self) -> Destination | None:
        """What a run loads to beside extract: it has to hold the pipeline alone."""
        return self.destination if self._lock_depth else None

    def _reset(self, order: Order, stored: Schema, state: dict[str, Any]) -> Reset | None:
        """Tell what a refresh will drop, before anything is read."""
        if order.refresh is None:
            return None
        selected = [r for r in order.source.listed if r.selected]
        roots = roots_of(selected, order.hints, stored, self._limits())
        reset = plan(order.refresh, stored, roots, state, [r.name for r in selected])
        self.emit(Notice(f"{reset}, when the load of source `{order.source.name}` begins"))
        return reset

    def _declared(
        self, order: Order, package: Package, known: Schema | None, reset: Reset | None, protect: Policy
    ) -> Package:
        """Declare the resources, on a schema without what will be dropped."""
        if order.declare is not None:
            return order.declare(package, begun(order.source, known, self._can(known), None))
        if known is not None and reset is not None and reset.drops:
            # What a user's own schema declares of a table that goes holds for the table that comes.
            known = known.without_tables(reset.tables)
        files = self.memory.files
        imported = files.imported(order.source.name, known, self.emit)
        can = self._can(known)
        stored = begun(order.source, known, can, imported)
        package = declare(order.source, package, stored, order.hints, can.limits, can.exact, protect)
        declared = Schema.from_dict(package.manifest.schema)
        if self.destination is not None:
            package = checked(package, declared, self.destination, str(self.dataset_name))
        if files.imports is not None and not order.plans:
            package = package.with_manifest(schema=files.offer(declared).to_dict())
        if reset is None:
            return package
        dropped = {"drop_tables" if reset.drops else "empty_tables": reset.tables}
        return package.with_manifest(**dropped)

    def restore(self) -> None:
        """Take state and schemas from the destination where it knows more than the working folder."""
        assert self.destination is not None
        self.memory.restore(self.destination, str(self.dataset_name))

    def finish_pending(self) -> list[PackageInfo]:
        """Normalise and load what earlier runs left; their data comes before the new."""
        loaded = []
        for package in self.packages.pending():
            with self.discarding(package):
                if package.stage == "extracted":
                    package = self.normalize_package(package)
                loaded.append(self.load_package(Extracted(package), early=True))
        return loaded

    def discarding(self, package: Package) -> AbstractContextManager[None]:
        """Forget a package that breaks a contract: kept, it would stand in the way of every later run."""
        return discarding(package, self.packages, self.drop_pending)

    def _limits(self) -> Limits:
        return self.destination.limits if self.destination else Limits()

    def _can(self, known: Schema | None = None) -> Can:
        return Can(self._limits(), exact_doubles(self.destination, self.dataset_name, known))

    def options(self) -> Options:
        """Return the settings of normalize."""
        look = partial(checks_for, self.destination, self.dataset_name)
        origins = self.reporter().target is not None
        return options(self.max_rejects, look, keep_origins=origins, exact=self._can().exact)

    def normalize_package(self, package: Package) -> Package:
        """Normalise an extracted package on the newest schema, or a normalised one anew.

        Raises:
            DataError: a value can't be stored; the package stays as it was extracted.
        """
        if edits := edits_of(package):
            stored = self.folder.schema(package.manifest.schema["name"])
            return prepared(
                package, stored or Schema(package.manifest.schema["name"]), edits, *self._editing()
            )
        if package.stage in ("normalized", "streamed", "held"):
            # A kill in between must find an extracted package, not one whose ready files are half rewritten.
            package = replace(package, held=None).save(
                stage="extracted", ready=(), counts={}, **in_derived_names(package)
            )
        name = package.manifest.schema["name"]
        stored = self.folder.schema(name)
        run = Run.of(package.manifest)
        with self.reporter().watching(run), self.steps.step("normalize", package.load_id):
            if stored is not None:
                package = on_top(package, stored, self._limits())
            try:
                return normalize(package, stored, self._limits(), self.options(), self.emit)
            except DataError as error:
                # It is sealed, so it comes up again with every run until somebody decides.
                error.hint = f"{error.hint}{KEPT}" if error.hint else KEPT.removeprefix("; ")
                raise

    def settle(self, package: Package) -> Package:
        """Make the package's schema the pipeline's; normalise anew where another run changed it meanwhile."""
        schema = Schema.from_dict(package.manifest.schema)
        stored = self.folder.schema(schema.name)
        if stored is not None and not follows(package, schema, stored):
            package = self.normalize_package(package)
            schema = Schema.from_dict(package.manifest.schema)
        # Edits and what was loaded ahead hold once they are committed: the folder mustn't know names that the
        # destination hasn't, and what is normalised again must find the schema that it began with.
        if not package.manifest.edits and package.stage not in ("streamed", "held"):
            self._keep_schema(package, schema, stored)
        return package

    def _keep_schema(self, package: Package, schema: Schema, stored: Schema | None) -> None:
        """Make a package's schema the folder's, where it is the next one."""
        # A schema may come back to an earlier content: its hash is known, and it is the newest all the same.
        is_next = stored is None or package.manifest.base_hash == stored.version_hash
        if is_next and (stored is None or not is_same(schema, stored)):
            self._save_schema(schema)
        elif self.memory.files.exports is not None:
            self.memory.files.export(stored or schema)

    def _save_schema(self, schema: Schema) -> None:
        with durable(self.emit, "folder.schema"):
            self.folder.save_schema(schema)
        self.memory.files.export(schema)

    def load_package(self, extracted: Extracted, early: bool) -> PackageInfo:
        """Load a normalised package, then make its state the folder's; safe to repeat after a kill.

        Args:
            extracted: the package, owned by this process, and the load of it that began ahead, if one did.
            early: it was left by an earlier run.

        Raises:
            DestinationError: the package is kept.
        """
        assert self.destination is not None
        package, reporter = extracted.package, self.reporter()
        notes = copy.deepcopy(dict(package.manifest.package_state))
        with (
            reporter.watching(Run.of(package.manifest)),
            self.steps.step("load", package.load_id),
            extracted,
            noting(self.owner, self.packages, package, notes),
            whole(self.packages, package),
        ):
            package = self._with_newer(self.settle(package))
            # Settled anew, its rows aren't those that were loaded ahead.
            ahead = extracted.ahead if package is extracted.package else None
            result = ahead.commit(package) if ahead else None
            extracted.give_up()
            if result is None:
                package = package if package.stage == "held" else self._written(package)
                with keeping(package, self.packages, self._written):
                    package, result = self._load_newest(package, self.destination, extracted.early)
            schema = Schema.from_dict(package.manifest.schema)
            if package.manifest.edits:
                self._save_schema(schema)
            if package.manifest.state is not None:
                self.memory.save(package.manifest.state, self.destination)
            # Before the folder has the schema, and before `finish`: who is killed tells it again, not never.
            if result.changes or CHANGES_TABLE in package.manifest.counts:
                with self.folder.showing(schema):
                    notify(schema_changes(package, result, str(self.dataset_name)), self.listeners, self.emit)
            if package.stage in ("streamed", "held"):
                self._keep_schema(package, schema, self.folder.schema(schema.name))
            if package.manifest.resources:
                reporter.tell("COMPLETE", Run.of(package.manifest))
            self.packages.finish(package, "loaded", package_state=notes)
        grades = grades_of(package.manifest, self.destination)
        return loaded_info(package, result, grades, early)

    def _written(self, package: Package) -> Package:
        """Return a package that is all in files: normalised anew where rows were loaded ahead alone."""
        if package.stage == "held":
            return self.settle(package.save(stage="normalized"))
        return self.settle(self.normalize_package(package)) if package.stage == "streamed" else package

    def _with_newer(self, package: Package) -> Package:
        """Put its state on top of that of another run which committed meanwhile."""
        return self.memory.with_newer(self._written(package)) if self.memory.overtaken(package) else package

    def _load_newest(
        self, package: Package, destination: Destination, early: EarlySession | None
    ) -> tuple[Package, LoadResult]:
        """Load, and bring the package up to date first where others were faster."""
        dataset, name = self.dataset_name, package.manifest.schema["name"]
        for _ in range(_BEHIND_TRIES):
            try:
                return package, load(package, destination, str(dataset), self.emit, early)
            except StateMissing:
                # The dataset was dropped since, or the package that brings the state comes later.
                state = self.memory.next(name, {}, {}, destination, dataset).state
                package = self._written(package).save(state=state)
            except BehindDestination as error:
                if taken := isinstance(error, LoadIdTaken):
                    package = renamed(package, self.packages.another_id(), error.what)
                self.memory.catch_up(name, destination, str(dataset), forget=taken)
                package = self._with_newer(self.settle(self.normalize_package(package)))
        return package, load(package, destination, str(dataset), self.emit)

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Hold the pipeline's lock; nested uses count as one.

        Raises:
            PipelineIsRunning: the policy is to fail, or the wait took too long.
        """
        if self._lock_depth == 0:
            self.folder.make()
            wait_s = 0.0 if self.on_running == "fail" else self.running_wait_s
            if not self._lock.acquire(wait_s):
                raise PipelineIsRunning(
                    f"another run of pipeline `{self.pipeline_name}` is under way",
                    hint='wait for it to end, or pass on_running="wait" to ladle.pipeline',
                    working_dir=str(self.folder.root),
                )
        self._lock_depth += 1
        try:
            yield
        finally:
            self._lock_depth -= 1
            if self._lock_depth == 0:
                self._reporter = None
                self._lock.release()

    def load_schema(self, schema: Schema) -> PackageInfo:
        """Bring a schema to the destination by a load without rows."""
        return self._load_bare(schema, None)

    def load_state(self, state: dict[str, Any]) -> PackageInfo:
        """Bring a state to the destination by a load without rows."""
        name = state.get("default_schema_name")
        schema = self.folder.schema(name) if name else None
        return self._load_bare(schema or Schema(schema_name(self.pipeline_name)), state)

    def edit_schema(self, stored: Schema, edits: Sequence[Edit]) -> PackageInfo:
        """Make edits of a schema, here and at the destination, in one commit.

        Raises:
            UsageError, DestinationError: they can't be made; nothing was changed, and nothing is kept.
        """
        package = self.packages.create(self.pipeline_name)
        package = prepared(package, stored, edits, *self._editing())
        return self.load_package(Extracted(package), early=False)

    def _editing(self) -> tuple[Limits, bool]:
        return self._limits(), self.options().record_changes

    def _load_bare(self, schema: Schema, state: dict[str, Any] | None) -> PackageInfo:
        package = self.packages.create(self.pipeline_name)
        package.save(stage="normalized", schema=schema.to_dict(), base_hash=schema.version_hash, state=state)
        package = next(p for p in self.packages.pending() if p.load_id == package.load_id)
        return self.load_package(Extracted(package), early=False)

    def drop_pending(self, packages: Sequence[Package] | None = None) -> None:
        """Forget unfinished packages, all or those given; the folder is again as last committed.

        What normalize took into the schemas goes with the packages it came from.
        """
        dropped = self.packages.drop_damaged() if packages is None else 0
        for package in self.packages.pending() if packages is None else packages:
            self.packages.finish(package, "aborted")
            dropped += 1
        if dropped:
            with durable(self.emit, "folder.reset"):
                self.folder.reset()
            if self.destination is not None:
                # Out of reach now, the next run looks there first.
                with contextlib.suppress(DestinationError):
                    self.restore()
