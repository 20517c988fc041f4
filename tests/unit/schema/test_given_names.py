"""Given names: stored small, read back whole, and a schema is the same after there and back."""

from __future__ import annotations

import yaml

from ladle.schema.given_names import SETTING, GivenNames, derived_form, given_form
from ladle.schema.schema import Schema
from ladle.schema.table import Column, Table

NAMES = GivenNames(
    tables={"users": "people", "users__pets": "people__pets"},
    columns={"users": {"email": "mail", "mail": "mail__abc123"}},
    dropped_tables=frozenset({"logs"}),
    dropped_columns={"users": frozenset({"oops"})},
)


def table(name: str, *columns: str, parent: str | None = None) -> Table:
    return Table(name, {c: Column(c, "text") for c in columns}, parent=parent)


STORED = NAMES.noted(
    Schema("s").with_tables(
        [table("people", "id", "mail", "mail__abc123"), table("people__pets", "n", parent="people")]
    )
)


def test_they_survive_the_stored_form() -> None:
    text = yaml.safe_dump(STORED.to_dict())
    assert GivenNames.of(Schema.from_dict(yaml.safe_load(text))) == NAMES


def test_nothing_is_stored_where_all_have_their_derived_names() -> None:
    names = GivenNames().with_column("t", "a", "b").with_column("t", "a", "a").with_table("t", "t")
    assert SETTING not in names.noted(Schema("s")).settings
    assert not GivenNames()


def test_a_schema_in_derived_names_has_what_the_source_calls_it() -> None:
    derived = derived_form(STORED)
    assert {n: [*t.columns] for n, t in derived.table_map.items()} == {
        "users": ["id", "email", "mail"],
        "users__pets": ["n"],
    }
    assert derived.table_map["users__pets"].parent == "users"
    assert all(c.name == n for t in derived.table_map.values() for n, c in t.columns.items())


def test_there_and_back_is_the_same_schema() -> None:
    assert given_form(derived_form(STORED), NAMES).version_hash == STORED.version_hash


def test_what_is_dropped_is_not_in_the_stored_form() -> None:
    logs = [table("logs", "a"), table("logs__lines", "b", parent="logs")]
    declared = Schema("s").with_tables([table("users", "email", "oops"), *logs])
    formed = given_form(declared, NAMES)
    assert {n: [*t.columns] for n, t in formed.table_map.items()} == {"people": ["mail"]}


def test_a_schema_without_given_names_is_not_touched() -> None:
    schema = Schema("s", stored_hash="as stored")
    assert derived_form(schema) is schema
    assert given_form(schema, GivenNames()) is schema


def test_the_name_of_something_dropped_is_free() -> None:
    names = NAMES.with_dropped_column("users", "email")
    assert names.source_column("users", "mail") == "mail"
    assert "mail" not in names.taken_columns("users")
    names = names.with_dropped_column("users", "email", dropped=False)
    assert names == NAMES
