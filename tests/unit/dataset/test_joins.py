"""Joins: which rows belong together, how columns are named, what can't be joined."""

from __future__ import annotations

from typing import Any

import pytest
from tests.loading import Site

import ladle
from ladle.dataset.dataset import Dataset
from ladle.dataset.relation import Relation
from ladle.errors import LineageFailedException, UsageError
from ladle.schema.schema import Schema

PETS = 'INNER JOIN "ds"."users__pets" AS "users__pets" ON "users"."_dlt_id" = "users__pets"."_dlt_parent_id"'


def rows(relation: Relation) -> list[tuple[Any, ...]]:
    return sorted(relation.fetchall(), key=str)


def test_a_child_joins_its_parent(users: Relation) -> None:
    found = users.join("users__pets")
    assert found.to_sql().endswith(f'FROM "ds"."users" AS "users" {PETS}')
    assert found.columns == [
        *users.columns,
        "users__pets__n", "users__pets___dlt_parent_id", "users__pets___dlt_list_idx", "users__pets___dlt_id",
    ]  # fmt: skip
    assert rows(found.select("id", "users__pets__n")) == [(1, "x"), (1, "y")]


def test_a_relation_joins_under_an_alias(ds: Dataset, users: Relation) -> None:
    found = users.join(ds["users__pets"], alias="p", kind="left").select("id", "p__n")
    assert found.columns == ["id", "p__n"]
    assert ' FROM (SELECT "users"."id" AS "id"' in found.to_sql()
    assert rows(found) == [(1, "x"), (1, "y"), (2, None), (3, None), (4, None)]


def test_a_parent_joins_its_child_and_tables_between_are_found(ds: Dataset, users: Relation) -> None:
    assert rows(ds["users__pets"].join("users").select("n", "users__id")) == [("x", 1), ("y", 1)]
    far = users.join("users__pets__toys")
    assert '"_dlt_int_t1"' in far.to_sql()
    assert rows(far.select("id", "users__pets__toys__k")) == [(1, 1)]
    assert rows(ds["users__pets__toys"].join("users").select("k", "users__v")) == [(1, "a")]


def test_a_table_that_is_joined_serves_again(users: Relation) -> None:
    found = users.join("users__pets").join("users__pets__toys")
    assert '"_dlt_int_t1"' not in found.to_sql()
    assert rows(found.select("users__pets__n", "users__pets__toys__k")) == [("x", 1)]


def test_declared_references_join_both_ways(ds: Dataset, users: Relation) -> None:
    assert rows(ds["orders"].join("users").select("oid", "users__v")) == [(10, "a"), (11, "b")]
    assert rows(users.join("orders").select("v", "orders__oid")) == [("a", 10), ("b", 11)]
    assert rows(users.join("_dlt_loads").select("id", "_dlt_loads__status")) == [(i, 0) for i in (1, 2, 3, 4)]


@pytest.mark.parametrize(
    ("kind", "ids"),
    [("inner", [1, 2]), ("left", [1, 2, 3, 4]), ("right", [1, 2]), ("full", [1, 2, 3, 4])],
)
def test_kinds(users: Relation, kind: str, ids: list[int]) -> None:
    found = users.join("orders", on="users.id = orders.user_id", kind=kind)
    assert f"{kind.upper()} JOIN" in found.to_sql()
    assert [i for (i,) in rows(found.select("id"))] == ids


def test_columns_of_an_outer_join_can_be_null(users: Relation) -> None:
    left = users.join("users__pets", kind="left").columns_schema
    assert (left["id"]["nullable"], left["users__pets___dlt_id"]["nullable"]) == (False, True)
    right = users.join("users__pets", kind="right").columns_schema
    assert (right["id"]["nullable"], right["users__pets___dlt_id"]["nullable"]) == (True, False)


def test_conditions_sorting_and_limits_follow_a_join(users: Relation) -> None:
    found = users.join("users__pets").where("users__pets__n", "eq", "x").where("id", "gt", 0)
    assert found.to_sql().endswith(
        '"users__pets"."n" = CAST(\'x\' AS TEXT) AND "users"."id" > CAST(0 AS BIGINT)'
    )
    assert rows(found.select("id")) == [(1,)]
    last = users.join("users__pets").order_by("users__pets__n", "desc").limit(1).select("users__pets__n")
    assert last.fetchall() == [("y",)]


def test_what_was_done_before_a_join_holds(ds: Dataset, users: Relation) -> None:
    assert rows(users.where("id", "gt", 1).join("users__pets")) == []
    assert rows(users.join(ds["users__pets"].where("n", "eq", "x")).select("id", "users__pets__n")) == [
        (1, "x")
    ]
    some = users.order_by("id").limit(1).join("orders").select("id", "orders__oid")
    assert rows(some) == [(1, 10)]
    assert users.select("id").join(ds["users__pets"].select("n")).columns == ["id", "users__pets__n"]


def test_a_query_joins_by_a_condition(ds: Dataset) -> None:
    found = (
        ds("select id from users").join("orders", on="users.id = orders.user_id").select("id", "orders__oid")
    )
    assert rows(found) == [(1, 10), (2, 11)]
    other = ds("select user_id, count(*) as n from orders group by 1")
    joined = ds["users"].join(other, on="users.id = o.user_id", alias="o").select("id", "o__n")
    assert rows(joined) == [(1, 1), (2, 1)]


def test_a_table_joins_itself_by_a_condition_under_an_alias(users: Relation) -> None:
    found = users.join("users", on="users.id = next.id - 1", alias="next").select("id", "next__id")
    assert rows(found) == [(1, 2), (2, 3), (3, 4)]


@pytest.mark.parametrize(
    ("join", "words"),
    [
        (lambda ds: ds["users"].join("users"), "itself"),
        (lambda ds: ds["users__pets"].join("orders"), "no references"),
        (lambda ds: ds["users"].join("orders", kind="cross"), "kind of join"),
        (lambda ds: ds("select * from users").join("users__pets"), "begin with a table"),
        (lambda ds: ds["users"].join(ds("select 1 as a"), on="true"), "under a name"),
        (lambda ds: ds["users"].join("orders", on="true").join("orders", on="true"), "part of the relation"),
        (lambda ds: ds["users"].join("zzz"), "zzz"),
    ],
)
def test_what_cannot_be_joined(ds: Dataset, join: Any, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        join(ds)


def test_datasets_are_not_joined(site: Site, ds: Dataset, schema: Schema) -> None:
    other = ladle.dataset(site.destination, "other", schema)
    with pytest.raises(UsageError, match="`ds` and `other`"):
        ds["users"].join(other["orders"])


def test_a_condition_on_a_column_that_is_not_there(users: Relation) -> None:
    with pytest.raises(LineageFailedException):
        users.join("orders", on="users.id = orders.zzz")


def test_two_references_need_a_condition(site: Site, schema: Schema) -> None:
    twice = [
        {"columns": [c], "referenced_table": "users", "referenced_columns": ["id"]}
        for c in ("user_id", "oid")
    ]
    changed = schema.with_tables([schema.table_map["orders"].with_extra(references=twice)])
    with pytest.raises(UsageError, match="more than once: by user_id, oid"):
        ladle.dataset(site.destination, "ds", changed)["orders"].join("users")
