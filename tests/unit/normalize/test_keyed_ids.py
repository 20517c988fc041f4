"""Ids of rows that are upserted: made of their key, the same in every load, and in every place."""

from __future__ import annotations

import hashlib
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.loading import Site
from tests.unit.normalize.every_type import COLUMNS

import ladle
from ladle.normalize import digests as both
from ladle.normalize.keyed_ids import keyed_ids
from ladle.schema.row_ids import DIGEST, final_id

# The first characters of a hash over what the ids of keys of each type were from the first day on.
IDS = {
    "int8": "4d7e748c0d02",
    "int16": "5885e5444fd3",
    "int32": "e933932d320a",
    "int64": "43c423f712b7",
    "uint8": "0dabad11aa1a",
    "uint16": "5c3907425e9b",
    "uint32": "33ef390328cd",
    "uint64": "6c5918ab50a8",
    "bool": "d169f997d6d1",
    "text": "d46448b76bdf",
    "large text": "d46448b76bdf",
    "bytes": None,
    "date": "c81e20387e88",
    "date64": "939243215f76",
    "moment s": "330c6bebd44b",
    "moment ms": "3bac65d732e3",
    "moment us": "6afb489f6509",
    "moment ns": "59348c51aa7e",
    "instant s": "330c6bebd44b",
    "instant ms": "3bac65d732e3",
    "instant us": "6afb489f6509",
    "instant ns": "59348c51aa7e",
    "fine instant": "da990de50ad8",
    "time": "330e4a9feddb",
    "time s": "0d375a34bc6a",
    "time ns": "6b2ab0d5e5a0",
    "decimal": "31c41f996ec5",
    "decimal256": "5d1fa3335aad",
    "whole double": "e23b699e6329",
    "double": "363110a683fc",
    "mixed double": "324f2d746cf5",
    "float": "3c9a212f33b4",
    "null": "a5e6b5797c0d",
}


def ids_of(**columns: Any) -> list[str | None]:
    found = keyed_ids({n: pa.array(v) for n, v in columns.items()}, list(columns))
    assert found is not None
    return [None if i is None else final_id(i) for i in found.to_pylist()]


def load(site: Site, rows: Any, strategy: str = "upsert", key: Any = "id", **hints: Any) -> None:
    merge = {"disposition": "merge", "strategy": strategy}
    site.pipeline().run(ladle.resource(rows, name="t", primary_key=key, write_disposition=merge, **hints))


def ids(site: Site, key: str = "id") -> dict[Any, str]:
    return {row[key]: row["_dlt_id"] for row in site.table("t").rows}


def test_values_that_run_together_are_different_keys() -> None:
    left, right = ids_of(a=["ab", "a", "1:a", ""], b=["c", "bc", "", "1:a"]), ids_of(a=["a"], b=["bc"])
    assert len(set(left)) == 4
    assert left[1] == right[0]
    assert all(i is not None and len(i) == DIGEST for i in left)


@given(st.lists(st.tuples(st.text(max_size=3), st.text(max_size=3)), unique=True, min_size=1))
@settings(max_examples=30, deadline=None)
def test_different_keys_have_different_ids(keys: list[tuple[str, str]]) -> None:
    found = ids_of(a=[a for a, _ in keys], b=[b for _, b in keys])
    assert len(set(found)) == len(keys)


def test_a_key_with_a_null_makes_none() -> None:
    assert ids_of(a=["x", None], b=[None, "y"]) == [None, None]


@pytest.mark.parametrize(
    "values",
    [
        [1, -(2**63), 2**63 - 1],
        [date(1969, 12, 31), date(9999, 12, 31)],
        [datetime(2020, 1, 1), datetime(2020, 1, 1, microsecond=1)],
        [datetime(2020, 1, 1, tzinfo=UTC)],
        [Decimal("1.10"), Decimal("1.11")],
        [True, False],
        [0.1, float("inf")],
        ["", "é", "\0", "\U0001f600"],
    ],
)
def test_keys_of_any_plain_type(values: list[Any]) -> None:
    found = ids_of(a=values)
    assert len(set(found)) == len(values)
    assert found == ids_of(a=values)


