"""A pipeline of three runs that kills its own process at a numbered durable step; run again, it goes on.

It knows what it still owes from what is committed at the destination and what waits in the working folder,
as a program would that must never give the same data twice.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import json
import os
import signal
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
from tests.e2e.content import Tables, committed, load_ids, read

import ladle
from ladle.events import Durable, Emit, Event, durable, silent

PIPELINE = "victim"
DATASET = "shop_data"
RUNS = ({"shop": 0}, {"shop": 1}, {"shop": 2, "audit": 0})
"""Batches by source that each run owes; a run with two sources makes two packages."""


@dataclass(frozen=True)
class Job:
    """One process's order.

    `runs`: how many of `RUNS` to bring to an end. `kill_at`: the durable step to die at, None for not at all.
    `finish_first`: finish what is pending in a run of its own, before any new data. `signal`: what it gets.
    `watched`: note with each step what a kill would leave. `ahead`: load while extract goes on, from the first row.
    `in_files`: no rows wait in memory for their load, as if there were many.
    `story`: the module that says what is loaded: its `RUNS`, `live` and `check`.
    """

    folder: Path
    destination: str
    runs: int = len(RUNS)
    kill_at: int | None = None
    finish_first: bool = False
    watched: bool = False
    ahead: bool = False
    in_files: bool = False
    story: str = __name__
    signal: int = signal.SIGKILL


class Hook:
    """Hears events; kills the process at durable step `kill_at`, counted from 1, before and after apart.

    With `watched`, `seen` has for each step also a digest of what is in that job's folder and destination.
    """

    def __init__(
        self, kill_at: int | None, with_signal: int = signal.SIGKILL, watched: Job | None = None
    ) -> None:
        self.kill_at = kill_at
        self.signal = with_signal
        self.watched = watched
        self._server = watched and committed(watched.destination, dataset_of(watched.destination))
        self.seen: list[tuple[str, str]] = []

    def __call__(self, event: Event) -> None:
        if isinstance(event, Durable):
            name = f"{'after' if event.done else 'before'} {event.name}"
            self.seen.append((name, self._left() if self.watched else ""))
            if len(self.seen) == self.kill_at:
                os.kill(os.getpid(), self.signal)

    def _left(self) -> str:
        """Return a digest of all that a kill would leave."""
        assert self.watched
        assert self._server
        return hashlib.sha256(f"{digest(self.watched.folder)} {self._server()}".encode()).hexdigest()


@contextmanager
def file_steps(emit: Emit, folder: str) -> Iterator[None]:
    """Tell of each rename and removal of a file below `folder` as a durable step too."""
    originals = {name: getattr(os, name) for name in ("replace", "unlink")}

    def counted(name: str) -> Callable[..., None]:
        def call(path: Any, *args: Any, **kwargs: Any) -> None:
            with durable(emit if str(path).startswith(folder) else silent, f"os.{name}"):
                originals[name](path, *args, **kwargs)

        return call

    for name in originals:
        setattr(os, name, counted(name))
    try:
        yield
    finally:
        for name, original in originals.items():
            setattr(os, name, original)


def digest(folder: Path) -> str:
    """Return a digest of all files below a folder: names and content."""
    while True:
        found = hashlib.sha256()
        # DuckDB may be closing beside us, which takes a file away.
        with contextlib.suppress(FileNotFoundError):
            for path in sorted(folder.rglob("*")):
                found.update(str(path.relative_to(folder)).encode())
                found.update(path.read_bytes() if path.is_file() else b"folder")
            return found.hexdigest()


def place(destination: str) -> Any:
    """Return the destination for `kind:place`."""
    kind, where = destination.split(":", 1)
    if kind == "mysql":
        where = where.removesuffix(dataset_of(destination))
    made = getattr(ladle.destinations, kind)(where)
    # A session left by a dead or stopped process is ended soon, not after the ten seconds it has otherwise.
    return replace(made, fence_wait_s=0.5) if kind in ("postgres", "mysql") else made


def dataset_of(destination: str) -> str:
    """Return the dataset's name: on MySQL it is a database, and the place ends with it."""
    return destination.rpartition("/")[2] if destination.startswith("mysql:") else DATASET


