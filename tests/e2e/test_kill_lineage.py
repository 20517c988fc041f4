"""A process that is killed leaves the START of its run alone; the run that finishes its package completes it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.conftest import ROOT

pytest.importorskip("openlineage.client", reason="needs the extra `openlineage`")

PROGRAM = """
import os, signal, sys
from pathlib import Path
import ladle
from ladle.events import Durable

def hook(event):
    if isinstance(event, Durable) and event.done and event.name == sys.argv[1]:
        os.kill(os.getpid(), signal.SIGKILL)

to = ladle.destinations.duckdb("x.duckdb")
pipeline = ladle.pipeline("p", Path("work"), destination=to, dataset_name="ds", progress=hook)
data = ladle.resource([{"a": 1}], name="t").add_input("s3://b/k") if sys.argv[1] != "never" else None
pipeline.run(data)
print(pipeline.dataset()["t"].select("a").fetchall(), pipeline.lineage().inputs().num_rows)
"""


def program(folder: Path, kill_after: str) -> subprocess.CompletedProcess[str]:
    env = {
        **os.environ,
        "OPENLINEAGE__FILE": str(folder / "events.jsonl"),
        "LADLE_DATA_DIR": str(folder),
        "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), os.environ.get("PYTHONPATH", "")]),
    }
    command = [sys.executable, "-c", PROGRAM, kill_after]
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize("step", ["package.extracted", "package.normalized", "load.commit", "folder.state"])
def test_the_next_run_completes_what_was_killed(step: str, tmp_path: Path) -> None:
    assert program(tmp_path, step).returncode == -signal.SIGKILL
    done = program(tmp_path, "never")
    assert (done.returncode, done.stdout.strip()) == (0, "[(1,)] 1"), done.stderr
    events = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    assert [event["eventType"] for event in events] == ["START", "COMPLETE"]
    assert events[0]["run"]["runId"] == events[1]["run"]["runId"]
    assert [table["name"] for table in events[1]["outputs"]] == ["x.ds.t"]
