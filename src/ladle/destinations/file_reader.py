"""Reading a dataset of files with SQL: a DuckDB in memory, with a view for each table a query names."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from itertools import chain, islice
from typing import Any, Protocol, TypeVar

import duckdb
import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from ladle.destinations import dialect as statements
from ladle.destinations.dialect import Dialect
from ladle.destinations.duckdb import DIALECT, DuckDbConnection
from ladle.destinations.duckdb_types import column_type
from ladle.destinations.reading import Rows, SqlReader
from ladle.errors import DestinationError
from ladle.schema.table import Column, Table

T = TypeVar("T")
_MORE_LOOKS = 4
# Folders such as `year=2024`, which a layout may have, are no columns: they would hide those of the files.
_READERS = {
    "parquet": "read_parquet({files}, union_by_name = true, hive_partitioning = false)",
    "jsonl": (
        "read_json({files}, format = 'newline_delimited', columns = {columns}, "
        "maximum_object_size = 67108864, hive_partitioning = false, compression = {compression})"
    ),
    # null is nothing, empty text is `""`
    "csv": (
        "read_csv({files}, header = true, union_by_name = true, all_varchar = true, delim = ',', "
        "quote = '\"', escape = '\"', nullstr = '', allow_quoted_nulls = false, hive_partitioning = false, "
        "compression = {compression})"
    ),
}


class Folder(Protocol):
    """What is known of a dataset's files."""

    @property
    def filesystem(self) -> Any:
        """The file system of fsspec, where the files aren't on the local disk."""

    def exists(self) -> bool:
        """Whether the dataset is there."""

    def tables(self) -> Mapping[str, Table]:
        """Return the tables that were loaded, and those of the system."""

    def files(self, tables: Sequence[Table]) -> Mapping[str, Sequence[str]]:
        """Return the files of tables that count, all of one moment, as DuckDB finds them."""


class FileReader:
    """A reader over files: each query sees the files that are committed when it begins.

    Args:
        folder: of the dataset.
        dataset: its name.
    """

    writes = False

    def __init__(self, folder: Folder, dataset: str) -> None:
        self._folder = folder
        self._dataset = dataset
        connection = duckdb.connect()
        if folder.filesystem is not None:
            connection.register_filesystem(folder.filesystem)
        self._connection = DuckDbConnection(connection, owned=True)
        self._connection.execute(DIALECT.sql(statements.create_dataset(dataset)))
        self._sql = SqlReader(self._connection, DIALECT, dataset)

    @property
    def dialect(self) -> Dialect:
        """DuckDB's."""
        return DIALECT

    @property
    def native(self) -> Any:
        """DuckDB's own connection, with views of all tables as they are now."""
        self._with_views(None, lambda: None)
        return self._connection.native

    def exists(self, dataset: str | None = None) -> bool:
        """Whether the dataset is there; of others nothing is known."""
        return dataset in (None, self._dataset) and self._folder.exists()

    def tables(self, dataset: str | None = None) -> list[str]:
        """Return the names of the tables that were loaded."""
        return list(self._folder.tables()) if self.exists(dataset) else []

    def use(self, dataset: str) -> None:
        """Look up names without a schema in that dataset."""
        self._sql.use(dataset)

    def execute(self, sql: str, params: Sequence[Any] = ()) -> None:
        """Run a statement; what it makes is gone with the connection."""
        self._with_views(sql, lambda: self._sql.execute(sql, params))

    @contextmanager
    def stream(self, sql: str, params: Sequence[Any] = (), batch_rows: int = 1 << 16) -> Iterator[Rows]:
        """Run a query. Memory: O(batch), but for what DuckDB sorts or groups."""
        with ExitStack() as opened:

            def begun() -> Rows:
                opened.close()
                rows = opened.enter_context(self._sql.stream(sql, params, batch_rows))
                # DuckDB opens files when it comes to them.
                return Rows(rows.schema, chain([*islice(rows.batches, 1)], rows.batches))

            yield self._with_views(sql, begun)

    def begin(self) -> None:
        """Start a transaction."""
        self._sql.begin()

    def commit(self) -> None:
        """Commit it."""
        self._sql.commit()

    def rollback(self) -> None:
        """Give it up."""
        self._sql.rollback()

    def close(self) -> None:
        """Forget the views."""
        self._sql.close()

    def _with_views(self, sql: str | None, read: Callable[[], T], more: int = _MORE_LOOKS) -> T:
        """Make the views of the tables that a query names, of all where it can't be read, and begin to read.

        A load that replaces a table deletes its old files, which may just have been looked up: then again.
        """
        known = self._folder.tables()
        named = None if sql is None else _named(sql)
        wanted = [t for name, t in known.items() if named is None or name.lower() in named]
        files = self._folder.files(wanted)
        try:
            self._make_views(wanted, files)
            return read()
        except DestinationError:
            if not more or self._folder.files(wanted) == files:
                raise
        return self._with_views(sql, read, more - 1)

    def _make_views(self, tables: Sequence[Table], files: Mapping[str, Sequence[str]]) -> None:
        for table in tables:
            view = DIALECT.sql(statements.table_ref(self._dataset, table.name))
            with self._connection.read_errors(f"reading the files of table `{table.name}`"):
                query = _query(table, files[table.name], self._connection)
                self._connection.execute(f"CREATE OR REPLACE VIEW {view} AS {query}")


