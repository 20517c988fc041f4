"""What a run left unfinished: any later process finishes it, on any machine, before new data, and says so."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from tests.e2e import content
from tests.e2e.forks import call
from tests.e2e.sites import Site
from tests.e2e.victim import place

import ladle
from ladle.errors import DestinationError
from ladle.events import Durable, Event

KINDS = ("duckdb", "postgres", "filesystem")


@pytest.fixture(params=KINDS)
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Site:
    server = request.getfixturevalue("postgres_url") if request.param == "postgres" else ""
    return Site(request.param, tmp_path / f"site_{tmp_path.name}"[-60:], server).made()


def pipeline(site: Site, work: str = "work", **options: Any) -> ladle.Pipeline:
    return ladle.pipeline(
        "later", site.folder / work, destination=place(site.destination), dataset_name="ds", **options
    )


def tables(site: Site) -> content.Tables:
    return content.read(site.destination, "ds")


def numbers(site: Site, table: str = "items") -> list[int]:
    return sorted(row["n"] for row in tables(site).get(table, []))


def rows(*numbers: int, **extra: Any) -> list[dict[str, Any]]:
    return [{"n": n, "parts": [{"k": n}], **extra} for n in numbers]


# -- pending packages first, then the new data


@pytest.mark.parametrize("fresh", [True, False], ids=["never loaded", "loaded before"])
@pytest.mark.parametrize(
    ("steps", "anew"),
    [(["extract"], True), (["extract", "normalize"], False), (["extract", "normalize", "extract"], True)],
)
def test_what_is_pending_is_loaded_and_then_the_new_data(
    site: Site, steps: list[str], anew: bool, fresh: bool
) -> None:
    p = pipeline(site)
    if not fresh:
        p.run(rows(0), table_name="items")
    for i, step in enumerate(steps):
        p.extract(rows(1 + i // 2), table_name="items") if step == "extract" else p.normalize()
    left = sorted([*p.list_extracted_load_packages(), *p.list_normalized_load_packages()], key=float)
    p = pipeline(site) if anew else p
    info = p.run(rows(9), table_name="others")
    assert [package.from_earlier_run for package in info.load_packages] == [*[True] * len(left), False]
    assert info.loads_ids[:-1] == left
    assert info.row_counts["items"] == len(left)
    assert info.row_counts["others"] == 1
    assert str(info).count("left by an earlier run") == len(left)
    assert numbers(site) == list(range(fresh, 1 + len(left)))
    assert numbers(site, "others") == [9]
    assert content.load_ids(tables(site)) == sorted(p.list_completed_load_packages(), key=float)
    assert not p.has_pending_data


def test_a_run_without_data_finishes_what_is_pending_and_then_has_nothing_to_do(site: Site) -> None:
    p = pipeline(site)
    p.extract(rows(1), table_name="items")
    assert p.run().row_counts["items"] == 1
    assert p.run().is_empty
    assert p.run([], table_name="items").is_empty
    assert numbers(site) == [1]
    assert len(content.load_ids(tables(site))) == 1


def test_a_package_from_a_clock_that_was_ahead_is_finished_all_the_same(site: Site) -> None:
    p = pipeline(site)
    load_id = p.extract(rows(1), table_name="items").loads_ids[0]
    manifest = Path(p.working_dir) / "packages" / load_id / "manifest.json"
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "created_at": 4e9}))
    info = p.run(rows(2), table_name="items")
    assert [package.from_earlier_run for package in info.load_packages] == [True, False]
    assert numbers(site) == [1, 2]


def test_pending_packages_that_each_change_the_schema_are_loaded_in_order(site: Site) -> None:
    p = pipeline(site)
    p.extract(rows(1, v=1), table_name="items")
    p.extract(rows(2, v="text", w=True), table_name="items")
    p.extract(rows(3, v=3, new=[{"x": 1}]), table_name="items")
    p.normalize()
    p.extract(rows(4, v=4, w="text"), table_name="items")
    info = p.run(rows(5, v=5), table_name="items")
    assert len(info.loads_ids) == 5
    found = sorted(tables(site)["items"], key=lambda row: row["n"])
    assert [row.get("v") for row in found] == [1, None, 3, 4, 5]
    assert found[1]["v__v_text"] == found[3]["w__v_text"] == "text"
    assert len(tables(site)["items__new"]) == 1
    versions = sorted(row["version"] for row in tables(site)["_dlt_version"])
    assert versions == list(range(1, len(versions) + 1))


def test_a_load_that_failed_is_pending_and_made_up_for(site: Site) -> None:
    pipeline(site).run(rows(0), table_name="items")

    def fail(event: Event) -> None:
        if isinstance(event, Durable) and event.name == "load.commit" and not event.done:
            raise DestinationError("no")

    with pytest.raises(DestinationError):
        pipeline(site, progress=fail).run(rows(1, more=1), table_name="items")
    assert numbers(site) == [0]
    info = pipeline(site).run(rows(2), table_name="items")
    assert [package.from_earlier_run for package in info.load_packages] == [True, False]
    assert numbers(site) == [0, 1, 2]


# -- each step in a process of its own, or on a machine of its own


def step(site: Site, name: str, number: int) -> None:
    p = pipeline(site)
    if name == "extract":
        p.extract(rows(number), table_name="items")
    elif name == "normalize":
        assert len(p.normalize().loads_ids) == 1
    else:
        assert len(p.load().loads_ids) == 1


def test_each_step_may_be_a_process_of_its_own(site: Site) -> None:
    for number in range(2):
        for name in ("extract", "normalize", "load"):
            assert call(step, site, name, number) == 0
    assert numbers(site) == [0, 1]
    assert len(content.load_ids(tables(site))) == 2
    assert not pipeline(site).has_pending_data


def test_each_step_may_be_done_on_a_machine_of_its_own_that_gets_the_folder(site: Site) -> None:
    first = pipeline(site)
    first.run(rows(0), table_name="items")
    first.extract(rows(1, fresh=1), table_name="items")
    for i, name in enumerate(("normalize", "load")):
        (site.folder / f"machine{i}").mkdir()
        shutil.move(
            site.folder / ("work" if i == 0 else "machine0") / "later", site.folder / f"machine{i}" / "later"
        )
        assert len(getattr(pipeline(site, f"machine{i}"), name)().loads_ids) == 1
    assert numbers(site) == [0, 1]
    info = pipeline(site, "machine1").run(rows(2), table_name="items")
    assert [package.from_earlier_run for package in info.load_packages] == [False]


def test_machines_that_share_only_the_destination_follow_each_other(site: Site) -> None:
    values: list[Any] = [1, "text", 2.5, True, 5, "more"]
    for i, value in enumerate(values):
        p = pipeline(site, f"machine{i % 2}")
        p.run(rows(i, v=value, **{f"c{i}": i}), table_name="items")
    found = sorted(tables(site)["items"], key=lambda row: row["n"])
    for i, (row, value) in enumerate(zip(found, values, strict=True)):
        assert row[f"c{i}"] == i
        assert value in [v for k, v in row.items() if k.split("__")[0] == "v"]
    versions = sorted(row["version"] for row in tables(site)["_dlt_version"])
    assert versions == list(range(1, len(values) + 1))
    assert len(tables(site)["_dlt_pipeline_state"]) == 1


def test_a_folder_copied_with_its_pending_package_loads_it_once(site: Site) -> None:
    p = pipeline(site)
    p.run(rows(0), table_name="items")
    p.extract(rows(1), table_name="items")
    shutil.copytree(site.folder / "work", site.folder / "copy")
    for work in ("work", "copy"):
        info = pipeline(site, work).run()
        assert [package.from_earlier_run for package in info.load_packages] == [True]
    assert numbers(site) == [0, 1]
    assert len(content.load_ids(tables(site))) == 2


@pytest.mark.parametrize("lost", ["state.json", "schemas", "schemas/later.schema.json", "loaded", "."])
def test_any_part_of_the_folder_but_its_packages_comes_back_from_the_destination(
    site: Site, lost: str
) -> None:
    p = pipeline(site)
    p.run(rows(0, v=1), table_name="items")
    p.run(rows(1, v="text"), table_name="items")
    path = Path(p.working_dir) / lost
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    p = pipeline(site)
    p.run(rows(2, v=2), table_name="items")
    found = sorted(tables(site)["items"], key=lambda row: row["n"])
    assert [row.get("v") for row in found] == [1, None, 2]
    assert sorted(row["version"] for row in tables(site)["_dlt_version"]) == [1, 2]
    assert len(tables(site)["_dlt_pipeline_state"]) == 1
    assert p.default_schema.version == 2


# -- dropping what is pending


@pytest.mark.parametrize("site", ["duckdb"], indirect=True)
@pytest.mark.parametrize("normalized", [False, True])
@pytest.mark.parametrize("fresh", [False, True])
def test_dropped_packages_leave_no_trace_in_schema_state_or_destination(
    site: Site, normalized: bool, fresh: bool
) -> None:
    p = pipeline(site)
    if not fresh:
        p.run(rows(0), table_name="items")
    before = tables(site), p.state.get("_state_version"), None if fresh else p.default_schema.version_hash
    for number in (1, 2):
        p.extract(rows(number, n="text", typo=number), table_name="items")
        p.extract(rows(number), table_name=f"mistake{number}")
    if normalized:
        p.normalize()
    p.drop_pending_packages()
    assert not p.has_pending_data
    assert (tables(site), p.state.get("_state_version")) == before[:2]
    if not fresh:
        assert p.default_schema.version_hash == before[2]
    info = p.run(rows(5), table_name="items")
    assert [package.from_earlier_run for package in info.load_packages] == [False]
    assert numbers(site) == ([5] if fresh else [0, 5])
    assert not [name for name in tables(site) if "mistake" in name]
    assert not [column for column in tables(site)["items"][0] if "typo" in column or "v_text" in column]
    assert len(tables(site)["_dlt_pipeline_state"]) == 1


@pytest.mark.parametrize("site", ["duckdb"], indirect=True)
def test_packages_can_be_dropped_while_the_destination_is_away(site: Site) -> None:
    p = pipeline(site)
    p.run(rows(0, v=1), table_name="items")
    p.extract(rows(1, v="text"), table_name="items")
    p.normalize()
    database = site.folder / "x.duckdb"
    database.rename(site.folder / "away")
    database.write_text("no database")
    p.drop_pending_packages()
    database.unlink()
    (site.folder / "away").rename(database)
    p.run(rows(2, v=2), table_name="items")
    assert [row["v"] for row in sorted(tables(site)["items"], key=lambda row: row["n"])] == [1, 2]
    assert "v__v_text" not in tables(site)["items"][0]


@pytest.mark.parametrize("site", ["duckdb"], indirect=True)
def test_dropping_nothing_changes_nothing(site: Site) -> None:
    p = pipeline(site)
    p.drop_pending_packages()
    assert p.first_run
    p.run(rows(0), table_name="items")
    state, schema = p.state, p.default_schema
    p.drop_pending_packages()
    assert (p.state, p.default_schema) == (state, schema)


@pytest.mark.parametrize("site", ["duckdb"], indirect=True)
def test_a_folder_that_is_no_package_is_cleared_away(site: Site) -> None:
    p = pipeline(site)
    p.run(rows(0), table_name="items")
    for left in ("1.5", "1600000000.1/raw", "notes"):
        (Path(p.working_dir) / "packages" / left).mkdir(parents=True)
    p.run(rows(1), table_name="items")
    assert not list((Path(p.working_dir) / "packages").iterdir())


# -- many runs in one process


def memory_kb() -> int:
    """Return the resident memory of this process."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0])


