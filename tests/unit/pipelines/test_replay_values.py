"""Values that rows were loaded without are put into them, each once; what can't be stays a reject."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.loading import Site

import ladle
from ladle.events import Durable, Event, Notice

LAX = {"columns": "discard_value", "data_type": "discard_value"}
FIRST = [{"id": 1, "n": 5, "day": "2026-01-01T00:00:00Z", "ok": True, "doc": {"a": 1}, "kids": [{"k": 1}]}]
COLUMNS = {"doc": {"data_type": "json"}}


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site.in_memory(tmp_path)


def load(site: Site, rows: list[Any], **options: Any) -> None:
    site.pipeline().run(ladle.resource(rows, name="t", columns=COLUMNS), **options)


def left(site: Site) -> list[tuple[Any, Any]]:
    return [(r.column_path, r.value) for r in site.pipeline().rejects()]


def by_path(values: dict[str, Any]) -> Any:
    return lambda path, value: values.get(path)


def test_values_of_roots_and_children_come_back(site: Site) -> None:
    load(site, FIRST)
    load(
        site,
        [{"id": 2, "n": "six", "day": "soon", "ok": 3, "kids": [{"k": "two"}, {"k": 3}]}],
        schema_contract=LAX,
    )
    assert [path for path, _ in left(site)] == ["n", "day", "ok", "k"]
    info = site.pipeline().replay(fix_value=by_path({"n": 6, "day": "2026-02-02", "ok": "yes", "k": "2"}))
    assert info is not None
    row = site.table("t").rows[1]
    assert (row["n"], row["day"].isoformat(), row["ok"]) == (6, "2026-02-02T00:00:00+00:00", True)
    assert site.table("t__kids").values("k") == [1, 2, 3]
    assert left(site) == []
    assert site.pipeline().replay() is None


def test_what_cannot_be_put_in_stays_with_a_reason(site: Site) -> None:
    load(site, FIRST)
    load(site, [{"id": 2, "n": "six", "new": 1, "kids": [{"k": "x" * 2000}]}], schema_contract=LAX)
    notices: list[str] = []
    pipeline = site.pipeline(progress=lambda e: notices.append(e.text) if isinstance(e, Notice) else None)
    assert pipeline.replay() is None
    assert len(left(site)) == 3
    assert notices == [
        "1 rejects can't be replayed: a value: its column isn't in the table",
        "1 rejects can't be replayed: a value: it doesn't fit its column; mend it with fix_value",
        "1 rejects can't be replayed: a value: it was too long to be kept whole",
    ]


def test_a_column_that_came_since_takes_its_values(site: Site) -> None:
    load(site, FIRST)
    load(site, [{"id": 2, "new": "NOV"}], schema_contract=LAX)
    load(site, [{"id": 3, "new": "DEC"}], schema_contract="evolve")
    site.pipeline().replay()
    assert site.table("t").values("new") == [None, "NOV", "DEC"]


def test_a_row_that_is_gone_or_has_a_value_is_left_alone(site: Site) -> None:
    load(site, FIRST)
    load(site, [{"id": 2, "n": "x"}, {"id": 3, "n": "y"}], schema_contract=LAX)
    with site.pipeline().sql_client() as client:
        client.execute_sql("DELETE FROM t WHERE id = 2")
        client.execute_sql("UPDATE t SET n = 30 WHERE id = 3")
    assert site.pipeline().replay(fix_value=by_path({"n": 7})) is None
    assert site.table("t").values("n") == [5, 30]
    assert len(left(site)) == 2


def test_a_fix_gets_path_and_value(site: Site) -> None:
    load(site, FIRST)
    load(site, [{"id": 2, "n": "x"}], schema_contract=LAX)
    assert site.pipeline().replay(fix_value=lambda path, value: None) is None
    assert site.pipeline().replay(fix_value=lambda path, value: f"{value}{path}") is None
    assert site.pipeline().replay(fix_value=by_path({"n": 9}), dry_run=True) is None
    assert site.table("t").values("n") == [5, None]


def test_given_names_are_found(site: Site) -> None:
    load(site, FIRST)
    load(site, [{"id": 2, "n": "x"}], schema_contract=LAX)
    site.pipeline().rename_column("t", "n", "number").apply()
    site.pipeline().replay(fix_value=by_path({"n": 9}))
    assert site.table("t").values("number") == [5, 9]


def test_files_keep_what_they_have(tmp_path: Path) -> None:
    notices: list[str] = []
    pipeline = ladle.pipeline(
        "p",
        tmp_path,
        destination=ladle.destinations.filesystem(str(tmp_path / "lake")),
        progress=lambda e: notices.append(e.text) if isinstance(e, Notice) else None,
    )
    pipeline.run([{"id": 1, "n": 5}], table_name="t")
    pipeline.run([{"id": 2, "n": "x"}], table_name="t", schema_contract=LAX)
    assert pipeline.replay(fix_value=by_path({"n": 9})) is None
    assert notices[-1] == "1 rejects can't be replayed: a value: the destination can't change rows"


def test_on_postgres(postgres_url: str, tmp_path: Path) -> None:
    destination = ladle.destinations.postgres(postgres_url)
    pipeline = ladle.pipeline("p", tmp_path, destination=destination, dataset_name="replayed_values")
    pipeline.run(ladle.resource(FIRST, name="t", columns=COLUMNS))
    pipeline.run([{"id": 2, "n": "six", "day": "soon", "ok": 3}], table_name="t", schema_contract=LAX)
    pipeline.replay(fix_value=by_path({"n": 6, "day": "2026-02-02T01:00:00+01:00", "ok": False}))
    found = pipeline.dataset()("SELECT n, day, ok FROM t WHERE id = 2").fetchall()[0]
    assert (found[0], found[1].isoformat(), found[2]) == (6, "2026-02-02T00:00:00+00:00", False)
    assert pipeline.rejects() == []


class Killed(BaseException):
    """Ends a run as a kill does: nothing of ours hears of it in time."""


@pytest.mark.parametrize(
    "at", ["before load.fill", "after load.fill", "before load.commit", "after load.commit"]
)
def test_a_replay_that_dies_is_finished_once(tmp_path: Path, at: str) -> None:
    site = Site(tmp_path)
    load(site, FIRST)
    load(site, [{"id": 2, "n": "x"}], schema_contract=LAX)

    def die(event: Event) -> None:
        if isinstance(event, Durable) and f"{'after' if event.done else 'before'} {event.name}" == at:
            raise Killed

    with pytest.raises(Killed):
        site.pipeline(progress=die).replay(fix_value=by_path({"n": 9}))
    site.pipeline().replay(fix_value=by_path({"n": 10}))
    assert site.table("t").values("n") == [5, 9]
    assert left(site) == []
