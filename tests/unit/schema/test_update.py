"""The methods by which users change a schema in place, with what the reference is seen to return."""

from __future__ import annotations

from typing import Any

import pytest

from ladle.errors import TableNotFound, UsageError
from ladle.schema.schema import Schema

ID = {"name": "id", "data_type": "bigint", "primary_key": True, "nullable": False}


def made() -> Schema:
    schema = Schema("s")
    schema.update_table(
        {
            "name": "T One",
            "columns": {"Id": {**ID, "name": "Id"}, "x": {"name": "x"}},
            "write_disposition": "merge",
            "resource": "r",
        }
    )
    return schema


def test_a_table_is_added_with_its_names_normalised() -> None:
    schema = Schema("s")
    partial = {"name": "T One", "columns": {"Id": {**ID, "name": "Id"}}, "resource": "r"}
    assert schema.update_table(partial) == {"name": "t_one", "columns": {"id": ID}, "resource": "r"}
    assert schema.get_table("t_one")["columns"] == {"id": ID}
    kept = Schema("s")
    assert kept.update_table({"name": "T One", "columns": {}}, normalize_identifiers=False)["name"] == "T One"
    assert "T One" in kept.tables


def test_hints_that_are_not_mentioned_stay() -> None:
    schema = made()
    schema.update_table(
        {"name": "t_one", "columns": {"id": {"description": "d"}, "y": {"data_type": "text"}}}
    )
    table = schema.get_table("t_one")
    assert table["columns"]["id"] == {**ID, "description": "d"}
    assert (table["write_disposition"], list(table["columns"])) == ("merge", ["id", "x", "y"])


@pytest.mark.parametrize(("merges", "keys"), [(True, ["id", "y"]), (False, ["y"])])
def test_keys_are_merged_or_replaced(merges: bool, keys: list[str]) -> None:
    schema = made()
    schema.update_table(
        {"name": "t_one", "columns": {"y": {"primary_key": True}}}, merge_compound_props=merges
    )
    assert schema.table_map["t_one"].keys("primary_key") == keys


@pytest.mark.parametrize(
    ("partial", "message"),
    [
        ({"columns": {}}, "a table needs a name"),
        ({"name": "kids", "parent": "t_won"}, "did you mean `t_one`"),
        ({"name": "kids", "parent": "t_one", "resource": "r"}, "both a parent and a resource"),
        ({"name": "t_one", "columns": {"id": {"data_type": "bigin"}}}, "did you mean `bigint`"),
    ],
)
def test_wrong_tables_are_refused_and_change_nothing(partial: dict[str, Any], message: str) -> None:
    schema = made()
    before = schema.to_dict()
    with pytest.raises(UsageError, match=message):
        schema.update_table(partial)
    assert schema.to_dict() == before


def test_listing_leaves_out_tables_and_columns_without_types() -> None:
    schema = made()
    schema.update_table({"name": "empty", "columns": {"a": {"name": "a"}}})
    assert schema.data_table_names() == ["t_one"]
    assert schema.data_table_names(include_incomplete=True) == ["t_one", "empty"]
    assert schema.data_table_names(seen_data_only=True) == []
    assert [t["name"] for t in schema.data_tables()] == ["t_one"]
    assert list(schema.get_table_columns("t_one")) == ["id"]
    assert list(schema.get_table_columns("t_one", include_incomplete=True)) == ["id", "x"]
    assert [schema.is_new_table(n) for n in ("t_one", "empty", "none")] == [False, True, True]
    assert schema.dlt_table_names()[:2] == ["_dlt_version", "_dlt_loads"]
    assert [t["name"] for t in schema.dlt_tables()] == schema.dlt_table_names()


def test_tables_are_dropped_from_the_schema() -> None:
    schema = made()
    assert [t["name"] for t in schema.drop_tables(["t_one"])] == ["t_one"]
    assert schema.data_table_names() == []
    with pytest.raises(KeyError):
        schema.drop_tables(["t_one"])
    with pytest.raises(TableNotFound):
        schema.get_table("t_one")


def test_rules_by_name_are_normalised_merged_or_replaced() -> None:
    schema = Schema("s")
    schema.merge_hints({"partition": ["re:_ts$"], "primary_key": ["Id"], "not_null": ["re:^must"]})
    hints = schema.settings["default_hints"]
    assert hints["partition"] == ["re:_ts$"]
    assert hints["primary_key"] == ["id"]
    assert hints["not_null"][-2:] == ["_dlt_load_id", "re:^must"]
    schema.merge_hints({"partition": ["re:_x$"]})
    assert schema.settings["default_hints"]["partition"] == ["re:_ts$", "re:_x$"]
    schema.merge_hints({"partition": ["OnlyThis"]}, replace=True)
    assert schema.settings["default_hints"]["partition"] == ["only_this"]
    assert schema.settings["default_hints"]["primary_key"] == ["id"]


def test_preferred_types_are_added() -> None:
    schema = Schema("s")
    schema.update_preferred_types({"re:_at$": "timestamp", "MyCol": "text"})
    schema.update_preferred_types({"re:_b$": "date"})
    assert schema.settings["preferred_types"] == {"re:_at$": "timestamp", "my_col": "text", "re:_b$": "date"}
    assert [schema.get_preferred_type(n) for n in ("made_at", "my_col", "my_cols")] == [
        "timestamp",
        "text",
        None,
    ]


