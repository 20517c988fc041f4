"""Disks fill up, folders vanish, databases go: a run tells what is wrong, and loses or repeats nothing."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import psycopg
import pytest
from tests.e2e import content
from tests.e2e.forks import FORKS, call, ended, error_of, start
from tests.e2e.here import ROWS, Here
from tests.e2e.killing import GROWN, Undisturbed, undisturbed_runs
from tests.e2e.sites import Site
from tests.e2e.victim import Hook, live, made, pending, source

import ladle
from ladle.errors import (
    DataError,
    DestinationError,
    LadleError,
    PipelineStepFailed,
)
from ladle.events import Durable, Event


@pytest.fixture
def here(tmp_path: Path) -> Here:
    return Here(tmp_path)


# -- the disk is full


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 8 MB; root can make one."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", disk], capture_output=True)
    if mounted.returncode:
        pytest.skip("only root can mount a small disk")
    yield disk
    subprocess.run(["umount", "-l", disk], check=True)


def fill(disk: Path, free_bytes: int) -> Path:
    filler = disk / "filler"
    room = shutil.disk_usage(disk).free
    with filler.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, max(room - free_bytes, 1))
    return filler


def wide_rows() -> list[dict[str, Any]]:
    return [{"id": i, "text": os.urandom(400).hex(), "tags": [os.urandom(50).hex()]} for i in range(1000)]


@pytest.mark.parametrize("kind", ["duckdb", "filesystem"])
@pytest.mark.parametrize("full", ["working folder", "destination"])
@pytest.mark.parametrize("free_bytes", [0, 20_000, 300_000])
def test_a_full_disk_stops_a_run_that_goes_on_once_there_is_room(
    small_disk: Path, tmp_path: Path, kind: str, full: str, free_bytes: int
) -> None:
    place = tmp_path if full == "working folder" else small_disk
    target = f"{kind}:{place / ('x.duckdb' if kind == 'duckdb' else 'lake')}"
    work = small_disk if full == "working folder" else tmp_path

    def pipeline() -> ladle.Pipeline:
        destination = getattr(ladle.destinations, kind)(target.partition(":")[2])
        return ladle.pipeline("full", work, destination=destination, dataset_name="ds")

    pipeline().run([{"id": -1}], table_name="items")
    filler = fill(small_disk, free_bytes)
    try:
        pipeline().run(wide_rows(), table_name="items")
    except PipelineStepFailed as error:
        said = error
    else:
        said = None
    assert said is None or said.hint
    filler.unlink()
    p = pipeline()
    if not pending(p) and len(content.load_ids(content.read(target, "ds"))) == 1:
        p.run(wide_rows(), table_name="items")
    else:
        p.run()
    tables = content.read(target, "ds")
    assert len(tables["items"]) == 1001
    assert len(tables["items__tags"]) == 1000
    assert len(content.load_ids(tables)) == 2
    assert len(content.content(tables)["items"]) == 1001


def limited(folder: Path, file_bytes: int) -> None:
    """Run in a process whose files can't grow beyond `file_bytes`."""
    p = Here(folder)()
    resource.setrlimit(resource.RLIMIT_FSIZE, (file_bytes, resource.RLIM_INFINITY))
    try:
        p.run(wide_rows(), table_name="items")
    except PipelineStepFailed as error:
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        (folder / "error.txt").write_text(str(error))


@pytest.mark.parametrize("file_bytes", [100, 10_000, 300_000])
def test_files_that_cannot_grow_stop_a_run_that_goes_on_without_the_limit(
    here: Here, file_bytes: int
) -> None:
    duckdb.connect(str(here.database)).close()  # DuckDB leaves a broken file when it can't make one
    assert call(limited, here.folder, file_bytes) == 0
    assert "File too large" in error_of(here.folder)
    assert here.loads() == 0
    p = here()
    p.run() if pending(p) else p.run(wide_rows(), table_name="items")
    assert here.rows() == 1000
    assert here.loads() == 1


# -- nobody may write here


def as_nobody(folder: Path) -> None:
    p = Here(folder)()
    os.setuid(65534)
    try:
        p.run(ROWS, table_name="items")
    except PipelineStepFailed as error:
        (folder / "said" / "error.txt").write_text(str(error))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
