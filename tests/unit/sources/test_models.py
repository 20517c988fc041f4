"""Pydantic models as columns: types, nullability, and what becomes of rows that don't fit (2.15)."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from typing import Any, ClassVar, Literal
from uuid import UUID

import pydantic
import pytest

import ladle
from ladle.errors import DataError, LadleError, UsageError
from ladle.sources.models import contract_of_model


class Inner(pydantic.BaseModel):
    a: int


class Everything(pydantic.BaseModel):
    i: int
    s: str
    f: float
    b: bool
    at: datetime
    day: date
    price: Decimal
    uid: UUID
    maybe: int | None
    either: int | str
    inner: Inner
    many: list[int]
    any: dict[str, Any]
    word: Literal["a"]
    whatever: Any
    the_alias: int = pydantic.Field(alias="theAlias")


class Skipping(Inner):
    dlt_config: ClassVar[dict[str, bool]] = {"skip_nested_types": True}
    inner: Inner
    many: list[int]


class Row(pydantic.BaseModel):
    id: int
    name: str


class Loose(pydantic.BaseModel):
    id: int | None
    name: str | None


class Keeping(Row):
    dlt_config: ClassVar[dict[str, bool]] = {"return_validated_models": True}


def test_types_of_fields() -> None:
    columns = ladle.resource([], name="r", columns=Everything).columns
    types = {n: (c["data_type"], c["nullable"]) for n, c in columns.items()}
    assert types == {
        "i": ("bigint", False), "s": ("text", False), "f": ("double", False), "b": ("bool", False),
        "at": ("timestamp", False), "day": ("date", False), "price": ("decimal", False), "uid": ("text", False),
        "maybe": ("bigint", True), "either": ("bigint", False), "inner": ("json", False), "many": ("json", False),
        "any": ("json", False), "word": ("text", False), "theAlias": ("bigint", False),
    }  # fmt: skip
    assert set(ladle.resource([], name="r", columns=Skipping).columns) == {"a"}


DATA = [{"id": 1, "name": "a"}, {"id": "zz", "name": "b"}, {"id": 3, "name": "c", "more": 1}]
ONE, THREE = {"id": 1, "name": "a"}, {"id": 3, "name": "c"}
CASES: list[tuple[Any, Any]] = [
    (None, DataError),
    ({"data_type": "freeze"}, DataError),
    ({"data_type": "discard_row"}, [ONE, THREE]),
    ({"columns": "evolve", "data_type": "discard_row"}, [ONE, {**THREE, "more": 1}]),
    ({"columns": "freeze", "data_type": "discard_row"}, DataError),
    ({"columns": "discard_row", "data_type": "discard_row"}, [ONE]),
    ({"columns": "discard_value", "data_type": "discard_row"}, [ONE, THREE]),
    ({"data_type": "evolve"}, [ONE, DATA[1], THREE]),
    ("freeze", DataError),
]


@pytest.mark.parametrize(("contract", "expected"), CASES, ids=str)
@pytest.mark.parametrize("pages", [True, False])
def test_rows_that_do_not_fit(contract: Any, expected: Any, pages: bool) -> None:
    made = ladle.resource([list(DATA)] if pages else DATA, name="r", columns=Row, schema_contract=contract)
    if isinstance(expected, list):
        assert list(made) == expected
    else:
        with pytest.raises(expected) as caught:
            list(made)
        assert isinstance(caught.value, LadleError)


def test_fields_that_models_within_lack_evolve_too() -> None:
    class Outer(pydantic.BaseModel):
        the_inner: Inner = pydantic.Field(alias="theInner")
        many: list[Inner]
        named: dict[str, Inner]

    row = {
        "theInner": {"a": 1, "b": 2},
        "many": [{"a": 1}, {"a": 2, "c": 3}],
        "named": {"x": {"a": 1, "d": [{"e": 1}]}},
    }
    made = ladle.resource(
        [{**row, "more": 1}], name="r", columns=Outer, schema_contract={"columns": "evolve"}
    )
    assert list(made) == [{**row, "more": 1}]


def test_values_can_only_be_discarded_where_null_may_stand() -> None:
    with pytest.raises(UsageError, match="field `id` of model `Row` can't be null"):
        ladle.resource(DATA, name="r", columns=Row, schema_contract={"data_type": "discard_value"})
    made = ladle.resource(DATA, name="r", columns=Row)
    with pytest.raises(UsageError, match="field `id`"):
        made.apply_hints(schema_contract="discard_value")
    made = ladle.resource(DATA, name="r", columns=Loose, schema_contract={"data_type": "discard_value"})
    assert list(made) == [ONE, {"id": None, "name": "b"}, THREE]


def test_the_error_names_the_field() -> None:
    with pytest.raises(DataError, match="doesn't fit model `Row`") as caught:
        list(ladle.resource(DATA, name="r", columns=Row))
    assert (caught.value.resource, caught.value.column) == ("r", "id")


def test_values_are_coerced_and_models_stay_where_asked() -> None:
    assert list(ladle.resource([{"id": "5", "name": "x"}], name="r", columns=Row)) == [{"id": 5, "name": "x"}]
    assert list(ladle.resource([Row(id=1, name="a")], name="r", columns=Row)) == [ONE]
    kept = list(ladle.resource([{"id": "5", "name": "x"}], name="r", columns=Keeping))
    assert kept == [Keeping(id=5, name="x")]


@pytest.mark.parametrize(
    ("extra", "mode"),
    [("forbid", "freeze"), ("allow", "evolve"), ("ignore", "discard_value"), (None, "discard_value")],
)
def test_the_contract_of_a_model(extra: Any, mode: str) -> None:
    config = {"model_config": {"extra": extra}} if extra else {}
    model = type("M", (Row,), config)
    assert contract_of_model(model, None) == {"tables": "evolve", "columns": mode, "data_type": "freeze"}
    made = ladle.resource([], name="r", columns=model, schema_contract={"data_type": "evolve"})
    assert made.schema_contract == {"tables": "evolve", "columns": mode, "data_type": "evolve"}


def test_a_union_in_a_root_model_goes_by_its_tag() -> None:
    class A(pydantic.BaseModel):
        tag: Literal["a"]
        x: int

    class B(pydantic.BaseModel):
        tag: Literal["b"]
        y: int

    class Either(pydantic.RootModel[A | B]):
        root: A | B = pydantic.Field(discriminator="tag")

    rows = [{"tag": "a", "x": "1"}, {"tag": "b", "y": 2}, {"tag": "c"}]
    made = ladle.resource(rows, name="r", columns=Either, schema_contract={"data_type": "discard_row"})
    assert (made.columns, list(made)) == ({}, [{"tag": "a", "x": 1}, {"tag": "b", "y": 2}])


def test_validation_stands_after_maps_and_can_be_replaced_or_removed() -> None:
    made = ladle.resource([{"id": "zz", "name": "b"}], name="r", columns=Row)
    made.add_map(lambda row: {**row, "id": 7})
    assert list(made) == [{"id": 7, "name": "b"}]
    made.apply_hints(columns={})
    assert (made.validator, made.columns) == (None, {})
    made.validator = lambda item: None
    assert list(made) == []
