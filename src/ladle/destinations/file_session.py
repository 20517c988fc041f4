"""FileSession: a load into a folder of files, committed by one marker that is written last."""

from __future__ import annotations

import itertools
import secrets
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from ladle.destinations.base import LoadOwner, LoadRecord
from ladle.destinations.file_catalog import INIT, FileCatalog, Intent
from ladle.destinations.files import PRIVATE, Files, age_s, errors, unique_name
from ladle.destinations.formats import Format, chunked, described, file_format, write_file
from ladle.destinations.layout import FileName, Layout
from ladle.errors import CommitFailed, CommitUnknown, DestinationError
from ladle.schema.change import AddTable, Change, Comment
from ladle.schema.change_names import DropTable, NameChange
from ladle.schema.schema import SYSTEM_TABLES
from ladle.schema.table import Table
from ladle.schema.types import arrow_type

FILE_BYTES = 256 << 20
"""Arrow bytes after which a table goes on in a new file."""

_ABANDONED_S = 7 * 24 * 3600.0
_COMMITTING_S = 60.0
"""After so long a load that began to commit is taken to be dead, until it is run again."""


@dataclass(frozen=True, slots=True)
class FileOptions:
    """How files are written.

    Attributes:
        layout: where they go.
        compressed: whether text formats are gzipped.
        max_file_bytes: Arrow bytes after which a table goes on in a new file.
        max_state_files: states kept per pipeline; older ones are deleted.
    """

    layout: Layout
    compressed: bool = True
    max_file_bytes: int = FILE_BYTES
    max_state_files: int = 100


