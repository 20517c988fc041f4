"""Tags are checked as people write them, and kept as `x-annotation-<name>`."""

from __future__ import annotations

import logging
from typing import Any

import pytest

import ladle
from ladle.errors import UsageError
from ladle.schema.change import AddColumn, AddTable, Comment, changed_comments, comments
from ladle.schema.naming import naming
from ladle.schema.table import Column, Table
from ladle.schema.tags import comment, source_tags, tag_hints, tags_of
from ladle.sources.hints import Hints


def test_tags_become_hints_and_description_stays_one() -> None:
    found = ladle.tag(pii="email", protect="hash", description="Where to write to", own=[1, {"a": None}])
    assert found == {
        "x-annotation-pii": "email",
        "x-annotation-protect": "hash",
        "description": "Where to write to",
        "x-annotation-own": [1, {"a": None}],
    }
    assert tags_of(found) == {"pii": "email", "protect": "hash", "own": [1, {"a": None}]}
    assert source_tags({"description": "d", "owner": "crm"}) == {
        "x-annotation-description": "d",
        "x-annotation-owner": "crm",
    }


@pytest.mark.parametrize(
    "tags",
    [
        {"pii": 1},
        {"pii": False},
        {"owner": ["a"]},
        {"retention": 1.5},
        {"key": 1},
        {"own": object()},
        {"own": float("nan")},
        {"own": {1, 2}},
        {"": "x"},
        {1: "x"},
        ["owner"],
        "owner",
    ],
    ids=lambda tags: repr(tags).partition(" object at")[0],
)
def test_wrong_tags_are_refused(tags: Any) -> None:
    with pytest.raises(UsageError, match="column `c`"):
        tag_hints(tags, "column `c`")


@pytest.mark.parametrize(
    ("name", "meant"),
    [("ownr", "owner"), ("PII", "pii"), ("sensitvity", "sensitivity"), ("protct", "protect")],
)
def test_a_name_that_looks_misspelt_is_kept_and_told(
    name: str, meant: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    assert tag_hints({name: "x"}, "a table") == {f"x-annotation-{name}": "x"}
    assert f"was `{meant}` meant?" in caplog.text


def test_own_names_are_kept_in_silence(caplog: pytest.LogCaptureFixture) -> None:
    tag_hints({"team": "x", "cost_centre": 4, "gdpr": True}, "a table")
    assert caplog.text == ""


def test_columns_take_tags_and_protect_in_any_spelling() -> None:
    columns = {
        "a": {"tags": {"pii": "email", "description": "d"}, "protect": "mask"},
        "b": {"x-annotation-pii": "phone", "x-annotation-protect": "hash"},
        "c": {"tags": {"protect": "drop"}},
    }
    assert Hints.of(columns=columns).columns == {
        "a": {"x-annotation-pii": "email", "description": "d", "x-annotation-protect": "mask"},
        "b": {"x-annotation-pii": "phone", "x-annotation-protect": "hash"},
        "c": {"x-annotation-protect": "drop"},
    }


def test_tags_of_a_table_merge_and_go() -> None:
    resource = ladle.resource(
        [{"a": 1}], name="t", tags={"owner": "crm", "domain": "sales", "description": "d"}
    )
    resource.apply_hints(tags={"owner": "shop", "entity": "customer"})
    made = resource.compute_table_schema()
    assert (made["x-annotation-owner"], made["x-annotation-domain"]) == ("shop", "sales")
    assert (made["x-annotation-entity"], made["description"]) == ("customer", "d")
    resource.apply_hints(tags={})
    assert not tags_of(resource.compute_table_schema())


def test_nested_hints_take_tags() -> None:
    resource = ladle.resource([{"a": [1]}], name="t", nested_hints={"a": {"tags": {"owner": "crm"}}})
    made = resource.compute_nested_table_schemas("t", naming("snake_case"))
    assert made[0]["x-annotation-owner"] == "crm"


def test_a_table_cant_be_protected() -> None:
    with pytest.raises(UsageError, match="its columns can"):
        ladle.resource([], name="t", tags={"protect": "hash"})


def test_a_comment_is_one_readable_line() -> None:
    tags = {"x-annotation-pii": "email", "x-annotation-own": {"a": [1]}, "other": 1}
    assert comment("Where\n  to write\0 to ", tags) == 'Where to write to [own: {"a": [1]}; pii: email]'
    assert comment(None, tags) == '[own: {"a": [1]}; pii: email]'
    assert comment("Just this", {}) == "Just this"
    assert comment(None, {"other": 1}) is None
    assert comment("\n", {}) is None


def table(description: str | None = None, **columns: dict[str, Any]) -> Table:
    made = {n: Column.from_dict(n, {"data_type": "text", **c}) for n, c in columns.items()}
    return Table("t", columns=made, extra={} if description is None else {"description": description})


def test_comments_come_with_what_is_made() -> None:
    made = table("T", a={"description": "A"}, b={})
    assert list(comments(AddTable(made))) == [Comment("t", None, "T"), Comment("t", "a", "A")]
    assert list(comments(AddColumn("t", made.columns["a"]))) == [Comment("t", "a", "A")]
    assert list(comments(AddColumn("t", made.columns["b"]))) == []


def test_only_comments_that_differ_are_changed() -> None:
    before = {"t": table("T", a={"description": "A"}, b={"description": "B"}, c={}, d={"description": "D"})}
    after = {"t": table("T", a={"description": "A2"}, b={"description": "B"}, c={"description": "C"}, d={})}
    there = {"t": {"a": "", "b": "", "c": "", "d": ""}}
    assert changed_comments(before, after, there) == [
        Comment("t", "a", "A2"),
        Comment("t", "c", "C"),
        Comment("t", "d", None),
    ]
    assert changed_comments(before, before, there) == []
    assert changed_comments(before, after, {}) == []
    assert changed_comments(before, after, {"t": {"b": ""}}) == []
