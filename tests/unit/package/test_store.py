"""Packages on disk: sealed or not there at all, owned by one, finished once."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from ladle.errors import PackageError
from ladle.events import Durable, Event, silent
from ladle.package import flushing
from ladle.package.manifest import ResourceInfo
from ladle.package.store import Package, Packages


def batch(*values: Any, **metadata: str) -> pa.RecordBatch:
    return pa.record_batch({"a": list(values)}, metadata=metadata or None)


def packages(root: Path) -> Packages:
    return Packages(root, silent)


def sealed(store: Packages, *batches: pa.RecordBatch, stage: str = "extracted") -> Package:
    package = store.create("p")
    writer = package.writer("raw")
    for one in batches or (batch(1),):
        writer.append("t", one)
    return package.save(stage=stage, raw=writer.seal())


def values(package: Package) -> list[Any]:
    return [v for b in package.read(package.files("raw")) for v in b.column("a").to_pylist()]


# -- a stage


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="names of open files are had from Linux")
@pytest.mark.parametrize("large_bytes", [0, 1 << 20])
def test_a_manifest_is_there_once_its_files_and_their_folders_are_flushed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, large_bytes: int
) -> None:
    done: list[str] = []
    flush, rename = os.fsync, os.replace

    def noted_flush(descriptor: int) -> None:
        done.append(Path(f"/proc/self/fd/{descriptor}").readlink().relative_to(tmp_path).as_posix())
        flush(descriptor)

    def noted_rename(source: Path, target: Path) -> None:
        done.append(target.name)
        rename(source, target)

    package = packages(tmp_path).create("p")
    monkeypatch.setattr(flushing, "LARGE_BYTES", large_bytes)
    monkeypatch.setattr(os, "fsync", noted_flush)
    monkeypatch.setattr(os, "replace", noted_rename)
    raw = package.writer("raw")
    for one in (batch(1), batch("x")):
        raw.append("t", one)
    package = package.save(stage="extracted", raw=raw.seal())
    at = f"packages/{package.load_id}"
    files = [f"{at}/raw/000000.arrows", f"{at}/raw/000001.arrows"]
    manifest = f"{at}/manifest.json.{os.getpid()}.tmp"
    assert done == [*files, f"{at}/raw", manifest, "manifest.json", at]
    done.clear()
    ready = package.writer("ready")
    ready.append("t", batch(1))
    files = [file.name for file in ready.seal()]
    ready.append("u", batch(2))
    files += [file.name for file in ready.seal_more()]
    package.save(stage="normalized")
    assert done == [*(f"{at}/{name}" for name in files), f"{at}/ready", manifest, "manifest.json", at]


def test_rows_come_back_in_order_and_files_know_their_size(tmp_path: Path) -> None:
    package = sealed(packages(tmp_path), batch(1, 2), batch(3))
    assert values(package) == [1, 2, 3]
    (file,) = package.files("raw")
    assert (file.rows, file.table, file.file_bytes) == (3, "t", (package.folder / file.name).stat().st_size)


@pytest.mark.parametrize(
    "batches",
    [
        [batch(1), batch("x"), batch(2)],
        [batch(1), batch(2, ladle="frame"), batch(3)],
    ],
    ids=["types", "metadata"],
)
def test_another_schema_begins_another_file(batches: list[pa.RecordBatch], tmp_path: Path) -> None:
    package = sealed(packages(tmp_path), *batches)
    assert [package.schema_of(f).metadata for f in package.files("raw")] == [
        b.schema.metadata for b in batches
    ]
    assert values(package) == [v for b in batches for v in b.column("a").to_pylist()]


def test_many_keys_at_once_keep_their_rows(tmp_path: Path) -> None:
    package = packages(tmp_path).create("p")
    writer = package.writer("raw")
    for turn in range(2):
        for key in range(200):
            writer.append(str(key), batch(key * 10 + turn))
    package = package.save(stage="extracted", raw=writer.seal())
    for key in (0, 77, 199):
        read = pa.Table.from_batches(package.read(package.files("raw", str(key))))
        assert read.column("a").to_pylist() == [key * 10, key * 10 + 1]


def test_what_is_sealed_later_comes_by_itself(tmp_path: Path) -> None:
    writer = packages(tmp_path).create("p").writer("ready")
    writer.append("t", batch(1))
    first = writer.seal()
    writer.append("t", batch(2))
    writer.append("t", batch("x"))
    assert [(f.table, f.rows) for f in first] == [("t", 1)]
    assert [(f.table, f.rows) for f in writer.seal_more()] == [("t", 1), ("t", 1)]
    assert writer.seal_more() == ()


def test_a_stage_begun_anew_forgets_the_attempt_before(tmp_path: Path) -> None:
    package = packages(tmp_path).create("p")
    writer = package.writer("raw")
    writer.append("t", batch(1))
    writer.abandon()
    writer.abandon()
    package.writer("raw")
    assert list((package.folder / "raw").iterdir()) == []


@pytest.mark.parametrize("damage", ["missing", "cut", "longer", "garbage"])
@pytest.mark.parametrize(("stage", "fact"), [("raw", "resource"), ("ready", "table")])
def test_damaged_files_are_errors_that_name_the_file(
    damage: str, stage: Any, fact: str, tmp_path: Path
) -> None:
    package = packages(tmp_path).create("p")
    writer = package.writer(stage)
    writer.append("key", batch(*range(1000)))
    resources = (ResourceInfo("key", "t", "append", 1000, {"key": "t"}),)
    package = package.save(**{stage: writer.seal(), "stage": "extracted", "resources": resources})
    (file,) = package.files(stage)
    path = package.folder / file.name
    data = path.read_bytes()
    if damage == "missing":
        path.unlink()
    else:
        changed = {"cut": data[:-10], "longer": data + b"x", "garbage": b"\xff" * len(data)}[damage]
        path.write_bytes(changed)
    with pytest.raises(PackageError) as caught:
        list(package.read([file]))
    assert (caught.value.load_id, caught.value.facts[fact]) == (package.load_id, "key")
    assert file.name in caught.value.what


# -- the store


def test_only_sealed_packages_are_pending(tmp_path: Path) -> None:
    store = packages(tmp_path)
    first, second = sealed(store), sealed(store)
    store.create("p").writer("raw").append("t", batch(1))
    assert [p.load_id for p in store.pending()] == [first.load_id, second.load_id]
    assert [m.load_id for m in store.waiting()] == [first.load_id, second.load_id]
    assert values(store.pending()[0]) == [1]


def test_load_ids_are_unique_times_in_order(tmp_path: Path) -> None:
    store = packages(tmp_path)
    ids = [store.create("p").load_id for _ in range(20)]
    assert len(set(ids)) == 20
    assert ids == sorted(ids, key=float)


def test_a_package_belongs_to_who_made_it_until_released(tmp_path: Path) -> None:
    mine, other = packages(tmp_path), packages(tmp_path)
    package = sealed(mine)
    assert other.pending() == []
    assert [m.load_id for m in other.waiting()] == [package.load_id]
    mine.release()
    assert [p.load_id for p in other.pending()] == [package.load_id]
    assert mine.pending() == []


def test_what_a_dead_process_never_sealed_is_swept_what_a_living_one_makes_is_not(tmp_path: Path) -> None:
    dead, living = packages(tmp_path), packages(tmp_path)
    left, made = dead.create("p"), living.create("p")
    dead.release()
    packages(tmp_path).sweep()
    assert (left.folder.exists(), made.folder.exists()) == (False, True)


def test_a_finished_package_is_one_small_file(tmp_path: Path) -> None:
    store = packages(tmp_path)
    package = sealed(store)
    done = store.finish(package, "loaded", counts={"t": 1})
    assert (done.stage, package.folder.exists(), store.pending()) == ("loaded", False, [])
    assert [(m.load_id, m.counts) for m in store.done()] == [(package.load_id, {"t": 1})]
    assert store.is_done(package.load_id)
    store.finish(package, "loaded", counts={"t": 1})
    assert len(store.done()) == 1


def test_a_package_finished_but_not_removed_is_not_pending(tmp_path: Path) -> None:
    class Killed(BaseException):
        pass

    def kill(event: Event) -> None:
        if event == Durable("package.loaded", done=True):
            raise Killed

    store = Packages(tmp_path, kill)
    package = sealed(store)
    with pytest.raises(Killed):
        store.finish(package, "loaded")
    store.release()
    after = packages(tmp_path)
    assert (after.waiting(), after.pending()) == ([], [])
    assert not package.folder.exists()


def test_discarded_packages_leave_nothing(tmp_path: Path) -> None:
    store = packages(tmp_path)
    store.discard(sealed(store))
    assert (store.pending(), store.done(), list((tmp_path / "packages").iterdir())) == ([], [], [])


def test_fifty_finished_packages_are_kept(tmp_path: Path) -> None:
    store = packages(tmp_path)
    ids = []
    for _ in range(52):
        package = store.create("p")
        ids.append(store.finish(package, "loaded").load_id)
    assert [m.load_id for m in store.done()] == ids[2:]


def test_damaged_manifests_are_errors_until_dropped(tmp_path: Path) -> None:
    store = packages(tmp_path)
    good, bad = sealed(store), sealed(store)
    (bad.folder / "manifest.json").write_bytes(b"{")
    with pytest.raises(PackageError):
        store.pending()
    assert store.drop_damaged() == 1
    assert [p.load_id for p in store.pending()] == [good.load_id]


def test_save_is_a_step_of_its_own(tmp_path: Path) -> None:
    told: list[Event] = []
    store = Packages(tmp_path, told.append)
    package = store.create("p")
    assert store.pending() == []
    saved = package.with_manifest(counts={"t": 1}).save(stage="extracted")
    assert told[-2:] == [Durable("package.extracted", done=False), Durable("package.extracted", done=True)]
    assert (store.pending()[0].manifest, package.stage) == (saved.manifest, "new")


def test_a_folder_is_owned_until_it_is_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else another run that has just made it could take it while it is being removed."""
    store, other, seen = packages(tmp_path), packages(tmp_path), []
    package = sealed(store)
    remove = shutil.rmtree

    def removing(folder: Path, **options: Any) -> None:
        seen.append([p.load_id for p in other.pending()])
        seen.append(other._own(package.load_id))
        remove(folder, **options)

    monkeypatch.setattr(shutil, "rmtree", removing)
    store.finish(package, "loaded")
    assert seen == [[], False]
    assert not package.folder.exists()
