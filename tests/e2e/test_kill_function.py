"""Functions: a process killed between batches, in a batch, or at a durable step goes on with the next batch."""

from __future__ import annotations

import json
import os
import signal
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.forks import KILLED, call, error_of
from tests.e2e.victim import Hook

import ladle

ROWS = {"orders": 7, "people": 3}
BATCH = 2
EACH = [f"{table}.{i}" for table, count in ROWS.items() for i in range(count)]
ALL_BATCHES = 6


@dataclass(frozen=True)
class Job:
    """One process's order: die in call number `at`, counted over all processes, before or after it acted."""

    folder: Path
    at: int | None = None
    acted: bool = False
    kill_at: int | None = None
    strategy: str = "sequential"


def main(job: Job) -> None:
    hook = Hook(job.kill_at)
    out = job.folder / "out.jsonl"

    @ladle.destination(batch_size=BATCH, loader_parallelism_strategy=job.strategy)
    def crm(items: Any, table: Any, batch_id: str) -> None:
        # Batches at once may read the same number: the one that is asked for can be left out.
        reached = job.at is not None and len(taken(job.folder)) + 1 >= job.at
        if reached and not job.acted:
            os.kill(os.getpid(), signal.SIGKILL)
        line = json.dumps([batch_id, [f"{table['name']}.{item['n']}" for item in items]])
        with out.open("a") as file:
            file.write(f"{line}\n")
        if reached and job.acted:
            os.kill(os.getpid(), signal.SIGKILL)

    try:
        pipeline = ladle.pipeline("p", job.folder / "work", destination=crm, progress=hook)
        pipeline.run()
        if pipeline.first_run:
            tables = [ladle.resource([{"n": i} for i in range(n)], name=name) for name, n in ROWS.items()]
            pipeline.run(ladle.source(lambda: tables, name="s")())
        assert not pipeline.has_pending_data
    except BaseException:
        (job.folder / "error.txt").write_text(traceback.format_exc())
        raise
    (job.folder / "seen.json").write_text(json.dumps(hook.seen))


def taken(folder: Path) -> list[tuple[str, list[str]]]:
    """Return the batches that arrived: id and rows."""
    path = folder / "out.jsonl"
    return [tuple(json.loads(line)) for line in path.read_text().splitlines()] if path.exists() else []


def rows(folder: Path) -> list[str]:
    return sorted(row for _, batch in taken(folder) for row in batch)


def finish(folder: Path, strategy: str = "sequential") -> None:
    assert call(main, Job(folder, strategy=strategy)) == 0, error_of(folder)


@pytest.mark.parametrize("at", [1, 2, ALL_BATCHES])
def test_killed_between_two_batches_goes_on_with_the_next(at: int, tmp_path: Path) -> None:
    assert call(main, Job(tmp_path, at)) == KILLED
    assert len(taken(tmp_path)) == at - 1
    finish(tmp_path)
    assert rows(tmp_path) == sorted(EACH)
    assert len(taken(tmp_path)) == ALL_BATCHES


@pytest.mark.parametrize("at", [1, 3, ALL_BATCHES])
def test_killed_in_a_batch_gives_that_one_again_under_the_same_id(at: int, tmp_path: Path) -> None:
    assert call(main, Job(tmp_path, at, acted=True)) == KILLED
    finish(tmp_path)
    batches = taken(tmp_path)
    assert len(batches) == ALL_BATCHES + 1
    assert batches[at - 1] == batches[at]
    by_id = dict(batches)
    assert len(by_id) == ALL_BATCHES
    assert sorted(row for batch in by_id.values() for row in batch) == sorted(EACH)


def test_killed_again_and_again(tmp_path: Path) -> None:
    for at in range(1, ALL_BATCHES + 1):
        assert call(main, Job(tmp_path, at)) in (KILLED, 0)
    finish(tmp_path)
    assert rows(tmp_path) == sorted(EACH)


@pytest.mark.parametrize("of", [" load.", pytest.param("", marks=pytest.mark.slow)])
def test_killed_at_any_durable_step_loses_and_repeats_nothing(of: str, tmp_path: Path) -> None:
    watched = tmp_path / "watched"
    watched.mkdir()
    finish(watched)
    steps = json.loads((watched / "seen.json").read_text())
    for step in (number for number, (name, _) in enumerate(steps, 1) if of in name):
        folder = tmp_path / str(step)
        folder.mkdir()
        assert call(main, Job(folder, kill_at=step)) == KILLED
        finish(folder)
        assert rows(folder) == sorted(EACH), steps[step - 1]


def test_parallel_batches_are_all_given(tmp_path: Path) -> None:
    assert call(main, Job(tmp_path, 3, strategy="parallel")) == KILLED
    finish(tmp_path, "parallel")
    assert set(rows(tmp_path)) == set(EACH)
