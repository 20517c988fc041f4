"""Lineage: names of a query resolved against the catalog, and the hints its columns inherit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast

from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.optimizer.annotate_types import annotate_types
from sqlglot.optimizer.qualify_columns import (
    qualify_columns,
    quote_identifiers,
    validate_qualify_columns,
)
from sqlglot.optimizer.qualify_tables import qualify_tables

from ladle.dataset.catalog import Catalog, hints_of
from ladle.errors import LineageFailedException
from ladle.schema.types import DECIMAL_DEFAULT

ORIGINAL = "x-original-name"

_KINDS = {
    **dict.fromkeys(("TINYINT", "SMALLINT", "INT", "BIGINT", "UTINYINT", "USMALLINT", "UINT"), "bigint"),
    **dict.fromkeys(("INT128", "UINT128", "UBIGINT", "INT256"), "wei"),
    **dict.fromkeys(("FLOAT", "DOUBLE"), "double"),
    **dict.fromkeys(("DECIMAL", "BIGDECIMAL"), "decimal"),
    **dict.fromkeys(("TEXT", "VARCHAR", "CHAR", "NVARCHAR", "NCHAR", "UUID"), "text"),
    **dict.fromkeys(("BOOLEAN",), "bool"),
    **dict.fromkeys(("TIMESTAMP", "TIMESTAMPTZ", "TIMESTAMPLTZ", "TIMESTAMPNTZ", "DATETIME"), "timestamp"),
    **dict.fromkeys(("DATE",), "date"),
    **dict.fromkeys(("TIME",), "time"),
    **dict.fromkeys(("BINARY", "VARBINARY", "BLOB"), "binary"),
    **dict.fromkeys(("JSON", "JSONB", "STRUCT", "ARRAY", "LIST", "MAP", "OBJECT"), "json"),
}


@dataclass(frozen=True)
class Resolved:
    """A query with all names qualified and quoted.

    Attributes:
        expression: the tree.
        catalog: that it was resolved against.
    """

    expression: exp.Expression
    catalog: Catalog

    @cached_property
    def columns(self) -> Mapping[str, dict[str, Any]]:
        """Hints by name of the columns it returns, in order."""
        select = _first(self.expression)
        found = {p.alias_or_name: _output(p, select, self.catalog) for p in projections(self.expression)}
        if all("data_type" in hints for hints in found.values()):
            return found
        try:
            typed = annotate_types(self.expression.copy(), schema=self.catalog.mapping)
        except SqlglotError:
            return found
        made = {p.alias_or_name: _typed(p) for p in projections(typed)}
        return {
            name: hints if "data_type" in hints else {**hints, **made[name]} for name, hints in found.items()
        }


def resolve(expression: exp.Expression, catalog: Catalog) -> Resolved:
    """Qualify tables and columns of a query.

    Raises:
        LineageFailedException: not a query, or a table or column that the schema doesn't have.
    """
    if not isinstance(expression, exp.Query):
        raise LineageFailedException(
            f"a relation needs a query, this is `{expression.key.upper()}`",
            expected="SELECT, or several of them with UNION",
            hint="run other statements with dataset.sql_client",
        )
    tree = expression.copy()
    _find_names(tree, catalog)
    _check_tables(tree, catalog)
    _name_tables(tree)
    dataset = exp.to_identifier(catalog.dataset, quoted=True)
    try:
        tree = qualify_tables(tree, db=dataset.copy(), dialect=catalog.dialect)
        for table in tree.find_all(exp.Table):
            if table.args.get("db"):  # newer versions of sqlglot make it lower case
                table.set("db", dataset.copy())
        tree = qualify_columns(tree, catalog.mapping)
        tree = quote_identifiers(tree, dialect=catalog.dialect)
        validate_qualify_columns(tree)
    except SqlglotError as exc:
        raise _unresolved(exc, catalog) from exc
    return Resolved(tree, catalog)


def _unresolved(exc: SqlglotError, catalog: Catalog) -> LineageFailedException:
    lines = str(exc).strip().splitlines()
    return LineageFailedException(
        f"the query doesn't fit the schema: {lines[0] if lines else type(exc).__name__}",
        expected="columns that its tables have, spelled as in the schema",
        hint="dataset.table(name).columns lists them; names in quotes are taken as they are",
    )


def _find_names(tree: exp.Expression, catalog: Catalog) -> None:
    """Spell names that are found only in other case as the schema has them; other words stay."""
    known = {alias for node in tree.find_all(exp.Alias, exp.TableAlias) if (alias := node.alias or node.name)}
    for node in tree.find_all(exp.Column, exp.Table):
        for name in (node.this, node.args.get("table")):
            if not isinstance(name, exp.Identifier) or name.args.get("quoted") or name.name in known:
                continue
            right = catalog.lower_names.get(name.name.lower())
            if right is not None and right != name.name:
                name.set("this", right)


def _name_tables(tree: exp.Expression) -> None:
    """Give tables their own name as alias: sqlglot's would be in lower case."""
    for table in tree.find_all(exp.Table):
        if isinstance(table.this, exp.Identifier) and not table.alias and not table.args.get("pivots"):
            table.set("alias", exp.TableAlias(this=table.this.copy()))


