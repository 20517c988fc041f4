"""Loads at once end as loads one after the other: pipelines interleaved at their durable steps, on real engines."""

from __future__ import annotations

import functools
import itertools
import random
import tempfile
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

import duckdb
import pytest
from tests.e2e import content, victim_merge
from tests.e2e.forks import FORKS, ended, error_of, start
from tests.e2e.killing import GROWN, Undisturbed, server, undisturbed_runs
from tests.e2e.sites import Site
from tests.e2e.test_concurrency import wakes_up_in_vain
from tests.e2e.victim import dataset_of, place
from tests.strategies import PLAIN, WAYS, disposition

import ladle
from ladle.events import Durable, Event

KINDS = ("duckdb", "postgres", "sqlite", "mysql", "filesystem")
DATASET = "shared"
_STUCK_S = 0.06
"""After so long without a step a process is taken to wait for another one."""

Row = dict[str, Any]


@pytest.fixture(params=KINDS)
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Site]:
    found = Site(
        request.param, tmp_path / f"site_{tmp_path.name}"[-60:], server(request, request.param)
    ).made()
    yield found
    if found.kind == "mysql":
        found.removed()


def dataset(site: Site) -> str:
    """Return the dataset's name: on MariaDB it is a database of the whole server's."""
    return dataset_of(site.destination) if site.kind == "mysql" else DATASET


def tables(site: Site) -> content.Tables:
    return content.read(site.destination, dataset(site))


def made(site: Site, name: str, folder: str = "work", **options: Any) -> ladle.Pipeline:
    return ladle.pipeline(
        name,
        site.folder / folder,
        destination=place(site.destination),
        dataset_name=dataset(site),
        **options,
    )


def plain(tables: content.Tables) -> dict[str, list[str]]:
    """Return the rows of data, each with its parent's id column in place of ids; nulls and times are left out.

    A time until which a row holds counts as there or not.
    """
    ids = {row["_dlt_id"]: row for rows in tables.values() for row in rows if "_dlt_id" in row}

    def one(row: Mapping[str, Any]) -> Row:
        out = {k: v for k, v in row.items() if v is not None and not k.startswith("_dlt")}
        if "_dlt_parent_id" in row:
            out["above"] = one(ids[row["_dlt_parent_id"]])
        if "_dlt_valid_to" in row:
            out["holds"] = row["_dlt_valid_to"] is None
        return out

    data = {name: rows for name, rows in tables.items() if not name.startswith(("_dlt", "_ladle"))}
    return {n: sorted(repr(sorted(one(r).items())) for r in rows) for n, rows in sorted(data.items()) if rows}


# -- one pipeline, joined runs: each is made before any is loaded, and then brought up to date


CHANGES: tuple[Row, ...] = ({"v": 1, "a": 1}, {"v": "text", "b": [1, 2]}, {"v": 2.5, "a": 2})


def nested(site: Site, order: Sequence[int]) -> None:
    """Load in this order runs that all began to extract before the first was loaded."""

    def rows(place: int) -> Iterator[Row]:
        if place:
            joining(place - 1)
        yield {"n": order[place] + 1, "parts": [{"k": place}], **CHANGES[order[place]]}

    def joining(place: int) -> None:
        made(site, "busy", on_running="join").run(rows(place), table_name="items")

    joining(len(order) - 1)


@pytest.mark.parametrize(
    ("site", "order"),
    [
        *(("duckdb", order) for order in itertools.permutations(range(3))),
        ("postgres", (2, 0, 1)),
        ("sqlite", (2, 0, 1)),
        ("mysql", (2, 0, 1)),
        ("filesystem", (2, 0, 1)),
    ],
    indirect=["site"],
    ids=str,
)
def test_joined_runs_that_change_the_schema_end_as_if_run_in_their_order(
    site: Site, order: Sequence[int], tmp_path: Path
) -> None:
    first = [{"n": 0, "parts": [{"k": 9}]}]
    made(site, "busy").run(first, table_name="items")
    nested(site, order)
    serial = Site("duckdb", tmp_path / "serial").made()
    made(serial, "busy").run(first, table_name="items")
    for place_, number in enumerate(order):
        row = {"n": number + 1, "parts": [{"k": place_}], **CHANGES[number]}
        made(serial, "busy").run([row], table_name="items")
    assert plain(tables(site)) == plain(tables(serial))


