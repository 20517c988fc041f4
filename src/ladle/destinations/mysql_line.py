"""PyMySQL's connection, with what it lacks: rows in bulk, from memory, and no file for servers."""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from pymysql import converters, err
from pymysql.connections import Connection
from pymysql.constants import CLIENT, COMMAND, FIELD_TYPE
from pymysql.cursors import SSCursor
from pymysql.protocol import FieldDescriptorPacket, OKPacketWrapper

from ladle.destinations import mysql_bulk

_PACKET_BYTES = 1 << 16
_SENT_BYTES = 1 << 20
"""Packets are sent so many at a time: who sends waits for Python's lock each time, beside a source."""
_TOKENS = re.compile(r"""`(?:[^`]|``)*`|"(?:[^"\\]|\\.|"")*"|'(?:[^'\\]|\\.|'')*'|\?(\d+)""", re.DOTALL)
# Values come back as the text or the bytes that the server sends, but for whole numbers.
_ENCODERS = {kind: encode for kind, encode in converters.conversions.items() if not isinstance(kind, int)}
_NUMBERS = dict.fromkeys(
    (FIELD_TYPE.TINY, FIELD_TYPE.SHORT, FIELD_TYPE.INT24, FIELD_TYPE.LONG, FIELD_TYPE.LONGLONG), int
)


