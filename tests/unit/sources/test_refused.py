"""What is wrong is refused where it is written: the message names what was expected, and the nearest match."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import ladle
from ladle.errors import (
    DataItemRequiredForDynamicTableHints,
    DeletingResourcesNotSupported,
    ExplicitSourceNameInvalid,
    FileImportNotFound,
    InconsistentTableTemplate,
    InvalidResourceDataType,
    InvalidResourceDataTypeMultiplePipes,
    InvalidStepFunctionArguments,
    InvalidTransformerGeneratorFunction,
    LadleError,
    ParametrizedResourceUnbound,
    PipeNotBoundToData,
    ResourceNameMissing,
    ResourceNotATransformer,
    SourceDataIsNone,
    SourceIsAClassTypeError,
    SourceNotAFunction,
    UsageError,
)


def made(**hints: Any) -> Any:
    return ladle.resource([1], name="r", **hints)


def needs(a: int) -> Any:
    yield a


HINTS: list[tuple[dict[str, Any], str]] = [
    ({"write_disposition": "apend"}, "did you mean `append`"),
    ({"write_disposition": {"disposition": "replac"}}, "did you mean `replace`"),
    ({"write_disposition": {"disposition": "replace", "strateg": 1}}, "did you mean `strategy`"),
    (
        {"write_disposition": {"disposition": "replace", "strategy": "truncate-and-insrt"}},
        "did you mean `truncate-and-insert`",
    ),
    ({"write_disposition": {"disposition": "append", "strategy": "x"}}, "has no strategies"),
    (
        {"write_disposition": {"disposition": "merge", "strategy": "upsrt"}},
        "delete-insert, upsert, insert-only",
    ),
    ({"table_format": "delt"}, "did you mean `delta`"),
    ({"file_format": "parket"}, "did you mean `parquet`"),
    ({"schema_contract": "freez"}, "did you mean `freeze`"),
    ({"schema_contract": {"column": "freeze"}}, "did you mean `columns`"),
    ({"schema_contract": {"columns": "evolv"}}, "did you mean `evolve`"),
    ({"references": {"columns": []}}, "must be a list"),
    ({"references": [{"columns": ["a"], "referenced_table": "t"}]}, "no `referenced_columns`"),
    ({"references": [{"column": ["a"]}]}, "did you mean `columns`"),
    ({"nested_hints": {"a": {"colums": {}}}}, "did you mean `columns`"),
    ({"nested_hints": []}, "can't be"),
    ({"columns": {"a": {"data_type": "bigintt"}}}, "did you mean `bigint`"),
    ({"columns": 5}, "pydantic model"),
    ({"max_table_nesting": -1}, "whole number"),
    ({"primary_key": 5}, "column name"),
    ({"table_name": ""}, "not empty"),
    ({"incremental": "updated_at"}, "ladle.sources.incremental"),
]


@pytest.mark.parametrize(("hints", "message"), HINTS, ids=str)
def test_hints(hints: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        made(**hints)


def test_hints_by_marks_and_methods() -> None:
    with pytest.raises(UsageError, match="did you mean `append`"):
        ladle.mark.make_hints(write_disposition="apend")
    with pytest.raises(UsageError, match="did you mean `columns`"):
        ladle.mark.make_nested_hints(colums={})
    with pytest.raises(UsageError, match="did you mean `table_name`"):
        made().merge_hints({"tablename": "t"})
    with pytest.raises(InconsistentTableTemplate, match="without those of `a`"):
        made(nested_hints={("a", "b"): {}})


CALLS: list[tuple[str, Callable[[], Any], type[LadleError], str]] = [
    ("no name", lambda: ladle.resource([1]), ResourceNameMissing, "has no name"),
    ("empty name", lambda: ladle.resource([1], name=" "), UsageError, "not empty"),
    ("class", lambda: ladle.resource(int, name="r"), InvalidResourceDataType, "class `int`"),
    ("transformer of data", lambda: ladle.transformer([1]), InvalidTransformerGeneratorFunction, "function of an item"),
    ("transformer without item", lambda: ladle.transformer(lambda: 1), InvalidTransformerGeneratorFunction, "no item"),
    ("transformer of meta", lambda: ladle.transformer(lambda meta: 1), InvalidTransformerGeneratorFunction, "no item"),
    ("pipe into a resource", lambda: made() | made(), ResourceNotATransformer, "@ladle.transformer"),
    ("map without item", lambda: made().add_map(lambda: 1), InvalidStepFunctionArguments, "an item"),
    ("map with three", lambda: made().add_map(lambda a, b, c: 1), InvalidStepFunctionArguments, "an item"),
    ("map that is none", lambda: made().add_map(5), InvalidStepFunctionArguments, "a function"),
    ("filter that is none", lambda: made().add_filter("x"), InvalidStepFunctionArguments, "a function"),
    ("step before the head", lambda: made().add_map(str, insert_at=0), UsageError, "insert_at from 1"),
    ("stage that is data", lambda: made().add_pipe([1]), InvalidResourceDataType, "a transformer"),
    ("limit", lambda: made().add_limit("3"), UsageError, "a number"),
    ("limit of time", lambda: made().add_limit(max_time="3"), UsageError, "a number"),
    ("unbound", lambda: list(ladle.resource(needs)), ParametrizedResourceUnbound, r"\(a: "),
    ("no parent", lambda: list(ladle.transformer(lambda i: i, name="t")), PipeNotBoundToData, "data_from"),
    ("no item", lambda: made(columns=lambda i: {}).compute_table_schema(), DataItemRequiredForDynamicTableHints, "an item"),
    ("class as source", lambda: ladle.source(int), SourceIsAClassTypeError, "class `int`"),
    ("data as source", lambda: ladle.source(5), SourceNotAFunction, "`int`"),
    ("source name", lambda: ladle.source(name="a b")(lambda: 1), ExplicitSourceNameInvalid, "letters"),
    ("source contract", lambda: ladle.source(schema_contract="freez"), UsageError, "freeze"),
    ("source root_key", lambda: ladle.source(root_key="yes"), UsageError, "True, False"),
    ("source schema", lambda: ladle.source(schema="s"), UsageError, "ladle.Schema"),
    ("source nesting", lambda: ladle.source(max_table_nesting=-1), UsageError, "whole number"),
    ("source of nothing", lambda: ladle.source(lambda: None, name="s")(), SourceDataIsNone, "return or yield"),
    ("source of rows", lambda: ladle.source(lambda: [{"a": 1}], name="s")(), ResourceNameMissing, "has no name"),
    ("two of a name", lambda: ladle.source(lambda: [made(), made()], name="s")(), InvalidResourceDataTypeMultiplePipes, "with_name"),
    ("deleting", lambda: ladle.source(made, name="s")().resources.pop("r"), DeletingResourcesNotSupported, "deselect"),
    ("strategy", lambda: ladle.source(made, name="s")().decompose("sc"), UsageError, "did you mean `scc`"),
    ("file", lambda: ladle.mark.with_file_import("nowhere.csv", "csv"), FileImportNotFound, "isn't there"),
    ("file format", lambda: ladle.mark.with_file_import("nowhere.csv", "cvs"), UsageError, "did you mean `csv`"),
    ("variant", lambda: made().apply_hints(create_table_variant=True), UsageError, "table_name"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "error", "message"), [c[1:] for c in CALLS], ids=[c[0] for c in CALLS])
def test_calls(call: Callable[[], Any], error: type[LadleError], message: str) -> None:
    with pytest.raises(error, match=message) as caught:
        call()
    assert len(str(caught.value).splitlines()) <= 4


def test_attributes() -> None:
    with pytest.raises(AttributeError, match="no resource `x`; it has r"):
        _ = ladle.source(made, name="s")().x
    with pytest.raises(TypeError, match="takes no arguments"):
        made()(1)
    with pytest.raises(TypeError, match="unexpected keyword argument 'b'"):
        ladle.resource(needs)(1, b=2)
