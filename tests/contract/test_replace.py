"""Three ways to replace: what is there afterwards. `test_replace_watched.py` looks while rows are coming."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from tests.contract.replaced import EACH, SEEN, STRATEGIES, Place, load, opened, rows, whole

import ladle
from ladle.errors import ConfigError, DestinationError
from ladle.events import Durable


@pytest.fixture(params=["duckdb", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path, dataset: str) -> Iterator[Place]:
    with opened(request, tmp_path, dataset) as found:
        yield found


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
