"""Dataset: what a pipeline has loaded, to read it back."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from types import TracebackType
from typing import Any

import orjson
from sqlglot import exp
from sqlglot.schema import MappingSchema

from ladle.dataset import queries
from ladle.dataset.backend import as_sql, ibis_backend
from ladle.dataset.catalog import Catalog
from ladle.dataset.cursor import Cursor
from ladle.dataset.history import Lineage
from ladle.dataset.relation import Relation
from ladle.dataset.sql_client import SqlClient
from ladle.destinations.base import Destination, readable
from ladle.destinations.location import table_place
from ladle.destinations.reading import Reader
from ladle.destinations.registry import resolve
from ladle.errors import LadleError, TableNotFound, UsageError
from ladle.schema.html import table_html
from ladle.schema.schema import LOADS_TABLE, SYSTEM_TABLES, VERSION_TABLE, Schema

Schemas = Schema | str | Sequence[Schema | str] | None


class Dataset:
    """The tables of a dataset. Nothing is opened before something is read.

    Tables are `dataset["users"]` or `dataset.users`, queries `dataset("SELECT ...")`; both are relations.
    Each read connects and disconnects; in a `with` block they share one connection.

    Args:
        destination: where it is.
        dataset_name: its name there.
        schema: schemas, or names of schemas that are stored there; None: all that are stored there.

    Raises:
        UsageError: the destination can't be read.
    """

    def __init__(self, destination: Destination, dataset_name: str, schema: Schemas = None) -> None:
        self._destination = readable(destination)
        self._dataset_name = dataset_name
        self._given = schema
        self._held = 0
        self._kept: Reader | None = None
        self._busy = threading.Lock()

    # -- what it is

    @property
    def dataset_name(self) -> str:
        """Its name at the destination."""
        return self._dataset_name

    @cached_property
    def schemas(self) -> tuple[Schema, ...]:
        """The schemas of its tables; read from the destination where they were not given."""
        given = self._given
        if isinstance(given, Schema):
            return (given,)
        wanted = [given] if isinstance(given, str) else list(given) if given is not None else None
        if wanted and all(isinstance(s, Schema) for s in wanted):
            return tuple(s for s in wanted if isinstance(s, Schema))
        stored = self._stored_schemas()
        if wanted is None:
            return tuple(stored.values())
        return tuple(
            s if isinstance(s, Schema) else stored[s] for s in wanted if isinstance(s, Schema) or s in stored
        )

    def _stored_schemas(self) -> dict[str, Schema]:
        """Return the newest version of each stored schema, the one that changed last first."""
        with self.lease() as reader:
            if VERSION_TABLE not in reader.tables():
                return {}
            order = "inserted_at DESC, version DESC"
            name, column, table = (
                queries.ident(n).sql(dialect=reader.dialect.name)
                for n in (self._dataset_name, "schema", VERSION_TABLE)
            )
            sql = f"SELECT schema_name, {column} FROM {name}.{table} ORDER BY {order}"
            with reader.stream(sql) as rows:
                found: dict[str, str] = {}
                for stored_name, text in Cursor(rows).fetchall():
                    found.setdefault(stored_name, text)
        return {n: Schema.from_dict(orjson.loads(text)) for n, text in found.items()}

    @property
    def schema(self) -> Schema:
        """The first of its schemas."""
        if self.schemas:
            return self.schemas[0]
        name = self._given if isinstance(self._given, str) else self._dataset_name
        return Schema(name if name.isidentifier() and name.isascii() else "dataset")

    @cached_property
    def catalog(self) -> Catalog:
        """What queries can name."""
        return Catalog.of(
            self._dataset_name,
            self.destination_dialect,
            self.schemas,
            self._destination.limits.wei_digits,
        )

    @property
    def tables(self) -> list[str]:
        """Names of the tables: those with data, then `_dlt_version`, `_dlt_loads`, `_dlt_pipeline_state`."""
        return list(self.catalog.tables)

    @property
    def sqlglot_schema(self) -> MappingSchema:
        """Tables, columns and types as sqlglot wants them."""
        return self.catalog.mapping

    @property
    def destination_dialect(self) -> str:
        """The name in sqlglot of the destination's dialect."""
        return self._destination.sql_dialect

    @property
    def destination_client(self) -> Destination:
        """The destination."""
        return self._destination

    @property
    def sql_client(self) -> SqlClient:
        """A client for SQL in the dataset, with a connection of its own."""
        return SqlClient(self._destination, self._dataset_name)

    @property
    def sql_client_class(self) -> type[SqlClient]:
        """Its class."""
        return SqlClient

    @property
    def open_table_client(self) -> Any:
        """A client for tables in an open format.

        Raises:
            UsageError: the destination has none.
        """
        raise UsageError(f"destination `{self._destination.name}` has no tables in an open format")

    def is_same_dataset(self, other: Dataset) -> bool:
        """Whether both are the same dataset at the same place."""
        mine, theirs = self._destination, other._destination
        return (
            self._dataset_name == other._dataset_name
            and mine.type_name == theirs.type_name
            and mine.displayable() == theirs.displayable()
            and getattr(mine, "connection", None) is getattr(theirs, "connection", None)
        )

    def place(self, table_name: str) -> tuple[str, str]:
        """Return where a table is, as OpenLineage names it: a namespace, and a name in it; no secrets."""
        return table_place(self._destination, self._dataset_name, table_name)

    # -- connection

    def __enter__(self) -> Dataset:
        self._held += 1
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._held -= 1
        if not self._held:
            kept, self._kept = self._kept, None
            if kept is not None:
                kept.close()

    @contextmanager
    def lease(self) -> Iterator[Reader]:
        """Connect; inside `with dataset` use the connection that is kept, unless another read has it."""
        if not self._held or not self._busy.acquire(blocking=False):
            reader = self._destination.reader(self._dataset_name)
            try:
                yield reader
            finally:
                reader.close()
            return
        try:
            if self._kept is None:
                self._kept = self._destination.reader(self._dataset_name)
            yield self._kept
        finally:
            self._busy.release()

    # -- relations

    def table(
        self,
        table_name: str,
        *,
        load_ids: Collection[str] | None = None,
        incremental: Any = None,
        **kwargs: Any,
    ) -> Relation:
        """Return the rows of a table.

        Args:
            table_name: as in the schema.
            load_ids: only rows of these loads.
            incremental: only rows that this cursor has not seen.
            kwargs: accepted and ignored, as in the reference.

        Raises:
            TableNotFound: there is none of that name; lists those there are.
        """
        name = self.catalog.table(table_name).name
        found = Relation(
            self, queries.from_table(name), self.destination_dialect, name, in_place=True, is_whole=True
        )
        if load_ids is not None:
            found = found.from_loads(load_ids)
        return found if incremental is None else found.incremental(incremental)

    def __getitem__(self, table_name: str) -> Relation:
        return self.table(table_name)

    def __getattr__(self, name: str) -> Relation:
        if name.startswith("_") and not name.startswith("_dlt"):
            raise AttributeError(name)
        try:
            return self.table(name)
        except TableNotFound as exc:
            raise AttributeError(str(exc)) from exc

    def query(
        self,
        query: str | exp.Expression | Any,
        query_dialect: str | None = None,
        *,
        _execute_raw_query: bool = False,
    ) -> Relation:
        """Return the rows of a query; its tables are named without the dataset.

        Args:
            query: SQL, a tree of sqlglot, or an expression of ibis.
            query_dialect: that SQL is written in; None for the destination's.

        Raises:
            LineageFailedException: not a query, or a table or column that the schema doesn't have.
        """
        dialect = query_dialect or self.destination_dialect
        if not isinstance(query, (str, exp.Expression)):
            query = as_sql(query, dialect)
        if _execute_raw_query:
            text = query if isinstance(query, str) else query.sql(dialect=self.destination_dialect)
            return Relation(self, None, dialect, raw=text)
        tree = queries.parsed(query, dialect) if isinstance(query, str) else query
        found = Relation(self, tree, dialect)
        found.resolved  # noqa: B018 - a name that isn't there is an error of this call
        return found

    __call__ = query

    def row_counts(
        self,
        *,
        data_tables: bool = True,
        dlt_tables: bool = False,
        table_names: Sequence[str] | None = None,
        load_id: str | None = None,
    ) -> Relation:
        """Count rows: columns `table_name` and `row_count`.

        Args:
            data_tables: count the tables with data.
            dlt_tables: count the tables of the system.
            table_names: count these tables.
            load_id: count only rows of that load, in tables that have its id.
        """
        if table_names is not None:
            names = [self.catalog.table(name).name for name in table_names]
        else:
            names = [*self.catalog.data_tables()] if data_tables else []
            names += SYSTEM_TABLES if dlt_tables else ()
        if load_id is not None:
            names = [n for n in names if "_dlt_load_id" in self.catalog.tables[n].columns]
        return self.query(queries.row_counts(names, load_id))

    def loads_table(self) -> Relation:
        """Return the table of loads."""
        return self.table(LOADS_TABLE)

    def load_ids(self, schema_name: str | None = None) -> list[str]:
        """Return the ids of complete loads, oldest first; of one schema, or of all schemas of the dataset."""
        with self.lease() as reader:
            if LOADS_TABLE not in reader.tables():
                return []
        names = [schema_name] if schema_name is not None else [s.name for s in self.schemas]
        loads = self.loads_table().where("status", "eq", 0).where("schema_name", "in", names)
        found = loads.order_by("inserted_at").order_by("load_id").select("load_id")
        return [load_id for (load_id,) in found.fetchall()]

    def latest_load_id(self, schema_name: str | None = None) -> str | None:
        """Return the id of the newest complete load; None where there is none."""
        return next(reversed(self.load_ids(schema_name)), None)

    def lineage(self) -> Lineage:
        """Return where its rows and columns come from: loads, sources, code and inputs."""
        return Lineage(self)

    def ibis(self, read_only: bool = False) -> Any:
        """Connect ibis to the dataset.

        Raises:
            MissingDependency: ibis isn't installed.
        """
        return ibis_backend(self._destination, self._dataset_name)

    # -- shown

    def __repr__(self) -> str:
        return f"<ladle.Dataset {self._dataset_name} at {self._destination.displayable()}>"

    def __str__(self) -> str:
        names = ", ".join(s.name for s in self.schemas)
        where = f"{self._destination.name}[{self._destination.displayable()}]"
        tables = ", ".join(self.catalog.data_tables())
        return f"Dataset `{self._dataset_name}` at `{where}` with schema `{names}`:\n  {tables}"

    def _repr_html_(self) -> str:
        title = f"Dataset {self._dataset_name} at {self._destination.displayable()}"
        rows = [(n, ", ".join(t.columns)) for n, t in self.catalog.tables.items() if n not in SYSTEM_TABLES]
        return table_html(title, ("table", "columns"), rows)

    def _ipython_key_completions_(self) -> list[str]:
        return self.tables


def dataset(destination: Any, dataset_name: str, schema: Schemas = None) -> Dataset:
    """Read a dataset, whoever loaded it.

    Args:
        destination: a name, a factory or a destination: `ladle.destinations.duckdb("quack.duckdb")`.
        dataset_name: its name there.
        schema: a schema, or the name of one that is stored there; None: all that are stored there.

    Raises:
        UsageError: the destination doesn't say where it is, or can't be read.
    """
    found = readable(resolve(destination))
    if found.bound(str(dataset_name)[:64]) != found:  # as of a pipeline with a short name
        raise UsageError(
            f"the destination `{found.name}` doesn't say where the dataset is",
            hint=f'name the file: ladle.destinations.{found.type_name}("file.{found.type_name}")',
        )
    if not isinstance(dataset_name, str) or not dataset_name:
        raise LadleError("a dataset has a name", expected='ladle.dataset(destination, "name")')
    return Dataset(found, dataset_name, schema)
