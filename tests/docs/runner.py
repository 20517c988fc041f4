"""Runs the snippets of one page, in its own process: job in as JSON on stdin, outputs as JSON to a file.

The process is a newcomer's: nothing of the tests is imported, warnings are errors.
"""

from __future__ import annotations

import contextlib
import io
import json
import linecache
import subprocess
import sys
import traceback
from pathlib import Path
from typing import Any


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
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60)
    if done.returncode and not job["raises"]:
        raise AssertionError(f"{job['page']}, line {job['line']}: exit code {done.returncode}\n{done.stdout}")
    return done.stdout


def main(report: str) -> None:
    """Run the jobs in order; store how far it came after each, so that a failure shows what went before."""
    scope: dict[str, Any] = {"__name__": "__main__"}
    outputs: list[str] = []
    for job in json.load(sys.stdin):
        if job["file"]:
            Path(job["file"]).write_text(job["code"], encoding="utf-8")
            outputs.append("")
        else:
            outputs.append(run_bash(job) if job["language"] == "bash" else run_python(job, scope))
        Path(report).write_text(json.dumps(outputs), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1])
