"""Pull resources, turn their items into raw Arrow, write the raw stage of a package."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from typing import Any

from ladle.errors import PackageError, UsageError
from ladle.events import Emit
from ladle.extract.arrow import Where
from ladle.extract.batcher import BATCH_BYTES
from ladle.extract.declare import apply_hints, declare, table_name, wanted, with_root_key
from ladle.extract.jsoned import JsonPlan
from ladle.extract.outlets import Sorter
from ladle.extract.protecting import Guards
from ladle.extract.rejects import Rejects
from ladle.extract.stream import Outlet, Sink, Stream, TableSink
from ladle.package.manifest import DataFile, ResourceInfo
from ladle.package.store import Package
from ladle.schema.change import Limits
from ladle.schema.given_names import GivenNames
from ladle.schema.lattice import Exact
from ladle.schema.protection import NO_POLICY, Policy, with_protection
from ladle.schema.rejects import REJECTS_KEY
from ladle.schema.schema import Schema
from ladle.schema.table import LISTING, MARKED, Table
from ladle.sources.accounts import Account
from ladle.sources.current import Scope
from ladle.sources.hints import Hints
from ladle.sources.inputs import Inputs
from ladle.sources.lanes import Pulled, PullOptions
from ladle.sources.provenance import code_of
from ladle.sources.pull import Ended, Plain, turns
from ladle.sources.resource import Resource
from ladle.sources.source import Source

__all__ = ["ExtractOptions", "Sink", "apply_hints", "declare", "extract", "table_name"]


@dataclass(frozen=True, slots=True)
class ExtractOptions:
    """Settings of extract.

    Attributes:
        hints: given to the run; they win over the resources'.
        batch_bytes: aimed size of a batch, in bytes of Arrow data.
        limits: of the destination, for the lengths of names and the levels of nesting.
        pull: how many at once, and in which order; None as the settings say.
        pipeline: that runs.
        source_state: mutable; what resources remember. To be kept once the package is sealed.
        package_state: mutable; stored with the package.
        interval: start and end that a scheduler asks for.
        metrics: mutable; what resources count, by name.
        exact: tells whether doubles hold what a column has, where a hint asks for that.
        inputs: mutable; what resources say they read.
        policy: what is done to columns that are tagged as personal, and the key for it.
        protected: whether rows were protected before: they are rejects that come again.
    """

    hints: Hints
    batch_bytes: int = BATCH_BYTES
    limits: Limits = field(default_factory=Limits)
    pull: PullOptions | None = None
    pipeline: Any = None
    source_state: dict[str, Any] | None = None
    package_state: dict[str, Any] | None = None
    interval: tuple[Any, Any] | None = None
    metrics: dict[str, dict[str, Any]] = field(default_factory=dict)
    exact: Exact | None = None
    inputs: Inputs = field(default_factory=Inputs)
    policy: Policy = NO_POLICY
    protected: bool = False


def extract(
    source: Source,
    package: Package,
    options: ExtractOptions,
    emit: Emit,
    sink: TableSink | Sink | None = None,
) -> Package:
    """Pull all resources that the package declares and write the raw stage.

    Args:
        source: its resources are read once each, several at once where they are async or parallel.
        package: declared; owns the files.
        options: hints given to `run`, batch size, state, limits.
        emit: hears progress in rows.
        sink: also gets each raw batch, and tables declared meanwhile, so that normalize can run while extract
            goes on.

    Returns:
        The package, extracted, still to be saved: the caller adds the state, so that data and state are
        sealed in one step. Memory: O(one batch) for each resource that is being read.

    Raises:
        ResourceExtractionError: a resource's own code failed; the cause is its exception.
        DataError: an item can't be stored; names resource, row and path.
        ConfigError: a column is protected with a key, and there is none; nothing was read.
    """
    writer = package.writer("raw")
    try:
        work = _Extraction(source, package, options, Outlet(writer, emit, sink, options.inputs))
        work.pull()
        infos = work.infos()
        manifest = {"schema": work.schema.to_dict()} if work.redeclared else {}
        raw = writer.seal()
        return package.with_manifest(
            stage="extracted",
            raw=raw,
            resources=infos,
            resource_accounts=work.accounts(raw),
            **manifest,
        )
    except BaseException:
        writer.abandon()
        raise


class _Extraction:
    """One source being extracted: the schema as declared so far, and the streams begun so far."""

    def __init__(self, source: Source, package: Package, options: ExtractOptions, outlet: Outlet) -> None:
        self._source = source
        self._options = options
        self._outlet = outlet
        self.schema = Schema.from_dict(package.manifest.schema)
        self.redeclared = False
        self._infos = list(package.manifest.resources)
        self._streams: dict[str, Stream] = {}
        self._of_table: dict[tuple[int, str], Stream] = {}
        self._wanted = wanted(source, options.hints)
        self._infos_of = self._match(package.manifest.resources)
        self._json = _json_columns(self.schema.table_map.values())
        self._guards = Guards(options.policy, options.limits)
        if not options.protected:
            self._guards.check(self.schema, self._wanted, options.hints)
        self._accounts: dict[str, Account] = {}
        called = GivenNames.of(self.schema).table
        self._rejects = Rejects(
            outlet.writer, self._new_stream, lambda name: called(self._table_of(name)), self._hints_of
        )

    def _table_of(self, name: str) -> str:
        return table_name(self.schema, name, self._options.limits)

    def _hints_of(self, resource: Resource) -> Hints:
        return self._options.hints.over(resource.hints)

    def _match(self, infos: Sequence[ResourceInfo]) -> dict[int, int]:
        """Return the index of each declared resource's info; resources of a name come in order."""
        found: dict[int, int] = {}
        waiting = list(enumerate(infos))
        for resource in self._wanted:
            if waiting and waiting[0][1].name == resource.name and not self._is_dynamic(resource):
                found[id(resource)] = waiting.pop(0)[0]
        return found

    def _is_dynamic(self, resource: Resource) -> bool:
        return callable(self._options.hints.over(resource.hints).table_name)

    def pull(self) -> None:
        options = self._options
        scope = Scope(
            pipeline=options.pipeline,
            source=self._source,
            source_state=options.source_state if options.source_state is not None else {},
            package_state=options.package_state,
            interval=options.interval,
            metrics=options.metrics,
            inputs=options.inputs,
            accounts=self._accounts,
            refuse=self._rejects.take,
            hints=options.hints,
        )
        for resource in self._wanted:
            self._note_inputs(resource)
        sorters: dict[int, Sorter] = {}
        pull = options.pull or PullOptions(from_settings=True)
        pulled = turns(self._wanted, replace(pull, scope=scope))
        with closing(pulled):  # at once: an error keeps frames, and so generators, alive
            for got in pulled:
                if not isinstance(got, Ended):
                    self._take(got, sorters)
                    continue
                for stream in _streams_of(got, sorters):
                    stream.send(stream.batcher.flush())
        self._rejects.flush()

    def _note_inputs(self, resource: Resource) -> None:
        """Note what is known before a resource is read: what was said of it, and what its data says."""
        inputs = self._options.inputs
        for location in resource.inputs:
            inputs.add(resource.name, str(location))
        inputs.add_all(resource.name, resource.data)

    def _take(self, got: Pulled | Plain, sorters: dict[int, Sorter]) -> None:
        resource: Any = got.resource
        sorter = sorters.get(id(resource))
        if sorter is None:
            sorter = sorters[id(resource)] = Sorter(
                resource, self._options.hints, self.stream, self._options.inputs
            )
        if isinstance(got, Plain):
            sorter.drain(got)
        else:
            sorter.take(got.item, got.meta)

    def stream(self, resource: Resource, name: str, hints: Hints) -> Stream:
        """Return the stream of a table; declare the table where the package doesn't, or hints changed."""
        index = self._infos_of.get(id(resource))
        first = self._infos[index] if index is not None else None
        known = self._of_table.get((id(resource), name))
        declared = first is not None and name in first.parts.values()
        if not declared or known is not None or hints != self._options.hints.over(resource.hints):
            self._declare(resource, name, hints, marked=first is not None and not declared)
        if known is not None:
            if not self._options.protected:
                known.guarded(self._guards.of(self.schema, name))
            return known
        if declared and first is not None:
            key = next(iter(first.parts))
        else:
            key = self._new_part(resource, name, hints)
        stream = self._stream(key, resource, name, hints, self._outlet)
        self._streams[key] = self._of_table[id(resource), name] = stream
        return stream

    def _new_stream(self, resource: Resource, name: str, item: Any, outlet: Outlet) -> Stream:
        """Return a stream that treats rows as those of the table, and is none of it.

        A table that is named by its items may have got nothing but `item` and others that were refused: it is
        declared now, as its hints say what is protected.
        """
        hints = resource.hints_of_table(name) or self._hints_of(resource)
        if self._table_of(name) not in self.schema.table_map or hints.dynamic:
            with suppress(Exception):  # the item is one that doesn't fit, as its hints may not
                hints = hints.of_item(item)
            self._declare(resource, name, hints)
        return self._stream(REJECTS_KEY, resource, name, hints, outlet)

    def _stream(self, key: str, resource: Resource, name: str, hints: Hints, outlet: Outlet) -> Stream:
        # A destination's own limit goes before the source's, as in the reference.
        table = self.schema.table_map.get(table_name(self.schema, name, self._options.limits))
        limits = (
            hints.max_table_nesting,
            table.max_nesting if table is not None else None,
            self._options.limits.max_nesting,
            self._source.max_table_nesting,
            self.schema.max_nesting,
        )
        plan = self._plan(name, next((n for n in limits if n is not None), None))
        stream = Stream(key, Where(resource.name, name, 0), plan, self._options.batch_bytes, outlet)
        if not self._options.protected:
            stream.guarded(self._guards.of(self.schema, name))
        return stream

    def _new_part(self, resource: Resource, name: str, hints: Hints) -> str:
        key = str(len(self._infos))
        table = table_name(self.schema, name, self._options.limits)
        disposition = hints.write_disposition or "append"
        code = code_of(resource.data)
        self._infos.append(ResourceInfo(resource.name, table, disposition, parts={key: name}, code=code))
        return key

    def _declare(self, resource: Resource, name: str, hints: Hints, marked: bool = False) -> None:
        own = marked and hints.write_disposition == self._hints_of(resource).write_disposition
        hints = replace(hints.without_functions(), table_name=name).protected(self._options.policy)
        before = self.schema.table_map
        self.schema, table = apply_hints(
            self.schema, resource, hints, self._options.limits, self._options.exact
        )
        if own:
            self.schema = self.schema.with_tables([table.with_extra(**{MARKED: True})])
        self._check_agreed(table, resource)
        self.schema = with_root_key(self.schema, self._source)
        changed = [t for n, t in self.schema.table_map.items() if before.get(n) != t]
        if changed:
            self.schema = with_protection(self.schema, self._options.policy, changed)
            changed = [self.schema.table_map[t.name] for t in changed]
        if changed:
            self.redeclared = True
            self._json |= _json_columns(changed)
            self._outlet.declare(changed)

    def _check_agreed(self, table: Table, resource: Resource) -> None:
        for info in self._infos:
            if info.table == table.name and info.write_disposition != table.write_disposition:
                both = f"`{info.name}` and `{resource.name}`"
                raise UsageError(
                    f"resources {both} feed one table with different write dispositions",
                    table=table.name,
                    expected=f"one for both: `{info.write_disposition}` or `{table.write_disposition}`",
                    hint="give one of them another table_name, or pass write_disposition to run",
                )

    def _plan(self, name: str, max_nesting: int | None) -> JsonPlan:
        root = table_name(self.schema, name, self._options.limits)
        names = self.schema.convention
        below_root = root + names.separator
        below = {c for c in self._json if c[0] == root or c[0].startswith(below_root)}
        return JsonPlan(names, frozenset(below), max_nesting)

    def infos(self) -> tuple[ResourceInfo, ...]:
        """Return what became of each resource and table; declares those that are listed and got no row."""
        rows = {key: stream.rows for key, stream in self._streams.items()}
        found = (replace(i, rows=sum(rows.get(k, 0) for k in i.parts)) for i in self._infos)
        return (*found, *self._unnamed())

    def _unnamed(self) -> Iterator[ResourceInfo]:
        """Yield the tables that items named before, and none names now, where that has a meaning.

        Those of a resource that is replaced are emptied, of one that lists all its rows nothing is left.
        """
        taken = {info.table for info in self._infos}
        for resource in self._wanted:
            dynamic = self._is_dynamic(resource)
            of_items = [t for t in self.schema.table_map.values() if dynamic or t.extra.get(MARKED)]
            unnamed = [
                t for t in of_items if t.resource == resource.name and t.loaded and t.name not in taken
            ]
            own = self._hints_of(resource) if unnamed else resource.hints
            variants = {self._table_of(n): hints for n, hints in resource.variants.items()} if unnamed else {}
            for table in unnamed:
                hints = self._options.hints.over(variants[table.name]) if table.name in variants else own
                if hints.write_disposition == "merge" and hints.additional.get(LISTING):
                    self._declare(resource, table.name, hints, marked=not dynamic)
                elif hints.write_disposition != "replace":
                    continue
                disposition = str(hints.write_disposition)
                yield ResourceInfo(resource.name, table.name, disposition, code=code_of(resource.data))

    def accounts(self, raw: Sequence[DataFile]) -> dict[str, dict[str, int]]:
        """Return what became of the rows of each resource.

        Raises:
            PackageError: rows that the streams took aren't in the files.
        """
        of_key = {key: info.name for info in self._infos for key in info.parts}
        written: dict[str, int] = {}
        for file in raw:
            if file.table in of_key:
                name = of_key[file.table]
                written[name] = written.get(name, 0) + file.rows
        taken: dict[str, int] = {}
        for key, stream in self._streams.items():
            taken[of_key[key]] = taken.get(of_key[key], 0) + stream.rows
        lost = {n: c for n, c in taken.items() if c != written.get(n, 0)}
        if lost:
            raise PackageError(
                "not all rows that were read are in the package",
                expected=", ".join(f"{c} rows of `{n}`, not {written.get(n, 0)}" for n, c in lost.items()),
                hint="nothing was loaded; this is a fault of ladle, please report it",
            )
        names = dict.fromkeys(info.name for info in self._infos)
        return {n: self._accounts.get(n, Account()).of(written.get(n, 0)) for n in names}


def _json_columns(tables: Any) -> set[tuple[str, str]]:
    return {(t.name, c.name) for t in tables for c in t.columns.values() if c.data_type == "json"}


def _streams_of(ended: Ended, sorters: Mapping[int, Sorter]) -> list[Stream]:
    found = [sorters[id(r)] for r in ended.resources if id(r) in sorters]
    return [stream for sorter in found for stream in sorter.streams]
