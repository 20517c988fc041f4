"""What merges have in common: rows that wait in tables of the load's own, and SQL over both.

`new` is the waiting row, `old` the row at the destination. Keys are compared column by column, as values: a
null equals nothing, so a row without its key is only ever added. All is built as trees; nothing runs here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlglot import exp

from ladle.destinations.base import MergingSession
from ladle.schema.table import Table

ROW_ID, ROOT_ID = "_dlt_id", "_dlt_root_id"
NEW, OLD = "new", "old"
_COUNT = "_ladle_count"


@dataclass(frozen=True, slots=True)
class Staged:
    """A root table and all below it, with the rows of this load that wait beside them.

    Attributes:
        session: that has them.
        root: the root table, columns as in the schema.
        children: the tables below it that are at the destination, parents first.
        columns: of the waiting rows, by table; a table without rows isn't in it.
        again: the rows were refused when others of their load were not.
    """

    session: MergingSession
    root: Table
    children: Sequence[Table]
    columns: dict[str, Sequence[str]]
    again: bool = False

    @property
    def filled(self) -> list[Table]:
        """The child tables that have waiting rows."""
        return [t for t in self.children if t.name in self.columns]

    def key(self, hint: str) -> list[str]:
        """Return the columns of a key; none where a part of it is null in all waiting rows."""
        names = self.root.keys(hint)
        return names if set(names) <= set(self.columns[self.root.name]) else []

    def there(self, table: Table) -> exp.Table:
        """Return the table at the destination."""
        return self.session.place(table.name)

    def here(self, table: Table) -> exp.Table:
        """Return the table of waiting rows."""
        return self.session.staged(table.name)

    # -- the rows that take part

    def kept(self, columns: Iterable[str], keys: Sequence[str]) -> exp.Select:
        """SELECT the waiting root rows that remain: one for each key, and none that only deletes.

        Of several the first by `dedup_sort` remains, nulls last, else the first that came. A row without its
        whole key is never a duplicate.
        """
        rows = exp.select(*(col(c) for c in columns)).from_(self._numbered(keys).subquery(NEW))
        unique = bool(self.root.extra.get("x-deduplicated"))
        if keys and not unique:
            nulls = [is_null(col(k)) for k in keys]
            rows = rows.where(exp.or_(col(_COUNT).eq(1), *nulls))
        for name in self.root.keys("hard_delete"):
            rows = rows.where(exp.not_(self.deletes(name)))
        return rows

    def _numbered(self, keys: Sequence[str]) -> exp.Select:
        rows = exp.select(*(col(c) for c in self.columns[self.root.name])).from_(self.here(self.root))
        if not keys or self.root.extra.get("x-deduplicated"):
            return rows
        order = exp.Order(expressions=[*self._sorted(), exp.Ordered(this=self.session.row_order())])
        number = exp.Window(
            this=exp.RowNumber(), partition_by=[col(k) for k in keys], order=order, over="OVER"
        )
        return rows.select(number.as_(_COUNT, quoted=True))

    def _sorted(self) -> list[exp.Ordered]:
        return [
            exp.Ordered(this=col(c.name), desc=c.dedup_sort == "desc", nulls_first=False)
            for c in self.root.columns.values()
            if c.dedup_sort is not None and c.name in self.columns[self.root.name]
        ]

    def deletes(self, name: str) -> exp.Expression:
        """Whether a row only asks for a deletion: a bool that is true, or any other value."""
        if name not in self.columns[self.root.name]:
            return exp.false()
        if self.root.columns[name].data_type == "bool":
            return exp.Coalesce(this=col(name), expressions=[exp.false()])
        return exp.not_(is_null(col(name)))

    # -- statements

    def insert(self, table: Table, rows: exp.Select) -> exp.Insert:
        """INSERT rows with the columns that wait for the table."""
        names = [exp.to_identifier(c, quoted=True) for c in self.columns[table.name]]
        return exp.Insert(this=exp.Schema(this=self.there(table), expressions=names), expression=rows)

    def insert_children(self, roots: exp.Select) -> list[exp.Expression]:
        """INSERT the waiting child rows whose root rows are among `roots`, a query of `_dlt_id`s."""
        return [
            self.insert(t, self.all(t).where(exp.In(this=col(ROOT_ID), query=roots.subquery())))
            for t in self.filled
        ]

    def all(self, table: Table) -> exp.Select:
        """SELECT all waiting rows of a table."""
        return exp.select(*(col(c) for c in self.columns[table.name])).from_(self.here(table))

    def matching(self, keys: Sequence[str]) -> exp.Expression:
        """Whether the old row has the key of a waiting row."""
        waiting = exp.select(exp.Literal.number(1)).from_(exp.alias_(self.here(self.root), NEW, table=True))
        return exp.Exists(this=waiting.where(same(keys)))

    def delete(self, table: Table, where: exp.Expression) -> exp.Delete:
        """DELETE old rows."""
        return exp.Delete(this=exp.alias_(self.there(table), OLD, table=True), where=exp.Where(this=where))

    def note_gone(self, conditions: Sequence[exp.Expression]) -> exp.Expression:
        """Note the ids of old root rows that go, each condition by itself: an OR would be slow to find."""
        found = [
            exp.select(col(ROW_ID, OLD)).from_(exp.alias_(self.there(self.root), OLD, table=True)).where(c)
            for c in conditions
        ]
        query: exp.Expression = found[0]
        for more in found[1:]:
            query = exp.union(query, more, distinct=True)
        return temporary(self.session.staged(self._gone), query)

    @property
    def _gone(self) -> str:
        return f"{self.root.name} gone"

    def of_gone(self, name: str) -> exp.Expression:
        """Whether a column holds a noted id."""
        noted = exp.select(col(ROW_ID)).from_(self.session.staged(self._gone))
        return exp.In(this=col(name, OLD), query=noted.subquery())

    def forget_gone(self) -> exp.Expression:
        """DROP the notes."""
        return forgotten(self.session.staged(self._gone))


def same(keys: Sequence[str]) -> exp.Expression:
    """Whether old and new row have one key."""
    both = exp.and_(*(col(k, OLD).eq(col(k, NEW)) for k in keys))
    return exp.paren(both)


def col(name: str, table: str | None = None) -> exp.Column:
    """Return a reference to a column."""
    return exp.column(exp.to_identifier(name, quoted=True), table=table, quoted=True)


def is_null(column: exp.Expression) -> exp.Expression:
    """Whether it is null."""
    return exp.Is(this=column, expression=exp.Null())


def temporary(ref: exp.Table, query: exp.Expression) -> exp.Create:
    """CREATE TEMPORARY TABLE AS query."""
    kept = exp.Properties(expressions=[exp.TemporaryProperty()])
    return exp.Create(this=ref, kind="TABLE", properties=kept, expression=query)


def forgotten(ref: exp.Table) -> exp.Drop:
    """DROP a table of the load's own."""
    what = {"tables": [ref]} if "tables" in exp.Drop.arg_types else {"this": ref}
    return exp.Drop(**what, kind="TABLE")
