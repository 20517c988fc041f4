"""Hostile names, as data: each has to be a name, never SQL, a path or a pattern."""

from __future__ import annotations

from sqlglot.dialects.dialect import Dialect

HOSTILE = (
    "plain",
    "UPPER",
    "Mixed Case",
    "1st",
    "-",
    "a-b",
    "ünïcödé",
    "ΣΑΣ",
    "東京",
    "🦆",
    "e\u0301 combining",
    "\u00e9 composed",
    "\u202eright to left",
    "zero\u200bwidth",
    "semi;colon",
    "dash--comment",
    "--[comment]",
    "#hash",
    "per%cent",
    "%s",
    "%(name)s",
    "{brace}",
    "{0}",
    "$1",
    "?",
    ":named",
    "@at",
    "*",
    "back\\slash",
    "back`tick",
    "[bracket]",
    "(paren)",
    "dot.ted",
    "eq=ual",
    "a,b",
    "&amp;",
    "x" * 62,
    "x" * 64,
    "x" * 190,
    "é" * 40,
    "é" * 63,
)
"""Names that naming `direct` keeps as they are, but for those that are too long."""

CHANGED = {
    'quo"te': "quo_te",
    "apo'stro": "apo_stro",
    "new\nline": "new_line",
    "car\rriage": "car_riage",
    "nul\0": "nul_",
    "'; DROP TABLE victim; --": "_; DROP TABLE victim; --",
    '"; DROP TABLE victim; --': "_; DROP TABLE victim; --",
    " around ": "around",
}
"""Names that naming `direct` changes, and what it makes of them."""

PATHS = ("..", ".", "a/b", "/*c*/", "/etc", "a\\..\\b")
"""Names that are no names of folders: kept as they are, or refused by name."""

CASES = ("id", "Id", "ID", "iD")
"""Names that differ by case only."""

_POSTGRES = """
    all analyse analyze and any array as asc asymmetric authorization binary both case cast check collate
    collation column concurrently constraint create cross current_catalog current_date current_role
    current_schema current_time current_timestamp current_user default deferrable desc distinct do else end
    except false fetch for foreign freeze from full grant group having ilike in initially inner intersect into
    is isnull join lateral leading left like limit localtime localtimestamp natural not notnull null offset on
    only or order outer overlaps placing primary references returning right select session_user similar some
    symmetric system_user table tablesample then to trailing true union unique user using variadic verbose
    when where window with
"""
"""What Postgres 18 reserves, as `pg_get_keywords()` has it."""


def reserved(dialect: str) -> list[str]:
    """Return words that mean something in SQL: to Postgres, and to sqlglot in a dialect and in DuckDB's.

    Args:
        dialect: its name in sqlglot.
    """
    words = set(_POSTGRES.split())
    for name in ("duckdb", dialect):
        known = Dialect.get_or_raise(name)
        words |= {word.lower() for word in known.generator_class.RESERVED_KEYWORDS}
        words |= {word.lower() for word in known.tokenizer_class.KEYWORDS if word.isidentifier()}
    return sorted(words)
