"""Schema: stored form, version, hash, and how schemas are put on top of one another."""

from __future__ import annotations

from typing import Any

import pytest

from ladle.errors import UsageError
from ladle.schema.change import Limits
from ladle.schema.schema import SYSTEM_TABLES, Schema
from ladle.schema.table import Column, Table


def table(name: str, parent: str | None = None, **columns: str | None) -> Table:
    built = {n: Column(n, data_type=t) for n, t in columns.items()}
    return Table(name, columns=built, parent=parent, resource=None if parent else name)


SCHEMA = Schema("shop").with_tables(
    [table("orders", id="bigint"), table("orders__items", "orders", sku="text"), table("users", id="bigint")]
)


@pytest.mark.parametrize("name", ["", "1st", "a-b", "a b", "a.b", None])
def test_bad_names_are_refused(name: Any) -> None:
    with pytest.raises(UsageError, match="can't be the name of a schema"):
        Schema(name)


def test_stored_form_comes_back() -> None:
    schema = Schema("s", SCHEMA.table_map, {"detections": []}, "direct", 3, 7, ("h1", "h2"))
    again = Schema.from_dict(schema.to_dict())
    assert again.to_dict() == schema.to_dict()
    assert Schema.from_dict(again.to_dict()) == again
    assert (again.naming, again.max_nesting, again.version) == ("direct", 3, 7)


def test_stored_form_has_system_tables_and_is_a_copy() -> None:
    stored = SCHEMA.to_dict()
    assert set(SYSTEM_TABLES) < set(stored["tables"])
    stored["tables"]["orders"]["columns"].clear()
    assert SCHEMA.get_table_columns("orders")["id"]["data_type"] == "bigint"
    assert SCHEMA.data_table_names() == ["orders", "orders__items", "users"]


def test_a_schema_stored_by_the_reference_keeps_its_hash() -> None:
    stored = {**SCHEMA.to_dict(), "version_hash": "as the reference made it", "engine_version": 11}
    again = Schema.from_dict(stored)
    assert again.version_hash == "as the reference made it"
    assert (
        again.with_tables([table("new", a="text")]).version_hash
        == SCHEMA.with_tables([table("new", a="text")]).version_hash
    )


@pytest.mark.parametrize(
    "changed",
    [
        Schema("other", SCHEMA.table_map),
        SCHEMA.with_tables([table("users", id="text")]),
        SCHEMA.without_tables(["users"]),
        Schema("shop", SCHEMA.table_map, naming="direct"),
        Schema("shop", SCHEMA.table_map, max_nesting=1),
        Schema("shop", SCHEMA.table_map, settings={}),
    ],
)
def test_content_makes_the_hash(changed: Schema) -> None:
    assert len(SCHEMA.version_hash) == 44
    assert changed.version_hash != SCHEMA.version_hash


def test_version_does_not_make_the_hash() -> None:
    assert (
        Schema("shop", SCHEMA.table_map, version=9, previous_hashes=("a",)).version_hash
        == SCHEMA.version_hash
    )


def test_bumped_only_where_the_content_changed() -> None:
    stored = Schema.from_dict(Schema("shop", SCHEMA.table_map, version=4, previous_hashes=("a",)).to_dict())
    assert (SCHEMA.bumped(stored).version, SCHEMA.bumped(stored).previous_hashes) == (4, ("a",))
    changed = SCHEMA.without_tables(["users"]).bumped(stored)
    assert (changed.version, changed.previous_hashes) == (5, (stored.version_hash, "a"))
    assert SCHEMA.bumped(None) is SCHEMA


def test_ten_earlier_hashes_are_kept() -> None:
    schema = SCHEMA
    for number in range(12):
        schema = schema.with_tables([table(f"t{number}", a="text")]).bumped(schema)
    assert (schema.version, len(schema.previous_hashes)) == (13, 10)


def test_chain_is_the_table_and_all_below_it() -> None:
    deeper = SCHEMA.with_tables([table("orders__items__tags", "orders__items", value="text")])
    assert [t.name for t in deeper.chain("orders")] == ["orders", "orders__items", "orders__items__tags"]
    assert [t.name for t in deeper.chain("users")] == ["users"]
    assert deeper.chain("none") == []


def test_hints_go_on_top_but_known_types_stay() -> None:
    known = Schema("s").with_tables([table("t", a="bigint", b=None)])
    hinted = Table(
        "t",
        columns={
            "a": Column("a", data_type="text", nullable=False),
            "b": Column("b", data_type="text"),
            "c": Column("c", primary_key=True),
        },
        write_disposition="replace",
    ).with_extra(**{"x-more": 1})
    merged = known.with_hints_of(Schema("s").with_tables([hinted, table("new", a="text")]))
    columns = merged.table_map["t"].columns
    assert [(c.name, c.data_type) for c in columns.values()] == [("a", "bigint"), ("b", "text"), ("c", None)]
    assert (columns["a"].nullable, columns["c"].primary_key) == (False, True)
    assert merged.table_map["t"].write_disposition == "replace"
    assert merged.table_map["t"].extra["x-more"] == 1
    assert "new" in merged.table_map


def test_a_wider_type_that_is_declared_stays_where_the_destination_can_have_it() -> None:
    known = Schema("s").with_tables([table("t", a="bigint", b="bool", c="text")])
    declared = Schema("s").with_tables([table("t", a="text", b="text", c="bigint")])
    limits = Limits(in_place=frozenset({("bigint", "text")}))
    columns = known.with_hints_of(declared, limits).table_map["t"].columns
    assert [c.data_type for c in columns.values()] == ["text", "bool", "text"]


def test_unknown_table_names_the_nearest() -> None:
    with pytest.raises(UsageError, match="did you mean `orders`"):
        SCHEMA.get_table("order")
