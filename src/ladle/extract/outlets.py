"""Sort the items of one resource into the streams of its tables."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ladle.errors import UsageError
from ladle.extract.files import file_batches
from ladle.extract.stream import Stream
from ladle.sources.hints import Hints
from ladle.sources.inputs import Inputs
from ladle.sources.mark import FileImport, Marked, MaterializedEmptyList, NewHints, TableName
from ladle.sources.pipe import Special, is_special
from ladle.sources.pull import Plain
from ladle.sources.resource import Resource

if TYPE_CHECKING:
    from collections.abc import Callable

_END = object()


class Sorter:
    """Takes what one resource gives, and puts each item into the stream of its table.

    Args:
        resource: whose items come.
        over: hints given to the run, which win.
        stream_of: makes or finds the stream of a table, by its source name and hints without functions.
        inputs: where files that are imported are noted.
    """

    def __init__(
        self,
        resource: Resource,
        over: Hints,
        stream_of: Callable[[Resource, str, Hints], Stream],
        inputs: Inputs,
    ) -> None:
        self._resource = resource
        self._inputs = inputs
        self._over = over
        self._hints = over.over(resource.hints)
        self._variants: dict[str, Hints] = {}
        self._stream_of = stream_of
        self._streams: dict[str, Stream] = {}
        self._declared: dict[str, Hints] = {}
        self._main: Stream | None = None
        self._named: dict[str, Stream] = {}
        self._dynamic = bool(self._hints.dynamic)

    @property
    def rows(self) -> int:
        """Rows taken so far."""
        return sum(stream.rows for stream in self._streams.values())

    @property
    def streams(self) -> Iterator[Stream]:
        """The streams begun so far."""
        return iter(self._streams.values())

    def main(self) -> Stream | None:
        """Return the one stream of a resource without hints that are functions."""
        if self._main is None and not callable(self._hints.table_name) and not self._dynamic:
            self._main = self._stream(self._hints.table_name or self._resource.name, self._hints)
        return self._main

    def _stream(self, name: str, hints: Hints) -> Stream:
        known = self._streams.get(name)
        if known is not None and self._declared[name] is hints:
            return known
        if known is not None and self._declared[name] == hints:
            return known
        stream = self._streams[name] = self._stream_of(self._resource, name, hints)
        self._declared[name] = hints
        return stream

    def drain(self, turn: Plain) -> None:
        """Take a turn's items; this is the fast path: nothing is paid per row but the row itself."""
        main = self.main()
        if main is None:
            self._drain_one_by_one(turn)
            return
        items, batcher, send = turn.items, main.batcher, main.send
        while True:
            try:
                item = next(items, _END)
            except Exception as exc:  # noqa: BLE001 - told as an error of the resource
                turn.reraise(exc, self.rows)
            kind = type(item)
            if kind is dict:
                batch = batcher.add_row(item)  # type: ignore[arg-type]
                if batch is not None:
                    send(batch)
            elif kind is list:
                main.take_page(item)  # type: ignore[arg-type]
            elif item is _END:
                return
            elif kind is Special or is_special(kind):
                if kind is not Marked or is_special(type(item.item)):  # type: ignore[attr-defined]
                    turn.divert(item)
                    return
                self.take(item.item, item.meta)  # type: ignore[attr-defined]
                main = self.main()
                if main is None:
                    self._drain_one_by_one(turn)
                    return
                batcher, send = main.batcher, main.send
            else:
                main.take(item)

    def _drain_one_by_one(self, turn: Plain) -> None:
        while True:
            try:
                item = next(turn.items, _END)
            except Exception as exc:  # noqa: BLE001 - told as an error of the resource
                turn.reraise(exc, self.rows)
            if item is _END:
                return
            if type(item) is Special or is_special(type(item)):
                turn.divert(item)
                return
            self.take(item, None)

    def take(self, item: Any, meta: Any) -> None:
        """Take one item with what was marked on it."""
        if isinstance(meta, TableName):
            self._put(item, meta.table_name, self._hints_for(meta.table_name))
            return
        if isinstance(meta, NewHints) and meta.hints:
            self._change(meta)
            name = meta.hints.get("table_name")
            if meta.create_table_variant and isinstance(name, str):
                self._put(item, name, self._variants[name])
                return
        if not callable(self._hints.table_name) and not self._dynamic:
            self._put(item, self._hints.table_name or self._resource.name, self._hints)
        elif type(item) is list:
            for row in item:
                self._put_by_item(row)
        else:
            self._put_by_item(item)

    def _change(self, mark: NewHints) -> None:
        given = mark.hints
        if given.get("incremental") is not None:
            raise UsageError(
                "a cursor can't come with an item: what came before it wasn't compared",
                resource=self._resource.name,
                hint="give it to the resource: incremental=..., or apply_hints before the run",
            )
        name = given.get("table_name")
        if mark.create_table_variant and isinstance(name, str):
            self._variants[name] = self._hints_for(name).applied(given)
        else:
            self._hints = self._hints.applied(given)
            self._main = None
            self._dynamic = bool(self._hints.dynamic)
        self._named.clear()

    def _hints_for(self, table: str) -> Hints:
        known = self._variants.get(table) or self._resource.hints_of_table(table)
        if known is None:
            known = replace(self._hints.without_functions(), table_name=table)
        self._variants[table] = known
        return known

    def _put_by_item(self, item: Any) -> None:
        if item is None:
            return
        if isinstance(item, (MaterializedEmptyList, FileImport)):
            raise UsageError(
                "the table is a function of the item, and a file or an empty table is none",
                resource=self._resource.name,
                hint='name the table: hints=ladle.mark.make_hints(table_name="...")',
            )
        if not self._dynamic:
            self._put_by_name(item)
            return
        hints = self._hints.of_item(item)
        name = hints.table_name or self._resource.name
        variant = self._variants.get(name) or self._resource.hints_of_table(name)
        self._put(item, name, variant or hints)

    def _put_by_name(self, item: Any) -> None:
        """Put an item where only the table depends on it: hints are looked at once for each table."""
        name = self._hints.table_name(item)
        stream = self._named.get(name) if isinstance(name, str) else None
        if stream is not None:
            stream.take(item)
            return
        checked = self._hints.of_item(item)
        self._put(item, name, self._variants.get(name) or self._resource.hints_of_table(name) or checked)
        self._named[name] = self._streams[name]

    def _put(self, item: Any, name: str, hints: Hints) -> None:
        if item is None:
            if name in self._streams:
                self._stream(name, hints)
            return
        stream = self._stream(name, hints)
        if isinstance(item, MaterializedEmptyList):
            stream.materialize()
        elif isinstance(item, FileImport):
            rows = 0
            for batch in file_batches(item.path, item.file_format, stream.guard is not None):
                stream.take_frame(batch)
                rows += batch.num_rows
            self._inputs.add(self._resource.name, item.path, rows=rows)
        else:
            stream.take(item)
