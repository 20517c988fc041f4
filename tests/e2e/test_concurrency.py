"""Runs at once, of one pipeline or of many into one dataset; stopped, killed, woken up; never corruption."""

from __future__ import annotations

import dataclasses
import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest
from tests.e2e import content
from tests.e2e.forks import FORKS, KILLED, ended, error_of, start
from tests.e2e.killing import GROWN, Undisturbed, undisturbed_runs
from tests.e2e.sites import Site
from tests.e2e.victim import main as victim
from tests.e2e.victim import place

import ladle
from ladle.errors import PipelineIsRunning

KINDS = ("duckdb", "postgres", "sqlite", "filesystem")
DATASET = "shared"


@pytest.fixture(params=KINDS)
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Site:
    server = request.getfixturevalue("postgres_url") if request.param == "postgres" else ""
    return Site(request.param, tmp_path / f"site_{tmp_path.name}"[-60:], server).made()


def pipeline(site: Site, name: str = "busy", **options: Any) -> ladle.Pipeline:
    return ladle.pipeline(
        name, site.folder / "work", destination=place(site.destination), dataset_name=DATASET, **options
    )


def tables(site: Site) -> content.Tables:
    return content.read(site.destination, DATASET)


def numbers(site: Site) -> list[int]:
    return sorted(row["n"] for row in tables(site)["items"])


@dataclasses.dataclass
class Meeting:
    """Rows that are given only when all processes have come to extract, or none other is there."""

    together: Any = None
    alone: Any = None

    def rows(self, first: int, extra: dict[str, Any]) -> Iterator[dict[str, Any]]:
        if self.alone is not None:
            assert self.alone.acquire(block=False), "two runs extract at once"
        if self.together is not None:
            self.together.wait(30)
        for n in range(first, first + 3):
            yield {"n": n, "parts": [{"k": n}], **extra}
        if self.alone is not None:
            self.alone.release()


def load(
    site: Site, policy: Any, meeting: Meeting, number: int, extra: dict[str, Any], name: str = "busy"
) -> None:
    try:
        p = pipeline(site, name, on_running=policy)
        info = p.run(meeting.rows(number * 10, extra), table_name="items")
        assert info.row_counts["items"] == 3
        assert info.loads_ids[0] in p.list_completed_load_packages()
    except BaseException as error:
        (site.folder / "error.txt").write_text(f"process {number}: {error!r}\n{error}")
        raise


def all_end_well(site: Site, processes: list[BaseProcess]) -> None:
    codes = [ended(process) for process in processes]
    assert codes == [0] * len(codes), error_of(site.folder)


def consistent(site: Site, runs: int) -> content.Tables:
    """Check that what is there is what the runs gave, once; return it."""
    found = tables(site)
    assert len(content.load_ids(found)) == runs
    assert numbers(site) == sorted(n for i in range(runs) for n in range(i * 10, i * 10 + 3))
    assert len(found["items__parts"]) == 3 * runs
    assert content.content(found)
    return found


# -- one pipeline, several runs at once


def test_runs_that_wait_load_one_after_the_other(site: Site) -> None:
    meeting = Meeting(alone=FORKS.Lock())
    all_end_well(site, [start(load, site, "wait", meeting, i, {}) for i in range(3)])
    consistent(site, 3)
    assert not pipeline(site).has_pending_data


def test_runs_that_join_extract_together_and_load_one_after_the_other(site: Site) -> None:
    meeting = Meeting(together=FORKS.Barrier(3))
    all_end_well(site, [start(load, site, "join", meeting, i, {}) for i in range(3)])
    consistent(site, 3)
    assert not pipeline(site).has_pending_data