def runs_flat(site: Site, runs: int, warm_up: int, growth_kb: int) -> None:
    p = pipeline(site)
    at_first = (0, 0)
    for number in range(runs):
        p.run(rows(number), table_name="items")
        if number % 10 == 9:
            p.extract(rows(number), table_name="more")
            p = pipeline(site)
        if number == warm_up:
            at_first = memory_kb(), len(os.listdir("/proc/self/fd"))
    grown = memory_kb() - at_first[0]
    files = len(os.listdir("/proc/self/fd")) - at_first[1]
    (site.folder / "grown.json").write_text(json.dumps([grown, files]))
    assert grown < growth_kb, f"{grown} KB more"
    assert files <= 0, f"{files} more open files"


needs_proc = pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="needs /proc to measure itself"
)


@needs_proc
@pytest.mark.parametrize("site", ["duckdb"], indirect=True)
def test_files_stay_closed_and_packages_removed_over_many_runs(site: Site) -> None:
    assert call(runs_flat, site, 25, 10, 60_000) == 0, (site.folder / "grown.json").read_text()
    p = pipeline(site)
    p.run()
    assert not list((Path(p.working_dir) / "packages").iterdir())


@needs_proc
@pytest.mark.slow
@pytest.mark.parametrize(
    ("site", "growth_kb"),
    [("duckdb", 25_000), ("filesystem", 40_000), ("postgres", 40_000)],
    indirect=["site"],
)
def test_hundreds_of_runs_need_no_more_than_the_first_hundred(site: Site, growth_kb: int) -> None:
    process_runs = 500 if site.kind == "duckdb" else 400
    from tests.e2e.forks import ended, start

    assert ended(start(runs_flat, site, process_runs, 100, growth_kb), 900) == 0, (
        site.folder / "grown.json"
    ).read_text()
    found = tables(site)
    assert len(found["items"]) == process_runs
    assert len(content.load_ids(found)) == process_runs + process_runs // 10 - 1
    loaded = list((site.folder / "work" / "later" / "loaded").iterdir())
    assert len(loaded) == 50
