"""Which places of a document are protected, and what can't be."""

from __future__ import annotations

from typing import Any

import pytest

import ladle
from ladle.errors import UsageError
from ladle.schema.naming import naming
from ladle.schema.protection import NO_POLICY, Policy, Protection, Rule, rule_of, with_protection
from ladle.schema.schema import Schema
from ladle.schema.table import Column, Table
from ladle.sources.hints import Hints

HASH = {"x-annotation-protect": "hash"}


def protection(
    root: dict[str, Any] | None = None,
    child: dict[str, Any] | None = None,
    names: str = "snake_case",
    lengths: tuple[int | None, int | None] = (None, None),
    policy: Policy = NO_POLICY,
) -> Protection:
    tables = [Table("t", {n: Column.from_dict(n, c) for n, c in (root or {}).items()}, resource="t")]
    if child is not None:
        columns = {n: Column.from_dict(n, c) for n, c in child.items()}
        tables.append(Table("t__l", columns, parent="t"))
    return Protection(Schema("s").with_tables(tables), "t", policy, naming(names), lengths)


def covers(found: Protection, *places: tuple[tuple[str, ...], tuple[str, ...]]) -> list[bool]:
    return [found.at(table, row)[0] is not None for table, row in places]


def test_names_are_compared_as_the_schema_makes_them() -> None:
    found = protection({"e_mail": HASH})
    assert covers(found, ((), ("E-Mail",)), ((), ("eMail",)), ((), ("e_mail",))) == [True, True, True]
    assert covers(found, ((), ("mail",)), ((), ("e",)), ((), ()), ((), ("e_mails",))) == [False] * 4
    cased = protection({"E-Mail": HASH}, names="direct")
    assert covers(cased, ((), ("E-Mail",)), ((), ("e_mail",))) == [True, False]


def test_all_below_a_path_is_covered_in_lists_and_out_of_them() -> None:
    found = protection({"user__email": HASH})
    inside = [
        ((), ("user", "email")),
        ((), ("user__email",)),
        ((), ("user", "email", "home")),
        ((), ("user", "email__home")),
        (("user",), ("email",)),
        (("user", "email"), ()),
        (("user", "email"), ("a",)),
    ]
    assert all(covers(found, *inside))
    assert not any(covers(found, ((), ("user",)), ((), ("user", "name")), (("user",), ()), ((), ("email",))))
    assert found.below((), ("user",))
    assert found.below((), ())
    assert not found.below((), ("other",))


def test_a_column_of_a_child_table_is_covered_outside_of_the_list_too() -> None:
    found = protection(child={"secret": HASH})
    assert all(covers(found, (("l",), ("secret",)), ((), ("l", "secret")), ((), ("l__secret",))))
    assert not any(covers(found, (("l",), ("open",)), (("l",), ()), ((), ("secret",))))


def test_the_elements_of_a_list() -> None:
    found = protection(child={"value": HASH})
    rule, exact = found.at(("l",), ())
    assert rule == Rule("hash", None, elements=True)
    assert exact
    assert covers(found, ((), ("l",)), ((), ("l", "a")), (("l", "list"), ())) == [True, True, True]


def test_a_key_called_value_beside_others_is_one_column() -> None:
    found = protection(child={"value": HASH, "at": {"data_type": "text"}})
    assert covers(found, (("l",), ("value",)), ((), ("l", "value")), (("l",), ())) == [True, True, True]
    assert covers(found, (("l",), ("at",)), ((), ("l", "at"))) == [False, False]
    rule, _ = found.at(("l",), ())
    assert rule is not None
    assert rule.rows


def test_names_that_were_cut_are_found() -> None:
    names = naming("snake_case")
    long = "a_name_that_is_much_longer_than_what_fits"
    cut = names.fit(long, max_length=20)
    found = protection({cut: HASH}, lengths=(20, 20))
    assert covers(found, ((), (long,)), ((), ("other",))) == [True, False]


