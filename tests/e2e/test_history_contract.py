"""KEV, the catalogue of exploited vulnerabilities: each snapshot merged under a frozen contract, then is the snapshot."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from tests.loading import Site

import ladle
from ladle.errors import DataValidationError

FROZEN = {"tables": "freeze", "columns": "freeze", "data_type": "freeze"}
Row = dict[str, Any]


@pytest.fixture
def snapshots(test_data: Path) -> list[tuple[str, list[Row]]]:
    """The snapshots that can be read: one was cut off when it was published."""
    found = []
    for path in sorted((test_data / "history" / "cisa_kev").glob("*.json.gz")):
        try:
            found.append((path.name[:10], json.loads(gzip.decompress(path.read_bytes()))["vulnerabilities"]))
        except json.JSONDecodeError:
            continue
    assert len(found) == 14
    return found


def catalogue(rows: list[Row], strategy: str) -> Any:
    merge = {"disposition": "merge", "strategy": strategy}
    return ladle.resource(rows, name="kev", primary_key="cveID", write_disposition=merge)


def landed(site: Site) -> dict[str, tuple[str, str, list[str]]]:
    weaknesses: dict[str, list[str]] = {}
    for row in sorted(site.table("kev__cwes").rows, key=lambda r: r["_dlt_list_idx"]):
        weaknesses.setdefault(row["_dlt_parent_id"], []).append(row["value"])
    return {
        row["cve_id"]: (
            row["notes"],
            row["known_ransomware_campaign_use"],
            weaknesses.get(row["_dlt_id"], []),
        )
        for row in site.table("kev").rows
    }


def expected(rows: list[Row]) -> dict[str, tuple[str, str, list[str]]]:
    return {r["cveID"]: (r["notes"], r["knownRansomwareCampaignUse"], r["cwes"]) for r in rows}


@pytest.mark.parametrize("strategy", ["delete-insert", "upsert"])
def test_each_snapshot_merged_under_a_frozen_contract_is_there(
    tmp_path: Path, snapshots: list[tuple[str, list[Row]]], strategy: str
) -> None:
    site = Site.in_memory(tmp_path)
    changed = []
    for day, rows in snapshots:
        contract = None if site.pipeline().first_run else FROZEN
        info = site.pipeline().run(catalogue(rows, strategy), schema_contract=contract)
        assert landed(site) == expected(rows), day
        changed.append(bool(info.load_packages[0].schema_update))
    assert changed == [True] + [False] * 13


def test_a_field_that_the_contract_does_not_know_is_refused_and_the_next_snapshot_loads(
    tmp_path: Path, snapshots: list[tuple[str, list[Row]]]
) -> None:
    site = Site.in_memory(tmp_path)
    (_, first), *_, (_, last) = snapshots
    site.pipeline().run(catalogue(first, "upsert"))
    renamed = [{**row, "cvss": 9.8} if number == 700 else row for number, row in enumerate(last)]
    with pytest.raises(DataValidationError, match="table `kev` has no column `cvss`") as caught:
        site.pipeline().run(catalogue(renamed, "upsert"), schema_contract=FROZEN)
    assert caught.value.facts["row"] == 700
    assert landed(site) == expected(first)

    site.pipeline().run(catalogue(last, "upsert"), schema_contract=FROZEN)
    assert landed(site) == expected(last)
