"""Deletes by comparison with a full listing, and upserts that leave alone what is the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from tests.loading import Site

import ladle
from ladle.errors import TooManyMissing, UsageError
from ladle.events import Notice

EACH = pytest.mark.parametrize("strategy", ["delete-insert", "upsert"])


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site.in_memory(tmp_path)


def load(site: Site, data: Any, strategy: str = "upsert", **options: Any) -> dict[str, int]:
    hints = {k: options.pop(k) for k in ("columns", "schema_contract", "primary_key") if k in options}
    merge = {"disposition": "merge", "strategy": strategy, **options}
    made = ladle.resource(data, name="t", write_disposition=merge, **{"primary_key": "id", **hints})
    info = site.pipeline().run(made)
    return info.merged.get("t", {})


def ids(site: Site, where: str = "true") -> list[Any]:
    return [row[0] for row in site.query(f"SELECT id FROM ds.t WHERE {where} ORDER BY ALL")]


FOUR = [{"id": i, "d": i % 2, "n": [{"x": i}, {"x": 10 * i}]} for i in range(4)]


@EACH
def test_rows_that_the_listing_lacks_go_with_their_children(site: Site, strategy: str) -> None:
    load(site, FOUR, strategy, delete_missing="hard")
    told = load(site, FOUR[1:3] + [{"id": 9}], strategy, delete_missing="hard")
    assert told == {"inserted": 1, "updated": 2, "deleted": 2, "unchanged": 0}
    assert ids(site) == [1, 2, 9]
    assert sorted(site.table("t__n").values("x")) == [1, 2, 10, 20]


@EACH
def test_soft_deletes_mark_rows_until_they_return(site: Site, strategy: str) -> None:
    load(site, FOUR, strategy, delete_missing="soft")
    assert load(site, FOUR[:2], strategy, delete_missing="soft")["deleted"] == 2
    first = site.query("SELECT _ladle_deleted_at::text FROM ds.t WHERE id = 3")
    assert ids(site, "_ladle_deleted_at IS NULL") == [0, 1]
    assert len(site.table("t__n").rows) == 8  # what is below a marked row stays
    # Missing already, they aren't missed again; row 2 is back, and has its mark no more.
    assert load(site, FOUR[:3], strategy, delete_missing="soft")["deleted"] == 0
    assert ids(site, "_ladle_deleted_at IS NULL") == [0, 1, 2]
    assert site.query("SELECT _ladle_deleted_at::text FROM ds.t WHERE id = 3") == first


def test_the_mark_is_when_the_load_was_made_in_a_column_of_any_name(site: Site) -> None:
    for data in (FOUR, FOUR[:3]):
        load(site, data, delete_missing="soft", deleted_at="goneAt")
    load_id = site.query("SELECT max(load_id) FROM ds._dlt_loads")[0][0]
    marked = site.query("SELECT id, epoch_us(gone_at) FROM ds.t WHERE gone_at IS NOT NULL")
    assert [row[0] for row in marked] == [3]
    assert marked[0][1] == pytest.approx(float(load_id) * 1e6, abs=2)


@EACH
@pytest.mark.parametrize("how", ["hard", "soft"])
def test_only_partitions_that_the_listing_has_are_compared(site: Site, strategy: str, how: str) -> None:
    options: dict[str, Any] = {"delete_missing": how, "missing_within": "d"}
    load(site, FOUR, strategy, **options)
    load(site, [{"id": 1, "d": 1}], strategy, **options)
    there = "true" if how == "hard" else "_ladle_deleted_at IS NULL"
    assert ids(site, there) == [0, 1, 2]


@pytest.mark.parametrize(("most", "gone"), [(0.29, 29), (0.57, 57), (1 / 3, 33)])
def test_a_share_of_the_rows_is_counted_in_whole_rows(site: Site, most: float, gone: int) -> None:
    rows = [{"id": i} for i in range(100)]
    load(site, rows, delete_missing="hard")
    with pytest.raises(TooManyMissing, match=f"lacks {gone + 1} of the 100"):
        load(site, rows[gone + 1 :], delete_missing="hard", max_missing=most)
    assert load(site, rows[gone:], delete_missing="hard", max_missing=most)["deleted"] == gone


def test_a_listing_without_a_partition_is_about_none(site: Site) -> None:
    options: dict[str, Any] = {"delete_missing": "hard", "missing_within": ["d"]}
    load(site, FOUR, **options)
    load(site, [{"id": 7}], **options)
    load(site, [], **options)
    assert ids(site) == [0, 1, 2, 3, 7]


@EACH
@pytest.mark.parametrize("how", ["hard", "soft"])
def test_a_suspiciously_short_listing_is_refused(site: Site, strategy: str, how: str) -> None:
    load(site, FOUR, strategy, delete_missing=how)
    with pytest.raises(
        TooManyMissing, match="the listing of table `t` lacks 3 of the 4 rows that are there"
    ) as caught:
        load(site, FOUR[:1], strategy, delete_missing=how)
    assert "at most 2 missing: max_missing is 0.5" in str(caught.value)
    assert "the package is discarded" in str(caught.value)
    assert not site.pipeline().has_pending_data
    assert ids(site) == [0, 1, 2, 3]
    assert len(site.table("t__n").rows) == 8
    assert load(site, FOUR[:1], strategy, delete_missing=how, max_missing=3)["deleted"] == 3


@EACH
def test_an_empty_listing_is_refused_unless_all_may_go(site: Site, strategy: str) -> None:
    assert load(site, [], strategy, delete_missing="hard") == {}
    load(site, FOUR, strategy, delete_missing="hard")
    with pytest.raises(TooManyMissing, match="lacks 4 of the 4 rows"):
        load(site, [], strategy, delete_missing="hard")
    assert ids(site) == [0, 1, 2, 3]
    assert load(site, [], strategy, delete_missing="hard", max_missing=1.0)["deleted"] == 4
    assert (ids(site), site.table("t__n").rows) == ([], [])


@pytest.mark.parametrize(("most", "passes"), [(1, False), (2, True), (0.49, False), (0.5, True), (0, False)])
def test_max_missing_is_a_count_or_a_share(site: Site, most: Any, passes: bool) -> None:
    load(site, FOUR, delete_missing="hard")
    if passes:
        assert load(site, FOUR[:2], delete_missing="hard", max_missing=most)["deleted"] == 2
    else:
        with pytest.raises(TooManyMissing):
            load(site, FOUR[:2], delete_missing="hard", max_missing=most)


def test_nothing_is_deleted_where_rows_of_the_listing_were_refused(site: Site) -> None:
    options: dict[str, Any] = {"delete_missing": "hard", "schema_contract": {"data_type": "discard_row"}}
    load(site, FOUR, **options)
    told: list[str] = []
    merge = {"disposition": "merge", "strategy": "upsert", "delete_missing": "hard"}
    broken = [{"id": 0, "d": "no number"}, {"id": 1, "d": 5}]
    made = ladle.resource(
        broken, name="t", primary_key="id", write_disposition=merge,
        schema_contract={"data_type": "discard_row"},
    )  # fmt: skip
    listen = lambda e: told.append(e.text) if isinstance(e, Notice) else None  # noqa: E731
    info = site.pipeline(progress=listen).run(made)
    assert info.merged["t"] == {"inserted": 0, "updated": 1, "deleted": 0, "unchanged": 0}
    assert ids(site) == [0, 1, 2, 3]
    assert "nothing of table `t` is deleted as missing: 1 row of its listing had to be refused" in told
    assert load(site, FOUR[:2], **options)["deleted"] == 2


def test_rejects_that_are_replayed_are_no_listing(site: Site) -> None:
    options: dict[str, Any] = {"delete_missing": "hard", "schema_contract": {"data_type": "discard_row"}}
    load(site, FOUR, **options)
    load(site, [*FOUR, {"id": 5, "d": "no number"}], **options)
    site.pipeline().replay(fix=lambda row: {**row, "d": 5})
    assert ids(site) == [0, 1, 2, 3, 5]


def test_marked_rows_of_the_listing_are_deleted_once(site: Site) -> None:
    columns = {"del": {"hard_delete": True, "data_type": "bool"}}
    load(site, FOUR, delete_missing="hard", columns=columns)
    told = load(site, [*FOUR[1:3], {"id": 3, "del": True}], delete_missing="hard", columns=columns)
    assert told == {"inserted": 0, "updated": 2, "deleted": 2, "unchanged": 0}


def test_frames_are_listings_too(site: Site) -> None:
    for numbers in ([1, 2, 3], [2, 3, 4]):
        load(site, pa.table({"id": numbers}), delete_missing="hard")
    assert ids(site) == [2, 3, 4]


def test_rows_that_were_frames_once_have_no_id_and_go_all_the_same(site: Site) -> None:
    load(site, pa.table({"id": [1, 2, 3]}), "delete-insert")
    load(site, [{"id": 3, "n": [1]}, {"id": 4, "n": [2]}], "delete-insert")
    assert ids(site) == [1, 2, 3, 4]
    load(site, [{"id": 2}, {"id": 3}], "delete-insert", delete_missing="hard")
    assert ids(site) == [2, 3]
    assert site.table("t__n").rows == []


def test_it_ends_when_it_is_asked_for_no_longer(site: Site) -> None:
    load(site, FOUR, delete_missing="hard", missing_within="d")
    load(site, FOUR[:1])
    assert ids(site) == [0, 1, 2, 3]
    columns = site.pipeline().default_schema.tables["t"]["columns"]
    assert not any("x-missing-within" in column for column in columns.values())


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"delete_missing": "yes"}, "delete_missing can't be `'yes'`"),
        ({"max_missing": 0.1}, "`max_missing` goes with delete_missing"),
        ({"delete_missing": "hard", "max_missing": 1.5}, "max_missing can't be `1.5`"),
        ({"delete_missing": "hard", "max_missing": -1}, "max_missing can't be `-1`"),
        ({"delete_missing": "hard", "max_missing": True}, "max_missing can't be `True`"),
        ({"delete_missing": "hard", "missing_within": 5}, "missing_within can't be `5`"),
        ({"delete_missing": "hard", "deleted_at": "x"}, "`deleted_at` goes with soft deletes"),
        ({"delete_missing": "hard", "strategy": "insert-only"}, "`insert-only` can't delete missing rows"),
        ({"skip_unchanged_rows": 1, "strategy": "upsert"}, "skip_unchanged_rows can't be `1`"),
        ({"skip_unchanged_rows": True}, "`delete-insert` can't skip unchanged rows"),
        ({"delete_mising": "hard"}, "can't have `delete_mising`"),
    ],
)
def test_what_cannot_be_meant_is_refused_when_it_is_said(options: Any, error: str) -> None:
    with pytest.raises(UsageError, match=error):
        ladle.resource([], name="t", write_disposition={"disposition": "merge", **options})


def test_it_needs_a_primary_key_and_no_cursor(site: Site) -> None:
    with pytest.raises(UsageError, match="delete_missing of table `t` compares primary keys"):
        load(site, FOUR, "delete-insert", delete_missing="hard", primary_key=None)
    made = ladle.resource(
        FOUR, name="t", primary_key="id",
        write_disposition={"disposition": "merge", "delete_missing": "hard"},
    ).apply_hints(incremental=ladle.sources.incremental("id"))  # fmt: skip
    with pytest.raises(UsageError, match="the cursor `id` leaves out old ones"):
        site.pipeline().run(made)


def test_a_scope_that_is_no_column_is_told(site: Site) -> None:
    told: list[str] = []
    merge = {"disposition": "merge", "delete_missing": "hard", "missing_within": "day"}
    listen = lambda e: told.append(e.text) if isinstance(e, Notice) else None  # noqa: E731
    for rows in (FOUR, FOUR[:2]):
        made = ladle.resource(rows, name="t", primary_key="id", write_disposition=merge)
        site.pipeline(progress=listen).run(made)
    text = "nothing of table `t` is deleted as missing: no row has had a value in `day`, which missing_within names"
    assert text in told
    assert ids(site) == [0, 1, 2, 3]


# -- rows that are the same


def test_rows_that_are_the_same_keep_their_load(site: Site) -> None:
    load(site, [{"id": 1, "v": "a"}, {"id": 2, "v": None, "w": 1}])
    before = dict(site.query("SELECT id, _dlt_load_id FROM ds.t"))
    told = load(site, [{"id": 1, "v": "a"}, {"id": 2, "v": "b", "w": 1}], skip_unchanged_rows=True)
    after = dict(site.query("SELECT id, _dlt_load_id FROM ds.t"))
    assert told == {"inserted": 0, "updated": 1, "deleted": 0, "unchanged": 1}
    assert (before[1] == after[1], before[2] == after[2]) == (True, False)


@pytest.mark.parametrize(
    ("old", "new", "same"),
    [
        ({"v": None}, {"v": None}, True),
        ({"v": 1}, {"v": None}, False),
        ({"v": None, "w": 1}, {"v": 1, "w": 1}, False),
        ({"v": 1.5}, {"v": 1.5}, True),
        ({"v": float("nan")}, {"v": float("nan")}, True),
        ({"w": 1}, {}, False),
        ({"n": [1, 2]}, {"n": [1, 2]}, True),
        ({"n": [1, 2]}, {"n": [2, 1]}, False),
        ({"n": [1, 2]}, {"n": [1]}, False),
        ({"n": [1]}, {"n": [1, 2]}, False),
        ({"n": [1]}, {}, False),
        ({"n": [{"m": [1]}]}, {"n": [{"m": [1]}]}, True),
        ({"n": [{"m": [1]}]}, {"n": [{"m": [2]}]}, False),
        ({"n": [{"m": [1], "x": 1}]}, {"n": [{"m": [1]}]}, False),
        ({}, {"n": [1]}, False),
    ],
)
def test_a_row_is_the_same_with_all_below_it(site: Site, old: Any, new: Any, same: bool) -> None:
    load(site, [{"id": 1, "z": 1, **old}, {"id": 2, "z": 1}])
    told = load(site, [{"id": 1, "z": 1, **new}], skip_unchanged_rows=True)
    assert (told["unchanged"], told["updated"]) == ((1, 0) if same else (0, 1))


def test_frames_are_compared_too(site: Site) -> None:
    for values in (["a", "b"], ["a", "c"]):
        told = load(site, pa.table({"id": [1, 2], "v": values}), skip_unchanged_rows=True)
    assert told == {"inserted": 0, "updated": 1, "deleted": 0, "unchanged": 1}


def test_the_load_info_tells_it(site: Site) -> None:
    load(site, FOUR)
    made = ladle.resource(
        FOUR[:2] + [{"id": 9}], name="t", primary_key="id",
        write_disposition={"disposition": "merge", "strategy": "upsert", "skip_unchanged_rows": True},
    )  # fmt: skip
    info = site.pipeline().run(made)
    assert "  merged t: 1 inserted, 2 unchanged" in str(info)
    assert info.asdict()["load_packages"][0]["merged"] == [
        {"table_name": "t", "inserted": 1, "updated": 0, "deleted": 0, "unchanged": 2}
    ]
