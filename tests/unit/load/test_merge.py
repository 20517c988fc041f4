"""Merges on DuckDB: the rows of specification 4.3 to 4.6 by id, and random histories beside an oracle."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from tests.loading import Site
from tests.merges import STRATEGIES, Way, check_told, histories, merged, plain

import ladle
from ladle.errors import UsageError

A = [{"id": 1, "v": "a", "n": [{"x": 1}, {"x": 2}]}, {"id": 2, "v": "b"}]
B = [{"id": 2, "v": "B"}, {"id": 3, "v": "c", "n": [{"x": 9}]}, {"id": 1, "v": "A", "n": [{"x": 7}]}]
Load = Callable[..., None]


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site.in_memory(tmp_path)


def load(site: Site, data: Any, strategy: str = "delete-insert", **hints: Any) -> None:
    merge = {"disposition": "merge", "strategy": strategy, **hints.pop("more", {})}
    made = ladle.resource(data, name="t", write_disposition=merge, **{"primary_key": "id", **hints})
    site.pipeline().run(made)


def pairs(site: Site, *columns: str) -> list[tuple[Any, ...]]:
    named = ", ".join(f'"{c}"' for c in columns or ("id", "v"))
    return site.query(f"SELECT {named} FROM ds.t ORDER BY ALL")


def kids(site: Site) -> list[int]:
    return sorted(site.table("t__n").values("x"))


def check_tree(site: Site, child: str = "t__n") -> None:
    roots = set(site.table("t").values("_dlt_id"))
    assert len(roots) == len(site.table("t").rows)
    assert set(site.table(child).values("_dlt_root_id")) <= roots


@pytest.mark.parametrize(
    ("strategy", "rows", "below"),
    [
        ("delete-insert", [(1, "A"), (2, "B"), (3, "c")], [7, 9]),  # W04
        ("upsert", [(1, "A"), (2, "B"), (3, "c")], [7, 9]),  # W11
        ("insert-only", [(1, "a"), (2, "b"), (3, "c")], [1, 2, 9]),  # W13
    ],
)
def test_a_then_b(site: Site, strategy: str, rows: list[Any], below: list[int]) -> None:
    load(site, A, strategy)
    load(site, B, strategy)
    assert (pairs(site), kids(site)) == (rows, below)
    check_tree(site)


def test_w05_by_merge_key(site: Site) -> None:
    load(site, [{"id": 1, "d": 1}, {"id": 2, "d": 1}, {"id": 3, "d": 2}], primary_key=None, merge_key="d")
    load(site, [{"id": 4, "d": 1}, {"id": 4, "d": 1}], primary_key=None, merge_key="d")
    assert pairs(site, "id", "d") == [(3, 2), (4, 1), (4, 1)]


def test_w05_by_both_keys(site: Site) -> None:
    load(site, [{"id": 1, "d": 1}, {"id": 2, "d": 1}, {"id": 3, "d": 2}], merge_key="d")
    load(site, [{"id": 9, "d": 1}, {"id": 3, "d": 5}], merge_key="d")
    assert pairs(site, "id", "d") == [(3, 5), (9, 1)]


def test_a_row_that_loses_to_another_of_its_primary_key_has_its_merge_key_all_the_same(site: Site) -> None:
    load(site, [{"id": 1, "d": 1}, {"id": 2, "d": 2}, {"id": 3, "d": 3}], merge_key="d")
    load(site, [{"id": 9, "d": 1}, {"id": 9, "d": 2}], merge_key="d")
    assert pairs(site, "id", "d") in ([(3, 3), (9, 1)], [(3, 3), (9, 2)])


@pytest.mark.parametrize(("sort", "left"), [("desc", 3), ("asc", 1)])
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_w06_dedup_sort(site: Site, strategy: str, sort: str, left: int) -> None:
    rows = [{"id": 1, "s": s} for s in (1, 3, 2, None)]
    load(site, rows, strategy, columns={"s": {"dedup_sort": sort}})
    assert pairs(site, "s") == [(left,)]


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_new_dedup_sort_replaces_an_earlier_one(site: Site, strategy: str) -> None:
    load(site, [{"id": 0, "s": 1, "w": 1}], strategy, columns={"s": {"dedup_sort": "desc"}})
    rows = [{"id": 1, "s": 5, "w": 1}, {"id": 1, "s": 1, "w": 5}]
    load(site, rows, strategy, columns={"s": {"data_type": "bigint"}, "w": {"dedup_sort": "desc"}})
    assert pairs(site, "s", "w") == [(1, 1), (1, 5)]
    several = {"w": {"dedup_sort": "asc"}, "s": {"dedup_sort": "desc"}}
    rows = [{"id": 2, "s": 1, "w": 1}, {"id": 2, "s": 1, "w": 0}, {"id": 2, "s": 0, "w": 0}]
    load(site, rows, strategy, columns=several)
    load(site, [{**row, "id": 3} for row in rows], strategy)
    assert site.query("SELECT s, w FROM ds.t WHERE id > 1 ORDER BY id") == [(1, 0), (1, 0)]


def test_w07_hard_delete(site: Site) -> None:
    columns = {"del": {"hard_delete": True, "data_type": "bool"}}
    load(site, [{"id": 1, "v": "a", "n": [{"x": 1}]}, {"id": 2, "v": "b"}], columns=columns)
    rows = [{"id": 1, "del": True}, {"id": 2, "v": "B", "del": False}, {"id": 3, "v": "n", "del": None}]
    load(site, rows, columns=columns)
    assert pairs(site, "id", "v", "del") == [(2, "B", False), (3, "n", None)]
    assert kids(site) == []


def test_a_new_hard_delete_replaces_an_earlier_one(site: Site) -> None:
    mark = {"hard_delete": True, "data_type": "bool"}
    load(site, [{"id": 1, "old": False}, {"id": 2, "old": False}], columns={"old": mark})
    load(site, [{"id": 1, "old": True}, {"id": 2, "new": True}], columns={"new": mark})
    assert pairs(site, "id", "old") == [(1, True)]
    # several at once are several marks, also of a load that says nothing of them
    load(site, [{"id": 2}, {"id": 3}], columns={"old": mark, "new": mark})
    load(site, [{"id": 1, "old": True}, {"id": 2, "new": True}])
    assert pairs(site, "id") == [(3,)]


def test_w07_any_value_of_another_type_deletes(site: Site) -> None:
    columns = {"at": {"hard_delete": True, "data_type": "text"}}
    load(site, [{"id": 1}, {"id": 2}], columns=columns)
    load(site, [{"id": 1, "at": ""}, {"id": 2, "at": None}], columns=columns)
    assert pairs(site, "id") == [(2,)]


def test_w07_the_newest_record_decides(site: Site) -> None:
    columns = {"lsn": {"dedup_sort": "desc"}, "del": {"hard_delete": True, "data_type": "bool"}}
    rows = [
        {"id": 1, "lsn": 1, "del": False}, {"id": 1, "lsn": 3, "del": False}, {"id": 1, "lsn": 2, "del": True},
        {"id": 2, "lsn": 1, "del": False}, {"id": 2, "lsn": 2, "del": True},
    ]  # fmt: skip
    load(site, rows, columns=columns)
    assert pairs(site, "id", "lsn") == [(1, 3)]


def test_w08_deduplicated_says_there_are_no_duplicates(site: Site) -> None:
    load(site, [{"id": 1, "v": "a"}, {"id": 1, "v": "b"}], more={"deduplicated": True})
    assert pairs(site) == [(1, "a"), (1, "b")]
    load(site, [{"id": 1, "v": "c"}, {"id": 1, "v": "d"}])
    assert pairs(site) == [(1, "c")]


def test_w09_compound_keys_are_compared_column_by_column(site: Site) -> None:
    load(site, [{"a": "ab", "b": "c"}], primary_key=["a", "b"])
    load(site, [{"a": "a", "b": "bc"}], primary_key=["a", "b"])
    assert pairs(site, "a", "b") == [("a", "bc"), ("ab", "c")]


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_w09_a_null_key_equals_nothing(site: Site, strategy: str) -> None:
    columns = {"id": {"nullable": True, "data_type": "bigint"}}
    for v in ("a", "b"):
        load(site, [{"id": None, "v": v}, {"id": None, "v": v}, {"id": 1, "v": v}], strategy, columns=columns)
    assert [row for row in pairs(site) if row[0] is None] == [(None, "a")] * 2 + [(None, "b")] * 2


def test_an_upsert_leaves_columns_alone_that_its_schema_does_not_know(site: Site) -> None:
    load(site, [{"id": 1, "v": "a"}, {"id": 2, "v": "b"}], "upsert")
    site.query("ALTER TABLE ds.t ADD COLUMN theirs VARCHAR")
    site.query("UPDATE ds.t SET theirs = 'x'")
    load(site, [{"id": 1, "v": "A"}, {"id": 3, "v": "c"}], "upsert")
    assert pairs(site, "id", "v", "theirs") == [(1, "A", "x"), (2, "b", "x"), (3, "c", None)]


@pytest.mark.parametrize("strategy", ["delete-insert", "upsert"])
def test_w10_the_whole_row_is_replaced(site: Site, strategy: str) -> None:
    load(site, [{"id": 1, "v": "a", "w": 1}], strategy)
    load(site, [{"id": 1, "v": "A"}], strategy)
    assert pairs(site, "id", "v", "w") == [(1, "A", None)]


@pytest.mark.parametrize("strategy", ["delete-insert", "upsert"])
def test_w20_lists_of_lists_follow_their_root(site: Site, strategy: str) -> None:
    load(site, [{"id": i, "n": [{"x": i, "m": [{"y": i}]}]} for i in (1, 2)], strategy)
    load(site, [{"id": 1, "n": [{"x": 5, "m": [{"y": 5}, {"y": 6}]}]}], strategy)
    assert kids(site) == [2, 5]
    assert sorted(site.table("t__n__m").values("y")) == [2, 5, 6]
    check_tree(site, "t__n__m")


def test_w21_rows_appended_before_are_merged_with_what_is_below_them(site: Site) -> None:
    deep = [{"id": i, "n": [{"x": i, "m": [{"y": i}]}]} for i in (1, 2)]
    site.pipeline().run(ladle.resource(deep, name="t"))
    assert "_dlt_root_id" not in site.table("t__n").columns
    load(site, [{"id": 1, "n": [{"x": 7, "m": [{"y": 7}]}]}])
    assert (kids(site), sorted(site.table("t__n__m").values("y"))) == ([2, 7], [2, 7])
    check_tree(site)
    check_tree(site, "t__n__m")


@pytest.mark.parametrize("strategy", ["delete-insert", "upsert", "insert-only"])
def test_rows_appended_before_are_merged_with_rows_that_have_nothing_below_them(
    site: Site, strategy: str
) -> None:
    site.pipeline().run(A, table_name="t")
    load(site, [{"id": 2, "v": "B"}], strategy)
    load(site, [{"id": 1, "v": "A"}, {"id": 4, "v": "d", "n": [{"x": 9}]}], strategy)
    assert kids(site) == ([1, 2, 9] if strategy == "insert-only" else [9])
    check_tree(site)


def test_w25_a_run_may_merge_into_what_a_resource_appends(site: Site) -> None:
    events = ladle.resource(A, name="t", primary_key="id")
    site.pipeline().run(events)
    site.pipeline().run(events, write_disposition="merge")
    assert pairs(site) == [(1, "a"), (2, "b")]


def test_without_a_key_rows_are_added(site: Site) -> None:
    load(site, A, primary_key=None)
    load(site, B, primary_key=None)
    assert len(pairs(site)) == 5
    assert kids(site) == [1, 2, 7, 9]


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_frames_are_merged(site: Site, strategy: str) -> None:
    load(site, pa.table({"id": [1, 2], "v": ["a", "b"]}), strategy)
    load(site, pa.table({"id": [2, 3], "v": ["B", "c"]}), strategy)
    assert pairs(site) == [(1, "a"), (2, "b" if strategy == "insert-only" else "B"), (3, "c")]


def test_names_are_data(site: Site) -> None:
    hostile = 'a"; DROP TABLE t; --'
    for v in ("a", "b"):
        load(site, [{hostile: 1, "select": v}], primary_key=hostile)
    assert pairs(site, "select") == [("b",)]


def test_an_empty_batch_changes_nothing(site: Site) -> None:
    load(site, A)
    load(site, [])
    assert pairs(site) == [(1, "a"), (2, "b")]
    assert kids(site) == [1, 2]


@pytest.mark.parametrize("strategy", ["upsert", "insert-only"])
@pytest.mark.parametrize("keys", [{"primary_key": None}, {"merge_key": "v"}])
def test_what_goes_by_the_primary_key_needs_it_alone(site: Site, strategy: str, keys: Any) -> None:
    with pytest.raises(
        UsageError, match=f"a merge by `{strategy}` into table `t` goes by its primary key alone"
    ):
        load(site, A, strategy, **keys)
    assert site.names() == set()


def test_files_cannot_be_merged(tmp_path: Path) -> None:
    pipeline = ladle.pipeline(
        "p", tmp_path, destination=ladle.destinations.filesystem(str(tmp_path / "lake"))
    )
    with pytest.raises(UsageError, match="`filesystem` can't merge table `t` by `delete-insert`"):
        pipeline.run(A, table_name="t", write_disposition="merge", primary_key="id")
    assert not pipeline.has_pending_data


@pytest.mark.parametrize("config", [{"strategy": "cdc"}, {"strategy": "upsrt"}, {"dedup": True}])
def test_w27_unknown_strategies_are_refused_when_they_are_named(config: Any) -> None:
    with pytest.raises(UsageError, match="strategy of merge|can't have `dedup`"):
        ladle.resource([], name="t", write_disposition={"disposition": "merge", **config})


@given(histories())
@settings(max_examples=40, deadline=None)
def test_any_history_ends_as_the_oracle_says(tmp_path_factory: pytest.TempPathFactory, history: Any) -> None:
    way, batches = history
    site = Site.in_memory(tmp_path_factory.mktemp("history"))
    expected: list[Any] = []
    for batch in batches:
        info = site.pipeline().run(ladle.resource(batch, name="t", **way.hints))
        check_told(info.merged["t"], expected, batch, way)
        expected = merged(expected, batch, way)
    assert plain(landed(site)) == plain(expected), (way, batches)


def landed(site: Site) -> list[dict[str, Any]]:
    names = ("id", "k", "d", "v", "s", "gone")
    below: dict[str, list[Any]] = {}
    if "t__kids" in site.names():
        for kid in sorted(site.table("t__kids").rows, key=lambda r: r["_dlt_list_idx"]):
            below.setdefault(kid["_dlt_parent_id"], []).append({"x": kid["x"]})
    found = site.table("t")
    assert sum(map(len, below.values())) == sum(len(below.get(r["_dlt_id"], [])) for r in found.rows)
    return [
        {**{n: r.get(n) for n in names}, **lost(r), "kids": below.get(r["_dlt_id"], [])} for r in found.rows
    ]


def lost(row: dict[str, Any]) -> dict[str, Any]:
    return {"lost": True} if row.get("_ladle_deleted_at") else {}


def test_the_oracle_tells_keys_apart() -> None:
    way = Way("delete-insert", ("id", "k"))
    assert len(merged([{"id": "ab", "k": "c"}], [{"id": "a", "k": "bc"}], way)) == 2


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("skips", [False, True])
@pytest.mark.parametrize("v", ["a", "b", "B"])
def test_upsert_leaves_one_of_the_rows_that_share_a_key(
    site: Site, v: str, skips: bool, shared: bool
) -> None:
    rows = [{"id": 1, "v": "a", "n": [{"x": 1}]}, {"id": 1, "v": "b", "n": [{"x": 1}]}, {"id": 2, "v": "c"}]
    more = {"skip_unchanged_rows": skips}
    load(site, [rows[0], rows[2]], "upsert", more=more)
    site.pipeline().run([rows[1]], table_name="t", write_disposition="append")
    if shared:
        site.query("ALTER TABLE ds.t ADD COLUMN theirs INTEGER")
    load(site, [{"id": 1, "v": v, "n": [{"x": 1}]}], "upsert", more=more)
    assert pairs(site) == [(1, v), (2, "c")]
    assert kids(site) == [1]
    check_tree(site)