@pytest.mark.parametrize(
    ("method", "argument", "message"),
    [
        ("merge_hints", {"partitions": ["a"]}, "did you mean `partition`"),
        ("merge_hints", {"partition": ["re:("]}, "no regular expression"),
        ("merge_hints", {"partition": [1]}, "can't be `1`"),
        ("update_preferred_types", {"a": "tex"}, "did you mean `text`"),
        ("add_type_detection", "iso_dat", "did you mean `iso_date`"),
    ],
)
def test_wrong_settings_are_refused(method: str, argument: Any, message: str) -> None:
    schema = Schema("s")
    with pytest.raises(UsageError, match=message):
        getattr(schema, method)(argument)
    assert schema == Schema("s")


def test_detections_and_contract() -> None:
    schema = Schema("s")
    schema.add_type_detection("iso_date")
    schema.add_type_detection("iso_date")
    assert schema.settings["detections"] == ["iso_timestamp", "iso_date"]
    schema.remove_type_detection("iso_timestamp")
    schema.remove_type_detection("iso_timestamp")
    assert schema.settings["detections"] == ["iso_date"]
    schema.set_schema_contract({"tables": "freeze"})
    assert schema.settings["schema_contract"] == {"tables": "freeze"}
    schema.set_schema_contract(None)
    assert "schema_contract" not in schema.settings


def test_a_stored_schema_has_the_next_version_once_it_changes() -> None:
    new = made()
    assert (new.is_new, new.is_modified, new.version, new.stored_version) == (True, True, 1, None)
    stored = Schema.from_dict(new.to_dict())
    first = stored.version_hash
    assert (stored.is_new, stored.is_modified, stored.stored_version) == (False, False, 1)
    stored.update_table({"name": "t_one", "columns": {"id": {"data_type": "bigint"}}})
    assert (stored.version, stored.is_modified) == (1, False)
    stored.add_type_detection("iso_date")
    stored.add_type_detection("timestamp")
    assert (stored.version, stored.previous_hashes, stored.is_modified) == (2, (first,), True)
    assert (stored.stored_version, stored.stored_version_hash) == (1, first)
    kept = stored.to_dict(bump_version=False)
    assert (kept["version"], kept["version_hash"]) == (1, first)
    assert Schema.from_stored_schema(stored.to_dict()).version == 2


def test_clones_share_nothing() -> None:
    stored = Schema.from_dict(made().to_dict())
    stored.add_type_detection("iso_date")
    copied = stored.clone()
    assert (copied, copied.version, copied.stored_version) == (stored, 2, 1)
    copied.settings["detections"].append("timestamp")
    assert stored.settings["detections"] == ["iso_timestamp", "iso_date"]
    other = stored.clone(with_name="other")
    assert (other.name, other.version, other.previous_hashes, other.is_new) == ("other", 1, (), True)
    noted = stored.with_tables([stored.table_map["t_one"].noting(**{"seen-data": True})])
    assert noted.clone(remove_processing_hints=True).table_map == stored.table_map


def test_another_schema_goes_on_top() -> None:
    schema, other = made(), Schema("other")
    other.update_table({"name": "t_one", "columns": {"x": {"data_type": "text"}}})
    other.update_table({"name": "q", "columns": {"a": {"data_type": "text"}}})
    other.add_type_detection("iso_date")
    schema.update_schema(other)
    assert schema.name == "s"
    assert schema.data_table_names() == ["t_one", "q"]
    assert list(schema.get_table_columns("t_one")) == ["id", "x"]
    assert schema.settings["detections"] == ["iso_timestamp", "iso_date"]
    other.add_type_detection("timestamp")
    assert "timestamp" not in schema.settings["detections"]


def test_union_of_schemas() -> None:
    schema, other = made(), Schema("other")
    other.update_table({"name": "t_one", "columns": {"z": {"data_type": "text"}}})
    other.update_table({"name": "q", "columns": {"a": {"data_type": "text"}}})
    both = schema.unify_schemas([other])
    assert (both.name, both.version) == ("u_other_s", 1)
    assert list(both.get_table_columns("t_one")) == ["id", "z"]
    assert "q" in both.tables
    assert "q" not in schema.tables
    other.update_table({"name": "t_one", "columns": {"id": {"data_type": "text"}}})
    with pytest.raises(UsageError, match="column `id` of table `t_one` has two data types"):
        schema.unify_schemas([other])
    with pytest.raises(UsageError, match="several naming conventions"):
        schema.unify_schemas([Schema("d", naming="direct")], check_naming_convention=True)


def test_names_are_spelled_anew() -> None:
    schema = Schema("s", naming="direct")
    schema.update_table(
        {
            "name": "MyTable",
            "columns": {"createdAt": {"data_type": "text"}, "_dlt_id": {"data_type": "text"}},
            "references": [
                {"columns": ["createdAt"], "referenced_table": "MyTable", "referenced_columns": ["createdAt"]}
            ],
        }
    )
    schema.update_table({"name": "MyTable▶theKids", "parent": "MyTable", "columns": {"a": {}}})
    snake = schema.renamed("snake_case")
    assert list(snake.table_map) == ["my_table", "my_table__the_kids"]
    assert snake.table_map["my_table__the_kids"].parent == "my_table"
    assert list(snake.table_map["my_table"].columns) == ["created_at", "_dlt_id"]
    assert snake.get_table("my_table")["references"] == [
        {"columns": ["created_at"], "referenced_table": "my_table", "referenced_columns": ["created_at"]}
    ]
    before = schema.to_dict()
    schema.update_normalizers()
    assert schema.to_dict() == before
