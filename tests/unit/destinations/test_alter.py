"""Statements that rename and drop: spelled for each engine, and only those that are due."""

from __future__ import annotations

import duckdb
import pytest

from ladle.destinations.alter import statements
from ladle.destinations.dialect import Dialect
from ladle.destinations.duckdb import DIALECT as DUCKDB
from ladle.destinations.postgres_connection import DIALECT as POSTGRES
from ladle.errors import DestinationError
from ladle.schema.change_names import DropColumn, DropTable, RenameColumn, RenameTable

THERE = {'us"ers': {"e'm": "INTEGER", "b": "INTEGER"}}
CHANGES = [
    RenameColumn('us"ers', "e'm", 'select "ü"'),
    DropColumn('us"ers', "b"),
    RenameTable('us"ers', "ord;er"),
    DropTable("ord;er"),
]


@pytest.mark.parametrize("dialect", [DUCKDB, POSTGRES])
def test_names_are_quoted_whatever_they_are(dialect: Dialect) -> None:
    assert [dialect.sql(s) for s in statements('d"s', CHANGES, THERE)] == [
        'ALTER TABLE "d""s"."us""ers" RENAME COLUMN "e\'m" TO "select ""ü"""',
        'ALTER TABLE "d""s"."us""ers" DROP COLUMN "b"',
        'ALTER TABLE "d""s"."us""ers" RENAME TO "ord;er"',
        'DROP TABLE IF EXISTS "d""s"."ord;er"',
    ]


def test_the_engine_takes_them() -> None:
    with duckdb.connect() as db:
        db.execute('CREATE SCHEMA "d""s"; CREATE TABLE "d""s"."us""ers" ("e\'m" INTEGER, b INTEGER)')
        db.execute('INSERT INTO "d""s"."us""ers" VALUES (1, 2)')
        for statement in list(statements('d"s', CHANGES, THERE))[:3]:
            db.execute(DUCKDB.sql(statement))
        assert db.execute('SELECT "select ""ü""" FROM "d""s"."ord;er"').fetchall() == [(1,)]


def test_what_is_done_is_passed_over() -> None:
    assert [*statements("ds", CHANGES[:3], {"ord;er": {'select "ü"': "INTEGER"}})] == []


@pytest.mark.parametrize("change", [RenameTable("t", "u"), RenameColumn("t", "a", "b")])
def test_a_name_that_nobody_knew_of_is_an_error(change: RenameTable | RenameColumn) -> None:
    with pytest.raises(DestinationError, match="has one of that name"):
        list(statements("ds", [change], {"t": {"a": "INT", "b": "INT"}, "u": {}}))
