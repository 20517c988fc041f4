"""A load id that two pipelines, or another tool, have in one dataset: no load is taken for another one."""

from __future__ import annotations

import shutil
import threading
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import ladle
from ladle.destinations.base import LoadRecord
from ladle.events import Notice
from ladle.package import store
from ladle.schema.change import AddTable
from ladle.schema.schema import SYSTEM_TABLE_MAP, Schema

ID = "1795401053.1234567"
ENGINES = ("duckdb", "sqlite", "postgres", "mysql", "sqlalchemy", "filesystem")
OTHERS = {"schema": ("theirs", "p", False), "pipeline": ("ours", "another", True)}


class Place:
    """A dataset, pipelines that load to it, and what they were told."""

    def __init__(self, root: Path, destination: Any) -> None:
        self.root = root
        self.destination = destination
        self.dataset = f"ds_{uuid.uuid4().hex[:8]}"
        self.told: list[str] = []

    def pipeline(self, name: str = "p", emit: Callable[[Any], None] | None = None) -> Any:
        return ladle.pipeline(
            name,
            self.root / "pipelines",
            destination=self.destination,
            dataset_name=self.dataset,
            progress=emit or self.tell,
        )

    def tell(self, event: Any) -> None:
        if isinstance(event, Notice):
            self.told.append(event.text)

    def rows(self, table: str = "t") -> list[tuple[Any, ...]]:
        """Return value and load id of each row."""
        found = self.pipeline("reader").dataset()
        return sorted(found.query(f"SELECT v, _dlt_load_id FROM {table}").fetchall())

    def loads(self) -> list[tuple[Any, ...]]:
        found = self.pipeline("reader").dataset()
        return sorted(found.query("SELECT load_id, schema_name FROM _dlt_loads").fetchall())

    def commit_another(self, load_id: str, schema: str, pipeline: str, has_state: bool) -> None:
        """Commit a load without rows, as another tool does."""
        known = Schema(schema).bumped(None).to_dict()
        state = {"_state_version": 1, "_state_engine_version": 4} if has_state else None
        session = self.destination.open(self.dataset)
        try:
            session.begin(LoadRecord(load_id, known, pipeline, state, inserted_at=1.5))
            session.apply([AddTable(table) for table in SYSTEM_TABLE_MAP.values()])
            session.commit()
        finally:
            session.close()


