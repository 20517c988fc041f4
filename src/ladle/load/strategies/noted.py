"""Root rows that a strategy notes before it changes anything: by their ids what is below them is found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlglot import exp

from ladle.load.strategies.staged import Staged
from ladle.load.strategies.trees import NEW, OLD, ROOT_ID, ROW_ID, as_, col, drop, exists, named, temporary

OLD_ID, NEW_ID, CHANGED = "old_id", "new_id", "changed"
_NOTE, _NUMBER = "noted", "number"


@dataclass(frozen=True, slots=True)
class Noted:
    """A temporary table of ids.

    Attributes:
        staged: whose root rows these are.
        name: tells it from others of the same root table.
    """

    staged: Staged
    name: str

    @property
    def ref(self) -> exp.Table:
        """A reference to it."""
        return self.staged.session.staged(f"{self.staged.root.name} {self.name}")

    def ids(self, conditions: Sequence[exp.Expression]) -> exp.Expression:
        """Note old rows that meet one of the conditions, each by itself: an OR would be slow to find."""
        found = [self.staged.old(as_(col(ROW_ID, OLD), OLD_ID)).where(c) for c in conditions]
        query: exp.Expression = found[0]
        for more in found[1:]:
            query = exp.union(query, more, distinct=True)
        return temporary(self.ref, query)

    def pairs(self, match: exp.Expression, changed: exp.Expression | None = None) -> exp.Expression:
        """Note which old row is which waiting row's, and whether they differ, where that is asked."""
        columns: list[exp.Expression] = [
            as_(col(ROW_ID, OLD), OLD_ID),
            as_(col(ROW_ID, NEW), NEW_ID),
        ]
        if changed is not None:
            columns.append(as_(exp.paren(changed), CHANGED))
        new = named(self.staged.here(self.staged.root), NEW)
        return temporary(self.ref, self.staged.old(*columns).join(new, on=match))

    def others(self, rows: exp.Select, key: Sequence[exp.Expression]) -> exp.Expression:
        """Note all but one of some old rows with one key; those with the first's id, too."""
        order = exp.Order(expressions=[exp.Ordered(this=col(ROW_ID, OLD))])
        number = exp.Window(
            this=exp.RowNumber(), partition_by=[k.copy() for k in key], order=order, over="OVER"
        )
        numbered = rows.select(as_(col(ROW_ID, OLD), OLD_ID), as_(number, _NUMBER)).subquery(_NOTE)
        beyond = exp.GT(this=col(_NUMBER, _NOTE), expression=exp.Literal.number(1))
        return temporary(self.ref, exp.select(col(OLD_ID, _NOTE)).from_(numbered).where(beyond))

    def itself(self) -> exp.Expression:
        """Whether an old root row is noted."""
        return exp.In(this=col(ROW_ID, OLD), query=exp.select(col(OLD_ID)).from_(self.ref).subquery())

    def below(self, *conditions: exp.Expression) -> exp.Expression:
        """Whether an old child row is below a noted row."""
        noted = exp.select(col(OLD_ID)).from_(self.ref).where(*conditions)
        return exp.In(this=col(ROOT_ID, OLD), query=noted.subquery())

    def has(self, new_id: exp.Expression, *conditions: exp.Expression) -> exp.Expression:
        """Whether a waiting row is noted."""
        noted = named(self.ref, _NOTE)
        return exists(noted, col(NEW_ID, _NOTE).eq(new_id), *conditions)

    def forget(self) -> exp.Expression:
        """DROP it."""
        return drop(self.ref)
