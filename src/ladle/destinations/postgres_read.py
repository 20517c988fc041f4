"""A connection to Postgres to read with: answers are Arrow, their numbers and JSON as plain types."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import psycopg
import pyarrow as pa
import pyarrow.compute as pc
from psycopg import pq
from psycopg.types.numeric import Int8Dumper
from psycopg.types.string import StrDumper

from ladle.destinations.postgres_connection import connected
from ladle.destinations.postgres_errors import cause, unread
from ladle.destinations.postgres_kinds import NUMBER, Kinds
from ladle.destinations.postgres_line import Line
from ladle.destinations.postgres_login import Login
from ladle.destinations.postgres_rows import HEAD, Kind, decoded
from ladle.errors import DataError
from ladle.schema.types import decimal_type

NUMERIC = {b"ladle:type": b"numeric"}
"""Metadata of a field that holds numbers as text: Postgres doesn't tell their digits."""

_WEI = (156, 78)
_MAX_DIGITS = 76
_NULL = b"\xff\xff\xff\xff"
_BATCH_BYTES = 4 << 20
_NO_COPY = ("show", "explain", "fetch", "analyze", "vacuum", "call", "execute")
_END = "; \t\r\n"
_FIRST_WORD = re.compile(r"(?:\s|--[^\n]*\n|/\*.*?\*/)*(\w*)", re.DOTALL)
_COMMENT_BEHIND = re.compile(r";\s*(?:--|/\*)")
_CHANGES = re.compile(r"\b(insert|update|delete|merge)\b", re.IGNORECASE)

Decode = Callable[[pa.Array], pa.Array]