@pytest.mark.parametrize("way", ["as installed", "interpreted"])
@pytest.mark.parametrize("name", COLUMNS)
def test_ids_of_every_type_are_the_same_for_ever(
    name: str, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A release that changes one gives rows that people have another id."""
    if way == "interpreted":
        monkeypatch.setattr(both, "code", None)
    found = keyed_ids({"k": COLUMNS[name]}, ["k"])
    if found is not None:
        ids = [i and final_id(i) for i in found.to_pylist()]
        assert hashlib.sha256("\n".join(map(str, ids)).encode()).hexdigest()[:12] == IDS[name]
    else:
        assert IDS[name] is None


@pytest.mark.parametrize("way", ["as installed", "interpreted"])
def test_ids_of_a_key_of_all_types_are_the_same_for_ever(way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if way == "interpreted":
        monkeypatch.setattr(both, "code", None)
    columns = {n: a.take(pa.array([0, 2, 3])) for n, a in COLUMNS.items() if IDS[n] and n != "null"}
    found = keyed_ids(columns, list(columns))
    assert found is not None
    # in the last row there are nulls
    assert [i and final_id(i) for i in found.to_pylist()] == ["W1wFM-sJDzJJmVp5", "aYF_GCdCuAiDy4os", None]


def test_bytes_make_none() -> None:
    assert keyed_ids({"a": pa.array([b"\xff"])}, ["a"]) is None


@pytest.mark.parametrize("strategy", ["upsert", "insert-only"])
def test_a_row_keeps_its_id_and_what_is_below_it_follows(site: Site, strategy: str, tmp_path: Path) -> None:
    load(site, [{"id": i, "v": 1, "n": [{"m": [1]}, {}]} for i in range(3)], strategy)
    first, below = ids(site), set(site.table("t__n").values("_dlt_id"))
    load(site, [{"id": i, "v": 2, "n": [{"m": [2]}, {}]} for i in range(3)], strategy)
    assert ids(site) == first
    assert (
        set(site.table("t__n").values("_dlt_id"))
        == below
        == {f"{i}.{n}" for i in first.values() for n in (0, 1)}
    )
    assert {row["_dlt_parent_id"] for row in site.table("t__n__m").rows} == {f"{i}.0" for i in first.values()}
    assert all(len(i) == DIGEST for i in first.values())
    (tmp_path / "b").mkdir()
    other = Site.in_memory(tmp_path / "b")
    load(other, [{"id": 1}], strategy)
    assert ids(other)[1] == first[1]


@pytest.fixture
def site(tmp_path: Path) -> Site:
    (tmp_path / "a").mkdir()
    return Site.in_memory(tmp_path / "a")


def test_of_rows_with_one_key_the_children_of_one_are_loaded(site: Site) -> None:
    load(site, [{"id": 1, "n": [{"x": 1}]}, {"id": 1, "n": [{"x": 2}, {"x": 3}]}, {"id": 2, "n": [{"x": 4}]}])
    assert sorted(site.table("t__n").values("x")) == [1, 4]


def test_the_same_key_in_another_spelling_has_the_same_id(site: Site) -> None:
    load(site, [{"id": 1, "d": "2020-01-01"}], key=["id", "d"])
    first = ids(site)
    load(site, [{"id": "1", "d": date(2020, 1, 1)}], key=["id", "d"])
    assert ids(site) == first


def test_ids_of_the_data_stay(site: Site) -> None:
    own = "a" * 16 + "~ladle" + "b" * 20
    load(site, [{"id": 1, "_dlt_id": own, "n": [1]}, {"id": 2}])
    assert ids(site)[1] == own
    assert site.table("t__n").values("_dlt_parent_id") == [own]


def test_rows_without_their_key_have_random_ids(site: Site) -> None:
    columns = {"id": {"nullable": True, "data_type": "bigint"}}
    load(site, [{"id": None, "n": [1]}, {"id": None, "n": [2]}], columns=columns)
    unfit = {"columns": columns, "schema_contract": {"data_type": "discard_value"}}
    load(site, [{"id": "no number", "n": [3]}], **unfit)
    found = [row["_dlt_id"] for row in site.table("t").rows]
    assert len(set(found)) == 3
    assert set(site.table("t__n").values("_dlt_root_id")) == set(found)


def test_rows_that_were_appended_get_the_id_of_their_key_once_they_are_merged(site: Site) -> None:
    site.pipeline().run([{"id": 1, "n": [1]}, {"id": 2, "n": [2]}], table_name="t")
    load(site, [{"id": 1, "n": [5]}])
    first = ids(site)
    load(site, [{"id": 1, "n": [6]}, {"id": 2, "n": [7]}])
    assert ids(site)[1] == first[1]
    assert {row["_dlt_root_id"] for row in site.table("t__n").rows} == set(ids(site).values())


def test_rejects_tell_the_id_that_the_row_has(site: Site) -> None:
    load(site, [{"id": 1, "v": 1}])
    load(site, [{"id": 1, "v": "x"}], schema_contract={"data_type": "discard_value"})
    rejected = site.query("SELECT row_id FROM ds._ladle_rejects")
    assert rejected == [(ids(site)[1],)]
