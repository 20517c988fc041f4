"""Messages of a COPY, many at a time: as the driver hands them out, each an object, they take longer."""

from __future__ import annotations

import ctypes
import selectors
import sys
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import psycopg
from psycopg import errors, pq

from ladle.destinations.postgres_rows import code

_CANCEL_TIMEOUT_S = 5.0
_DROPPED_BYTES = 1 << 20


class Line:
    """One connection, while nobody else uses it. Python may be interrupted whenever it waits for the server.

    Args:
        connection: of psycopg.
    """

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection
        self._driver: Any = connection.pgconn
        self._libpq = _libpq(self._driver)
        self._copying = False
        self._selector = getattr(selectors, "PollSelector", selectors.SelectSelector)()
        self._selector.register(self._driver.socket, selectors.EVENT_READ)

    def described(self, sql: str) -> Any:
        """Have a query parsed; return a result of the driver that has the columns and no rows."""
        self._driver.send_prepare(b"", sql.encode())
        self._answer()
        self._driver.send_describe_prepared(b"")
        return self._answer()

    def copy(self, sql: str) -> None:
        """Start a COPY, whose messages come by `pieces`."""
        self._driver.send_query(sql.encode())
        self._check(self._result())
        self._copying = True

    def pieces(self, limit: int) -> Iterator[bytearray]:
        """Yield what has come, appended to one and the same bytes, whenever that is so many or all.

        Whoever gets it takes away what he has read.
        """
        data, state, full = bytearray(), 1, limit
        while state >= 0:
            state = self._gathered(data, full)
            if state == 0:
                self._driver.consume_input()
                if (state := self._gathered(data, full)) == 0:
                    self._more()
            if state < 0:
                self._copying = False
                self._answer()
            if state:
                yield data
                full = len(data) + limit

    def leave(self, *, cancel: bool) -> None:
        """Have done with a statement: what still comes of it is thrown away, where it isn't cancelled.

        Where neither is possible the connection is closed.
        """
        with suppress(psycopg.Error):
            while self._is_active() and not self._driver.flush():
                if not self._dropped():
                    if cancel:
                        self._connection.cancel_safe(timeout=_CANCEL_TIMEOUT_S)
                        cancel = False
                    self._more()
        if self._is_active():
            self._connection.close()

    def _dropped(self) -> bool:
        """Throw away what has come; return whether something had."""
        if self._copying:
            state = self._gathered(bytearray(), _DROPPED_BYTES)
            self._copying = state >= 0
            return state != 0
        if self._driver.is_busy():
            return False
        result = self._driver.get_result()
        self._copying = result is not None and result.status == pq.ExecStatus.COPY_OUT
        return True

    def _is_active(self) -> bool:
        return bool(self._driver.transaction_status == pq.TransactionStatus.ACTIVE)

    def refuse(self) -> None:
        """End a COPY that a statement began unexpectedly, in whatever direction."""
        if self._is_active():
            with suppress(psycopg.Error):
                self._driver.put_copy_end(b"no rows come this way")
                self._answer()
            self.leave(cancel=True)

    def _gathered(self, into: bytearray, limit: int) -> int:
        """Append the messages that have come, up to about so many bytes; return what the driver said last.

        That is more than 0 at the limit, 0 where the next has still to come, and -1 behind the last.
        """
        address, size = self._driver.pgconn_ptr, 1
        if code is not None and self._libpq and address:
            found: int = code.gathered(address, *self._libpq, into, limit)
            if found < -1:
                raise psycopg.OperationalError(self._driver.error_message.decode("utf-8", "replace"))
            return found
        while size > 0 and len(into) < limit:
            size, message = self._driver.get_copy_data(1)
            into += message
        return size

    def _more(self) -> None:
        """Wait for the server."""
        self._selector.select()
        self._driver.consume_input()

    def _result(self) -> Any:
        while self._driver.flush():  # a statement of many kilobytes
            self._selector.modify(self._driver.socket, selectors.EVENT_READ | selectors.EVENT_WRITE)
            self._more()
            self._selector.modify(self._driver.socket, selectors.EVENT_READ)
        while self._driver.is_busy():
            self._more()
        return self._driver.get_result()

    def _answer(self) -> Any:
        """Return the last result of a statement."""
        last = None
        while (found := self._result()) is not None:
            last = self._check(found)
        return last

    def _check(self, result: Any) -> Any:
        if result.status == pq.ExecStatus.FATAL_ERROR:
            while self._result() is not None:
                pass
            raise errors.error_from_result(result)
        return result


def _libpq(driver: Any) -> tuple[int, int] | None:
    """Return where the driver's libpq has `PQgetCopyData` and `PQfreemem`; None where that can't be found.

    The driver hands out `pgconn_ptr` for what it has no function for. Symbols are looked up in its own module
    and what that is linked to, so they are never those of another libpq.
    """
    try:
        library = ctypes.CDLL(sys.modules[type(driver).__module__].__file__)
        found = [ctypes.cast(f, ctypes.c_void_p).value for f in (library.PQgetCopyData, library.PQfreemem)]
    except (AttributeError, OSError):  # its variant in Python, another system
        return None
    return (found[0], found[1]) if found[0] and found[1] else None
