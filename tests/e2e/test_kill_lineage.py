"""A process that is killed leaves the START of its run alone; the run that finishes its package completes it."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from tests.e2e.forks import KILLED, call
from tests.e2e.victim import Hook

import ladle
from ladle.events import Durable, Event

pytest.importorskip("openlineage.client", reason="needs the extra `openlineage`")


class After(Hook):
    """Kills the process after a step."""

    def __init__(self, step: str) -> None:
        super().__init__(kill_at=1)
        self.step = step

    def __call__(self, event: Event) -> None:
        if isinstance(event, Durable) and event.done and event.name == self.step:
            super().__call__(event)


def program(folder: Path, step: str | None) -> None:
    """Load one row, and die after a step; without one, finish what is pending and tell what is there."""
    os.environ |= {"OPENLINEAGE__FILE": str(folder / "events.jsonl"), "LADLE_DATA_DIR": str(folder)}
    if step == "package.normalized":
        os.environ["LOAD__HELD_BYTES"] = "0"  # else there is no such step
    os.chdir(folder)
    to = ladle.destinations.duckdb("x.duckdb")
    pipeline = ladle.pipeline(
        "p", folder / "work", destination=to, dataset_name="ds", progress=After(step or "never")
    )
    pipeline.run(ladle.resource([{"a": 1}], name="t").add_input("s3://b/k") if step else None)
    found = [pipeline.dataset()["t"].select("a").fetchall(), pipeline.lineage().inputs().num_rows]
    (folder / "found.json").write_text(json.dumps(found))


@pytest.mark.parametrize("step", ["package.extracted", "package.normalized", "load.commit", "folder.state"])
def test_the_next_run_completes_what_was_killed(step: str, tmp_path: Path) -> None:
    assert call(program, tmp_path, step) == KILLED
    assert call(program, tmp_path, None) == 0
    assert json.loads((tmp_path / "found.json").read_text()) == [[[1]], 1]
    events = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    assert [event["eventType"] for event in events] == ["START", "COMPLETE"]
    assert events[0]["run"]["runId"] == events[1]["run"]["runId"]
    assert [table["name"] for table in events[1]["outputs"]] == ["x.ds.t"]
