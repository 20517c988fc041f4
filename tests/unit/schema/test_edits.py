"""Edits of a schema: what they change, what they take along, and what they refuse."""

from __future__ import annotations

from typing import Any

import pytest

from ladle.errors import UsageError
from ladle.schema.change import Limits
from ladle.schema.change_names import DropColumn, DropTable, RenameColumn, RenameTable
from ladle.schema.edits import Edit, Edited, edited
from ladle.schema.given_names import GivenNames
from ladle.schema.schema import Schema
from ladle.schema.table import Column, Table

LIMITS = Limits(max_table_name=63, max_column_name=63)
HOSTILE = ['E-Mail "x"', "select", "naïve ☃", "it's", "a;b--c", "Robert'); DROP TABLE users;--", "a.b"]


def columns(*names: str, **more: Column) -> dict[str, Column]:
    return {**{n: Column(n, "text") for n in names}, **more}


SCHEMA = Schema("s").with_tables(
    [
        Table(
            "users",
            columns(
                "email",
                "age",
                "_dlt_id",
                id=Column("id", "bigint", primary_key=True),
                email__v_bigint=Column("email__v_bigint", "bigint", variant=True),
                email__domain=Column("email__domain", "text"),
                never=Column("never"),
                gone=Column("gone", "bool", hard_delete=True),
            ),
        ),
        Table("users__pets", columns("name"), parent="users"),
        Table("users__pets__toys", columns("value"), parent="users__pets"),
        Table("orders", columns("n")),
    ]
)


def make(*edits: Edit, schema: Schema = SCHEMA, **limits: Any) -> Edited:
    return edited(schema, edits, Limits(**limits) if limits else LIMITS)


def test_a_column_is_renamed_with_its_variants_and_nothing_else() -> None:
    done = make(Edit("rename", "users", "email", "mail"))
    assert done.changes == (
        RenameColumn("users", "email", "mail"),
        RenameColumn("users", "email__v_bigint", "mail__v_bigint"),
    )
    assert [*done.schema.table_map["users"].columns][:2] == ["mail", "age"]
    assert "email__domain" in done.schema.table_map["users"].columns
    assert [(n.change, n.previous, n.column_name) for n in done.notes][0] == (
        "rename_column",
        "email",
        "mail",
    )


def test_a_table_takes_its_children_along() -> None:
    done = make(Edit("rename", "users", name="people"))
    assert done.changes == (
        RenameTable("users", "people"),
        RenameTable("users__pets", "people__pets"),
        RenameTable("users__pets__toys", "people__pets__toys"),
    )
    assert done.schema.table_map["people__pets__toys"].parent == "people__pets"
    assert [*done.schema.table_map] == ["people", "people__pets", "people__pets__toys", "orders"]


def test_a_child_with_a_name_of_its_own_keeps_it() -> None:
    done = make(Edit("rename", "users__pets", name="pets"), Edit("rename", "users", name="people"))
    assert done.changes[-1] == RenameTable("users", "people")
    assert done.schema.table_map["pets"].parent == "people"
    assert [*done.schema.table_map] == ["people", "pets", "pets__toys", "orders"]


def test_renaming_back_leaves_no_trace() -> None:
    there = make(Edit("rename", "users", "email", "mail"), Edit("rename", "users", name="people"))
    back = make(
        Edit("rename", "people", name="users"), Edit("rename", "users", "mail", "email"), schema=there.schema
    )
    assert back.schema.version_hash == SCHEMA.version_hash
    assert not GivenNames.of(back.schema)


def test_names_may_be_swapped_by_a_third() -> None:
    done = make(
        Edit("rename", "users", "age", "x"),
        Edit("rename", "users", "email", "age"),
        Edit("rename", "users", "x", "email"),
    )
    names = GivenNames.of(done.schema)
    assert (names.column("users", "email"), names.column("users", "age")) == ("age", "email")


@pytest.mark.parametrize("name", HOSTILE)
def test_any_visible_name_will_do(name: str) -> None:
    assert name in make(Edit("rename", "users", "age", name)).schema.table_map["users"].columns
    assert name in make(Edit("rename", "orders", name=name)).schema.table_map