@pytest.mark.parametrize(
    ("hints", "actions", "expected"),
    [
        ({"x-annotation-pii": "email"}, {}, None),
        ({"x-annotation-pii": "email"}, {"email": "mask"}, Rule("mask", "email")),
        ({"x-annotation-pii": "email"}, {"phone": "mask"}, None),
        ({"x-annotation-pii": "email"}, {"phone": "mask", "*": "hash"}, Rule("hash", "email")),
        ({"x-annotation-pii": True}, {"email": "mask", "*": "hash"}, Rule("hash")),
        ({"x-annotation-pii": "email", **HASH}, {"email": "mask"}, Rule("hash", "email")),
        ({"x-annotation-pii": "email", "x-annotation-protect": "none"}, {"email": "mask"}, None),
        ({"x-annotation-pii": "email"}, {"email": "none", "*": "hash"}, None),
        ({"x-annotation-owner": "crm"}, {"*": "hash"}, None),
        (HASH, {}, Rule("hash")),
    ],
)
def test_what_decides(hints: dict[str, Any], actions: dict[str, str], expected: Rule | None) -> None:
    assert rule_of(hints, Policy(actions)) == expected


def test_an_unknown_action_names_the_nearest() -> None:
    for make in (
        lambda: Policy({"email": "tokenize"}),
        lambda: Hints.of(columns={"a": {"protect": "tokenize"}}),
    ):
        with pytest.raises(UsageError, match="tokenise"):
            make()
    with pytest.raises(UsageError, match="did you mean `mask`"):
        rule_of({"x-annotation-protect": "maks"})


@pytest.mark.parametrize(
    "hints",
    [
        {"columns": {"a": {"protect": "hash", "data_type": "bigint"}}},
        {"columns": {"a": {"protect": "mask", "data_type": "timestamp"}}},
        {"columns": {"a": {"protect": "mask", "primary_key": True}}},
        {"columns": {"a": {"protect": "drop", "merge_key": True}}},
        {"columns": {"a": {"protect": "hash", "hard_delete": True}}},
        {"columns": {"a": {"protect": "drop", "dedup_sort": "asc"}}},
        {"columns": {"a": {"protect": "encrypt"}}, "primary_key": "a"},
        {"columns": {"a": {"protect": "mask"}}, "merge_key": ["b", "a"]},
        {"nested_hints": {"l": {"columns": {"a": {"protect": "mask"}}, "primary_key": "a"}}},
    ],
    ids=repr,
)
def test_what_cant_be_protected_is_refused_where_it_is_declared(hints: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="`a`"):
        ladle.resource([], name="t", **hints)


@pytest.mark.parametrize("action", ["hash", "tokenise"])
def test_keys_may_be_hashed(action: str) -> None:
    made = ladle.resource([], name="t", columns={"a": {"protect": action}}, primary_key="a")
    assert made.compute_table_schema()["columns"]["a"]["primary_key"] is True


def schema_with(column: dict[str, Any], loaded: bool = False) -> Schema:
    extra = {"x-normalizer": {"seen-data": True}} if loaded else {}
    return Schema("s").with_tables([Table("t", {"a": Column.from_dict("a", column)}, extra=extra)])


@pytest.mark.parametrize("data_type", [None, "text", "json"])
def test_protected_columns_become_text(data_type: str | None) -> None:
    schema = schema_with({**HASH, "data_type": data_type, "precision": 5})
    made = with_protection(schema, NO_POLICY, schema.table_map.values()).table_map["t"].columns["a"]
    assert (made.data_type, made.precision) == ("text", None)


@pytest.mark.parametrize(
    ("data_type", "hint"), [("bigint", "another table_name"), ("json", "another table_name")]
)
def test_a_column_that_was_loaded_keeps_its_type(data_type: str, hint: str) -> None:
    schema = schema_with({**HASH, "data_type": data_type}, loaded=True)
    with pytest.raises(UsageError, match=hint):
        with_protection(schema, NO_POLICY, schema.table_map.values())


def test_a_dropped_column_demands_nothing() -> None:
    schema = schema_with(
        {"x-annotation-protect": "drop", "nullable": False, "data_type": "bigint"}, loaded=True
    )
    made = with_protection(schema, NO_POLICY, schema.table_map.values()).table_map["t"].columns["a"]
    assert made.nullable


def test_a_policy_that_masks_a_key_is_refused_before_anything_is_read() -> None:
    schema = schema_with({"x-annotation-pii": "email", "primary_key": True})
    with pytest.raises(UsageError, match="key column `a`"):
        with_protection(schema, Policy({"*": "mask"}), schema.table_map.values())
    assert with_protection(schema, NO_POLICY, schema.table_map.values()) is schema
