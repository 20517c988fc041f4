"""A missing setting, and one in a file that is almost it."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.config.places import write

import ladle
from ladle.config.inject import Injector
from ladle.errors import ConfigFieldMissingException

CANARY = "v3ry-hidden"


def tell() -> str:
    def issues(token: str = ladle.secrets.value) -> Any:
        return token

    with pytest.raises(ConfigFieldMissingException) as caught:
        Injector(issues).fill((), {}, ("sources", "tracker", "issues"))
    return str(caught.value).rpartition("hint: ")[2]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("[sources.tracker]\ntokn = ", "sources.tracker.tokn"),
        ("[source.tracker]\ntoken = ", "source.tracker.token"),
        ("[sources.traker]\ntoken = ", "sources.traker.token"),
        ("tokens = ", "tokens"),
    ],
)
def test_what_is_almost_it_is_named(text: str, found: str) -> None:
    write("secrets", f'{text}"{CANARY}"\n')
    assert tell().startswith(
        f"there is `{found}` in secrets.toml: is it that? else set SOURCES__TRACKER__ISSUES__TOKEN"
    )
    assert CANARY not in tell()


@pytest.mark.parametrize(
    "text", ["[sources.tracker]\nurl = ", "[destination.duckdb]\ntoken = ", "[sources.tracker.tokn]\nx = "]
)
def test_what_is_not_is_not(text: str) -> None:
    write("secrets", f'{text}"{CANARY}"\n')
    assert tell().startswith("set SOURCES__")