@pytest.mark.parametrize(
    ("edit", "says"),
    [
        (Edit("rename", "users", "age", "email"), "it is taken"),
        (Edit("rename", "users", "age", "Email"), "`email` is there, which only differs by case"),
        (Edit("rename", "users", "age", "_dlt_x"), "ladle's own"),
        (Edit("rename", "orders", name="_ladle_x"), "ladle's own"),
        (Edit("rename", "orders", name="users"), "it is taken"),
        (Edit("rename", "orders", name="_DLT_LOADS"), "`_dlt_loads` is there"),
        (Edit("rename", "users", "age", ""), "visible characters"),
        (Edit("rename", "users", "age", "a\nb"), "visible characters"),
        (Edit("rename", "users", "age", "a\0b"), "visible characters"),
        (Edit("rename", "users", "age", " a"), "visible characters"),
        (Edit("rename", "users", "age", "ä" * 32), "at most 63 bytes"),
        (Edit("rename", "users", "agee", "b"), "did you mean `age`?"),
        (Edit("rename", "user", name="b"), "did you mean `users`?"),
        (Edit("rename", "users", "_dlt_id", "b"), "it has to stay"),
        (Edit("drop", "users", "_dlt_id"), "it has to stay"),
        (Edit("drop", "users", "id"), "is a key"),
        (Edit("drop", "users", "gone"), "rows are told apart or merged by it"),
        (Edit("undrop", "users", "age"), "unknown dropped column"),
        (Edit("undrop", "users"), "unknown dropped table"),
    ],
)
def test_what_is_refused(edit: Edit, says: str) -> None:
    with pytest.raises(UsageError) as caught:
        make(edit)
    assert says in str(caught.value)


def test_a_name_may_change_its_case_only() -> None:
    assert make(Edit("rename", "users", "age", "AGE")).changes == (RenameColumn("users", "age", "AGE"),)


def test_a_column_is_dropped_with_its_variants() -> None:
    done = make(Edit("drop", "users", "email"))
    assert done.changes == (DropColumn("users", "email"), DropColumn("users", "email__v_bigint"))
    assert not {"email", "email__v_bigint"} & {*done.schema.table_map["users"].columns}
    assert GivenNames.of(done.schema).dropped_columns == {"users": {"email", "email__v_bigint"}}


def test_a_variant_may_be_dropped_alone() -> None:
    done = make(Edit("drop", "users", "email__v_bigint"))
    assert done.changes == (DropColumn("users", "email__v_bigint"),)


def test_a_column_without_a_type_is_not_there_to_be_dropped() -> None:
    done = make(Edit("drop", "users", "never"))
    assert (done.changes, done.notes[0].column_name) == ((), "never")


def test_a_table_is_dropped_with_its_children_first() -> None:
    done = make(Edit("drop", "users__pets"))
    assert done.changes == (DropTable("users__pets__toys"), DropTable("users__pets"))
    assert [*done.schema.table_map] == ["users", "orders"]


def test_what_was_dropped_is_taken_back_under_the_name_it_had() -> None:
    gone = make(
        Edit("rename", "users", "email", "mail"), Edit("rename", "orders", name="sales"),
        Edit("drop", "users", "mail"), Edit("drop", "sales"),
    )  # fmt: skip
    back = make(Edit("undrop", "users", "mail"), Edit("undrop", "orders"), schema=gone.schema)
    names = GivenNames.of(back.schema)
    assert (names.column("users", "email"), names.table("orders")) == ("mail", "sales")
    assert not names.dropped_tables
    assert not names.dropped_columns


def test_what_was_dropped_is_taken_back_under_its_derived_name_where_the_other_is_taken() -> None:
    gone = make(
        Edit("rename", "users", "email", "mail"),
        Edit("drop", "users", "mail"),
        Edit("rename", "users", "age", "mail"),
    )
    back = make(Edit("undrop", "users", "email"), schema=gone.schema)
    names = GivenNames.of(back.schema)
    assert (names.column("users", "email"), names.column("users", "age")) == ("email", "mail")


def test_an_edit_survives_json() -> None:
    edit = Edit("adopt", "users", "x", hints={"data_type": "decimal", "precision": 10, "scale": 2})
    assert Edit(**edit.to_plain()) == edit
    assert make(edit).schema.table_map["users"].columns["x"].scale == 2