# -- many pipelines, one table


@dataclass(frozen=True)
class Batch:
    """What one pipeline loads into the table: rows, and how."""

    name: str
    rows: tuple[Row, ...]
    disposition: Any

    @property
    def merges(self) -> bool:
        return isinstance(self.disposition, dict) and self.disposition["disposition"] == "merge"

    def into(self, pipeline: ladle.Pipeline) -> None:
        key = {"primary_key": "id"} if self.merges else {}
        resource = ladle.resource(
            list(self.rows), name="items", write_disposition=self.disposition, columns=_COLUMNS, **key
        )
        pipeline.run(resource)


_COLUMNS = {"id": {"data_type": "bigint"}, "v": {"data_type": "text"}}


def batches(disposition: Any, dice: random.Random, count: int = 3) -> list[Batch]:
    """Return batches whose keys overlap; each brings a column of its own and rows below."""
    return [
        Batch(
            f"pipe_{number}",
            tuple(
                {
                    "id": key,
                    "v": f"{number}.{key}",
                    f"c{number}": number,
                    "parts": [{"k": number}] * (key % 3),
                }
                for key in sorted(dice.sample(range(6), 4))
            ),
            disposition,
        )
        for number in range(count)
    ]


def gated(site: Site, batch: Batch, gate: Connection) -> None:
    """Load a batch; before each durable step of the load tell it, and wait until it may be taken."""

    def hook(event: Event) -> None:
        if isinstance(event, Durable) and not event.done and event.name.startswith("load."):
            gate.send(event.name)
            gate.recv()

    try:
        batch.into(made(site, batch.name, progress=hook))
    except BaseException:
        (site.folder / "error.txt").write_text(traceback.format_exc())
        raise
    finally:
        gate.close()


def interleaved(site: Site, given: Sequence[Batch], dice: random.Random) -> None:
    """Load all at once: dice choose whose step is next; who waits for another's lock is passed over."""
    gates, processes = [], []
    for batch in given:
        ours, theirs = FORKS.Pipe()
        processes.append(start(gated, site, batch, theirs))
        theirs.close()
        gates.append(ours)
    ready: list[Connection] = []
    running = list(gates)
    while running or ready:
        # All have come to their next step, or are stuck behind somebody who has.
        for gate in wait(running, timeout=None if not ready else _STUCK_S):
            assert isinstance(gate, Connection)
            running.remove(gate)
            try:
                gate.recv()
            except EOFError:
                continue
            ready.append(gate)
        if ready and (not running or not wait(running, timeout=_STUCK_S)):
            chosen = ready.pop(dice.randrange(len(ready)))
            chosen.send("go")
            running.append(chosen)
    codes = [ended(process) for process in processes]
    assert codes == [0] * len(codes), error_of(site.folder)


@functools.cache
def serial_outcomes(way: str, seed: int) -> dict[str, Sequence[int]]:
    """Return what is there after each order of the batches."""
    given = batches(disposition(way), random.Random(seed))
    found = {}
    for order in itertools.permutations(range(len(given))):
        with duckdb.connect() as db, tempfile.TemporaryDirectory() as folder:
            for number in order:
                name = given[number].name
                work = f"{folder}/{number}"
                destination = ladle.destinations.duckdb(db)
                p = ladle.pipeline(name, work, destination=destination, dataset_name=DATASET)
                given[number].into(p)
            found[repr(plain(tables_of(db)))] = order
    return found


def tables_of(db: duckdb.DuckDBPyConnection) -> content.Tables:
    db.execute("SET TimeZone = 'UTC'")
    sql = "SELECT table_name FROM information_schema.tables WHERE table_schema = ?"
    names = [name for (name,) in db.execute(sql, [DATASET]).fetchall()]
    return {n: db.table(f'"{DATASET}"."{n}"').to_arrow_table().to_pylist() for n in names}


