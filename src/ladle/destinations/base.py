"""What load needs of a destination: the protocols, and the values that pass between them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol, cast

import pyarrow as pa
from sqlglot import exp

from ladle.destinations.reading import Reader
from ladle.errors import UsageError
from ladle.schema.change import Change, Comment, Limits
from ladle.schema.change_names import NameChange
from ladle.schema.table import Column, Table

GUARANTEES = {
    "G4": "exactly once, all tables of a load at once",
    "G3": "exactly once per table",
    "G2": "keyed: replaying a load converges",
    "G1": "at least once",
    "G0": "best effort",
}


@dataclass(frozen=True, slots=True)
class LoadRecord:
    """What makes a load complete, committed together with its data.

    Attributes:
        load_id: of the package.
        schema: stored form, with `name`, `version` and `version_hash`.
        pipeline: the pipeline's name.
        state: pipeline state to store, or None where it didn't change.
        inserted_at: unix time in seconds.
        replaced: names of the tables that this load replaces.
        batch_bytes: size in memory of the largest batch that will come.
        file_format: asked for by the run; None for the destination's own choice.
        formats: file format by table where a resource asks for another.
        folder: the package's, for a destination that notes there what it has done.
    """

    load_id: str
    schema: Mapping[str, Any]
    pipeline: str
    state: Mapping[str, Any] | None
    inserted_at: float
    replaced: tuple[str, ...] = ()
    batch_bytes: int = 0
    file_format: str | None = None
    formats: Mapping[str, str] = field(default_factory=dict)
    folder: str | None = None


@dataclass(frozen=True, slots=True)
class LoadOwner:
    """Whose the committed loads of one load id are, as far as a dataset tells.

    Attributes:
        schemas: names of their schemas, one for each load: there are several where another tool didn't look.
        pipelines: whose state came with them; most loads bring none.
    """

    schemas: tuple[str | None, ...]
    pipelines: tuple[str, ...] = ()

    def is_other(self, schema: str, pipeline: str) -> bool:
        """Whether none of them can be a load of that schema by that pipeline."""
        if schema not in self.schemas:
            return True
        return len(self.schemas) == 1 and bool(self.pipelines) and pipeline not in self.pipelines

    def __str__(self) -> str:
        named = [f"schema `{name}`" for name in self.schemas]
        return ", ".join([*named, *(f"pipeline `{name}`" for name in self.pipelines)])


class Session(Protocol):
    """One load into one dataset. Nothing is visible to others before `commit` returns.

    A session that is closed without commit leaves the dataset as it was.
    """

    def begin(self, record: LoadRecord) -> None:
        """Start the load; makes the dataset where it is missing."""

    def has_load(self, load_id: str) -> bool:
        """Whether the load is committed already. Works before `begin`, and where no dataset is."""

    def tables(self) -> Mapping[str, Mapping[str, str]]:
        """Return what is there: types by column by table."""

    def apply(self, changes: Sequence[Change]) -> None:
        """Create tables and add columns, with the comments on them where the destination keeps any."""

    def comment(self, changed: Sequence[Comment]) -> None:
        """Change comments of tables and columns; nothing where the destination keeps none."""

    def altering(self, changes: Sequence[NameChange]) -> list[str]:
        """Return the statements that `alter` would run; none where it only forgets. Works before `begin`."""

    def alter(self, changes: Sequence[NameChange]) -> None:
        """Rename and drop tables and columns; what is done already is passed over.

        Renames only come where `Limits.renames` is true.
        """

    def drop(self, tables: Sequence[str]) -> None:
        """Drop tables, those that exist."""

    def clear(self, tables: Sequence[str]) -> None:
        """Remove all rows that were there before this load."""

    def append(self, table: Table, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> int:
        """Write rows; returns how many. All batches have `schema`, column names as in `table`.

        Called for several tables at once where `Limits.writers` or `Limits.lanes` is more than 1.
        """

    def commit(self, record: LoadRecord | None = None) -> None:
        """Make data, schema version, state and loads row visible, all at once.

        Args:
            record: where schema or state became known only after `begin`; None for the one given there.

        Raises:
            CommitFailed: certainly not applied.
            CommitUnknown: it may be; look with `has_load` on a new session.
        """

    def stored_state(self, pipeline: str) -> Mapping[str, Any] | None:
        """Return the newest committed state of a pipeline, decoded; None where there is none."""

    def stored_schema(self, name: str) -> Mapping[str, Any] | None:
        """Return the newest stored schema of that name; None where there is none."""

    def newest(self, schema: str, pipeline: str) -> tuple[str | None, int | None]:
        """Return hash of the newest stored version of a schema, and the newest state version of a pipeline.

        None and 0 where there is none; None and None where the destination never keeps any. Asked inside the
        load, to see whether another run was faster.
        """

    def exists(self) -> bool:
        """Whether the dataset is there."""

    def close(self) -> None:
        """Give up what isn't committed, and the connection. Safe to repeat."""


