"""Random histories by SCD2 through the reference and ladle, on DuckDB and Postgres: the same rows, times and lists.

`docs/differences.md` says where they differ; the histories here keep away from that: lists are never absent, compound
keys don't read alike, equal rows have no lists, and nothing is marked to delete.
"""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from tests.loading import Site
from tests.parity.recorded import Batch
from tests.parity.reference_scd2 import COLUMNS, rows_of
from tests.scd2 import Way, kept, plain

import ladle

pytestmark = pytest.mark.needs_reference
COUNT = 12
WAYS = [
    Way(),
    Way(("id",)),
    Way(("id", "k")),
    Way(("d",), active="9999-12-31"),
    Way((), "h"),
    Way(("id",), "h", active="9999-12-31"),
]


def history(number: int) -> dict[str, Any]:
    draw = random.Random(number)
    way = WAYS[number % len(WAYS)]
    nested = number % 4 < 2

    def row(of: int) -> dict[str, Any]:
        v, k = draw.choice([None, "x", "y"]), draw.choice(["k1", "k2"])
        kids = [{"x": draw.randrange(3)} for _ in range(draw.randrange(3))] if nested else []
        return {
            "id": of,
            "k": k,
            "d": draw.randrange(2),
            "v": v,
            "h": f"{of}-{draw.randrange(2)}",
            "kids": kids,
        }

    batches = []
    for _ in range(draw.randrange(2, 5)):
        ids = [draw.randrange(6) for _ in range(draw.randrange(1, 6))]
        # a version column with equal values in one batch is a case that the reference leaves open
        batches.append([row(of) for of in (sorted(set(ids)) if nested or way.version else ids)])
    return {"id": number, "way": way, "hints": way.hints, "batches": batches}


HISTORIES = [history(n) for n in range(COUNT)]


def batch(url: str = "") -> Batch:
    """What the reference is asked to do on DuckDB, or on a Postgres."""
    given = [{**{k: v for k, v in h.items() if k != "way"}, "url": url} for h in HISTORIES]
    return Batch("scd2", Path(__file__).with_name("reference_scd2.py"), given)


@pytest.fixture(scope="module", params=["duckdb", pytest.param("postgres", marks=pytest.mark.slow)])
def reference(
    request: pytest.FixtureRequest, reference_python: Path, tmp_path_factory: pytest.TempPathFactory
) -> Any:
    url = request.getfixturevalue("postgres_url") if request.param == "postgres" else ""
    return batch(url).answer(reference_python, tmp_path_factory.mktemp("histories"))


@pytest.mark.parametrize("number", range(COUNT))
def test_the_same_history(reference: dict[int, Any], tmp_path: Path, number: int) -> None:
    case = HISTORIES[number]
    site, expected = Site.in_memory(tmp_path), []
    for load, batch in enumerate(case["batches"]):
        site.pipeline().run(ladle.resource(batch, name="t", **case["hints"]))
        expected = kept(expected, batch, case["way"], load)
    ours = plain(landed(site))
    assert ours == plain(expected), (case["way"], case["batches"])
    assert not isinstance(reference[number], str), reference[number]
    assert ours == plain(reference[number]), (case["way"], case["batches"])


def landed(site: Site) -> list[dict[str, Any]]:
    loads = sorted(float(load) for (load,) in site.query("SELECT load_id FROM ds._dlt_loads"))
    names = ("_dlt_id", *COLUMNS)
    columns = [f'"{n}"' if n in site.table("t").columns else f'NULL AS "{n}"' for n in names]
    roots = site.query(f"SELECT epoch(_dlt_valid_from), epoch(_dlt_valid_to), {', '.join(columns)} FROM ds.t")
    kids = []
    if "t__kids" in site.names():
        kids = site.query("SELECT _dlt_parent_id, x FROM ds.t__kids ORDER BY _dlt_list_idx")
    return rows_of(roots, kids, loads)
