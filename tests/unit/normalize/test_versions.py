"""Versions of rows: equal where the same is stored, whatever it came as; different where it isn't."""

from __future__ import annotations

import datetime as dt
import hashlib
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from tests.loading import Site
from tests.unit.normalize.every_type import COLUMNS

import ladle
from ladle.normalize import digests as both
from ladle.normalize.versions import _pieces

HISTORY = {"disposition": "merge", "strategy": "scd2"}


# The first characters of a hash over what the versions of a column of each type were from the first day on.
VERSIONS = {
    "int8": "65a81d627025",
    "int16": "adeea38eb8c4",
    "int32": "ddde4b7d7de6",
    "int64": "b06db451cb7f",
    "uint8": "84c23825bbc2",
    "uint16": "89e916af2d5e",
    "uint32": "5fd3a7dbb9da",
    "uint64": "9f949feb2d6d",
    "bool": "f4ededeea0c6",
    "text": "65da9a7be3a9",
    "large text": "65da9a7be3a9",
    "bytes": "05d7914e1bec",
    "date": "df5af46b93d6",
    "date64": "df5af46b93d6",
    "moment s": "bb5c16b0ce99",
    "moment ms": "bb5c16b0ce99",
    "moment us": "bb5c16b0ce99",
    "moment ns": "b88984ee5131",
    "instant s": "bb5c16b0ce99",
    "instant ms": "bb5c16b0ce99",
    "instant us": "bb5c16b0ce99",
    "instant ns": "b88984ee5131",
    "fine instant": "c269cd6aaed9",
    "time": "35bd7cdaf2c4",
    "time s": "532f2c5d9b7b",
    "time ns": "66acf532e91d",
    "decimal": "86cd265473d6",
    "decimal256": "2f941520a8ae",
    "whole double": "48841f7cab5b",
    "double": "36e3a2be8e90",
    "mixed double": "2006faa47bab",
    "float": "999f4556ccc5",
    "null": "a0d7684be6a8",
}


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site.in_memory(tmp_path)


def versions(site: Site, *batches: Any, **hints: Any) -> int:
    """Load batches one after the other; return how many versions there are."""
    for number, batch in enumerate(batches):
        strategy = {**HISTORY, "boundary_timestamp": f"2024-01-{number + 1:02}"}
        site.pipeline().run(batch, table_name="t", write_disposition=strategy, **hints)
    return len(set(site.table("t").values("_dlt_id")))


@pytest.mark.usefixtures("_each_way")
def test_hashes_are_the_same_for_ever(site: Site) -> None:
    """A release that changes one makes a new version of every row that people have."""
    at = dt.datetime(2024, 1, 2, 3, 4, 5, 6, dt.UTC)
    row = {"i": 1, "f": 0.5, "b": True, "t": "é", "y": b"\0", "d": at.date(), "c": Decimal("1.50"), "at": at}
    versions(site, [{**row, "n": [{"x": 1, "m": [2]}, {"x": None}]}, {"i": 2**70}])
    assert set(site.table("t").values("_dlt_id")) == {"bHchugtLdTAZJm6UTpplYu", "wbMXcW7vy4SwLGuTBRffhb"}


@pytest.fixture(params=["as installed", "interpreted"])
def _each_way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "interpreted":
        monkeypatch.setattr(both, "code", None)


def _versions(columns: dict[str, pa.Array]) -> list[str]:
    return both.digests(_pieces({**columns, "id": pa.array([1, 2, 3, 4])}), 4, 22).to_pylist()


@pytest.mark.usefixtures("_each_way")
@pytest.mark.parametrize("name", COLUMNS)
def test_hashes_of_every_type_are_the_same_for_ever(name: str) -> None:
    found = _versions({"c": COLUMNS[name]})
    assert len(set(found)) == 4
    assert hashlib.sha256("\n".join(found).encode()).hexdigest()[:12] == VERSIONS[name]


@pytest.mark.usefixtures("_each_way")
def test_hashes_of_all_types_together_are_the_same_for_ever() -> None:
    assert _versions(COLUMNS) == [
        "Zvn0Ff9YEPMfGJNR693zsa", "C-Px3e4o2geq4flIlcyxbk", "IkkCkGuyWF3LiDXKyjffba", "gvO_Zvsx5GtuYeLC4Bh_OL"
    ]  # fmt: skip


