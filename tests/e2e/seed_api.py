"""A web server on 127.0.0.1 for examples: routes are functions of the request."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit


@dataclass(frozen=True)
class Request:
    """What was asked. `query`: the last value of each parameter; `body`: JSON, None without."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: Any


Route = Callable[[Request], Any]


@dataclass
class Api:
    """A running server. An answer is JSON, or a status; `seen`: all requests, in order."""

    route: Route
    seen: list[Request] = field(default_factory=list)
    url: str = ""

    def answer(self, request: Request) -> tuple[int, bytes]:
        self.seen.append(request)
        found = self.route(request)
        return (found, b"{}") if isinstance(found, int) else (200, json.dumps(found).encode())


@contextmanager
def serving(route: Route) -> Iterator[Api]:
    """Serve until the block ends; the port is free again then."""
    api = Api(route)

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            split = urlsplit(self.path)
            size = int(self.headers.get("content-length") or 0)
            body = json.loads(self.rfile.read(size)) if size else None
            request = Request(self.command, split.path, dict(parse_qsl(split.query)), self.headers, body)  # type: ignore[arg-type]
            status, content = api.answer(request)
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = answer

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    api.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield api
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