@pytest.mark.parametrize("locked", ["work/faulty", "work/faulty/packages", "."])
def test_a_folder_that_is_read_only_is_named_in_the_error(locked: str) -> None:
    # Not below tmp_path, which only this user may enter.
    with tempfile.TemporaryDirectory() as name:
        here = Here(Path(name))
        for made in (here.work / "packages", here.folder / "said"):
            made.mkdir(parents=True)
        for folder in (here.folder, *here.folder.rglob("*")):
            folder.chmod(0o777)
        (here.folder / locked).chmod(0o555)
        assert call(as_nobody, here.folder) == 0
        text = error_of(here.folder / "said")
        assert ("x.duckdb" if locked == "." else "Permission denied") in text
        assert "hint: check" in text
        # Root may write everywhere, as somebody who mended the cause.
        p = here()
        p.run() if pending(p) else p.run(ROWS, table_name="items")
        assert here.rows() == 3


# -- the working folder is gone


class Wrecker:
    """Deletes the working folder at a durable step."""

    def __init__(self, folder: Path, at: int) -> None:
        self.folder = folder
        self.at = at
        self.seen = 0

    def __call__(self, event: Event) -> None:
        if isinstance(event, Durable):
            self.seen += 1
            if self.seen == self.at:
                shutil.rmtree(self.folder)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    return undisturbed_runs("duckdb", tmp_path_factory.mktemp("runs"))


@pytest.mark.parametrize("when", ["after", pytest.param("before", marks=pytest.mark.slow)])
def test_working_folder_deleted_at_any_step_loses_nothing_that_was_loaded(
    undisturbed: Undisturbed, when: str, tmp_path: Path
) -> None:
    for at, name in enumerate(undisturbed.steps[GROWN].names, 1):
        if not name.startswith(when):
            continue
        site = undisturbed.sites[GROWN].copied(tmp_path / str(at))
        p = made(site.job(GROWN + 1), Wrecker(site.folder / "work", at))
        try:
            p.run([source("shop", GROWN)])
        except LadleError:
            pass
        else:
            assert len(content.load_ids(site.tables())) == GROWN + 1, f"{name}: neither loaded nor an error"
        live(site.job(GROWN + 1), Hook(None))
        different = content.differences(site.tables(), undisturbed.tables[GROWN + 1])
        assert not different, f"deleted {name}: {different}"
        assert not site.left_over()


@pytest.mark.parametrize("after", ["extract", "normalize", "load"])
@pytest.mark.parametrize("anew", [False, True], ids=["same object", "new object"])
def test_working_folder_deleted_between_two_steps_is_a_fresh_start_from_the_destination(
    here: Here, after: str, anew: bool
) -> None:
    p = here()
    p.run(ROWS, table_name="items")
    for step in ("extract", "normalize", "load"):
        p.extract(ROWS, table_name="items") if step == "extract" else getattr(p, step)()
        if step == after:
            shutil.rmtree(here.folder / "work")
            p = here() if anew else p
    p.run(ROWS, table_name="items")
    wanted = 3 if after == "load" else 2
    assert here.rows() == 3 * wanted
    assert here.loads() == wanted
    assert [row["version"] for row in here.tables()["_dlt_version"]] == [1]
    assert len(here.tables()["_dlt_pipeline_state"]) == 1


# -- the destination is in no state to be loaded to


def test_a_file_that_is_no_database_is_left_alone_and_the_package_kept(here: Here) -> None:
    here.database.write_text("my notes, not a database. " * 1000)
    p = here()
    for load in (lambda: p.run(ROWS, table_name="items"), lambda: p.extract(ROWS, table_name="items")):
        with pytest.raises(DestinationError, match=r"x\.duckdb"):
            load()
    assert here.database.read_text().startswith("my notes")
    here.database.unlink()
    p.extract(ROWS, table_name="items")
    here.database.write_text("my notes, not a database. " * 1000)
    with pytest.raises(DestinationError, match=r"x\.duckdb"):
        p.run([{"id": 7}], table_name="items")
    here.database.unlink()
    info = p.run([{"id": 7}], table_name="items")
    assert [package.from_earlier_run for package in info.load_packages] == [True, False]
    assert here.rows() == 4


