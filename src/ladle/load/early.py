"""Connect early: a session opens on a thread of its own while what it will load is made ready."""

from __future__ import annotations

import threading
from contextlib import suppress

from ladle.destinations.base import Destination, Session
from ladle.errors import LadleError

_PATIENCE_S = 1.0


class EarlySession:
    """A session that is being opened. Only speed hangs on it: connecting is a third of a load of one row.

    Args:
        destination: one whose sessions may be used on another thread than the one that opened them
            (`streams`).
        dataset: to load to.
    """

    def __init__(self, destination: Destination, dataset: str) -> None:
        self._destination = destination
        self._dataset = dataset
        self._session: Session | None = None
        self._error: Exception | None = None
        self._changing = threading.Lock()
        self._given_up = False
        self._closing: threading.Thread | None = None
        self._thread = threading.Thread(target=self._open, name="ladle-connect", daemon=True)
        self._thread.start()

    def _open(self) -> None:
        try:
            session = self._destination.open(self._dataset)
        except Exception as error:  # noqa: BLE001 - raised where the session is wanted
            self._error = error
            return
        with self._changing:
            if not self._given_up:
                self._session = session
                return
        _close(session)

    def take(self) -> Session:
        """Return the session; the caller closes it. A new one where it was taken already.

        Raises:
            DestinationError: it could not be opened.
        """
        self._thread.join()
        error, self._error = self._error, None
        if error is not None:
            raise error
        session, self._session = self._session, None
        return session or self._destination.open(self._dataset)

    def give_back(self, session: Session) -> None:
        """Close a session whose work is done, while the package is cleared away; `close` waits for that.

        DuckDB writes its file anew then, which takes as long as the load of a row itself.
        """
        self._closing = threading.Thread(target=_close, args=(session,), name="ladle-close", daemon=True)
        self._closing.start()

    def close(self) -> None:
        """Close it, unless somebody took it. Safe to repeat."""
        if self._closing is not None:
            self._closing.join()
        # Not for as long as it takes: it may wait for a file that another process holds.
        self._thread.join(_PATIENCE_S)
        with self._changing:
            self._given_up = True
            session, self._session = self._session, None
        if session is not None:
            _close(session)


def _close(session: Session) -> None:
    with suppress(LadleError):
        session.close()
