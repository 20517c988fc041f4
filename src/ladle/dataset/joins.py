"""Joins along the references of the schema: child to parent, declared references, rows to their load."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import cast

from sqlglot import exp

from ladle.dataset.catalog import Catalog
from ladle.dataset.lineage import projections, sources
from ladle.dataset.queries import column, ident, open_to_conditions
from ladle.errors import UsageError
from ladle.schema.schema import LOADS_TABLE, SYSTEM_TABLES
from ladle.schema.table import Table

KINDS = ("inner", "left", "right", "full")
LOAD_ID = "_dlt_load_id"
_BETWEEN = "_dlt_int_t"


@dataclass(frozen=True, slots=True)
class Reference:
    """Many rows of `table` point to one row of `other`: columns of both, pairwise equal."""

    table: str
    columns: tuple[str, ...]
    other: str
    other_columns: tuple[str, ...]

    def turned(self) -> Reference:
        """Return it seen from the other table."""
        return Reference(self.other, self.other_columns, self.table, self.columns)


def references(table: Table, catalog: Catalog) -> Iterator[Reference]:
    """Yield where rows of a table point to."""
    parent = catalog.tables.get(table.parent or "")
    if parent is not None:
        own = (table.keys("parent_key") or ["_dlt_parent_id"])[0]
        key = (parent.keys("row_key") or ["_dlt_id"])[0]
        yield Reference(table.name, (own,), parent.name, (key,))
    for declared in table.extra.get("references") or ():
        if declared["referenced_table"] in catalog.tables:
            yield Reference(
                table.name,
                tuple(declared["columns"]),
                declared["referenced_table"],
                tuple(declared["referenced_columns"]),
            )
    if LOAD_ID in table.columns:
        yield Reference(table.name, (LOAD_ID,), LOADS_TABLE, ("load_id",))


def path(start: str, end: str, catalog: Catalog) -> list[Reference]:
    """Return the references that lead from one table to another: all up, or all down.

    Raises:
        UsageError: none do, or several in one step.
    """
    if start == end:
        raise UsageError(
            f"table `{start}` can't be joined to itself by references",
            hint='say how: .join(other, on="...", alias="other")',
        )
    up = _upwards(start, end, catalog)
    if up:
        return up
    down = _upwards(end, start, catalog)
    if not down:
        raise UsageError(
            f"no references lead from table `{start}` to table `{end}`",
            hint=f'say which rows belong together: .join("{end}", on="{start}.a = {end}.b")',
        )
    return [step.turned() for step in reversed(down)]


def _upwards(start: str, end: str, catalog: Catalog) -> list[Reference]:
    """Return the shortest way along references; [] where there is none."""
    ways: list[list[Reference]] = [[]]
    seen = {start}
    while ways:
        longer = []
        for way in ways:
            table = catalog.table(way[-1].other if way else start)
            steps = [r for r in references(table, catalog) if r.other not in seen or r.other == end]
            there = [r for r in steps if r.other == end]
            if len(there) > 1:
                columns = ", ".join(c for r in there for c in r.columns)
                raise UsageError(
                    f"table `{table.name}` references table `{end}` more than once: by {columns}",
                    hint=f'say which one: .join(..., on="{table.name}.{there[0].columns[0]} = ...")',
                )
            if there:
                return [*way, there[0]]
            longer += [[*way, r] for r in steps if r.other not in SYSTEM_TABLES]
        seen |= {way[-1].other for way in longer}
        ways = longer
    return []


# -- trees


def names(select: exp.Expression) -> dict[str, str]:
    """Return what a select reads: tables, "" for subqueries, by the name they have in it."""
    return {s.alias_or_name: s.name if isinstance(s, exp.Table) else "" for s in sources(select)}


def add(select: exp.Select, source: exp.Expression, on: exp.Expression, kind: str) -> None:
    """Add a join to a select, in place."""
    join = exp.Join(this=source, on=on)
    join.set(*(("kind", "INNER") if kind == "inner" else ("side", kind.upper())))
    select.append("joins", join)


def equal(left: str, step: Reference, right: str) -> exp.Expression:
    """Return the condition of a step between two names."""
    pairs = [
        exp.EQ(this=column(a, left), expression=column(b, right))
        for a, b in zip(step.columns, step.other_columns, strict=True)
    ]
    return cast(exp.Expression, exp.and_(*pairs)) if len(pairs) > 1 else pairs[0]


def follow(
    select: exp.Select, start: str, steps: Sequence[Reference], last: exp.Expression, kind: str
) -> None:
    """Join the tables on a way, in place; those that are joined under their own name serve again.

    Args:
        select: qualified.
        start: the name, in the select, of the table that the way begins at.
        steps: the way.
        last: what is joined at its end; has an alias.
        kind: of all joins.
    """
    there = names(select)
    for step in steps[:-1]:
        if there.get(step.other) == step.other:
            start = step.other
            continue
        name = f"{_BETWEEN}{1 + sum(n.startswith(_BETWEEN) for n in there)}"
        add(select, table(step.other, name), equal(start, step, name), kind)
        there[name] = step.other
        start = name
    add(select, last, equal(start, steps[-1], last.alias_or_name), kind)


def table(name: str, alias: str | None = None) -> exp.Table:
    """Return a table under a name."""
    return exp.Table(this=ident(name), alias=exp.TableAlias(this=ident(alias or name)))


@dataclass(frozen=True, slots=True)
class Joined:
    """What is joined to a query.

    Attributes:
        query: qualified.
        origin: the table that it reads, None where it is no single table.
        columns: that it returns.
        prefix: of these columns in the result.
        is_plain: whether it is all rows of the table, so that no subquery is needed.
    """

    query: exp.Expression
    origin: str | None
    columns: tuple[str, ...]
    prefix: str
    is_plain: bool

    def source(self, name: str) -> exp.Expression:
        """Return what goes into the FROM clause."""
        if self.is_plain and self.origin is not None:
            return table(self.origin, name)
        assert isinstance(self.query, exp.Query)
        return self.query.copy().subquery(ident(name))


def join(
    query: exp.Expression,
    origin: str | None,
    other: Joined,
    on: exp.Expression | None,
    kind: str,
    catalog: Catalog,
) -> exp.Select:
    """Join; the columns of `other` come after those of the query, with its prefix. `query` is qualified.

    Raises:
        UsageError: no way between the tables, or names that are taken.
    """
    if kind not in KINDS:
        raise UsageError.unknown_choice("kind of join", kind, KINDS)
    select = open_to_conditions(query)
    there = [p.alias_or_name for p in projections(query)]
    way = path(*_ends(origin, other), catalog) if on is None else []
    name = _free_name(select, other)
    if on is not None:
        add(select, other.source(name), _renamed(on, other.prefix, name), kind)
    elif origin is not None:
        follow(select, origin, way, other.source(name), kind)
    _project(select, there, other, name)
    return select


def _ends(origin: str | None, other: Joined) -> tuple[str, str]:
    if origin is None or other.origin is None:
        raise UsageError(
            "only relations that begin with a table can be joined by references",
            expected='dataset.table("name"), or a condition: .join(other, on="a.x = b.y")',
        )
    return origin, other.origin


def _free_name(select: exp.Select, other: Joined) -> str:
    there = names(select)
    found = next((n for n in (other.origin, other.prefix) if n and n not in there), None)
    if found is None:
        raise UsageError(
            f"`{other.prefix}` is part of the relation already", hint='name it: .join(..., alias="other")'
        )
    return found


def _renamed(on: exp.Expression, alias: str, name: str) -> exp.Expression:
    """Let a condition name the joined table by its alias."""
    on = on.copy()
    for found in on.find_all(exp.Column):
        if found.table == alias and alias != name:
            found.set("table", ident(name))
    return on


def _project(select: exp.Select, there: list[str], other: Joined, name: str) -> None:
    if select.is_star:
        select.set("expressions", [column(c, sources(select)[0].alias_or_name) for c in there])
    for c in other.columns:
        output = f"{other.prefix}__{c}"
        if output in there:
            raise UsageError(
                f"column `{output}` would be there twice", hint='give an alias: .join(..., alias="other")'
            )
        select.append("expressions", exp.alias_(column(c, name), output, quoted=True))
