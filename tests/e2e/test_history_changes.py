"""Real histories whose columns leave, return and get other names, snapshot by snapshot, as frames and as rows."""

from __future__ import annotations

import csv
import gzip
import io
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.csv
import pytest
from tests.loading import KEYS, Site

Added = dict[str, dict[str, str]]

COVID: Added = {
    "2020-03-23": {"confirmed": "bigint", "date": "date", "deaths": "bigint", "recovered": "bigint"},
    "2020-03-27": {"increase_rate": "double"},
}
COMPANIES: Added = {
    "2021-07-22": {"symbol": "text", "name": "text", "sector": "text"},
    "2023-05-03": {
        "security": "text",
        "gics_sector": "text",
        "gics_sub_industry": "text",
        "headquarters_location": "text",
        "date_added": "text",
        "cik": "bigint",
        "founded": "text",
    },
}
COUNTRIES: Added = {
    "2020-03-23": {
        "date": "date",
        "country": "text",
        "confirmed": "bigint",
        "recovered": "bigint",
        "deaths": "bigint",
    }
}


def text_of(path: Path) -> bytes:
    raw = path.read_bytes()
    return gzip.decompress(raw) if path.suffix == ".gz" else raw


def update_of(info: Any, table: str) -> dict[str, str]:
    columns = info.load_packages[-1].schema_update.get(table, {"columns": {}})["columns"]
    return {name: column["data_type"] for name, column in columns.items() if name not in KEYS}


def column(heading: str) -> str:
    return heading.lower().replace(" ", "_").replace("-", "_")


@pytest.mark.parametrize("policy", ["variant", "widen"])
@pytest.mark.parametrize(
    ("folder", "expected"),
    [
        ("covid_worldwide", COVID),
        ("sp500_constituents", COMPANIES),
        ("covid_countries_aggregated", COUNTRIES),
    ],
)
def test_each_snapshot_adds_what_its_headings_add(
    folder: str,
    expected: Added,
    policy: str,
    test_data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SCHEMA__ON_TYPE_CHANGE", policy)
    site, added = Site.in_memory(tmp_path), dict[str, dict[str, str]]()
    for path in sorted((test_data / "history" / folder).iterdir()):
        frame = pa.csv.read_csv(io.BytesIO(text_of(path)))
        info = site.pipeline().run(frame, table_name="t", write_disposition="replace")
        if update := update_of(info, "t"):
            added[path.name[:10]] = update
        there, table = {column(name) for name in frame.column_names}, site.table("t")
        assert len(table.rows) == frame.num_rows
        # What the snapshot hasn't is there all the same, and null.
        assert there <= set(table.types)
        assert all(value is None for name in set(table.types) - there for value in table.values(name))
    assert added == expected
    kept = "select change, column_name, data_type from ds._ladle_changes where column_name not like '\\_dlt%' escape '\\'"
    assert site.query(f"{kept} order by schema_version") == [
        ("add_column", name, data_type) for update in expected.values() for name, data_type in update.items()
    ]


def test_a_column_that_left_and_returned_is_null_in_between(test_data: Path, tmp_path: Path) -> None:
    """Appended, each load is one snapshot: 28 March had no column `Recovered`."""
    site = Site.in_memory(tmp_path)
    for path in sorted((test_data / "history" / "covid_countries_aggregated").iterdir()):
        rows = list(csv.DictReader(text_of(path).decode().splitlines()))
        site.pipeline().run(rows, table_name="t")
    found = site.query(
        "select count(*), count(recovered), count(confirmed) from ds.t group by _dlt_load_id order by _dlt_load_id"
    )
    assert [
        (rows == recovered, recovered == 0, rows == confirmed) for rows, recovered, confirmed in found
    ] == [(number != 2, number == 2, True) for number in range(12)]
    assert set(site.table("t").types) == {"date", "country", "confirmed", "recovered", "deaths"}
