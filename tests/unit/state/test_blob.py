"""The stored form of state."""

from __future__ import annotations

import base64
import json
import zlib
from typing import Any

import pytest

from ladle.errors import LadleError
from ladle.state.blob import decode_state, encode_state, state_hash

STATE: dict[str, Any] = {"_state_version": 3, "sources": {"s": {"n": [1, None, "日本"]}}}


def test_state_comes_back_without_its_local_part() -> None:
    assert decode_state(encode_state({**STATE, "_local": {"path": "/home"}})) == STATE


def test_the_stored_form_is_that_of_the_reference() -> None:
    blob = base64.b64encode(zlib.compress(json.dumps(STATE).encode())).decode()
    assert decode_state(blob) == STATE
    assert json.loads(zlib.decompress(base64.b64decode(encode_state(STATE)))) == STATE


@pytest.mark.parametrize(
    "blob", ["", "not base64!", base64.b64encode(b"not zlib").decode(), encode_state(STATE)[:-8]]
)
def test_unreadable_state_is_an_error_never_a_fresh_start(blob: str) -> None:
    with pytest.raises(LadleError, match="can't be read"):
        decode_state(blob)


def test_the_hash_is_of_the_content() -> None:
    same = {**STATE, "_state_version": 9, "_version_hash": "x", "_local": {"a": 1}}
    assert state_hash(same) == state_hash(STATE)
    assert state_hash({**STATE, "sources": {}}) != state_hash(STATE)
    assert state_hash(dict(reversed(STATE.items()))) == state_hash(STATE)
