"""The stored form of a cursor, and the hashes of rows at its boundary."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from pydantic import BaseModel

from ladle.errors import LadleError
from ladle.state.blob import decode_state, encode_state
from ladle.state.cursor import CursorState, hash_of, json_of, legacy_hash_of

# Made by the reference: value, hash, and the hash that it wrote before its version 1.29.
HASHES: list[tuple[Any, str, str]] = [
    ({"c": 2, "id": 2}, "iOJG2tLJhrrC", ""),
    ({"id": 2, "c": 2}, "iOJG2tLJhrrC", ""),
    (2, "Tp44cKMYfAuJ", ""),
    ("a", "HXVczKyPrzLo", "HXVczKyPrzLoPDkJtIV8"),
    (None, "KtLhiM3tliLb", "KtLhiM3tliLbJ+hWaj3s"),
    ([1, 2], "UdaPeqxraRmO", "UdaPeqxraRmOh98CB7cf"),
    (datetime(2024, 1, 3), "swl8ezhE1Omw", "p2OOj8NwJ2vRy4Nvns0m"),
    (datetime(2024, 1, 3, tzinfo=UTC), "swl8ezhE1Omw", "QQuEAJrbeOZPXhsOsqOm"),
    (datetime(1960, 1, 1), "SWm3bx1YiLbG", "1cxRLOORqHh8vkNjULG3"),
    (date(2024, 1, 3), "NoYha3wc/IY/", "NoYha3wc/IY/TgSB9rpY"),
    (time(1, 2, 3, 4), "zjd3r74uqTSf", "zjd3r74uqTSfVPmKxnum"),
    (Decimal("2.50"), "C2co/1RSRwcF", "C2co/1RSRwcFOXljVXmB"),
    (UUID(int=5), "xb3IIJpreM4P", "xb3IIJpreM4P7lzvQu6B"),
    (b"ab\x00", "sR6P5oTsD3R5", "sR6P5oTsD3R5SU2NlFnl"),
    (1e22, "OPsp4IwlOlwT", ""),
    (float("nan"), "KtLhiM3tliLb", ""),
    ({"b": 1, "a": [1, {"z": datetime(1970, 1, 1), "y": None}]}, "a3v2aaw+uzQI", "1Tz5bTsLZjeU22pyg2B+"),
]


@pytest.mark.parametrize(("value", "digest", "legacy"), HASHES, ids=lambda v: repr(v)[:30])
def test_i04_hashes_are_the_references(value: Any, digest: str, legacy: str) -> None:
    assert hash_of(json_of(value)) == digest
    if legacy:
        assert legacy_hash_of(value) == legacy


def test_one_instant_has_one_hash() -> None:
    berlin = timezone(timedelta(hours=1))
    assert json_of(datetime(2024, 1, 3, 1, tzinfo=berlin)) == json_of(datetime(2024, 1, 3))


class Model(BaseModel):
    c: int = 2
    id: int = 2


@dataclass
class Row:
    c: int = 2
    id: int = 2


@pytest.mark.parametrize("row", [Model(), Row()])
def test_objects_hash_as_the_dict_of_their_fields(row: Any) -> None:
    assert hash_of(json_of(row)) == "iOJG2tLJhrrC"


@pytest.mark.parametrize("row", [{"a": 2**70}, {1: 2}, {"a": {1, 2}}, {"a": object}, {"a": 1j}])
def test_any_row_has_a_hash(row: Any) -> None:
    assert len(hash_of(json_of(row))) == 12


@pytest.mark.parametrize(
    "last", [None, 5, 2.5, "x", Decimal("1.50"), date(2024, 1, 1), datetime(2024, 1, 1, tzinfo=UTC), {"a": 1}]
)
def test_state_comes_back_from_the_destination(last: Any) -> None:
    state = CursorState(last, last, last, ("iOJG2tLJhrrC",), {"iOJG2tLJhrrC": "Tp44cKMYfAuJ"})
    stored = decode_state(encode_state({"c": state.dump()}))["c"]
    assert CursorState.parse(stored, resource="r", cursor_path="c") == state


def test_the_stored_form_has_the_references_names() -> None:
    assert CursorState(1, 2, 1, ("h",)).dump() == {
        "initial_value": 1,
        "last_value": 2,
        "unique_hashes": ["h"],
        "start_value": 1,
    }


@pytest.mark.parametrize(
    "stored",
    [
        None,
        5,
        [],
        {},
        {"unique_hashes": []},
        {"last_value": 1, "unique_hashes": 5},
        {"last_value": 1, "unique_hashes": [5]},
    ],
)
def test_unreadable_state_is_an_error_never_a_full_reload(stored: Any) -> None:
    with pytest.raises(LadleError, match=r"stored state of cursor `c` can't be read[\s\S]*resource=`r`"):
        CursorState.parse(stored, resource="r", cursor_path="c")


def test_typed_text_is_read_as_what_it_was() -> None:
    stored = {"last_value": "\uf0272024-01-02T00:00:00+00:00", "unique_hashes": None}
    assert CursorState.parse(stored, resource="r", cursor_path="c").last_value == datetime(
        2024, 1, 2, tzinfo=UTC
    )