def hold(database: Path, held: Any, enough: Any) -> None:
    with duckdb.connect(str(database)):
        held.set()
        enough.wait(60)


def test_a_database_that_another_process_holds_is_an_error_after_a_while_and_the_package_kept(
    here: Here,
) -> None:
    here().run(ROWS, table_name="items")
    held, enough = FORKS.Event(), FORKS.Event()
    other = start(hold, here.database, held, enough)
    assert held.wait(60)
    p = here()
    with pytest.raises(DestinationError, match="locked by another process") as caught:
        p.run(ROWS, table_name="items")
    assert caught.value.retryable
    assert p.has_pending_data
    enough.set()
    assert ended(other) == 0
    p.run(ROWS, table_name="items")
    assert here.rows() == 9


@pytest.mark.parametrize("kind", ["duckdb", "filesystem", "postgres"])
@pytest.mark.parametrize("anew", [False, True], ids=["same object", "new object"])
def test_a_dataset_that_was_dropped_is_made_anew(
    kind: str, anew: bool, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    server = request.getfixturevalue("postgres_url") if kind == "postgres" else ""
    site = Site(kind, tmp_path / f"dropped_{anew}", server).made()
    p = made(site.job(1), None)
    p.run([source("shop", 0)])
    p.run([source("shop", 1)])
    drop_dataset(site)
    if anew:
        p = made(site.job(1), None)
    p.run([source("shop", 0)])
    other = Site(kind, tmp_path / f"fresh_{anew}", server).made()
    made(other.job(1), None).run([source("shop", 0)])
    found, wanted = site.tables(), other.tables()
    for name in (
        "orders",
        "orders__items",
        "rates",
        "rates__days",
        "readings",
        "_dlt_loads",
        "_dlt_pipeline_state",
    ):
        assert len(found[name]) == len(wanted[name]), name
    # What the destination knows is enough for a machine that has nothing else.
    shutil.rmtree(site.folder / "work")
    p = made(site.job(1), None)
    p.run([source("shop", 1)])
    assert len(site.tables()["orders"]) == 6
    assert len(site.tables()["_dlt_pipeline_state"]) == 1


def drop_dataset(site: Site) -> None:
    kind, _, place = site.destination.partition(":")
    if kind == "filesystem":
        shutil.rmtree(Path(place) / "shop_data")
        return
    with duckdb.connect(place) if kind == "duckdb" else psycopg.connect(place) as db:
        db.execute("DROP SCHEMA shop_data CASCADE")


# -- the data is wrong


def test_data_that_cannot_be_stored_leaves_nothing_behind(here: Here) -> None:
    here().run(ROWS, table_name="items")
    p = here()
    with pytest.raises(DataError):
        p.run([{"id": 1}, {"id": None}], table_name="keyed", primary_key="id")
    assert not p.has_pending_data
    assert not any((here.work / "packages").iterdir())
    assert "keyed" not in p.default_schema.data_table_names()
    p.run(ROWS, table_name="items")
    assert here.rows() == 6
    assert "keyed" not in here.tables()


def test_data_extracted_alone_that_cannot_be_stored_waits_for_a_decision(here: Here) -> None:
    p = here()
    p.extract([{"id": 1}, {"id": None}], table_name="keyed", primary_key="id")
    for step in (p.normalize, lambda: p.run(ROWS, table_name="items")):
        with pytest.raises(DataError) as caught:
            step()
        assert "drop_pending_packages" in str(caught.value)
    p.drop_pending_packages()
    p.run(ROWS, table_name="items")
    assert sorted(here.tables())[3:] == ["_ladle_changes", "items", "items__tags"]


def test_a_source_that_fails_midway_leaves_nothing_behind(here: Here) -> None:
    def items() -> Iterator[dict[str, Any]]:
        yield from ROWS
        raise ConnectionResetError("gone")

    p = here()
    with pytest.raises(PipelineStepFailed, match="gone"):
        p.run(items, table_name="items")
    assert not p.has_pending_data
    assert here.loads() == 0
    assert p.run(ROWS, table_name="items").row_counts["items"] == 3