class PostgresReading:
    """A connection to read with: answers are Arrow. Outside a transaction each statement commits by itself.

    Raises:
        DestinationError: no connection.
    """

    def __init__(self, login: Login) -> None:
        self._login = login
        self._connection = connected(login)
        # What a parameter is doesn't depend on its value.
        self._connection.adapters.register_dumper(int, Int8Dumper)
        self._connection.adapters.register_dumper(str, StrDumper)
        self._kinds = Kinds(self.query)
        self._line = Line(self._connection)

    @property
    def native(self) -> psycopg.Connection[Any]:
        """The driver's own connection."""
        return self._connection

    def execute(self, sql: str, params: Sequence[Any] = ()) -> int:
        """Run a statement; return how many rows it changed."""
        with self._run(sql, params) as cursor:
            return cursor.rowcount

    def query(self, sql: str, params: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run a query; return all rows."""
        with self._run(sql, params) as cursor:
            return cursor.fetchall()

    @contextmanager
    def _run(self, sql: str, params: Sequence[Any], *, binary: bool = False) -> Iterator[psycopg.Cursor[Any]]:
        self._status()
        with self._connection.cursor() as cursor:
            try:
                cursor.execute(sql.encode(), params or None, binary=binary)
            finally:
                self._line.refuse()
            yield cursor

    @contextmanager
    def stream(self, sql: str, params: Sequence[Any], batch_rows: int) -> Iterator[pa.RecordBatchReader]:
        """Run a query; its rows come as they are read. Memory: O(4 MB + the longest row).

        The answer is in memory as a whole where there are parameters, and for a statement COPY doesn't take.
        """
        idle = self._status() == pq.TransactionStatus.IDLE
        try:
            if params or needs_no_copy(sql) or not (described := self._line.described(sql)).nfields:
                with self._run(sql, params, binary=True) as cursor:
                    yield _Answer(cursor.pgresult, self._kinds).reader(_sent(cursor.pgresult))
                return
            answer = _Answer(described, self._kinds)
            self._line.copy(f"COPY (\n{sql.rstrip(_END)}\n) TO STDOUT (FORMAT binary)")
            yield answer.reader(self._line.pieces(_BATCH_BYTES))
        finally:
            # In a transaction, to cancel a statement undoes those before; and this one may change rows.
            self._line.leave(cancel=idle and not _CHANGES.search(sql))

    def _status(self) -> int:
        """Return what the connection is in.

        Raises:
            psycopg.Error: the rows of another query are being read.
        """
        found = self._connection.pgconn.transaction_status
        if found == pq.TransactionStatus.ACTIVE:
            raise psycopg.ProgrammingError("another query's rows are still being read on this connection")
        return found

    def use(self, dataset: str) -> None:
        """Look up names without a schema in the dataset."""
        name = '"' + dataset.replace('"', '""') + '"'
        self.execute(f"SET search_path TO {name}")

    def begin(self) -> None:
        """Start a transaction that sees what others commit meanwhile."""
        self.execute("BEGIN ISOLATION LEVEL READ COMMITTED")

    def end(self, *, commit: bool) -> None:
        """Commit it or give it up; what follows commits by itself."""
        self.execute("COMMIT" if commit else "ROLLBACK")

    def close(self) -> None:
        """Disconnect; the server rolls back what isn't committed."""
        with suppress(psycopg.Error):
            self._connection.close()

    @contextmanager
    def read_errors(self, doing: str) -> Iterator[None]:
        """Turn the driver's errors into ours."""
        try:
            yield
        except psycopg.Error as exc:
            raise unread(exc, doing, self._login) from cause(exc, self._login)


def needs_no_copy(sql: str) -> bool:
    """Whether the driver has to read the answer as a whole: COPY takes only queries, without `;`."""
    first = _FIRST_WORD.match(sql)
    return (first is not None and first[1].lower() in _NO_COPY) or _COMMENT_BEHIND.search(sql) is not None


class _Answer:
    """The columns of an answer.

    Args:
        result: of the driver; its rows don't matter.
        kinds: that types are looked up in.
    """

    def __init__(self, result: Any, kinds: Kinds) -> None:
        fields, self._kinds, self._steps = [], [], []
        for at in range(result.nfields):
            name, kind = result.fname(at).decode(), kinds.of(result.ftype(at))
            arrow, step, metadata = target(kind.arrow, result.fmod(at), name)
            fields.append(pa.field(name, arrow, metadata=metadata))
            self._kinds.append(Kind(kind.code, pa.string() if step else arrow))
            self._steps.append(step)
        self._schema = pa.schema(fields)
        self._sent = pa.schema([pa.field(f.name, k.arrow) for f, k in zip(fields, self._kinds, strict=True)])

    def reader(self, pieces: Iterator[bytearray]) -> pa.RecordBatchReader:
        """Return the rows, which are read when they are asked for."""
        return pa.RecordBatchReader.from_batches(self._schema, self._batches(pieces))

    def _batches(self, pieces: Iterator[bytearray]) -> Iterator[pa.RecordBatch]:
        for number, data in enumerate(pieces):
            if number == 0:
                del data[: len(HEAD)]
            batch = decoded(self._sent, self._kinds, data)
            if batch.num_rows:
                yield decode(batch, self._schema, self._steps)


def _sent(result: Any) -> Iterator[bytearray]:
    """Yield the rows of a result as COPY would have sent them, in pieces."""
    data, head = bytearray(HEAD), struct.pack(">h", result.nfields)
    for row in range(result.ntuples if result.nfields else 0):
        data += head
        for column in range(result.nfields):
            value = result.get_value(row, column)
            data += _NULL if value is None else struct.pack(">i", len(value)) + value
        if len(data) > _BATCH_BYTES:
            yield data
    if result.nfields:
        yield data


def target(arrow: pa.DataType, typmod: int, name: str) -> tuple[pa.DataType, Decode | None, Any]:
    """Return the type that a column is handed out in, a function that makes it of text, and metadata.

    Args:
        arrow: what the column's type is elsewhere, as in lists.
        typmod: what more Postgres tells of the type.
        name: of the column.
    """
    if arrow == NUMBER:
        number = _numeric(typmod)
        if number is None:
            return pa.string(), None, NUMERIC
        return number, lambda texts: as_decimal(texts, number, name), None
    loose = isinstance(arrow, pa.OpaqueType | pa.JsonType)
    return (arrow.storage_type if loose else arrow), None, None


def _numeric(typmod: int) -> pa.DataType | None:
    """Return the type of numeric(p,s); None where it has no bounds, or too many digits."""
    if typmod < 0:
        return None
    digits, scale = (typmod - 4) >> 16 & 0xFFFF, (typmod - 4) & 0x7FF
    if (digits, scale) == _WEI:
        return decimal_type(_MAX_DIGITS, 0)
    return decimal_type(digits, scale) if digits <= _MAX_DIGITS and scale <= digits else None


def as_decimal(texts: pa.Array, arrow: pa.DataType, column: str) -> pa.Array:
    """Return numbers written as text in a decimal type.

    Raises:
        DataError: one has more digits than fit, or is no number.
    """
    texts = pc.replace_substring_regex(texts.cast(pa.string()), r"(\.\d*?)0+$", r"\1")
    try:
        return texts.cast(arrow)
    except pa.ArrowInvalid as exc:
        raise DataError(
            f"a number of column `{column}` doesn't fit `{arrow}`",
            column=column,
            expected="numbers that fit, none of them NaN or infinite",
            hint="cast it in the query, for example to numeric(38, 9) or double precision",
        ) from exc


def decode(batch: pa.RecordBatch, schema: pa.Schema, steps: list[Decode | None]) -> pa.RecordBatch:
    """Return a batch as it is handed out."""
    arrays = [step(a) if step else a for a, step in zip(batch.columns, steps, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)
