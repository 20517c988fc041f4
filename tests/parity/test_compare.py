"""The comparison itself: blind to ids and storage order, and to nothing else."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest
from tests.parity.compare import Case, compare, report
from tests.parity.dataset import Dataset, read
from tests.parity.documents import Document
from tests.parity.shapes import shapes

ROOT = """
    create schema d;
    create table d.t (
        id bigint, v double, seen timestamptz, _dlt_load_id varchar not null, _dlt_id varchar not null
    );
    insert into d.t values (1, 0.5, '2024-01-02 03:04:05+00', 'L', 'a'), (2, null, null, 'L', 'b');
"""
CHILD = """
    create table d.t__l (
        value bigint, _dlt_parent_id varchar not null, _dlt_list_idx bigint, _dlt_id varchar
    );
    insert into d.t__l values (7, 'a', 0, 'a0'), (8, 'a', 1, 'a1'), (9, 'b', 0, 'b0');
"""
GRANDCHILD = """
    create table d.t__l__m (
        value varchar, _dlt_parent_id varchar not null, _dlt_list_idx bigint, _dlt_id varchar
    );
    insert into d.t__l__m values ('x', 'a1', 0, 'a10'), ('y', 'b0', 0, 'b00');
"""
STATEMENTS = ROOT + CHILD + GRANDCHILD

Make = Callable[[str], Dataset]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Make a dataset of SQL statements."""

    def dataset(sql: str) -> Dataset:
        path = tmp_path / f"{len(list(tmp_path.iterdir()))}.duckdb"
        with duckdb.connect(str(path)) as connection:
            connection.execute(sql)
        return read(path, "d")

    return dataset


NEW_ID = """
    update d.t set _dlt_id = 'zz' where id = 1;
    update d.t__l set _dlt_parent_id = 'zz' where value < 9;
"""
NEW_ORDER = """
    create table d.o as from d.t__l order by value desc;
    drop table d.t__l;
    alter table d.o rename to t__l;
    alter table d.t__l alter _dlt_parent_id set not null;
"""


@pytest.mark.parametrize(
    "change",
    [
        pytest.param("", id="same"),
        pytest.param("update d.t set _dlt_load_id = 'other'", id="load id"),
        pytest.param(NEW_ID, id="ids"),
        pytest.param(NEW_ORDER, id="order of children"),
    ],
)
def test_what_differs_by_design_is_no_difference(make: Make, change: str) -> None:
    assert compare(Case([], make(STATEMENTS), make(STATEMENTS + change))) == []


@pytest.mark.parametrize(
    ("change", "kind", "where"),
    [
        ("update d.t set v = 0.25 where id = 1", "value", "t[0]"),
        ("update d.t set seen = seen + interval 1 microsecond", "value", "t[0]"),
        ("update d.t__l set value = null where value = 8", "value", "t[0].t__l[1]"),
        ("update d.t__l__m set value = 'z' where value = 'x'", "value", "t[0].t__l[1].t__l__m[0]"),
        ("update d.t__l set _dlt_list_idx = 5 where value = 8", "row", "t[0].t__l[1]"),
        ("update d.t__l set _dlt_parent_id = 'b', _dlt_list_idx = 1 where value = 8", "row", "t[0].t__l[1]"),
        ("update d.t__l set _dlt_parent_id = 'nowhere' where value = 8", "orphan", ""),
        ("delete from d.t where id = 1", "row", "t[0]"),
        ("insert into d.t values (3, null, null, 'L', 'c')", "row", "t[2]"),
        ("insert into d.t values (3, null, null, 'M', 'c')", "load", ""),
        ("drop table d.t__l__m", "table", ""),
        ("alter table d.t add column n bigint", "column", ""),
        ("alter table d.t alter id type double", "type", ""),
        ("alter table d.t__l alter _dlt_id set not null", "type", ""),
    ],
)
def test_every_other_change_is_found_where_it_is(make: Make, change: str, kind: str, where: str) -> None:
    found = compare(Case([], make(STATEMENTS), make(f"{STATEMENTS};{change}")))
    assert (kind, where) in [(difference.kind, difference.path) for difference in found]
    assert report(found).startswith(f"{len(found)} differences")


def test_a_side_that_failed_is_the_only_difference(make: Make) -> None:
    good, bad = make(STATEMENTS), Dataset(error="TypeError: no")
    assert [d.kind for d in compare(Case([], good, bad))] == ["error"]
    assert [d.kind for d in compare(Case([], bad, good))] == ["error"]
    assert compare(Case([], bad, bad)) == []


TWINS = [(document, replace(document, id=f"{document.id} again")) for document in shapes()][:8]
"""Pairs of the same records under two ids, loaded twice."""


@pytest.mark.needs_reference
@pytest.mark.parametrize(("document", "twin"), TWINS, ids=lambda document: document.id)
def test_the_reference_is_the_same_as_itself(
    document: Document, twin: Document, reference_datasets: Mapping[str, Dataset]
) -> None:
    found = compare(Case(document.sample(), reference_datasets[document.id], reference_datasets[twin.id]))
    assert not found, report(found)