def test_joined_runs_that_each_change_the_schema_agree_on_one(site: Site) -> None:
    pipeline(site).run([{"n": 0, "parts": [{"k": 0}]} for _ in range(1)], table_name="items")
    extras: list[dict[str, Any]] = [{"v": 1, "a": 1}, {"v": "text", "b": [1, 2]}, {"v": 2.5, "a": 2}]
    meeting = Meeting(together=FORKS.Barrier(3))
    all_end_well(site, [start(load, site, "join", meeting, i + 1, extra) for i, extra in enumerate(extras)])
    found = tables(site)
    values = [
        v for row in found["items"] for k, v in row.items() if k.split("__")[0] == "v" and v is not None
    ]
    # Whose type the column got, and who got a variant, is for the order to say.
    assert sorted("1" if v == 1 else str(v) for v in values) == [*["1"] * 3, *["2.5"] * 3, *["text"] * 3]
    assert len(found["items__b"]) == 6
    assert (
        sorted(row["version"] for row in found["_dlt_version"]) == [1, 2, 3, 4][: len(found["_dlt_version"])]
    )
    newest = max(found["_dlt_version"], key=lambda row: row["version"])
    assert pipeline(site).default_schema.version_hash == newest["version_hash"]


@dataclasses.dataclass
class Gate:
    """Rows that tell when they are begun, and end when they may."""

    begun: Any
    may_end: Any

    def rows(self) -> Iterator[dict[str, Any]]:
        self.begun.set()
        assert self.may_end.wait(60)
        yield {"n": 1}


def load_gated(site: Site, gate: Gate) -> None:
    pipeline(site).run(gate.rows(), table_name="items")


@pytest.fixture
def running(site: Site) -> Iterator[tuple[Site, Gate, BaseProcess]]:
    gate = Gate(FORKS.Event(), FORKS.Event())
    process = start(load_gated, site, gate)
    assert gate.begun.wait(60)
    yield site, gate, process
    if process._closed is False and process.is_alive():  # type: ignore[attr-defined]
        process.kill()


@pytest.mark.parametrize("stopped", [False, True])
def test_a_run_that_fails_says_so_at_once_also_of_a_process_that_was_stopped(
    running: tuple[Site, Gate, BaseProcess], stopped: bool
) -> None:
    site, gate, other = running
    if stopped:
        os.kill(int(other.pid or 0), signal.SIGSTOP)
    began = time.monotonic()
    with pytest.raises(PipelineIsRunning, match="busy"):
        pipeline(site, on_running="fail").run([{"n": 2}], table_name="items")
    assert time.monotonic() - began < 2
    with pytest.raises(PipelineIsRunning):
        pipeline(site, on_running="wait", running_wait_s=0.1).run([{"n": 2}], table_name="items")
    if stopped:
        os.kill(int(other.pid or 0), signal.SIGCONT)
    gate.may_end.set()
    assert ended(other) == 0
    pipeline(site, on_running="fail").run([{"n": 2}], table_name="items")
    assert numbers(site) == [1, 2]


@pytest.mark.parametrize("site", ["duckdb"], indirect=True)
@pytest.mark.parametrize(
    "call", ["extract", "normalize", "load", "drop_pending_packages", "drop", "sync_destination"]
)
def test_each_public_step_keeps_to_the_policy(running: tuple[Site, Gate, BaseProcess], call: str) -> None:
    site, gate, other = running
    p = pipeline(site, on_running="fail")
    with pytest.raises(PipelineIsRunning):
        p.extract([{"n": 2}], table_name="items") if call == "extract" else getattr(p, call)()
    gate.may_end.set()
    assert ended(other) == 0
    assert numbers(site) == [1]


def test_the_lock_of_a_killed_process_is_free_at_once(running: tuple[Site, Gate, BaseProcess]) -> None:
    site, _, other = running
    other.kill()
    assert ended(other) == KILLED
    pipeline(site, on_running="fail").run([{"n": 2}], table_name="items")
    assert numbers(site) == [2]
    assert len(content.load_ids(tables(site))) == 1


@pytest.mark.parametrize("site", ["duckdb"], indirect=True)
def test_who_looks_at_what_is_pending_keeps_nobody_from_loading_it(site: Site) -> None:
    looking = pipeline(site)
    looking.extract([{"n": 1}], table_name="items")
    assert looking.has_pending_data
    assert len(looking.list_extracted_load_packages()) == 1
    assert pipeline(site).run([{"n": 2}], table_name="items").row_counts["items"] == 2
    assert not looking.has_pending_data


