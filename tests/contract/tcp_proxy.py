"""A proxy between ladle and a server that reads the client's messages and can cut the line at any of them."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Callable

FORWARD = "forward"
CUT = "cut"
"""The line breaks before the server gets the message."""
CUT_ANSWER = "cut_answer"
"""The server gets the message; at its next answer the client sees the line break instead."""
HOLD = "hold"
"""The client sees the line break; the server gets and sees nothing, as if a router died."""

Decide = Callable[[bytes, bytes], str]
_PROTOCOL_3 = 3 << 16


class Proxy:
    """Listens on a free port of 127.0.0.1 and forwards to `port`.

    `decide(type, payload)` is asked for each message what to do with it.

    Use as a context manager. `reachable = False` refuses new connections.
    """

    def __init__(self, port: int, decide: Decide, protocol: str = "postgres") -> None:
        self.decide = decide
        self._line = {"postgres": _Line, "mysql": _MySqlLine}[protocol]
        self.reachable = True
        self.cuts = 0
        self._target = ("127.0.0.1", port)
        self._sockets: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])

    def __enter__(self) -> Proxy:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *exc: object) -> None:
        # shutdown, as closing alone leaves a thread in `accept` waiting
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for line in self._sockets:
            _hang_up(line)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if not self.reachable:
                _hang_up(client)
                continue
            server = socket.create_connection(self._target)
            for end in (client, server):
                # Messages go on one by one: each would wait 40 ms until the one before it is acknowledged.
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._sockets += [client, server]
            line = self._line(self, client, server)
            for pump in (line.pump_requests, line.pump_answers):
                threading.Thread(target=pump, daemon=True).start()


class _Line:
    def __init__(self, proxy: Proxy, client: socket.socket, server: socket.socket) -> None:
        self._proxy = proxy
        self._client = client
        self._server = server
        self._swallow = threading.Event()
        self._held = False

    def pump_requests(self) -> None:
        try:
            with contextlib.suppress(OSError, EOFError):
                self._log_in()
                while self._forward_message():
                    pass
        finally:
            _hang_up(self._client)
            if not self._held:
                _hang_up(self._server)

    def _log_in(self) -> None:
        while self._forward_untagged() != _PROTOCOL_3:
            pass

    def _forward_untagged(self) -> int:
        """Forward the start-up message, or a question for encryption before it; returns its code."""
        head = _read(self._client, 8)
        length, code = struct.unpack("!ii", head)
        self._server.sendall(head + _read(self._client, length - 8))
        return int(code) & ~0xFFFF if code < 80_000_000 else code

    def _forward_message(self) -> bool:
        head = _read(self._client, 5)
        payload = _read(self._client, struct.unpack("!i", head[1:])[0] - 4)
        return self._judge(head[:1], head, payload)

    def _judge(self, kind: bytes, head: bytes, payload: bytes) -> bool:
        decision = self._proxy.decide(kind, payload)
        if decision in (CUT, HOLD):
            self._proxy.cuts += 1
            self._swallow.set()
            self._held = decision == HOLD
            return False
        if decision == CUT_ANSWER:
            self._proxy.cuts += 1
            self._swallow.set()
        self._server.sendall(head + payload)
        return True

    def pump_answers(self) -> None:
        with contextlib.suppress(OSError):
            while data := self._server.recv(65536):
                if self._swallow.is_set():
                    _hang_up(self._server)
                    break
                self._client.sendall(data)
        _hang_up(self._client)


class _MySqlLine(_Line):
    """Kinds: `Q` a statement, `d` rows, `c` their end, `P` a statement to prepare, `B` rows for it, `X` goodbye."""

    def _log_in(self) -> None:
        head = _read(self._client, 4)
        self._server.sendall(head + _read(self._client, int.from_bytes(head[:3], "little")))

    def _forward_message(self) -> bool:
        head = _read(self._client, 4)
        payload = _read(self._client, int.from_bytes(head[:3], "little"))
        if head[3]:
            return self._judge(b"d" if payload else b"c", head, payload)
        kind = {3: b"Q", 1: b"X", 0x16: b"P", 0xFA: b"B"}.get(payload[0], b"?")
        return self._judge(kind, head + payload[:1], payload[1:])


def _read(line: socket.socket, size: int) -> bytes:
    data = bytearray()
    while len(data) < size:
        piece = line.recv(size - len(data))
        if not piece:
            raise EOFError
        data += piece
    return bytes(data)


def _hang_up(line: socket.socket) -> None:
    with contextlib.suppress(OSError):
        line.shutdown(socket.SHUT_RDWR)
    line.close()
