"""Schemas as values: stored forms come back, and nothing differs from itself."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from ladle.schema.change import diff
from ladle.schema.schema import Schema
from ladle.schema.table import DATA_TYPES, WRITE_DISPOSITIONS, Column, Table

NAMES = st.text(st.characters(min_codepoint=97, max_codepoint=122), min_size=1, max_size=5)
EXTRA = st.dictionaries(
    NAMES.map("x-{}".format), st.integers() | st.text() | st.lists(st.booleans()), max_size=2
)
MAYBE = st.none() | st.integers(0, 70)
COLUMN = st.builds(
    Column,
    name=st.just("c"),
    data_type=st.none() | st.sampled_from(DATA_TYPES),
    nullable=st.booleans(),
    precision=MAYBE,
    scale=MAYBE,
    timezone=st.sampled_from([None, False]),
    primary_key=st.booleans(),
    unique=st.booleans(),
    dedup_sort=st.sampled_from([None, "asc"]),
    extra=EXTRA,
)


@st.composite
def schemas(draw: st.DrawFn) -> Schema:
    tables: dict[str, Table] = {}
    for name in draw(st.lists(NAMES, unique=True, max_size=4)):
        columns = draw(st.dictionaries(NAMES, COLUMN, max_size=4))
        built = {n: Column.from_dict(n, {**c.to_dict(), "name": n}) for n, c in columns.items()}
        parent = draw(st.sampled_from([None, *tables]))
        own: dict[str, Any] = {"parent": parent} if parent else {"resource": name}
        disposition = draw(st.none() | st.sampled_from(WRITE_DISPOSITIONS))
        tables[name] = Table(name, built, write_disposition=disposition, extra=draw(EXTRA), **own)
    return Schema(draw(NAMES), tables, max_nesting=draw(MAYBE), version=draw(st.integers(1, 9)))


@given(schema=schemas())
@settings(max_examples=60)
def test_stored_form_comes_back(schema: Schema) -> None:
    stored = json.loads(json.dumps(schema.to_dict()))
    again = Schema.from_dict(stored)
    assert again.to_dict() == stored
    assert again.version_hash == schema.version_hash
    assert again.table_map == schema.table_map


@given(schema=schemas())
@settings(max_examples=60)
def test_nothing_differs_from_itself(schema: Schema) -> None:
    there = {n: {c.name: "any" for c in t.typed_columns()} for n, t in schema.table_map.items()}
    assert diff({n: c for n, c in there.items() if c}, schema.table_map) == []
    assert schema.bumped(schema).version == schema.version


@given(schema=schemas(), other=schemas())
@settings(max_examples=40)
def test_a_diff_once_applied_leaves_nothing(schema: Schema, other: Schema) -> None:
    there = {n: {c.name: "any" for c in t.typed_columns()} for n, t in other.table_map.items()}
    for change in diff(there, schema.table_map):
        if hasattr(change.table, "typed_columns"):
            there[change.table.name] = {c.name: "any" for c in change.table.typed_columns()}
        else:
            there[change.table][change.column.name] = "any"
    assert diff(there, schema.table_map) == []