def _check_tables(tree: exp.Expression, catalog: Catalog) -> None:
    own = {cte.alias for cte in tree.find_all(exp.CTE)}
    for table in tree.find_all(exp.Table):
        if not isinstance(table.this, exp.Identifier) or (not table.db and table.name in own):
            continue
        if table.db not in ("", catalog.dataset):
            raise LineageFailedException(
                f"table `{table.db}.{table.name}` is not of dataset `{catalog.dataset}`",
                hint="run such queries with dataset.sql_client",
            )
        if table.name not in catalog.tables:
            raise LineageFailedException(
                f"table `{table.name}` is not in the schema of dataset `{catalog.dataset}`",
                expected="one of " + ", ".join(catalog.tables),
                hint="run queries on tables that no schema knows with dataset.sql_client",
            )


# -- hints


def projections(query: exp.Expression) -> list[exp.Expression]:
    """Return what a query selects, those of the first select of a UNION."""
    first = _first(query)
    return [cast(exp.Expression, p) for p in first.selects] if isinstance(first, exp.Query) else []


def _first(query: exp.Expression) -> exp.Expression:
    """Return the select that names the columns of a query: the first one of a UNION."""
    while isinstance(query, exp.Query) and not isinstance(query, exp.Select):
        query = query.this
    return query


def _output(projection: exp.Expression, select: exp.Expression, catalog: Catalog) -> dict[str, Any]:
    name = projection.alias_or_name
    hints = _inherited(projection, select, catalog)
    if hints is None:
        return {"name": name, **_summed(projection.unalias(), select, catalog)}
    original = hints.get(ORIGINAL, hints["name"])
    hints = {**hints, "name": name}
    hints.pop(ORIGINAL, None)
    return hints if original == name else {**hints, ORIGINAL: original}


def _summed(node: Any, select: exp.Expression, catalog: Catalog) -> dict[str, Any]:
    """Return the type of a sum of a column: its own, with all the digits there are."""
    hints = _inherited(node.this, select, catalog) if isinstance(node, exp.Sum) else None
    kind = hints and hints.get("data_type")
    if hints is None or kind not in ("bigint", "double", "decimal", "wei"):
        return {}
    if kind != "decimal":
        return {"data_type": kind}
    scale = hints.get("scale", 0 if "precision" in hints else DECIMAL_DEFAULT[1])
    return {"data_type": kind, "precision": DECIMAL_DEFAULT[0], "scale": scale}


