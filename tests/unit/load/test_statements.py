"""The statements that merges and replaces are made of, as text; a script answers for the engine."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlglot import exp

from ladle.destinations.base import Strategy
from ladle.load.strategies.delete_insert import delete_insert
from ladle.load.strategies.insert_from_staging import insert_from_staging
from ladle.load.strategies.insert_only import insert_only
from ladle.load.strategies.staged import Staged
from ladle.load.strategies.staging_optimized import staging_optimized
from ladle.load.strategies.upsert import upsert
from ladle.schema.table import Column, Table

KEY = Column("id", "bigint", nullable=False, primary_key=True)
DATA = [Column("v", "text"), Column("w", "text")]
CHILD = Table("t__n", {"x": Column("x", "bigint")}, parent="t")


@dataclass
class Script:
    """A session that answers with numbers, and writes down what it is asked."""

    low: Any = "5"
    high: Any = "9"
    known: int = 1
    anew: bool = False
    ran: list[str] = field(default_factory=list)

    def place(self, table: str) -> exp.Table:
        return exp.table_(table)

    def staged(self, name: str) -> exp.Table:
        return exp.table_(f"new_{name.replace(' ', '_')}")

    def built(self, name: str) -> exp.Table:
        return exp.table_(f"built_{name}")

    def replaces_rows(self, table: str) -> bool:
        return self.anew

    def row_order(self) -> exp.Expression:
        return exp.column("rowid")

    def moment(self, column: Column, at: datetime) -> exp.Expression:
        return exp.Literal.string(f"{at:%Y}")

    def merge(self, tables: Sequence[str], made: Iterable[exp.Expression]) -> list[str]:
        assert isinstance(made, Generator)
        answer = None
        try:
            while True:
                statement = made.send(answer)
                self.ran.append(statement.sql())
                answer = self._answer(statement)
        except StopIteration:
            return self.ran

    def _answer(self, statement: exp.Expression) -> Any:
        text = statement.sql()
        if "HAVING" in text:
            return None
        if "MIN(" in text:
            return (self.low, self.high)
        return (3,) if isinstance(statement, exp.Query) else self.known


def ran(
    strategy: Strategy, script: Script | None = None, children: Sequence[Table] = (), **extra: Any
) -> list[str]:
    root = Table("t", {c.name: c for c in (KEY, *DATA)}, write_disposition="merge").with_extra(**extra)
    columns: dict[str, Sequence[str]] = {"t": ["id", "v", *(["_dlt_id"] if children else [])]}
    columns.update((c.name, ["x", "_dlt_root_id"]) for c in children)
    session: Any = script or Script()
    assert strategy.statements is not None
    staged = Staged(session, root, children, columns, datetime(2026, 1, 1, tzinfo=UTC))
    found: list[str] = session.merge(["t"], strategy.statements(staged))
    return found


BOUNDED = '("old"."id" = "new"."id") AND "old"."id" BETWEEN 5 AND 9'


@pytest.mark.parametrize("strategy", [delete_insert, upsert, insert_only])
@pytest.mark.parametrize("children", [(), (CHILD,)])
def test_what_is_there_is_read_within_the_bounds_of_the_keys(strategy: Strategy, children: Any) -> None:
    statements = ran(strategy, children=children)
    joined = [s for s in statements if '"old"."id" = "new"."id"' in s]
    assert joined
    assert all(BOUNDED in s for s in joined)
    assert not any("MERGE" in s for s in statements)


def test_negative_numbers_and_times_are_literals() -> None:
    assert "BETWEEN -7 AND -2" in " ".join(ran(upsert, Script(low="-7", high="-2")))


def test_a_batch_without_any_key_has_no_bounds() -> None:
    assert "BETWEEN" not in " ".join(ran(upsert, Script(low=None, high=None)))


def test_where_no_key_is_known_rows_are_only_inserted() -> None:
    statements = ran(upsert, Script(known=0))
    assert (
        statements[-1]
        == 'INSERT INTO t ("id", "v") SELECT "new"."id" AS "id", "new"."v" AS "v" FROM new_t AS new'
    )
    below = ran(delete_insert, Script(known=0), [CHILD])
    assert [s.split()[0] for s in below if not s.startswith("SELECT")] == [
        "CREATE",
        "DROP",
        "INSERT",
        "INSERT",
    ]


def test_upsert_clears_columns_that_the_rows_lack() -> None:
    update = next(s for s in ran(upsert) if s.startswith("UPDATE"))
    assert update.startswith('UPDATE t AS old SET "v" = "new"."v", "w" = NULL FROM new_t AS new WHERE')


def test_where_rows_are_replaced_what_is_there_is_read_once() -> None:
    changes = [s for s in ran(upsert, Script(anew=True)) if not s.startswith("SELECT")]
    assert changes == [
        f"DELETE FROM t AS old WHERE EXISTS(SELECT 1 FROM new_t AS new WHERE ({BOUNDED}))",
        'INSERT INTO t ("id", "v") SELECT "new"."id" AS "id", "new"."v" AS "v" FROM new_t AS new',
    ]


def test_rows_that_are_the_same_are_told_by_their_columns() -> None:
    update = next(s for s in ran(upsert, **{"x-skip-unchanged": True}) if s.startswith("UPDATE"))
    assert '"old"."v" IS DISTINCT FROM "new"."v" OR NOT "old"."w" IS NULL' in update


def test_duplicates_are_looked_for_unless_there_are_none() -> None:
    assert "HAVING COUNT(*) > 1 LIMIT 1" in ran(upsert)[0]
    # of those that wait: old ones are another matter
    assert not [
        s for s in ran(upsert, **{"x-deduplicated": True}) if "HAVING" in s and "FROM t AS old" not in s
    ]


def test_replaces() -> None:
    assert ran(insert_from_staging, children=[CHILD])[::2] == ["DELETE FROM t", "DELETE FROM t__n"]
    assert ran(staging_optimized, children=[CHILD]) == [
        "DROP TABLE t", 'ALTER TABLE built_t RENAME TO "t"',
        "DROP TABLE t__n", 'ALTER TABLE built_t__n RENAME TO "t__n"',
    ]  # fmt: skip
