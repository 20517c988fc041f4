"""Rows for MySQL in bulk: Arrow columns as messages to MariaDB, the text of LOAD DATA, or one long INSERT."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from ladle.destinations import mysql_bulk
from ladle.destinations.cells import has_any
from ladle.destinations.mysql_types import Target, refused, target
from ladle.errors import DataError
from ladle.schema.table import Table

_LARGE = pa.large_string()
_BATCH_ROWS = 20_000
"""Rows spelled at once: what is sent is stored while the next are spelled, and text takes little memory."""

_ESCAPED = (("\\", "\\\\"), ("\t", "\\t"), ("\n", "\\n"))
_QUOTED = (("\\", "\\\\"), ("'", "\\'"))
_STATEMENT_BYTES = 4 << 20
_MARGIN_BYTES = 1024


class Rows:
    """Rows of one table, on their way to the server.

    Args:
        table: what is loaded.
        schema: of the batches.
        there: the columns' types in the database.
        packet_bytes: the server's max_allowed_packet.

    Raises:
        DestinationError: a column there can't take these values; raised before anything is read.
    """

    def __init__(self, table: Table, schema: pa.Schema, there: Mapping[str, str], packet_bytes: int) -> None:
        self.table = table.name
        self._packet_bytes = packet_bytes
        self._targets = [
            target(table.name, table.columns[f.name], f.type, there.get(f.name, "")) for f in schema
        ]

    def load_statement(self, into: str) -> str:
        """Return LOAD DATA for a table; its name comes quoted."""
        names = [_quoted(t.name) for t in self._targets]
        takes, sets = [], []
        for number, (t, name) in enumerate(zip(self._targets, names, strict=True)):
            takes.append(f"@v{number}" if t.form == "hex" else name)
            if t.form == "hex":
                sets.append(f"{name} = UNHEX(@v{number})")
        return (
            f"LOAD DATA LOCAL INFILE 'ladle' INTO TABLE {into} CHARACTER SET utf8mb4 "
            r"FIELDS TERMINATED BY '\t' ESCAPED BY '\\' LINES TERMINATED BY '\n' "
            f"({', '.join(takes)})" + (f" SET {', '.join(sets)}" if sets else "")
        )

    def insert_statement(self, into: str) -> str:
        """Return INSERT of one row of parameters for a table; its name comes quoted."""
        names = ", ".join(_quoted(t.name) for t in self._targets)
        return f"INSERT INTO {into} ({names}) VALUES ({', '.join('?' * len(self._targets))})"

    def messages(
        self, batches: Iterable[pa.RecordBatch]
    ) -> Iterator[tuple[pa.RecordBatch, list[mysql_bulk.Message]]]:
        """Yield rows and how MariaDB takes them in bulk: no messages where one is too long. Memory: O(batch).

        Raises:
            DataError: a value doesn't fit its column.
        """
        types = 2 * len(self._targets)
        most = min(self._packet_bytes, mysql_bulk.MAX_BYTES) - _MARGIN_BYTES - types
        for piece in _pieces(batches):
            columns = [self._checked(t, t.take, piece.column(n)) for n, t in enumerate(self._targets)]
            found = mysql_bulk.messages(columns, piece.num_rows, max(most, 1))
            yield piece, [] if any(len(rows) > most for _, rows in found) else found

    def lines(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.Buffer]:
        """Yield the rows as LOAD DATA reads them. Memory: O(batch).

        Raises:
            DataError: a value doesn't fit its column.
        """
        for piece in _pieces(batches):
            cells = [
                _replaced(self._spelled(t, piece.column(n)), _ESCAPED) if t.form == "text"
                else self._spelled(t, piece.column(n))
                for n, t in enumerate(self._targets)
            ]  # fmt: skip
            cells[-1] = _joined([cells[-1], _scalar("")], "\n", "\\N")
            yield _text(_joined(cells, "\t", "\\N"))[0]

    def inserts(self, into: str, batches: Iterable[pa.RecordBatch]) -> Iterator[bytes]:
        """Yield INSERT statements of many rows each. Memory: O(batch).

        Raises:
            DataError: a value doesn't fit its column, or a row is longer than the server takes.
        """
        names = ", ".join(_quoted(t.name) for t in self._targets)
        head = f"INSERT INTO {into} ({names}) VALUES ".encode()
        most = min(_STATEMENT_BYTES, self._packet_bytes - len(head) - _MARGIN_BYTES)
        for piece in _pieces(batches):
            cells = [self._literal(t, piece.column(n)) for n, t in enumerate(self._targets)]
            rows = _joined(cells, ",", "NULL")
            text, ends = _text(pc.binary_join_element_wise(_scalar("("), rows, _scalar("),"), _scalar("")))
            for begin, end in _cuts(ends, most):
                if end - begin > self._packet_bytes - len(head) - _MARGIN_BYTES:
                    raise self._too_long("a row", end - begin)
                yield head + bytes(memoryview(text)[begin : end - 1])

    def _checked(self, t: Target, take: Callable[[pa.Array], pa.Array], values: pa.Array) -> pa.Array:
        try:
            return take(values)
        except pa.ArrowInvalid as exc:
            raise refused(self.table, t.name, exc) from exc

    def _spelled(self, t: Target, values: pa.Array) -> pa.Array:
        text = self._checked(t, t.spell, values)
        if t.form == "hex" and (pc.max(pc.binary_length(text)).as_py() or 0) > 2 * self._packet_bytes:
            # UNHEX would give null, and only warn
            raise self._too_long("a value", (pc.max(pc.binary_length(text)).as_py() or 0) // 2, t.name)
        return text

    def _literal(self, t: Target, values: pa.Array) -> pa.Array:
        text = self._spelled(t, values)
        if t.form == "number":
            return text
        if t.form == "text":
            text = _replaced(text, _QUOTED)
        return pc.binary_join_element_wise(
            _scalar("x'" if t.form == "hex" else "'"), text, _scalar("'"), _scalar("")
        )

    def _too_long(self, what: str, size: int, column: str | None = None) -> DataError:
        return DataError(
            f"{what} of `{self.table}` has {size:,} bytes, and the server takes {self._packet_bytes:,}",
            hint="raise max_allowed_packet at the server, then run again: the package is kept",
            table=self.table,
            column=column,
        )


def _pieces(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        for start in range(0, batch.num_rows, _BATCH_ROWS):
            yield batch.slice(start, _BATCH_ROWS)


def _scalar(text: str) -> pa.Scalar:
    return pa.scalar(text, _LARGE)


def _replaced(text: pa.Array, pairs: Sequence[tuple[str, str]]) -> pa.Array:
    for char, by in pairs:
        if has_any(text, char.encode()):
            text = pc.replace_substring(text, char, by)
    return text


def _joined(cells: Sequence[pa.Array], separator: str, null: str) -> pa.Array:
    return pc.binary_join_element_wise(
        *cells, _scalar(separator), null_handling="replace", null_replacement=null
    )


def _text(lines: pa.Array) -> tuple[pa.Buffer, memoryview]:
    """Return all rows as one text, and where in it each begins; the last number is its length."""
    ends = memoryview(lines.buffers()[1]).cast("q")[: len(lines) + 1]
    return lines.buffers()[2].slice(0, ends[-1]), ends


def _cuts(ends: memoryview, most: int) -> Iterator[tuple[int, int]]:
    """Yield pieces of whole rows, each at most so long, if a row isn't longer."""
    row = 0
    while row < len(ends) - 1:
        upto = max(bisect_right(ends, ends[row] + most) - 1, row + 1)
        yield ends[row], ends[upto]
        row = upto


def _quoted(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"
