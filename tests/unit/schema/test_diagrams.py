"""References and pictures of a schema."""

from __future__ import annotations

from typing import Any

import pytest

from ladle.schema.schema import Schema

LINKS = {
    "_dlt_id": {"data_type": "text", "nullable": False, "unique": True, "row_key": True},
    "_dlt_parent_id": {"data_type": "text", "nullable": False, "parent_key": True},
    "_dlt_root_id": {"data_type": "text", "nullable": False, "root_key": True},
}


@pytest.fixture
def schema() -> Schema:
    made = Schema("shop")
    made.update_table(
        {
            "name": "users",
            "resource": "users",
            "description": "who's who",
            "columns": {
                "id": {"data_type": "bigint", "primary_key": True, "nullable": False},
                "city": {"data_type": "text", "description": 'say "hi"'},
                "later": {},
                "_dlt_load_id": {"data_type": "text", "nullable": False},
                "_dlt_id": LINKS["_dlt_id"],
            },
            "references": [
                {"columns": ["city"], "referenced_table": "cities", "referenced_columns": ["name"]}
            ],
        }
    )
    made.update_table(
        {"name": "users__pets", "parent": "users", "columns": {"n": {"data_type": "text"}, **LINKS}}
    )
    made.update_table({"name": "cities", "resource": "geo", "columns": {"name": {"data_type": "text"}}})
    return made


def link(table: str, column: str, to: str, to_column: str, **more: str) -> dict[str, Any]:
    ends = {"referenced_table": to, "referenced_columns": [to_column]}
    return {"table": table, "columns": [column], **ends, **more}


def test_references_are_those_of_users_and_those_of_nesting(schema: Schema) -> None:
    up = {"cardinality": "many_to_one"}
    assert schema.references[:4] == [
        link("users", "_dlt_load_id", "_dlt_loads", "load_id", label="_dlt_load", **up),
        link("users", "city", "cities", "name"),
        link("users__pets", "_dlt_parent_id", "users", "_dlt_id", label="_dlt_parent", **up),
        link("users__pets", "_dlt_root_id", "users", "_dlt_id", label="_dlt_root", **up),
    ]
    assert [r["label"] for r in schema.references[4:]] == ["_dlt_schema_version", "_dlt_schema_name"]


def test_mermaid(schema: Schema) -> None:
    text = schema.to_mermaid(include_dlt_tables=False)
    assert text == (
        "erDiagram\n"
        "    users{\n"
        "    bigint id PK\n"
        "    text city \"say 'hi'\"\n"
        "    text _dlt_load_id\n"
        "    text _dlt_id UK\n"
        "}\n"
        "    users__pets{\n"
        "    text n\n"
        "    text _dlt_id UK\n"
        "    text _dlt_parent_id\n"
        "    text _dlt_root_id\n"
        "}\n"
        "    cities{\n"
        "    text name\n"
        "}\n"
        '    users ||--|{ cities : ""\n'
        '    users__pets }|--|| users : "_dlt_parent"\n'
        '    users__pets }|--|| users : "_dlt_root"\n'
    )
    assert "bigint" not in schema.to_mermaid(hide_columns=True)
    assert "say" not in schema.to_mermaid(hide_descriptions=True)
    assert '    users }|--|| _dlt_loads : "_dlt_load"\n' in schema.to_mermaid()


def test_dbml(schema: Schema) -> None:
    text = schema.to_dbml(include_dlt_tables=False, include_root_child_ref=False, group_by_resource=True)
    assert text == (
        'Table "users" {\n'
        '    "id" bigint [pk, not null]\n'
        '    "city" text [note: \'say "hi"\']\n'
        '    "_dlt_load_id" text [not null]\n'
        '    "_dlt_id" text [unique, not null]\n'
        "    Note {\n        'who\\'s who'\n    }\n"
        "}\n\n"
        'Table "users__pets" {\n'
        '    "n" text\n'
        '    "_dlt_id" text [unique, not null]\n'
        '    "_dlt_parent_id" text [not null]\n'
        '    "_dlt_root_id" text [not null]\n'
        "}\n\n"
        'Table "cities" {\n    "name" text\n}\n\n'
        'Ref {\n    "users"."city" <> "cities"."name"\n}\n\n'
        'Ref {\n    "users__pets"."_dlt_parent_id" > "users"."_dlt_id"\n}\n\n'
        'TableGroup "users" {\n    "users"\n    "users__pets"\n}\n\n'
        'TableGroup "geo" {\n    "cities"\n}\n'
    )


def test_dot(schema: Schema) -> None:
    text = schema.to_dot(include_dlt_tables=False)
    assert text.startswith('digraph "shop" {')
    assert text.endswith("}\n")
    assert text.count("shape=plain") == 1
    assert '"users":f2 -> "cities":f1 [arrowtail=tee, arrowhead=crow];' in text
    assert '"users__pets":f3 -> "users":f4 [arrowtail=crow, arrowhead=tee, label="_dlt_parent"];' in text
    assert text.count("{") == text.count("}")
    grouped = schema.to_dot(
        group_by_resource=True, include_internal_dlt_ref=False, include_parent_child_ref=False
    )
    assert grouped.count("subgraph cluster_") == 3
    assert "_dlt_load" in grouped
    assert '_dlt_parent"' not in grouped


def test_odd_names_are_quoted() -> None:
    odd = Schema("s", naming="duck_case")
    odd.update_table({"name": "a 'b", "columns": {"größe <m>": {"data_type": "text"}}})
    assert '"a \'b"{\n    text gr__e__m_\n' in odd.to_mermaid()
    assert 'Table "a \'b" {\n    "größe <m>" text\n' in odd.to_dbml()
    assert "größe &lt;m&gt;" in odd.to_dot()


def test_references_to_what_is_not_there_are_left_out(schema: Schema) -> None:
    schema.drop_tables(["cities"])
    assert "cities" not in schema.to_mermaid() + schema.to_dbml() + schema.to_dot()
