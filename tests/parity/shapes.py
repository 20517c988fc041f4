"""Small documents written for parity: examples of the specification, and what real data has too little of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

from tests.parity.documents import Document, select

_NESTED = {
    "id": 1,
    "Pets": [{"petName": "x", "Toys": [{"Toy Name": "ball"}]}],
    "tags": ["a", "b"],
    "m": [[1, 2], [3]],
    "addr": {"geo": {"lat": 1.5, "pts": [1, 2]}},
    "emptyl": [],
    "emptyd": {},
    "none": None,
}
_DEEP = {
    "id": 1,
    "d": {"x": 1, "y": {"z": 2}},
    "l": [{"a": 1, "dd": {"q": 1, "r": {"s": 5}}, "ll": [{"b": 1, "lll": [1, 2]}]}],
}
_DICTS = {"d": {"dd": {"l": [{"e": {"f": {"g": 1}}, "l2": [{"h": {"i": 1}}], "ll": [[1, [2]]]}]}}}
_NAMES = (
    "DealFlow", "createdAt", "HTTPServer", "HTTPResponseCode", "ABc", "ABCDefGHI", "userID", "UserIDs",
    "iPhone", "X86Y", "a1B2", "camelCase2Snake", "2ndPlace", "1", "+1", "-1", "a@b", "a*b", "a|b", "a-b",
    "a.b", "a/b", "a_", "a__", "name_", "_", "_id", "__v", "a__b", "a___c", "$id", "#", "(x)", "ünï",
    "naïve", "日本", "emoji💥x", "a$b$", "_DLT_X", "k__", "__a__",
)  # fmt: skip
_TIMES = (
    "2024-01-02T03:04", "2024-01-02T03:04:05.5", "2024-01-02T03:04:05+0200", "20240102T030405Z",
    "2024-01-02 03:04", "2024-W01-1T00:00:00", "2024-01-02T03", "2024-01-02T03:04:05.123456789Z",
    "2024-01-02T24:00:00Z", "2024-1-2T03:04:05Z", " 2024-01-02T03:04:05Z", "Tue, 02 Jan 2024 03:04:05 GMT",
    "2024-13-02T03:04:05Z", "2024-01-02", "03:04:05", "20240102", "2024-01",
    "2024-01-02T03:04:05.000001-11:30", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z",
    "2024-02-30T00:00:00Z", "2024-366T00:00:00", "2024-01-02t03:04:05z", "2024-01-02T03:04:05,5Z",
    "2024-01-02T03:04:60Z", "1943-00-00T00:00:00Z", "2024-01-02T03:04:05 +02:00", "2024-01-02T03:04:05+02",
    "2024-01-02T0304", "2024-01-02_03:04:05", "-2024-01-02T03:04:05Z",
)  # fmt: skip
_HUGE = (2**53 + 1, 2**63 - 1, 1e300)
_FIRST = {"bigint": 7, "double": 0.5, "bool": True, "text": "abc", "timestamp": "2024-01-02T03:04:05Z"}
_LATER = (
    0, 1, 1700000000, -5, 1.0, 1.5, -0.0, True, False, "abc", "", "12", " 12 ", "1.5",
    "1e3", "true", "yes", "no", "2024-01-02", "2024-01-02T03:04:05Z", "03:04:05", '{"a":1}', {"a": 1}, [1],
    None,
)  # fmt: skip

_SHAPES: dict[str, list[Any]] = {
    "nested": [_NESTED],
    "empty record": [{}],
    "empty list": [{"l": []}],
    "empty item": [{"l": [{}, {}]}],
    "none": [{"a": 1}, None],
    "only nulls": [{"a": 1, "n": None, "d": {"n": None}, "l": [None]}],
    "scalars": [1, 2, 3],
    "pages": [[1, 2], [3, [4]]],
    "list in dict and in list": [{"a": {"list": [1]}}, {"a": [[2], [3]]}],
    "mixed list": [{"l": [1, "x", None, {"k": 1}, [7], True]}],
    "scalar and dict": [{"v": 1}, {"v": {"a": 2}}, {"v": [3]}],
    "columns met later": [{"a": 1}, {"b": "x", "l": [1]}, {"a": 2, "c": {"d": True}, "l": [{"m": 1}]}],
    "long texts": [{"a": "x" * 70_000, "k" * 300: 1, "l" * 90: [{"m" * 300: 1}]}],
    "odd texts": [
        {"a": text}
        for text in ("'", '"', "\\", "\n\r\t", "\u2028", "\x7f", "%s {} ;--", "🏴\U000e0067", "\u200d", " ")
    ],
    "integers": [{"v": v} for v in (0, -1, 2**31, 2**53 + 1, 2**63 - 1, -(2**63))],
    "doubles": [
        {"v": v}
        for v in (0.1, 1e-320, 1.7976931348623157e308, 5e-324, -1.5, 1 / 3, 1e22, 123456789.123456789)
    ],
    "nested times": [
        {"l": [{"at": t}, {"at": None}]} for t in ("2024-01-02T03:04:05Z", "2024-01-02T03:04:05")
    ],
    "name T__One": [
        {"__v": 1, "a__b": 2, "a___c": 3, "k__": 4, "_": 5, "CamelKey": {"Inner Key": 9, "x__y": 10}}
    ],
    "column names": [{f"d{number}": {name: number} for number, name in enumerate(_NAMES)}],
    "table names": [{f"l{number}": [{name: [number]}] for number, name in enumerate(_NAMES[::4])}],
    "times": [{f"v{number}": text for number, text in enumerate(_TIMES)}],
}


def shapes() -> Iterator[Document]:
    """Every document written by hand; cases that don't disturb each other share one."""
    for name, records in _SHAPES.items():
        yield Document(f"shape {name}", partial(select, records))
    for depth in range(6):
        yield Document(
            f"shape nesting {depth}", partial(select, [_DEEP, _NESTED, _DICTS]), {"max_table_nesting": depth}
        )
    for kind, first in _FIRST.items():
        # The reference fails on numbers far from any date.
        later = _LATER if kind == "timestamp" else _LATER + _HUGE
        yield Document(f"shape later in {kind}", partial(select, _matrix(first, later)))


def _matrix(first: Any, later: Sequence[Any]) -> list[Any]:
    """One row of the coercion table: a column per later value, the first record with `first` in all."""
    columns = [f"c{number}" for number in range(len(later))]
    return [dict.fromkeys(columns, first), dict(zip(columns, later, strict=True))]
