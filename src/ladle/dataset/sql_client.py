"""SqlClient: SQL in a dataset, statements and queries, over one connection."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Any

from ladle.dataset.cursor import Cursor
from ladle.destinations import dialect as statements
from ladle.destinations.base import Destination, readable
from ladle.destinations.dialect import Dialect
from ladle.destinations.reading import Reader, drop_dataset
from ladle.errors import UsageError

STAGING = "{}_staging"
_TOKENS = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|%s|%%|\?")


class Transaction:
    """A transaction that is open; ended by its `with` block, or before."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self.is_open = True

    def commit_transaction(self) -> None:
        """Commit it."""
        if self.is_open:
            self.is_open = False
            self._reader.commit()

    def rollback_transaction(self) -> None:
        """Give it up."""
        if self.is_open:
            self.is_open = False
            self._reader.rollback()


class SqlClient:
    """Runs SQL in a dataset; names without a schema are its tables. Connects when first used.

    Use it in a `with` block, which closes the connection. Each statement commits by itself, but in
    `begin_transaction`. Parameters are `%s`, `?` or as the engine spells them.
    """

    def __init__(self, destination: Destination, dataset_name: str) -> None:
        self._destination = readable(destination)
        self._names = [dataset_name]
        self._reader: Reader | None = None

    # -- connection

    def __enter__(self) -> SqlClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close_connection()

    def open_connection(self) -> Any:
        """Connect, where it isn't connected yet; return the driver's connection."""
        return self.native_connection

    def close_connection(self) -> None:
        """Disconnect; what isn't committed is rolled back. Safe to repeat."""
        reader, self._reader = self._reader, None
        if reader is not None:
            reader.close()

    def _open(self) -> Reader:
        if self._reader is None:
            self._reader = self._destination.reader(self.dataset_name)
        return self._reader

    @property
    def native_connection(self) -> Any:
        """The driver's own connection: a DuckDB connection, one of psycopg."""
        return self._open().native

    @property
    def _dialect(self) -> Dialect:
        return self._open().dialect

    @property
    def dialect(self) -> str:
        """The name in sqlglot of the dialect that SQL is written in."""
        return self._dialect.name

    # -- names

    @property
    def dataset_name(self) -> str:
        """The dataset that is in use."""
        return self._names[-1]

    @property
    def staging_dataset_name(self) -> str:
        """The dataset for data on its way."""
        return STAGING.format(self._names[0])

    @property
    def is_staging_dataset_active(self) -> bool:
        """Whether the staging dataset is in use."""
        return self.dataset_name == self.staging_dataset_name

    @contextmanager
    def with_alternative_dataset_name(self, dataset_name: str) -> Iterator[SqlClient]:
        """Use another dataset in a `with` block."""
        self._names.append(dataset_name)
        try:
            self._use()
            yield self
        finally:
            self._names.pop()
            self._use()

    def with_staging_dataset(self) -> Any:
        """Use the staging dataset in a `with` block."""
        return self.with_alternative_dataset_name(self.staging_dataset_name)

    def _use(self) -> None:
        if self._reader is not None:
            self._reader.use(self.dataset_name)

    def escape_column_name(self, column_name: str, quote: bool = True) -> str:
        """Return a name as SQL spells it."""
        if not quote:
            return column_name
        return self._dialect.sql(statements.column_ref(column_name))

    def fully_qualified_dataset_name(self, quote: bool = True, staging: bool = False) -> str:
        """Return the dataset's name as SQL spells it."""
        return self.escape_column_name(self.staging_dataset_name if staging else self.dataset_name, quote)

    def make_qualified_table_name_path(self, table_name: str | None, quote: bool = True) -> list[str]:
        """Return the names that lead to a table, or to the dataset, one by one."""
        names = [self.fully_qualified_dataset_name(quote)]
        return names if table_name is None else [*names, self.escape_column_name(table_name, quote)]

    def make_qualified_table_name(self, table_name: str, quote: bool = True) -> str:
        """Return a table's name with that of its dataset: `"ds"."users"`."""
        return ".".join(self.make_qualified_table_name_path(table_name, quote))

    def get_qualified_table_names(self, table_name: str, quote: bool = True) -> tuple[str, str]:
        """Return a table's name in the dataset and in the staging dataset."""
        staging = self.fully_qualified_dataset_name(quote, staging=True)
        return (
            self.make_qualified_table_name(table_name, quote),
            f"{staging}.{self.escape_column_name(table_name, quote)}",
        )

    # -- statements

    def execute_sql(self, sql: str, *args: Any) -> list[tuple[Any, ...]] | None:
        """Run a statement; return its rows, None where it returns none by its nature."""
        with self.execute_query(sql, *args) as cursor:
            return cursor.fetchall() if len(cursor.schema) else None

    @contextmanager
    def execute_query(self, sql: str, *args: Any) -> Iterator[Cursor]:
        """Run a query, in a `with` block that has its cursor."""
        reader = self._open()
        text = with_placeholders(sql, len(args), reader.dialect) if args else sql
        with reader.stream(text, args) as rows:
            yield Cursor(rows)

    def execute_many(self, statements: Sequence[str], *args: Any) -> list[list[tuple[Any, ...]] | None]:
        """Run statements one after the other; return the rows of each."""
        return [self.execute_sql(sql, *args) for sql in statements]

    @contextmanager
    def begin_transaction(self) -> Iterator[Transaction]:
        """Run what is in the `with` block in one transaction: rolled back where an error leaves it."""
        reader = self._open()
        reader.begin()
        transaction = Transaction(reader)
        try:
            yield transaction
        except BaseException:
            transaction.rollback_transaction()
            raise
        transaction.commit_transaction()

    # -- datasets and tables

    def has_dataset(self) -> bool:
        """Whether the dataset is there."""
        return self._open().exists(self.dataset_name)

    def create_dataset(self) -> None:
        """Make the dataset, where it is missing."""
        self._change(self._dialect.sql(statements.create_dataset(self.dataset_name)))
        self._use()

    def drop_dataset(self) -> None:
        """Drop the dataset with all that is in it, where it is there."""
        self._change(drop_dataset(self.dataset_name, self._dialect))

    def drop_tables(self, *tables: str) -> None:
        """Drop tables, those that exist."""
        for table in tables:
            self._change(self._dialect.sql(statements.drop_table(self.dataset_name, table)))

    def truncate_tables(self, *tables: str) -> None:
        """Remove all rows of tables."""
        for table in tables:
            self._change(self._dialect.sql(statements.delete_all(self.dataset_name, table)))

    def _change(self, sql: str) -> None:
        reader = self._open()
        if not reader.writes:
            raise UsageError(
                f"files of dataset `{self.dataset_name}` can't be changed by SQL",
                hint="run a pipeline with refresh, or delete the folder",
            )
        reader.execute(sql)

    def __repr__(self) -> str:
        return f"<ladle.SqlClient of dataset {self.dataset_name} at {self._destination.displayable()}>"


def with_placeholders(sql: str, count: int, dialect: Dialect) -> str:
    """Spell the placeholders `%s` and `?` as the engine wants them; text in quotes stays.

    Raises:
        UsageError: there are more or fewer than parameters.
    """
    seen = 0

    def spelled(match: re.Match[str]) -> str:
        nonlocal seen
        token = match[0]
        if token == "%%":  # noqa: S105 - a percent sign
            return "%"
        if token not in ("%s", "?"):
            return token
        seen += 1
        return dialect.placeholder(seen)

    text = _TOKENS.sub(spelled, sql)
    if seen == 0:
        return sql
    if seen != count:
        raise UsageError(f"the statement has {seen} placeholders, but {count} parameters came")
    return text