class FileSession:
    """A load into a dataset's folder: G3.

    Data files are written below `_ladle/` under names of this session. The commit stores what it is going to
    do (`_ladle/<load_id>.json`), moves the data files into place, adds schema version and state, writes the
    row of `_dlt_loads`, and then deletes what was replaced. Who counts only files of loads that have their
    row, and passes over what a manifest lists as replaced, sees all of a load or nothing.

    Who just globs a table's folder never sees a part of a file, nor anything of a load that failed while
    writing. Between the first move and the end of the commit, usually milliseconds, a glob can show new files
    of one table and not yet those of another, and, with `replace`, new rows beside the old ones; it never
    shows an empty table. A process killed just there leaves the glob that view until the load is run again or
    another one is made; either finishes deleting, or takes back what was not committed.

    Args:
        files: of the dataset's folder; used by this session only.
        where: the folder as errors show it.
        options: layout and sizes.
    """

    def __init__(self, files: Files, where: str, options: FileOptions) -> None:
        self._files = files
        self._catalog = FileCatalog(files)
        self._where = where
        self._options = options
        self._session = unique_name()
        self._record: LoadRecord | None = None
        self._there: dict[str, dict[str, str]] | None = None
        self._legacy = False
        self._naming = threading.Lock()
        self._staged: dict[str, str] = {}
        self._filled: set[str] = set()
        self._cleared: list[str] = []
        self._old: list[str] = []
        self._replaced: dict[str, list[str]] = {}
        self._intent: Intent | None = None
        self._mine: list[str] = []
        self._newest: tuple[tuple[str, str], tuple[str | None, int]] | None = None

    # -- what is there

    def exists(self) -> bool:
        """Whether the dataset is there."""
        with self._errors("looking for the dataset"):
            return self._catalog.exists()

    def has_load(self, load_id: str) -> bool:
        """Whether the load has its row; then it also finishes deleting what that load replaced."""
        with self._errors("looking for the load"):
            if load_id not in self._catalog.committed():
                return False
            for intent in self._catalog.intents():
                if intent.load_id == load_id:
                    self._tidy_up(intent)
            return True

    def load_owner(self, load_id: str) -> LoadOwner:
        """Return whose committed load has the load id."""
        with self._errors("looking for the load"):
            return self._catalog.load_owner(load_id)

    def tables(self) -> Mapping[str, Mapping[str, str]]:
        """Return data types by column by table, from the stored schemas."""
        with self._errors("reading which tables exist"):
            if self._there is None:
                self._there = self._catalog.tables()
            return self._there

    def stored_state(self, pipeline: str) -> Mapping[str, Any] | None:
        """Return the newest state whose load is committed."""
        with self._errors("reading the state"):
            return self._catalog.state(pipeline)

    def stored_schema(self, name: str) -> Mapping[str, Any] | None:
        """Return the newest committed version."""
        with self._errors("reading the schema"):
            return self._catalog.schema(name)

    def newest(self, schema: str, pipeline: str) -> tuple[str | None, int]:
        """Return the newest schema hash and state version; the commit fails if they changed since."""
        with self._errors("looking for what other runs committed"):
            self._newest = (schema, pipeline), self._catalog.newest(schema, pipeline)
            return self._newest[1]

    def data_files(self, schema_name: str, table: str) -> list[str]:
        """Return the paths of a table's files that count, below the dataset's folder."""
        layout = self._options.layout
        with self._errors(f"listing the files of table `{table}`"):
            found = self._files.list(layout.prefix(schema_name, table))
            hidden = self._catalog.invisible() if found else set()
            owned = layout.owned(found, schema_name, table, self._known_tables())
            return [path for path in owned if path not in hidden]

    def _known_tables(self) -> set[str]:
        mine = self._record.schema.get("tables", {}) if self._record else {}
        return {*self.tables(), *mine}

    # -- the load

    def begin(self, record: LoadRecord) -> None:
        """Start the load; takes away what an earlier try of it, or a load given up long ago, has left.

        Raises:
            CommitFailed: another load with its id is being committed.
        """
        self._record = record
        with self._errors(f"beginning load `{record.load_id}`"):
            self._legacy = self._catalog.is_legacy()
            committed = self._catalog.committed()
            for intent in list(self._catalog.intents()):
                if intent.load_id in committed:
                    self._tidy_up(intent)
                elif intent.is_anothers(record) and _is_fresh(intent):
                    raise _beaten(record.load_id, "is committing another load of that id")
                elif intent.load_id == record.load_id or age_s(intent.session) > _ABANDONED_S:
                    self._take_back(intent)
            self._files.delete([p for p in self._files.list(f"{PRIVATE}/") if self._is_left_over(p)])

    def _is_left_over(self, path: str) -> bool:
        """Whether a file below `_ladle` is of an earlier try of this load, or was given up long ago."""
        assert self._record is not None
        _, load_id, *inner = path.split("/")
        if inner:
            return load_id == self._record.load_id or age_s(inner[0]) > _ABANDONED_S
        return load_id.endswith(".tmp") and age_s(load_id) > _ABANDONED_S

    def apply(self, changes: Sequence[Change]) -> None:
        """Check that tables can be stored; files need no DDL."""
        for change in changes:
            if isinstance(change, AddTable) and change.table.name not in SYSTEM_TABLES:
                self._path(change.table.name, file_id="0", extension="parquet")

    def comment(self, changed: Sequence[Comment]) -> None:
        """Nothing to do: comments are in the stored schema, and in each Parquet file as metadata."""

    def altering(self, changes: Sequence[NameChange]) -> list[str]:
        """Return nothing: files have no statements."""
        return []

    def alter(self, changes: Sequence[NameChange]) -> None:
        """Delete the files of dropped tables, once the load is committed; dropped columns stay in theirs."""
        self.drop([change.table for change in changes if isinstance(change, DropTable)])

    def drop(self, tables: Sequence[str]) -> None:
        """Delete the files of tables, once the load is committed."""
        for table in tables:
            self._replaced[table] = self.data_files(self._schema_name, table)
            self._old += self._replaced[table]

    def clear(self, tables: Sequence[str]) -> None:
        """Delete the files that are there now, once the load is committed."""
        self.drop(tables)
        self._cleared += tables

    def append(self, table: Table, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> int:
        """Write rows to files, a new one after each `max_file_bytes`. Memory: O(batch + chunk)."""
        chunks = chunked(batches, schema, self._format(table))
        rows = 0
        with self._errors(f"writing table `{table.name}`"):
            for first in chunks:
                rows += self._write_file(table, schema, itertools.chain([first], chunks))
        return rows

    def _write_file(self, table: Table, schema: pa.Schema, chunks: Iterable[pa.Table]) -> int:
        """Write one file; what doesn't fit stays in `chunks`."""
        kind = self._format(table)
        path = self._new_path(table.name, kind)
        options = self._options
        limit = options.max_file_bytes if options.layout.splits else 1 << 62
        columns = [table.columns[name] for name in schema.names]
        if kind.name == "parquet":
            schema = described(schema, table)
        try:
            with self._files.write(self._staged[path]) as stream:
                return write_file(stream, kind, options.compressed, schema, columns, chunks, limit)
        except FileNotFoundError as exc:
            assert self._record is not None
            raise _beaten(self._record.load_id, "took its files away") from exc

    @property
    def _schema_name(self) -> str:
        assert self._record is not None
        return str(self._record.schema["name"])

    def _format(self, table: Table) -> Format:
        """Return the format of a table; children have that of their root."""
        assert self._record is not None
        stored = self._record.schema.get("tables", {})
        root, parent = table.name, table.parent
        while parent is not None:
            root, parent = parent, stored.get(parent, {}).get("parent")
        return file_format(self._record.file_format, self._record.formats.get(root))

    def _new_path(self, table: str, kind: Format) -> str:
        """Choose where a new file will be, and where it is until the commit."""
        assert self._record is not None
        zipped = kind.gzipped and self._options.compressed and not self._legacy
        with self._naming:
            path = self._path(table, self._file_id(), kind.name + (".gz" if zipped else ""))
            if path in self._staged:
                raise DestinationError(
                    f"two files of load `{self._record.load_id}` would be stored at `{path}`",
                    table=table,
                    hint="add {file_id} to the layout",
                )
            self._filled.add(table)
            self._staged[path] = f"{PRIVATE}/{self._record.load_id}/{self._session}/{path}"
            return path

    def _file_id(self) -> str:
        """Return 10 hex digits, unique; where the load is named too, files sort in the order of the rows."""
        random = secrets.token_hex(5)
        return f"{len(self._staged):03x}{random[3:]}" if self._options.layout.names_load else random

    def _path(self, table: str, file_id: str, extension: str) -> str:
        assert self._record is not None
        name = FileName(self._schema_name, table, self._record.load_id, file_id, extension)
        path = self._options.layout.path(name)
        if path.split("/")[0] in (INIT, PRIVATE, *SYSTEM_TABLES) or "/" in table:
            raise DestinationError(
                f"table `{table}` can't be stored at `{path}`, which is taken by the dataset itself",
                table=table,
                hint='rename the table, or set a layout such as "data/{table_name}/{load_id}.{file_id}"',
            )
        return path

    # -- its end

    def commit(self, record: LoadRecord | None = None) -> None:
        """Move the data files into place and write the row of `_dlt_loads` last; then delete replaced files.

        Raises:
            DestinationError: before the row was written; nothing of the load counts. Also where the load was
                begun in other formats: those of tables that were declared later were not known then.
            CommitFailed: somebody took the load back meanwhile.
            CommitUnknown: writing the row failed, or another process wrote it meanwhile.
        """
        begun = self._record
        record = self._record = record or begun
        assert begun is not None
        assert record is not None
        if (record.file_format, record.formats) != (begun.file_format, begun.formats):
            raise DestinationError(
                f"load `{record.load_id}` was begun in another file format",
                hint="load the package from its files: what was written in the old format is taken away",
            )
        with self._errors(f"committing load `{record.load_id}`"):
            self._write_empty_tables()
            self._check_not_loaded(record)
            try:
                self._publish(record)
            except FileNotFoundError as exc:
                raise _beaten(record.load_id, "took it back") from exc
        self._mine = []
        try:
            self._catalog.write_load(record)
        except OSError as exc:
            raise CommitUnknown(
                f"writing the row of load `{record.load_id}` failed: {exc}",
                load_id=record.load_id,
                hint="run again: it looks for the load id first, then commits or goes on",
            ) from exc
        intent, self._intent = self._intent, None
        try:
            if intent is not None:
                self._tidy_up(intent)
            self._files.delete(self._catalog.surplus_states(record.pipeline, self._options.max_state_files))
        except OSError:
            pass  # the load is committed: the next one tidies up

    def _write_empty_tables(self) -> None:
        """Give tables that were emptied a file without rows, so that a glob still finds a table."""
        assert self._record is not None
        stored = self._record.schema.get("tables", {})
        for name in dict.fromkeys(self._cleared):
            table = Table.from_dict(name, stored.get(name, {}))
            if name in self._filled or not table.loaded:
                continue
            columns = table.typed_columns()
            self._write_file(table, pa.schema([(c.name, arrow_type(c)) for c in columns]), iter(()))

    def _publish(self, record: LoadRecord) -> None:
        self._catalog.write_init()
        version = self._catalog.version_path(record)
        state = None if record.state is None else self._catalog.state_path(record)
        new = (*self._staged, *(path for path in (version, state) if path is not None))
        plan = (new, tuple(self._old), tuple(self._replaced), time.time())
        whose = (record.schema["name"], record.pipeline)
        intent = self._intent = Intent(record.load_id, self._session, *plan, *whose)
        # Names that no other session of the load has: the row would make them count, even if it isn't ours.
        self._mine = [*(self._staged if self._options.layout.splits else ()), *([version] if version else ())]
        self._catalog.write_intent(intent)
        for path, staged in self._staged.items():
            self._files.move(staged, path)
        if version is not None:
            self._catalog.write_version(version, record)
        if state is not None:
            self._catalog.write_state(state, record)
        self._check_alone(record, intent)

    def _check_not_loaded(self, record: LoadRecord) -> None:
        """Look once more: while this process was stopped, another may have loaded the same package."""
        if record.load_id in self._catalog.committed():
            raise CommitUnknown(
                f"another process committed load `{record.load_id}` meanwhile", load_id=record.load_id
            )

    def _check_alone(self, record: LoadRecord, intent: Intent) -> None:
        taken_back = self._catalog.intent(intent.path) != intent
        if taken_back or (self._newest and self._catalog.newest(*self._newest[0]) != self._newest[1]):
            what = "took it back" if taken_back else "committed the same schema or state"
            raise _beaten(record.load_id, what)
        if self._replaced:
            self._check_replaced(record, intent)

    def _check_replaced(self, record: LoadRecord, intent: Intent) -> None:
        """Look once more at what is replaced: rows that came since would stay beside those that replace them.

        Of two loads that replace a table at once, each stored its intent before it looks: one sees the other.
        """
        for table, files in self._replaced.items():
            if self.data_files(self._schema_name, table) != files:
                raise _beaten(record.load_id, f"loaded into table `{table}`")
        committed = self._catalog.committed()
        for other in self._catalog.intents():
            both = self._replaced.keys() & other.replaces
            if both and _is_fresh(other) and other.path != intent.path and other.load_id not in committed:
                raise _beaten(record.load_id, f"is replacing table `{min(both)}`")

    def _tidy_up(self, intent: Intent) -> None:
        """Delete what a committed load replaced; the manifest last, so that it can be done again."""
        self._files.delete(intent.old)
        self._files.delete([intent.path])

    def _take_back(self, intent: Intent) -> None:
        """Delete what a load that wasn't committed has put in place."""
        self._files.delete(intent.new)
        self._files.delete([intent.path])

    def close(self) -> None:
        """Delete what was written, unless it is committed; what can't be deleted now, a later load does."""
        record, self._record = self._record, None
        if record is None:
            return
        intent, self._intent = self._intent, None
        try:
            if intent is not None and record.load_id not in self._catalog.committed():
                self._take_back(intent)
            self._files.delete([*self._mine, *self._staged.values()])
        except (OSError, DestinationError):
            pass  # nothing of it counts without the row, and its own error is on its way

    def _errors(self, doing: str) -> AbstractContextManager[None]:
        return errors(doing, self._where)


def _is_fresh(intent: Intent) -> bool:
    """Whether who stored it may still be committing."""
    return time.time() - intent.stored_at < _COMMITTING_S


def _beaten(load_id: str, what: str) -> CommitFailed:
    return CommitFailed(
        f"load `{load_id}` was not committed: another process {what} meanwhile",
        load_id=load_id,
        hint="run again: the package is kept",
    )