class Line(Connection):  # type: ignore[misc]
    """A connection that autocommits until told otherwise.

    A server may answer any query by asking for any file of the client. This one says that it can send
    files, as LOAD DATA LOCAL needs it, but sends only rows that it was given.

    `takes_bulk`: whether the server is a MariaDB that takes many rows for a prepared statement.
    """

    takes_bulk = False

    _next_seq_id: int
    _read_packet: Any
    write_packet: Any

    def __init__(self, **arguments: Any) -> None:
        super().__init__(
            **arguments,
            charset="utf8mb4",
            conv={**_ENCODERS, **_NUMBERS},
            # an UPDATE tells how many rows it found, not only those that it changed
            client_flag=CLIENT.LOCAL_FILES | CLIENT.FOUND_ROWS,
            local_infile=False,
            autocommit=None,
        )

    def _create_ssl_ctx(self, sslp: Any) -> ssl.SSLContext:
        """Return a context that checks nothing where nothing is asked for: to read all CAs takes 20 ms."""
        if sslp:
            made: ssl.SSLContext = super()._create_ssl_ctx(sslp)
            return made
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return context

    def _get_server_information(self) -> None:
        read = self._read_packet

        def first(*arguments: Any) -> Any:
            packet = read(*arguments)
            self.takes_bulk = mysql_bulk.takes_bulk(packet.get_all_data())
            return packet

        self._read_packet = first
        try:
            super()._get_server_information()
        finally:
            del self._read_packet

    def _request_authentication(self) -> None:
        write = self.write_packet
        if self.takes_bulk:
            self.write_packet = lambda payload: write(mysql_bulk.asking_for_bulk(payload))
        try:
            super()._request_authentication()
        finally:
            self.__dict__.pop("write_packet", None)

    def change(self, sql: str | bytes, params: Sequence[Any] = ()) -> int:
        """Run a statement with parameters `?1`, `?2`, ...; return how many rows it concerned."""
        return int(self.query(filled(sql, params) if params else sql))

    def run(self, sql: str | bytes, params: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run a query with parameters; return its rows, all of them. Whole numbers are numbers."""
        self.change(sql, params)
        found = self._result
        return list(found.rows or ()) if found is not None else []

    def load(self, sql: str, rows: Iterable[Any]) -> tuple[int, int]:
        """Run LOAD DATA LOCAL and send it rows; return how many were stored, and the number of warnings.

        Args:
            sql: the statement; the name of the file doesn't matter.
            rows: buffers, each of whole lines.
        """
        self._execute_command(COMMAND.COM_QUERY, sql)
        asked = self._read_packet()
        if not asked.is_load_local_packet():
            raise err.InternalError(0, "the server did not ask for the rows of LOAD DATA LOCAL")
        try:
            for buffer in rows:
                self._send(memoryview(buffer))
        except Exception:
            if self.open:
                with suppress(err.Error):  # where the line is well, it stays in step
                    self._loaded()
            raise
        except BaseException:
            self._force_close()  # nobody knows how much of a message was sent
            raise
        return self._loaded()

    def _send(self, view: memoryview) -> None:
        for begin in range(0, len(view), _SENT_BYTES):
            parts: list[bytes | memoryview] = []
            for start in range(begin, min(begin + _SENT_BYTES, len(view)), _PACKET_BYTES):
                part = view[start : start + _PACKET_BYTES]
                parts += [len(part).to_bytes(3, "little"), bytes([self._next_seq_id]), part]
                self._next_seq_id = (self._next_seq_id + 1) % 256
            self._write_bytes(b"".join(parts))

    def _loaded(self) -> tuple[int, int]:
        self.write_packet(b"")
        answer = OKPacketWrapper(self._read_packet())
        return int(answer.affected_rows), int(answer.warning_count)

    @contextmanager
    def prepared(self, sql: str) -> Iterator[int]:
        """Prepare a statement with `?` for its parameters that returns no rows; give it back at the end."""
        self._execute_command(mysql_bulk.PREPARE, sql)
        answer = self._read_packet().get_all_data()
        statement, parameters = int.from_bytes(answer[1:5], "little"), int.from_bytes(answer[7:9], "little")
        for _ in range(parameters and parameters + 1):  # a description of each, and an end
            self._read_packet()
        try:
            yield statement
        finally:
            if self.open:
                with suppress(err.Error):
                    self._execute_command(mysql_bulk.CLOSE, statement.to_bytes(4, "little"))

    def bulk(self, statement: int, message: mysql_bulk.Message) -> tuple[int, int]:
        """Run a prepared statement with many rows; return how many it stored, and the number of warnings."""
        self._next_seq_id = 0
        try:
            self.write_packet(mysql_bulk.executed(statement, message))
            answer = OKPacketWrapper(self._read_packet())
        except err.Error:
            raise
        except BaseException:
            self._force_close()  # nobody knows how much of the message was sent
            raise
        return int(answer.affected_rows), int(answer.warning_count)

    def stream(self, sql: str, params: Sequence[Any]) -> Stream:
        """Run a statement; its rows come as they are asked for."""
        cursor, self.decoders = SSCursor(self), {}
        try:
            cursor.execute(filled(sql, params) if params else sql)
        finally:
            self.decoders = dict(_NUMBERS)
        fields = getattr(self._result, "fields", None) or []
        return Stream(cursor, fields)


class Stream:
    """The rows of a query, and the server's description of its columns."""

    def __init__(self, cursor: SSCursor, fields: Sequence[FieldDescriptorPacket]) -> None:
        self._cursor = cursor
        self.fields = fields

    def batches(self, rows: int) -> Iterator[Sequence[Sequence[Any]]]:
        """Yield rows, at most so many at once."""
        while self.fields and (found := self._cursor.fetchmany(rows)):
            yield found

    def close(self) -> None:
        """Read what is left, and forget it."""
        with suppress(err.Error):
            self._cursor.close()


def filled(sql: str | bytes, params: Sequence[Any]) -> str:
    """Return a statement with its parameters in place; times with a zone become UTC."""
    text = sql if isinstance(sql, str) else sql.decode()
    # Names may have anything in them, also what looks like a parameter.
    return _TOKENS.sub(lambda m: literal(params[int(m[1]) - 1]) if m[1] else m[0], text)


def literal(value: Any) -> str:
    """Return a value as SQL, for sessions in which a backslash escapes."""
    if value is None:
        return "NULL"
    if isinstance(value, (bool, int)):
        return str(int(value))
    if isinstance(value, (float, Decimal)):
        return repr(value) if isinstance(value, float) else f"{value:f}"
    if isinstance(value, (bytes, bytearray)):
        return f"x'{bytes(value).hex()}'"
    if isinstance(value, datetime):
        naive = value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo else value
        return f"'{naive.isoformat(' ')}'"
    text = str(value).replace("\\", "\\\\").replace("'", "\\'")
    return f"'{text}'"
