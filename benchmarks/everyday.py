"""What people write with resources and cursors, once for both sides: `library` is `ladle` or `dlt`."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.request import urlopen

from clock import Figures, Measure, timed

Arguments = Mapping[str, Any]
Made = Callable[[Arguments], tuple[Any, Any]]
_PAGE = 1000
_FRAME_ROWS = 100_000
_REQUESTS = 100
_AT_ONCE = 20
_LATENCY_S = 0.05


def measures(made: Made) -> dict[str, Measure]:
    """Return the measures by name; `made` gives the library and a pipeline, warm, for given arguments."""
    return {
        "incremental_rows": lambda a: incremental_rows(*made(a), a),
        "incremental_arrow": lambda a: incremental_arrow(*made(a), a),
        "resources": lambda a: resources(*made(a), a),
        "requests": lambda a: requests(*made(a)),
    }


def incremental_rows(library: Any, pipeline: Any, arguments: Arguments) -> Figures:
    """Load pages of a thousand dicts through a cursor, which lets `pass` rows at the end through."""
    count = arguments["count"]
    cursor = library.sources.incremental("updated_at", initial_value=count - arguments["pass"])
    rows = [{"id": n, "updated_at": n, "name": f"name {n}", "score": n / 7} for n in range(count)]

    @library.resource(name="t")
    def events(updated_at: Any = cursor) -> Iterator[Any]:
        for start in range(0, count, _PAGE):
            yield rows[start : start + _PAGE]

    figures = timed(lambda: pipeline.run(events()))
    _check(pipeline, arguments["pass"])
    return figures


def incremental_arrow(library: Any, pipeline: Any, arguments: Arguments) -> Figures:
    """The same as Arrow tables of 100,000 rows."""
    import pyarrow as pa

    count = arguments["count"]
    cursor = library.sources.incremental("updated_at", initial_value=count - arguments["pass"])
    ids = pa.array(range(count))
    names = pa.array([f"name {n}" for n in range(count)])
    table = pa.table({"id": ids, "updated_at": ids, "name": names, "score": ids.cast(pa.float64())})

    @library.resource(name="t")
    def events(updated_at: Any = cursor) -> Iterator[Any]:
        for start in range(0, count, _FRAME_ROWS):
            yield table.slice(start, _FRAME_ROWS)

    figures = timed(lambda: pipeline.run(events()))
    _check(pipeline, arguments["pass"])
    return figures


def _check(pipeline: Any, expected: int) -> None:
    rows = pipeline.last_trace.last_normalize_info.row_counts["t"]
    assert rows == expected, f"{rows} rows were loaded, {expected} should be"


def resources(library: Any, pipeline: Any, arguments: Arguments) -> Figures:
    """One run of many resources of a row each."""
    count = arguments["count"]

    @library.source
    def many() -> Any:
        return [library.resource([{"id": n}], name=f"r{n}") for n in range(count)]

    return timed(lambda: pipeline.run(many()))


def requests(library: Any, _: Any) -> Figures:
    """Ask a local server that takes 50 ms for each answer a hundred times, twenty at once; load nothing."""
    os.environ |= {"EXTRACT__WORKERS": str(_AT_ONCE), "EXTRACT__MAX_PARALLEL_ITEMS": str(_AT_ONCE)}
    with _Server() as url:

        @library.resource(name="t")
        def answers() -> Iterator[Any]:
            for n in range(_REQUESTS):

                @library.defer
                def answer(number: int = n) -> Any:
                    with urlopen(f"{url}/{number}", timeout=10) as response:
                        return {"id": number, "body": response.read().decode()}

                yield answer()

        got: list[Any] = []
        figures = timed(lambda: got.extend(answers()))
    assert len(got) == _REQUESTS, len(got)
    return figures | {"ms": 1000 * figures["seconds"]}


class _Server:
    """A server in a process of its own, so that only its answers cost this one time."""

    def __enter__(self) -> str:
        command = [sys.executable, __file__, str(_LATENCY_S)]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def __exit__(self, *error: object) -> None:
        self._process.kill()
        self._process.wait()


def serve(latency_s: float) -> None:
    """Answer every request on a free port of 127.0.0.1, each after `latency_s` seconds; print the URL."""
    import asyncio

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await asyncio.sleep(latency_s)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
        await writer.drain()
        writer.close()

    async def run() -> None:
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        print(f"http://127.0.0.1:{port}", flush=True)
        # Whoever started it may be killed: nobody reads then, and nothing must stay behind.
        threading.Thread(target=_end_with_parent, args=(os.getppid(),), daemon=True).start()
        await server.serve_forever()

    asyncio.run(run())


def _end_with_parent(parent: int) -> None:
    import time

    while os.getppid() == parent:
        time.sleep(1)
    os._exit(0)


if __name__ == "__main__":
    serve(float(sys.argv[1]))
