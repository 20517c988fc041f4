"""Real histories, snapshot by snapshot through `pipeline.run`: what is there is what index and FACTS say.

Expected contents are read with plain Python. KEV and the COVID totals have a cursor and are loaded by it; the
S&P 500, COVID by country (whose past is written anew) and Congress have none and replace their table.
"""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.loading import KEYS, Site

import ladle
from ladle.errors import ResourceExtractionError, SourceError
from ladle.state.blob import decode_state

TRUNCATED = "2025-02-25T234429_15200f91.json.gz"
Rows = list[dict[str, Any]]


@pytest.fixture(scope="module")
def facts(test_data: Path) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = json.loads(gzip.decompress((test_data / "FACTS.json.gz").read_bytes()))
    return {name: fact for name, fact in found.items() if name.startswith("history/")}


def snapshots(test_data: Path, folder: str) -> list[Path]:
    found = sorted((test_data / "history" / folder).iterdir())
    assert found
    return found


def text_of(path: Path) -> str:
    raw = path.read_bytes()
    return (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode()


def csv_rows(path: Path) -> Rows:
    return list(csv.DictReader(text_of(path).splitlines()))


def column(name: str) -> str:
    """Spell a heading of these files as their table does."""
    return name.lower().replace(" ", "_").replace("-", "_")


def as_sets(rows: Rows) -> list[tuple[tuple[str, Any], ...]]:
    """Rows to compare in any order, without what is null."""
    return sorted(tuple(sorted((k, v) for k, v in row.items() if v is not None)) for row in rows)


def landed(site: Site, table: str) -> Rows:
    rows = site.table(table).rows
    return [{name: value for name, value in row.items() if name not in KEYS} for row in rows]


def fact_of(facts: dict[str, Any], path: Path) -> dict[str, Any]:
    fact: dict[str, Any] = facts[f"history/{path.parent.name}/{path.name}"]
    return fact


# -- KEV: by its cursor


def kev(read: Callable[[Path], Iterator[Any]], path: Path) -> Any:
    @ladle.resource(name="kev", primary_key="cveID")
    def rows(added: Any = ladle.sources.incremental("dateAdded")) -> Iterator[Any]:
        yield from read(path)

    return rows


def parsed(path: Path) -> Iterator[Any]:
    yield json.loads(text_of(path))["vulnerabilities"]


def from_a_file(path: Path) -> Iterator[Any]:
    with gzip.open(path) as file:
        yield json.load(file)["vulnerabilities"]


def row_by_row(path: Path) -> Iterator[Any]:
    """Yield rows as soon as they are read: most of a truncated file."""
    text, decoder = text_of(path), json.JSONDecoder()
    at = text.index("[", text.index('"vulnerabilities"')) + 1
    while True:
        at += len(text[at:]) - len(text[at:].lstrip(" \r\n\t,"))
        if text[at] == "]":
            return
        row, at = decoder.raw_decode(text, at)
        yield row


def kev_state(site: Site) -> dict[str, Any]:
    stored = site.query("select state from ds._dlt_pipeline_state order by version desc limit 1")[0][0]
    cursor: dict[str, Any] = decode_state(stored)["sources"]["p"]["resources"]["kev"]["incremental"][
        "dateAdded"
    ]
    return cursor


def first_seen(seen: dict[str, Any], path: Path) -> dict[str, Any]:
    """Return the rows as each was when it was first published, up to this snapshot."""
    return {**{row["cveID"]: row for row in json.loads(text_of(path))["vulnerabilities"]}, **seen}


def check_kev(site: Site, expected: dict[str, Any]) -> None:
    rows = [{column_of_kev(k): v for k, v in row.items() if k != "cwes"} for row in expected.values()]
    dated = [
        {
            k: v.isoformat() if k in ("date_added", "due_date") and not isinstance(v, str) else v
            for k, v in row.items()
        }
        for row in landed(site, "kev")
    ]
    assert as_sets(dated) == as_sets(rows)
    weaknesses = site.query(
        "select k.cve_id, c.value from ds.kev k join ds.kev__cwes c on c._dlt_parent_id = k._dlt_id"
        " order by k.cve_id, c._dlt_list_idx"
    )
    listed = [(row["cveID"], cwe) for row in expected.values() for cwe in row.get("cwes", [])]
    assert weaknesses == sorted(listed, key=lambda pair: pair[0])


def column_of_kev(name: str) -> str:
    return {"cveID": "cve_id"}.get(name) or "".join(f"_{c.lower()}" if c.isupper() else c for c in name)


@pytest.mark.parametrize("read", [parsed, row_by_row])
def test_kev_by_its_cursor_is_what_facts_say_after_each_snapshot(
    read: Callable[[Path], Iterator[Any]], test_data: Path, facts: dict[str, Any], tmp_path: Path
) -> None:
    site, seen, newest = Site.in_memory(tmp_path), dict[str, Any](), ""
    for path in snapshots(test_data, "cisa_kev"):
        if path.name == TRUNCATED:
            continue
        before = len(seen)
        info = site.pipeline().run(kev(read, path))
        seen, fact = first_seen(seen, path), fact_of(facts, path)
        assert len(seen) == fact["rows"], path.name
        assert site.query("select count(*) from ds.kev") == [(fact["rows"],)], path.name
        inserted = fact.get("inserted", fact["rows"])
        assert info.row_counts.get("kev", 0) == inserted == len(seen) - before, path.name
        newest = max(row["dateAdded"] for row in seen.values())
        assert kev_state(site)["last_value"] == newest
    check_kev(site, seen)
    # The rows of the newest day are remembered by their key, and only those.
    of_the_day = [row for row in seen.values() if row["dateAdded"] == newest]
    assert len(kev_state(site)["unique_hashes"]) == len(of_the_day)


READINGS = {"json.loads": parsed, "json.load of a file": from_a_file, "row by row": row_by_row}


def transformed(path: Path) -> Any:
    """The bytes come from one resource, a transformer reads them."""

    @ladle.resource(name="files", selected=False)
    def files() -> Iterator[bytes]:
        yield text_of(path).encode()

    @ladle.transformer(data_from=files, name="kev", primary_key="cveID")
    def kev(raw: bytes, added: Any = ladle.sources.incremental("dateAdded")) -> Iterator[Any]:
        yield json.loads(raw)["vulnerabilities"]

    return kev


def mapped(path: Path) -> Any:
    """Bytes, and a map that reads them."""
    rows = ladle.resource([text_of(path).encode()], name="kev", primary_key="cveID")
    rows.add_map(json.loads).add_yield_map(lambda document: iter(document["vulnerabilities"]))
    return rows.apply_hints(incremental=ladle.sources.incremental("dateAdded"))


RESOURCES: dict[str, Callable[[Path], Any]] = {
    **{name: lambda path, read=read: kev(read, path) for name, read in READINGS.items()},
    "a transformer": transformed,
    "a map": mapped,
}


@pytest.mark.parametrize("way", RESOURCES)
def test_the_truncated_snapshot_is_refused_and_the_next_one_loads(
    way: str, test_data: Path, facts: dict[str, Any], tmp_path: Path
) -> None:
    make, site = RESOURCES[way], Site.in_memory(tmp_path)
    first, broken, *others = snapshots(test_data, "cisa_kev")
    assert broken.name == TRUNCATED
    site.pipeline().run(make(first))
    state, loads = kev_state(site), site.query("select load_id from ds._dlt_loads")
    pipeline = site.pipeline()
    with pytest.raises(SourceError) as caught:
        pipeline.run(make(broken))
    check_refusal(caught.value)
    assert (pipeline.has_pending_data, kev_state(site)) == (False, state)
    assert site.query("select load_id from ds._dlt_loads") == loads
    assert pipeline.state["sources"]["p"]["resources"]["kev"]["incremental"]["dateAdded"] == state
    later = others[2]  # the first with new rows
    assert pipeline.run(make(later)).row_counts["kev"] == fact_of(facts, later)["inserted"]
    check_kev(site, first_seen(first_seen({}, first), later))


def check_refusal(error: SourceError) -> None:
    assert isinstance(error, ResourceExtractionError)
    assert isinstance(error.__cause__, json.JSONDecodeError)
    lines = str(error).splitlines()
    assert lines[0].startswith(
        "resource `kev` failed with JSONDecodeError: Unterminated string starting at: line 40"
    )
    assert "resource=`kev`" in lines[1]
    assert "pipeline=`p`" in lines[1]
    assert "nothing of this run was loaded" in lines[-1]
    assert len(lines) <= 4


# -- COVID totals: by their cursor, and by replace


def test_covid_totals_by_their_cursor(test_data: Path, facts: dict[str, Any], tmp_path: Path) -> None:
    site, seen = Site.in_memory(tmp_path), dict[str, dict[str, Any]]()
    for path in snapshots(test_data, "covid_worldwide"):
        rows = ladle.resource(csv_rows(path), name="days", primary_key="Date")
        site.pipeline().run(rows.apply_hints(incremental=ladle.sources.incremental("Date")))
        seen = {**{row["Date"]: row for row in csv_rows(path)}, **seen}
        assert site.query("select count(*) from ds.days") == [(fact_of(facts, path)["rows"],)]
    check_texts(site, "days", list(seen.values()))


def check_texts(site: Site, table: str, expected: Rows) -> None:
    """Check that a table has these rows, all of them text; columns they don't have are null."""
    columns = [name for name in site.table(table).columns if name not in KEYS]
    found = site.query(f"select {', '.join(columns)} from ds.{table}")
    spelt = {column(name): name for row in expected for name in row}
    assert set(spelt) <= set(columns)
    wanted = [tuple(row.get(spelt.get(c)) for c in columns) for row in expected]
    assert sorted(found, key=str) == sorted(wanted, key=str)


@pytest.mark.parametrize(
    ("folder", "count"),
    [("sp500_constituents", 20), ("covid_countries_aggregated", 12), ("covid_worldwide", 8)],
)
def test_a_replaced_table_is_the_snapshot(
    folder: str, count: int, test_data: Path, facts: dict[str, Any], tmp_path: Path
) -> None:
    site, files = Site.in_memory(tmp_path), snapshots(test_data, folder)
    assert len(files) == count
    for path in files:
        rows = csv_rows(path)
        site.pipeline().run(rows, table_name="snapshot", write_disposition="replace")
        assert len(rows) == fact_of(facts, path)["rows"]
        # Columns of older snapshots stay, and are null.
        check_texts(site, "snapshot", rows)


# -- Congress: nested, by replace

LISTS = {"terms": "terms", "leadership_roles": "leadership_roles", "id__fec": "fec"}


def test_congress_by_replace(test_data: Path, facts: dict[str, Any], tmp_path: Path) -> None:
    site = Site.in_memory(tmp_path)
    for path in snapshots(test_data, "congress_legislators"):
        people = yaml.load(text_of(path), getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        site.pipeline().run(people, table_name="people", write_disposition="replace")
        assert site.query("select count(*) from ds.people") == [(fact_of(facts, path)["rows"],)], path.name
        check_people(site, people)


def check_people(site: Site, people: Rows) -> None:
    found = site.query("select id__bioguide, name__last, bio__birthday::text from ds.people order by 1")
    expected = [(p["id"]["bioguide"], p["name"]["last"], p["bio"].get("birthday")) for p in people]
    assert found == sorted(expected)
    for table, key in LISTS.items():
        lists = [p["id"].get(key, []) if key == "fec" else p.get(key, []) for p in people]
        assert site.query(f"select count(*) from ds.people__{table}") == [(sum(map(len, lists)),)]
    terms = site.query(
        'select p.id__bioguide, t._dlt_list_idx, t.type, t.start::text, t."end"::text, t.state'
        " from ds.people p join ds.people__terms t on t._dlt_parent_id = p._dlt_id order by 1, 2"
    )
    assert terms == sorted(
        (p["id"]["bioguide"], i, t["type"], t["start"], t["end"], t["state"])
        for p in people
        for i, t in enumerate(p["terms"])
    )
