"""Conditions in SQL: only an expression over the columns of one row; names as the schema has them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from ladle.errors import UsageError, shorten

_DIALECT = "duckdb"
# Kinds of nodes by the name of their class in sqlglot, with what they would be.
_REFUSED = {
    "Query": "a query of its own",
    "Exists": "a query of its own",
    "Table": "a table",
    "AggFunc": "an aggregate of many rows",
    "Window": "an aggregate of many rows",
    "RowNumber": "an aggregate of many rows",
    "Star": "all columns at once",
    "UDTF": "a function that makes rows",
    "Explode": "a function that makes rows",
    "Placeholder": "a parameter",
    "Parameter": "a parameter",
    "SessionParameter": "a parameter",
    "Rand": "a function that gives something else each time",
    "Uuid": "a function that gives something else each time",
    "Command": "a statement",
    "DDL": "a statement",
    "DML": "a statement",
    "Create": "a statement",
    "Drop": "a statement",
    "Set": "a statement",
    "Attach": "a statement",
    "Copy": "a statement",
    "Pragma": "a statement",
    "Alias": "a name for a result",
}
# Functions that look elsewhere than at the row, or never give the same twice.
_REFUSED_FUNCTIONS = {
    "currval", "current_query", "current_setting", "gen_random_uuid", "getenv", "getvariable", "glob",
    "in_search_path", "nextval", "query", "query_table", "random", "read_blob", "read_csv",
    "read_csv_auto", "read_json", "read_json_auto", "read_parquet", "read_text", "setseed", "sniff_csv",
    "txid_current", "uuid", "uuidv4", "uuidv7", "which_secret", "write_log",
}  # fmt: skip


@lru_cache(maxsize=1024)
def _parsed(sql: str) -> Any:
    import sqlglot
    from sqlglot.errors import SqlglotError

    try:
        trees = sqlglot.parse(sql, dialect=_DIALECT)
    except SqlglotError as exc:
        raise _refused(sql, f"it can't be read: {str(exc).splitlines()[0]}") from None
    if len(trees) != 1 or trees[0] is None:
        raise _refused(sql, "it is more than one expression")
    for node in trees[0].walk():
        _check(sql, node)
    return trees[0]


def _check(sql: str, node: Any) -> None:
    kinds = {kind.__name__ for kind in type(node).__mro__}
    for kind in kinds & _REFUSED.keys():
        raise _refused(sql, f"it has {_REFUSED[kind]}")
    name = type(node).__name__
    if name == "Anonymous" and str(node.this).lower() in _REFUSED_FUNCTIONS:
        raise _refused(sql, f"the function `{node.this}` looks elsewhere than at the row")
    if name == "Column" and node.args.get("table") is not None:
        raise _refused(sql, f"`{node.sql(dialect=_DIALECT)}` is no column; nested fields are `a__b`")


def _refused(sql: str, why: str) -> UsageError:
    return UsageError(
        f"a condition can't be `{shorten(sql)}`: {why}",
        expected="one expression of DuckDB's SQL over the columns of a row, such as `amount > 0`",
    )


def columns_of_condition(sql: str) -> tuple[str, ...]:
    """Return the names of the columns in a condition, each once."""
    return tuple(dict.fromkeys(n.name for n in _parsed(sql).walk() if type(n).__name__ == "Column"))


def condition_sql(sql: str, name: Callable[[str], str] | None = None) -> str:
    """Return a condition with the names of its columns quoted, and changed by `name`; the rest as it is.

    Raises:
        UsageError: it is more than an expression over the columns of a row.
    """
    columns = columns_of_condition(sql)
    if not columns:
        raise _refused(sql, "it looks at no column")
    return _with_names(sql, {c: _quoted(name(c) if name else c) for c in columns})


def without_columns(sql: str, missing: frozenset[str]) -> str:
    """Return a condition in which the columns named are null."""
    return _with_names(sql, dict.fromkeys(missing, "NULL")) if missing else sql


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _with_names(sql: str, named: Mapping[str, str]) -> str:
    """Replace columns in the text itself: printed anew, sqlglot changes what some operators mean."""
    import sqlglot

    tokens = sqlglot.tokenize(sql, read=_DIALECT)
    parts, done = [], 0
    for before, token, after in zip([None, *tokens], tokens, [*tokens[1:], None], strict=False):
        if token.text in named and _may_be_column(before, token, after):
            parts += [sql[done : token.start], named[token.text]]
            done = token.end + 1
    made = "".join([*parts, sql[done:]])
    # Quoted, a column is found for sure; a word that is no column must not have become one.
    wanted = [named.get(n.name, _quoted(n.name)) for n in _columns(sql)]
    found = ["NULL" if type(n).__name__ == "Null" else _quoted(n.name) for n in _columns(made, "Null")]
    kept = [w for w in wanted if w != "NULL"]
    if sorted(kept) != sorted(f for f in found if f != "NULL"):
        raise _refused(sql, "a word in it may be a column or not: quote the columns")
    return made


def _columns(sql: str, *more: str) -> list[Any]:
    return [n for n in _parsed(sql).walk() if type(n).__name__ in ("Column", *more)]


def _may_be_column(before: Any, token: Any, after: Any) -> bool:
    kinds = [t.token_type.name if t is not None else "" for t in (before, token, after)]
    if kinds[1] == "IDENTIFIER":  # quoted
        return True
    is_type = kinds[0] in ("DCOLON", "ALIAS", "NUMBER")
    return kinds[1] != "STRING" and not is_type and kinds[2] not in ("L_PAREN", "STRING", "FROM")
