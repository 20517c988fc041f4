from __future__ import annotations

import subprocess
import sys

import pytest

from ladle.destinations import dialect as statements
from ladle.destinations.changing import still_missing
from ladle.destinations.postgres import postgres_destination
from ladle.destinations.postgres_connection import DIALECT
from ladle.errors import UsageError
from ladle.schema.change import AddColumn, AddTable
from ladle.schema.table import Column, Table

_ID = Column("id", data_type="bigint", nullable=False, unique=True)
_NAME = Column('na"me', data_type="text")
_TABLE = Table("t", columns={"id": _ID, 'na"me': _NAME, "none": Column("none")})


def test_statements_quote_every_name() -> None:
    made = [
        statements.create_dataset('d"s'),
        statements.create_table('d"s', _TABLE, DIALECT),
        statements.add_column('d"s', "t", _ID, DIALECT),
        statements.create_unique_index('d"s', "t", "id"),
        statements.delete_all('d"s', "select"),
    ]
    assert [DIALECT.sql(statement) for statement in made] == [
        'CREATE SCHEMA IF NOT EXISTS "d""s"',
        'CREATE TABLE IF NOT EXISTS "d""s"."t" ("id" BIGINT NOT NULL, "na""me" VARCHAR)',
        'ALTER TABLE "d""s"."t" ADD COLUMN "id" BIGINT',
        'CREATE UNIQUE INDEX ON "d""s"."t"("id")',
        'DELETE FROM "d""s"."select"',
    ]


def test_limits_are_those_of_postgres() -> None:
    limits = postgres_destination("postgresql://h/d").limits
    assert (limits.max_table_name, limits.max_column_name) == (63, 63)
    assert limits.wei_digits == 76
    assert not limits.holds_nul


def test_a_name_that_the_server_would_cut_is_refused_before_connecting() -> None:
    with pytest.raises(UsageError, match="at most 63 bytes"):
        postgres_destination("postgresql://h/d").open("x" * 64)


def test_what_others_made_meanwhile_is_not_made_again() -> None:
    planned = [AddTable(_TABLE), AddColumn("u", _ID), AddColumn("u", _NAME)]
    assert still_missing(planned, {"u": {}}, DIALECT) == planned
    there = {"t": {"id": "bigint"}, "u": {"id": "bigint"}}
    assert still_missing(planned, there, DIALECT) == [AddColumn("t", _NAME), AddColumn("u", _NAME)]
    all_there = {"t": {"id": "", 'na"me': ""}, "u": {"id": "", 'na"me': ""}}
    assert still_missing(planned, all_there, DIALECT) == []


def test_the_driver_comes_without_pandas_and_its_friends() -> None:
    code = (
        "import sys, ladle.destinations.postgres;"
        "print([m for m in ('pandas', 'polars', 'pyarrow.dataset') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
