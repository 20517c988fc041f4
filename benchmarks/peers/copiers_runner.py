"""Programs that copy tables between databases: what they take for the narrow rows, from start to exit."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import narrow
from clock import Figures, main, timed

Arguments = Mapping[str, Any]


def _timed(arguments: Arguments, command: Sequence[str], environment: Mapping[str, str]) -> Figures:
    figures = timed(
        lambda: subprocess.run(
            command, check=True, capture_output=True, env={**os.environ, **environment}, timeout=600
        )
    )
    narrow.check(arguments["target"], arguments["count"])
    return figures | {"rows_s": arguments["count"] / figures["seconds"]}


def _with_schema(arguments: Arguments) -> tuple[str, str]:
    import psycopg

    with psycopg.connect(arguments["target"]) as connection:
        connection.execute("CREATE SCHEMA ds")
    return narrow.source(arguments["target"]), arguments["target"]


def ingestr(arguments: Arguments) -> Figures:
    """The program of the package `ingestr`."""
    origin, target = _with_schema(arguments)
    command = [arguments["program"], "ingest", "--yes", "--source-uri", origin, "--dest-uri", target]
    command += ["--source-table", f"public.{narrow.TABLE}", "--dest-table", "ds.t"]
    return _timed(arguments, command, {"DISABLE_TELEMETRY": "true", "INGESTR_DISABLE_TELEMETRY": "true"})


def sling(arguments: Arguments) -> Figures:
    """The program of the package `sling-linux-amd64`."""
    origin, target = (f"{url}?sslmode=disable" for url in _with_schema(arguments))
    command = [
        arguments["program"],
        "run",
        "--mode",
        "full-refresh",
        "--src-conn",
        "SRC",
        "--tgt-conn",
        "DST",
    ]
    command += ["--src-stream", f"public.{narrow.TABLE}", "--tgt-object", "ds.t"]
    return _timed(arguments, command, {"SRC": origin, "DST": target, "SLING_DISABLE_TELEMETRY": "TRUE"})


if __name__ == "__main__":
    main({"ingestr": ingestr, "sling": sling})
