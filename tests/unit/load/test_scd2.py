"""SCD2 on DuckDB: the rows of specification 4.7 by id, what is refused, and random histories beside an oracle."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from tests.loading import Site
from tests.scd2 import Way, histories, kept, plain

import ladle
from ladle.errors import DataError, UsageError

NESTED = [{"id": 1, "v": "a", "n": [{"x": 1}, {"x": 2}]}, {"id": 2, "v": "b"}]


def day(number: int) -> datetime:
    return datetime(2024, 1, number, tzinfo=UTC)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site.in_memory(tmp_path)


def load(site: Site, data: Any, at: Any = None, more: Any = None, **hints: Any) -> Any:
    merge = {"disposition": "merge", "strategy": "scd2", "boundary_timestamp": at, **(more or {})}
    return site.pipeline().run(ladle.resource(data, name="t", write_disposition=merge, **hints))


def loads(site: Site, *batches: Any, more: Any = None, **hints: Any) -> None:
    """Load batches, each a day later than the one before."""
    for number, batch in enumerate(batches):
        load(site, batch, day(number + 1), more, **hints)


def times(site: Site, *columns: str, until: str = "_dlt_valid_to") -> list[tuple[Any, ...]]:
    """Return columns with the days from which and until which rows hold, sorted."""
    found = [(*(row[c] for c in columns), row["_dlt_valid_from"], row[until]) for row in site.table("t").rows]
    return sorted((tuple(v.day if isinstance(v, datetime) else v for v in row) for row in found), key=repr)


# -- W14 to W17


def test_w14_basic_and_reinsertion(site: Site) -> None:
    both = [{"k": 1, "v": "foo2"}, {"k": 2, "v": "bar"}]
    loads(site, [{"k": 1, "v": "foo"}, {"k": 2, "v": "bar"}], both, both[:1], both)
    assert times(site, "v") == [("bar", 1, 3), ("bar", 4, None), ("foo", 1, 2), ("foo2", 2, None)]
    assert list(site.table("t").columns) == [
        "_dlt_valid_from",
        "_dlt_valid_to",
        "k",
        "v",
        "_dlt_load_id",
        "_dlt_id",
    ]
    bars = [row["_dlt_id"] for row in site.table("t").rows if row["v"] == "bar"]
    assert len(set(bars)) == 1
    assert len(bars[0]) == 22


def test_w15_a_natural_key_ends_only_its_own(site: Site) -> None:
    loads(site, [{"k": 1, "v": "a"}, {"k": 2, "v": "b"}], [{"k": 1, "v": "A"}], merge_key="k")
    assert times(site, "v") == [("A", 2, None), ("a", 1, 2), ("b", 1, None)]


def test_w15_a_partition_ends_as_a_whole(site: Site) -> None:
    first = [{"d": 1, "v": "a"}, {"d": 1, "v": "b"}, {"d": 2, "v": "c"}]
    loads(site, first, [{"d": 1, "v": "a"}, {"d": 1, "v": "bb"}], merge_key="d")
    assert times(site, "v") == [("a", 1, None), ("b", 1, 2), ("bb", 2, None), ("c", 1, None)]


def test_w15_compound_keys_are_compared_column_by_column(site: Site) -> None:
    loads(site, [{"a": "ab", "b": "c", "v": 1}], [{"a": "a", "b": "bc", "v": 1}], merge_key=["a", "b"])
    assert times(site, "a", "b") == [("a", "bc", 2, None), ("ab", "c", 1, None)]


def test_w15_a_null_key_equals_nothing(site: Site) -> None:
    columns = {"k": {"nullable": True, "data_type": "bigint"}}
    first, second = [{"k": None, "v": "a"}, {"k": 1, "v": "x"}], [{"k": None, "v": "b"}]
    loads(site, first, second, second, merge_key="k", columns=columns)
    assert times(site, "v") == [("a", 1, None), ("b", 2, None), ("x", 1, None)]


def test_w16_names_are_normalised_and_come_first(site: Site) -> None:
    loads(site, [{"v": 1}], [{"v": 2}], more={"validity_column_names": ["From Date", "to"]})
    found = site.table("t")
    assert list(found.columns)[:3] == ["from_date", "to", "v"]
    assert sorted((r["v"], r["from_date"], r["to"]) for r in found.rows) == [
        (1, day(1), day(2)),
        (2, day(2), None),
    ]
    hints = site.pipeline().default_schema.tables["t"]["columns"]
    assert hints["from_date"]["x-valid-from"] is True
    assert hints["to"]["x-valid-to"] is True
    assert hints["to"]["x-active-record-timestamp"] is None
    assert hints["_dlt_id"]["x-row-version"] is True


@pytest.mark.parametrize("active", ["9999-12-31", date(9999, 12, 31), datetime(9999, 12, 31, tzinfo=UTC)])
def test_w16_what_holds_may_end_at_a_moment(site: Site, active: Any) -> None:
    loads(site, [{"v": 1}, {"v": 3}], [{"v": 2}, {"v": 3}], more={"active_record_timestamp": active})
    rows = {row["v"]: row["_dlt_valid_to"] for row in site.table("t").rows}
    far = datetime(9999, 12, 31, tzinfo=UTC)
    assert rows == {1: day(2), 2: far, 3: far}


def test_w16_rows_that_hold_without_end_end_too_once_there_is_a_moment_for_it(site: Site) -> None:
    load(site, [{"v": 1}, {"v": 3}], day(1))
    load(site, [{"v": 2}, {"v": 3}], day(2), {"active_record_timestamp": "9999-12-31"})
    assert times(site, "v") == [(1, 1, 2), (2, 2, 31), (3, 1, None)]


def test_w16_without_a_boundary_rows_hold_from_when_the_package_was_made(site: Site) -> None:
    before = datetime.now(UTC)
    info = load(site, [{"v": 1}])
    [row] = site.table("t").rows
    assert before <= row["_dlt_valid_from"] <= datetime.now(UTC)
    assert abs(row["_dlt_valid_from"].timestamp() - float(info.loads_ids[0])) < 1e-5


def test_w16_a_boundary_holds_for_its_run(site: Site) -> None:
    load(site, [{"v": 1}], day(1))
    load(site, [{"v": 2}])
    assert [row["_dlt_valid_from"].year > 2024 for row in site.table("t").rows] == [False, True]


def test_w16_a_version_column_decides_alone(site: Site) -> None:
    first = [{"k": 1, "h": "x", "v": "a", "n": [{"x": 1}]}, {"k": 2, "h": "y", "v": "b"}]
    second = [{"k": 1, "h": "x", "v": "A", "n": [{"x": 5}]}, {"k": 2, "h": "z", "v": "b", "n": [{"x": 2}]}]
    loads(site, first, second, more={"row_version_column_name": "h"})
    assert times(site, "h", "v") == [("x", "a", 1, None), ("y", "b", 1, 2), ("z", "b", 2, None)]
    assert sorted(site.table("t__n").values("x")) == [1, 2]
    assert len(set(site.table("t").values("_dlt_id"))) == 3


def test_w16_versions_of_a_column_are_told_apart_by_key(site: Site) -> None:
    loads(
        site,
        [{"k": 1, "h": 1}, {"k": 2, "h": 1}],
        [{"k": 1, "h": 2}, {"k": 2, "h": 1}],
        [{"k": 1, "h": 2}, {"k": 2, "h": 2}],
        more={"row_version_column_name": "h"},
        merge_key="k",
    )
    assert times(site, "k", "h") == [(1, 1, 1, 2), (1, 2, 2, None), (2, 1, 1, 3), (2, 2, 3, None)]


def test_w17_an_empty_batch_ends_nothing(site: Site) -> None:
    loads(site, NESTED, [])
    assert times(site, "id") == [(1, 1, None), (2, 1, None)]


def test_w17_a_new_column_of_nulls_makes_no_version(site: Site) -> None:
    loads(site, NESTED, [{**row, "w": None} for row in NESTED], [{**row, "w": 1} for row in NESTED])
    assert times(site, "id") == [(1, 1, 3), (1, 3, None), (2, 1, 3), (2, 3, None)]


# -- children


def test_child_rows_belong_to_a_version_and_are_there_once(site: Site) -> None:
    other = [{"id": 1, "v": "a", "n": [{"x": 2}, {"x": 1}]}, NESTED[1]]
    loads(site, [*NESTED, NESTED[0]], other, NESTED)
    assert times(site, "id") == [(1, 1, 2), (1, 1, 2), (1, 2, 3), (1, 3, None), (2, 1, None)]
    kids = [(r["_dlt_parent_id"], r["_dlt_list_idx"], r["x"]) for r in site.table("t__n").rows]
    assert len(kids) == len(set(kids)) == 4
    found = site.query(
        "SELECT t._dlt_valid_from::date::text, list(n.x ORDER BY n._dlt_list_idx) FROM ds.t JOIN ds.t__n n"
        " ON n._dlt_parent_id = t._dlt_id WHERE n._dlt_id = t._dlt_id || '.' || n._dlt_list_idx"
        " AND n._dlt_root_id = t._dlt_id GROUP BY t.rowid, t._dlt_valid_from ORDER BY 1"
    )
    assert found == [("2024-01-01", [1, 2])] * 2 + [("2024-01-02", [2, 1]), ("2024-01-03", [1, 2])]


def test_lists_of_lists_are_part_of_the_version(site: Site) -> None:
    first, second = ([{"id": 1, "n": [{"m": [1, 2]}, {"m": [y]}]}] for y in (3, 4))
    loads(site, first, first, second)
    assert times(site, "id") == [(1, 1, 3), (1, 3, None)]
    assert sorted(site.table("t__n__m").values("value")) == [1, 1, 2, 2, 3, 4]


def test_marked_rows_end_their_key(site: Site) -> None:
    columns = {"gone": {"hard_delete": True, "data_type": "bool"}}
    loads(site, NESTED, [{"id": 1, "gone": True, "n": [{"x": 9}]}], merge_key="id", columns=columns)
    assert times(site, "id") == [(1, 1, 2), (2, 1, None)]
    assert sorted(site.table("t__n").values("x")) == [1, 2]


# -- what was there before


def test_w21_rows_appended_before_end_with_the_first_history(site: Site) -> None:
    site.pipeline().run(ladle.resource(NESTED, name="t"))
    load(site, NESTED, day(2))
    assert [(r["id"], r["_dlt_valid_from"], r["_dlt_valid_to"]) for r in site.table("t").rows] == [
        (1, None, day(2)), (2, None, day(2)), (1, day(2), None), (2, day(2), None),
    ]  # fmt: skip
    assert sorted(site.table("t__n").values("x")) == [1, 1, 2, 2]


def test_frames_and_rows_have_the_same_versions(site: Site) -> None:
    rows = [{"id": i, "v": "ab"[i], "w": w} for i, w in enumerate((0.5, None))]
    loads(site, pa.Table.from_pylist(rows), rows, pa.Table.from_pylist(rows[::-1]).select(["w", "v", "id"]))
    assert times(site, "id") == [(0, 1, None), (1, 1, None)]
    load(site, pa.table({"id": pa.array([], pa.int64())}), day(9))
    assert times(site, "id") == [(0, 1, None), (1, 1, None)]


def test_a_run_tells_how_many_versions_began_and_ended(site: Site) -> None:
    load(site, [{"id": 1}, {"id": 2}, {"id": 3}], day(1))
    info = load(site, [{"id": 1, "v": 1}, {"id": 2}], day(2))
    assert info.load_packages[0].merged["t"] == {"inserted": 1, "updated": 0, "deleted": 2, "unchanged": 1}


def test_w28_keys_that_a_resource_names_no_more_are_taken_away_by_an_empty_one(site: Site) -> None:
    loads(site, NESTED, merge_key="id")
    load(site, NESTED[1:], day(2), merge_key="")
    assert times(site, "id") == [(1, 1, 2), (2, 1, None)]


def test_a_load_never_begins_before_what_another_brought_meanwhile(site: Site) -> None:
    load(site, [{"v": 1}], "2999-01-01")
    load(site, [{"v": 2}])
    rows = {r["v"]: (r["_dlt_valid_from"].year, r["_dlt_valid_to"]) for r in site.table("t").rows}
    assert rows == {1: (2999, datetime(2999, 1, 1, tzinfo=UTC)), 2: (2999, None)}


# -- what is refused


@pytest.mark.parametrize(
    ("more", "text"),
    [
        ({"validity_columns": ["a", "b"]}, "did you mean `validity_column_names`"),
        ({"validity_column_names": ["a"]}, "two names"),
        ({"validity_column_names": "ab"}, "two names"),
        ({"validity_column_names": ["a", 5]}, "two names"),
        ({"validity_column_names": ["a", " "]}, "two names"),
        ({"boundary_timestamp": "soon"}, "boundary_timestamp can't be `'soon'`"),
        ({"boundary_timestamp": 5}, "boundary_timestamp can't be `5`"),
        ({"active_record_timestamp": "0001-01-01T00:00:00+05:00"}, "a year from 1 to 9999"),
        ({"row_version_column_name": ""}, "the name of a column"),
        ({"strategy": "upsert", "boundary_timestamp": "2024-01-01"}, "goes with the strategy `scd2`"),
    ],
)
def test_options_are_refused_when_they_are_named(more: Any, text: str) -> None:
    with pytest.raises(UsageError, match=text):
        ladle.resource([], name="t", write_disposition={"disposition": "merge", "strategy": "scd2", **more})


@pytest.mark.parametrize(
    ("more", "hints", "text"),
    [
        ({"validity_column_names": ["aB", "a_b"]}, {}, "`a_b` of table `t` is taken"),
        ({"validity_column_names": ["_dlt_id", "b"]}, {}, "`_dlt_id` of table `t` is taken"),
        (
            {"validity_column_names": ["a", "h"], "row_version_column_name": "h"},
            {},
            "`h` of table `t` is taken",
        ),
        ({"validity_column_names": ["id", "b"]}, {"merge_key": "id"}, "`id` of table `t` holds data"),
        (
            {"validity_column_names": ["v", "b"]},
            {"columns": {"v": {"data_type": "text"}}},
            "`v` .* holds data",
        ),
    ],
)
def test_names_that_are_taken_are_refused_before_anything_is_read(
    site: Site, more: Any, hints: Any, text: str
) -> None:
    def rows() -> Any:
        raise AssertionError

    with pytest.raises(UsageError, match=text):
        load(site, rows, None, more, **hints)
    assert site.names() == set()
    assert not site.pipeline().has_pending_data


def test_another_way_of_keeping_a_history_is_refused(site: Site) -> None:
    load(site, [{"v": 1}], day(1), {"active_record_timestamp": "9999-12-31"})
    with pytest.raises(
        UsageError, match="keeps its history in `_dlt_valid_from` and `_dlt_valid_to` already"
    ):
        load(site, [{"v": 2}], day(2), {"validity_column_names": ["a", "b"]})
    with pytest.raises(UsageError, match="rows of table `t` that hold end at `9999-12-31` already"):
        load(site, [{"v": 2}], day(2))
    assert times(site, "v") == [(1, 1, 31)]


def test_a_column_with_data_is_refused_as_a_validity_column(site: Site) -> None:
    site.pipeline().run(ladle.resource([{"since": "2024-01-01T00:00:00Z"}], name="t"))
    with pytest.raises(UsageError, match="`since` of table `t` holds data"):
        load(site, [{"v": 1}], None, {"validity_column_names": ["since", "until"]})


@pytest.mark.parametrize("data", [[{"v": 1, "_dlt_valid_to": None}], pa.table({"_dlt_valid_to": ["x"]})])
def test_rows_that_bring_a_validity_column_are_refused(site: Site, data: Any) -> None:
    with pytest.raises(DataError, match="have a column `_dlt_valid_to`"):
        load(site, data)
    assert "t" not in site.names()


@pytest.mark.parametrize("rows", [[{"v": 1}], [{"v": 1, "h": 1}, {"v": 2, "h": None}]])
def test_rows_without_their_version_are_refused(site: Site, rows: Any) -> None:
    with pytest.raises(DataError, match="column `h`"):
        load(site, rows, None, {"row_version_column_name": "h"})
    assert "t" not in site.names()


def test_a_merge_key_that_no_row_has_is_refused(site: Site) -> None:
    with pytest.raises(DataError, match="`k`"):
        load(site, [{"v": 1}], merge_key="k")
    assert "t" not in site.names()


def test_a_boundary_before_what_is_there_is_refused(site: Site) -> None:
    loads(site, [{"v": 1}], [{"v": 2}])
    pipeline = site.pipeline()

    def rows() -> Any:
        raise AssertionError

    with pytest.raises(
        UsageError, match="boundary_timestamp 2024-01-01T12:00:00\\+00:00 lies before"
    ) as caught:
        load(site, rows, "2024-01-01T12:00:00")
    assert "2024-01-02T00:00:00+00:00 or later" in str(caught.value)
    assert times(site, "v") == [(1, 1, 2), (2, 2, None)]
    assert not pipeline.has_pending_data
    load(site, [{"v": 3}], day(2))
    assert times(site, "v") == [(1, 1, 2), (2, 2, 2), (3, 2, None)]


def test_a_boundary_before_what_came_meanwhile_is_refused_by_the_load(site: Site) -> None:
    load(site, [{"v": 1}], day(1))
    other = site.pipeline()
    strategy = {"disposition": "merge", "strategy": "scd2", "boundary_timestamp": day(3)}
    other.extract(ladle.resource([{"v": 2}], name="t", write_disposition=strategy))
    site.query("UPDATE ds.t SET _dlt_valid_from = '2024-01-04'")
    for _ in range(2):
        with pytest.raises(UsageError, match="lies before what table `t` has") as caught:
            other.run()
        assert "2024-01-04T00:00:00+00:00 or later" in str(caught.value)
    other.drop_pending_packages()
    assert times(site, "v") == [(1, 4, None)]


# -- rejects


def test_values_that_were_refused_know_their_row_and_are_put_into_it(site: Site) -> None:
    contract = {"data_type": "discard_value"}
    columns = {"v": {"data_type": "bigint"}}
    load(site, [{"id": 1, "v": 1}], day(1), schema_contract=contract, columns=columns)
    load(site, [{"id": 1, "v": "?"}], day(2), schema_contract=contract, columns=columns)
    assert times(site, "id", "v") == [(1, 1, 1, 2), (1, None, 2, None)]
    [refused] = site.query("SELECT row_id FROM ds._ladle_rejects")
    assert refused == (site.query("SELECT _dlt_id FROM ds.t WHERE v IS NULL")[0][0],)
    site.pipeline().replay(fix_value=lambda path, value: 5)
    assert times(site, "id", "v") == [(1, 1, 1, 2), (1, 5, 2, None)]


@pytest.mark.parametrize("key", [None, "id"])
def test_rows_that_come_again_end_only_those_with_their_primary_key(site: Site, key: Any) -> None:
    contract = {"data_type": "discard_row"}
    columns = {"v": {"data_type": "bigint"}}
    hints = {"schema_contract": contract, "columns": columns, "merge_key": "d", "primary_key": key}
    load(site, [{"id": 1, "d": 1, "v": 1}, {"id": 2, "d": 1, "v": 2}], day(1), **hints)
    load(site, [{"id": 1, "d": 1, "v": 1}], day(2), **hints)
    load(site, [{"id": 1, "d": 2, "v": "?"}, {"id": 3, "d": 2, "v": 3}], day(3), **hints)
    site.pipeline().replay(fix=lambda record: {**record, "v": 5})
    rows = site.table("t").rows
    assert sorted((r["id"], r["v"], r["_dlt_valid_to"] is None) for r in rows) == [
        (1, 1, key is None), (1, 5, True), (2, 2, False), (3, 3, True),
    ]  # fmt: skip
    assert {r["_dlt_valid_from"].year for r in rows if r["v"] == 5} == {datetime.now(UTC).year}


# -- random histories


@given(histories())
@settings(max_examples=12, deadline=None)
def test_any_history_is_what_the_oracle_says(
    tmp_path_factory: pytest.TempPathFactory, history: tuple[Way, Any]
) -> None:
    way, batches = history
    site = Site.in_memory(tmp_path_factory.mktemp("history"))
    expected: list[Any] = []
    for number, batch in enumerate(batches, 1):
        hints = way.hints
        hints["write_disposition"]["boundary_timestamp"] = day(number)
        site.pipeline().run(ladle.resource(batch, name="t", **hints))
        expected = kept(expected, batch, way, number)
    assert plain(landed(site)) == plain(expected), (way, batches)


def landed(site: Site) -> list[dict[str, Any]]:
    if "t" not in site.names():
        return []
    below: dict[str, list[Any]] = {}
    if "t__kids" in site.names():
        for kid in sorted(site.table("t__kids").rows, key=lambda r: r["_dlt_list_idx"]):
            below.setdefault(kid["_dlt_parent_id"], []).append({"x": kid["x"]})
    found = []
    for row in site.table("t").rows:
        content = {n: row.get(n) for n in ("id", "k", "d", "v", "h", "gone")}
        since, until = row["_dlt_valid_from"], row["_dlt_valid_to"]
        holds = until is None or until.year == 9999
        found.append(
            {
                "row": {**content, "kids": below.get(row["_dlt_id"], [])},
                "since": since.day,
                "until": None if holds else until.day,
            }
        )
    return found


def test_the_oracle_tells_keys_and_rows_apart() -> None:
    way = Way(("id", "k"))
    old = kept([], [{"id": "ab", "k": "c", "kids": [{"x": 1}]}], way, 1)
    assert [one["until"] for one in kept(old, [{"id": "a", "k": "bc"}], way, 2)] == [None, None]
    assert [one["until"] for one in kept(old, [{"id": "ab", "k": "c", "v": ""}], way, 2)] == [2, None]
