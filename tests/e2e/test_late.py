"""Late arrivals: rows that are committed after others with a later timestamp are found by an overlap and a key.

Merging by key comes with the write strategies; until then a query keeps the newest of each key.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.loading import Site

import ladle

NOON = datetime(2024, 1, 15, 12, tzinfo=UTC)
LONGEST = 30
"""Minutes that a transaction takes at most, from its timestamp to its commit."""

NEWEST = """
    SELECT id, version FROM ds.orders
    QUALIFY row_number() OVER (PARTITION BY id ORDER BY updated_at DESC, _dlt_load_id DESC) = 1
    ORDER BY id
"""


class Database:
    """A table whose transactions take their timestamp when they begin, and are seen when they commit."""

    def __init__(self, seed: int) -> None:
        dice = random.Random(seed)
        self.versions: list[dict[str, Any]] = []
        for version in range(200):
            begun = dice.uniform(0, 600)
            committed = begun + dice.choice([0, 0, dice.uniform(0, LONGEST)])
            self.versions.append(
                {"id": dice.randrange(60), "version": version, "begun": begun, "committed": committed}
            )
        self.versions.sort(key=lambda v: v["begun"])

    def seen(self, minute: float, since: datetime | None) -> list[dict[str, Any]]:
        """What a query for `updated_at >= since` returns: of each row the newest version that is committed."""
        rows: dict[int, dict[str, Any]] = {}
        for v in self.versions:
            if v["committed"] <= minute:
                at = NOON + timedelta(minutes=v["begun"])
                rows[v["id"]] = {"id": v["id"], "version": v["version"], "updated_at": at}
        return [row for row in rows.values() if since is None or row["updated_at"] >= since]


def loaded(site: Site, database: Database, lag: float | None) -> list[tuple[int, int]]:
    """Load every 45 minutes and once at the end; return the newest version of each row."""
    for minute in [*range(45, 600, 45), 600 + LONGEST]:

        @ladle.resource(name="orders", primary_key="id")
        def orders(
            at: Any = ladle.sources.incremental("updated_at", lag=lag), minute: Any = minute
        ) -> Iterator[Any]:
            yield database.seen(minute, at.start_value)

        site.pipeline().run(orders)
    return [(i, v) for i, v in site.query(NEWEST)]


@pytest.mark.parametrize("seed", range(5))
def test_an_overlap_of_the_longest_transaction_misses_nothing(seed: int, tmp_path: Path) -> None:
    database = Database(seed)
    expected = sorted((row["id"], row["version"]) for row in database.seen(1000, None))
    (tmp_path / "with").mkdir()
    (tmp_path / "without").mkdir()
    site = Site.in_memory(tmp_path / "with")
    assert loaded(site, database, lag=LONGEST * 60) == expected
    # The overlap is read again, and only that: it isn't a full load.
    count = site.query("SELECT count(*) FROM ds.orders")[0][0]
    assert count < 14 * len(expected) / 2
    # Without it, rows are missed or stay at an old version.
    assert loaded(Site.in_memory(tmp_path / "without"), database, lag=None) != expected


def test_the_last_value_stays_the_true_one(tmp_path: Path) -> None:
    site = Site.in_memory(tmp_path)
    loaded(site, Database(0), lag=LONGEST * 60)
    state = site.pipeline().state["sources"]["p"]["resources"]["orders"]["incremental"]["updated_at"]
    assert state["last_value"] == max(row["updated_at"] for row in Database(0).seen(1000, None))
