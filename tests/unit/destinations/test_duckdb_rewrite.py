"""Statements as DuckDB runs them fast."""

from __future__ import annotations

import duckdb
import pytest
import sqlglot

from ladle.destinations.duckdb_rewrite import rewrite

ASKED = "EXISTS(SELECT 1 FROM s AS new WHERE {})"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("(old.id = new.id AND old.id BETWEEN 1 AND 9)", "(old.id BETWEEN 1 AND 9 AND {old.id = new.id})"),
        (
            "((old.id = new.id AND old.k = new.k) AND old.id > 1 AND old.k < 5)",
            "(old.id > 1 AND old.k < 5 AND {old.id = new.id AND old.k = new.k})",
        ),
        ("old.id = new.id", "{old.id = new.id}"),
        ("old.id = new.id AND new.k > 1", "{old.id = new.id AND new.k > 1}"),
        ("old.id = new.id AND 1 = 1", "{old.id = new.id AND 1 = 1}"),
        ("old.id > 1", "{old.id > 1}"),
        ("old.id = new.id AND changed", "{old.id = new.id AND changed}"),
        ("old.id = new.id AND (changed OR old.k > 1)", "{old.id = new.id AND (changed OR old.k > 1)}"),
        (
            "old.id = new.id AND EXISTS(SELECT 1 FROM f WHERE f.k = old.k)",
            "{old.id = new.id AND EXISTS(SELECT 1 FROM f WHERE f.k = old.k)}",
        ),
    ],
)
def test_what_is_asked_of_the_outer_row_alone_goes_outside(before: str, after: str) -> None:
    head, _, rest = after.partition("{")
    inner, _, tail = rest.partition("}")
    (made,) = rewrite(
        sqlglot.parse_one(f"DELETE FROM t AS old WHERE {ASKED.format(before)}", dialect="duckdb")
    )
    assert made.sql("duckdb") == f"DELETE FROM t AS old WHERE {head}{ASKED.format(inner)}{tail}"


@pytest.mark.parametrize("around", ["NOT {}", "({} OR old.id = 1)", "NOT ({} AND old.k = 1)"])
def test_a_condition_that_a_row_need_not_meet_stays(around: str) -> None:
    asked = around.format(ASKED.format("old.id = new.id AND old.id BETWEEN 1 AND 9"))
    statement = sqlglot.parse_one(f"DELETE FROM t AS old WHERE {asked}", dialect="duckdb")
    assert rewrite(statement) == (statement,)


def test_the_outer_table_is_read_once_and_joined_once() -> None:
    text = f"DELETE FROM t AS old WHERE {ASKED.format('old.id = new.id AND old.id BETWEEN 0 AND 9')}"
    (made,) = rewrite(sqlglot.parse_one(text, dialect="duckdb"))
    with duckdb.connect() as connection:
        connection.execute("CREATE TABLE t AS SELECT range AS id FROM range(5000)")
        connection.execute("CREATE TABLE s AS SELECT range * 2 AS id FROM range(100)")
        plans = [connection.execute(f"EXPLAIN {sql}").fetchall()[0][1] for sql in (text, made.sql("duckdb"))]
        assert ["delim" in plan.lower() for plan in plans] == [True, False]
        connection.execute(made.sql("duckdb"))
        assert connection.execute("SELECT count(*), min(id) FROM t").fetchall() == [(4995, 1)]