def _inherited(node: exp.Expression, select: exp.Expression, catalog: Catalog) -> dict[str, Any] | None:
    """Return the hints of the one column that an expression hands on; None where it makes a new value."""
    if isinstance(node, exp.Column):
        return _source_hints(node, select, catalog)
    if isinstance(node, (exp.Alias, exp.Paren, exp.Coalesce)):
        return _inherited(node.this, select, catalog)
    if isinstance(node, (exp.Min, exp.Max)):
        found = _inherited(node.this, select, catalog)
        return None if found is None else {**found, "nullable": True}
    if isinstance(node, (exp.Case, exp.If)):
        handed = [h for value in _branches(node) if (h := _inherited(value, select, catalog)) is not None]
        return handed[0] if handed and all(h == handed[0] for h in handed) else None
    return None


def _branches(node: exp.Expression) -> Iterator[exp.Expression]:
    if isinstance(node, exp.Case):
        for branch in node.args.get("ifs") or []:
            yield branch.args["true"]
    elif "true" in node.args:
        yield node.args["true"]
    for key in ("default", "false"):
        if node.args.get(key) is not None:
            yield node.args[key]


def _source_hints(column: exp.Column, select: exp.Expression, catalog: Catalog) -> dict[str, Any] | None:
    source = next((s for s in sources(select) if s.alias_or_name == column.table), None)
    hints: dict[str, Any] | None = None
    if isinstance(source, exp.Table) and source.db:
        table = catalog.tables.get(source.name)
        known = table.columns.get(column.name) if table is not None else None
        hints = hints_of(known) if known is not None else None
    elif source is not None:
        query = _cte(source) if isinstance(source, exp.Table) else source
        inner = _first(query) if query is not None else None
        for projection in projections(inner) if inner is not None else ():
            if inner is not None and projection.alias_or_name == column.name:
                hints = _output(projection, inner, catalog)
    if hints is not None and column.table in _outer(select):
        hints = {**hints, "nullable": True}
    return hints


def sources(select: exp.Expression) -> list[exp.Expression]:
    """Return the tables and subqueries that a select reads, in order."""
    # sqlglot 30 writes `from_` and `with_` for what were `from` and `with`
    first = select.args.get("from_") or select.args.get("from")
    joined = [join.this for join in select.args.get("joins") or []]
    return [first.this, *joined] if first is not None else joined


def _cte(table: exp.Table) -> exp.Expression | None:
    """Return the query that a name stands for, from the nearest WITH that has it."""
    node: exp.Expression | None = table
    while node is not None:
        found = node.args.get("with_") or node.args.get("with")
        for cte in found.expressions if isinstance(found, exp.With) else ():
            if cte.alias == table.name:
                query: exp.Expression = cte.this
                return query
        node = cast("exp.Expression | None", node.parent)
    return None


def _outer(select: exp.Expression) -> set[str]:
    """Return the sources of a select that may have no row where others do: columns of them can be null."""
    before = {source.alias_or_name for source in sources(select)[:1]}
    found: set[str] = set()
    for join in select.args.get("joins") or []:
        name, side = join.this.alias_or_name, str(join.args.get("side") or "").upper()
        if side in ("LEFT", "FULL"):
            found.add(name)
        if side in ("RIGHT", "FULL"):
            found |= before
        before.add(name)
    return found


def _typed(projection: exp.Expression) -> dict[str, Any]:
    """Return the data type that sqlglot makes of an expression; nothing where it can't tell."""
    found = projection.type or projection.unalias().type
    if not isinstance(found, exp.DataType):
        return {}
    name = found.this.value if hasattr(found.this, "value") else str(found.this)
    kind = _KINDS.get(name)
    if kind is None:
        return {}
    hints: dict[str, Any] = {"data_type": kind}
    # what sqlglot says of digits holds for casts: the product of two decimals has more
    is_cast = isinstance(projection.unalias(), exp.Cast) and kind == "decimal"
    sizes = [int(p.name) for p in found.expressions if p.name.isdigit()] if is_cast else []
    hints.update(zip(("precision", "scale"), sizes, strict=False))
    if name in ("TIMESTAMP", "TIMESTAMPNTZ", "DATETIME"):
        hints["timezone"] = False
    return hints
