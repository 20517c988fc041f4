"""What ladle knows of engines behind SQLAlchemy, as data; what it doesn't know is taken for the least."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlglot import exp
from sqlglot.dialects.dialect import Dialect as SqlDialect

from ladle.destinations.dialect import Dialect
from ladle.destinations.sqlite_rewrite import free_row, rewriter
from ladle.destinations.sqlite_types import stored_value
from ladle.schema.change import MERGES, REPLACES, Limits
from ladle.schema.lattice import EVERYWHERE
from ladle.schema.naming import unused
from ladle.schema.naming_rules import ByteLength
from ladle.schema.table import Column

COLUMNS = "columns of a dataset"
DATASET = "whether a dataset is there"
"""Not SQL: questions that reflection answers."""
ROW = "_ladle_row"
"""Column of staged rows that sorts them as they came."""

Rewrite = Callable[[exp.Expression], Sequence[exp.Expression]]

_FROM = "from_" if "from_" in exp.Update.arg_types else "from"
_SQLGLOT = {"postgresql": "postgres", "mssql": "tsql", "mariadb": "mysql"}


@dataclass(frozen=True, slots=True)
class Engine:
    """An engine.

    Attributes:
        sqlglot: sqlglot's name of its dialect; empty where it has none.
        dialect: as statements need it, without types.
        limits: without lengths of names.
        guarantee: of a load.
        temporary: whether rows wait in temporary tables; else in ordinary ones that are dropped.
        begin: the statement that starts a transaction, where the driver doesn't.
        lock: the query that takes a lock by a number until the transaction ends; empty for none.
        use: the statement by which names without a schema are looked up in one; empty for none.
        columns: the query for table, column and type of all columns of a dataset; empty for reflection.
        fetch_first: whether it says FETCH FIRST where others say LIMIT.
        longest: length of a name; None for what SQLAlchemy knows of it, which is in characters.
    """

    sqlglot: str
    dialect: Dialect
    limits: Limits
    guarantee: str = "G1"
    temporary: bool = False
    begin: str = ""
    lock: str = ""
    use: str = ""
    columns: str = ""
    fetch_first: bool = False
    longest: int | None = None


def _dialect(sqlglot: str, staging: str = "", rewrite: Rewrite | None = None, **more: Any) -> Dialect:
    return Dialect(
        sqlglot,
        lambda column: "",
        placeholder=":ladle_{}".format,
        columns_query=COLUMNS,
        dataset_query=DATASET,
        staging=staging,
        row_order=ROW,
        rewrite=rewrite or _plain,
        avoiding=_avoiding,
        own_types=True,
        **more,
    )


def _avoiding(dialect: Dialect, columns: Collection[str]) -> Dialect:
    found = replace(dialect, row_order=unused(ROW, columns))
    return replace(found, rewrite=rewriter(free_row(columns))) if dialect.name == "sqlite" else found


def _cell(column: Column, text: str) -> Any:
    """Return a value that is spelled as text as it is stored in SQLite: decimals are text there."""
    return text if column.data_type in ("decimal", "wei") else stored_value(column, text)


def _plain(statement: exp.Expression) -> Sequence[exp.Expression]:
    """Without comments, which engines spell in many ways, and without temporary tables."""
    if isinstance(statement, exp.Comment):
        return ()
    if isinstance(statement, exp.Create) and isinstance(statement.expression, exp.Query):
        statement = statement.copy()
        statement.set("properties", None)
    if isinstance(statement, exp.Update) and statement.args.get(_FROM) is not None:
        statement = _merged(statement)
    return (statement,)


def _merged(update: exp.Update) -> exp.Merge:
    """UPDATE .. FROM as MERGE, which is in the standard."""
    changed = exp.When(matched=True, then=exp.Update(expressions=update.expressions))
    return exp.merge(changed, into=update.this, using=update.args[_FROM].this, on=update.args["where"].this)


def _whole(statement: exp.Expression) -> Sequence[exp.Expression]:
    return (statement,)


_WHOLE = Limits(merges=MERGES, replaces=REPLACES, in_place=EVERYWHERE, renames=True, decimal_digits=38)

_KNOWN = {
    "postgresql": Engine(
        "postgres",
        _dialect("postgres", "pg_temp", _whole, analyzes=True),
        replace(_WHOLE, holds_nul=False),
        guarantee="G4",
        temporary=True,
        lock="SELECT pg_advisory_xact_lock(:ladle_1)",
        use="SET search_path TO {}",
        longest=ByteLength(63),
    ),
    "duckdb": Engine(
        "duckdb",
        _dialect("duckdb", "temp", _whole),
        _WHOLE,
        guarantee="G4",
        temporary=True,
        use="SET schema = {}",
        # its dialect reflects by tables of Postgres, which DuckDB 2 no longer has
        columns="SELECT table_name, column_name, data_type FROM information_schema.columns "
        "WHERE table_schema = :ladle_1 ORDER BY ordinal_position",
    ),
    "sqlite": Engine(
        "sqlite",
        _dialect("sqlite", "temp", rewriter("_rowid_"), cell=_cell),
        replace(_WHOLE, in_place=frozenset()),
        guarantee="G4",
        temporary=True,
        begin="BEGIN IMMEDIATE",
    ),
}
LEAST = Limits(merges=MERGES, replaces=REPLACES[:2], in_place=frozenset(), holds_nul=False, decimal_digits=38)
"""What any engine can hold."""
_MYSQL = ("mysql", "mariadb")
_FETCH_FIRST = ("mssql", "oracle", "firebird", "db2", "ibm_db_sa")


def known(name: str) -> Engine:
    """Return what is known of a dialect of SQLAlchemy."""
    if name in _KNOWN:
        return _KNOWN[name]
    sqlglot = _SQLGLOT.get(name, name)
    sqlglot = sqlglot if SqlDialect.get(sqlglot) is not None else ""
    if name in _MYSQL:
        limits = replace(LEAST, merges=(), folds_case=True, astral_names=False)
        return Engine(sqlglot, _dialect(sqlglot), limits, longest=64)
    return Engine(sqlglot, _dialect(sqlglot), LEAST, fetch_first=name in _FETCH_FIRST)
