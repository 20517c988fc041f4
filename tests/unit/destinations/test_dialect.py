"""Statements as text."""

from __future__ import annotations

from ladle.destinations.dialect import drop_table
from ladle.destinations.duckdb import DIALECT


def test_drop_names_the_table_whatever_the_version_of_sqlglot() -> None:
    assert DIALECT.sql(drop_table("ds", "t")) == 'DROP TABLE IF EXISTS "ds"."t"'
