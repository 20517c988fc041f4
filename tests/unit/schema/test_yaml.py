"""Schema files: what is written comes back, and what is wrong is told with its place."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ladle.errors import UsageError
from ladle.schema.schema import Schema
from ladle.schema.yaml import read, read_file

TEXT = """\
name: shop
engine_version: 11
tables:
  users:
    columns:
      id:
        data_type: bigint
        x-annotation-pii: no
    resource: users
    mood: fine
settings:
  preferred_types:
    re:_at$: timestamp
normalizers:
  names: snake_case
"""


def test_a_file_comes_back_with_all_that_is_in_it() -> None:
    stored = {
        **read(TEXT, "x"),
        "description": "d",
        "imported_version_hash": "h",
        "own": {"a": [1, "b"]},
        "normalizers": {
            "names": "snake_case",
            "json": {
                "module": "dlt.common.normalizers.json.relational",
                "config": {
                    "max_nesting": 3,
                    "propagation": {"root": {"a": "b"}},
                    "root_key_propagation": True,
                },
            },
            "allow_identifier_change_on_table_with_data": True,
            "use_break_path_on_normalize": False,
            "own": 1,
        },
    }
    schema = Schema.from_dict(stored)
    for again in (
        read(schema.to_pretty_yaml(), "x"),
        read(schema.to_pretty_json(), "x", "json"),
        schema.to_dict(),
    ):
        assert Schema.from_dict(again).content() == schema.content()
        for key in ("description", "imported_version_hash", "own", "normalizers", "settings"):
            assert again[key] == stored[key], key
        assert again["tables"]["users"]["mood"] == "fine"
        assert again["tables"]["users"]["columns"]["id"]["x-annotation-pii"] is False


def test_defaults_are_left_out_as_in_the_reference() -> None:
    schema = Schema.from_dict(read(TEXT, "x"))
    short = read(schema.to_pretty_yaml(), "x")["tables"]["users"]
    assert "name" not in short
    assert "name" not in short["columns"]["id"]
    whole = read(schema.to_pretty_yaml(remove_defaults=False), "x")["tables"]["users"]
    assert (whole["name"], whole["columns"]["id"]["name"]) == ("users", "id")


def test_notes_of_loading_are_left_out_on_demand() -> None:
    noted = Schema.from_dict(
        read(TEXT.replace("mood: fine", "x-normalizer: {seen-data: true}\n    x-mine: 1"), "x")
    )
    kept = noted.to_dict(remove_processing_hints=True)["tables"]["users"]
    assert ("x-normalizer" in kept, kept["x-mine"]) == (False, 1)
    assert not Schema.from_dict(noted.to_dict(), remove_processing_hints=True).table_map["users"].loaded


def test_keys_are_text_and_dates_stay_text() -> None:
    text = TEXT.replace("      id:\n", "      on:\n").replace(
        "mood: fine", "mood: 2024-01-02\n    1: 012\n    2: ~"
    )
    table = read(text, "x")["tables"]["users"]
    assert list(table["columns"]) == ["on"]
    assert (table["mood"], table["1"], table["2"]) == ("2024-01-02", "012", None)


def test_anchors_and_merges() -> None:
    text = TEXT.replace(
        "      id:\n",
        "      a: &a {data_type: text, nullable: false}\n      b: *a\n      c: {<<: *a, nullable: true}\n      id:\n",
    )
    columns = read(text, "x")["tables"]["users"]["columns"]
    assert columns["b"] == {"data_type": "text", "nullable": False}
    assert columns["c"] == {"data_type": "text", "nullable": True}


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("data_type: bigint", "data_type: [x", "line 8, column"),
        ("data_type: bigint", "data_typ: bigint", "line 7, column 9: unknown key `data_typ` of column `id`"),
        ("data_type: bigint", "data_type: bigin", "line 7, column 20: data_type of column `id`"),
        ("resource: users", "resorce: users", "line 9, column 5: unknown key `resorce` of table `users`"),
        ("settings:", "setings:", "line 11, column 1: unknown key `setings` of a schema"),
        ("timestamp", "timestmp", "line 13, column 14: the preferred type for `re:_at$`"),
        ("  preferred_types", "  prefered_types", "unknown key `prefered_types` of `settings`"),
        (
            "    resource: users",
            "    resource: users\n    resource: b",
            "column 5: the key `resource` is there twice",
        ),
        ("  users:\n", "  users: 5\n  other:\n", "line 4, column 10: table `users` must be a mapping"),
        ("tables:", "tabels:", "a schema needs `tables`"),
        ("names: snake_case", "nams: snake_case", "did you mean `names`"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(old: str, new: str, message: str) -> None:
    with pytest.raises(UsageError) as error:
        read(TEXT.replace(old, new, 1), "shop.schema.yaml")
    assert message in str(error.value)
    assert "schema file `shop.schema.yaml`" in str(error.value)


@pytest.mark.parametrize(
    ("text", "kind", "message"),
    [
        ("", "yaml", "it is empty"),
        ("- a", "yaml", "a schema must be a mapping"),
        ('{"name": "a",\n "tables": }', "json", "line 2, column 12"),
        (
            '{"name": "a",\n\t"tables": {"t": {"columns": {"c": {"data_typ": 1}}}}}',
            "json",
            "unknown key `data_typ`",
        ),
    ],
)
def test_what_is_no_schema_is_refused(text: str, kind: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        read(text, "x", kind)


def test_files(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no schema file"):
        read_file(tmp_path / "none.yaml")
    (tmp_path / "a.json").write_text(json.dumps(read(TEXT, "x")))
    assert read_file(tmp_path / "a.json") == read(TEXT, "x")
    (tmp_path / "b.yaml").write_bytes(b"name: \xff")
    with pytest.raises(UsageError, match="isn't UTF-8"):
        read_file(tmp_path / "b.yaml")


def test_a_later_engine_version_is_refused() -> None:
    with pytest.raises(UsageError, match="engine version 12"):
        Schema.from_dict({**read(TEXT, "x"), "engine_version": 12})


def test_children_may_stand_before_their_parents() -> None:
    tables = {"a__b__c": {"parent": "a__b"}, "a__b": {"parent": "a"}, "z": {}, "a": {}}
    assert list(Schema.from_dict({"name": "s", "tables": tables}).table_map) == ["a", "a__b", "a__b__c", "z"]
    around = {"a": {"parent": "b"}, "b": {"parent": "a"}}
    assert set(Schema.from_dict({"name": "s", "tables": around}).table_map) == {"a", "b"}
