"""Objects of all sorts to plain values."""

from __future__ import annotations

import enum
import sqlite3
from array import array
from collections import ChainMap, Counter, OrderedDict, UserDict, defaultdict, deque, namedtuple
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from fractions import Fraction
from types import MappingProxyType, SimpleNamespace
from typing import Any, NamedTuple
from uuid import UUID

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pydantic import BaseModel, Field, RootModel
from tests.unit.extract.reading import expected, read, read_one

from ladle.extract.plain import as_mapping, plain
from ladle.extract.refused import Refused


class Color(enum.Enum):
    RED = "red"
    NUMBER = np.int8(5)
    PAIR = (1, 2)


class Level(enum.IntEnum):
    LOW = 1


class Word(str, enum.Enum):  # noqa: UP042 - people have such
    YES = "yes"


class Text(str):
    pass


class Moment(datetime):
    def utcoffset(self) -> timedelta | None:
        return timedelta(hours=3)


class Fields(NamedTuple):
    a: int
    b: str


@dataclass(slots=True)
class Data:
    a: int
    b: Any = None


class Model(BaseModel):
    a: int
    inner: list[Model] = Field(default=[], alias="theInner")


class Root(RootModel[list[int]]):
    pass


class Attrs:
    __attrs_attrs__ = (SimpleNamespace(name="a"),)
    a = 1


class Struct:
    __struct_fields__ = ("a",)
    a = 1


def sqlite_row() -> Any:
    connection = sqlite3.connect(":memory:")
    connection.row_factory = sqlite3.Row
    try:
        return connection.execute("select 1 as a, 'x' as b").fetchone()
    finally:
        connection.close()


