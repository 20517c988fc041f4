"""Runs measurements in fresh processes, keeps their answers, checks that every side loaded the same rows."""

from __future__ import annotations

import json
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cases import Case, Side
from counting import EMPTIED, count
from data import NESTED_TABLES
from postgres import Server
from report import FAILED

_HERE = Path(__file__).resolve().parent
_TIMEOUT_S = 240.0
_CLOCK = ".clock"
_ERROR_CHARS = 1500
_BUSY = 0.5
_RUNNERS = {
    "ladle": "ladle_runner.py",
    "dlt": "peers/dlt_runner.py",
    "duckdb": "peers/duckdb_runner.py",
    "postgres": "peers/postgres_runner.py",
    "copiers": "peers/copiers_runner.py",
    "engine": "peers/engine_runner.py",
}
_NOT_PASSED = ("PYTHONPATH", "PYTHONDONTWRITEBYTECODE")  # else one side would be compiled at every start
_PREPARED = ("read_json", "adbc", "encoded")  # measures that start from files of nested rows
_CHECKED = (
    "incremental_rows",
    "incremental_arrow",
    "resources",
    "requests",
    "write",
    "merge",
    "least",
    "copied",
    "piped",
)
_PEERS = ("ingestr", "sling")
_NAMES = {"postgres": "Postgres", "mysql": "MariaDB"}
_PACKAGES = {
    "ladle": ("pyarrow", "duckdb", "sqlglot", "adbc-driver-postgresql", "psycopg", "pandas"),
    "dlt": ("dlt", "pyarrow", "duckdb", "sqlglot", "psycopg2-binary", "pandas"),
}

Answer = Mapping[str, float]


class NotMeasured(Exception):
    """A side could not be measured; the text says why, `short` fits into the table.

    `over_s`: for so many seconds its clock ran until it was stopped.
    """

    def __init__(self, why: str, short: str = FAILED, over_s: float | None = None) -> None:
        super().__init__(why)
        self.short = short
        self.over_s = over_s


def reference_python() -> str:
    """Return the Python of the peer's environment.

    Raises:
        NotMeasured: there is none.
    """
    local = _HERE.parent / ".venv-reference" / "bin" / "python"
    found = os.environ.get("LADLE_REFERENCE_PYTHON") or (str(local) if local.exists() else None)
    if found is None:
        raise NotMeasured("no dlt: run `make reference`, or set LADLE_REFERENCE_PYTHON", "not installed")
    return found


def _python(runner: str) -> str:
    return reference_python() if runner == "dlt" else sys.executable


def _available_gb() -> float:
    info = Path("/proc/meminfo")
    found = re.search(r"MemAvailable:\s+(\d+) kB", info.read_text()) if info.exists() else None
    return int(found.group(1)) * 1024 / 1e9 if found else float("inf")


def _starts_from(arguments: Mapping[str, Any]) -> str | None:
    """Return which prepared files a measurement starts from, if any."""
    measure = arguments.get("measure")
    if measure in ("arrow", "parquet", "contract"):
        return "flat"
    if measure == "write":
        plain = arguments["write"] in ("append", "replace") and arguments["form"] == "arrow"
        return "flat" if plain else None
    return "nested" if measure in _PREPARED else None


def _expected(arguments: Mapping[str, Any]) -> dict[str, int]:
    """Return how many rows each table must have, nothing where it isn't a matter of rows."""
    rows = arguments.get("count")
    if rows is None or arguments["measure"].startswith("prepare"):
        return {}
    if arguments["measure"] in (*_CHECKED, *_PEERS):
        return {}  # they look themselves
    if arguments.get("rows") == "flat" or arguments["measure"] in ("arrow", "parquet", "contract"):
        return {"t": rows}
    return dict(zip(NESTED_TABLES, (rows, 2 * rows, rows), strict=True))


