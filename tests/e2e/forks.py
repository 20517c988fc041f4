"""Processes to kill, forked from a server that has imported everything: a new interpreter takes too long."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["tests.e2e.warm"])
KILLED = -signal.SIGKILL
_TIMEOUT_S = 60.0


def start(target: Callable[..., None], *args: Any) -> BaseProcess:
    """Start a process; `target` and `args` must pickle."""
    process = FORKS.Process(target=target, args=args)
    process.start()
    return process


def ended(process: BaseProcess, timeout_s: float = _TIMEOUT_S) -> int:
    """Wait for a process's end and return its exit code; one that hangs is killed and fails the test."""
    process.join(timeout_s)
    hangs = process.exitcode is None
    if hangs:
        process.kill()
        process.join()
    code = process.exitcode
    process.close()
    assert not hangs, f"a process did not end within {timeout_s:g} s"
    assert code is not None
    return code


def call(target: Callable[..., None], *args: Any) -> int:
    """Run a function in a process of its own; return its exit code."""
    return ended(start(target, *args))


def error_of(folder: Path) -> str:
    """Return the traceback a process left in its folder."""
    path = folder / "error.txt"
    return path.read_text() if path.exists() else "no error.txt"
