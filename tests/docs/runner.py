"""Runs the snippets of pages, each page in a process of its own: orders in as lines of JSON on stdin, exit codes out.

The process is a newcomer's: nothing of the tests is imported, warnings are errors. It is forked, as starting it
anew would take longer than most pages. So are the commands of a page that are Python: client.py asks for them at
the socket that `python runner.py SOCKET` makes.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import linecache
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import traceback
from pathlib import Path
from typing import Any

TIMEOUT_S = 60


def run_python(job: dict[str, Any], scope: dict[str, Any]) -> str:
    """Run a block; return what it prints, and the end of its traceback where it has to fail."""
    name = f"<{job['page']}, line {job['line']}>"
    linecache.cache[name] = (len(job["code"]), None, job["code"].splitlines(keepends=True), name)
    printed = io.StringIO()
    failed = None
    with contextlib.redirect_stdout(printed):
        try:
            exec(compile(job["code"], name, "exec", dont_inherit=True), scope)
        except Exception as error:
            if not job["raises"]:
                raise
            failed = "".join(traceback.format_exception_only(error))
    if job["raises"] and failed is None:
        raise AssertionError(f"{name} should have raised an error")
    return printed.getvalue() + (failed or "")


def run_bash(job: dict[str, Any]) -> str:
    """Run a block in bash; return what it prints, errors too, as a terminal would show it."""
    command = ["bash", "-euo", "pipefail", "-c", job["code"]]
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=TIMEOUT_S
    )
    if done.returncode and not job["raises"]:
        raise AssertionError(f"{job['page']}, line {job['line']}: exit code {done.returncode}\n{done.stdout}")
    return done.stdout


def run(jobs: list[dict[str, Any]], report: Path) -> None:
    """Run the jobs in order; store how far it came after each, so that a failure shows what went before."""
    scope: dict[str, Any] = {"__name__": "__main__"}
    outputs: list[str] = []
    for job in jobs:
        if job["file"]:
            Path(job["file"]).write_text(job["code"], encoding="utf-8")
            outputs.append("")
        else:
            outputs.append(run_bash(job) if job["language"] == "bash" else run_python(job, scope))
        report.write_text(json.dumps(outputs), encoding="utf-8")


def page(order: dict[str, Any]) -> None:
    """Run a page in this process, which ends with it."""
    os.environ.clear()
    os.environ.update(order["env"])
    os.chdir(order["folder"])
    log = os.open(order["log"], os.O_WRONLY | os.O_CREAT)
    for standard, opened in ((0, os.open(os.devnull, os.O_RDONLY)), (1, log), (2, log)):
        os.dup2(opened, standard)
    signal.alarm(order["timeout_s"])
    run(order["jobs"], Path(order["report"]))


def command(line: socket.socket) -> None:
    """Run Python with the arguments of an order, in a process that ends with it; tell its exit code."""
    _, files, _, _ = socket.recv_fds(line, 1, 3)
    with line.makefile("rb") as asked:
        order = json.load(asked)
    if child := os.fork():
        _, status = os.waitpid(child, 0)
        line.sendall(str(os.waitstatus_to_exitcode(status)).encode())
        os._exit(0)
    signal.alarm(TIMEOUT_S)
    for standard, opened in enumerate(files):
        os.dup2(opened, standard)
        os.close(opened)
    line.close()
    sys.stdin = open(0, closefd=False)  # noqa: SIM115 - the other one has read ahead
    os.environ.clear()
    os.environ.update(order["env"])
    os.chdir(order["folder"])
    first, *rest = order["arguments"]
    if first == "-m":
        sys.path[0], sys.argv = order["folder"], rest
        runpy.run_module(rest[0], run_name="__main__", alter_sys=True)
    else:
        sys.path[0], sys.argv = str(Path(first).resolve().parent), [first, *rest]
        runpy.run_path(first, run_name="__main__")


def attend(page: int, door: socket.socket) -> int | None:
    """Fork a process for each command until a page has ended; return its exit code, or None in such a process."""
    while True:
        if select.select([door], [], [], 0.01)[0]:
            line, _ = door.accept()
            if not os.fork():
                door.close()
                command(line)
                return None
            line.close()
        child, status = os.waitpid(-1, os.WNOHANG)
        if child == page:
            return os.waitstatus_to_exitcode(status)


def main(address: str) -> None:
    """Fork a process for each page asked for; what takes long to import is there then."""
    for name in ("pandas", "ladle.pipelines.entry", "ladle.destinations.duckdb"):
        importlib.import_module(name)
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(address)
        door.listen()
        for line in sys.stdin:
            child = os.fork()
            if not child:
                door.close()
                return page(json.loads(line))
            if (code := attend(child, door)) is None:
                return None
            print(code, flush=True)
    return None


if __name__ == "__main__":
    main(sys.argv[1])
