"""Pull resources, turn their items into raw Arrow, write the raw stage of a package."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import pyarrow as pa

from ladle.errors import LadleError, SourceError, UsageError
from ladle.events import Emit, Progress
from ladle.extract.arrow import Where
from ladle.extract.batcher import BATCH_BYTES, Batcher
from ladle.extract.frames import frame_batches, is_frame
from ladle.extract.jsoned import JsonPlan, to_array_keeping_json
from ladle.package.manifest import ResourceInfo
from ladle.package.raw import hoist_deep
from ladle.package.store import Package, StageWriter
from ladle.schema.change import Limits
from ladle.schema.naming import naming
from ladle.schema.schema import SYSTEM_TABLES, Schema
from ladle.schema.table import Column, Table
from ladle.sources.resource import Hints, Resource, Source

Sink = Callable[[str, str, pa.RecordBatch], None]
_MAX_NESTED_GENERATORS = 20
_UNLIMITED = Limits()
_TYPE_HINTS = ("data_type", "precision", "scale", "timezone")


@dataclass(frozen=True, slots=True)
class ExtractOptions:
    """Settings of extract.

    Attributes:
        hints: given to the run; they win over the resources'.
        batch_bytes: aimed size of a batch, in bytes of Arrow data.
        limits: of the destination, for the levels of nesting.
    """

    hints: Hints
    batch_bytes: int = BATCH_BYTES
    limits: Limits = field(default_factory=Limits)


def table_name(schema: Schema, source: str, limits: Limits) -> str:
    """Return the name of a root table as it will be at the destination."""
    names = naming(schema.naming)
    return names.table(names.fit(source, max_length=limits.max_table_name))


def apply_hints(
    schema: Schema, resource: Resource, hints: Hints, limits: Limits = _UNLIMITED
) -> tuple[Schema, Table]:
    """Return the schema with the resource's root table as declared, and that table.

    Hints win over what the schema knows; column hints are merged one by one; a primary or merge key
    replaces an earlier one.

    Raises:
        UsageError: the table is a child table.
    """
    name = table_name(schema, hints.table_name or resource.name, limits)
    if name in SYSTEM_TABLES:
        raise UsageError(
            f"the table name `{name}` is taken: ladle keeps its own records there",
            resource=resource.name,
            hint="choose another table_name",
        )
    table = schema.table_map.get(name) or Table(name, resource=resource.name, write_disposition="append")
    if table.parent is not None:
        raise UsageError(
            f"resource `{resource.name}` can't write to `{name}`: it holds a list of table `{table.parent}`",
            table=name,
            hint="choose another table_name",
        )
    fit = partial(naming(schema.naming).fit, max_length=limits.max_column_name)
    columns = {fit(n): {**_known(table, fit(n)), **c} for n, c in hints.columns.items()}
    for hint, keys in (("primary_key", hints.primary_key), ("merge_key", hints.merge_key)):
        if keys is not None:
            for known in table.columns.values():
                if getattr(known, hint):
                    columns.setdefault(known.name, _known(table, known.name))[hint] = False
            for key in keys:
                column = columns.setdefault(fit(key), _known(table, fit(key)))
                column[hint] = True
                column.setdefault("nullable", False)
    declared = [Column.from_dict(n, c) for n, c in columns.items()]
    for hinted in declared:
        _check_type(table, hinted, resource.name)
    table = table.with_columns(declared)
    table = replace(table, write_disposition=hints.write_disposition or "append")
    if hints.file_format is not None:
        table = table.with_extra(file_format=hints.file_format)
    return schema.with_tables([table]), table


def _check_type(table: Table, column: Column, resource: str) -> None:
    """Refuse a hint that gives a column with data another type: the destination keeps the one it has."""
    known = table.columns.get(column.name)
    if known is None or known.data_type is None or "x-normalizer" not in table.extra:
        return
    changed = [h for h in _TYPE_HINTS if getattr(column, h) != getattr(known, h)]
    if changed:
        was = ", ".join(f"{h}={getattr(known, h)}" for h in changed)
        wanted = ", ".join(f"{h}={getattr(column, h)}" for h in changed)
        raise UsageError(
            f"column `{column.name}` of table `{table.name}` was loaded with {was}, a hint asks for {wanted}",
            resource=resource,
            expected="the type it has: the destination keeps it",
            hint='start the table over with refresh="drop_resources", or load into another column or table',
        )


def _known(table: Table, column: str) -> dict[str, Any]:
    known = table.columns.get(column)
    if known is None:
        return {}
    stored = known.to_dict()
    # Nullability by default isn't a declaration: a key hint may still set it.
    return {k: v for k, v in stored.items() if k != "name" and not (k == "nullable" and v is True)}


def _plan(schema: Schema, max_nesting: int | None) -> JsonPlan:
    declared = frozenset(
        (t.name, c.name)
        for t in schema.table_map.values()
        for c in t.columns.values()
        if c.data_type == "json"
    )
    return JsonPlan(naming(schema.naming), declared, max_nesting)


def declare(
    source: Source, package: Package, schema: Schema, hints: Hints, limits: Limits = _UNLIMITED
) -> Package:
    """Return the package with the schema as all selected resources declare it, and what they are.

    Args:
        source: its resources aren't read yet.
        package: new.
        schema: what is known of the source's tables.
        hints: given to `run`; they win over the resources'.
        limits: of the destination, for the lengths of names.

    Raises:
        UsageError: two resources of one table ask for different write dispositions.
    """
    infos: list[ResourceInfo] = []
    asked: dict[str, tuple[str, str]] = {}
    for resource in source.resources:
        merged = hints.over(resource.hints)
        if not resource.selected or merged.write_disposition == "skip":
            continue
        schema, table = apply_hints(schema, resource, merged, limits)
        if merged.write_disposition is not None:
            first = asked.setdefault(table.name, (merged.write_disposition, resource.name))
            _check_agreed(first, merged, resource)
        parts = {str(len(infos)): merged.table_name or resource.name}
        infos.append(ResourceInfo(resource.name, table.name, "append", parts=parts))
    infos = [replace(i, write_disposition=asked.get(i.table, ("append", ""))[0]) for i in infos]
    schema = schema.with_tables(
        replace(schema.table_map[i.table], write_disposition=i.write_disposition) for i in infos
    )
    schema = _with_root_key(schema, source)
    return package.with_manifest(schema=schema.to_dict(), resources=tuple(infos))


def _check_agreed(first: tuple[str, str], hints: Hints, resource: Resource) -> None:
    disposition, name = first
    if disposition == hints.write_disposition:
        return
    raise UsageError(
        f"resources `{name}` and `{resource.name}` feed one table with different write dispositions",
        table=hints.table_name or resource.name,
        expected=f"one for both: `{disposition}` or `{hints.write_disposition}`",
        hint="give one of them another table_name, or pass write_disposition to run",
    )


def extract(
    source: Source, package: Package, options: ExtractOptions, emit: Emit, sink: Sink | None = None
) -> Package:
    """Pull all resources that the package declares and flush the raw stage to disk.

    Args:
        source: its resources are read in order, each once.
        package: declared; owns the files.
        options: hints given to `run` and batch size.
        emit: hears progress in rows.
        sink: also gets each raw batch, so that normalize can run while extract goes on.

    Returns:
        The package, extracted, still to be saved: the caller adds the state, so that data and state are
        sealed in one step. Memory: O(one batch).

    Raises:
        SourceError: a resource's own code failed; the cause is its exception.
        DataError: an item can't be stored; names resource, row and path.
    """
    writer = package.writer("raw")
    schema = Schema.from_dict(package.manifest.schema)
    waiting = list(package.manifest.resources)
    done = []
    try:
        for resource in source.resources:
            if not waiting or not resource.selected or waiting[0].name != resource.name:
                continue
            nesting = (
                options.hints.over(resource.hints).max_table_nesting,
                options.limits.max_nesting,
                source.max_table_nesting,
            )
            plan = _plan(schema, next((n for n in nesting if n is not None), None))
            stream = _Stream(waiting.pop(0), plan, options.batch_bytes, writer, emit, sink)
            done.append(stream.pull(resource))
        return package.with_manifest(stage="extracted", raw=writer.seal(), resources=tuple(done))
    except BaseException:
        writer.abandon()
        raise


def _with_root_key(schema: Schema, source: Source) -> Schema:
    if source.root_key is None:
        return schema
    roots = [t for t in schema.table_map.values() if t.parent is None]
    return schema.with_tables(t.with_extra(**{"x-root-key": source.root_key or None}) for t in roots)


class _Stream:
    """The raw stream of one resource: batches on their way to the package, and to the sink if any."""

    def __init__(
        self,
        info: ResourceInfo,
        plan: JsonPlan,
        batch_bytes: int,
        writer: StageWriter,
        emit: Emit,
        sink: Sink | None,
    ) -> None:
        self._info = info
        self._key, self._root = next(iter(info.parts.items()))
        self._where = Where(info.name, self._root, 0)
        self._plan = plan
        self._batcher = Batcher(self._where, plan, batch_bytes)
        self._writer = writer
        self._emit = emit
        self._sink = sink

    def pull(self, resource: Resource) -> ResourceInfo:
        try:
            items = iter(resource.items())
        except LadleError:
            raise
        except Exception as exc:
            raise self._failed(exc) from exc
        while True:
            try:
                item = next(items, _END)
            except LadleError:
                raise
            except Exception as exc:
                raise self._failed(exc) from exc
            if item is _END:
                break
            self._take(item, 0)
        self._send(self._batcher.flush())
        return replace(self._info, rows=self._batcher.rows)

    def _failed(self, exc: Exception) -> SourceError:
        return SourceError(
            f"resource `{self._info.name}` failed with {type(exc).__name__}: {exc}",
            resource=self._info.name,
            row=self._batcher.rows,
            hint="nothing of this run was loaded; the row says how far it had come",
        )

    def _take(self, item: Any, depth: int) -> None:
        kind = type(item)
        if kind is dict:
            self._send(self._batcher.add_row(item))
        elif item is None:
            return
        elif kind is list:
            if item and all(map(is_frame, item)):
                for frame in item:
                    self._take(frame, depth)
                return
            for batch in self._batcher.add(item):
                self._send(batch)
        elif is_frame(item):
            self._take_frame(item)
        elif inspect.isgenerator(item) or isinstance(item, Resource):
            self._take_generator(item, depth)
        else:
            for batch in self._batcher.add([item]):
                self._send(batch)

    def _take_generator(self, item: Iterable[Any], depth: int) -> None:
        if depth >= _MAX_NESTED_GENERATORS:
            raise UsageError(
                f"resource `{self._info.name}` yields generators nested deeper than {_MAX_NESTED_GENERATORS}",
                hint="yield items, not the generator itself",
            )
        for inner in item:
            self._take(inner, depth + 1)

    def _take_frame(self, frame: Any) -> None:
        self._send(self._batcher.flush())
        for batch in frame_batches(frame, self._where.at(self._batcher.rows)):
            if not self._plan.is_empty and any(pa.types.is_nested(f.type) for f in batch.schema):
                batch = self._keeping_json(batch)
            self._batcher.skip(batch.num_rows)
            self._send(batch)

    def _keeping_json(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        # Arrow has no kernel that makes JSON text: only frames with nested columns that must be kept whole
        # take the way of rows.
        nested = [f.name for f in batch.schema if pa.types.is_nested(f.type)]
        where = self._where.at(self._batcher.rows)
        array = to_array_keeping_json(batch.select(nested).to_pylist(), self._plan, where)
        made = dict(zip(nested, array.flatten(), strict=True))
        arrays = [made.get(n, a) for n, a in zip(batch.schema.names, batch.columns, strict=True)]
        whole = hoist_deep(pa.StructArray.from_arrays(arrays, names=batch.schema.names))
        return pa.RecordBatch.from_struct_array(whole).replace_schema_metadata(batch.schema.metadata)

    def _send(self, batch: pa.RecordBatch | None) -> None:
        if batch is None:
            return
        self._writer.append(self._key, batch)
        self._emit(Progress("extract", self._info.name, batch.num_rows))
        if self._sink is not None:
            self._sink(self._info.name, self._root, batch)


_END = object()
