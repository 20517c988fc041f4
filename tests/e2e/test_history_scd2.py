"""Real histories, snapshot by snapshot by SCD2: each is there again by its date, and each version is what FACTS counts.

Between two snapshots a key is inserted, deleted or updated; FACTS counted that with plain Python. Here it is read
off the validity of the rows: one that begins with a key that held before is an update.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.e2e.test_history import (
    TRUNCATED,
    column,
    column_of_kev,
    csv_rows,
    fact_of,
    facts,  # noqa: F401 - a fixture
    parsed,
    snapshots,
    text_of,
)
from tests.loading import Site

Rows = list[dict[str, Any]]
SCD2 = {"disposition": "merge", "strategy": "scd2"}


def people_of(path: Path) -> Rows:
    people: Rows = yaml.load(text_of(path), getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    return people


def kev_of(path: Path) -> Rows:
    return list(next(parsed(path)))


class History:
    """A folder of snapshots loaded one after the other, each from the moment at which it was observed."""

    def __init__(self, root: Path, folder: str, test_data: Path, told: dict[str, Any], key: str) -> None:
        self.site = Site.in_memory(root)
        self.paths = [p for p in snapshots(test_data, folder) if p.name != TRUNCATED]
        self.facts = [fact_of(told, path) for path in self.paths]
        self.key = key

    def loaded(self, read: Callable[[Path], Rows], **hints: Any) -> Iterator[tuple[Rows, datetime]]:
        """Load each snapshot; yield its rows and its moment once all are there, and check the counts."""
        taken = []
        for number, path in enumerate(self.paths):
            rows, at = read(path), self.moment(number)
            strategy = {**SCD2, "boundary_timestamp": at}
            self.site.pipeline().run(rows, table_name="t", write_disposition=strategy, **hints)
            taken.append((rows, at))
        for number in range(1, len(self.paths)):
            assert self.counts(self.moment(number)) == self.told(number), self.paths[number].name
        yield from taken

    def moment(self, number: int) -> datetime:
        return datetime.fromisoformat(self.facts[number]["observed_at"]).astimezone(UTC)

    def told(self, number: int) -> dict[str, int]:
        return {name: self.facts[number][name] for name in ("inserted", "updated", "deleted")}

    def counts(self, at: datetime) -> dict[str, int]:
        """Return how many keys came, changed and went at a moment."""
        began, ended = (
            {key for (key,) in self.site.query(f"SELECT {self.key} FROM ds.t WHERE {name} = '{at}'")}
            for name in ("_dlt_valid_from", "_dlt_valid_to")
        )
        return {
            "inserted": len(began - ended),
            "updated": len(began & ended),
            "deleted": len(ended - began),
        }

    def as_of(self, at: datetime, columns: str, more: str = "") -> list[tuple[Any, ...]]:
        return self.site.query(
            f"SELECT {columns} FROM ds.t {more} WHERE t._dlt_valid_from <= '{at}'"
            f" AND (t._dlt_valid_to > '{at}' OR t._dlt_valid_to IS NULL) ORDER BY ALL"
        )


def check_texts(history: History, rows: Rows, at: datetime) -> None:
    """Check that the rows that held are these, all of them text; columns that they don't have are null."""
    spelt = {column(name): name for row in rows for name in row}
    names = [n for n in history.site.table("t").columns if not n.startswith("_dlt")]
    found = history.as_of(at, ", ".join(f'"{n}"::text' for n in names))
    wanted = [tuple(row.get(spelt.get(n)) for n in names) for row in rows]
    assert sorted(found, key=str) == sorted(wanted, key=str)


@pytest.mark.parametrize(
    ("folder", "key"),
    [
        pytest.param("sp500_constituents", "symbol", marks=pytest.mark.slow),
        ("covid_worldwide", "date"),
        pytest.param("covid_countries_aggregated", "(date, country)", marks=pytest.mark.slow),
    ],
)
def test_tables_are_there_as_they_were(
    folder: str,
    key: str,
    test_data: Path,
    facts: dict[str, Any],  # noqa: F811
    tmp_path: Path,
) -> None:
    history = History(tmp_path, folder, test_data, facts, key)
    for rows, at in history.loaded(csv_rows):
        check_texts(history, rows, at)


def test_kev_is_there_as_it_was(
    test_data: Path,
    facts: dict[str, Any],  # noqa: F811
    tmp_path: Path,
) -> None:
    history = History(tmp_path, "cisa_kev", test_data, facts, "cve_id")
    for rows, at in history.loaded(kev_of):
        names = sorted({name for row in rows for name in row} - {"cwes"})
        found = history.as_of(at, ", ".join(f"{column_of_kev(n)}::text" for n in names))
        assert found == sorted(tuple(row.get(n) for n in names) for row in rows)
        weaknesses = history.as_of(
            at, "cve_id, c._dlt_list_idx, c.value", "JOIN ds.t__cwes c ON c._dlt_parent_id = t._dlt_id"
        )
        listed = [(r["cveID"], i, cwe) for r in rows for i, cwe in enumerate(r.get("cwes", []))]
        assert weaknesses == sorted(listed)


@pytest.mark.slow
def test_congress_is_there_as_it_was(
    test_data: Path,
    facts: dict[str, Any],  # noqa: F811
    tmp_path: Path,
) -> None:
    history = History(tmp_path, "congress_legislators", test_data, facts, "id__bioguide")
    for people, at in history.loaded(people_of):
        found = history.as_of(at, "id__bioguide, name__last, bio__birthday::text")
        assert found == sorted(
            (p["id"]["bioguide"], p["name"]["last"], p["bio"].get("birthday")) for p in people
        )
        terms = history.as_of(
            at,
            'id__bioguide, s._dlt_list_idx, s.type, s.start::text, s."end"::text, s.state',
            "JOIN ds.t__terms s ON s._dlt_parent_id = t._dlt_id",
        )
        assert terms == sorted(
            (p["id"]["bioguide"], i, t["type"], t["start"], t["end"], t["state"])
            for p in people
            for i, t in enumerate(p["terms"])
        )
        fec = history.as_of(
            at,
            "id__bioguide, f._dlt_list_idx, f.value",
            "JOIN ds.t__id__fec f ON f._dlt_parent_id = t._dlt_id",
        )
        assert fec == sorted(
            (p["id"]["bioguide"], i, v) for p in people for i, v in enumerate(p["id"].get("fec", []))
        )