def _named(sql: str) -> set[str] | None:
    try:
        found = [tree for tree in sqlglot.parse(sql, dialect="duckdb") if tree is not None]
    except SqlglotError:
        return None
    if any(tree.find(exp.Command) for tree in found):
        return None
    # DuckDB compares names without case.
    return {table.name.lower() for tree in found for table in tree.find_all(exp.Table)}


def _query(table: Table, files: Sequence[str], connection: DuckDbConnection) -> str:
    """Return a query of a table's files: its columns in its types, NULL where files lack them."""
    columns = table.typed_columns()
    by_kind: dict[tuple[str, str], list[str]] = {}
    for path in files:
        kind = path.removesuffix(".gz").rpartition(".")[2]
        # DuckDB's own guess doesn't see the end of a path with `?`.
        packed = "gzip" if path.endswith(".gz") else "uncompressed"
        by_kind.setdefault((kind if kind in _READERS else "jsonl", packed), []).append(path)
    if not by_kind:
        nulls = ", ".join(f"{_cast('NULL', c)} AS {_quoted(c.name)}" for c in columns)
        return f"SELECT {nulls} WHERE false"
    return " UNION ALL ".join(_select(columns, how, paths, connection) for how, paths in by_kind.items())


def _select(
    columns: Sequence[Column], how: tuple[str, str], files: Sequence[str], connection: DuckDbConnection
) -> str:
    kind, packed = how
    typed = ", ".join(f"{_text(c.name)}: {_text(_read_type(c))}" for c in columns)
    paths = "[" + ", ".join(map(_text, files)) + "]"
    source = _READERS[kind].format(files=paths, columns="{" + typed + "}", compression=_text(packed))
    there = {row[0]: row[1] for row in connection.query(f"DESCRIBE SELECT * FROM {source}")}
    picked = ", ".join(f"{_picked(c, there.get(c.name), kind)} AS {_quoted(c.name)}" for c in columns)
    return f"SELECT {picked} FROM {source}"


def _read_type(column: Column) -> str:
    """Return the type that JSON is read in: text is cast, as decimals, bytes and times are text there."""
    return "JSON" if column.data_type == "json" else "VARCHAR"


def _picked(column: Column, there: str | None, kind: str) -> str:
    name = _quoted(column.name)
    if there is None:
        return _cast("NULL", column)
    if kind == "csv" and column.data_type not in ("text", "binary"):
        name = f"nullif({name}, '')"  # the reference quotes the nothing that null is
    if column.data_type == "binary" and kind != "parquet":
        return f"from_base64({name})"
    return name if there == column_type(column) else _cast(name, column)


def _cast(value: str, column: Column) -> str:
    return f"CAST({value} AS {column_type(column)})"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
