"""Names, order and defaults of arguments are those of appendix A.1, A.2, A.4 and A.5 of the specification.

Types are left out. `...` stands for a default that is the reference's own object.
"""

from __future__ import annotations

import inspect
from typing import Any

import pytest

import ladle
from ladle.sources.resource import Resource
from ladle.sources.source import Source

FUNCTIONS = {
    ladle.source: "func=None, name=None, section=None, max_table_nesting=None, root_key=None, schema=None, "
    "schema_contract=None, spec=None, parallelized=False",
    ladle.resource: "data=None, name=None, table_name=None, max_table_nesting=None, write_disposition=None, "
    "columns=None, primary_key=None, merge_key=None, schema_contract=None, table_format=None, file_format=None, "
    "references=None, nested_hints=None, selected=True, spec=None, parallelized=False, incremental=None, "
    "section=None, _base_spec=..., standalone=None, data_from=None",
    ladle.transformer: "f=None, data_from=..., name=None, table_name=None, max_table_nesting=None, "
    "write_disposition=None, columns=None, primary_key=None, merge_key=None, schema_contract=None, "
    "table_format=None, file_format=None, references=None, nested_hints=None, selected=True, spec=None, "
    "parallelized=False, section=None, standalone=None",
    ladle.defer: "f",
    ladle.mark.make_hints: "table_name=None, parent_table_name=None, write_disposition=None, columns=None, "
    "primary_key=None, merge_key=None, schema_contract=None, table_format=None, file_format=None, "
    "additional_table_hints=None, references=None, incremental=None, nested_hints=None",
    ladle.mark.make_nested_hints: "**hints",
    ladle.mark.materialize_table_schema: "",
    ladle.mark.with_file_import: "file_path, file_format, items_count=0, hints=None",
    ladle.mark.with_hints: "item, hints=None, create_table_variant=False",
    ladle.mark.with_table_name: "item, table_name",
    ladle.current.destination_state: "",
    ladle.current.get_resource: "",
    ladle.current.get_resource_metrics: "",
    ladle.current.load_package_state: "",
    ladle.current.pipe: "",
    ladle.current.pipeline: "",
    ladle.current.resource: "",
    ladle.current.resource_metrics: "",
    ladle.current.resource_name: "",
    ladle.current.resource_state: "resource_name=None, source_state_=None",
    ladle.current.run_context: "",
    ladle.current.source: "",
    ladle.current.source_schema: "",
    ladle.current.source_state: "source_state_key=None",
    ladle.current.state: "source_state_key=None",
    ladle.current.timezone: "",
}
OF_SOURCE = {
    "__iter__": "",
    "add_limit": "max_items=None, max_time=None, count_rows=False",
    "clone": "with_name=None",
    "decompose": "strategy",
    "discover_schema": "item=None, meta=None",
    "from_data": "schema, section, data",
    "parallelize": "",
    "with_resources": "*resource_names",
}
OF_RESOURCE = {
    "__call__": "*args, **kwargs",
    "__iter__": "",
    "__or__": "transform",
    "add_filter": "item_filter, insert_at=None",
    "add_input": "location, replace=False",
    "add_limit": "max_items=None, max_time=None, count_rows=False",
    "add_map": "item_map, insert_at=None",
    "add_metrics": "metrics_f, insert_at=None",
    "add_pipe": "data",
    "add_step": "item_transform, insert_at=None",
    "add_yield_map": "item_map, insert_at=None",
    "apply_hints": "table_name=None, parent_table_name=None, write_disposition=None, columns=None, primary_key=None, "
    "merge_key=None, incremental=None, schema_contract=None, additional_table_hints=None, table_format=None, "
    "file_format=None, references=None, create_table_variant=False, nested_hints=None",
    "bind": "*args, **kwargs",
    "compute_nested_table_schemas": "root_table_name, naming, item=None, meta=None",
    "compute_table_schema": "item=None, meta=None",
    "compute_tables": "naming, item=None, meta=None",
    "from_data": "data, name=None, section=None, hints=None, selected=True, data_from=None, inject_config=False",
    "get_nested_hints": "root_table_name, naming, item=None, meta=None",
    "merge_hints": "hints_template, create_table_variant=False",
    "parallelize": "",
    "pipe_data_from": "data_from",
    "select_tables": "*table_names",
    "set_incremental": "new_incremental",
    "with_name": "new_name, new_section=None",
}
RESOURCE_PROPERTIES = [
    "args_bound",
    "columns",
    "custom_metrics",
    "explicit_args",
    "has_dynamic_table_name",
    "has_other_dynamic_hints",
    "incremental",
    "inputs",
    "is_transformer",
    "limit",
    "max_table_nesting",
    "name",
    "nested_hints",
    "parent_table_name",
    "requires_args",
    "schema_contract",
    "state",
    "table_format",
    "table_name",
    "validator",
    "write_disposition",
    "selected",
    "section",
    "source_name",
]
SOURCE_PROPERTIES = [
    "exhausted",
    "max_table_nesting",
    "name",
    "resources",
    "root_key",
    "run",
    "schema",
    "schema_contract",
    "selected_resources",
    "state",
    "section",
]


OWN = {"rules", "tags"}
"""Arguments that the reference doesn't have; they come after all others, and by name."""


def shown(function: Any) -> str:
    parts = []
    for p in inspect.signature(function).parameters.values():
        stars = {p.VAR_POSITIONAL: "*", p.VAR_KEYWORD: "**"}.get(p.kind, "")
        if p.name != "self" and p.name not in OWN:
            parts.append(f"{stars}{p.name}" if p.default is p.empty else f"{p.name}={p.default!r}")
    return ", ".join(parts)


def agree(ours: str, theirs: str) -> bool:
    pairs = list(zip(ours.split(", "), theirs.split(", "), strict=False))
    same = all(o == t or (t.endswith("=...") and o.split("=")[0] == t.split("=")[0]) for o, t in pairs)
    return same and len(ours.split(", ")) == len(theirs.split(", "))


@pytest.mark.parametrize(
    "function", [ladle.source, ladle.resource, ladle.transformer, ladle.mark.make_hints, Resource.apply_hints]
)
def test_own_arguments_come_last(function: Any) -> None:
    names = list(inspect.signature(function).parameters)
    own = [name for name in names if name in OWN]
    assert own
    assert names[-len(own) :] == own


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda f: f.__name__)
def test_functions(function: Any) -> None:
    assert agree(shown(function), FUNCTIONS[function]), shown(function)


@pytest.mark.parametrize("name", OF_SOURCE)
def test_methods_of_sources(name: str) -> None:
    assert shown(getattr(Source, name)) == OF_SOURCE[name]


@pytest.mark.parametrize("name", OF_RESOURCE)
def test_methods_of_resources(name: str) -> None:
    assert shown(getattr(Resource, name)) == OF_RESOURCE[name]


def test_properties() -> None:
    resource = ladle.resource([1], name="r")
    source = ladle.source(lambda: resource, name="s")()
    assert all(hasattr(resource, name) for name in RESOURCE_PROPERTIES)
    assert all(hasattr(source, name) for name in SOURCE_PROPERTIES)


def test_names_of_sources() -> None:
    assert (ladle.sources.DltResource, ladle.sources.DltSource) == (Resource, Source)
    assert ladle.sources.TDataItem is ladle.sources.TDataItems is Any
    assert ladle.sources.incremental("a").cursor_path == "a"
