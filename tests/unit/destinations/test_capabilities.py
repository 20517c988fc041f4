"""Capabilities by keyword: seen in `capabilities()`, used for names; unknown ones name the nearest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.loading import Site

import ladle
from ladle.destinations.postgres import postgres_destination
from ladle.errors import UsageError


def made(kind: str, **capability: Any) -> Any:
    if kind == "postgres":
        return postgres_destination("postgresql://u:p@localhost/db", **capability)
    return getattr(ladle.destinations, kind)("somewhere", **capability)


@pytest.mark.parametrize("kind", ["duckdb", "postgres", "sqlite", "filesystem"])
def test_a_keyword_shows_in_the_capabilities(kind: str) -> None:
    assert made(kind).capabilities().naming_convention == "snake_case"
    found = made(kind, naming_convention="direct", max_identifier_length=20, max_table_nesting=1)
    shown = found.capabilities()
    assert (shown.naming_convention, shown.max_identifier_length, shown.max_table_nesting) == (
        "direct",
        20,
        1,
    )
    assert found.destination_name == kind
    assert made(kind, destination_name="wh").destination_name == "wh"
    assert made(kind, max_table_nesting=None).capabilities().max_table_nesting is None


@pytest.mark.parametrize("kind", ["duckdb", "postgres", "sqlite", "filesystem"])
@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"naming_conventoin": "direct"}, "did you mean `naming_convention`"),
        ({"destination_nam": "x"}, "did you mean `destination_name`"),
        ({"naming_convention": "snake"}, "snake_case"),
        ({"max_table_nesting": -1}, "whole number from 0"),
        ({"max_identifier_length": 0}, "whole number from 1"),
        ({"max_identifier_length": "9"}, "whole number from 1"),
    ],
)
def test_what_it_has_not_is_refused(kind: str, wrong: dict[str, Any], says: str) -> None:
    with pytest.raises(UsageError) as caught:
        made(kind, **wrong)
    assert says in str(caught.value)


def test_names_longer_than_the_destination_keeps_are_refused() -> None:
    assert made("postgres").capabilities().max_identifier_length == 63
    with pytest.raises(UsageError, match="can't be 64"):
        made("postgres", max_identifier_length=64)


def test_files_are_cut_at_the_recommended_size() -> None:
    assert made("filesystem", recommended_file_size=1000).options.max_file_bytes == 1000
    assert made("filesystem").options.max_file_bytes == 256 << 20


def test_a_load_goes_by_them(tmp_path: Path) -> None:
    site = Site(tmp_path)
    destination = ladle.destinations.duckdb(str(site.file), naming_convention="direct", max_table_nesting=0)
    pipeline = site.pipeline(destination=destination)
    pipeline.run([{"aB": 1, "in": {"x": [1]}}], table_name="T")
    (table,) = site.tables().values()
    assert table.types == {"aB": "BIGINT", "in": "JSON"}
    assert pipeline.default_schema.naming == "direct"