@pytest.mark.usefixtures("_each_way")
def test_a_row_of_nulls_has_a_version(site: Site) -> None:
    """Arrow joined nothing where all is null, so that a batch had fewer versions than rows."""
    assert versions(site, [{"a": 1}, {"a": None}, {"a": 2, "n": [{"x": None}]}], [{"a": None}]) == 3
    [row] = site.query("SELECT _dlt_valid_to FROM ds.t WHERE a IS NULL")
    assert row == (None,)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"a": "ab", "b": "c"}, {"a": "a", "b": "bc"}),
        ({"a": "ab"}, {"b": "ab"}),
        ({"a": ""}, {"b": 1}),
        ({"a": "1:b1:c"}, {"a": "1", "b": "c"}),
        ({"a": 1, "n": [{"x": "ab"}, {"x": "c"}]}, {"a": 1, "n": [{"x": "a"}, {"x": "bc"}]}),
        ({"a": 1, "n": [1, 2]}, {"a": 1, "n": [2, 1]}),
        ({"a": 1, "n": [[1], [2]]}, {"a": 1, "n": [[1, 2]]}),
        ({"a": 1, "n": [{"m": [1]}, {}]}, {"a": 1, "n": [{}, {"m": [1]}]}),
        ({"a": 1, "n": [1]}, {"a": 1, "m": [1]}),
        ({"a": {"n": [1]}}, {"a": [{"n": 1}]}),
        ({"a": 0.1}, {"a": 0.1 + 1e-17 * 8}),
        ({"a": 2**53}, {"a": 2**53 + 1}),
        ({"a": float("nan")}, {"a": float("inf")}),
        ({"a": True}, {"a": False}),
        ({"a": b"\0"}, {"a": b"\0\0"}),
        ({"a": "e\u0301"}, {"a": "\u00e9"}),
        ({"a": Decimal("0.1")}, {"a": Decimal("0.01")}),
        ({"a": dt.time(1, 2, 3)}, {"a": dt.time(1, 2, 3, 1)}),
        ({"a": dt.datetime(1, 1, 1, tzinfo=dt.UTC)}, {"a": dt.datetime(1, 1, 1, 0, 0, 0, 1, dt.UTC)}),
    ],
    ids=repr,
)
def test_what_differs(site: Site, one: Any, other: Any) -> None:
    assert versions(site, [one, other]) == 2


@pytest.mark.parametrize(
    "rows",
    [
        [{"a": 1, "b": "x"}, {"b": "x", "a": 1}, {"b": "x", "a": 1, "c": None, "d": None}],
        [{"a": 1, "n": [], "m": None}, {"a": 1}, {"a": 1, "n": None, "m": []}],
        [{"a": 1, "s": {"b": None}}, {"a": 1, "s": {}}, {"a": 1}],
        [{"a": 1, "s": {"b": 2}}, {"a": 1, "s__b": 2}],
        [{"A b": 1}, {"a_b": 1}],
        [{"a": 1}, {"a": 1.0}, {"a": "1"}, {"a": Decimal("1.00")}],
        [{"a": 1.0}, {"a": 1}, {"a": Decimal("1.0")}],
        [{"a": 0.0}, {"a": -0.0}],
        [{"a": "2024-01-02T03:04:05Z"}, {"a": "2024-01-02T04:04:05+01:00"}],
        [
            {"a": 1, "n": [{"x": 1, "y": None}]},
            {"a": 1, "n": [{"y": None, "x": 1}]},
            {"a": 1, "n": [{"x": 1}]},
        ],
        [{"a": 1, "n": [1], "m": [2]}, {"m": [2], "a": 1, "n": [1]}],
    ],
    ids=repr,
)
def test_what_is_the_same(site: Site, rows: Any) -> None:
    assert versions(site, *([row] for row in rows)) == 1


def test_the_first_list_that_a_batch_meets_says_nothing_of_a_row(site: Site) -> None:
    row = {"id": 1, "m": [1], "n": [2]}
    assert versions(site, [{"id": 2, "m": [1]}, row], [{"id": 3, "n": [1]}, row]) == 3


def test_a_column_that_grows_makes_no_versions(site: Site) -> None:
    assert versions(site, [{"id": 1, "v": 1}], [{"id": 1, "v": 1}, {"id": 2, "v": 0.5}]) == 2
    values = [pa.array([7], pa.int16()), pa.array([7], pa.int64()), pa.array([7], pa.decimal128(9, 2))]
    for number, value in enumerate(values):
        strategy = {**HISTORY, "boundary_timestamp": f"2024-01-{number + 1:02}"}
        site.pipeline().run(pa.table({"v": value}), table_name="w", write_disposition=strategy)
    assert len(site.table("w").rows) == 1


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_a_moment_is_one_in_every_unit(site: Site, unit: str) -> None:
    at = dt.datetime(1969, 12, 31, 23, 59, 58)
    made = pa.table({"at": pa.array([at], pa.timestamp("us")).cast(pa.timestamp(unit))})
    site.load(pa.table({"at": pa.array([at], pa.timestamp("us"))}), "a", write_disposition=HISTORY)
    site.load(made, "b", write_disposition=HISTORY)
    assert site.table("a").values("_dlt_id") == site.table("b").values("_dlt_id")


def test_batches_and_numbers_that_join_later_decide_nothing(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [{"id": i, "v": i if i < 30 else i + 0.5, "n": [{"x": i}] * (i % 3)} for i in range(60)]
    versions(site, rows)
    whole = sorted(site.table("t").values("_dlt_id"))

    @ladle.resource(name="t", write_disposition=HISTORY)
    def in_small_pieces() -> Any:
        for start in range(0, 60, 7):
            yield pa.Table.from_pylist(rows[start : start + 7])

    other = ladle.pipeline("other", site.root / "other", destination=site.destination, dataset_name="other")
    other.run(in_small_pieces())
    assert sorted(site.table("t", "other").values("_dlt_id")) == whole


def test_ids_that_rows_bring_are_their_versions(site: Site) -> None:
    first = [{"_dlt_id": "one", "v": 1, "n": [1]}, {"_dlt_id": None, "v": 2, "n": [2]}]
    assert versions(site, first, [{**first[0], "v": 5}, first[1]]) == 2
    assert sorted(site.table("t").values("v")) == [1, 2]
    kids = {row["_dlt_parent_id"]: row["_dlt_id"] for row in site.table("t__n").rows}
    assert all(kid == f"{parent}.0" for parent, kid in kids.items())
    assert set(kids) == set(site.table("t").values("_dlt_id"))