def made(job: Job, hook: Any, **options: Any) -> ladle.Pipeline:
    return ladle.pipeline(
        PIPELINE, job.folder / "work", destination=place(job.destination),
        dataset_name=dataset_of(job.destination), progress=hook, **options,
    )  # fmt: skip


def orders(k: int) -> list[dict[str, Any]]:
    """Nested rows; batch 1 brings a column, a variant and a child table, batch 2 a column in a child."""
    rows = []
    for i in range(3):
        row: dict[str, Any] = {"seq": k * 10 + i, "price": i, "to": {"city": f"c{i}"}}
        row["items"] = [{"sku": f"s{j}", "at": {"x": j}} for j in range(i)]
        if k == 1:
            row |= {"note": "n", "price": f"{i} EUR", "gifts": [{"name": "g"}]}
        if k == 2:
            row["items"] = [{"sku": "z", "weight": 1.5}]
        rows.append(row)
    return rows


def rates(k: int) -> list[dict[str, Any]]:
    """Replaced by every run; batch 2 has no children, so that the child table ends up empty."""
    return [{"seq": i, "batch": k, "days": [] if k == 2 else [{"d": j} for j in range(2)]} for i in range(2)]


def source(name: str, k: int) -> Any:
    """Return batch `k` of a source."""
    if name == "audit":
        resources = [ladle.resource([{"seq": k, "who": ["x", "y"]}], name="events")]
    else:
        resources = [
            ladle.resource(orders(k), name="orders"),
            ladle.resource(rates(k), name="rates", write_disposition="replace"),
            ladle.resource(pa.table({"seq": [k, k + 100], "v": [0.5, None]}), name="readings"),
        ]
    return ladle.source(lambda: resources, name=name)()


def pending(p: ladle.Pipeline) -> dict[str, str]:
    """Return the schema by load id of the packages that wait."""
    ids = [*p.list_extracted_load_packages(), *p.list_normalized_load_packages()]
    manifests = (Path(p.working_dir) / "packages" / i / "manifest.json" for i in ids)
    schemas = (json.loads(m.read_bytes())["schema"]["name"] for m in manifests)
    return dict(zip(ids, schemas, strict=True))


def given(p: ladle.Pipeline, job: Job) -> dict[str, int]:
    """Return how many batches of each source are loaded or wait to be."""
    loads, waiting = read(job.destination, DATASET, "_dlt_loads"), pending(p)
    return {
        name: len({*load_ids(loads, name), *(i for i, schema in waiting.items() if schema == name)})
        for name in ("shop", "audit")
    }


def live(job: Job, hook: Hook) -> None:
    """Give what is owed, run by run; check that each run tells what an earlier one had left."""
    p = made(job, hook)
    if job.finish_first:
        run(p, [])
    before = given(p, job)
    for batches in RUNS[: job.runs]:
        owed = [source(name, k) for name, k in batches.items() if before[name] <= k]
        if owed:
            run(p, owed)
    run(p, [])  # of packages already loaded, a killed process may have left the folder
    assert not p.has_pending_data


def run(p: ladle.Pipeline, data: list[Any]) -> None:
    left = sorted(pending(p), key=float)
    info = p.run(data or None)
    early = [package.load_id for package in info.load_packages if package.from_earlier_run]
    assert early == left == info.loads_ids[: len(left)], (early, left, info.loads_ids)
    assert len(info.loads_ids) - len(left) == len(data)
    assert ("left by an earlier run" in str(info)) == bool(left)


def check(tables: Tables, whole: bool) -> None:
    """Check what must hold at any moment; here nothing that the comparison with others doesn't show."""


def main(job: Job) -> None:
    """Do the job in a process of its own; `seen.json` gets the durable steps, `error.txt` what went wrong."""
    if job.ahead:
        os.environ["LOAD__AHEAD_BYTES"] = "0"
    if job.in_files:
        os.environ["LOAD__HELD_BYTES"] = "0"
    hook = Hook(job.kill_at, job.signal, job if job.watched else None)
    try:
        with file_steps(hook, str(job.folder / "lake")):
            importlib.import_module(job.story).live(job, hook)
    except BaseException:
        (job.folder / "error.txt").write_text(traceback.format_exc())
        raise
    (job.folder / "seen.json").write_text(json.dumps(hook.seen))
