"""A local HTTP(S) server for the vaults' clients."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

Answer = tuple[int, Any, dict[str, str]]


@contextmanager
def serving(
    answer: Callable[[str, str, dict[str, str], Any], Answer], certificate: Path | None = None
) -> Iterator[str]:
    """Serve `answer(method, path, headers, body)` as JSON on 127.0.0.1; yield the address."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {k.lower(): v for k, v in self.headers.items()}
            status, content, more = answer(
                self.command, self.path, headers, json.loads(body) if body else None
            )
            text = json.dumps(content).encode()
            self.send_response(status)
            for name, value in {
                "Content-Type": "application/json",
                "Content-Length": str(len(text)),
                **more,
            }.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_POST = do_LIST = handle_any

        def log_message(self, *args: object) -> None: ...

    class Server(ThreadingHTTPServer):
        block_on_close = False  # clients keep their connections

        def handle_error(self, *args: object) -> None: ...

    with Server(("127.0.0.1", 0), Handler) as server:
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http{'s' if certificate else ''}://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
