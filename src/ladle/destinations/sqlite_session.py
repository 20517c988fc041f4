"""A load into SQLite: rows that wait, and new tables that are merged into, have indexes on their keys."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

import orjson
from sqlglot import exp

from ladle.destinations import dialect as statements
from ladle.destinations.dialect import Dialect
from ladle.destinations.looked_up import looked_up
from ladle.destinations.sql import SqlConnection, SqlSession
from ladle.schema.table import Table

_KEPT = " kept"
# Those that are as we make them; of others nobody knows how they are to be made again.
_INDEXES = (
    "SELECT l.name, json_group_array(i.name) FROM pragma_index_list(?2, ?1) AS l, "
    "pragma_index_info(l.name, ?1) AS i "
    """WHERE l.origin = 'c' AND NOT l."unique" AND NOT l.partial AND substr(l.name, 1, 3) = 'ix_' """
    "GROUP BY l.name HAVING max(i.name = ?3) = 1 AND count(*) = count(i.name)"
)


class SqliteSession(SqlSession):
    """A load into a file: G4, one transaction.

    SQLite makes an index of its own for each statement that joins, with all columns that the statement reads.
    One that is made once, after the rows, serves all statements of a merge.

    Args:
        connection: open.
        dialect: of the engine.
        dataset: name of the schema.
        create_indexes: whether new tables that are merged into get an index on each key that merges go by.
    """

    def __init__(
        self, connection: SqlConnection, dialect: Dialect, dataset: str, create_indexes: bool
    ) -> None:
        super().__init__(connection, dialect, dataset)
        self._create_indexes = create_indexes
        self._waits: dict[str, list[list[str]]] = {}

    def _waiting(self, here: exp.Table, table: Table, columns: Sequence[str]) -> exp.Expression:
        self._waits[table.name] = [key for key in looked_up(table) if set(key) <= set(columns)]
        return super()._waiting(here, table, columns)

    def _analyze(self, table: exp.Table, columns: Collection[str]) -> None:
        """Index rows that wait, or those chosen of them, now that all are there."""
        names = {number: name for name, number in self._staged.items()}
        name = names[table.name].removesuffix(_KEPT)
        for key in self._waits.get(name, ()):
            self._run(_index(table, key))
        super()._analyze(table, ())  # its ANALYZE knows no columns

    def _run(self, statement: exp.Expression) -> int:
        """Run a statement; a column that goes, or changes its type, can't be in an index meanwhile."""
        action = statement.args["actions"][0] if isinstance(statement, exp.Alter) else None
        if not isinstance(action, (exp.AlterColumn, exp.Drop)):
            return super()._run(statement)
        stays, table = isinstance(action, exp.AlterColumn), statement.this
        column = action.this.name if stays else next(action.find_all(exp.Column)).name
        indexes = self._connection.query(_INDEXES, [self._dataset, table.name, column])
        for name, _ in indexes:
            super()._run(statements.drop_unique(self._dataset, table.name, name, constraint=False))
        count = super()._run(statement)
        for _, columns in indexes if stays else ():
            super()._run(_index(table, orjson.loads(columns)))
        return count

    def _index(self, tables: Iterable[Table]) -> None:
        tables = list(tables)
        super()._index(tables)
        for table in tables if self._create_indexes else ():
            if table.write_disposition != "merge" and not table.keys("root_key"):
                continue
            with self._connection.errors(f"indexing table `{table.name}`"):
                typed = {column.name for column in table.typed_columns()}
                for key in looked_up(table):
                    if set(key) <= typed and not self._has_index(table, key):
                        self._run(_index(self.place(table.name), key))

    def _has_index(self, table: Table, key: Sequence[str]) -> bool:
        """Whether a constraint or a unique index of the table serves the key."""
        unique = self._dialect.unique_indexes and len(key) == 1 and key[0] in table.keys("unique")
        return unique or (self._dialect.primary_keys and key == table.keys("primary_key"))


def _index(table: exp.Table, key: Sequence[str]) -> exp.Create:
    params = exp.IndexParameters(columns=[statements.column_ref(name) for name in key])
    # Somebody else's, or that of a table that was renamed, may have the name: then there is none.
    return exp.Create(this=exp.Index(table=table.copy(), params=params), kind="INDEX", exists=True)
