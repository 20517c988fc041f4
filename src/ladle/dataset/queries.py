"""Queries as trees: what a relation's methods make of its query. Pure functions; nothing is run."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, cast

import sqlglot
from sqlglot import exp
from sqlglot.dialects.dialect import Dialect as SqlDialect
from sqlglot.errors import SqlglotError

from ladle.dataset.catalog import Catalog, literal
from ladle.dataset.lineage import projections, sources
from ladle.errors import LineageFailedException, UsageError, shorten
from ladle.schema.table import Column

SUBQUERY = "_dlt_subquery"
OPERATORS: Mapping[str, type[exp.Expression]] = {
    "eq": exp.EQ,
    "ne": exp.NEQ,
    "gt": exp.GT,
    "lt": exp.LT,
    "gte": exp.GTE,
    "lte": exp.LTE,
    "in": exp.In,
    "not_in": exp.In,
}
_SHAPED = ("group", "having", "distinct", "qualify", "windows", "connect")
_CUT = ("limit", "offset", "fetch", "sample")


def parsed(sql: str, dialect: str) -> exp.Expression:
    """Return the one statement of a text.

    Raises:
        LineageFailedException: it can't be read.
    """
    try:
        found = [statement for statement in sqlglot.parse(sql, dialect=dialect) if statement is not None]
    except SqlglotError as exc:
        raise LineageFailedException(
            f"the query can't be read as {dialect}: {str(exc).splitlines()[0]}",
            value=sql,
            hint="pass query_dialect where it is written in another dialect",
        ) from exc
    if len(found) != 1:
        raise LineageFailedException("a relation needs one query", expected="one statement", value=sql)
    return cast(exp.Expression, found[0])


def ident(name: str) -> exp.Identifier:
    """Return a quoted name."""
    return exp.to_identifier(name, quoted=True)


def column(name: str, table: str | None = None) -> exp.Column:
    """Return a reference to a column."""
    return exp.Column(this=ident(name), table=ident(table) if table is not None else None)


def from_table(name: str) -> exp.Select:
    """SELECT * FROM a table."""
    return exp.select("*").from_(exp.Table(this=ident(name)))


def wrapped(query: exp.Expression, alias: str = SUBQUERY) -> exp.Select:
    """SELECT * FROM (the query)."""
    assert isinstance(query, exp.Query)
    return exp.select("*").from_(query.copy().subquery(ident(alias)))


def is_cut(query: exp.Expression) -> bool:
    """Whether a query returns only some of its rows: by LIMIT, or OFFSET."""
    return any(query.args.get(key) for key in _CUT)


def takes_conditions(query: exp.Expression) -> bool:
    """Whether a condition added to the query means the rows that it returns."""
    return (
        isinstance(query, exp.Select)
        and not is_cut(query)
        and not any(query.args.get(key) for key in _SHAPED)
        and not any(p.find(exp.AggFunc, exp.Window) for p in projections(query))
    )


def _name(query: exp.Expression) -> str:
    """Return the name that a query has as a subquery: that of its only source."""
    found = sources(query) if isinstance(query, exp.Select) else []
    return found[0].alias_or_name if found and found[0].alias_or_name else SUBQUERY


def open_to_conditions(query: exp.Expression) -> exp.Select:
    """Return the query, or a select from it, so that conditions, joins and aggregates mean its rows."""
    base = query.copy() if takes_conditions(query) else wrapped(query, _name(query))
    assert isinstance(base, exp.Select)
    return base


def output(query: exp.Expression, name: str) -> exp.Expression | None:
    """Return what makes a column that the query returns; None where it returns none of that name."""
    found = (p for p in projections(query) if p.alias_or_name == name)
    return next((cast(exp.Expression, p.unalias().copy()) for p in found), None)


# -- the methods of a relation; queries are qualified


def select(query: exp.Expression, names: Sequence[str], origin: str | None) -> exp.Select:
    """Select columns: of the table `origin` where the query reads just that, else of the query."""
    if not names:
        raise UsageError("select needs the name of a column", expected='relation.select("id", ...)')
    base = wrapped(query, _name(query)) if origin is None else cast(exp.Select, query.copy())
    base.set("expressions", [column(name, origin) for name in names])
    return base


def where(query: exp.Expression, condition: exp.Expression) -> exp.Select:
    """Keep the rows of the query that meet a condition; names in it are those of the rows, if they can be."""
    base = open_to_conditions(query)
    if not takes_conditions(query):
        return base.where(condition)
    holder = exp.Paren(this=condition.copy())
    for found in list(holder.find_all(exp.Column)):
        made = None if found.table else output(query, found.name)
        if made is not None:
            found.replace(made if isinstance(made, exp.Column) else exp.Paren(this=made))
    return base.where(holder.this)


def condition(
    target: Column, reference: exp.Expression, operator: str, value: Any, catalog: Catalog
) -> exp.Expression:
    """Compare a column with a value of its type; None is NULL."""
    if operator not in OPERATORS:
        raise UsageError.unknown_choice("operator", operator, list(OPERATORS))
    if operator in ("in", "not_in"):
        found = _among(target, reference, value, catalog)
        return exp.Not(this=found) if operator == "not_in" else found
    if value is None and operator in ("eq", "ne"):
        is_null = exp.Is(this=reference, expression=exp.Null())
        return is_null if operator == "eq" else exp.Not(this=is_null)
    return OPERATORS[operator](this=reference, expression=literal(value, target, catalog))


def _among(target: Column, reference: exp.Expression, values: Any, catalog: Catalog) -> exp.Expression:
    if isinstance(values, (str, bytes)) or not isinstance(values, Collection):
        raise UsageError(
            f"column `{target.name}` can't be compared with {shorten(values)} by `in` or `not_in`",
            expected="a list of values",
        )
    there = [literal(v, target, catalog) for v in values if v is not None]
    found: exp.Expression = exp.In(this=reference, expressions=there) if there else exp.false()
    if len(there) < len(values):
        found = exp.Paren(this=exp.or_(found, exp.Is(this=reference.copy(), expression=exp.Null())))
    return found


def order_by(query: exp.Expression, name: str, direction: str, catalog: Catalog) -> exp.Select:
    """Sort, after what the query is sorted by already."""
    if direction not in ("asc", "desc"):
        raise UsageError.unknown_choice("sort order", direction, ("asc", "desc"))
    is_open = isinstance(query, exp.Select) and not is_cut(query)
    base = query.copy() if is_open else wrapped(query, _name(query))
    assert isinstance(base, exp.Select)
    made = output(query, name) if is_open else None
    key = made if isinstance(made, exp.Column) else column(name)
    desc = direction == "desc"
    # Nulls come where the engine puts them; else sqlglot writes out where another engine would.
    nulls = SqlDialect.get_or_raise(catalog.dialect).NULL_ORDERING
    nulls_first = nulls != "nulls_are_last" and desc == (nulls == "nulls_are_large")
    return base.order_by(exp.Ordered(this=key, desc=desc, nulls_first=nulls_first))


def limit(query: exp.Expression, count: int) -> exp.Select:
    """Return at most `count` rows; a smaller limit that is there stays."""
    if isinstance(count, bool) or not isinstance(count, int) or count < 0:
        raise UsageError(f"a limit can't be {shorten(count)}", expected="a number of rows")
    base = query.copy() if isinstance(query, exp.Select) else wrapped(query)
    assert isinstance(base, exp.Select)
    there = base.args.get("limit")
    if there is not None and there.expression is not None and there.expression.is_int:
        count = min(count, int(there.expression.name))
    return base.limit(count)


def aggregate(query: exp.Expression, function: type[exp.AggFunc]) -> exp.Select:
    """Return the minimum or maximum of the one column that the query returns. The query is qualified."""
    found = projections(query)
    if len(found) != 1:
        names = ", ".join(p.alias_or_name for p in found)
        raise UsageError(
            f"`{function.key}` needs a relation with one column, this has {len(found)}: {names}",
            hint=f'relation.select("column").{function.key}()',
        )
    value: exp.Expression = cast(exp.Expression, found[0].unalias().copy())
    base = open_to_conditions(query)
    if not takes_conditions(query):
        value = column(found[0].alias_or_name)
    base.set("order", None)
    base.set("expressions", [function(this=value)])
    return base


def row_counts(tables: Sequence[str], load_id: str | None) -> exp.Expression:
    """Count the rows of each table; of one load, where it is given."""
    if not tables:
        names = [exp.cast(exp.Null(), "TEXT"), exp.cast(exp.Null(), "BIGINT")]
        return _counted(names[0], names[1]).where(exp.false())
    counts = []
    for table in tables:
        counted = _counted(exp.Literal.string(table), exp.Count(this=exp.Star()))
        counted = counted.from_(exp.Table(this=ident(table)))
        if load_id is not None:
            counted = counted.where(
                exp.EQ(this=column("_dlt_load_id"), expression=exp.Literal.string(load_id))
            )
        counts.append(counted)
    query: exp.Expression = counts[0]
    for counted in counts[1:]:
        query = exp.Union(this=query, expression=counted, distinct=False)
    return query


def _counted(name: Any, count: Any) -> exp.Select:
    return exp.select(
        exp.alias_(name, "table_name", quoted=True), exp.alias_(count, "row_count", quoted=True)
    )