SAME = {
    "enum": (Color.RED, "red"),
    "enum of numpy": (Color.NUMBER, 5),
    "enum of tuple": (Color.PAIR, [1, 2]),
    "IntEnum": (Level.LOW, 1),
    "str enum": (Word.YES, "yes"),
    "str subclass": (Text("x"), "x"),
    "bytearray": (bytearray(b"x"), b"x"),
    "memoryview": (memoryview(b"abcd")[::2], b"ac"),
    "memoryview of ints": (memoryview(array("i", [1])), array("i", [1]).tobytes()),
    "datetime subclass": (Moment(2024, 1, 2, 3), datetime(2024, 1, 2, tzinfo=UTC)),
    "OrderedDict": (OrderedDict(b=1, a=2), {"b": 1, "a": 2}),
    "defaultdict": (defaultdict(int, a=1), {"a": 1}),
    "Counter": (Counter("aab"), {"a": 2, "b": 1}),
    "ChainMap": (ChainMap({"a": 1}, {"b": 2}), {"b": 2, "a": 1}),
    "UserDict": (UserDict(a=1), {"a": 1}),
    "mapping proxy": (MappingProxyType({"a": 1}), {"a": 1}),
    "sqlite row": (sqlite_row(), {"a": 1, "b": "x"}),
    "named tuple": (Fields(1, "x"), {"a": 1, "b": "x"}),
    "data class": (Data(1, Data(2)), {"a": 1, "b": {"a": 2, "b": None}}),
    "pydantic": (Model(a=1, theInner=[Model(a=2)]), {"a": 1, "theInner": [{"a": 2, "theInner": []}]}),
    "pydantic root": (Root([1, 2]), [1, 2]),
    "attrs": (Attrs(), {"a": 1}),
    "msgspec": (Struct(), {"a": 1}),
    "set": ({3, 1, 2}, [1, 2, 3]),
    "set of mixed": ({"b", 1, "a"}, [1, "a", "b"]),
    "frozenset": (frozenset("ba"), ["a", "b"]),
    "deque": (deque([1, 2]), [1, 2]),
    "dict views": ({"b": 1, "a": 2}.keys(), ["b", "a"]),
    "dict values": ({"b": 1, "a": 2}.values(), [1, 2]),
    "dict items": ({"b": 1}.items(), [("b", 1)]),
    "np.int8": (np.int8(-1), -1),
    "np.uint64": (np.uint64(2**64 - 1), 2**64 - 1),
    "np.float16": (np.float16(0.5), 0.5),
    "np.float32": (np.float32(0.1), 0.10000000149011612),
    "np.float64": (np.float64(0.1), 0.1),
    "np.longdouble": (np.longdouble("0.5"), 0.5),
    "np.bool": (np.bool_(True), True),
    "np.str": (np.str_("x"), "x"),
    "np.bytes": (np.bytes_(b"x"), b"x"),
    "np.void": (np.void(b"x"), b"x"),
    "np record": (np.array([(1, 2.5)], dtype="i4,f8")[0], {"f0": 1, "f1": 2.5}),
    "datetime64 us": (np.datetime64("2024-01-02T03:04:05.000006"), datetime(2024, 1, 2, 3, 4, 5, 6)),
    "datetime64 ns": (np.datetime64("2024-01-02T03:04:05.000006789"), datetime(2024, 1, 2, 3, 4, 5, 6)),
    "datetime64 day": (np.datetime64("2024-01-02"), date(2024, 1, 2)),
    "datetime64 month": (np.datetime64("2024-01"), date(2024, 1, 1)),
    "datetime64 of year 300000": (np.datetime64(300_000 - 1970, "Y"), "300000"),
    "datetime64 NaT": (np.datetime64("NaT"), None),
    "timedelta64 s": (np.timedelta64(5, "s"), 5_000_000),
    "timedelta64 ns": (np.timedelta64(5_001, "ns"), 5),
    "timedelta64 of two days": (np.timedelta64(3, "2D"), 6 * 86_400_000_000),
    "timedelta64 bare": (np.timedelta64(5), 5),
    "timedelta64 NaT": (np.timedelta64("NaT", "s"), None),
    "ndarray": (np.array([[1, 2], [3, 4]]), [[1, 2], [3, 4]]),
    "ndarray of no dimension": (np.array(5), 5),
    "ndarray of datetime64": (np.array(["2024-01-02"], "M8[ns]"), [datetime(2024, 1, 2)]),
    "ndarray of objects": (np.array([1, "a", None], dtype=object), [1, "a", None]),
    "ndarray of records": (np.array([(1, 2.5)], dtype="i4,f8"), [{"f0": 1, "f1": 2.5}]),
    "masked array": (np.ma.array([1, 2], mask=[False, True]), [1, None]),
    "masked": (np.ma.masked, None),
    "pd.NaT": (pd.NaT, None),
    "pd.NA": (pd.NA, None),
    "pd.Timestamp": (pd.Timestamp("2024-01-02T03:04:05.123456789"), datetime(2024, 1, 2, 3, 4, 5, 123456)),
    "pd.Timestamp aware": (pd.Timestamp("2024-01-02", tz="Asia/Tokyo"), datetime(2024, 1, 1, 15, tzinfo=UTC)),
    "pd.Timedelta": (pd.Timedelta(1_500, "ns"), timedelta(microseconds=1)),
    "pd.Series": (pd.Series([1, 2]), [1, 2]),
    "pa scalar": (pa.scalar(5, pa.int8()), 5),
    "pa struct scalar": (pa.scalar({"a": [1]}), {"a": [1]}),
    "pa null": (pa.scalar(None), None),
}


@pytest.mark.parametrize("name", SAME)
def test_object_is_stored_as_its_plain_value(name: str) -> None:
    value, same = SAME[name]
    assert read_one(value) == expected(same)
    assert read([value, None, "x"]) == [expected(same), None, ("text", "x")]


def test_subclasses_become_their_base() -> None:
    class Amount(Decimal):
        pass

    class Clock(time):
        pass

    class Day(date):
        pass

    class Id(UUID):
        pass

    class Number(float):
        pass

    for value in (Amount("1.5"), Clock(1, 2), Day(2024, 1, 2), Id(int=5), Number(-0.0), Moment(2024, 1, 2)):
        assert type(plain(value)) is type(value).__mro__[1]


class Many:
    """Looks like a pydantic model that gives another such model, without end."""

    def model_dump(self, by_alias: bool) -> Many:
        return Many()


@pytest.mark.parametrize(
    "value", [1j, range(3), object(), object, len, iter([]), (i for i in ()), Fraction(1, 2), Many()]
)
def test_what_has_no_plain_form_is_refused(value: Any) -> None:
    with pytest.raises(Refused) as caught:
        plain(value)
    assert caught.value.type is type(value)


def test_only_objects_with_fields_are_mappings() -> None:
    assert as_mapping(Fields(1, "x")) == {"a": 1, "b": "x"}
    root = Root([1])
    assert as_mapping(root) is root
    pair = namedtuple("Pair", "a")(1)
    assert as_mapping([pair]) == [pair]
