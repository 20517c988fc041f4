"""A MariaDB server of the benchmark's own: on 127.0.0.1, as durable as by default, ended by its id."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from postgres import Server, free_port

_START_TIMEOUT_S = 60.0
_FOLDERS = ("/usr/sbin", "/usr/bin", "/usr/local/sbin", "/usr/local/bin")
_SETTINGS = (
    "--skip-name-resolve",
    "--local-infile=1",
    "--character-set-server=utf8mb4",
    "--innodb-buffer-pool-size=256M",
    "--innodb-log-file-size=1G",
)


def _binary(*names: str) -> str:
    path = os.pathsep.join((os.environ.get("PATH", ""), *_FOLDERS))
    for name in names:
        if found := shutil.which(name, path=path):
            return found
    raise FileNotFoundError("no MariaDB server: apt-get install mariadb-server")


def _as_server_user() -> dict[str, Any]:
    """Return the Popen arguments that leave root."""
    if os.geteuid() != 0:
        return {}
    return {"user": "mysql", "group": "mysql", "extra_groups": []}


def _make_data(folder: Path, user: str) -> Path:
    data = folder / "data"
    command = [_binary("mariadb-install-db"), "--no-defaults", f"--datadir={data}", f"--user={user}"]
    command += ["--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve"]
    done = subprocess.run(
        command, check=False, capture_output=True, text=True, cwd="/", timeout=_START_TIMEOUT_S
    )
    if done.returncode != 0:
        raise RuntimeError(f"mariadb-install-db failed: {done.stderr.strip()[-500:]}")
    return data


def _wait_ready(process: subprocess.Popen[bytes], socket: Path, log: Path) -> None:
    ask = [_binary("mariadb-admin"), "--no-defaults", f"--socket={socket}", "--user=root", "ping"]
    deadline = time.monotonic() + _START_TIMEOUT_S
    while time.monotonic() < deadline and process.poll() is None:
        if subprocess.run(ask, check=False, capture_output=True, timeout=_START_TIMEOUT_S).returncode == 0:
            return
        time.sleep(0.05)
    raise RuntimeError(f"MariaDB did not start: {log.read_text()[-500:]}")


def _allow_tcp(socket: Path) -> None:
    """Let root in over TCP: `root@localhost` is only the socket where names aren't looked up."""
    sql = "GRANT ALL ON *.* TO root@'127.0.0.1' IDENTIFIED BY 'bench' WITH GRANT OPTION"
    command = [_binary("mariadb"), "--no-defaults", f"--socket={socket}", "--user=root", "-e", sql]
    subprocess.run(command, check=True, capture_output=True, timeout=_START_TIMEOUT_S)


@contextlib.contextmanager
def server() -> Iterator[Server]:
    """Run a fresh server for the block. Its folder lies in the temporary directory and is removed at the end.

    Raises:
        FileNotFoundError: it isn't installed.
        RuntimeError: it did not start.
    """
    binary = _binary("mariadbd", "mysqld")
    told = subprocess.run([binary, "--version"], check=True, capture_output=True, text=True).stdout
    folder = Path(tempfile.mkdtemp(prefix="ladle-bench-my-"))
    user = "mysql" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
    socket, log, port = folder / "s", folder / "log", free_port()
    process: subprocess.Popen[bytes] | None = None
    try:
        if os.geteuid() == 0:
            shutil.chown(folder, user, user)
        data = _make_data(folder, user)
        command = [binary, "--no-defaults", f"--datadir={data}", f"--port={port}", f"--socket={socket}"]
        command += ["--bind-address=127.0.0.1", f"--pid-file={folder}/pid", *_SETTINGS]
        with log.open("wb") as output:
            process = subprocess.Popen(
                command,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                cwd="/",
                **_as_server_user(),
            )
        _wait_ready(process, socket, log)
        _allow_tcp(socket)
        place = f"127.0.0.1:{port}"
        version = told.split("Ver ")[-1].split("-")[0]
        yield Server(f"mysql://root:bench@{place}", f"mysql://root:bench@{place}", version)
    finally:
        if process is not None and process.poll() is None:
            process.send_signal(signal.SIGTERM)  # of this process only
            process.wait(_START_TIMEOUT_S)
        shutil.rmtree(folder, ignore_errors=True)