def supported(site: Site, way: str) -> bool:
    return way in PLAIN or way in place(site.destination).limits.merges


def equals_some_order(site: Site, way: str, seed: int) -> None:
    dice = random.Random(seed)
    given = batches(disposition(way), dice)
    interleaved(site, given, dice)
    found = plain(tables(site))
    assert repr(found) in serial_outcomes(way, seed), f"seed {seed}: {found}"


FAST = (
    ("postgres", "delete-insert"),
    ("sqlite", "delete-insert"),
    ("mysql", "delete-insert"),
    ("postgres", "staging-optimized"),
    ("filesystem", "truncate-and-insert"),
)
"""The others take the same ways, and are left to the slow tests."""


@pytest.mark.parametrize(("site", "way"), FAST, indirect=["site"])
def test_loads_at_once_end_as_some_order_of_them(site: Site, way: str) -> None:
    equals_some_order(site, way, seed=1)


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
def test_loads_at_once_end_as_some_order_of_them_each_way(site: Site, way: str) -> None:
    if not supported(site, way):
        pytest.skip("docs/strategies.md says why")
    equals_some_order(site, way, seed=2)


# -- first runs


def first_run(site: Site, name: str, folder: str, number: int, together: Any) -> None:
    try:
        together.wait(60)
        row = {"n": number, f"c{number % 3}": number, "parts": [{"k": number}]}
        made(site, name, folder).run([row], table_name="items")
    except BaseException:
        (site.folder / "error.txt").write_text(traceback.format_exc())
        raise


RACERS = 20


@pytest.mark.slow  # test_concurrency.py has eight
@pytest.mark.parametrize("same", [False, True], ids=["20 pipelines", "20 machines"])
def test_twenty_processes_make_one_dataset_and_table_at_once(site: Site, same: bool) -> None:
    together = FORKS.Barrier(RACERS)
    names = ["racer" if same else f"racer_{i}" for i in range(RACERS)]
    racers = [start(first_run, site, name, f"work_{i}", i, together) for i, name in enumerate(names)]
    codes = [ended(process) for process in racers]
    assert codes == [0] * RACERS, error_of(site.folder)
    found = tables(site)
    assert sorted(row["n"] for row in found["items"]) == list(range(RACERS))
    assert len(found["items__parts"]) == len(content.load_ids(found)) == RACERS
    content.content(found)


# -- a process that wakes up


@pytest.fixture(scope="module")
def merges(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Undisturbed]:
    @functools.cache
    def runs(kind: str) -> Undisturbed:
        root = tmp_path_factory.mktemp(f"zombie_merge_{kind}")
        return undisturbed_runs(kind, root, server(request, kind), story=victim_merge.__name__)

    return runs


# On SQLite, who is stopped in its transaction has the file, and is waited for.
_STOPS = {
    "postgres": ("before load.merge", "after load.merge", "before load.commit", "after load.commit"),
    "sqlite": ("before load.begin", "after load.commit"),
    "mysql": ("before load.merge", "after load.merge", "before load.commit", "after load.commit"),
}
_FAST_STOPS = (("postgres", "before load.commit"), ("sqlite", "before load.begin"))


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc to see that a process stopped")
@pytest.mark.parametrize(
    ("kind", "step"),
    [
        pytest.param(kind, step, marks=[] if (kind, step) in _FAST_STOPS else [pytest.mark.slow])
        for kind, steps in _STOPS.items()
        for step in steps
    ],
)
def test_a_merge_that_wakes_up_after_its_package_was_loaded_elsewhere_changes_nothing(
    merges: Callable[[str], Undisturbed], kind: str, step: str, tmp_path: Path
) -> None:
    undisturbed = merges(kind)
    wakes_up_in_vain(undisturbed, undisturbed.steps[GROWN].number(step), tmp_path)
