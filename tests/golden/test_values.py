"""Every class of value, from Python and from Arrow, lands with the type and value of the tables beside this file."""

from __future__ import annotations

import math
from collections import OrderedDict, deque, namedtuple
from dataclasses import make_dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum
from pathlib import Path
from types import MappingProxyType
from typing import Any
from uuid import UUID

import numpy
import pandas
import pyarrow as pa
import pyarrow.compute as pc
import pydantic
import pytest
from tests.loading import Site


class Model(pydantic.BaseModel):
    a: int = 1
    b_name: str = pydantic.Field("x", alias="bName")


HERE = Path(__file__).parent
NAMES = {
    f.__name__.rpartition(".")[2]: f
    for f in (
        OrderedDict, deque, namedtuple, make_dataclass, date, datetime, time, timedelta, timezone, Decimal,
        Enum, IntEnum, UUID, numpy, pandas, pydantic,
    )
} | {"UTC": UTC, "pa": pa, "pc": pc, "MappingProxyType": MappingProxyType, "Model": Model}  # fmt: skip


def read(name: str) -> list[Any]:
    lines = (HERE / name).read_text(encoding="utf-8").splitlines()
    rows = [line.split("\t") for line in lines if line and not line.startswith("#")]
    return [pytest.param(*row, id=row[0]) for row in rows]


def evaluate(expression: str) -> Any:
    return eval(expression, dict(NAMES))


def same(found: Any, wanted: Any) -> bool:
    if isinstance(wanted, float):
        both_nan = math.isnan(found) and math.isnan(wanted)
        return both_nan or (found == wanted and math.copysign(1, found) == math.copysign(1, wanted))
    return bool(found == wanted)


@pytest.mark.parametrize(("value", "type_", "expected"), read("values.tsv"))
def test_python_value_keeps_type_and_content(value: str, type_: str, expected: str, tmp_path: Path) -> None:
    table = Site.in_memory(tmp_path).load([{"v": evaluate(value)}])["t"]
    if type_ == "nothing":
        assert table.types == {}
        return
    ((column, found),) = [(n, v) for n, v in table.rows[0].items() if v is not None and n in table.types]
    assert table.types[column] == type_
    assert same(found, evaluate(expected))


@pytest.mark.parametrize(("value", "expected"), read("nested_values.tsv"))
def test_nested_python_value_becomes_columns_or_a_table(value: str, expected: str, tmp_path: Path) -> None:
    tables = Site.in_memory(tmp_path).load([{"v": evaluate(value)}])
    assert {name: table.data for name, table in tables.items()} == evaluate(expected)


@pytest.mark.parametrize(("array", "type_", "expected"), read("arrow.tsv"))
def test_arrow_column_keeps_type_and_content(array: str, type_: str, expected: str, tmp_path: Path) -> None:
    table = Site.in_memory(tmp_path).load(pa.table({"v": evaluate(array)}))["t"]
    assert dict(table.columns) == {"v": type_}
    assert table.values("v") == evaluate(expected)
