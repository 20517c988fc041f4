"""Real histories merged snapshot by snapshot, each a full listing: inserts, updates and deletes are those of FACTS."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.e2e.test_history import (
    TRUNCATED,
    Rows,
    check_kev,
    check_people,
    check_texts,
    csv_rows,
    fact_of,
    facts,
    snapshots,
    text_of,
)
from tests.loading import Site

import ladle

__all__ = ["facts"]  # a fixture of the other file


def vulnerabilities(path: Path) -> Rows:
    rows: Rows = json.loads(text_of(path))["vulnerabilities"]
    return rows


def people(path: Path) -> Rows:
    rows: Rows = yaml.load(text_of(path), getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    return rows


def is_kev(site: Site, rows: Rows) -> None:
    check_kev(site, {row["cveID"]: row for row in rows})


def are_texts(site: Site, rows: Rows) -> None:
    check_texts(site, "days", rows)


HISTORIES: dict[str, tuple[str, Any, Callable[[Path], Rows], Callable[[Site, Rows], None], int]] = {
    "cisa_kev": ("kev", "cveID", vulnerabilities, is_kev, 14),
    "sp500_constituents": ("days", "Symbol", csv_rows, are_texts, 20),
    "covid_countries_aggregated": ("days", ["Date", "Country"], csv_rows, are_texts, 12),
    "covid_worldwide": ("days", "Date", csv_rows, are_texts, 8),
    "congress_legislators": ("people", "id__bioguide", people, check_people, 7),
}
WAYS: dict[str, dict[str, Any]] = {
    "delete-insert": {},
    "upsert": {"skip_unchanged_rows": True},
}
QUICK = {("cisa_kev", "upsert"), ("sp500_constituents", "upsert"), ("covid_worldwide", "delete-insert")}
EACH = [
    pytest.param(folder, way, marks=() if (folder, way) in QUICK else pytest.mark.slow)
    for folder in HISTORIES
    for way in WAYS
]


@pytest.mark.parametrize(("folder", "strategy"), EACH)
def test_each_snapshot_is_what_is_there_then(
    folder: str, strategy: str, test_data: Path, facts: dict[str, Any], tmp_path: Path
) -> None:
    name, key, read, check, count = HISTORIES[folder]
    site, files = Site.in_memory(tmp_path), [p for p in snapshots(test_data, folder) if p.name != TRUNCATED]
    assert len(files) == count
    merge = {"disposition": "merge", "strategy": strategy, "delete_missing": "hard", **WAYS[strategy]}
    rows: Rows = []
    for path in files:
        rows, fact = read(path), fact_of(facts, path)
        info = site.pipeline().run(ladle.resource(rows, name=name, primary_key=key, write_disposition=merge))
        check_told(info.merged[name], fact, strategy)
        assert site.query(f"select count(*) from ds.{name}") == [(fact["rows"],)], path.name
    check(site, rows)


def check_told(told: dict[str, int], fact: dict[str, Any], strategy: str) -> None:
    inserted, updated = fact.get("inserted", fact["rows"]), fact.get("updated", 0)
    assert (told["inserted"], told["deleted"]) == (inserted, fact.get("deleted", 0))
    if strategy == "upsert":
        assert (told["updated"], told["unchanged"]) == (updated, fact["rows"] - inserted - updated)
    else:
        assert told["updated"] == fact["rows"] - inserted