@pytest.fixture(params=ENGINES)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    made = ladle.destinations
    build: dict[str, Callable[[], Any]] = {
        "duckdb": lambda: made.duckdb(tmp_path / "x.duckdb"),
        "sqlite": lambda: made.sqlite(tmp_path / "x.db"),
        "postgres": lambda: made.postgres(request.getfixturevalue("postgres_url")),
        "mysql": lambda: made.mysql(request.getfixturevalue("mysql_url")),
        "sqlalchemy": lambda: made.sqlalchemy(request.getfixturevalue("postgres_url"), generic=True),
        "filesystem": lambda: made.filesystem(str(tmp_path / "lake")),
    }
    return Place(tmp_path, build[request.param]().bound("p"))


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Load ids that are given to the next packages."""
    real, planned = store._load_id, list[str]()
    monkeypatch.setattr(store, "_load_id", lambda now_s: planned.pop(0) if planned else real(now_s))
    return planned


def source(values: list[Any], name: str = "ours") -> Any:
    made = ladle.source(lambda: ladle.resource([{"v": v} for v in values], name="t"), name=name)
    return made()


@pytest.mark.parametrize("schemas", [("one", "two"), ("ours", "ours")])
def test_two_pipelines_with_one_load_id(place: Place, given: list[str], schemas: tuple[str, str]) -> None:
    given += [ID, ID]
    for number, schema in enumerate(schemas):
        place.pipeline(f"p{number}").run(source([number], schema))
    (first, second), loads = place.rows(), place.loads()
    assert first == (0, ID)
    assert second[0] == 1
    assert second[1] != ID
    assert loads == sorted([(ID, schemas[0]), (second[1], schemas[1])])
    assert len(place.told) == 1
    assert f"another load `{ID}`, of schema `{schemas[0]}`, pipeline `p0`: the package" in place.told[0]


def test_records_of_changes_name_the_new_load_id(place: Place, given: list[str]) -> None:
    given += [ID]
    place.commit_another(ID, "theirs", "another", has_state=True)
    info = place.pipeline().run(source([1]))
    changes = (
        place.pipeline("reader")
        .dataset()
        .query("SELECT _dlt_load_id, change, column_name FROM _ladle_changes WHERE table_name = 't'")
    )
    assert ("add_column", "v") in [(change, column) for _, change, column in changes.fetchall()]
    assert {load_id for load_id, *_ in changes.fetchall()} == set(info.loads_ids)
    assert place.pipeline().run(source([2])).loads_ids != info.loads_ids
    assert [v for v, _ in place.rows()] == [1, 2]


@pytest.mark.parametrize("other", OTHERS)
def test_a_package_that_another_run_left_meets_a_load_with_its_id(
    place: Place, given: list[str], other: str
) -> None:
    schema, pipeline, has_state = OTHERS[other]
    given += [ID]
    left = place.pipeline()
    left.extract(source([1]))
    left.normalize()
    place.commit_another(ID, schema, pipeline, has_state)
    info = place.pipeline().load()
    assert place.rows() == [(1, info.loads_ids[0])]
    assert info.loads_ids != [ID]
    assert len(place.told) == 1
    assert place.pipeline().list_completed_load_packages() == info.loads_ids
    assert place.pipeline().run(source([2])).loads_ids != info.loads_ids
    assert [v for v, _ in place.rows()] == [1, 2]


@pytest.mark.parametrize("runs_before", [0, 1], ids=["with a state", "without"])
def test_a_package_that_was_committed_and_not_noted_is_not_loaded_again(
    place: Place, given: list[str], runs_before: int
) -> None:
    for number in range(runs_before):
        place.pipeline().run(source([number]))
    given += [ID]
    left = place.pipeline()
    left.extract(source([7]))
    left.normalize()
    folder, copy = Path(left.working_dir), place.root / "copy"
    shutil.copytree(folder, copy)
    left.load()
    # Another pipeline goes on with its own loads, and this one from elsewhere.
    place.pipeline("another").run(source([8]))
    shutil.rmtree(folder)
    shutil.copytree(copy, folder)
    info = place.pipeline().load()
    assert info.loads_ids == [ID]
    assert [v for v, _ in place.rows()] == [*range(runs_before), 7, 8]
    assert place.told == []


def test_rows_that_would_be_loaded_ahead(
    place: Place, given: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOAD__AHEAD_BYTES", "1")
    place.pipeline().run(source([1]))
    given += [ID]
    place.commit_another(ID, "theirs", "another", has_state=False)
    info = place.pipeline().run(ladle.resource(({"v": v} for v in range(2, 5_000)), name="t"), schema="ours")
    found = place.rows()
    assert [v for v, _ in found] == list(range(1, 5_000))
    assert {load_id for _, load_id in found[1:]} == {*info.loads_ids} != {ID}
    assert [load_id for load_id, _ in place.loads()].count(ID) == 1


def test_two_pipelines_with_one_load_id_at_once(place: Place, given: list[str]) -> None:
    place.pipeline("first").run(source([0]))
    given += [ID, ID]
    names, met, failed = ("p0", "p1"), threading.Barrier(2), list[BaseException]()

    def work(name: str) -> None:
        def rows() -> Iterator[Any]:
            met.wait(20)
            yield {"v": name}

        try:
            made = ladle.source(lambda: ladle.resource(rows, name=name), name=name)
            place.pipeline(name).run(made())
        except BaseException as exc:  # noqa: BLE001 - shown by the test, on its own thread
            failed.append(exc)

    threads = [threading.Thread(target=work, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed, failed[0]
    found = [place.rows(name) for name in names]
    assert [[v for v, _ in rows] for rows in found] == [["p0"], ["p1"]]
    ids = {load_id for rows in found for _, load_id in rows}
    # Some don't look again in time: then both are on record, and neither is taken for the other.
    assert len(ids) == 2 or place.destination.type_name in ("duckdb", "filesystem")
    assert {(load_id, schema) for load_id, schema in place.loads() if schema in names} == {
        (rows[0][1], name) for name, rows in zip(names, found, strict=True)
    }


def test_edits_of_a_schema_with_the_load_id_of_another(place: Place, given: list[str]) -> None:
    made = place.pipeline()
    made.run(source([{"n": 1}, 2], "ours"))
    given += [ID]
    place.commit_another(ID, "theirs", "another", has_state=True)
    made.drop_column("t", "v__n").apply(confirm=True)
    assert "v__n" not in made.dataset().table("t").columns
    changes = made.dataset().query("SELECT _dlt_load_id FROM _ladle_changes WHERE change = 'drop_column'")
    found = {load_id for (load_id,) in changes.fetchall()}
    assert found
    assert found != {ID}
    assert found <= {load_id for load_id, _ in place.loads()}


def test_a_function_gets_the_rows_of_both(tmp_path: Path, given: list[str]) -> None:
    """It has no loads on record; what it took is noted in the package, whose folder is its pipeline's."""
    came: list[Any] = []

    @ladle.destination(batch_size=1)
    def taken(items: Any, table: Any) -> None:
        came.extend(items)
        if len(came) == 2:
            raise ladle.errors.DestinationTerminalException("stop")

    given += [ID, ID]
    broken = ladle.pipeline("p0", tmp_path, destination=taken)
    with pytest.raises(ladle.errors.DestinationError):
        broken.run(source([1, 2, 3]))
    ladle.pipeline("p1", tmp_path, destination=taken).run(source([4, 5]))
    broken.run()
    assert [row["v"] for row in came] == [1, 2, 4, 5, 2, 3]