class Bench:
    """One run of the benchmarks.

    Args:
        folder: for everything measured and prepared; one file system for all sides.
        servers: by engine, those that a case needs.
        cases: those that will be measured; their input files are prepared now.
    """

    def __init__(self, folder: Path, servers: Mapping[str, Server], cases: Sequence[Case]) -> None:
        self._folder = folder
        self._servers = servers
        self._answers: dict[str, list[Answer] | NotMeasured] = {}
        self._started = datetime.now(UTC)
        self._load = os.getloadavg()[0]
        if self._load > _BUSY:
            print(f"this machine is busy (load {self._load:.1f}): no figure means much", file=sys.stderr)
        self._prepared = folder / "prepared"
        self._prepared.mkdir()
        self._prepare([side.arguments for case in cases for side in (case.ours, case.peer) if side])

    def _prepare(self, wanted: Sequence[Mapping[str, Any]]) -> None:
        counts: dict[str, int] = {}
        for arguments in wanted:
            if kind := _starts_from(arguments):
                counts[kind] = max(arguments["count"], counts.get(kind, 0))
        if counts:
            print(f"preparing input files: {counts}", file=sys.stderr, flush=True)
            self._call([sys.executable, _HERE / "tables.py", self._prepared, json.dumps(counts)])
        if any(arguments.get("measure") == "encoded" for arguments in wanted):
            self._answer("postgres", {"measure": "prepare", "engine": "postgres"})
        if narrow := [arguments["count"] for arguments in wanted if arguments.get("measure") == "copied"]:
            sent = {"measure": "prepare_source", "engine": "postgres", "count": max(narrow)}
            self._answer("postgres", sent)

    def answers(self, side: Side) -> list[Answer]:
        """Return the answers of a side's runs; the same measurement is made once.

        Raises:
            NotMeasured: it failed, or can't be made here.
        """
        key = json.dumps([side.runner, dict(side.arguments)])
        if key not in self._answers:
            try:
                self._answers[key] = self._measure(side)
            except NotMeasured as reason:
                self._answers[key] = reason
        found = self._answers[key]
        if isinstance(found, NotMeasured):
            raise found
        return found

    def _measure(self, side: Side) -> list[Answer]:
        if side.needs_gb > _available_gb():
            raise NotMeasured(f"needs {side.needs_gb:.0f} GB of free memory", "too little memory")
        ask = self._started_in if side.runner == "start" else self._answer
        return [ask(side.runner, side.arguments, side.limit_s) for _ in range(side.times)]

    def _answer(self, runner: str, arguments: Mapping[str, Any], limit_s: float = _TIMEOUT_S) -> Answer:
        with tempfile.TemporaryDirectory(dir=self._folder) as scratch:
            engine = arguments.get("engine", "duckdb")
            target = self._target(engine, scratch)
            sent = {**arguments, "engine": engine, "target": target, "folder": scratch}
            sent["prepared"] = str(self._prepared)
            script = _HERE / _RUNNERS[runner]
            command = [_python(runner), script, json.dumps(sent)]
            answer: Answer = json.loads(self._call(command, scratch, limit_s))
            self._check(sent)
            return answer

    def _target(self, engine: str, scratch: str) -> str:
        """Return where an engine's side loads to, empty."""
        if engine not in self._servers:
            return f"{scratch}/bench" if engine == "files" else f"{scratch}/bench.{engine}"
        target = self._servers[engine].url_with_password
        EMPTIED[engine](target)
        return target

    def _check(self, sent: Mapping[str, Any]) -> None:
        for table, rows in _expected(sent).items():
            found = count(sent["engine"], sent["target"], table)
            if found != rows:
                raise NotMeasured(f"{table} has {found} rows, not {rows}")

    def _call(
        self, command: Sequence[str | Path], folder: str | None = None, limit_s: float = _TIMEOUT_S
    ) -> str:
        """Run a command in `folder`; return the last line it printed.

        Raises:
            NotMeasured: it failed, or was stopped after so many seconds.
        """
        words = [str(part) for part in command]
        environment = {name: value for name, value in os.environ.items() if name not in _NOT_PASSED}
        environment |= {"RUNTIME__DLTHUB_TELEMETRY": "false", "DLT_DATA_DIR": str(self._folder / "dlt")}
        if words[0] == sys.executable:
            environment["PYTHONPATH"] = str(_HERE.parent / "src")  # this checkout, whatever is installed
        clock = Path(folder or self._folder, _CLOCK)
        environment["BENCH_CLOCK"] = str(clock)
        options: dict[str, Any] = {"cwd": folder, "env": environment, "timeout": limit_s}
        try:
            done = subprocess.run(words, check=False, capture_output=True, text=True, **options)
        except subprocess.TimeoutExpired:
            over_s = time.time() - clock.stat().st_mtime if clock.exists() else None
            raise NotMeasured(f"not done after {limit_s:g} s", f"over {limit_s:g} s", over_s) from None
        if done.returncode != 0:
            raise NotMeasured(f"exit code {done.returncode}: {done.stderr.strip()[-_ERROR_CHARS:]}")
        return done.stdout.strip().splitlines()[-1] if done.stdout.strip() else ""

    def _started_in(self, runner: str, arguments: Mapping[str, Any], limit_s: float = _TIMEOUT_S) -> Answer:
        """Time how long a command takes from start to exit, less what Python takes for nothing if asked."""
        python = _python(arguments["python"])
        places = {"{python}": python, "{bin}/dlt": str(Path(python).with_name("dlt"))}
        command = [places.get(part, part) for part in arguments["command"]]
        bare = [python, "-c", "pass"]
        taken: list[float] = []
        nothing: list[float] = []
        self._once(command, limit_s)  # writes the byte code, fills the page cache
        for _ in range(arguments["runs"]):
            taken.append(self._once(command, limit_s))
            nothing.append(self._once(bare, limit_s) if arguments["less"] else 0.0)
        return {"ms": statistics.median(taken) - statistics.median(nothing)}

    def _once(self, command: Sequence[str], limit_s: float) -> float:
        with tempfile.TemporaryDirectory(dir=self._folder) as scratch:
            start = time.perf_counter()
            self._call(command, scratch, limit_s)
            return 1000 * (time.perf_counter() - start)

    def facts(self) -> dict[str, str]:
        """Return what the figures depend on: machine, versions, time."""
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
        took = datetime.now(UTC) - self._started
        facts = {
            "Date": f"{self._started:%Y-%m-%d %H:%M} UTC; the run took {took.seconds} s",
            "Machine": f"{_processor()}, {os.cpu_count()} cores, {memory:.0f} GB; {platform.platform()}",
            "Load before": f"{self._load:.2f} (average of the minute before: other work on the machine)",
            "ladle": f"{_commit()}, Python {platform.python_version()}, {self._versions('ladle')}",
            "dlt": self._versions("dlt"),
        }
        for engine, server in self._servers.items():
            facts[_NAMES[engine]] = f"{server.version}, on 127.0.0.1, durability as by default (fsync on)"
        return facts

    def _versions(self, side: str) -> str:
        code = (
            "import importlib.metadata as m, json, sys\n"
            "found = {d.metadata['Name'].lower(): d.version for d in m.distributions()}\n"
            "names = json.loads(sys.argv[1])\n"
            "print(', '.join(f'{n} {found[n]}' if n in found else f'no {n}' for n in names))"
        )
        try:
            return self._call([_python(side), "-c", code, json.dumps(_PACKAGES[side])])
        except NotMeasured as reason:
            return reason.short


def _commit() -> str:
    """Return the commit that is measured, and whether files differ from it."""
    command = ["git", "-C", str(_HERE.parent), "describe", "--always", "--dirty", "--abbrev=12"]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=10)
    return f"commit {done.stdout.strip()}" if done.returncode == 0 else "no commit"


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    found = re.search(r"model name\s*: (.*)", info.read_text()) if info.exists() else None
    return found.group(1) if found else platform.processor() or platform.machine()