class MergingSession(Session, Protocol):
    """A session in which new rows wait beside the old ones until SQL brings them in, in one transaction."""

    def stage(self, table: Table, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> int:
        """Write rows to a table of the load's own, which nobody else sees; returns how many.

        Its columns are those of `schema`, with the types that the destination's table has. Called again, it
        adds rows, where the destination streams; these have no other columns than the first.
        """

    def staged(self, name: str) -> exp.Table:
        """Return a reference to a table of the load's own; one of each name."""

    def place(self, table: str) -> exp.Table:
        """Return a reference to a table of the dataset."""

    def row_order(self) -> exp.Expression:
        """Return what rows of a staged table are sorted by to come in the order they were written."""

    def replaces_rows(self, table: str) -> bool:
        """Whether a row of the table had better be deleted and added anew than have its columns changed."""

    @property
    def notes_first(self) -> bool:
        """Whether an INSERT had better find its rows by a note than read the table that it writes to."""

    def let_repeat(self, table: str, column: str) -> None:
        """See to it that a column which was unique so far may have a value twice."""

    def fill(self, table: Table, cells: Sequence[tuple[str, str, str]]) -> None:
        """Put values into rows that are there: column, id of the row, and the value as text."""

    def ask(self, query: exp.Expression) -> list[tuple[Any, ...]]:
        """Run a query over what is there; return all rows. Works before `begin`."""

    def build(self, table: Table, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> int:
        """Write rows to a new table of the dataset under a name of its own; returns how many.

        Its columns are those of `table`. `built` tells where it is.
        """

    def built(self, name: str) -> exp.Table:
        """Return a reference to the new table that was written for a table; one of each name."""

    def moment(self, column: Column, at: datetime) -> exp.Expression:
        """Return a time as the column holds it."""

    def merge(self, tables: Sequence[str], statements: Iterable[exp.Expression]) -> None:
        """Run statements that change tables of the dataset.

        A generator is sent what came of each: the number of rows that were changed, -1 where the engine
        doesn't say; for a query its first row, None where it has none.
        """


class Destination(Protocol):
    """A place to load to. A frozen value; opening it is the first thing that connects."""

    @property
    def name(self) -> str:
        """What the user calls it; the type's name by default."""

    @property
    def type_name(self) -> str:
        """`duckdb`, `postgres`, `filesystem`, ..."""

    @property
    def limits(self) -> Limits:
        """What it can hold."""

    @property
    def guarantee(self) -> str:
        """A key of `GUARANTEES`."""

    @property
    def dataset_named(self) -> bool:
        """Whether loads go to a named dataset."""

    @property
    def streams(self) -> bool:
        """Whether a load may begin while data is still coming.

        Many small appends cost what one does, or `Limits.lanes` says how many long ones it takes at once.
        """

    def bound(self, pipeline: str) -> Destination:
        """Return the destination with defaults filled from the pipeline's name, e.g. a file name."""

    def open(self, dataset: str) -> Session:
        """Connect to a dataset.

        Raises:
            DestinationError: no connection; the hint says what to check.
        """

    def displayable(self) -> str:
        """Return where it is, without secrets."""


class Readable(Destination, Protocol):
    """A destination that can be read with SQL."""

    @property
    def sql_dialect(self) -> str:
        """The name in sqlglot of the dialect that it is read in."""

    def reader(self, dataset: str) -> Reader:
        """Connect to read a dataset, and to run SQL in it.

        Raises:
            DestinationError: no connection; the hint says what to check.
        """


@dataclass(frozen=True, slots=True)
class Strategy:
    """How new rows of a root table and its children meet what is there.

    Attributes:
        prepare: gets the session and the tables, parents first, before any of their rows is written.
        statements: of a strategy whose rows wait in tables of the load's own: these statements, made of
            what waits (`ladle.load.strategies.staged.Staged`), bring them in. See `MergingSession.merge`.
        needs_key: whether the root table must have a primary key, and no merge key.
        builds: whether rows wait in new tables of the dataset, which take the place of the old ones.
    """

    prepare: Callable[[Session, Sequence[Table]], None] = lambda session, tables: None
    statements: Callable[[Any], Iterable[exp.Expression]] | None = None
    needs_key: bool = False
    builds: bool = False


def readable(destination: Destination) -> Readable:
    """Return a destination that can be read.

    Raises:
        UsageError: it only takes data.
    """
    if not hasattr(destination, "reader"):
        raise UsageError(f"the destination `{destination.name}` takes data, and can't be read")
    return cast(Readable, destination)


def owner_of(session: Session, load_id: str) -> LoadOwner | None:
    """Return whose a load is that `has_load` knows; None where the session doesn't tell."""
    look: Callable[[str], LoadOwner] | None = getattr(session, "load_owner", None)
    return None if look is None else look(load_id)


def is_missing(destination: Destination, dataset: str) -> bool:
    """Whether nothing is there, as there is nothing yet to connect to; False where only connecting tells."""
    look: Callable[[str], bool] | None = getattr(destination, "missing", None)
    return look is not None and look(dataset)