# -- many pipelines, one dataset


def test_eight_pipelines_make_one_dataset_at_once(site: Site) -> None:
    meeting = Meeting(together=FORKS.Barrier(8))
    jobs = [(site, "wait", meeting, i, {f"c{i % 3}": i}, f"pipe_{i}") for i in range(8)]
    all_end_well(site, [start(load, *job) for job in jobs])
    found = consistent(site, 8)
    assert {"c0", "c1", "c2"} <= {column for row in found["items"] for column in row}
    assert len({row["pipeline_name"] for row in found["_dlt_pipeline_state"]}) == 8


# -- one package, two machines


def state_of(pid: int) -> str:
    """Return R, S, D, T (stopped), Z, ... of a process."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


@pytest.fixture(scope="module", params=["postgres", "filesystem"])
def undisturbed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    server = request.getfixturevalue("postgres_url") if request.param == "postgres" else ""
    return undisturbed_runs(request.param, tmp_path_factory.mktemp(f"zombie_{request.param}"), server)


def wakes_up_in_vain(undisturbed: Undisturbed, at: int, root: Path) -> None:
    """Stop a process in its load, let another machine load the same package, then let the first go on."""
    site = undisturbed.sites[GROWN].copied(root / f"{root.name}_{at}"[-60:])
    zombie = start(victim, dataclasses.replace(site.job(GROWN + 1), kill_at=at, signal=signal.SIGSTOP))
    pid = int(zombie.pid or 0)
    wait_until(lambda: state_of(pid) == "T", f"step {at} was not reached: {error_of(site.folder)}")
    other = root / f"other_{at}"
    shutil.copytree(site.folder / "work", other / "work")
    for record in (other / "work").rglob("error.txt"):
        record.unlink()
    job = dataclasses.replace(site.job(GROWN + 1), folder=other)
    assert ended(start(victim, job)) == 0, error_of(other)
    os.kill(pid, signal.SIGCONT)
    if ended(zombie):
        # It may find its files taken away; then its next run finds the package loaded.
        assert "ladle.errors.DestinationError" in error_of(site.folder)
    site.finish(GROWN + 1)
    different = content.differences(site.tables(), undisturbed.tables[GROWN + 1])
    assert not different, f"stopped at step {at}: {different}"
    site.removed()


def wait_until(true: Callable[[], bool], else_: str, timeout_s: float = 30) -> None:
    deadline = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < deadline, else_
        time.sleep(0.005)


STOPS = (
    "after package.extracted",
    "before load.begin",
    "after load.begin",
    "before load.commit",
    "after load.commit",
)


@pytest.mark.skipif(
    not Path("/proc/self/stat").exists(), reason="needs /proc to see that a process has stopped"
)
@pytest.mark.parametrize("step", STOPS)
def test_a_process_that_wakes_up_after_its_package_was_loaded_elsewhere_changes_nothing(
    undisturbed: Undisturbed, step: str, tmp_path: Path
) -> None:
    wakes_up_in_vain(undisturbed, undisturbed.steps[GROWN].number(step), tmp_path)


@pytest.mark.slow
@pytest.mark.skipif(
    not Path("/proc/self/stat").exists(), reason="needs /proc to see that a process has stopped"
)
def test_a_process_that_wakes_up_anywhere_in_its_load_changes_nothing(
    undisturbed: Undisturbed, tmp_path: Path
) -> None:
    steps = undisturbed.steps[GROWN]
    for at in range(steps.number("after package.extracted"), steps.number("after load.commit") + 1):
        wakes_up_in_vain(undisturbed, at, tmp_path)


def test_two_packages_of_one_moment_are_two_loads(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each pipeline has a folder of its own, so nothing but chance tells their load ids apart."""
    moment = time.time()
    monkeypatch.setattr("ladle.package.store.time.time", lambda: moment)
    for number in range(3):
        pipeline(site, f"pipe_{number}").run([{"n": number}], table_name="items")
    assert numbers(site) == [0, 1, 2]
    assert len(set(content.load_ids(tables(site)))) == 3
