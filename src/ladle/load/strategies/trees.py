"""Small trees of SQL that the strategies are built of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from sqlglot import exp

ROW_ID, ROOT_ID, PARENT_ID = "_dlt_id", "_dlt_root_id", "_dlt_parent_id"
NEW, OLD = "new", "old"


def same(keys: Sequence[str]) -> exp.Expression:
    """Whether old and new row have one key."""
    both = exp.and_(*(col(k, OLD).eq(col(k, NEW)) for k in keys))
    return exp.paren(both)


def differs(columns: Sequence[str], absent: Sequence[str]) -> exp.Expression:
    """Whether old and new row differ: in one of the columns, or in one that the new row lacks."""
    found: list[exp.Expression] = [exp.NullSafeNEQ(this=col(c, OLD), expression=col(c, NEW)) for c in columns]
    found += [exp.not_(is_null(col(c, OLD))) for c in absent]
    return any_of(found) if found else exp.false()


def any_of(conditions: Sequence[exp.Expression]) -> exp.Expression:
    """Whether one of some conditions holds."""
    return exp.paren(exp.or_(*conditions))


def exists(source: exp.Expression, *conditions: exp.Expression) -> exp.Expression:
    """Whether a table or query has a row that meets the conditions."""
    return exp.Exists(this=exp.select(exp.Literal.number(1)).from_(source).where(*conditions))


def counted() -> exp.Expression:
    """COUNT(*)."""
    return exp.Count(this=exp.Star())


def col(name: str, table: str | None = None) -> exp.Column:
    """Return a reference to a column."""
    return exp.column(exp.to_identifier(name, quoted=True), table=table, quoted=True)


def substring(text: exp.Expression, start: int, length: int | None = None) -> exp.Expression:
    """Return a part of a text; the first character has number 1."""
    size = None if length is None else exp.Literal.number(length)
    return exp.Substring(this=text.copy(), start=exp.Literal.number(start), length=size)


def as_(value: exp.Expression, name: str) -> exp.Expression:
    """Return a value as a column of that name."""
    return exp.Alias(this=value, alias=exp.to_identifier(name, quoted=True))


def literal(value: str | int) -> exp.Expression:
    """Return a text or a whole number as a literal."""
    return exp.Literal.string(value) if isinstance(value, str) else cast(exp.Expression, exp.convert(value))


def named(table: exp.Expression, name: str) -> exp.Expression:
    """Return a table under a name of its own."""
    return cast(exp.Expression, exp.alias_(table, name, table=True))


def all_of(conditions: Sequence[exp.Expression]) -> exp.Expression:
    """Whether all of some conditions hold."""
    return exp.paren(exp.and_(*conditions))


def is_null(column: exp.Expression) -> exp.Expression:
    """Whether it is null."""
    return exp.Is(this=column, expression=exp.Null())


def temporary(ref: exp.Table, query: exp.Expression) -> exp.Create:
    """CREATE TEMPORARY TABLE AS query."""
    kept = exp.Properties(expressions=[exp.TemporaryProperty()])
    return exp.Create(this=ref, kind="TABLE", properties=kept, expression=query)


def drop(ref: exp.Table) -> exp.Drop:
    """DROP TABLE."""
    # sqlglot 30 has a list where earlier versions have one table; what it doesn't know it leaves out.
    what = {"tables": [ref]} if "tables" in exp.Drop.arg_types else {"this": ref}
    return exp.Drop(**what, kind="TABLE")


def rename(ref: exp.Table, name: str) -> exp.Alter:
    """ALTER TABLE RENAME TO."""
    to = exp.AlterRename(this=exp.Table(this=exp.to_identifier(name, quoted=True)))
    return exp.Alter(this=ref, kind="TABLE", actions=[to])


def update(table: exp.Expression, values: Sequence[exp.Expression], where: exp.Expression) -> exp.Update:
    """UPDATE by conditions on a row."""
    return exp.Update(this=table, expressions=list(values), where=exp.Where(this=where))


def update_from(
    table: exp.Expression, values: Sequence[exp.Expression], new: exp.Expression, where: exp.Expression
) -> exp.Update:
    """UPDATE by rows of another table."""
    made, source = update(table, values, where), exp.From(this=new)
    made.set("from_" if "from_" in exp.Update.arg_types else "from", source)
    return made
