"""What strategies have in common: rows that wait in tables of the load's own, and SQL over both.

`new` is the waiting row, `old` the row at the destination. Keys are compared column by column, as values: a
null equals nothing, so a row without its key is only ever added. All is built as trees; nothing runs here:
a generator yields statements, and is sent what came of each (`MergingSession.merge`).
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlglot import exp

from ladle.destinations.base import MergingSession
from ladle.load.strategies.trees import (
    NEW,
    OLD,
    PARENT_ID,
    ROOT_ID,
    ROW_ID,
    any_of,
    as_,
    col,
    exists,
    is_null,
    named,
    substring,
)
from ladle.schema.row_ids import DIGEST, MARK, TAIL, is_keyed
from ladle.schema.table import Table

Steps = Generator[exp.Expression, Any, None]


@dataclass(frozen=True, slots=True)
class Staged:
    """A root table and all below it, with the rows of this load that wait beside them.

    Attributes:
        session: that has them.
        root: the root table, columns as in the schema.
        children: the tables below it that are at the destination, parents first.
        columns: of the waiting rows, by table; a table without rows isn't in it.
        at: when the load was made.
        refused: root rows that the load was to bring, and a contract or a rule refused; None where it brings
            rows of an earlier load again.
        tally: what became of root rows: `inserted`, `updated`, `deleted`, `unchanged`.
        single: whether the waiting root rows are those of another table, one for each key.
        shared: whether the root table has columns that the schema doesn't know: somebody else's values.
    """

    session: MergingSession
    root: Table
    children: Sequence[Table]
    columns: dict[str, Sequence[str]]
    at: datetime
    refused: int | None = 0
    tally: dict[str, int] = field(default_factory=dict)
    single: bool = False
    shared: bool = False

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
        return self.session.staged(f"{table.name} kept" if self.single and table is self.root else table.name)

    def tell(self, **counts: int) -> None:
        """Add to the tally; what an engine doesn't count (-1) is left out."""
        for name, count in counts.items():
            if count >= 0:
                self.tally[name] = self.tally.get(name, 0) + count

    # -- the rows that take part

    @property
    def marked(self) -> exp.Expression | None:
        """Whether a waiting row only asks for a deletion, by a true bool or any other value; None: none."""
        found: list[exp.Expression] = []
        for name in self.root.keys("hard_delete"):
            if name in self.columns[self.root.name] and self.root.columns[name].data_type == "bool":
                found.append(exp.Coalesce(this=col(name, NEW), expressions=[exp.false()]))
            elif name in self.columns[self.root.name]:
                found.append(exp.not_(is_null(col(name, NEW))))
        return any_of(found) if found else None

    def live(self, *columns: exp.Expression) -> exp.Select:
        """SELECT of the waiting root rows that ask for no deletion."""
        rows = exp.select(*columns).from_(named(self.here(self.root), NEW))
        return rows if self.marked is None else rows.where(exp.not_(self.marked))

    # -- statements

    def insert(self, table: Table, rows: exp.Select) -> exp.Insert:
        """INSERT rows with the columns that wait for the table."""
        names = [exp.to_identifier(c, quoted=True) for c in self.columns[table.name]]
        return exp.Insert(this=exp.Schema(this=self.there(table), expressions=names), expression=rows)

    def all(self, table: Table) -> exp.Select:
        """SELECT all waiting rows of a table, as they will be."""
        here = named(self.here(table), NEW)
        return exp.select(*self.given(table)).from_(here)

    def given(self, table: Table) -> list[exp.Expression]:
        """Return the columns of waiting rows, as they will be."""
        return [as_(self.final(c), c) for c in self.columns[table.name]]

    def final(self, name: str) -> exp.Expression:
        """Return a column of a waiting row as it will be: ids made of keys lose what told them apart."""
        value = col(name, NEW)
        if name not in (ROW_ID, ROOT_ID, PARENT_ID) or not is_keyed(self.root):
            return value
        mark = substring(value, DIGEST + 1, len(MARK)).eq(exp.Literal.string(MARK))
        short = exp.Concat(expressions=[substring(value, 1, DIGEST), substring(value, TAIL + 1)], safe=True)
        return exp.Case(ifs=[exp.If(this=mark, true=short)], default=value.copy())

    def insert_children(self, *conditions: exp.Expression) -> Steps:
        """INSERT the waiting child rows whose root rows are loaded, and meet the conditions."""
        wanted = list(conditions)
        if self.single or self.marked is not None:
            roots = self.live(col(ROW_ID, NEW)).subquery()
            wanted.insert(0, exp.In(this=col(ROOT_ID, NEW), query=roots))
        for table in self.filled:
            yield self.insert(table, self.all(table).where(*wanted))

    def delete(self, table: Table, where: exp.Expression) -> exp.Delete:
        """DELETE old rows."""
        return exp.Delete(this=named(self.there(table), OLD), where=exp.Where(this=where))

    def old(self, *columns: exp.Expression) -> exp.Select:
        """SELECT of the old root rows."""
        return exp.select(*columns).from_(named(self.there(self.root), OLD))

    def matching(self, condition: exp.Expression, *more: exp.Expression) -> exp.Expression:
        """Whether the old row is one of the waiting rows', by a condition on both."""
        return exists(named(self.here(self.root), NEW), condition, *more)
