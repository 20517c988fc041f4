"""Three ways to replace, watched by a second connection while they load: never an empty table, never a mixed one."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.contract.replaced import EACH, KIDS, ROWS, Place, load, opened, rows, whole
from tests.e2e import content
from tests.e2e.victim import file_steps

from ladle.events import Durable

SLOW = [
    pytest.param(kind, marks=pytest.mark.slow) for kind in ("sqlite", "mysql", "sqlalchemy", "filesystem")
]
WRITES = {f"{when} load.write.{table}" for when in ("before", "after") for table in ("t", "t__kids")}


@pytest.fixture(params=["duckdb", "postgres", *SLOW])
def place(request: pytest.FixtureRequest, tmp_path: Path, dataset: str) -> Iterator[Place]:
    with opened(request, tmp_path, dataset) as found:
        yield found


def at_steps(look: Callable[[str], None]) -> Callable[[Any], None]:
    """Return what hears of a load's durable steps, and looks before and after each."""

    def watch(event: Any) -> None:
        if isinstance(event, Durable) and event.name.startswith("load."):
            look(f"{'after' if event.done else 'before'} {event.name}")

    return watch


@EACH
def test_a_second_connection_sees_the_old_or_the_new_at_every_step(
    place: Place, tmp_path: Path, strategy: str
) -> None:
    load(place, tmp_path, rows(1), strategy)
    found: list[tuple[str, tuple[Any, ...]]] = []
    # From the swap to the commit a reader in Postgres waits: here it would wait for itself.
    waits = strategy == "staging-optimized" and place.kind in ("postgres", "sqlalchemy")

    def look(name: str) -> None:
        if not waits or name not in ("after load.merge", "before load.commit"):
            found.append((name, place.seen()))

    load(place, tmp_path, rows(2), strategy, progress=at_steps(look))
    assert [seen for name, seen in found if name == "after load.commit"] == [whole(2)]
    assert {seen for name, seen in found if name != "after load.commit"} == {whole(1)}
    assert {name for name, _ in found} >= WRITES


class Watcher:
    """Looks all the time on a thread of its own; `found` is what it saw, in order."""

    def __init__(self, place: Place) -> None:
        self.place, self.found = place, list[tuple[Any, ...]]()
        self.looked, self.ends, self.failed = threading.Condition(), False, list[BaseException]()

    def looks(self) -> None:
        try:
            while not self.ends:
                seen = self.place.seen()
                with self.looked:
                    self.found.append(seen)
                    self.looked.notify_all()
        except BaseException as error:
            self.failed.append(error)

    def next(self) -> tuple[Any, ...]:
        """Wait for a look that began after this call, and return what it saw."""
        with self.looked:
            count = len(self.found) + 2
            assert self.looked.wait_for(lambda: len(self.found) >= count, 20), self.failed
            return self.found[count - 1]

    @contextmanager
    def at_work(self) -> Iterator[None]:
        thread = threading.Thread(target=self.looks)
        thread.start()
        try:
            yield
        finally:
            self.ends = True
            thread.join()
        assert not self.failed


@EACH
def test_who_watches_all_the_time_never_sees_an_empty_or_mixed_table(
    place: Place, tmp_path: Path, strategy: str
) -> None:
    load(place, tmp_path, rows(0), strategy)
    watcher = Watcher(place)
    during: list[tuple[Any, ...]] = []

    def look(name: str) -> None:
        if name in WRITES:
            during.append(watcher.next())

    with watcher.at_work():
        for v in range(1, 5):
            load(place, tmp_path, rows(v), strategy, progress=at_steps(look))
    assert during == [whole(v) for v in range(4) for _ in WRITES]
    assert set(watcher.found) <= {whole(v) for v in range(5)}
    assert [seen[1] for seen in watcher.found] == sorted(seen[1] for seen in watcher.found)


@pytest.mark.parametrize("place", ["filesystem"], indirect=True)
def test_files_that_change_places_never_leave_an_empty_or_mixed_table(place: Place, tmp_path: Path) -> None:
    load(place, tmp_path, rows(1), None)
    found: list[tuple[Any, ...]] = []
    lake = f"{tmp_path}/lake"

    def look(event: Any) -> None:
        if isinstance(event, Durable):
            found.append(place.seen())
            # Who takes all files for rows sees the old beside the new, but never a part of them.
            tables = content.read(f"filesystem:{lake}", place.dataset)
            for table, count in (("t", ROWS), ("t__kids", ROWS * KIDS)):
                there = Counter(row["v"] for row in tables[table])
                assert {*there.values()} == {count}

    with file_steps(look, lake):
        load(place, tmp_path, rows(2), None)
    assert set(found) == {whole(1), whole(2)}
    assert found == sorted(found)
    assert len(found) > 12
