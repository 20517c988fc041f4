"""Three ways to replace, watched by a second connection: never an empty table, never a mixed one."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import psycopg
import pytest

import ladle
from ladle.errors import ConfigError, DestinationError
from ladle.events import Durable

STRATEGIES = ("truncate-and-insert", "insert-from-staging", "staging-optimized")
EACH = pytest.mark.parametrize("strategy", STRATEGIES)
ROWS, KIDS = 300, 2
SEEN = (
    "SELECT (SELECT count(*) FROM {0}.t), (SELECT min(v) FROM {0}.t), (SELECT max(v) FROM {0}.t),"
    " (SELECT count(*) FROM {0}.t__kids), (SELECT min(v) FROM {0}.t__kids), (SELECT max(v) FROM {0}.t__kids),"
    " (SELECT count(*) FROM {0}.t__kids AS k JOIN {0}.t AS r ON r._dlt_id = k._dlt_parent_id)"
)


class Place:
    """A database, with a way in for who watches."""

    def __init__(self, destination: Any, dataset: str, read: Callable[[str], list[Any]]) -> None:
        self.destination, self.dataset, self.read = destination, dataset, read

    def seen(self) -> tuple[Any, ...]:
        return self.read(SEEN.format(self.dataset))[0]


@pytest.fixture(params=["duckdb", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path, dataset: str) -> Iterator[Place]:
    with opened(request, tmp_path, dataset) as found:
        yield found


@contextmanager
def opened(request: pytest.FixtureRequest, tmp_path: Path, dataset: str) -> Iterator[Place]:
    if request.param == "duckdb":
        with duckdb.connect(str(tmp_path / "x.duckdb")) as db:
            read = lambda sql: db.cursor().execute(sql).fetchall()  # noqa: E731
            yield Place(ladle.destinations.duckdb(db), dataset, read)
        return
    url = request.getfixturevalue("postgres_url")

    def ask(sql: str) -> list[Any]:
        with psycopg.connect(url, autocommit=True, options="-c lock_timeout=20s") as connection:
            return connection.execute(sql).fetchall()  # type: ignore[no-any-return]

    yield Place(ladle.destinations.postgres(url), dataset, ask)


def rows(v: int, count: int = ROWS) -> list[dict[str, Any]]:
    return [{"id": i, "v": v, "kids": [{"v": v, "n": n} for n in range(KIDS)]} for i in range(count)]


def load(place: Place, folder: Path, data: Any, strategy: str | None, **options: Any) -> Any:
    pipeline = ladle.pipeline(
        "p", folder, destination=place.destination, dataset_name=place.dataset, **options
    )
    way = {"disposition": "replace", "strategy": strategy} if strategy else "replace"
    return pipeline.run(ladle.resource(data, name="t", write_disposition=way))


def whole(v: int) -> tuple[Any, ...]:
    return (ROWS, v, v, ROWS * KIDS, v, v, ROWS * KIDS)


@EACH
def test_a_second_connection_sees_the_old_or_the_new_at_every_step(
    place: Place, tmp_path: Path, strategy: str
) -> None:
    load(place, tmp_path, rows(1), strategy)
    found: list[tuple[str, tuple[Any, ...]]] = []

    def watch(event: Any) -> None:
        if not isinstance(event, Durable) or not event.name.startswith("load."):
            return
        name = f"{'after' if event.done else 'before'} {event.name}"
        # From the swap to the commit a reader in Postgres waits: here it would wait for itself.
        swapped = strategy == "staging-optimized" and name in ("after load.merge", "before load.commit")
        if not swapped or place.destination.type_name == "duckdb":
            found.append((name, place.seen()))

    load(place, tmp_path, rows(2), strategy, progress=watch)
    assert [seen for name, seen in found if name == "after load.commit"] == [whole(2)]
    assert {seen for name, seen in found if name != "after load.commit"} == {whole(1)}
    assert len(found) > 6


@EACH
def test_who_watches_all_the_time_never_sees_an_empty_or_mixed_table(
    place: Place, tmp_path: Path, strategy: str
) -> None:
    load(place, tmp_path, rows(0), strategy)
    found: list[tuple[Any, ...]] = []
    done = threading.Event()

    def watch() -> None:
        while not done.is_set():
            found.append(place.seen())

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        for v in range(1, 5):
            load(place, tmp_path, rows(v), strategy)
    finally:
        done.set()
        thread.join()
    assert found
    assert set(found) <= {whole(v) for v in range(5)}
    assert [seen[1] for seen in found] == sorted(seen[1] for seen in found)


@EACH
def test_tables_without_new_rows_end_up_empty(place: Place, tmp_path: Path, strategy: str) -> None:
    load(place, tmp_path, rows(1, 3), strategy)
    load(place, tmp_path, [{"id": 9, "v": 2}], strategy)
    assert place.seen()[:4] == (1, 2, 2, 0)
    load(place, tmp_path, rows(3, 2), strategy)
    assert place.seen()[:4] == (2, 3, 3, 4)
    load(place, tmp_path, [], strategy)
    assert place.seen()[:4] == (0, None, None, 0)


@EACH
def test_new_columns_come_and_old_ones_stay(place: Place, tmp_path: Path, strategy: str) -> None:
    load(place, tmp_path, [{"id": 1, "a": 1}], strategy)
    load(place, tmp_path, [{"id": 2, "b": "x"}], strategy)
    assert place.read(f"SELECT id, a, b FROM {place.dataset}.t") == [(2, None, "x")]
    load(place, tmp_path, [{"id": 3, "a": 3}], strategy)
    assert place.read(f"SELECT id, a, b FROM {place.dataset}.t") == [(3, 3, None)]


def test_the_ways_may_change_from_load_to_load(place: Place, tmp_path: Path) -> None:
    for v, strategy in enumerate([*STRATEGIES, *reversed(STRATEGIES)]):
        load(place, tmp_path, rows(v), strategy)
        assert place.seen() == whole(v)
    tables = f"SELECT table_name FROM information_schema.tables WHERE table_schema = '{place.dataset}'"
    assert not [name for (name,) in place.read(tables) if name.startswith("_ladle_") and name[7].isdigit()]


@EACH
def test_the_setting_names_it_for_resources_that_dont(
    place: Place, tmp_path: Path, strategy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DESTINATION__REPLACE_STRATEGY", strategy)
    steps: list[str] = []
    load(place, tmp_path, rows(1), None)
    load(
        place,
        tmp_path,
        rows(2),
        None,
        progress=lambda e: steps.append(e.name) if isinstance(e, Durable) else None,
    )
    assert place.seen() == whole(2)
    assert ("load.merge" in steps) == (strategy != "truncate-and-insert")


def test_a_setting_that_names_none_is_refused(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DESTINATION__REPLACE_STRATEGY", "swap")
    with pytest.raises(ConfigError, match="`DESTINATION__REPLACE_STRATEGY` can't be `swap`"):
        load(place, tmp_path, rows(1), None)


@pytest.mark.parametrize("place", ["postgres"], indirect=True)
@pytest.mark.parametrize("strategy", STRATEGIES[:2])
def test_a_transaction_that_began_before_sees_what_was_there_then(
    place: Place, postgres_url: str, tmp_path: Path, strategy: str
) -> None:
    load(place, tmp_path, rows(1), strategy)
    with psycopg.connect(postgres_url, options="-c default_transaction_isolation=repeatable\\ read") as old:
        old.execute("SELECT 1 FROM pg_class LIMIT 1")
        load(place, tmp_path, rows(2), strategy)
        assert old.execute(SEEN.format(place.dataset)).fetchall() == [whole(1)]
    assert place.seen() == whole(2)


@pytest.mark.parametrize("place", ["postgres"], indirect=True)
def test_a_table_with_a_view_is_not_swapped(place: Place, tmp_path: Path, query: Any) -> None:
    load(place, tmp_path, rows(1), "staging-optimized")
    query(f"CREATE VIEW {place.dataset}.kept AS SELECT * FROM {place.dataset}.t")
    with pytest.raises(DestinationError, match="other objects depend on it"):
        load(place, tmp_path, rows(2), "staging-optimized")
    assert place.seen() == whole(1)
    query(f"DROP VIEW {place.dataset}.kept")
    load(place, tmp_path, rows(3), "staging-optimized")
    assert place.seen() == whole(3)


@pytest.mark.parametrize("place", ["postgres"], indirect=True)
def test_a_swapped_table_has_its_indexes_and_comments(place: Place, tmp_path: Path, query: Any) -> None:
    for v in (1, 2):
        pipeline = ladle.pipeline("p", tmp_path, destination=place.destination, dataset_name=place.dataset)
        pipeline.run(
            ladle.resource(
                rows(v),
                name="t",
                columns={"v": {"description": "version"}},
                write_disposition={"disposition": "replace", "strategy": "staging-optimized"},
            )
        )
    unique = "SELECT count(*) FROM pg_index WHERE indisunique AND indrelid = %s::regclass"
    assert query(unique, f"{place.dataset}.t") == [(1,)]
    assert query(unique, f"{place.dataset}.t__kids") == [(1,)]
    comment = (
        "SELECT col_description(attrelid, attnum) FROM pg_attribute"
        " WHERE attrelid = %s::regclass AND attname = 'v'"
    )
    assert query(comment, f"{place.dataset}.t") == [("version",)]
